/// Callables that can be moved, not copied. Nothing here is for users but that a lambda becomes one.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace aipool {
inline namespace v0 {
namespace impl {

template <class Signature>
class function;

/// Any callable of these arguments, or none.
template <class... Args>
class function<void(Args...)> {
public:
    function() = default;

    template <class Callable, class = std::enable_if_t<!std::is_same_v<std::decay_t<Callable>, function> &&
                                                       std::is_invocable_v<std::decay_t<Callable>&, Args...>>>
    function(Callable&& callable)
        : held_(std::make_unique<holder<std::decay_t<Callable>>>(std::forward<Callable>(callable)))
    {
    }

    explicit operator bool() const noexcept { return held_ != nullptr; }

    void operator()(Args... args) const { held_->call(std::forward<Args>(args)...); }

private:
    struct any {
        any() = default;
        any(const any&) = delete;
        any& operator=(const any&) = delete;
        virtual ~any() = default;
        virtual void call(Args... args) = 0;
    };

    template <class Callable>
    struct holder final : any {
        template <class From>
        explicit holder(From&& from) : callable(std::forward<From>(from))
        {
        }
        void call(Args... args) override { callable(std::forward<Args>(args)...); }

        Callable callable;
    };

    std::unique_ptr<any> held_;
};

}  // namespace impl
}  // namespace v0
}  // namespace aipool
