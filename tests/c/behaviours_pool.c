/* Behaviours of pools and their sessions: identity, eviction, leases. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "behaviours.h"
#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"

static aip_pool *pool_of_size(int64_t max_size, uint32_t eviction)
{
    aip_pool_options options = pool_options();
    options.max_size = max_size;
    options.eviction = eviction;
    return new_pool_with(&options);
}

void same_key_is_same_session(void)
{
    aip_pool *pool = new_pool();
    aip_session *one = session_of(pool, "http://a"), *two = session_of(pool, "http://a");
    CHECK(one != two);
    CHECK(aip_session_id(one) != 0);
    CHECK_EQ(aip_session_id(one), aip_session_id(two));
    CHECK(aip_session_id(one) != aip_session_id(session_of(pool, "http://b")));
    CHECK_EQ(stats_of(pool).sessions_created, 2);
}

void keys_are_normalised(void)
{
    static const char *same[] = {"HTTPS://API.Example.com:443/v1/", "https://api.example.com/v1#top"};
    static const char *other[] = {
        "http://api.example.com/v1",
        "https://api.example.com",
        "https://api.example.com:444/v1",
    };
    aip_pool *pool = new_pool();
    uint64_t id = aip_session_id(session_of(pool, "https://api.example.com/v1"));
    for (size_t i = 0; i < 2; i++)
        CHECK_EQ(aip_session_id(session_of(pool, same[i])), id);
    for (size_t i = 0; i < 3; i++)
        CHECK(aip_session_id(session_of(pool, other[i])) != id);
}

/* Two sessions, the first touched again, then a third: who was given up. */
static void evict_one(uint32_t eviction, bool first_goes)
{
    aip_pool *pool = pool_of_size(2, eviction);
    aip_session *a = session_of(pool, "http://a"), *b = session_of(pool, "http://b");
    session_of(pool, "http://a");
    aip_session *c = session_of(pool, "http://c");
    CHECK_EQ(aip_session_is_closed(a), first_goes);
    CHECK_EQ(aip_session_is_closed(b), !first_goes);
    CHECK_EQ(aip_session_is_closed(c), 0);
    CHECK_EQ(stats_of(pool).sessions, 2);
    CHECK_EQ(stats_of(pool).evictions, 1);
}

void lru_evicts_least_recently_used(void)
{
    evict_one(AIP_EVICT_LRU, false);
    evict_one(0, false);
}

void fifo_evicts_first_inserted(void)
{
    evict_one(AIP_EVICT_FIFO, true);
}

void lease_is_passed_over(void)
{
    aip_pool *pool = pool_of_size(2, 0);
    aip_session *leased = lease_of(pool, "http://a");
    aip_session *plain = session_of(pool, "http://b");
    session_of(pool, "http://c");
    CHECK_EQ(aip_session_is_closed(leased), 0);
    CHECK_EQ(aip_session_is_closed(plain), 1);
    CHECK_EQ(stats_of(pool).leased, 1);
    CHECK_STATUS(aip_session_free(leased), AIP_OK);
    aip_session *later = session_of(pool, "http://a");
    session_of(pool, "http://d");
    session_of(pool, "http://e");
    CHECK_EQ(aip_session_is_closed(later), 1);
}

void all_leased_exceeds_max_size(void)
{
    aip_pool *pool = pool_of_size(1, 0);
    aip_session *a = lease_of(pool, "http://a"), *b = lease_of(pool, "http://b");
    aip_pool_stats stats = stats_of(pool);
    CHECK(stats.sessions == 2 && stats.leased == 2 && stats.over_limit == 1 && stats.evictions == 0);
    aip_session *plain = session_of(pool, "http://b");
    CHECK_STATUS(aip_session_free(b), AIP_OK);
    CHECK_EQ(aip_session_is_closed(plain), 1);
    CHECK_EQ(aip_session_is_closed(a), 0);
    stats = stats_of(pool);
    CHECK(stats.sessions == 1 && stats.leased == 1 && stats.over_limit == 0 && stats.evictions == 1);
}

void evicted_handle_is_closed_not_sent(void)
{
    listener server = fresh_listener();
    aip_pool *pool = pool_of_size(1, 0);
    aip_session *evicted = session_of(pool, server.http);
    CHECK_EQ(aip_response_status(ask(evicted, "/echo")), 200);
    session_of(pool, "http://b");
    CHECK_STATUS(try_to(evicted, "/echo"), AIP_CLOSED);
    CHECK_EQ(error.detail, AIP_DETAIL_EVICTED);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    CHECK_EQ(error.flags & AIP_ERROR_RETRYABLE, AIP_ERROR_RETRYABLE);
    CHECK_EQ(counter(&server, "requests"), 1);
    wait_disconnected(&server);
}

void eviction_lets_in_flight_finish(void)
{
    aip_pool *pool = pool_of_size(1, 0);
    aip_session *session = session_of(pool, sandbox_http());
    aip_request request = get_of("/hold/evicted");
    flight held;
    take_off(&held, session, &request);
    wait_held("evicted", 1);
    session_of(pool, "http://b");
    CHECK_EQ(aip_session_is_closed(session), 1);
    release("evicted");
    check_finishes(&held);
}

