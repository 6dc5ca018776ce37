/* Behaviours of a pool's connections: opened early, bounded, replaced, observed. */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "behaviours.h"
#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"

void warm_opens_connections_before_requests(void)
{
    listener server = fresh_listener();
    aip_session *session = session_of(new_pool(), server.http);
    uint32_t standing = 0;
    int32_t status = aip_session_warm(session, 3, 0, &standing, &error);
    if (lacks_over_reqwest(status, "warm: "))
        return;
    CHECK_STATUS(status, AIP_OK);
    CHECK_EQ(standing, 3);
    CHECK_EQ(counter(&server, "requests"), 0);
    flight held[3];
    aip_request request = get_of("/hold/warm");
    for (size_t i = 0; i < 3; i++)
        take_off(&held[i], session, &request);
    wait_held("warm", 3);
    CHECK_EQ(counter(&server, "connections_opened"), 3);
    release("warm");
    for (size_t i = 0; i < 3; i++) {
        land(&held[i]);
        CHECK_EQ(held[i].http_status, 200);
    }
    CHECK_STATUS(aip_session_warm(session, 2, 0, &standing, &error), AIP_OK);
    CHECK_EQ(standing, 3);
}

/* One connection to an origin, and one request that may wait for it. */
static aip_pool *narrow_pool(void)
{
    aip_pool_options options = pool_options();
    options.max_connections_per_origin = 1;
    options.max_queue = 1;
    return new_pool_with(&options);
}

void queue_full_is_limit_with_occupancy(void)
{
    aip_pool *pool = narrow_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_request hold = get_of("/hold/full"), echo = get_of("/echo");
    flight held, queued;
    take_off(&held, session, &hold);
    wait_held("full", 1);
    take_off(&queued, session, &echo);
    if (over_reqwest()) {
        /* There connections have no bound, so nobody waits. */
        check_finishes(&queued);
        CHECK_EQ(aip_response_status(ask(session, "/echo")), 200);
    } else {
        while (stats_of(pool).waiting < 1)
            sched_yield();
        CHECK_STATUS(try_to(session, "/echo"), AIP_LIMIT);
        CHECK_EQ(error.detail, AIP_DETAIL_QUEUE_FULL);
        CHECK_EQ(error.delivery, AIP_NOT_SENT);
        CHECK_EQ(error.flags & AIP_ERROR_RETRYABLE, AIP_ERROR_RETRYABLE);
        CHECK_STARTS(error.message, "max_queue: 1 of 1 connections to the origin in use, 1 waiting");
    }
    release("full");
    check_finishes(&held);
    if (!over_reqwest())
        check_finishes(&queued);
}

void queue_limit_is_timeout_with_occupancy(void)
{
    aip_session *session = session_of(narrow_pool(), sandbox_http());
    aip_request hold = get_of("/hold/queue"), request = get_of("/echo");
    flight held;
    take_off(&held, session, &hold);
    wait_held("queue", 1);
    request.queue_timeout_ms = 50;
    int32_t status = try_with(session, &request);
    release("queue");
    check_finishes(&held);
    if (lacks_over_reqwest(status, "queue_timeout_ms: "))
        return;
    CHECK_STATUS(status, AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_QUEUE_LIMIT);
    CHECK_EQ(error.phase, AIP_PHASE_QUEUE);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    CHECK_EQ(error.flags & AIP_ERROR_RETRYABLE, AIP_ERROR_RETRYABLE);
    CHECK_STARTS(error.message, "queue_timeout_ms: 50 ms ran out: 1 of 1 connections to the origin in use");
}

/* The status of a get with these options, and the session where there is one. */
static int32_t get_with(aip_pool *pool, const char *key, const aip_session_options *options, aip_session **session)
{
    int32_t status = aip_pool_get_session(pool, key, AIP_NUL_TERMINATED, options, session, &error);
    my_session(*session);
    return status;
}

void trust_anybody_is_insecure_and_shown(void)
{
    aip_session_options options = session_options();
    options.trust = AIP_TRUST_ANYBODY;
    aip_pool *pool = new_pool();
    aip_session *session = NULL;
    uint64_t after = 0;
    events_after(&after);
    int32_t status = get_with(pool, fresh_listener().https, &options, &session);
    if (lacks_over_reqwest(status, "trust: "))
        return;
    CHECK_STATUS(status, AIP_OK);
    aip_response_info info = info_of(ask(session, "/echo"));
    CHECK_EQ(info.insecure, 1);
    CHECK_EQ(info.tls, AIP_TLS_FULL);
    CHECK_EQ(stats_of(pool).connections_insecure, 1);
    CHECK_CONTAINS(events_after(&after), "\"insecure\":true");
}

void proxy_is_used_when_asked(void)
{
    listener proxy = fresh_listener();
    aip_session_options options = session_options();
    options.proxy = proxy.http;
    options.proxy_len = AIP_NUL_TERMINATED;
    aip_session *session = NULL;
    int32_t status = get_with(new_pool(), "http://nope.invalid", &options, &session);
    if (lacks_over_reqwest(status, "proxy"))
        return;
    CHECK_STATUS(status, AIP_OK);
    CHECK_CONTAINS(body_of(ask(session, "/echo")), "\nhost: nope.invalid\n");
    CHECK_EQ(counter(&proxy, "requests"), 1);
}

