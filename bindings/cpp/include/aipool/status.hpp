/// The classes of outcomes, and what an error says besides: the numbers of aipool.h with C++ names.
#pragma once

// The binding uses the prefixed names only: a host may own pool_new and the like.
#ifndef AIP_NO_SHORT_NAMES
#define AIP_NO_SHORT_NAMES
#endif
#include <aipool.h>

#include <cstdint>
#include <string>
#include <system_error>

static_assert(AIP_ABI_VERSION == 1, "aipool.hpp is written for ABI 1: use the aipool.h that came with it");

// One category for a program and its plugins, also where they hide their symbols: error codes compare by its address.
#if defined(__GNUC__) && !defined(_WIN32)
#define AIPOOL_SHARED __attribute__((visibility("default")))
#else
#define AIPOOL_SHARED
#endif

namespace aipool {
inline namespace v0 {

/// The class of an outcome. An HTTP status of 400 or more is a response. Since 0.1.
enum class status : int {
    ok = AIP_OK,                              ///< Done.
    end = AIP_END,                            ///< A stream or queue has ended in good order; nothing more will come.
    would_block = AIP_WOULD_BLOCK,            ///< Nothing to read, take or write just now.
    invalid_argument = AIP_INVALID_ARGUMENT,  ///< An argument is wrong; the message names it.
    invalid_handle = AIP_INVALID_HANDLE,      ///< The object was moved from, or inherited over fork().
    busy = AIP_BUSY,                          ///< Another thread is in a call that allows one at a time.
    closed = AIP_CLOSED,                      ///< The session, pool or queue is closed; delivery says whether anything was sent.
    timeout = AIP_TIMEOUT,                    ///< A time limit ran out.
    cancelled = AIP_CANCELLED,                ///< The cancel_source was fired, or what was waited for destroyed.
    interrupted = AIP_INTERRUPTED,            ///< A signal handler ran during an interruptible wait.
    limit = AIP_LIMIT,                        ///< A bound of the library is reached.
    dns = AIP_DNS,                            ///< The host name does not resolve.
    connect = AIP_CONNECT,                    ///< No connection; error::os_error says why.
    tls = AIP_TLS,                            ///< No secure connection.
    protocol = AIP_PROTOCOL,                  ///< The server broke the protocol.
    reset = AIP_RESET,                        ///< The connection broke before a response.
    body = AIP_BODY,                          ///< The body cannot be decoded.
    too_large = AIP_TOO_LARGE,                ///< The body is larger than max_body; error::partial holds what fitted.
    truncated = AIP_TRUNCATED,                ///< The body ended early; error::partial holds what came.
    unsupported = AIP_UNSUPPORTED,            ///< The library that is loaded cannot do that.
    not_configured = AIP_NOT_CONFIGURED,      ///< A client lacks what it needs; the message names the option and its variable.
    auth = AIP_AUTH,                          ///< The provider does not accept the credential.
    rate_limited = AIP_RATE_LIMITED,          ///< Too many requests; error::retry_after says how long to wait.
    quota = AIP_QUOTA,                        ///< A quota or a balance is used up; no waiting mends that.
    provider = AIP_PROVIDER,                  ///< The provider refused, or failed; detail says how.
    system = AIP_SYSTEM,                      ///< The operating system refused; error::os_error holds its number.
    panic = AIP_PANIC,                        ///< A bug in the library; please report it.
};

/// What within the class. Since 0.1.
enum class detail : int {
    none = AIP_DETAIL_NONE,                                  ///< Nothing more to say.
    evicted = AIP_DETAIL_EVICTED,                            ///< closed: the pool was full and gave this session up.
    session_closed = AIP_DETAIL_SESSION_CLOSED,              ///< closed: somebody closed this session.
    pool_closed = AIP_DETAIL_POOL_CLOSED,                    ///< closed: the pool was destroyed or closed.
    queue_closed = AIP_DETAIL_QUEUE_CLOSED,                  ///< closed: the queue was closed; cancelled: it was destroyed.
    total_limit = AIP_DETAIL_TOTAL_LIMIT,                    ///< timeout: the request's timeout.
    connect_limit = AIP_DETAIL_CONNECT_LIMIT,                ///< timeout: its connect_timeout.
    drain_limit = AIP_DETAIL_DRAIN_LIMIT,                    ///< timeout or closed: the drain time of close_all().
    queue_limit = AIP_DETAIL_QUEUE_LIMIT,                    ///< timeout: queue_timeout; the message counts connections.
    dns_limit = AIP_DETAIL_DNS_LIMIT,                        ///< timeout: dns_timeout.
    tls_limit = AIP_DETAIL_TLS_LIMIT,                        ///< timeout: tls_timeout.
    send_limit = AIP_DETAIL_SEND_LIMIT,                      ///< timeout: send_timeout.
    first_byte_limit = AIP_DETAIL_FIRST_BYTE_LIMIT,          ///< timeout: first_byte_timeout.
    between_bytes_limit = AIP_DETAIL_BETWEEN_BYTES_LIMIT,    ///< timeout: between_bytes_timeout.
    first_event_limit = AIP_DETAIL_FIRST_EVENT_LIMIT,        ///< timeout: first_event_timeout.
    queue_full = AIP_DETAIL_QUEUE_FULL,                      ///< limit: max_queue requests wait already.
    between_events_limit = AIP_DETAIL_BETWEEN_EVENTS_LIMIT,  ///< timeout: between_events_timeout.
    wait_limit = AIP_DETAIL_WAIT_LIMIT,                      ///< timeout: the call's own wait; what it waited for goes on.
    proxy = AIP_DETAIL_PROXY,                                ///< It happened at the proxy, on the way to the server.
    untrusted_issuer = AIP_DETAIL_UNTRUSTED_ISSUER,          ///< tls: the certificate's issuer is not trusted.
    wrong_host = AIP_DETAIL_WRONG_HOST,                      ///< tls: the certificate is for another host name.
    expired = AIP_DETAIL_EXPIRED,                            ///< tls: it has expired, or is not valid yet.
    wrong_pin = AIP_DETAIL_WRONG_PIN,                        ///< tls: the chain holds none of the pinned keys.
    client_certificate = AIP_DETAIL_CLIENT_CERTIFICATE,      ///< tls: the server wants one, or refused ours.
    bomb = AIP_DETAIL_BOMB,                                  ///< too_large: decoded far larger than what was sent.
    redirect = AIP_DETAIL_REDIRECT,                          ///< protocol: a redirect too many, or to nowhere.
    bad_request = AIP_DETAIL_BAD_REQUEST,                    ///< provider: the request is wrong.
    permission = AIP_DETAIL_PERMISSION,                      ///< provider: this credential may not do that.
    not_found = AIP_DETAIL_NOT_FOUND,                        ///< provider: no such model, file, operation or address.
    context_overflow = AIP_DETAIL_CONTEXT_OVERFLOW,          ///< provider: the prompt is longer than the model takes.
    content_filter = AIP_DETAIL_CONTENT_FILTER,              ///< provider: refused by the provider's filter.
    server_error = AIP_DETAIL_SERVER_ERROR,                  ///< provider: the provider failed.
    overloaded = AIP_DETAIL_OVERLOADED,                      ///< provider: the provider has no room now.
    concurrency = AIP_DETAIL_CONCURRENCY,                    ///< rate_limited: as many at once as the provider allows.
    circuit_open = AIP_DETAIL_CIRCUIT_OPEN,                  ///< provider: not sent, for the requests before it all failed.
    not_json = AIP_DETAIL_NOT_JSON,                          ///< provider: the answer is HTML, or JSON that is cut.
    tool_loop = AIP_DETAIL_TOOL_LOOP,                        ///< provider: tools were called again and again, to no end.
};

/// Where in the life of a request it happened. Since 0.1.
enum class phase : int {
    none = AIP_PHASE_NONE,              ///< Before anything was begun.
    queue = AIP_PHASE_QUEUE,            ///< Waiting for a connection, as all allowed are in use.
    dns = AIP_PHASE_DNS,                ///< Looking up the host name.
    connect = AIP_PHASE_CONNECT,        ///< TCP, and the proxy's part where there is one.
    tls = AIP_PHASE_TLS,                ///< The TLS handshake.
    send = AIP_PHASE_SEND,              ///< Sending the request.
    first_byte = AIP_PHASE_FIRST_BYTE,  ///< Waiting for the response's head.
    body = AIP_PHASE_BODY,              ///< Reading the response's body.
};

/// Whether the server can have seen the request: an AI service may have billed it. Since 0.1.
enum class delivery : int {
    not_sent = AIP_NOT_SENT,                  ///< No byte of it left, or by the protocol the server did not work on it.
    maybe_sent = AIP_MAYBE_SENT,              ///< It may have arrived.
    response_started = AIP_RESPONSE_STARTED,  ///< The response had begun.
};

/// Why a connection closed: a place in pool_stats::closed, which is an array. Since 0.1.
enum class close_reason : std::uint32_t {
    idle = AIP_CLOSED_IDLE,                  ///< Unused for too long.
    lifetime = AIP_CLOSED_LIFETIME,          ///< As old as max_lifetime allows.
    by_server = AIP_CLOSED_BY_SERVER,        ///< The server closed it.
    goaway = AIP_CLOSED_GOAWAY,              ///< The server wanted no more requests on it (HTTP/2).
    error = AIP_CLOSED_ERROR,                ///< It broke, or somebody broke the protocol.
    cancelled = AIP_CLOSED_CANCELLED,        ///< Its request was given up midway (HTTP/1.1).
    no_session = AIP_CLOSED_NO_SESSION,      ///< No session refers to its server any more.
    pool = AIP_CLOSED_POOL,                  ///< The pool was closed.
    stale = AIP_CLOSED_STALE,                ///< Found dead when it was wanted.
    limit = AIP_CLOSED_LIMIT,                ///< Its place was needed by another.
    suspect = AIP_CLOSED_SUSPECT,            ///< It did not answer in time.
    not_reusable = AIP_CLOSED_NOT_REUSABLE,  ///< Its response left it unfit for another request.
    reloaded = AIP_CLOSED_RELOADED,          ///< Made before reload_tls().
};

namespace impl {

class AIPOOL_SHARED status_category final : public std::error_category {
public:
    const char* name() const noexcept override { return "aipool"; }

    std::string message(int value) const override { return aip_status_name(value); }

    /// Only where the class is the condition: `connect` may be a refusal or not, so it maps to itself.
    std::error_condition default_error_condition(int value) const noexcept override
    {
        switch (static_cast<status>(value)) {
        case status::invalid_argument: return std::errc::invalid_argument;
        case status::timeout: return std::errc::timed_out;
        case status::cancelled: return std::errc::operation_canceled;
        case status::interrupted: return std::errc::interrupted;
        case status::protocol: return std::errc::protocol_error;
        case status::reset: return std::errc::connection_reset;
        case status::would_block: return std::errc::operation_would_block;
        case status::unsupported: return std::errc::not_supported;
        default: return std::error_condition(value, *this);
        }
    }
};

}  // namespace impl

/// The category of the codes below, named "aipool". Since 0.1.
AIPOOL_SHARED inline const std::error_category& category() noexcept
{
    static const impl::status_category the;
    return the;
}

/// A status as a std::error_code; statuses convert implicitly. Since 0.1.
inline std::error_code make_error_code(status value) noexcept
{
    return {static_cast<int>(value), category()};
}

}  // namespace v0
}  // namespace aipool

namespace std {

/// aipool::status turns into a std::error_code by itself. Since 0.1.
template <>
struct is_error_code_enum<aipool::status> : true_type {};

}  // namespace std
