/// What becomes of requests that nobody waits for, as every door has it: completions by tag.
#include "harness.hpp"
#include "sandbox.hpp"

#include <array>
#include <future>
#include <string>

using namespace std::chrono_literals;
using aipool::completion_kind;
using aipool::delivery;
using aipool::detail;
using aipool::status;
using sandbox::listener;

namespace {

/// A pool, a session with a fresh listener, and a queue.
struct client {
    listener server;
    pool_under_test pool = open_pool();
    aipool::session session = pool.get_session(server.http).value();
    aipool::queue queue = aipool::queue::make(pool).value();
};

}  // namespace

static aipool::request get_of(std::string url)
{
    aipool::request request;
    request.url = std::move(url);
    return request;
}

/// What comes next.
static aipool::completion next(const aipool::queue& queue)
{
    std::array<aipool::completion, 1> place;
    CHECK_EQUAL(queue.next(place, 20s).value(), 1U);
    return std::move(place[0]);
}

static void check_is(const aipool::completion& came, completion_kind kind, std::uint64_t tag)
{
    CHECK_EQUAL(came.kind, kind);
    CHECK_EQUAL(came.tag, tag);
}

/// Closes the queue, which has nothing left to tell.
static void close_empty(const aipool::queue& queue)
{
    queue.close().value();
    std::array<aipool::completion, 1> none;
    CHECK_EQUAL(status_of(queue.next(none, 20s)), status::end);
}

BEHAVIOUR(submitted_requests_end_once_each_with_their_tag)
{
    const client client;
    const std::array<std::uint64_t, 3> tags = {0, 7, UINT64_MAX};
    for (std::size_t i = 0; i < 3; ++i)
        client.queue.submit(client.session, get_of("/bytes/" + std::to_string(i + 1)), tags[i]).value();
    std::array<int, 3> seen = {};
    for (int i = 0; i < 3; ++i) {
        const auto done = next(client.queue);
        CHECK_EQUAL(done.kind, completion_kind::done);
        const std::size_t bytes = done.response.value().body().size();
        CHECK(bytes >= 1 && bytes <= 3);
        CHECK_EQUAL(done.tag, tags[bytes - 1]);
        ++seen[bytes - 1];
    }
    CHECK(seen == (std::array<int, 3>{1, 1, 1}));
    close_empty(client.queue);
}

BEHAVIOUR(cancelled_submission_ends_once_as_cancelled)
{
    const client client;
    const auto cancel = aipool::cancel_source::open().value();
    const std::string name = sandbox::fresh_name();
    auto held = get_of("/hold/" + name);
    held.cancel = &cancel;
    client.queue.submit(client.session, held, 9).value();
    sandbox::wait_held(name);
    cancel.fire();
    const auto done = next(client.queue);
    check_is(done, completion_kind::done, 9);
    CHECK_EQUAL(done.error.status, status::cancelled);
    CHECK_EQUAL(done.error.delivery, delivery::maybe_sent);
    CHECK(!done.response);
    sandbox::control("GET", "wait-gone/" + name);
    close_empty(client.queue);
}

BEHAVIOUR(closing_takes_no_more_and_ends_after_the_last)
{
    const client client;
    const std::string name = sandbox::fresh_name();
    client.queue.submit(client.session, get_of("/hold/" + name), 1).value();
    sandbox::wait_held(name);
    client.queue.close().value();
    const auto late = client.queue.submit(client.session, get_of("/echo"), 2);
    CHECK_EQUAL(status_of(late), status::closed);
    CHECK_EQUAL(late.error().detail, detail::queue_closed);
    CHECK_EQUAL(late.error().delivery, delivery::not_sent);
    std::array<aipool::completion, 1> none;
    CHECK_EQUAL(client.queue.next(none, 0ms).value(), 0U);
    sandbox::release(name);
    const auto done = next(client.queue);
    check_is(done, completion_kind::done, 1);
    CHECK_EQUAL(done.response.value().status(), 200);
    close_empty(client.queue);
}

BEHAVIOUR(requests_given_up_together_leave_the_pool_usable)
{
    const listener server;
    const auto pool = open_pool();
    {
        const auto lease = pool.acquire(server.http).value();
        const std::string name = sandbox::fresh_name();
        {
            const auto queue = aipool::queue::make(pool).value();
            queue.submit(lease, get_of("/hold/" + name), 1).value();
            queue.submit(lease, get_of("/hold/" + name), 2).value();
            const auto streamed = queue.submit_stream(lease, get_of("/hold/" + name), 3);
            if (!lacks_over_reqwest(streamed, "flags (AIP_REQUEST_STREAM): ")) streamed.value();
            sandbox::wait_held(name, over_reqwest() ? 2 : 3);
        }
        sandbox::control("GET", "wait-gone/" + name);
        CHECK_EQUAL(lease.get("/echo").value().status(), 200);
    }
    wait_unused(pool);
}

BEHAVIOUR(wake_brings_a_waiter_back_with_nothing)
{
    const client client;
    const auto wait = [&] {
        std::array<aipool::completion, 1> none;
        const auto begun = std::chrono::steady_clock::now();
        const auto count = client.queue.next(none, 20s).value();
        // A wait that ran out has nothing, too.
        return count == 0 && std::chrono::steady_clock::now() - begun < 20s;
    };
    // Before anybody waits, and while somebody may.
    client.queue.wake();
    CHECK(wait());
    auto waiter = std::async(std::launch::async, wait);
    client.queue.wake();
    CHECK(waiter.get());
}

BEHAVIOUR(readable_comes_after_a_read_in_vain)
{
    const client client;
    const auto sent = client.queue.submit_stream(client.session, sandbox::chat("one two", "drip=50"), 5);
    if (lacks_over_reqwest(sent, "flags (AIP_REQUEST_STREAM): ")) return;
    sent.value();
    auto head = next(client.queue);
    check_is(head, completion_kind::head, 5);
    auto& stream = head.stream.value();
    int events = 0;
    int in_vain = 0;
    for (auto event = stream.next_event(0ms);; event = stream.next_event(0ms)) {
        if (status_of(event) == status::would_block) {
            ++in_vain;
            check_is(next(client.queue), completion_kind::readable, 5);
        } else if (event.value()) {
            ++events;
        } else {
            break;
        }
    }
    CHECK_EQUAL(events, 7);
    CHECK(in_vain > 0);
    check_is(next(client.queue), completion_kind::done, 5);
    close_empty(client.queue);
}
