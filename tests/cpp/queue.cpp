/// Requests that nobody waits for: handlers, futures, tags.
#include "harness.hpp"
#include "sandbox.hpp"

#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>

#include <poll.h>
#include <unistd.h>

using namespace std::chrono_literals;
using aipool::completion_kind;
using aipool::detail;
using aipool::status;
using sandbox::listener;
using answer = aipool::result<aipool::response>;

static_assert(std::is_nothrow_move_constructible_v<aipool::queue> && !std::is_copy_constructible_v<aipool::queue>);
static_assert(std::is_nothrow_move_assignable_v<aipool::queue>);

namespace {

/// A pool, a session with a fresh listener, and a queue.
struct client {
    listener server;
    pool_under_test pool = open_pool();
    aipool::session session = pool.get_session(server.http).value();
    aipool::queue queue = aipool::queue::make(pool).value();

    /// Polls until so.
    template <class Reached>
    void poll_until(Reached reached) const
    {
        while (!reached()) CHECK(queue.poll(20s).value() > 0);
    }
};

aipool::request get_of(std::string url)
{
    aipool::request request;
    request.url = std::move(url);
    return request;
}

bool is_readable(int fd, int wait_ms = 0)
{
    pollfd poller = {fd, POLLIN, 0};
    return ::poll(&poller, 1, wait_ms) == 1;
}

/// The library's live handles.
std::uint64_t live_handles()
{
    aip_library_stats stats{};
    aip_stats(&stats, sizeof stats);
    return stats.pools + stats.sessions + stats.responses + stats.cancels + stats.queues + stats.uploads;
}

}  // namespace

CPP_TEST(handlers_run_on_the_polling_thread)
{
    const client client;
    int answers = 0;
    for (int i = 0; i < 5; ++i) {
        auto mine = std::make_unique<int>(i + 1);
        const auto polling = std::this_thread::get_id();
        client.queue
            .submit(client.session, get_of("/bytes/5"),
                    [&answers, polling, mine = std::move(mine)](answer came) {
                        CHECK(polling == std::this_thread::get_id());
                        CHECK_EQUAL(came->body(), "aaaaa");
                        answers += *mine;
                    })
            .value();
    }
    CHECK_EQUAL(answers, 0);
    client.poll_until([&] { return answers == 15; });
    CHECK_EQUAL(client.queue.poll(0ms).value(), 0U);
    CHECK_EQUAL(client.queue.poll(5ms).value(), 0U);
    client.queue.close().value();
    CHECK_EQUAL(status_of(client.queue.poll()), status::end);
    const auto refused = client.queue.submit(client.session, get_of("/"), [](answer) { fail("it was called"); });
    CHECK_EQUAL(status_of(refused), status::closed);
    CHECK_EQUAL(refused.error().detail, detail::queue_closed);
}

CPP_TEST(failures_come_to_the_handler)
{
    const client client;
    status failed = status::ok;
    std::string partial;
    auto large = get_of("/bytes/100");
    large.max_body = 4;
    client.queue
        .submit(client.session, large,
                [&](const answer& came) {
                    failed = status_of(came);
                    partial = came.error().partial->body();
                })
        .value();
    client.poll_until([&] { return failed != status::ok; });
    CHECK_EQUAL(failed, status::too_large);
    CHECK_EQUAL(partial, "aaaa");
    auto wrong = get_of("/");
    wrong.timeout = 0ms;
    const auto refused = client.queue.submit(client.session, wrong, [](answer) { fail("it was called"); });
    CHECK_STARTS(refused.error().message, "timeout: ");
    const auto other = open_pool();
    const auto others = aipool::queue::make(other).value();
    const auto foreign = others.submit(client.session, get_of("/"), [](answer) {});
    CHECK_EQUAL(status_of(foreign), status::invalid_argument);
}

