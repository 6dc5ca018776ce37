/// A pool's connections: opened early, bounded, replaced, observed.
#include "harness.hpp"
#include "sandbox.hpp"

#include <numeric>

using namespace std::chrono_literals;
using aipool::close_reason;
using aipool::delivery;
using aipool::status;
using sandbox::held_request;
using sandbox::listener;
using sandbox::trusting;

BEHAVIOUR(warm_opens_connections_before_requests)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session(listener.http).value();
    const auto warmed = session.warm(3);
    if (lacks_over_reqwest(warmed, "warm: ")) return;
    CHECK_EQUAL(warmed.value(), 3U);
    CHECK_EQUAL(listener.count("requests"), 0U);
    {
        held_request first(session), second(session), third(session);
        CHECK_EQUAL(listener.count("connections_opened"), 3U);
        for (held_request* held : {&first, &second, &third}) CHECK_EQUAL(held->release().value().status(), 200);
    }
    CHECK_EQUAL(session.warm(2, 20s).value(), 3U);
    CHECK_EQUAL(status_of(session.warm(0)), status::invalid_argument);
}

/// One connection to an origin, and one request that may wait for it.
static pool_under_test narrow_pool()
{
    aipool::pool_options narrow = options();
    narrow.max_connections_per_origin = 1;
    narrow.max_queue = 1;
    return pool_under_test(aipool::pool::open(narrow).value());
}

BEHAVIOUR(queue_full_is_limit_with_occupancy)
{
    const listener listener;
    const auto pool = narrow_pool();
    const auto session = pool.get_session(listener.http).value();
    held_request held(session);
    auto queued = std::async(std::launch::async, [&] { return session.get("/echo"); });
    if (over_reqwest()) {
        // There connections have no bound, so nobody waits.
        CHECK_EQUAL(queued.get().value().status(), 200);
        CHECK_EQUAL(session.get("/echo").value().status(), 200);
        CHECK_EQUAL(held.release().value().status(), 200);
        return;
    }
    eventually("one waits", [&] { return pool.stats().value().waiting == 1; });
    const auto outcome = session.get("/echo");
    CHECK_EQUAL(status_of(outcome), status::limit);
    CHECK_EQUAL(outcome.error().detail, aipool::detail::queue_full);
    CHECK_EQUAL(outcome.error().delivery, delivery::not_sent);
    CHECK(outcome.error().retryable);
    CHECK_STARTS(outcome.error().message, "max_queue: 1 of 1 connections to the origin in use, 1 waiting");
    CHECK_EQUAL(held.release().value().status(), 200);
    CHECK_EQUAL(queued.get().value().status(), 200);
}

BEHAVIOUR(queue_limit_is_timeout_with_occupancy)
{
    const listener listener;
    const auto pool = narrow_pool();
    const auto session = pool.get_session(listener.http).value();
    held_request held(session);
    aipool::request request;
    request.url = "/echo";
    request.queue_timeout = 50ms;
    const auto outcome = session.request(request);
    CHECK_EQUAL(held.release().value().status(), 200);
    if (lacks_over_reqwest(outcome, "queue_timeout_ms: ")) return;
    CHECK_EQUAL(status_of(outcome), status::timeout);
    CHECK_EQUAL(outcome.error().detail, aipool::detail::queue_limit);
    CHECK_EQUAL(outcome.error().phase, aipool::phase::queue);
    CHECK_EQUAL(outcome.error().delivery, delivery::not_sent);
    CHECK(outcome.error().retryable);
    CHECK_STARTS(outcome.error().message, "queue_timeout_ms: 50 ms ran out: 1 of 1 connections to the origin in use");
}

BEHAVIOUR(trust_anybody_is_insecure_and_shown)
{
    const listener listener;
    const auto pool = open_pool();
    aipool::session_options options;
    options.trust = aipool::trust::anybody;
    const auto session = pool.get_session(listener.https, options);
    if (lacks_over_reqwest(session, "trust: ")) return;
    const auto info = session->get("/echo").value().info();
    CHECK(info.insecure);
    CHECK_EQUAL(info.tls, aipool::tls_handshake::full);
    CHECK_EQUAL(pool.stats().value().connections_insecure, 1U);
}

BEHAVIOUR(proxy_is_used_when_asked)
{
    const listener proxy;
    const auto pool = open_pool();
    aipool::session_options options;
    options.proxy = proxy.http;
    const auto session = pool.get_session("http://nope.invalid", options);
    if (lacks_over_reqwest(session, "proxy")) return;
    CHECK_CONTAINS(session->get("/echo").value().body(), "\nhost: nope.invalid\n");
    CHECK_EQUAL(proxy.count("requests"), 1U);
}

BEHAVIOUR(reload_tls_replaces_connections)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session(listener.https, trusting()).value();
    CHECK(!session.get("/echo").value().info().reused);
    CHECK(session.get("/echo").value().info().reused);
    pool.reload_tls().value();
    // reqwest's connections are not the pool's to replace.
    CHECK_EQUAL(session.get("/echo").value().info().reused, over_reqwest());
    if (over_reqwest()) return;
    CHECK_EQUAL(listener.count("tls_handshakes"), 2U);
    eventually("the old one is closed", [&] { return closed_for(close_reason::reloaded, pool) == 1; });
}

