/// Requests over asio's event loop, or with AIPOOL_BOOST_ASIO over boost's. Compiled as C++20 or later.
#include "harness.hpp"
#include "sandbox.hpp"

#include <aipool/asio.hpp>

#ifdef AIPOOL_BOOST_ASIO
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
namespace net = boost::asio;
#else
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
namespace net = asio;
#endif

#include <atomic>
#include <stdexcept>

#include <sys/resource.h>
#include <unistd.h>

using namespace std::chrono_literals;
using aipool::status;
using sandbox::listener;
using answer = aipool::result<aipool::response>;

namespace {

struct client {
    listener server;
    pool_under_test pool = open_pool();
    aipool::session session = pool.get_session(server.http).value();
    net::io_context loop;
    aipool::asio_queue queue = aipool::asio_queue::make(loop.get_executor(), pool).value();
};

aipool::request get_of(std::string url)
{
    aipool::request request;
    request.url = std::move(url);
    return request;
}

}  // namespace

CPP_TEST(asio_loop_polls_while_there_is_work)
{
    client client;
    client.loop.run();
    client.loop.restart();
    int answers = 0;
    for (int i = 0; i < 10; ++i) {
        aipool::async_request(client.queue, client.session, get_of("/bytes/5"),
                              [&, mine = std::make_unique<int>(1)](const answer& came) {
                                  CHECK_EQUAL(came.value().body(), "aaaaa");
                                  answers += *mine;
                              });
    }
    CHECK_EQUAL(answers, 0);
    client.loop.run();
    CHECK_EQUAL(answers, 10);
    client.loop.restart();
    status refused = status::ok;
    auto wrong = get_of("/");
    wrong.timeout = 0ms;
    aipool::async_request(client.queue, client.session, wrong, [&](const answer& came) { refused = status_of(came); });
    CHECK_EQUAL(refused, status::ok);
    client.loop.run();
    CHECK_EQUAL(refused, status::invalid_argument);
}

CPP_TEST(asio_handlers_may_throw_out_of_run)
{
    client client;
    int answers = 0;
    for (int i = 0; i < 2; ++i) {
        aipool::async_request(client.queue, client.session, get_of("/echo"), [&](const answer&) {
            if (++answers == 1) throw std::runtime_error("mine");
        });
    }
    try {
        client.loop.run();
        fail("run() did not throw");
    } catch (const std::runtime_error& thrown) {
        CHECK_EQUAL(std::string(thrown.what()), "mine");
    }
    client.loop.run();
    CHECK_EQUAL(answers, 2);
}

CPP_TEST(asio_futures_and_threads)
{
    client client;
    std::vector<std::future<answer>> futures;
    for (int i = 0; i < 50; ++i) {
        futures.push_back(aipool::async_request(client.queue, client.session, get_of("/bytes/5"), net::use_future));
    }
    std::thread other([&] { client.loop.run(); });
    client.loop.run();
    other.join();
    for (auto& future : futures) CHECK_EQUAL(future.get().value().body(), "aaaaa");
}

CPP_TEST(asio_calls_of_a_client)
{
    client client;
    aipool::client_options options;
    options.base_url = client.server.http + "/v1";
    options.model = "m";
    const auto ai = aipool::client::make(client.pool, options).value();
    aipool::call call;
    call.prompt = "hi";
    auto future = aipool::async_call(client.queue, ai, call, net::use_future);
    call.temperature = 9.0;
    auto refused = aipool::async_call(client.queue, ai, call, net::use_future);
    client.loop.run();
    CHECK_EQUAL(future.get().value().reply().value().text, "You said: hi");
    CHECK_EQUAL(status_of(refused.get()), status::invalid_argument);
}

CPP_TEST(asio_queue_ends_with_what_is_under_way)
{
    client client;
    const std::string name = sandbox::fresh_name();
    status ended = status::ok;
    aipool::async_request(client.queue, client.session, get_of("/hold/" + name),
                          [&](const answer& came) { ended = status_of(came); });
    sandbox::wait_held(name);
    client.loop.poll();
    client.queue = aipool::asio_queue::make(client.loop.get_executor(), client.pool).value();
    CHECK_EQUAL(ended, status::ok);
    client.loop.restart();
    client.loop.run();
    CHECK_EQUAL(ended, status::cancelled);
    sandbox::release(name);
}

/// The lowest descriptor that is free.
static int next_fd()
{
    const int free_one = dup(0);
    close(free_one);
    return free_one;
}

CPP_TEST(asio_queue_that_cannot_be_leaves_no_descriptor)
{
    const auto pool = open_pool();
    const int first = next_fd();
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    int refused = 0;
    for (rlim_t round = 0; round < 120; ++round) {
        const rlim_t more = round % 12;
        // In a loop that has not watched anything yet, which takes descriptors too.
        net::io_context loop;
        const rlimit few{static_cast<rlim_t>(next_fd()) + more, before.rlim_max};
        setrlimit(RLIMIT_NOFILE, &few);
        const status made = status_of(aipool::asio_queue::make(loop.get_executor(), pool));
        loop.run();
        setrlimit(RLIMIT_NOFILE, &before);
        CHECK(made == status::ok || made == status::system);
        refused += made == status::system;
    }
    CHECK(refused >= 10);
    // Connections of tests before may close meanwhile; so many that were left behind would not hide among them.
    CHECK(next_fd() <= first);
}

#ifdef ASIO_HAS_CO_AWAIT

static net::awaitable<void> twice(client& client, int& answers)
{
    for (int i = 0; i < 2; ++i) {
        const auto came =
            co_await aipool::async_request(client.queue, client.session, get_of("/bytes/5"), net::use_awaitable);
        answers += came.value().body() == "aaaaa";
    }
}

CPP_TEST(asio_awaitables)
{
    client client;
    int answers = 0;
    net::co_spawn(client.loop, twice(client, answers), net::detached);
    client.loop.run();
    CHECK_EQUAL(answers, 2);
}

#endif
