/// The program of host_names.cpp: uses the pool, its own functions, and destructors that run as the process exits.
#include <aipool.hpp>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

extern "C" int host_calls;
int call_host_names();

/// Destroyed after main, in reverse: the last word over the session, then session, pool and the check.
static struct last_look {
    ~last_look()
    {
        aip_library_stats stats{};
        aip_stats(&stats, sizeof stats);
        const bool clean = stats.pools == 0 && stats.sessions == 0 && stats.responses == 0;
        std::puts(clean ? "1 passed, 0 failed" : "0 passed, 1 failed");
        std::fflush(stdout);
        if (!clean) std::_Exit(EXIT_FAILURE);
    }
} last_look;
static std::optional<aipool::pool> pool;
static std::optional<aipool::session> session;
static struct last_word {
    ~last_word()
    {
        if (!session || session->get("/echo").value().status() != 200) std::_Exit(EXIT_FAILURE);
    }
} last_word;
/// Of a thread: destroyed when those of the library are gone.
static thread_local struct last_thread_word {
    bool asks = false;
    ~last_thread_word()
    {
        if (asks && !session->get("/echo")) std::_Exit(EXIT_FAILURE);
    }
} last_thread_word;

int main()
{
    const char* base = std::getenv("AIPOOL_SANDBOX_HTTP");
    if (base == nullptr) return EXIT_FAILURE;
    pool = aipool::pool::open().value();
    session = pool->get_session(base).value();
    if (session->get("/echo").value().status() != 200) return EXIT_FAILURE;
    std::thread([] {
        last_thread_word.asks = true;
        if (!session->get("/echo")) std::_Exit(EXIT_FAILURE);
    }).join();
    if (host_calls != 0 || call_host_names() != 10 || host_calls != 4) return EXIT_FAILURE;
    return EXIT_SUCCESS;
}