void reload_tls_replaces_connections(void)
{
    listener server = fresh_listener();
    aip_session_options options = trusting();
    aip_pool *pool = new_pool();
    aip_session *session = session_with(pool, server.https, &options);
    CHECK_EQ(info_of(ask(session, "/echo")).reused, 0);
    CHECK_EQ(info_of(ask(session, "/echo")).reused, 1);
    CHECK_STATUS(aip_pool_reload_tls(pool, &error), AIP_OK);
    /* reqwest's connections are not the pool's to replace. */
    CHECK_EQ(info_of(ask(session, "/echo")).reused, over_reqwest());
    CHECK_EQ(counter(&server, "tls_handshakes"), over_reqwest() ? 1 : 2);
    while (!over_reqwest() && stats_of(pool).closed[AIP_CLOSED_RELOADED] < 1)
        sched_yield();
}

void info_names_connection_and_attempts(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_response_info first = info_of(ask(session, "/echo")), second = info_of(ask(session, "/echo"));
    CHECK_EQ(first.connection_id != 0, !over_reqwest());
    CHECK_EQ(second.connection_id, first.connection_id);
    CHECK(first.attempts == 1 && second.attempts == 1);
    CHECK(first.redirects == 0 && first.insecure == 0 && first.tls == AIP_TLS_NONE);
    /* A connection that stood already took no time. */
    CHECK(second.reused == 1 && second.dns_us == 0 && second.connect_us == 0 && second.tls_us == 0);
    /* Options that no other test has: tickets are those of equal ones, and outlive a freed pool for a moment. */
    aip_session_options options = trusting();
    if (!over_reqwest())
        options.trust = AIP_TRUST_GIVEN_ONLY;
    aip_response_info secure = info_of(ask(session_with(pool, fresh_listener().https, &options), "/echo"));
    CHECK_EQ(secure.tls, over_reqwest() ? AIP_TLS_NONE : AIP_TLS_FULL);
    CHECK_EQ(secure.tls_us > 0, !over_reqwest());
    CHECK_EQ(secure.connection_id != first.connection_id, !over_reqwest());
}

void metrics_are_prometheus_text(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    ask(session, "/echo");
    ask(session, "/echo");
    const char *text = metrics_of(pool);
    CHECK_CONTAINS(text, "# TYPE aipool_requests_total counter\naipool_requests_total 2\n");
    CHECK_CONTAINS(text, "\naipool_requests_reused_total 1\n");
    CHECK_CONTAINS(text, "\naipool_connections_closed_total{reason=\"idle\"} 0\n");
    CHECK_CONTAINS(text, over_reqwest() ? "\naipool_connections_opened_total 0\n"
                                        : "\naipool_connections_opened_total 1\n");
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
        CHECK(strncmp(line, "# ", 2) == 0 || strncmp(line, "aipool_", 7) == 0);
    char little[8] = "1234567";
    size_t needed = 0;
    CHECK_STATUS(aip_pool_metrics(pool, little, sizeof little, &needed, &error), AIP_INVALID_ARGUMENT);
    CHECK(needed > 1000);
    CHECK_TEXT(little, "1234567");
}

void events_are_json_lines(void)
{
    listener server = fresh_listener();
    aip_pool *pool = new_pool();
    uint64_t after = 0;
    events_after(&after);
    ask(session_of(pool, server.http), "/echo?secret");
    CHECK_STATUS(aip_pool_reload_tls(pool, &error), AIP_OK);
    const char *lines = events_after(&after);
    for (const char *line = lines, *end; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        CHECK_STARTS(line, "{\"seq\":");
        CHECK(end != NULL && end[-1] == '}');
    }
    CHECK_CONTAINS(lines, "\"event\":\"reload\",\"ok\":true}");
    CHECK(strstr(lines, "secret") == NULL);
    if (over_reqwest())
        return;
    char connect[128];
    snprintf(connect, sizeof connect, "\"event\":\"connect\",\"host\":\"127.0.0.1\",\"port\":%s,",
             strrchr(server.http, ':') + 1);
    CHECK_CONTAINS(lines, connect);
    CHECK_CONTAINS(lines, "\"event\":\"request\",\"host\":\"127.0.0.1\",\"status\":0,\"http_status\":200,");
}

static uint64_t closed_in_all(const aip_pool_stats *stats)
{
    uint64_t sum = 0;
    for (size_t reason = 0; reason < 16; reason++)
        sum += stats->closed[reason];
    return sum;
}

void stats_reconcile(void)
{
    listener plain = fresh_listener(), secure = fresh_listener();
    aip_session_options options = trusting();
    aip_pool *pool = new_pool();
    aip_session *closing = session_of(pool, plain.http), *staying = session_with(pool, secure.https, &options);
    for (size_t i = 0; i < 3; i++) {
        ask(closing, "/echo");
        ask(staying, "/echo");
    }
    CHECK_STATUS(aip_session_close(closing, &error), AIP_OK);
    wait_disconnected(&plain);
    while (!over_reqwest() && stats_of(pool).closed[AIP_CLOSED_NO_SESSION] < 1)
        sched_yield();
    aip_pool_stats stats = stats_of(pool);
    CHECK_EQ(stats.requests, counter(&plain, "requests") + counter(&secure, "requests"));
    CHECK_EQ(stats.connections_opened, counter(&plain, "connections_opened") + counter(&secure, "connections_opened"));
    CHECK_EQ(stats.requests_reused, 4);
    CHECK_EQ(closed_in_all(&stats), over_reqwest() ? 0 : 1);
    CHECK_EQ(stats.connections_open, over_reqwest() ? 0 : stats.connections_opened - closed_in_all(&stats));
    CHECK_EQ(stats.handshakes_full, over_reqwest() ? 0 : counter(&secure, "tls_handshakes"));
    CHECK(stats.connects_failed == 0 && stats.waiting == 0 && stats.connections_dialing == 0);
}
