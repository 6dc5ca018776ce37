/// A value, or the error that came instead of it.
#pragma once

#include <aipool/error.hpp>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

namespace aipool {
inline namespace v0 {

namespace impl {

#ifdef __cpp_exceptions
constexpr bool throws = true;
#else
constexpr bool throws = false;
#endif

/// What value() does without a value. A template parameter, so that files compiled with exceptions and without them
/// keep functions of their own when they are linked into one program.
template <bool Throws>
[[noreturn]] void raise(const error& failure);

template <>
[[noreturn]] inline void raise<false>(const error& failure)
{
    std::fprintf(stderr, "aipool: value() of a failure: %s: %s\n", aip_status_name(static_cast<int>(failure.status)),
                 failure.message.c_str());
    std::abort();
}

#ifdef __cpp_exceptions
template <>
[[noreturn]] inline void raise<true>(const error& failure)
{
    throw exception(failure);
}
#endif

}  // namespace impl

/// A T, or an error. Test it, then use value(); or let value() throw aipool::exception (without exceptions it prints
/// the error and aborts). Owned by one thread at a time. Since 0.1.
template <class T>
class [[nodiscard]] result {
public:
    /// With a value. Since 0.1.
    result(T value) : value_(std::move(value)) {}
    /// With an error. Since 0.1.
    result(aipool::error failure) : error_(std::move(failure)) {}

    /// Whether there is a value. Since 0.1.
    bool has_value() const noexcept { return value_.has_value(); }
    /// As has_value(). Since 0.1.
    explicit operator bool() const noexcept { return has_value(); }

    /// The error; its status is ok where there is a value. Since 0.1.
    const aipool::error& error() const& noexcept { return error_; }
    /// The error, moved out. Since 0.1.
    aipool::error error() && { return std::move(error_); }

    /// The value, which stays. Since 0.1.
    template <bool Throws = impl::throws>
    T& value() &
    {
        return *checked<Throws>(*this);
    }
    /// The value, which stays. Since 0.1.
    template <bool Throws = impl::throws>
    const T& value() const&
    {
        return *checked<Throws>(*this);
    }
    /// The value, moved out. Since 0.1.
    template <bool Throws = impl::throws>
    T value() &&
    {
        return std::move(*checked<Throws>(*this));
    }

    /// As value(). Not on a temporary, whose value would be gone at once. Since 0.1.
    template <bool Throws = impl::throws>
    T* operator->() &
    {
        return &*checked<Throws>(*this);
    }
    /// As value(). Since 0.1.
    template <bool Throws = impl::throws>
    const T* operator->() const&
    {
        return &*checked<Throws>(*this);
    }
    template <bool Throws = impl::throws>
    const T* operator->() const&& = delete;

private:
    template <bool Throws, class Self>
    static auto& checked(Self& self)
    {
        if (!self.value_) impl::raise<Throws>(self.error_);
        return self.value_;
    }

    std::optional<T> value_;
    aipool::error error_;
};

/// Done, or an error. As result<T> otherwise. Since 0.1.
template <>
class [[nodiscard]] result<void> {
public:
    result() = default;
    /// With an error. Since 0.1.
    result(aipool::error failure) : error_(std::move(failure)) {}

    /// Whether it was done. Since 0.1.
    bool has_value() const noexcept { return error_.status == status::ok; }
    /// As has_value(). Since 0.1.
    explicit operator bool() const noexcept { return has_value(); }

    /// The error; its status is ok where it was done. Since 0.1.
    const aipool::error& error() const& noexcept { return error_; }
    /// The error, moved out. Since 0.1.
    aipool::error error() && { return std::move(error_); }

    /// Nothing, or what result<T>::value() does with an error. Since 0.1.
    template <bool Throws = impl::throws>
    void value() const
    {
        if (!has_value()) impl::raise<Throws>(error_);
    }

private:
    aipool::error error_;
};

}  // namespace v0
}  // namespace aipool
