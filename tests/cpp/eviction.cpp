/// Which sessions a pool keeps, shares and gives up.
#include "harness.hpp"
#include "sandbox.hpp"

#include <thread>

using aipool::status;
using sandbox::held_request;
using sandbox::listener;

// Keys of tests that send nothing.
static const char* const a = "http://a.invalid";
static const char* const b = "http://b.invalid";
static const char* const c = "http://c.invalid";

BEHAVIOUR(same_key_is_same_session)
{
    const auto pool = open_pool();
    const auto first = pool.get_session(a).value();
    CHECK_EQUAL(pool.get_session(a).value().id(), first.id());
    CHECK(pool.get_session(b).value().id() != first.id());
    std::vector<std::uint64_t> ids(8);
    std::vector<std::thread> threads;
    for (auto& id : ids) threads.emplace_back([&] { id = pool.get_session(c).value().id(); });
    for (auto& thread : threads) thread.join();
    for (const auto id : ids) CHECK_EQUAL(id, ids[0]);
    CHECK_EQUAL(pool.stats().value().sessions_created, 3U);
}

BEHAVIOUR(keys_are_normalised)
{
    const auto pool = open_pool();
    const auto id = pool.get_session("https://api.example.com").value().id();
    for (const char* same : {"HTTPS://API.Example.COM", "https://api.example.com:443", "https://api.example.com/"}) {
        CHECK_EQUAL(pool.get_session(same).value().id(), id);
    }
    for (const char* other : {"http://api.example.com", "https://api.example.com:444", "https://api.example.com/v1"}) {
        CHECK(pool.get_session(other).value().id() != id);
    }
}

/// A pool of two after: get a, get b, touch a, get c.
struct third_key {
    explicit third_key(aipool::eviction eviction) : pool(open_pool_of(2, eviction))
    {
        session_a = pool.get_session(a).value();
        session_b = pool.get_session(b).value();
        CHECK_EQUAL(pool.get_session(a).value().id(), session_a->id());
        session_c = pool.get_session(c).value();
        CHECK(!session_c->closed());
        CHECK_EQUAL(pool.stats().value().evictions, 1U);
        CHECK_EQUAL(pool.stats().value().sessions, 2U);
    }

    pool_under_test pool;
    std::optional<aipool::session> session_a, session_b, session_c;
};

BEHAVIOUR(lru_evicts_least_recently_used)
{
    const third_key after(aipool::eviction::lru);
    CHECK(!after.session_a->closed());
    CHECK(after.session_b->closed());
}

BEHAVIOUR(fifo_evicts_first_inserted)
{
    const third_key after(aipool::eviction::fifo);
    CHECK(after.session_a->closed());
    CHECK(!after.session_b->closed());
}

BEHAVIOUR(lease_is_passed_over)
{
    const auto pool = open_pool_of(2);
    std::optional<aipool::lease> leased = pool.acquire(a).value();
    const auto session_b = pool.get_session(b).value();
    const auto session_c = pool.get_session(c).value();
    CHECK(!leased->closed());
    CHECK(session_b.closed());
    CHECK_EQUAL(pool.stats().value().leased, 1U);
    const auto kept = pool.get_session(a).value();
    leased.reset();
    CHECK_EQUAL(pool.stats().value().leased, 0U);
    pool.get_session(b).value();
    pool.get_session(c).value();
    CHECK(kept.closed());
}

BEHAVIOUR(all_leased_exceeds_max_size)
{
    const auto pool = open_pool_of(1);
    std::optional<aipool::lease> first = pool.acquire(a).value();
    std::optional<aipool::lease> second = pool.acquire(b).value();
    CHECK_EQUAL(pool.stats().value().sessions, 2U);
    CHECK_EQUAL(pool.stats().value().over_limit, 1U);
    const auto still_there = pool.get_session(a).value();
    first.reset();
    CHECK_EQUAL(pool.stats().value().sessions, 1U);
    CHECK_EQUAL(pool.stats().value().over_limit, 0U);
    CHECK(still_there.closed());
    CHECK(!second->closed());
}

BEHAVIOUR(evicted_handle_is_closed_not_sent)
{
    const listener listener;
    const auto pool = open_pool_of(1);
    const auto evicted = pool.get_session(listener.http).value();
    const auto newcomer = pool.get_session(b).value();
    const auto outcome = evicted.get("/echo");
    CHECK_EQUAL(status_of(outcome), status::closed);
    CHECK_EQUAL(outcome.error().detail, aipool::detail::evicted);
    CHECK_EQUAL(outcome.error().delivery, aipool::delivery::not_sent);
    CHECK(outcome.error().retryable);
    CHECK_EQUAL(listener.count("requests"), 0U);
}

BEHAVIOUR(eviction_lets_in_flight_finish)
{
    const listener listener;
    const auto pool = open_pool_of(1);
    const auto session = pool.get_session(listener.http).value();
    held_request held(session);
    const auto newcomer = pool.get_session(b).value();
    CHECK(session.closed());
    CHECK_EQUAL(held.release().value().status(), 200);
}

BEHAVIOUR(max_size_off_gives_own_sessions)
{
    const listener listener;
    const auto pool = open_pool_of(0);
    const auto first = pool.get_session(listener.http).value();
    const auto second = pool.get_session(listener.http).value();
    CHECK(first.id() != second.id());
    CHECK_EQUAL(first.get("/echo").value().status(), 200);
    CHECK_EQUAL(second.get("/echo").value().status(), 200);
    CHECK_EQUAL(pool.stats().value().sessions, 0U);
    CHECK_EQUAL(pool.stats().value().evictions, 0U);
}

BEHAVIOUR(other_connection_options_are_refused_by_name)
{
    const auto pool = open_pool();
    const auto session = pool.get_session(a).value();
    aipool::session_options http1;
    http1.http_version = aipool::http_version::http1;
    const auto other_version = pool.get_session(a, http1);
    CHECK_EQUAL(status_of(other_version), status::invalid_argument);
    CHECK_CONTAINS(other_version.error().message, "http_version");
    const auto other_ca = pool.get_session(a, sandbox::trusting());
    CHECK_EQUAL(status_of(other_ca), status::invalid_argument);
    CHECK_CONTAINS(other_ca.error().message, "ca_file");
}

BEHAVIOUR(partition_makes_another_session)
{
    const listener listener;
    const auto pool = open_pool();
    aipool::session_options tenant;
    tenant.partition = "tenant";
    const auto shared = pool.get_session(listener.http).value();
    const auto own = pool.get_session(listener.http, tenant).value();
    CHECK(own.id() != shared.id());
    CHECK_EQUAL(pool.get_session(listener.http, tenant).value().id(), own.id());
    CHECK_EQUAL(shared.get("/echo").value().status(), 200);
    CHECK_EQUAL(own.get("/echo").value().status(), 200);
    // Another session, not other connections: equal options share the pool's own.
    CHECK_EQUAL(listener.count("connections_opened"), over_reqwest() ? 2U : 1U);
}
