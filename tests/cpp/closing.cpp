/// How sessions and pools end, and the global pool.
#include "harness.hpp"
#include "sandbox.hpp"

using namespace std::chrono_literals;
using aipool::detail;
using aipool::status;
using sandbox::held_request;
using sandbox::listener;

static void check_closed(const aipool::result<aipool::response>& outcome, detail how)
{
    CHECK_EQUAL(status_of(outcome), status::closed);
    CHECK_EQUAL(outcome.error().detail, how);
    CHECK_EQUAL(outcome.error().delivery, aipool::delivery::not_sent);
}

BEHAVIOUR(close_session_lets_in_flight_finish)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session(listener.http).value();
    held_request held(session);
    pool.close_session(listener.http + "/").value();
    check_closed(session.get("/echo"), detail::session_closed);
    CHECK_EQUAL(held.release().value().status(), 200);
    pool.close_session("http://never.seen").value();
}

BEHAVIOUR(close_all_lets_in_flight_finish)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session(listener.http).value();
    held_request held(session);
    auto closed = std::async(std::launch::async, [&] { return pool.close_all(20s); });
    eventually("the session is closed", [&] { return session.closed(); });
    check_closed(session.get("/echo"), detail::session_closed);
    CHECK_EQUAL(held.release().value().status(), 200);
    closed.get().value();
}

BEHAVIOUR(close_all_cuts_after_drain)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session(listener.http).value();
    held_request held(session);
    const auto closed = pool.close_all(0ms);
    CHECK_EQUAL(status_of(closed), status::timeout);
    CHECK_EQUAL(closed.error().detail, detail::drain_limit);
    CHECK_CONTAINS(closed.error().message, "1 request");
    const auto outcome = held.outcome();
    CHECK_EQUAL(status_of(outcome), status::closed);
    CHECK_EQUAL(outcome.error().detail, detail::drain_limit);
    CHECK_EQUAL(outcome.error().delivery, aipool::delivery::maybe_sent);
}

BEHAVIOUR(pool_is_usable_after_close_all)
{
    const listener listener;
    const auto pool = open_pool();
    const auto before = pool.get_session(listener.http).value();
    pool.close_all(0ms).value();
    CHECK(before.closed());
    CHECK_EQUAL(pool.stats().value().sessions, 0U);
    const auto after = pool.get_session(listener.http).value();
    CHECK(after.id() != before.id());
    CHECK_EQUAL(after.get("/echo").value().status(), 200);
}

BEHAVIOUR(closed_session_is_recreated)
{
    const listener listener;
    const auto pool = open_pool();
    const auto before = pool.get_session(listener.http).value();
    before.close().value();
    before.close().value();
    check_closed(before.get("/echo"), detail::session_closed);
    const auto after = pool.get_session(listener.http).value();
    CHECK(after.id() != before.id());
    CHECK_EQUAL(after.get("/echo").value().status(), 200);
}

BEHAVIOUR(pool_request_recreates)
{
    const listener listener;
    const auto pool = open_pool();
    aipool::request request;
    request.url = "/echo";
    CHECK_EQUAL(pool.request(listener.http, request).value().status(), 200);
    pool.get_session(listener.http).value().close().value();
    // Not by way of pool_under_test, which may make the session anew itself.
    const auto answer = pool.aipool::pool::request(listener.http, request).value();
    CHECK_EQUAL(answer.status(), 200);
    CHECK_EQUAL(pool.stats().value().sessions_created, 2U);
    // The new session keeps the options of the closed one: connections over reqwest have no numbers.
    CHECK_EQUAL(answer.info().connection_id == 0, over_reqwest());
}

BEHAVIOUR(pool_free_closes_sessions)
{
    const listener listener;
    std::optional<pool_under_test> pool = open_pool();
    const auto session = pool->get_session(listener.http).value();
    held_request held(session);
    pool.reset();
    CHECK(session.closed());
    check_closed(session.get("/echo"), detail::pool_closed);
    CHECK_EQUAL(held.release().value().status(), 200);
}

/// No global pool before a test, and none after it, however it ends.
struct no_global_pool {
    no_global_pool() { aipool::pool::close_global(0ms).value(); }
    ~no_global_pool() { static_cast<void>(aipool::pool::close_global(0ms)); }
};

static pool_under_test global_pool() { return pool_under_test(aipool::pool::global(options()).value()); }

BEHAVIOUR(global_pool_is_one)
{
    const no_global_pool fresh;
    const listener listener;
    const auto one = global_pool();
    const auto session = one.get_session(listener.http).value();
    {
        const pool_under_test two(aipool::pool::global().value());
        CHECK_EQUAL(two.get_session(listener.http).value().id(), session.id());
    }
    CHECK(!session.closed());
    CHECK_EQUAL(aipool::get(listener.http + "/echo").value().status(), 200);
    const auto posted = aipool::post(listener.http + "/echo", "{}").value();
    CHECK_CONTAINS(posted.body(), "content-type: application/json\n");
    CHECK_EQUAL(one.stats().value().requests, 2U);
}

BEHAVIOUR(global_pool_refuses_other_options)
{
    const no_global_pool fresh;
    const auto one = aipool::pool::global(options()).value();
    CHECK(aipool::pool::global(options()).has_value());
    aipool::pool_options other = options();
    other.max_size = 3;
    const auto refused = aipool::pool::global(other);
    CHECK_EQUAL(status_of(refused), status::invalid_argument);
    CHECK_CONTAINS(refused.error().message, "options");
}

BEHAVIOUR(closed_global_pool_is_made_anew)
{
    const no_global_pool fresh;
    const listener listener;
    const auto before = global_pool();
    const auto session = before.get_session(listener.http).value();
    aipool::pool::close_global(0ms).value();
    check_closed(session.get("/echo"), detail::pool_closed);
    CHECK_EQUAL(status_of(before.get_session(listener.http)), status::closed);
    const auto after = global_pool();
    CHECK_EQUAL(after.get_session(listener.http).value().get("/echo").value().status(), 200);
}
