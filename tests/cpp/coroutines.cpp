/// Coroutines that wait for a queue. Compiled as C++20 or later, whatever the rest of the suite is.
#include "harness.hpp"
#include "sandbox.hpp"

#include <array>
#include <atomic>
#include <coroutine>
#include <exception>
#include <stdexcept>

#ifndef AIPOOL_COROUTINES
#error compile this with coroutines
#endif

using namespace std::chrono_literals;
using aipool::status;
using sandbox::listener;

namespace {

/// A coroutine that begins at once and ends by itself, or with this object.
class task {
public:
    struct promise_type {
        task get_return_object() { return task(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() noexcept { ended = true; }
        void unhandled_exception() noexcept
        {
            thrown = std::current_exception();
            ended = true;
        }

        std::atomic<bool> ended{false};
        std::exception_ptr thrown;
    };

    explicit task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    task& operator=(task&&) = delete;
    ~task()
    {
        if (handle_) handle_.destroy();
    }

    /// Throws what ended it.
    bool ended() const
    {
        if (!handle_.promise().ended) return false;
        if (handle_.promise().thrown) std::rethrow_exception(handle_.promise().thrown);
        return true;
    }

private:
    std::coroutine_handle<promise_type> handle_;
};

/// A coroutine that nobody holds.
struct detached {
    struct promise_type {
        detached get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        [[noreturn]] void unhandled_exception() { std::terminate(); }
    };
};

struct client {
    listener server;
    pool_under_test pool = open_pool();
    aipool::session session = pool.get_session(server.http).value();
    aipool::queue queue = aipool::queue::make(pool).value();

