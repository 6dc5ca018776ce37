/// Runs the tests: `behaviours [PART_OF_A_NAME]`.
#include "harness.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>

std::vector<test>& tests()
{
    static std::vector<test> all;
    return all;
}

aipool::pool_options options()
{
    const char* threads = std::getenv("AIPOOL_TEST_THREADS");
    aipool::pool_options options;
    options.threads = threads == nullptr ? 0 : static_cast<std::uint32_t>(std::strtoul(threads, nullptr, 10));
    return options;
}

bool over_reqwest()
{
    const char* transport = std::getenv("AIPOOL_TEST_TRANSPORT");
    return transport != nullptr && std::string_view(transport) == "reqwest";
}

pool_under_test open_pool() { return pool_under_test(aipool::pool::open(options()).value()); }

pool_under_test open_pool_of(std::uint64_t max_size, aipool::eviction eviction)
{
    aipool::pool_options bounded = options();
    bounded.max_size = max_size;
    bounded.eviction = eviction;
    return pool_under_test(aipool::pool::open(bounded).value());
}

/// Why the test failed; empty where it passed.
static std::string outcome(const test& test)
{
    try {
        test.run();
        return "";
    } catch (const check_failed& failed) {
        return failed.why;
    } catch (const std::exception& thrown) {
        return thrown.what();
    }
}

int main(int argc, char** argv)
{
    std::setvbuf(stdout, nullptr, _IOLBF, 0);  // A test that hangs is then the one after the last line.
    const std::string filter = argc > 1 ? argv[1] : "";
    const char* list = std::getenv("AIPOOL_BEHAVIOURS");
    std::ofstream behaviours;
    if (list != nullptr) behaviours.open(list, std::ios::app);
    int passed = 0;
    int failed = 0;
    for (const test& test : tests()) {
        if (test.name.find(filter) == std::string::npos) continue;
        const std::string why = outcome(test);
        if (why.empty()) {
            ++passed;
            std::printf("ok %s\n", test.name.c_str());
            if (test.behaviour) behaviours << test.name << std::endl;
        } else {
            ++failed;
            std::printf("FAIL %s: %s\n", test.name.c_str(), why.c_str());
        }
    }
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
