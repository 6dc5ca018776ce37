/// What a failure says: its class, where it happened, whether the server can have seen the request.
#include "harness.hpp"
#include "sandbox.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

using namespace std::chrono_literals;
using aipool::delivery;
using aipool::phase;
using aipool::status;
using sandbox::listener;
using sandbox::trusting;

/// What a request with a fault came to.
static aipool::result<aipool::response> with_fault(const listener& listener, const std::string& url,
                                                   const std::string& fault)
{
    aipool::request request;
    request.url = url;
    request.headers = {{"x-sandbox", fault}};
    return open_pool().request(listener.http, request);
}

/// The URL of a port that nobody listens on.
static std::string refusing_url()
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                       getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    close(fd);
    CHECK(bound);
    return "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

BEHAVIOUR(body_over_cap_is_too_large_with_what_fitted)
{
    const listener listener;
    aipool::request request;
    request.url = "/bytes/1000";
    request.max_body = 10;
    const auto outcome = open_pool().request(listener.http, request);
    CHECK_EQUAL(status_of(outcome), status::too_large);
    CHECK_EQUAL(outcome.error().http_status, 200);
    CHECK_EQUAL(outcome.error().delivery, delivery::response_started);
    CHECK_EQUAL(outcome.error().partial->status(), 200);
    CHECK_EQUAL(outcome.error().partial->body(), "aaaaaaaaaa");
}

BEHAVIOUR(cut_body_is_truncated_with_what_came)
{
    const listener listener;
    const auto outcome = with_fault(listener, "/bytes/1000", "truncate=10");
    CHECK_EQUAL(status_of(outcome), status::truncated);
    CHECK_EQUAL(outcome.error().phase, phase::body);
    CHECK_EQUAL(outcome.error().delivery, delivery::response_started);
    CHECK_EQUAL(outcome.error().partial->body(), "aaaaaaaaaa");
}

BEHAVIOUR(reset_before_response_is_reset_maybe_sent)
{
    const listener listener;
    const auto outcome = with_fault(listener, "/echo", "reset");
    CHECK_EQUAL(status_of(outcome), status::reset);
    CHECK_EQUAL(outcome.error().delivery, delivery::maybe_sent);
    CHECK_EQUAL(outcome.error().phase, phase::first_byte);
    CHECK(!outcome.error().retryable);
    CHECK(outcome.error().partial == nullptr);
}

BEHAVIOUR(refused_connection_is_connect_not_sent)
{
    const auto outcome = open_pool().request(refusing_url(), {});
    CHECK_EQUAL(status_of(outcome), status::connect);
    CHECK_EQUAL(outcome.error().delivery, delivery::not_sent);
    CHECK_EQUAL(outcome.error().phase, phase::connect);
    CHECK_EQUAL(outcome.error().os_error, ECONNREFUSED);
    CHECK(outcome.error().retryable);
}

BEHAVIOUR(unresolvable_host_is_dns_not_sent)
{
    const auto outcome = open_pool().request("http://nope.invalid", {});
    CHECK_EQUAL(status_of(outcome), status::dns);
    CHECK_EQUAL(outcome.error().delivery, delivery::not_sent);
    CHECK_EQUAL(outcome.error().phase, phase::dns);
}

BEHAVIOUR(untrusted_certificate_is_tls_not_sent)
{
    const listener listener;
    const auto outcome = open_pool().request(listener.https, {});
    CHECK_EQUAL(status_of(outcome), status::tls);
    CHECK_EQUAL(outcome.error().detail, aipool::detail::untrusted_issuer);
    CHECK_EQUAL(outcome.error().phase, phase::tls);
    CHECK_EQUAL(outcome.error().delivery, delivery::not_sent);
    CHECK_EQUAL(listener.count("requests"), 0U);
}

BEHAVIOUR(extra_ca_is_trusted)
{
    const listener listener;
    const auto pool = open_pool();
    CHECK_EQUAL(pool.get_session(listener.https, trusting()).value().get("/echo").value().status(), 200);
    aipool::session_options der;
    der.partition = "der";
    der.ca_file = sandbox::env("AIPOOL_SANDBOX_CA_DER");
    CHECK_EQUAL(pool.get_session(listener.https, der).value().get("/echo").value().status(), 200);
}