    void poll_until_ended(const task& coroutine) const
    {
        while (!coroutine.ended()) CHECK(queue.poll(20s).value() > 0);
    }
};

aipool::request get_of(std::string url)
{
    aipool::request request;
    request.url = std::move(url);
    return request;
}

task get_twice(const client& client)
{
    for (int i = 0; i < 2; ++i) {
        const auto answer = (co_await client.queue.request(client.session, get_of("/bytes/5"))).value();
        CHECK_EQUAL(answer.body(), "aaaaa");
    }
    auto wrong = get_of("/");
    wrong.timeout = 0ms;
    CHECK_EQUAL(status_of(co_await client.queue.request(client.session, wrong)), status::invalid_argument);
    CHECK_EQUAL(status_of(co_await client.queue.request(client.session, get_of("http://127.0.0.1:1/"))),
                status::connect);
}

task chat(const client& client, std::string& told)
{
    auto request = sandbox::chat("one two three");
    request.headers.emplace_back("x-sandbox", "drip=5");
    auto stream = (co_await client.queue.stream(client.session, request)).value();
    CHECK_EQUAL(stream.status(), 200);
    CHECK_STARTS(stream.header("content-type").value(), "text/event-stream");
    while (const auto event = (co_await stream.next_event()).value()) told += event->data;
    CHECK(!(co_await stream.next_event()).value());
    std::array<char, 9> part;
    CHECK_EQUAL(status_of(co_await stream.read(part)), status::invalid_argument);
}

task ask(const client& client, const aipool::client& ai, std::string& told)
{
    aipool::call call;
    call.prompt = "one two three";
    const auto answer = (co_await client.queue.request(ai, call)).value();
    CHECK_EQUAL(answer.reply().value().text, "You said: one two three");
    call.headers = {{"x-sandbox", "drip=5"}};
    auto stream = (co_await client.queue.stream(ai, call)).value();
    while (const auto delta = (co_await stream.next_delta()).value()) told += delta->text;
    CHECK_EQUAL(stream.reply().value().text, told);
    call.headers = {{"x-sandbox", "error=openai-context"}};
    const auto refused = co_await client.queue.stream(ai, call);
    CHECK_EQUAL(refused.error().detail, aipool::detail::context_overflow);
    CHECK_CONTAINS(refused.error().provider_text, "maximum context length");
}

task read_all(const client& client, std::size_t& size)
{
    auto stream = (co_await client.queue.stream(client.session, get_of("/bytes/300000"))).value();
    std::array<char, 1000> part;
    while (const auto count = (co_await stream.read(part)).value()) size += count;
}

task read_stalled(const aipool::queue& queue, const client& client, status& ended)
{
    auto opened = co_await queue.stream(client.session, get_of("/bytes/10?sandbox=stall=3"));
    auto& stream = opened.value();
    std::array<char, 9> part;
    CHECK_EQUAL((co_await stream.read(part)).value(), 3U);
    ended = status_of(co_await stream.read(part));
}

task hold(const aipool::queue& queue, const client& client, std::string name, status& ended)
{
    ended = status_of(co_await queue.request(client.session, get_of("/hold/" + name)));
}

detached count_up(const client& client, std::atomic<int>& fine)
{
    const auto answer = co_await client.queue.request(client.session, get_of("/bytes/5"));
    if (!answer) co_return;
    auto stream = co_await client.queue.stream(client.session, sandbox::chat("one two"));
    if (!stream) co_return;
    std::string last;
    for (;;) {
        const auto event = co_await stream.value().next_event();
        if (!event) co_return;
        if (!event.value()) break;
        last = event.value()->data;
    }
    fine += last == "[DONE]";
}

}  // namespace

CPP_TEST(coroutines_ask_a_client)
{
    const client client;
    aipool::client_options options;
    options.base_url = client.server.http + "/v1";
    options.model = "m";
    const auto ai = aipool::client::make(client.pool, options).value();
    std::string told;
    client.poll_until_ended(ask(client, ai, told));
    CHECK_EQUAL(told, "You said: one two three");
}

CPP_TEST(requests_are_awaited)
{
    const client client;
    client.poll_until_ended(get_twice(client));
}

CPP_TEST(stream_is_awaited_event_by_event)
{
    if (over_reqwest()) return;
    const client client;
    std::string told;
    client.poll_until_ended(chat(client, told));
    CHECK_CONTAINS(told, "three");
    CHECK_CONTAINS(told, "[DONE]");
}

CPP_TEST(stream_is_awaited_in_bytes)
{
    if (over_reqwest()) return;
    const client client;
    std::size_t size = 0;
    client.poll_until_ended(read_all(client, size));
    CHECK_EQUAL(size, 300'000U);
}

CPP_TEST(destroyed_queue_resumes_who_waits)
{
    const client client;
    status held = status::ok;
    status stalled = status::ok;
    const std::string name = sandbox::fresh_name();
    auto queue = aipool::queue::make(client.pool).value();
    const auto holding = hold(queue, client, name, held);
    sandbox::wait_held(name);
    if (over_reqwest()) {
        queue = aipool::queue::make(client.pool).value();
    } else {
        const auto reading = read_stalled(queue, client, stalled);
        // Its head, and its three bytes.
        while (queue.poll(100ms).value() > 0) continue;
        CHECK(!reading.ended());
        queue = aipool::queue::make(client.pool).value();
        CHECK(reading.ended());
        CHECK_EQUAL(stalled, status::cancelled);
    }
    CHECK(holding.ended());
    CHECK_EQUAL(held, status::cancelled);
    sandbox::release(name);
}

CPP_TEST(destroyed_coroutine_is_not_resumed)
{
    const client client;
    status ended = status::ok;
    const std::string name = sandbox::fresh_name();
    {
        const auto gone = hold(client.queue, client, name, ended);
        sandbox::wait_held(name);
        CHECK(!gone.ended());
    }
    sandbox::release(name);
    CHECK_EQUAL(client.queue.poll(20s).value(), 1U);
    if (over_reqwest()) return;
    {
        const auto gone = read_stalled(client.queue, client, ended);
        while (client.queue.poll(100ms).value() > 0) continue;
    }
    // The stream was given up with its coroutine, and its end is told to nobody.
    CHECK(client.queue.poll(20s).value() > 0);
    eventually("none is under way", [&] { return client.session.stats().value().in_flight == 0; });
}

CPP_TEST(two_threads_resume_coroutines)
{
    if (over_reqwest()) return;
    const client client;
    std::atomic<int> fine{0};
    const auto polls = [&] {
        while (fine < 100) client.queue.poll(20ms).value();
    };
    auto one = std::thread(polls);
    auto two = std::thread(polls);
    for (int i = 0; i < 100; ++i) count_up(client, fine);
    eventually("all have ended", [&] { return fine == 100; });
    one.join();
    two.join();
}
