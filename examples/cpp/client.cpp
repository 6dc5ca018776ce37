// A client of an AI provider, here an OpenAI-compatible server, whose answer is shown as it comes.
//
//     c++ -std=c++17 client.cpp -laipool -o client && AIPOOL_SANDBOX_HTTP=http://127.0.0.1:8080 ./client
#include <aipool.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

static void chat(const std::string& base)
{
    aipool::client_options options;
    options.base_url = base;
    options.model = "sandbox";
    options.from_environment = true;  // OPENAI_API_KEY, where the server wants one.
    const auto client = aipool::client::make(options).value();

    aipool::call call;
    call.prompt = "a word at a time";
    call.temperature = 0.0;
    auto answer = client.stream(call).value();
    for (const auto& delta : answer.deltas()) {
        if (delta.kind != aipool::delta_kind::text) continue;
        std::fwrite(delta.text.data(), 1, delta.text.size(), stdout);
        std::fflush(stdout);
    }
    // The loop ends at the answer's end, and at a failure.
    if (answer.error()) throw aipool::exception(*answer.error());
    const auto reply = answer.reply().value();
    std::printf("\nclient lang=C++ tokens=%d finish=%s\n", static_cast<int>(reply.usage.completion.value_or(-1)),
                reply.finish.c_str());
}

int main()
{
    const char* sandbox = std::getenv("AIPOOL_SANDBOX_HTTP");
    if (sandbox == nullptr) {
        std::fputs("client: AIPOOL_SANDBOX_HTTP is not set; run this under scripts/with-sandbox\n", stderr);
        return EXIT_FAILURE;
    }
    try {
        chat(std::string(sandbox) + "/v1");
        return EXIT_SUCCESS;
    } catch (const aipool::exception& failure) {
        std::fprintf(stderr, "client: %s %s\n", failure.what(), failure.error().provider_text.c_str());
        return EXIT_FAILURE;
    }
}
