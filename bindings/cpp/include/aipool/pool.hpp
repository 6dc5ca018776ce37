/// A pool of sessions keyed by base URL.
#pragma once

#include <aipool/options.hpp>
#include <aipool/session.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace aipool {
inline namespace v0 {

/// A pool's state and counters; the fields are documented at aip_pool_stats in aipool.h. The places of `closed` are those
/// of close_reason. Since 0.1.
using pool_stats = aip_pool_stats;

/// A pool of sessions keyed by base URL. Move-only; its destructor never blocks: sessions become status::closed,
/// requests under way finish. Any thread, many at once: const leaves the handle as it is. Since 0.1.
class pool {
public:
    /// Makes a pool. status::invalid_argument names a wrong option; status::unsupported is a library of another ABI.
    /// Since 0.1.
    static result<pool> open(const pool_options& options = {}) { return make(&aip_pool_new, &options); }

    /// A handle to the process's one shared pool, made with default options on first use. Its destructor gives only the
    /// handle up. Since 0.1.
    static result<pool> global() { return make(&aip_pool_global, nullptr); }

    /// The same, asking for these options: status::invalid_argument where the pool exists with others. Since 0.1.
    static result<pool> global(const pool_options& options) { return make(&aip_pool_global, &options); }

    /// Ends the global pool as close_all() does; its handles are closed from then on, the next global() makes a new
    /// one. Since 0.1.
    static result<void> close_global(std::chrono::milliseconds drain)
    {
        return impl::run([&](auto error) { return aip_pool_close_global(impl::to_c32(drain), error); });
    }

    /// The session of a base URL, made when there is none or when it is closed. Keys are compared normalised; one that
    /// is no URL takes absolute request URLs only. Since 0.1.
    result<session> get_session(std::string_view key) const
    {
        return get<session>(&aip_pool_get_session, key, nullptr);
    }

    /// The same with options; connection options must be those of the session that exists, or status::invalid_argument
    /// says which is not. A file among them that cannot be read is status::system, what reqwest lacks is
    /// status::unsupported. Since 0.1.
    result<session> get_session(std::string_view key, const session_options& options) const
    {
        return get<session>(&aip_pool_get_session, key, &options);
    }

    /// As get_session(), and not evicted while the lease lives. Since 0.1.
    result<lease> acquire(std::string_view key) const { return get<lease>(&aip_pool_acquire, key, nullptr); }

    /// As get_session() with options, and not evicted while the lease lives. Since 0.1.
    result<lease> acquire(std::string_view key, const session_options& options) const
    {
        return get<lease>(&aip_pool_acquire, key, &options);
    }

    /// Sends a request over the session of `key`, again on a fresh one when that was just closed. A session it has to make
    /// anew after an eviction or close_session() has default options; one that was only closed keeps its own. Since 0.1.
    result<response> request(std::string_view key, const aipool::request& what) const
    {
        return send(key, impl::c_request(what));
    }

    /// Closes the session of `key` in every partition: requests under way finish, the next get makes a fresh one.
    /// Since 0.1.
    result<void> close_session(std::string_view key) const
    {
        return impl::run(
            [&](auto error) { return aip_pool_close_session(handle_.get(), key.data(), key.size(), error); });
    }

    /// Closes every session, waits up to `drain` for requests under way and cuts off what is left: then that is
    /// status::timeout. The pool stays usable. Since 0.1.
    result<void> close_all(std::chrono::milliseconds drain) const
    {
        return impl::run([&](auto error) { return aip_pool_close_all(handle_.get(), impl::to_c32(drain), error); });
    }

    /// The pool's state and counters. Since 0.1.
    result<pool_stats> stats() const
    {
        return impl::read<pool_stats>(
            [&](auto out, auto size, auto error) { return aip_pool_get_stats(handle_.get(), out, size, error); });
    }

    /// The pool's numbers as Prometheus text (format 0.0.4). Since 0.1.
    result<std::string> metrics() const
    {
        return impl::read_text([&](auto text, auto cap, auto needed, auto error) {
            return aip_pool_metrics(handle_.get(), text, cap, needed, error);
        });
    }

    /// Reads the certificate files of this pool's sessions again, the system's roots too. Connections made from now on use
    /// them; those that stand finish what is under way and carry no new requests. On failure everything stays as it was;
    /// the error names the file. Since 0.1.
    result<void> reload_tls() const
    {
        return impl::run([&](auto error) { return aip_pool_reload_tls(handle_.get(), error); });
    }

    /// The C handle, which stays this object's. Since 0.1.
    aip_pool* native_handle() const noexcept { return handle_.get(); }

private:
    friend result<response> get(std::string_view url);
    friend result<response> post(std::string_view url, std::string_view body, std::string_view content_type);

    explicit pool(impl::handle<aip_pool> handle) noexcept : handle_(std::move(handle)) {}

    template <class Make>
    static result<pool> make(Make make_in_c, const pool_options* options)
    {
        if (auto other = impl::other_abi()) return *std::move(other);
        aip_pool_options c{};
        if (options != nullptr) {
            if (auto wrong = impl::set(c, *options)) return *std::move(wrong);
        }
        auto made = impl::make<aip_pool>(
            [&](auto out, auto error) { return make_in_c(options == nullptr ? nullptr : &c, out, error); });
        if (!made) return std::move(made).error();
        return pool(std::move(made).value());
    }

    template <class Kind, class Get>
    result<Kind> get(Get get_in_c, std::string_view key, const session_options* options) const
    {
        aip_session_options c{};
        std::string packed_headers;
        if (options != nullptr) {
            if (auto wrong = impl::set(c, packed_headers, *options)) return *std::move(wrong);
        }
        auto got = impl::make<aip_session>([&](auto out, auto error) {
            return get_in_c(handle_.get(), key.data(), key.size(), options == nullptr ? nullptr : &c, out, error);
        });
        if (!got) return std::move(got).error();
        return Kind(std::move(got).value());
    }

    result<response> send(std::string_view key, const impl::c_request& what) const
    {
        return impl::answer(what, [&](auto request, auto out, auto error) {
            return aip_pool_request(handle_.get(), key.data(), key.size(), request, out, error);
        });
    }

    impl::handle<aip_pool> handle_;
};

}  // namespace v0
}  // namespace aipool
