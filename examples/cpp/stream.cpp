// A chat over libaipool whose words are shown as they come.
//
//     c++ -std=c++17 stream.cpp -laipool -o stream && AIPOOL_SANDBOX_HTTP=http://127.0.0.1:8080 ./stream
#include <aipool.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

// The word that an event adds. A real program would parse the JSON; our question has nothing to escape in it.
static std::string_view token(std::string_view data)
{
    const std::string_view opening = R"("content":")";
    const std::size_t at = data.find(opening);
    if (at == data.npos) return {};
    data.remove_prefix(at + opening.size());
    return data.substr(0, data.find('"'));
}

static void chat(const std::string& base)
{
    const auto pool = aipool::pool::global().value();
    const auto session = pool.get_session(base).value();

    aipool::request request;
    request.method = "POST";
    request.url = "chat/completions";
    request.headers = {{"content-type", "application/json"}};
    request.body =
        R"({"model": "sandbox", "stream": true, "messages": [{"role": "user", "content": "a word at a time"}]})";
    // An answer that ends without it was cut short, however orderly it ended; one that falls silent is given up.
    request.end_marker = "[DONE]";
    request.between_events_timeout = std::chrono::seconds(30);

    auto stream = session.stream(request).value();
    if (stream.status() != 200) throw std::runtime_error("status " + std::to_string(stream.status()));
    int tokens = 0;
    for (const auto& event : stream.events()) {
        const std::string_view word = token(event.data);
        if (word.empty()) continue;
        std::fwrite(word.data(), 1, word.size(), stdout);
        std::fflush(stdout);
        ++tokens;
    }
    // The loop ends at the stream's end, and at a failure.
    if (stream.error()) throw std::runtime_error(stream.error()->message);
    std::printf("\nstream lang=C++ tokens=%d\n", tokens);
}

int main()
{
    const char* sandbox = std::getenv("AIPOOL_SANDBOX_HTTP");
    if (sandbox == nullptr) {
        std::fputs("stream: AIPOOL_SANDBOX_HTTP is not set; run this under scripts/with-sandbox\n", stderr);
        return EXIT_FAILURE;
    }
    try {
        chat(std::string(sandbox) + "/v1");
        return EXIT_SUCCESS;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "stream: %s\n", failure.what());
        return EXIT_FAILURE;
    }
}