BEHAVIOUR(total_limit_is_timeout)
{
    const listener listener;
    const auto pool = open_pool();
    aipool::request request;
    request.url = "/echo";
    CHECK_EQUAL(pool.request(listener.http, request).value().status(), 200);  // Warm, so that it is sent for certain.
    request.headers = {{"x-sandbox", "stall-head"}};
    request.timeout = 50ms;
    const auto outcome = pool.request(listener.http, request);
    CHECK_EQUAL(status_of(outcome), status::timeout);
    CHECK_EQUAL(outcome.error().detail, aipool::detail::total_limit);
    CHECK_EQUAL(outcome.error().delivery, delivery::maybe_sent);
    CHECK_EQUAL(pool.stats().value().failures, 1U);
}

BEHAVIOUR(first_byte_limit_is_timeout)
{
    const listener listener;
    aipool::request request;
    request.url = "/echo";
    request.headers = {{"x-sandbox", "stall-head"}};
    request.first_byte_timeout = 100ms;
    const auto outcome = open_pool().request(listener.http, request);
    if (lacks_over_reqwest(outcome, "first_byte_timeout_ms: ")) return;
    CHECK_EQUAL(status_of(outcome), status::timeout);
    CHECK_EQUAL(outcome.error().detail, aipool::detail::first_byte_limit);
    CHECK_EQUAL(outcome.error().phase, phase::first_byte);
    CHECK_EQUAL(outcome.error().delivery, delivery::maybe_sent);
}

BEHAVIOUR(between_bytes_limit_is_timeout)
{
    const listener listener;
    aipool::request request;
    request.url = "/bytes/100";
    request.headers = {{"x-sandbox", "stall=10"}};
    request.between_bytes_timeout = 100ms;
    const auto outcome = open_pool().request(listener.http, request);
    if (lacks_over_reqwest(outcome, "between_bytes_timeout_ms: ")) return;
    CHECK_EQUAL(status_of(outcome), status::timeout);
    CHECK_EQUAL(outcome.error().detail, aipool::detail::between_bytes_limit);
    CHECK_EQUAL(outcome.error().phase, phase::body);
    CHECK_EQUAL(outcome.error().delivery, delivery::response_started);
    CHECK_EQUAL(outcome.error().http_status, 200);
}

BEHAVIOUR(cancel_from_another_thread_ends_the_call)
{
    const listener listener;
    const auto pool = open_pool();
    const auto source = aipool::cancel_source::open().value();
    const std::string name = sandbox::fresh_name();
    auto cancelled = std::async(std::launch::async, [&] {
        sandbox::wait_held(name);
        source.fire();
    });
    aipool::request request;
    request.url = "/hold/" + name;
    request.cancel = &source;
    const auto outcome = pool.request(listener.http, request);
    cancelled.get();
    CHECK_EQUAL(status_of(outcome), status::cancelled);
    CHECK_EQUAL(outcome.error().delivery, delivery::maybe_sent);
    CHECK_EQUAL(pool.stats().value().in_flight, 0U);
}

BEHAVIOUR(fired_cancel_is_sticky)
{
    const listener listener;
    const auto pool = open_pool();
    const auto source = aipool::cancel_source::open().value();
    source.fire();
    source.fire();
    aipool::request request;
    request.url = "/echo";
    request.cancel = &source;
    for (int i = 0; i < 2; ++i) CHECK_EQUAL(status_of(pool.request(listener.http, request)), status::cancelled);
    CHECK_EQUAL(listener.count("requests"), 0U);
    request.cancel = nullptr;
    CHECK_EQUAL(pool.request(listener.http, request).value().status(), 200);
}

BEHAVIOUR(stale_handle_is_refused)
{
    const listener listener;
    auto pool = open_pool();
    auto session = pool.get_session(listener.http).value();
    const auto kept_pool = std::move(pool);
    const auto kept_session = std::move(session);
    // What was moved from holds no handle; C tokens that were freed are refused in the same way.
    CHECK_EQUAL(status_of(pool.get_session(listener.http)), status::invalid_handle);
    CHECK_EQUAL(status_of(session.get("/echo")), status::invalid_handle);
    CHECK_EQUAL(session.id(), 0U);
    CHECK(session.closed());

    aip_session* freed = nullptr;
    {
        const auto brief = kept_pool.get_session(listener.http).value();
        freed = brief.native_handle();
    }
    CHECK_EQUAL(aip_session_free(freed), static_cast<std::int32_t>(AIP_INVALID_HANDLE));
    CHECK_EQUAL(kept_session.get("/echo").value().status(), 200);
}
