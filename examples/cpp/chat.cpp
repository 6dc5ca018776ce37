// Twenty chats over libaipool: serial over one warm session, ten at once, over a lease, and across an eviction.
//
//     c++ -std=c++17 chat.cpp -laipool -o chat && AIPOOL_SANDBOX_HTTP=http://127.0.0.1:8080 ./chat
#include <aipool.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <stdexcept>
#include <string>
#include <vector>

static std::string question(const std::string& text)
{
    return R"({"model": "sandbox", "messages": [{"role": "user", "content": ")" + text + R"("}]})";
}

// What the assistant said. A real program would parse the JSON; our questions have nothing to escape in them.
static std::string answer(const aipool::response& response)
{
    const std::string body(response.body());
    const std::string opening = R"("content":")";
    const std::size_t at = body.find(opening);
    if (response.status() != 200 || at == body.npos) throw std::runtime_error("not an answer: " + body);
    const std::size_t from = at + opening.size();
    return body.substr(from, body.find('"', from) - from);
}

static long long microseconds(const aipool::response& response) { return response.info().total.count(); }

static void chat(const std::string& base)
{
    // The process's one shared pool: any library of this process that asks for it shares the warm connections.
    const auto pool = aipool::pool::global().value();

    // One session, relative paths. The first chat opens the connection; the others find it open.
    const auto session = pool.get_session(base).value();
    std::vector<long long> latencies;
    for (int i = 1; i <= 7; ++i) {
        const auto response = session.post("chat/completions", question("serial " + std::to_string(i))).value();
        latencies.push_back(microseconds(response));
        std::printf("%6lld us  %s\n", latencies.back(), answer(response).c_str());
    }
    const long long first = latencies.front();
    std::sort(latencies.begin() + 1, latencies.end());
    const long long warm = latencies[1 + (latencies.size() - 1) / 2];

    // Ten threads at once over the same pool: a whole request each, without a session in hand.
    std::vector<std::future<std::string>> at_once;
    for (int i = 1; i <= 10; ++i) {
        at_once.push_back(std::async(std::launch::async, [&pool, &base, i] {
            aipool::request request;
            request.method = "POST";
            request.url = "chat/completions";
            request.headers = {{"content-type", "application/json"}};
            request.body = question("at once " + std::to_string(i));
            return answer(pool.request(base, request).value());
        }));
    }
    for (auto& chat : at_once) std::printf("at once    %s\n", chat.get().c_str());

    // A lease: however many keys come and go, this session is not given up while the lease lives.
    {
        const auto lease = pool.acquire(base).value();
        const auto response = lease.post("chat/completions", question("leased")).value();
        std::printf("leased     %s\n", answer(response).c_str());
    }

    // A pool of one: the second key evicts the first. Its handle then says so, and nothing was sent.
    aipool::pool_options one;
    one.max_size = 1;
    const auto tiny = aipool::pool::open(one).value();
    const auto early = tiny.get_session(base).value();
    std::printf("kept       %s\n", answer(early.post("chat/completions", question("kept")).value()).c_str());
    const auto second_key = tiny.get_session("https://other.example").value();
    const auto refused = early.post("chat/completions", question("evicted"));
    if (refused.error().detail != aipool::detail::evicted) throw std::runtime_error("the first key was not evicted");
    std::printf("evicted    %s\n", refused.error().message.c_str());
    const auto again = tiny.get_session(base).value();
    std::printf("got again  %s\n", answer(again.post("chat/completions", question("back")).value()).c_str());

    const auto shared = pool.stats().value();
    const auto small = tiny.stats().value();
    std::printf("demo lang=C++ chats=%llu connections=%llu reused=%llu first_us=%lld warm_us=%lld\n",
                static_cast<unsigned long long>(shared.requests + small.requests),
                static_cast<unsigned long long>(shared.connections_opened + small.connections_opened),
                static_cast<unsigned long long>(shared.requests_reused + small.requests_reused), first, warm);
}

int main()
{
    const char* sandbox = std::getenv("AIPOOL_SANDBOX_HTTP");
    if (sandbox == nullptr) {
        std::fputs("chat: AIPOOL_SANDBOX_HTTP is not set; run this under scripts/with-sandbox\n", stderr);
        return EXIT_FAILURE;
    }
    try {
        chat(std::string(sandbox) + "/v1");
        return EXIT_SUCCESS;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "chat: %s\n", failure.what());
        return EXIT_FAILURE;
    }
}