BEHAVIOUR(info_names_connection_and_attempts)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session(listener.http).value();
    const auto first = session.get("/echo").value().info();
    const auto second = session.get("/echo").value().info();
    CHECK_EQUAL(first.connection_id != 0, !over_reqwest());
    CHECK_EQUAL(second.connection_id, first.connection_id);
    CHECK(first.attempts == 1 && second.attempts == 1 && first.redirects == 0);
    CHECK(!first.insecure && first.tls == aipool::tls_handshake::none);
    // A connection that stood already took no time.
    CHECK(second.reused && second.dns_time + second.connect_time + second.tls_time == 0us);
    // Options that no other test has: tickets are those of equal ones, and outlive a freed pool for a moment.
    auto options = trusting();
    if (!over_reqwest()) options.trust = aipool::trust::given_only;
    const auto secure = pool.get_session(listener.https, options).value().get("/echo").value().info();
    CHECK_EQUAL(secure.tls == aipool::tls_handshake::full, !over_reqwest());
    CHECK_EQUAL(secure.tls_time > 0us, !over_reqwest());
    CHECK_EQUAL(secure.connection_id != first.connection_id, !over_reqwest());
}

BEHAVIOUR(metrics_are_prometheus_text)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session(listener.http).value();
    for (int i = 0; i < 2; ++i) session.get("/echo").value();
    const std::string text = pool.metrics().value();
    CHECK_CONTAINS(text, "# TYPE aipool_requests_total counter\naipool_requests_total 2\n");
    CHECK_CONTAINS(text, "\naipool_requests_reused_total 1\n");
    CHECK_CONTAINS(text, "\naipool_connections_closed_total{reason=\"idle\"} 0\n");
    const std::string opened = over_reqwest() ? "0" : "1";
    CHECK_CONTAINS(text, "\naipool_connections_opened_total " + opened + "\n");
    for (std::size_t line = 0; line < text.size(); line = text.find('\n', line) + 1) {
        CHECK(text.compare(line, 2, "# ") == 0 || text.compare(line, 7, "aipool_") == 0);
    }
}

/// The value of `"name":` in a line of JSON.
static std::string value(const std::string& line, const std::string& name)
{
    const std::size_t at = line.find('"' + name + "\":");
    if (at == std::string::npos) return "";
    const std::size_t from = at + name.size() + 3;
    return line.substr(from, line.find_first_of(",}", from) - from);
}

BEHAVIOUR(events_are_json_lines)
{
    const listener listener;
    const auto pool = open_pool();
    aipool::event_reader reader;
    reader.lines().value();
    pool.get_session(listener.http).value().get("/echo?secret").value();
    pool.reload_tls().value();
    std::string pool_id;
    int answered = 0;
    int reloaded = 0;
    for (const std::string& line : reader.lines().value()) {
        CHECK_STARTS(line, "{\"seq\":");
        CHECK_EQUAL(line.back(), '}');
        CHECK(line.find("secret") == std::string::npos);
        const std::string event = value(line, "event");
        const std::string port = value(line, "port");
        if (event == "\"connect\"" && listener.http == "http://127.0.0.1:" + port) pool_id = value(line, "pool");
        if (event == "\"request\"" && value(line, "pool") == pool_id) ++answered;
        if (event == "\"reload\"" && value(line, "ok") == "true") ++reloaded;
    }
    CHECK_EQUAL(reader.lost(), 0U);
    CHECK_EQUAL(reloaded, 1);
    CHECK_EQUAL(pool_id.empty(), over_reqwest());
    CHECK_EQUAL(answered, over_reqwest() ? 0 : 1);
}

CPP_TEST(live_handles_are_reported_by_kind)
{
    const auto pool = open_pool();
    const auto session = pool.get_session("").value();
    const std::string report = aipool::live_handles().value();
    CHECK_CONTAINS(report, "{\"kind\":\"pool\",\"live\":");
    CHECK_CONTAINS(report, "{\"kind\":\"session\",\"live\":");
    CHECK_EQUAL(report.back(), '\n');
}

BEHAVIOUR(stats_reconcile)
{
    const listener plain;
    const listener secure;
    const auto pool = open_pool();
    const auto closing = pool.get_session(plain.http).value();
    const auto staying = pool.get_session(secure.https, trusting()).value();
    for (int i = 0; i < 3; ++i) {
        closing.get("/echo").value();
        staying.get("/echo").value();
    }
    closing.close().value();
    sandbox::control("GET", "wait-connections-open?id=" + plain.id);
    const std::uint64_t shown = over_reqwest() ? 0 : 1;
    eventually("the connection is closed", [&] { return closed_for(close_reason::no_session, pool) == shown; });
    const aipool::pool_stats stats = pool.stats().value();
    const auto counted = [&](const char* name) { return plain.count(name) + secure.count(name); };
    const auto closed = std::accumulate(std::begin(stats.closed), std::end(stats.closed), std::uint64_t{0});
    CHECK_EQUAL(stats.requests, counted("requests"));
    CHECK_EQUAL(stats.requests_reused, 4U);
    CHECK_EQUAL(stats.connections_opened, counted("connections_opened"));
    CHECK_EQUAL(closed, shown);
    CHECK_EQUAL(stats.connections_open, (stats.connections_opened - closed) * shown);
    CHECK_EQUAL(stats.handshakes_full, secure.count("tls_handshakes") * shown);
    CHECK_EQUAL(stats.connects_failed + stats.waiting + stats.connections_dialing, 0U);
}
