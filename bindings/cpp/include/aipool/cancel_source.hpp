/// A flag that ends requests.
#pragma once

#include <aipool/handle.hpp>

#include <utility>

namespace aipool {
inline namespace v0 {

/// Ends the requests that carry it, now and later, with status::cancelled. Move-only; keep it until they returned.
/// Since 0.1.
class cancel_source {
public:
    /// A new, unfired one. Fails with status::limit or status::system. Since 0.1.
    static result<cancel_source> open()
    {
        auto made = impl::make<aip_cancel>([](auto out, auto error) { return aip_cancel_new(out, error); });
        if (!made) return std::move(made).error();
        return cancel_source(std::move(made).value());
    }

    /// Fires for good; firing again changes nothing. Any thread, and any signal handler. Since 0.1.
    void fire() const noexcept { aip_cancel_fire(handle_.get()); }

    /// The C handle, which stays this object's. Since 0.1.
    aip_cancel* native_handle() const noexcept { return handle_.get(); }

private:
    explicit cancel_source(impl::handle<aip_cancel> handle) noexcept : handle_(std::move(handle)) {}

    impl::handle<aip_cancel> handle_;
};

}  // namespace v0
}  // namespace aipool
