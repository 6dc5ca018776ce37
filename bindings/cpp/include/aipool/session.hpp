/// A handle to a shared session: a base URL and warm connections.
#pragma once

#include <aipool/options.hpp>
#include <aipool/response.hpp>
#include <aipool/stream.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace aipool {
inline namespace v0 {

/// A session's state and counters; the fields are documented at aip_session_stats in aipool.h. Since 0.1.
using session_stats = aip_session_stats;

/// A handle to a session that its pool shares among all who ask for its key. Move-only; the session stays in the pool
/// when the handle goes. Any thread, many at once: const leaves the handle as it is. Since 0.1.
class session {
public:
    /// Sends a request and blocks until the whole response came or a limit ran out. Since 0.1.
    result<response> request(const aipool::request& what) const { return send(impl::c_request(what)); }

    /// A GET of an absolute URL, or of a path below the base URL. Since 0.1.
    result<response> get(std::string_view url) const { return send(impl::c_request("GET", url, {})); }

    /// A POST of any bytes to an absolute URL, or to a path below the base URL. Since 0.1.
    result<response> post(std::string_view url, std::string_view body,
                          std::string_view content_type = "application/json") const
    {
        impl::c_request what("POST", url, body);
        what.add_header("content-type", content_type);
        return send(what);
    }

    /// Sends a request and blocks until the response's head came; its body is read while it comes. Its timeout and max_body
    /// count only where the request itself sets them; without limits of your own, five minutes of silence end it.
    /// status::unsupported over reqwest; else fails as request(). Since 0.1.
    ///
    ///     auto chat = session.stream(request).value();
    ///     for (const auto& event : chat.events()) std::puts(std::string(event.data).c_str());
    ///     if (chat.error()) throw aipool::exception(*chat.error());
    result<aipool::stream> stream(const aipool::request& what) const
    {
        auto head = send(impl::c_request(what, AIP_REQUEST_STREAM));
        if (!head) return std::move(head).error();
        return impl::adopt::head(std::move(head).value());
    }

    /// Opens connections to the base URL before requests need them, until as many stand as can take that many requests at
    /// once, 1 to 64: HTTP/2 needs one for many. How many stand then. Blocks for `limit` at most, by default ten seconds,
    /// and fails as a request would; nothing was sent. Over reqwest it is status::unsupported. Since 0.1.
    result<std::uint32_t> warm(std::uint32_t connections,
                               std::optional<std::chrono::milliseconds> limit = std::nullopt) const
    {
        // C takes 0 for its default, so a limit that is given is 1 at the least.
        const std::uint32_t limit_ms = limit ? impl::to_c32(*limit, 1) : 0;
        std::uint32_t standing = 0;
        auto warmed = impl::run(
            [&](auto error) { return aip_session_warm(handle_.get(), connections, limit_ms, &standing, error); });
        if (!warmed) return std::move(warmed).error();
        return standing;
    }

    /// Names the shared session: equal for two handles of one session, never used again, 0 when moved from. Since 0.1.
    std::uint64_t id() const noexcept { return aip_session_id(handle_.get()); }

    /// Whether the session is closed or evicted: then get it again. Since 0.1.
    bool closed() const noexcept { return aip_session_is_closed(handle_.get()) != 0; }

    /// Closes the session for everybody: requests under way finish, later ones are status::closed. Since 0.1.
    result<void> close() const
    {
        return impl::run([&](auto error) { return aip_session_close(handle_.get(), error); });
    }

    /// The session's state and counters. Since 0.1.
    result<session_stats> stats() const
    {
        return impl::read<session_stats>(
            [&](auto out, auto size, auto error) { return aip_session_get_stats(handle_.get(), out, size, error); });
    }

    /// The C handle, which stays this object's. Since 0.1.
    aip_session* native_handle() const noexcept { return handle_.get(); }

private:
    friend class pool;
    friend class client;
    friend class lease;

    explicit session(impl::handle<aip_session> handle) noexcept : handle_(std::move(handle)) {}

    result<response> send(const impl::c_request& what) const
    {
        return impl::answer(what, [&](auto request, auto out, auto error) {
            return aip_session_request(handle_.get(), request, out, error);
        });
    }

    impl::handle<aip_session> handle_;
};

/// A session that is never evicted while this handle lives. Move-only; moved into a session, it stays a lease.
/// Since 0.1.
class lease : public session {
private:
    friend class pool;

    explicit lease(impl::handle<aip_session> handle) noexcept : session(std::move(handle)) {}
};

}  // namespace v0
}  // namespace aipool
