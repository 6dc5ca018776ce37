/* Behaviours of closing: sessions, whole pools, the global pool. */
#include <pthread.h>
#include <sched.h>

#include "behaviours.h"
#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"

/* A request that the sandbox holds under `name`. */
static void hold(flight *flight, aip_session *session, const char *url, const char *name)
{
    aip_request request = get_of(url);
    take_off(flight, session, &request);
    wait_held(name, 1);
}

void close_session_lets_in_flight_finish(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    flight held;
    hold(&held, session, "/hold/closed", "closed");
    CHECK_STATUS(aip_session_close(session, &error), AIP_OK);
    CHECK_STATUS(aip_session_close(session, &error), AIP_OK);
    CHECK_STATUS(try_to(session, "/echo"), AIP_CLOSED);
    CHECK_EQ(error.detail, AIP_DETAIL_SESSION_CLOSED);
    release("closed");
    check_finishes(&held);
}

static void *close_patiently(void *argument)
{
    static int32_t status;
    status = aip_pool_close_all(argument, 20000, NULL);
    return &status;
}

void close_all_lets_in_flight_finish(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    flight held;
    hold(&held, session, "/hold/drained", "drained");
    pthread_t closer;
    CHECK_EQ(pthread_create(&closer, NULL, close_patiently, pool), 0);
    while (!aip_session_is_closed(session))
        sched_yield();
    release("drained");
    check_finishes(&held);
    void *status;
    CHECK_EQ(pthread_join(closer, &status), 0);
    CHECK_STATUS(*(int32_t *)status, AIP_OK);
}

void close_all_cuts_after_drain(void)
{
    aip_pool *pool = new_pool();
    flight held;
    hold(&held, session_of(pool, sandbox_http()), "/hold/cut", "cut");
    CHECK_STATUS(aip_pool_close_all(pool, 0, &error), AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_DRAIN_LIMIT);
    CHECK_CONTAINS(error.message, "drain_ms: ");
    CHECK_CONTAINS(error.message, " 1 request");
    land(&held);
    CHECK_STATUS(held.status, AIP_CLOSED);
    CHECK_EQ(held.error.detail, AIP_DETAIL_DRAIN_LIMIT);
    CHECK_EQ(held.error.delivery, AIP_MAYBE_SENT);
    wait_gone("cut");
}

void pool_is_usable_after_close_all(void)
{
    aip_pool *pool = new_pool();
    aip_session *before = session_of(pool, sandbox_http());
    CHECK_EQ(aip_response_status(ask(before, "/echo")), 200);
    CHECK_STATUS(aip_pool_close_all(pool, 0, &error), AIP_OK);
    CHECK_EQ(stats_of(pool).sessions, 0);
    CHECK_STATUS(try_to(before, "/echo"), AIP_CLOSED);
    aip_session *after = session_of(pool, sandbox_http());
    CHECK(aip_session_id(before) != aip_session_id(after));
    CHECK_EQ(aip_response_status(ask(after, "/echo")), 200);
}

void closed_session_is_recreated(void)
{
    aip_pool *pool = new_pool();
    aip_session *before = session_of(pool, sandbox_http());
    CHECK_STATUS(aip_session_close(before, &error), AIP_OK);
    CHECK_EQ(aip_session_is_closed(before), 1);
    aip_session *after = session_of(pool, sandbox_http());
    CHECK(aip_session_id(before) != aip_session_id(after));
    CHECK_STATUS(try_to(before, "/echo"), AIP_CLOSED);
    CHECK_EQ(error.detail, AIP_DETAIL_SESSION_CLOSED);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    CHECK_EQ(aip_response_status(ask(after, "/echo")), 200);
}

void pool_free_closes_sessions(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    flight held;
    hold(&held, session, "/hold/freed", "freed");
    CHECK_STATUS(aip_pool_free(pool), AIP_OK);
    CHECK_EQ(aip_session_is_closed(session), 1);
    CHECK_STATUS(try_to(session, "/echo"), AIP_CLOSED);
    CHECK_EQ(error.detail, AIP_DETAIL_POOL_CLOSED);
    release("freed");
    check_finishes(&held);
}

static aip_pool *global_pool(void)
{
    aip_pool_options options = pool_options();
    aip_pool *pool = NULL;
    CHECK_STATUS(aip_pool_global(&options, &pool, &error), AIP_OK);
    return my_pool(pool);
}

static void close_global(void)
{
    CHECK_STATUS(aip_pool_close_global(0, &error), AIP_OK);
}

void global_pool_is_one(void)
{
    close_global();
    aip_pool *one = global_pool(), *two = NULL;
    CHECK_STATUS(aip_pool_global(NULL, &two, &error), AIP_OK);
    my_pool(two);
    CHECK(one != two);
    uint64_t id = aip_session_id(session_of(one, "http://a"));
    CHECK_EQ(aip_session_id(session_of(two, "http://a")), id);
    CHECK_STATUS(aip_pool_free(one), AIP_OK);
    CHECK_EQ(aip_session_id(session_of(two, "http://a")), id);
    CHECK_STATUS(aip_pool_free(two), AIP_OK);
    CHECK_EQ(aip_session_id(session_of(global_pool(), "http://a")), id);
    close_global();
}

void global_pool_refuses_other_options(void)
{
    close_global();
    global_pool();
    aip_pool_options other = pool_options();
    other.max_size = 3;
    aip_pool *refused = NULL;
    CHECK_STATUS(aip_pool_global(&other, &refused, &error), AIP_INVALID_ARGUMENT);
    CHECK(refused == NULL);
    CHECK_CONTAINS(error.message, "options: ");
    close_global();
}

void closed_global_pool_is_made_anew(void)
{
    close_global();
    aip_pool *old = global_pool();
    aip_session *session = session_of(old, sandbox_http());
    CHECK_EQ(aip_response_status(ask(session, "/echo")), 200);
    close_global();
    close_global();
    CHECK_STATUS(try_to(session, "/echo"), AIP_CLOSED);
    CHECK_EQ(error.detail, AIP_DETAIL_POOL_CLOSED);
    aip_session *none = NULL;
    int32_t status = aip_pool_get_session(old, sandbox_http(), AIP_NUL_TERMINATED, NULL, &none, &error);
    CHECK_STATUS(status, AIP_CLOSED);
    CHECK_EQ(error.detail, AIP_DETAIL_POOL_CLOSED);
    CHECK_EQ(aip_response_status(ask(session_of(global_pool(), sandbox_http()), "/echo")), 200);
    close_global();
}
