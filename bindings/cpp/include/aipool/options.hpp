/// How pools are made and sessions asked for: plain structs in which everything unset is the library's default.
#pragma once

#include <aipool/error.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aipool {
inline namespace v0 {

/// The type of aipool::unlimited. Since 0.1.
struct unlimited_t {
    /// As a time limit: none. Since 0.1.
    constexpr operator std::optional<std::chrono::milliseconds>() const noexcept
    {
        return std::chrono::milliseconds::max();
    }
    /// As a number: none is too high. Since 0.1.
    constexpr operator std::optional<std::uint64_t>() const noexcept
    {
        return std::numeric_limits<std::uint64_t>::max();
    }
};

/// No bound, for every limit in this file and in request: `options.timeout = aipool::unlimited`. Since 0.1.
inline constexpr unlimited_t unlimited{};

/// Names and values; names may repeat and keep their order. Since 0.1.
using header_list = std::vector<std::pair<std::string, std::string>>;

/// Whom a full pool gives up. Since 0.1.
enum class eviction : std::uint32_t {
    lru = AIP_EVICT_LRU,    ///< The least recently used session.
    fifo = AIP_EVICT_FIFO,  ///< The session that was inserted first.
};

/// Which HTTP a session speaks. Since 0.1.
enum class http_version : std::uint32_t {
    automatic = AIP_HTTP_AUTO,  ///< HTTP/2 where the server offers it over TLS, HTTP/1.1 otherwise.
    http1 = AIP_HTTP_1,         ///< HTTP/1.1 only.
    http2 = AIP_HTTP_2,         ///< HTTP/2 only; over plain http by prior knowledge.
};

/// What carries a session's requests. Since 0.1.
enum class transport : std::uint32_t {
    engine = AIP_TRANSPORT_ENGINE,    ///< The pool's own connections.
    reqwest = AIP_TRANSPORT_REQWEST,  ///< reqwest's. What it lacks is status::unsupported by name.
};

/// Whom a session trusts. Since 0.1.
enum class trust : std::uint32_t {
    system_and_given = AIP_TRUST_SYSTEM_AND_GIVEN,  ///< The system's roots and those of ca_file and ca_bytes.
    given_only = AIP_TRUST_GIVEN_ONLY,              ///< Those of ca_file and ca_bytes alone.
    anybody = AIP_TRUST_ANYBODY,                    ///< For a test server alone. Shown in stats, infos and events.
};

/// The least version of TLS. Since 0.1.
enum class tls_version : std::uint32_t {
    tls12 = AIP_TLS_1_2,  ///< TLS 1.2 or newer.
    tls13 = AIP_TLS_1_3,  ///< TLS 1.3 or newer.
};

/// Which proxy a session uses where it is given none. Since 0.1.
enum class proxy_mode : std::uint32_t {
    environment = AIP_PROXY_ENVIRONMENT,  ///< As http_proxy and its like say; loopback goes direct.
    off = AIP_PROXY_OFF,                  ///< None.
};

/// How the events of a stream are framed. Since 0.1.
enum class event_format : std::uint32_t {
    by_content_type = 0,         ///< As the response's content-type says.
    sse = AIP_EVENTS_SSE,        ///< Server-sent events.
    ndjson = AIP_EVENTS_NDJSON,  ///< A JSON text a line.
};

/// How a pool is made. Since 0.1.
struct pool_options {
    /// Sessions kept, by default 10. 0 switches keeping off: every get is a session of its own.
    std::optional<std::uint64_t> max_size;
    /// Whom a full pool gives up.
    aipool::eviction eviction = aipool::eviction::lru;
    /// From a request's start to the end of its body, by default a minute. Zero is refused.
    std::optional<std::chrono::milliseconds> timeout;
    /// For name, TCP, proxy and TLS of a new connection together, by default ten seconds. Zero is refused.
    std::optional<std::chrono::milliseconds> connect_timeout;
    /// Most bytes of a decoded body, by default 64 MiB. Zero is refused.
    std::optional<std::uint64_t> max_body;
    /// 0: the threads that wait drive the I/O. 1 to 256: so many threads of the library's own do.
    std::uint32_t threads = 0;
    /// For waiting for a connection while all allowed are in use, by default 30 seconds. Zero is refused.
    std::optional<std::chrono::milliseconds> queue_timeout;
    /// For a name look-up, by default five seconds. Zero is refused.
    std::optional<std::chrono::milliseconds> dns_timeout;
    /// For a TLS handshake, by default five seconds. Zero is refused.
    std::optional<std::chrono::milliseconds> tls_timeout;
    /// For the time without one more byte of a large request going out, by default 30 seconds. Zero is refused.
    std::optional<std::chrono::milliseconds> send_timeout;
    /// From a request's last byte to the response's head, by default unlimited. Zero is refused.
    std::optional<std::chrono::milliseconds> first_byte_timeout;
    /// For the time without one more byte of the body, by default unlimited. Zero is refused.
    std::optional<std::chrono::milliseconds> between_bytes_timeout;
    /// Connections to one origin, by default 64. Zero is refused.
    std::optional<std::uint64_t> max_connections_per_origin;
    /// Connections of the pool, by default 512. Zero is refused.
    std::optional<std::uint64_t> max_connections;
    /// Requests that may wait for a connection to one origin, by default 10000. Zero is refused.
    std::optional<std::uint64_t> max_queue;
    /// After what time an idle connection closes, by default 50 seconds; unlimited is 30 days. Servers that say less are
    /// believed. Zero is refused.
    std::optional<std::chrono::milliseconds> idle_timeout;
    /// After what time a connection is replaced, give or take 15 %, by default ten minutes. Zero is refused.
    std::optional<std::chrono::milliseconds> max_lifetime;
    /// From the going out of a stream's request to its first data event, by default unlimited. Zero is refused.
    std::optional<std::chrono::milliseconds> first_event_timeout;
    /// For the time without one more data event of a stream, comments and pings not counted, by default unlimited. Zero is
    /// refused.
    std::optional<std::chrono::milliseconds> between_events_timeout;
};

/// What a session is asked for with. ca_*, http_version, transport and all from trust on shape connections: they are the
/// session's identity. Another partition is another session. All else belongs to the handle that is asked for. Since 0.1.
struct session_options {
    /// Another partition is another session under the same key.
    std::string partition;
    /// A file of certificates, PEM or DER, trusted as `trust` says.
    std::string ca_file;
    /// Certificates, PEM or DER, trusted as `trust` says.
    std::string ca_bytes;
    /// Sent with every request that does not carry the same name.
    header_list headers;
    /// As in pool_options, for requests of this handle; by default the pool's.
    std::optional<std::chrono::milliseconds> timeout;
    /// As in pool_options, for requests of this handle; by default the pool's.
    std::optional<std::chrono::milliseconds> connect_timeout;
    /// As in pool_options, for requests of this handle; by default the pool's.
    std::optional<std::uint64_t> max_body;
    /// Which HTTP is spoken.
    aipool::http_version http_version = aipool::http_version::automatic;
    /// As in pool_options, for requests of this handle; by default the pool's.
    std::optional<std::chrono::milliseconds> queue_timeout;
    /// As in pool_options, for requests of this handle; by default the pool's.
    std::optional<std::chrono::milliseconds> dns_timeout;
    /// As in pool_options, for requests of this handle; by default the pool's.
    std::optional<std::chrono::milliseconds> tls_timeout;
    /// As in pool_options, for requests of this handle; by default the pool's.
    std::optional<std::chrono::milliseconds> send_timeout;
    /// As in pool_options, for requests of this handle; by default the pool's.
    std::optional<std::chrono::milliseconds> first_byte_timeout;
    /// As in pool_options, for requests of this handle; by default the pool's.
    std::optional<std::chrono::milliseconds> between_bytes_timeout;
    /// Redirects followed, up to 30, by default none. Credentials never cross an origin.
    std::optional<std::uint32_t> max_redirects;
    /// Further attempts, up to 10, by default none: after failures where nothing was sent, after a broken connection where
    /// the request may be sent twice (idempotent, Idempotency-Key, may_repeat), and after 429, 503, 529 or what the server
    /// marks with x-should-retry, waiting as its Retry-After says. All within the timeout.
    std::optional<std::uint32_t> max_retries;
    /// What carries the requests.
    aipool::transport transport = aipool::transport::engine;
    /// Whom the session trusts.
    aipool::trust trust = aipool::trust::system_and_given;
    /// The least version of TLS.
    aipool::tls_version min_tls = aipool::tls_version::tls12;
    /// The client's certificate chain, a PEM file, for servers that ask for one.
    std::string client_cert_file;
    /// The same as PEM bytes.
    std::string client_cert_bytes;
    /// The chain's key, a PEM file without a password.
    std::string client_key_file;
    /// The same as PEM bytes.
    std::string client_key_bytes;
    /// The name asked for (SNI) and verified in place of the URL's host.
    std::string server_name;
    /// SHA-256 hashes of public keys (SPKI): the server's chain must hold one of them.
    std::vector<std::array<std::uint8_t, 32>> pins;
    /// A file that TLS session secrets are appended to, for a packet capture.
    std::string key_log_file;
    /// A proxy: http://, https://, socks5:// or socks5h://, with user and password where it wants them.
    std::string proxy;
    /// Hosts that `proxy` is not used for: names, .suffixes, addresses, CIDR, separated by commas.
    std::string no_proxy;
    /// Which proxy is used where `proxy` is empty.
    aipool::proxy_mode proxy_mode = aipool::proxy_mode::environment;
    /// Connections go to this unix socket, whatever the URL's host is.
    std::string unix_socket;
    /// Addresses of host names that are not to be looked up: "host=address,address host=address".
    std::string resolve;
    /// The address connections come from.
    std::string local_address;
    /// Silence before TCP keep-alive probes, a second at the least, by default 30 seconds; unlimited: no probes. Zero is
    /// refused.
    std::optional<std::chrono::milliseconds> keepalive;
    /// Bytes of one HTTP/2 stream that may wait unread, 1024 to 16 MiB, by default 64 KiB; unlimited is 16 MiB. Zero is
    /// refused.
    std::optional<std::uint64_t> stream_window;
    /// As in pool_options, for requests of this handle; by default the pool's.
    std::optional<std::chrono::milliseconds> first_event_timeout;
    /// As in pool_options, for requests of this handle; by default the pool's.
    std::optional<std::chrono::milliseconds> between_events_timeout;
};

namespace impl {

/// As C writes it: 0 is the default, negative numbers are no bound. Only a set, positive number goes through as it is.
inline std::int64_t to_c(std::optional<std::chrono::milliseconds> limit)
{
    if (!limit) return 0;
    return *limit == std::chrono::milliseconds::max() ? AIP_UNLIMITED : std::int64_t{limit->count()};
}

inline std::int64_t to_c(std::optional<std::uint64_t> limit)
{
    if (!limit) return 0;
    if (*limit == std::numeric_limits<std::uint64_t>::max()) return AIP_UNLIMITED;
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    return static_cast<std::int64_t>(std::min(*limit, most));
}

/// How often, where zero is a number as any other.
inline std::int64_t to_c(std::optional<std::uint32_t> times)
{
    if (!times) return 0;
    return *times == 0 ? std::int64_t{AIP_OFF} : std::int64_t{*times};
}

/// As C counts it in 32 bits: 49 days at most.
inline std::uint32_t to_c32(std::chrono::milliseconds time, std::int64_t least = 0)
{
    constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(time.count(), least, most));
}

/// Limits on their way to C. What C would misread, zero and less, is an error: the first is kept.
class limits {
public:
    template <class Limit>
    void set(std::int64_t& to, const std::optional<Limit>& from, const char* name)
    {
        if (from && !(*from > Limit{}) && wrong_ == nullptr) wrong_ = name;
        to = to_c(from);
    }

    /// Those that pools, sessions and requests have in common.
    template <class C, class Options>
    void set_all(C& to, const Options& from)
    {
        set(to.timeout_ms, from.timeout, "timeout");
        set(to.connect_timeout_ms, from.connect_timeout, "connect_timeout");
        set(to.max_body_bytes, from.max_body, "max_body");
        set(to.queue_timeout_ms, from.queue_timeout, "queue_timeout");
        set(to.dns_timeout_ms, from.dns_timeout, "dns_timeout");
        set(to.tls_timeout_ms, from.tls_timeout, "tls_timeout");
        set(to.send_timeout_ms, from.send_timeout, "send_timeout");
        set(to.first_byte_timeout_ms, from.first_byte_timeout, "first_byte_timeout");
        set(to.between_bytes_timeout_ms, from.between_bytes_timeout, "between_bytes_timeout");
        set(to.first_event_timeout_ms, from.first_event_timeout, "first_event_timeout");
        set(to.between_events_timeout_ms, from.between_events_timeout, "between_events_timeout");
    }

    std::optional<error> refused() const
    {
        if (wrong_ == nullptr) return std::nullopt;
        const std::string mend = ": is not above 0; leave it unset for the default, or use aipool::unlimited";
        return own_error(status::invalid_argument, wrong_ + mend);
    }

private:
    const char* wrong_ = nullptr;
};

inline std::optional<error> set(aip_pool_options& to, const pool_options& from)
{
    aip_pool_options_init(&to, sizeof to);
    to.max_size = from.max_size && *from.max_size == 0 ? AIP_OFF : to_c(from.max_size);
    to.eviction = static_cast<std::uint32_t>(from.eviction);
    to.threads = from.threads;
    limits all;
    all.set_all(to, from);
    all.set(to.max_connections_per_origin, from.max_connections_per_origin, "max_connections_per_origin");
    all.set(to.max_connections, from.max_connections, "max_connections");
    all.set(to.max_queue, from.max_queue, "max_queue");
    all.set(to.idle_timeout_ms, from.idle_timeout, "idle_timeout");
    all.set(to.max_lifetime_ms, from.max_lifetime, "max_lifetime");
    return all.refused();
}

/// A text as C reads it: borrowed.
inline void set(const char*& to, std::size_t& size, const std::string& from)
{
    to = from.data();
    size = from.size();
}

inline void set(const std::uint8_t*& to, std::size_t& size, const std::string& from)
{
    to = reinterpret_cast<const std::uint8_t*>(from.data());
    size = from.size();
}

/// Trust and keys of session options as C reads them: borrowed.
inline void set_tls(aip_session_options& to, const session_options& from)
{
    set(to.ca_file, to.ca_file_len, from.ca_file);
    set(to.ca_bytes, to.ca_bytes_len, from.ca_bytes);
    to.trust = static_cast<std::uint32_t>(from.trust);
    to.min_tls = static_cast<std::uint32_t>(from.min_tls);
    set(to.client_cert_file, to.client_cert_file_len, from.client_cert_file);
    set(to.client_cert_bytes, to.client_cert_bytes_len, from.client_cert_bytes);
    set(to.client_key_file, to.client_key_file_len, from.client_key_file);
    set(to.client_key_bytes, to.client_key_bytes_len, from.client_key_bytes);
    set(to.server_name, to.server_name_len, from.server_name);
    set(to.key_log_file, to.key_log_file_len, from.key_log_file);
    static_assert(sizeof(from.pins[0]) == 32, "pins lie one after the other");
    to.pins = from.pins.empty() ? nullptr : from.pins.front().data();
    to.pins_len = 32 * from.pins.size();
}

/// How connections get to their server, as C reads it: borrowed.
inline void set_network(aip_session_options& to, const session_options& from)
{
    to.http_version = static_cast<std::uint32_t>(from.http_version);
    to.transport = static_cast<std::uint32_t>(from.transport);
    set(to.proxy, to.proxy_len, from.proxy);
    set(to.no_proxy, to.no_proxy_len, from.no_proxy);
    to.proxy_mode = static_cast<std::uint32_t>(from.proxy_mode);
    set(to.unix_socket, to.unix_socket_len, from.unix_socket);
    set(to.resolve, to.resolve_len, from.resolve);
    set(to.local_address, to.local_address_len, from.local_address);
}

/// Headers as C packs them: name NUL value NUL.
inline std::optional<error> pack(std::string& packed, const header_list& from)
{
    for (const auto& [name, value] : from) {
        // In the packed form a NUL would begin another header.
        if (name.find('\0') != std::string::npos || value.find('\0') != std::string::npos) {
            return own_error(status::invalid_argument, "headers: a name or value holds a NUL byte; remove it");
        }
        packed.append(name).push_back('\0');
        packed.append(value).push_back('\0');
    }
    return std::nullopt;
}

/// Session options as C reads them; they borrow from the options and from `packed`.
inline std::optional<error> set(aip_session_options& to, std::string& packed, const session_options& from)
{
    aip_session_options_init(&to, sizeof to);
    if (auto wrong = pack(packed, from.headers)) return wrong;
    set(to.partition, to.partition_len, from.partition);
    set(to.headers, to.headers_len, packed);
    set_tls(to, from);
    set_network(to, from);
    to.max_redirects = to_c(from.max_redirects);
    to.max_retries = to_c(from.max_retries);
    limits all;
    all.set_all(to, from);
    all.set(to.keepalive_ms, from.keepalive, "keepalive");
    all.set(to.stream_window_bytes, from.stream_window, "stream_window");
    return all.refused();
}

}  // namespace impl

}  // namespace v0
}  // namespace aipool