CPP_TEST(tags_come_back)
{
    const client client;
    client.queue.submit(client.session, get_of("/bytes/3"), 7).value();
    client.queue.submit(client.session, get_of("/bytes/4"), 8).value();
    std::array<aipool::completion, 4> completions;
    std::size_t sizes[9] = {};
    for (std::size_t taken = 0; taken < 2;) {
        const auto count = client.queue.next(completions, 20s).value();
        for (std::size_t i = 0; i < count; ++i, ++taken) {
            CHECK_EQUAL(completions[i].kind, completion_kind::done);
            sizes[completions[i].tag] = completions[i].response.value().body().size();
        }
    }
    CHECK_EQUAL(sizes[7], 3U);
    CHECK_EQUAL(sizes[8], 4U);
    CHECK_EQUAL(client.queue.next(completions, 0ms).value(), 0U);
    CHECK_EQUAL(status_of(client.queue.next(aipool::span<aipool::completion>(completions.data(), 0))),
                status::invalid_argument);
    // Handlers want a queue of their own.
    CHECK_EQUAL(status_of(client.queue.poll(0ms)), status::invalid_argument);
    CHECK_EQUAL(status_of(client.queue.submit(client.session, get_of("/"), [](answer) {})), status::invalid_argument);
    const auto handled = aipool::queue::make(client.pool).value();
    handled.submit(client.session, get_of("/"), [](answer) {}).value();
    CHECK_EQUAL(status_of(handled.submit(client.session, get_of("/"), 1)), status::invalid_argument);
    CHECK_EQUAL(status_of(handled.next(completions, 0ms)), status::invalid_argument);
    client.queue.close().value();
    CHECK_EQUAL(status_of(client.queue.next(completions)), status::end);
}

CPP_TEST(streams_have_tags_too)
{
    if (over_reqwest()) return;
    const client client;
    client.queue.submit_stream(client.session, get_of("/bytes/5"), 1).value();
    std::vector<aipool::completion> one(1);
    CHECK_EQUAL(client.queue.next(one, 20s).value(), 1U);
    CHECK_EQUAL(one[0].kind, completion_kind::head);
    auto stream = std::move(one[0].stream).value();
    CHECK_EQUAL(client.queue.next(one, 20s).value(), 1U);
    CHECK_EQUAL(one[0].kind, completion_kind::done);
    CHECK(!one[0].response && one[0].error.status == status::ok);
    std::array<char, 9> part;
    CHECK_EQUAL(stream.read(part).value(), 5U);
}

CPP_TEST(stream_handlers_read_all)
{
    if (over_reqwest()) return;
    const client client;
    std::string told;
    bool headed = false;
    bool done = false;
    const auto read = [&](aipool::stream& stream) {
        for (const auto& event : stream.events(0ms)) told += event.data;
    };
    aipool::stream_handlers chat;
    chat.on_head = [&, mine = std::make_unique<int>(200)](aipool::stream& stream) {
        CHECK_EQUAL(stream.status(), *mine);
        headed = true;
        read(stream);
    };
    chat.on_readable = read;
    chat.on_done = [&](const aipool::result<void>& ended) {
        ended.value();
        done = true;
    };
    auto request = sandbox::chat("one two three");
    request.headers.emplace_back("x-sandbox", "drip=5");
    client.queue.submit_stream(client.session, request, std::move(chat)).value();
    client.poll_until([&] { return done; });
    CHECK(headed);
    CHECK_CONTAINS(told, "three");
    CHECK_CONTAINS(told, "[DONE]");

    // Who reads only when told to, and never before, has all at the last look; who cannot connect has an end alone.
    std::string late;
    done = false;
    aipool::stream_handlers lazy;
    lazy.on_readable = [&](aipool::stream& stream) {
        for (const auto& event : stream.events(0ms)) late += event.data;
    };
    lazy.on_done = [&](aipool::result<void>) { done = true; };
    client.queue.submit_stream(client.session, sandbox::chat("four five"), std::move(lazy)).value();
    client.poll_until([&] { return done; });
    CHECK_CONTAINS(late, "[DONE]");
    status failed = status::ok;
    aipool::stream_handlers refused;
    refused.on_head = [](aipool::stream&) { fail("there is a head"); };
    refused.on_done = [&](const aipool::result<void>& ended) { failed = status_of(ended); };
    client.queue.submit_stream(client.session, get_of("http://127.0.0.1:1/"), std::move(refused)).value();
    client.poll_until([&] { return failed != status::ok; });
    CHECK_EQUAL(failed, status::connect);
}

CPP_TEST(stream_is_kept_by_moving_it_out)
{
    if (over_reqwest()) return;
    const client client;
    std::optional<aipool::stream> kept;
    aipool::stream_handlers handlers;
    handlers.on_head = [&](aipool::stream& stream) { kept = std::move(stream); };
    client.queue.submit_stream(client.session, get_of("/bytes/6"), std::move(handlers)).value();
    client.queue.close().value();
    while (client.queue.poll()) continue;
    std::array<char, 9> part;
    CHECK_EQUAL(kept->read(part).value(), 6U);
    CHECK_EQUAL(kept->read(part).value(), 0U);

    // And given up by destroying it.
    aipool::queue other = aipool::queue::make(client.pool).value();
    status ended = status::ok;
    aipool::stream_handlers gone;
    gone.on_head = [](aipool::stream& stream) { const aipool::stream mine = std::move(stream); };
    gone.on_done = [&](const aipool::result<void>& end) { ended = status_of(end); };
    other.submit_stream(client.session, get_of("/bytes/10?sandbox=stall=3"), std::move(gone)).value();
    while (ended == status::ok) CHECK(other.poll(20s).value() > 0);
    CHECK_EQUAL(ended, status::cancelled);
}