static aip_response *ask_by_key(aip_pool *pool, const char *key)
{
    aip_request request = get_of("/echo");
    aip_response *response = NULL;
    CHECK_STATUS(aip_pool_request(pool, key, AIP_NUL_TERMINATED, &request, &response, &error), AIP_OK);
    CHECK_EQ(aip_response_status(my_response(response)), 200);
    return response;
}

void pool_request_recreates(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    ask_by_key(pool, sandbox_http());
    CHECK_EQ(stats_of(pool).sessions_created, 1);
    CHECK_STATUS(aip_session_close(session, &error), AIP_OK);
    /* The new session keeps the options of the closed one: connections over reqwest have no numbers. */
    CHECK_EQ(info_of(ask_by_key(pool, sandbox_http())).connection_id == 0, over_reqwest());
    CHECK_EQ(stats_of(pool).sessions_created, 2);
    /* What was closed by its key is forgotten, options too. */
    CHECK_STATUS(aip_pool_close_session(pool, sandbox_http(), AIP_NUL_TERMINATED, &error), AIP_OK);
    CHECK_EQ(stats_of(pool).sessions, 0);
    CHECK(info_of(ask_by_key(pool, sandbox_http())).connection_id != 0);
    CHECK_EQ(stats_of(pool).sessions_created, 3);
}

void max_size_off_gives_own_sessions(void)
{
    aip_pool *pool = pool_of_size(AIP_OFF, 0);
    aip_session *one = session_of(pool, sandbox_http()), *two = session_of(pool, sandbox_http());
    CHECK(aip_session_id(one) != aip_session_id(two));
    CHECK_EQ(aip_response_status(ask(one, "/echo")), 200);
    CHECK_EQ(aip_response_status(ask(two, "/echo")), 200);
    CHECK_EQ(stats_of(pool).sessions, 0);
    CHECK_EQ(stats_of(pool).evictions, 0);
}

static void check_refused(aip_pool *pool, const aip_session_options *options, const char *field)
{
    aip_session *session = NULL;
    int32_t status = aip_pool_get_session(pool, "https://a", AIP_NUL_TERMINATED, options, &session, &error);
    CHECK_STATUS(status, AIP_INVALID_ARGUMENT);
    CHECK(session == NULL);
    CHECK_CONTAINS(error.message, field);
    CHECK_CONTAINS(error.message, "partition");
}

void other_connection_options_are_refused_by_name(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, "https://a");
    aip_session_options version = session_options(), ca = trusting(), same = session_options();
    version.http_version = AIP_HTTP_1;
    check_refused(pool, &version, "http_version");
    check_refused(pool, &ca, "ca_file");
    same.timeout_ms = 5;
    CHECK_EQ(aip_session_id(session_with(pool, "https://a", &same)), aip_session_id(session));
}

void partition_makes_another_session(void)
{
    aip_pool *pool = new_pool();
    aip_session_options options = session_options();
    options.partition = "tenant-1";
    options.partition_len = AIP_NUL_TERMINATED;
    options.http_version = AIP_HTTP_1;
    aip_session *plain = session_of(pool, "https://a"), *partitioned = session_with(pool, "https://a", &options);
    CHECK(aip_session_id(plain) != aip_session_id(partitioned));
    CHECK_EQ(aip_session_id(session_with(pool, "https://a", &options)), aip_session_id(partitioned));
    CHECK_EQ(stats_of(pool).sessions, 2);
    CHECK_STATUS(aip_pool_close_session(pool, "https://a", AIP_NUL_TERMINATED, &error), AIP_OK);
    CHECK(aip_session_is_closed(plain) && aip_session_is_closed(partitioned));
}

void stale_handle_is_refused(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_response *response = ask(session, "/echo");
    aip_cancel *cancel = new_cancel();
    CHECK_STATUS(aip_response_free(response), AIP_OK);
    CHECK_STATUS(aip_session_free(session), AIP_OK);
    CHECK_STATUS(aip_cancel_free(cancel), AIP_OK);
    /* What comes after may sit in the same places, and stays another. */
    new_cancel();
    CHECK_EQ(aip_response_status(ask(session_of(pool, sandbox_http()), "/echo")), 200);
    CHECK_EQ(aip_response_status(response), 0);
    CHECK_STATUS(aip_response_free(response), AIP_INVALID_HANDLE);
    CHECK_STATUS(try_to(session, "/echo"), AIP_INVALID_HANDLE);
    CHECK_CONTAINS(error.message, "session: ");
    CHECK_EQ(aip_session_id(session), 0);
    CHECK_STATUS(aip_session_free(session), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_cancel_fire(cancel), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_cancel_free(cancel), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_pool_free(pool), AIP_OK);
    CHECK_STATUS(aip_pool_close_all(pool, 0, &error), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_pool_free(pool), AIP_INVALID_HANDLE);
}
