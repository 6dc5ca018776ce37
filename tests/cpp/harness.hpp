/// Tests by name, checks that say what was there instead, and the pool options that every test runs under.
#pragma once

#include <aipool.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

/// Why a test failed.
struct check_failed {
    std::string why;
};

[[noreturn]] inline void fail(const std::string& why) { throw check_failed{why}; }

inline std::string shown(const std::string& value) { return '"' + value + '"'; }
inline std::string shown(std::string_view value) { return shown(std::string(value)); }
inline std::string shown(const char* value) { return shown(std::string(value)); }
inline std::string shown(aipool::status value) { return aip_status_name(static_cast<int>(value)); }
template <class Value>
std::string shown(const Value& value)
{
    if constexpr (std::is_enum_v<Value>) return std::to_string(static_cast<int>(value));
    else return std::to_string(value);
}

template <class Got, class Wanted>
void check_equal(const char* where, const char* what, const Got& got, const Wanted& wanted)
{
    if (!(got == wanted)) fail(std::string(where) + what + " is " + shown(got) + ", not " + shown(wanted));
}

inline void check_contains(const char* where, std::string_view text, std::string_view part)
{
    if (text.find(part) == text.npos) fail(where + shown(text) + " does not contain " + shown(part));
}

inline void check_starts(const char* where, std::string_view text, std::string_view part)
{
    if (text.substr(0, part.size()) != part) fail(where + shown(text) + " does not start with " + shown(part));
}

#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)
#define HERE __FILE__ ":" TEXT_OF(__LINE__) ": "
#define CHECK(condition) ((condition) ? void() : fail(HERE "not so: " #condition))
#define CHECK_EQUAL(got, ...) check_equal(HERE, #got, got, __VA_ARGS__)
#define CHECK_CONTAINS(text, part) check_contains(HERE, text, part)
#define CHECK_STARTS(text, part) check_starts(HERE, text, part)

/// Waits for a state that nothing announces.
template <class Reached>
void eventually(const char* what, Reached reached)
{
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!reached()) {
        if (std::chrono::steady_clock::now() > deadline) fail(std::string("never: ") + what);
        std::this_thread::yield();
    }
}

/// The status of a failure, or ok.
template <class T>
aipool::status status_of(const aipool::result<T>& outcome)
{
    return outcome.error().status;
}

/// Whether this run's sessions go over reqwest (AIPOOL_TEST_TRANSPORT).
bool over_reqwest();

/// Over reqwest: true, and what it lacks was refused by this name. False over the engine.
template <class T>
bool lacks_over_reqwest(const aipool::result<T>& outcome, std::string_view field)
{
    if (!over_reqwest()) return false;
    CHECK_EQUAL(status_of(outcome), aipool::status::unsupported);
    CHECK_EQUAL(outcome.error().delivery, aipool::delivery::not_sent);
    CHECK_STARTS(outcome.error().message, field);
    return true;
}

/// A pool whose sessions go over the transport of this run.
class pool_under_test : public aipool::pool {
public:
    explicit pool_under_test(aipool::pool made) : aipool::pool(std::move(made)) {}

    aipool::result<aipool::session> get_session(std::string_view key, aipool::session_options options) const
    {
        return aipool::pool::get_session(key, over(std::move(options)));
    }
    aipool::result<aipool::session> get_session(std::string_view key) const
    {
        return over_reqwest() ? get_session(key, {}) : aipool::pool::get_session(key);
    }
    aipool::result<aipool::lease> acquire(std::string_view key) const
    {
        return over_reqwest() ? aipool::pool::acquire(key, over({})) : aipool::pool::acquire(key);
    }
    aipool::result<aipool::response> request(std::string_view key, const aipool::request& what) const
    {
        if (over_reqwest()) {
            // A session that the pool's request makes has default options: the transport has to be there before.
            const auto session = get_session(key);
            if (!session) return session.error();
        }
        return aipool::pool::request(key, what);
    }

private:
    static aipool::session_options over(aipool::session_options options)
    {
        if (over_reqwest()) options.transport = aipool::transport::reqwest;
        return options;
    }
};

/// Waits until no session is leased, no request under way, no connection in use.
inline void wait_unused(const aipool::pool& pool)
{
    eventually("nothing is in use", [&] {
        const aipool::pool_stats stats = pool.stats().value();
        return stats.leased + stats.in_flight + stats.connections_in_use == 0;
    });
}

/// How many connections the pool closed for a reason.
inline std::uint64_t closed_for(aipool::close_reason reason, const aipool::pool& pool)
{
    return pool.stats().value().closed[static_cast<std::size_t>(reason)];
}

/// A registered test.
struct test {
    std::string name;
    void (*run)();
    /// Whether tests/behaviours.txt names it.
    bool behaviour;
};

std::vector<test>& tests();

struct registered {
    registered(const char* name, void (*run)(), bool behaviour) { tests().push_back({name, run, behaviour}); }
};

#define REGISTERED_(name, behaviour)                                   \
    static void name();                                                \
    static const registered name##_registered(#name, name, behaviour); \
    static void name()

/// A test of a name in tests/behaviours.txt.
#define BEHAVIOUR(name) REGISTERED_(name, true)

/// A test of what only C++ has.
#define CPP_TEST(name) REGISTERED_(name, false)

/// Default options but for AIPOOL_TEST_THREADS.
aipool::pool_options options();

/// A pool with options().
pool_under_test open_pool();

/// A pool of options() that keeps so many sessions.
pool_under_test open_pool_of(std::uint64_t max_size, aipool::eviction eviction = aipool::eviction::lru);