CPP_TEST(upload_is_written_when_it_is_worth_while)
{
    if (over_reqwest()) return;
    const client client;
    auto body = aipool::upload::make().value();
    std::size_t left = 3'000'000;
    const std::string part(64'000, 'x');
    const auto write = [&] {
        while (left > 0) {
            const auto taken = body.write(std::string_view(part).substr(0, left), 0ms);
            if (!taken) {
                CHECK_EQUAL(status_of(taken), status::would_block);
                return;
            }
            left -= taken.value();
        }
        if (body.progress().taken == 3'000'000) body.finish().value();
    };
    aipool::request request = get_of("/echo");
    request.method = "POST";
    request.upload = &body;
    std::size_t echoed = 0;
    client.queue
        .submit(client.session, request, [&](const answer& came) { echoed = came.value().body().size(); }, write)
        .value();
    write();
    client.poll_until([&] { return echoed > 0; });
    CHECK(echoed > 3'000'000);
    CHECK_EQUAL(client.server.count("bytes_in"), 3'000'000U);
}

CPP_TEST(exceptions_leave_poll_and_lose_nothing)
{
    const std::uint64_t before = live_handles();
    {
        const client client;
        int answers = 0;
        for (int i = 0; i < 4; ++i) {
            client.queue
                .submit(client.session, get_of("/bytes/5"),
                        [&](answer came) {
                            if (++answers % 2 == 1) throw std::runtime_error(std::string(came->body()));
                        })
                .value();
        }
        int thrown = 0;
        while (answers < 4) {
            try {
                CHECK(client.queue.poll(20s).value() > 0);
            } catch (const std::runtime_error& failure) {
                CHECK_EQUAL(std::string(failure.what()), "aaaaa");
                ++thrown;
            }
        }
        CHECK_EQUAL(thrown, 2);
    }
    CHECK_EQUAL(live_handles(), before);
}

CPP_TEST(exceptions_of_a_stream_do_not_lose_its_end)
{
    if (over_reqwest()) return;
    const client client;
    bool done = false;
    int looks = 0;
    int thrown = 0;
    aipool::stream_handlers handlers;
    handlers.on_head = [](aipool::stream&) { throw std::runtime_error("head"); };
    handlers.on_readable = [&](aipool::stream&) {
        ++looks;
        throw std::runtime_error("readable");
    };
    handlers.on_done = [&](aipool::result<void>) { done = true; };
    client.queue.submit_stream(client.session, get_of("/bytes/5"), std::move(handlers)).value();
    const int fd = client.queue.fd().value();
    while (!done) {
        CHECK(is_readable(fd, 20'000));
        try {
            client.queue.poll(0ms).value();
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    close(fd);
    CHECK_EQUAL(looks, 1);
    CHECK_EQUAL(thrown, 2);
}

CPP_TEST(destroyed_queue_tells_everybody)
{
    const std::uint64_t before = live_handles();
    {
        client client;
        const std::string name = sandbox::fresh_name();
        status ended = status::ok;
        status streamed = status::ok;
        bool again = true;
        {
            auto queue = aipool::queue::make(client.pool).value();
            auto future = queue.submit_future(client.session, get_of("/hold/" + name));
            queue
                .submit(client.session, get_of("/hold/" + name),
                        [&](const answer& came) {
                            ended = status_of(came);
                            CHECK_EQUAL(came.error().detail, detail::queue_closed);
                            again = queue.submit(client.session, get_of("/"), [](answer) {}).has_value();
                        })
                .value();
            if (!over_reqwest()) {
                aipool::stream_handlers handlers;
                handlers.on_done = [&](const aipool::result<void>& came) { streamed = status_of(came); };
                queue.submit_stream(client.session, get_of("/hold/" + name), std::move(handlers)).value();
            }
            sandbox::wait_held(name, over_reqwest() ? 2 : 3);
            CHECK_EQUAL(queue.poll(0ms).value(), 0U);
            auto moved = std::move(queue);
            CHECK(!queue.poll(0ms));
            CHECK(!queue.submit(client.session, get_of("/"), [](answer) {}));
            queue = std::move(moved);
            queue = aipool::queue::make(client.pool).value();
            CHECK_EQUAL(status_of(future.get()), status::cancelled);
        }
        CHECK_EQUAL(ended, status::cancelled);
        CHECK(over_reqwest() || streamed == status::cancelled);
        CHECK(!again);
        if (!over_reqwest()) sandbox::control("GET", "wait-gone/" + name);
        sandbox::release(name);
        eventually("none is under way", [&] { return client.session.stats().value().in_flight == 0; });
    }
    CHECK_EQUAL(live_handles(), before);
}

CPP_TEST(handler_may_destroy_its_queue)
{
    const client client;
    auto queue = std::make_unique<aipool::queue>(aipool::queue::make(client.pool).value());
    const std::string name = sandbox::fresh_name();
    status other = status::ok;
    queue->submit(client.session, get_of("/hold/" + name), [&](const answer& came) { other = status_of(came); }).value();
    queue->submit(client.session, get_of("/echo"), [&](answer) { queue.reset(); }).value();
    while (queue) {
        const auto handled = queue->poll(20s);
        CHECK(handled.has_value());
    }
    CHECK_EQUAL(other, status::cancelled);
    sandbox::release(name);
}

CPP_TEST(futures_become_ready)
{
    const client client;
    auto fine = client.queue.submit_future(client.session, get_of("/bytes/5"));
    auto wrong = get_of("/");
    wrong.timeout = 0ms;
    auto refused = client.queue.submit_future(client.session, wrong);
    CHECK(refused.wait_for(0s) == std::future_status::ready);
    CHECK_EQUAL(status_of(refused.get()), status::invalid_argument);
    client.poll_until([&] { return fine.wait_for(0s) == std::future_status::ready; });
    CHECK_EQUAL(fine.get().value().body(), "aaaaa");
}

CPP_TEST(two_threads_poll)
{
    const client client;
    std::atomic<int> answers{0};
    std::atomic<int> wrong{0};
    constexpr int wanted = 300;
    const auto polls = [&] {
        while (client.queue.poll(20s)) continue;
    };
    auto one = std::async(std::launch::async, polls);
    auto two = std::async(std::launch::async, polls);
    struct watched {
        std::atomic<int> at_once{0};
        bool headed = false;
        bool ended = false;
        std::string body;
    };
    std::vector<std::unique_ptr<watched>> streams;
    for (int i = 0; i < wanted; ++i) {
        client.queue.submit(client.session, get_of("/bytes/5"), [&](answer came) { answers += came.has_value(); }).value();
        if (over_reqwest() || i % 10 != 0) continue;
        auto& mine = *streams.emplace_back(std::make_unique<watched>());
        const auto look = [&](aipool::stream& stream) {
            if (mine.at_once++ != 0 || mine.ended) ++wrong;
            std::array<char, 1000> part;
            for (;;) {
                const auto count = stream.read(part, 0ms);
                if (!count || count.value() == 0) break;
                mine.body.append(part.data(), count.value());
            }
            --mine.at_once;
        };
        aipool::stream_handlers handlers;
        handlers.on_head = [&, look](aipool::stream& stream) {
            mine.headed = true;
            look(stream);
        };
        handlers.on_readable = look;
        handlers.on_done = [&](aipool::result<void> ended) {
            if (!ended || !mine.headed || mine.body.size() != 50'000) ++wrong;
            mine.ended = true;
        };
        client.queue.submit_stream(client.session, get_of("/bytes/50000"), std::move(handlers)).value();
    }
    client.queue.close().value();
    one.get();
    two.get();
    CHECK_EQUAL(answers.load(), wanted);
    CHECK_EQUAL(wrong.load(), 0);
    for (const auto& stream : streams) CHECK(stream->ended);
}

CPP_TEST(descriptors_tell_of_completions)
{
    const client client;
    const int fd = client.queue.fd().value();
    CHECK(!is_readable(fd));
    int ends[2];
    CHECK_EQUAL(pipe(ends), 0);
    client.queue.set_notify_fd(ends[1]).value();
    CHECK_EQUAL(status_of(client.queue.set_notify_fd(-7)), status::invalid_argument);
    bool called = false;
    client.queue.submit(client.session, get_of("/echo"), [&](answer) { called = true; }).value();
    CHECK(is_readable(fd, 20'000));
    CHECK(is_readable(ends[0], 20'000));
    CHECK_EQUAL(client.queue.poll(0ms).value(), 1U);
    CHECK(called);
    CHECK(!is_readable(fd));
    client.queue.set_notify_fd(-1).value();
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

CPP_TEST(wake_brings_a_poller_back)
{
    const client client;
    client.queue.wake();
    CHECK_EQUAL(client.queue.poll().value(), 0U);
    auto polled = std::async(std::launch::async, [&] { return client.queue.poll().value(); });
    client.queue.wake();
    CHECK_EQUAL(polled.get(), 0U);
}
