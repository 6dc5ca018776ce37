// Four AI providers, asked through one pool: a hundred cold requests that need one token, then a stream of each.
// The sandbox plays the providers. client.cpp is shorter: one provider, one answer.
//
//     c++ -std=c++17 providers.cpp -laipool -lpthread -o providers
//     AIPOOL_SANDBOX_HTTP=http://127.0.0.1:8080 ./providers
#include <aipool.hpp>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <string>
#include <vector>

// As the sandbox has them. For the real ones leave out the URLs, and let from_environment find the credentials;
// GigaChat's certificate wants the Russian root, in session.ca_file.
static aipool::client_options openai(const std::string& server)
{
    aipool::client_options options;
    options.base_url = server + "/v1";
    options.api_key = "any";
    options.model = "sandbox-small";
    return options;
}

static aipool::client_options gigachat(const std::string& server)
{
    aipool::client_options options;
    options.kind = aipool::client_kind::gigachat;
    options.base_url = server + "/gigachat/api/v1";
    options.auth_url = server + "/gigachat/oauth";
    options.api_key = "Y2xpZW50OnNlY3JldA==";
    options.scope = "GIGACHAT_API_CORP";
    return options;
}

static aipool::client_options yandex(const std::string& server)
{
    aipool::client_options options;
    options.kind = aipool::client_kind::yandex;
    options.base_url = server + "/yandex/foundationModels/v1";
    options.api_key = "sandbox-key";
    options.folder = "b1gsandbox";
    return options;
}

static aipool::client_options naparnik(const std::string& server)
{
    aipool::client_options options;
    options.kind = aipool::client_kind::naparnik;
    options.base_url = server + "/naparnik";
    options.api_key = "sandbox-token";
    return options;
}

// A hundred requests from a hundred threads, none of them with a token: how many got their answer.
static std::size_t ask_cold(const aipool::client& client)
{
    std::vector<std::future<aipool::reply>> replies;
    for (int i = 0; i < 100; ++i) {
        replies.push_back(std::async(std::launch::async, [&client] { return client.generate("cold").value(); }));
    }
    for (auto& reply : replies) reply.get();
    return replies.size();
}

// One answer, part by part, as a row of the table.
static void stream(const char* name, const aipool::client& client)
{
    aipool::call call;
    call.prompt = "one two three";
    auto answer = client.stream(call).value();
    int words = 0;
    for (const auto& delta : answer.deltas()) {
        // A program would show delta.text here; a row has to wait.
        if (delta.kind == aipool::delta_kind::text) ++words;
    }
    // The loop ends at the answer's end, and at a failure.
    if (answer.error()) throw aipool::exception(*answer.error());
    const auto reply = answer.reply().value();
    std::printf("%-10s %8lld us %6d  %-24s  %s\n", name, static_cast<long long>(reply.first_token.count()), words,
                reply.finish.c_str(), reply.text.c_str());
}

// How often the sandbox was asked for a GigaChat token. A pool takes plain requests too.
static unsigned long token_calls(const aipool::pool& pool, const std::string& server)
{
    const auto session = pool.get_session(server).value();
    const auto response = session.get("/control/counters?name=gigachat.token_calls").value();
    const std::string line(response.body());
    return std::stoul(line.substr(line.find('=') + 1));
}

static void ask(const std::string& server)
{
    const auto pool = aipool::pool::global().value();
    // Made once and kept: a provider's token is kept as long as a client of it lives.
    const auto open_ai = aipool::client::make(pool, openai(server)).value();
    const auto giga_chat = aipool::client::make(pool, gigachat(server)).value();
    const auto yandex_gpt = aipool::client::make(pool, yandex(server)).value();
    const auto one_c = aipool::client::make(pool, naparnik(server)).value();

    const auto before = token_calls(pool, server);
    const auto cold = ask_cold(giga_chat);
    std::printf("%-10s %11s %6s  %-24s  %s\n", "provider", "first part", "words", "finish", "answer");
    stream("OpenAI", open_ai);
    stream("GigaChat", giga_chat);
    stream("YandexGPT", yandex_gpt);
    stream("Naparnik", one_c);
    const auto tokens = token_calls(pool, server) - before;

    const auto stats = pool.stats().value();
    std::printf("clients lang=C++ streams=4 cold=%zu token_calls=%lu requests=%llu connections=%llu reused=%llu\n", cold,
                tokens, static_cast<unsigned long long>(stats.requests),
                static_cast<unsigned long long>(stats.connections_opened),
                static_cast<unsigned long long>(stats.requests_reused));
}

int main()
{
    const char* sandbox = std::getenv("AIPOOL_SANDBOX_HTTP");
    if (sandbox == nullptr) {
        std::fputs("providers: AIPOOL_SANDBOX_HTTP is not set; run this under scripts/with-sandbox\n", stderr);
        return EXIT_FAILURE;
    }
    try {
        ask(sandbox);
        return EXIT_SUCCESS;
    } catch (const aipool::exception& failure) {
        std::fprintf(stderr, "providers: %s %s\n", failure.what(), failure.error().provider_text.c_str());
        return EXIT_FAILURE;
    }
}
