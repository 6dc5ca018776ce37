/// How pools are made and sessions asked for: plain structs in which everything unset is the library's default.
#pragma once

#include <aipool/error.hpp>

#include <algorithm>
#include <chrono>
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
    constexpr operator std::optional<std::chrono::milliseconds>() const noexcept
    {
        return std::chrono::milliseconds::max();
    }
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

/// How a pool is made. Since 0.1.
struct pool_options {
    /// Sessions kept, by default 10. 0 switches keeping off: every get is a session of its own.
    std::optional<std::uint64_t> max_size;
    /// Whom a full pool gives up.
    aipool::eviction eviction = aipool::eviction::lru;
    /// From a request's start to the end of its body, by default a minute. Zero is refused.
    std::optional<std::chrono::milliseconds> timeout;
    /// For name, TCP and TLS of a new connection, by default ten seconds. Zero is refused.
    std::optional<std::chrono::milliseconds> connect_timeout;
    /// Most bytes of a decoded body, by default 64 MiB. Zero is refused.
    std::optional<std::uint64_t> max_body;
    /// 0: the threads that wait drive the I/O. 1 to 256: so many threads of the library's own do.
    std::uint32_t threads = 0;
};

/// What a session is asked for with. ca_* and http_version are the session's identity; the rest belongs to the handle
/// that is asked for. Since 0.1.
struct session_options {
    /// Another partition is another session under the same key.
    std::string partition;
    /// A file of certificates, PEM or DER, trusted besides the system's.
    std::string ca_file;
    /// Certificates, PEM or DER, trusted besides the system's.
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

/// Sets the three limits that pools, sessions and requests have in common; what C would misread is an error.
template <class C, class Options>
std::optional<error> set_limits(C& to, const Options& from)
{
    constexpr std::chrono::milliseconds zero{0};
    const char* wrong = from.timeout && *from.timeout <= zero                   ? "timeout"
                        : from.connect_timeout && *from.connect_timeout <= zero ? "connect_timeout"
                        : from.max_body && *from.max_body == 0                  ? "max_body"
                                                                                : nullptr;
    if (wrong != nullptr) {
        const std::string mend = ": is not above 0; leave it unset for the default, or use aipool::unlimited";
        return own_error(status::invalid_argument, wrong + mend);
    }
    to.timeout_ms = to_c(from.timeout);
    to.connect_timeout_ms = to_c(from.connect_timeout);
    to.max_body_bytes = to_c(from.max_body);
    return std::nullopt;
}

inline std::optional<error> set(aip_pool_options& to, const pool_options& from)
{
    aip_pool_options_init(&to, sizeof to);
    to.max_size = from.max_size && *from.max_size == 0 ? AIP_OFF : to_c(from.max_size);
    to.eviction = static_cast<std::uint32_t>(from.eviction);
    to.threads = from.threads;
    return set_limits(to, from);
}

/// Session options as C reads them; they borrow from the options and from `packed`.
inline std::optional<error> set(aip_session_options& to, std::string& packed, const session_options& from)
{
    aip_session_options_init(&to, sizeof to);
    for (const auto& [name, value] : from.headers) {
        // In the packed form a NUL would begin another header.
        if (name.find('\0') != std::string::npos || value.find('\0') != std::string::npos) {
            return own_error(status::invalid_argument, "headers: a name or value holds a NUL byte; remove it");
        }
        packed.append(name).push_back('\0');
        packed.append(value).push_back('\0');
    }
    to.partition = from.partition.data();
    to.partition_len = from.partition.size();
    to.ca_file = from.ca_file.data();
    to.ca_file_len = from.ca_file.size();
    to.ca_bytes = reinterpret_cast<const std::uint8_t*>(from.ca_bytes.data());
    to.ca_bytes_len = from.ca_bytes.size();
    to.headers = packed.data();
    to.headers_len = packed.size();
    to.http_version = static_cast<std::uint32_t>(from.http_version);
    return set_limits(to, from);
}

}  // namespace impl

}  // namespace v0
}  // namespace aipool
