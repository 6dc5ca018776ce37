/// What only C++ has: moves, exceptions, error codes, options that mean what is written, two kinds of files in one
/// program; and signals.
#include "harness.hpp"
#include "sandbox.hpp"

#include <csignal>
#include <type_traits>

using namespace std::chrono_literals;
using aipool::status;
using sandbox::listener;

template <class T>
constexpr bool move_only = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                           std::is_nothrow_destructible_v<T> && !std::is_copy_constructible_v<T> &&
                           !std::is_copy_assignable_v<T>;
static_assert(move_only<aipool::pool> && move_only<aipool::session> && move_only<aipool::lease>);
static_assert(move_only<aipool::response> && move_only<aipool::cancel_source>);
static_assert(std::is_nothrow_copy_constructible_v<aipool::exception>);
static_assert(std::is_copy_constructible_v<aipool::error>);
static_assert(noexcept(std::declval<const aipool::cancel_source&>().fire()));

// What is borrowed from a temporary would be gone at once, so it is copied or cannot be had.
using lent_body = decltype(std::declval<aipool::response&>().body());
using kept_body = decltype(std::declval<aipool::response>().body());
static_assert(std::is_same_v<lent_body, std::string_view> && std::is_same_v<kept_body, std::string>);

/// The library's live handles that are not the suite's own control pool.
static std::uint64_t live_handles()
{
    aip_library_stats stats{};
    aip_stats(&stats, sizeof stats);
    return stats.pools + stats.sessions + stats.responses + stats.cancels + stats.queues + stats.uploads;
}

CPP_TEST(moves_transfer_and_destructors_free)
{
    const listener listener;
    const std::uint64_t before = live_handles();
    {
        auto pool = open_pool();
        auto session = pool.get_session(listener.http).value();
        auto source = aipool::cancel_source::open().value();
        auto answer = session.get("/echo").value();
        auto lease = pool.acquire(listener.http).value();
        CHECK_EQUAL(live_handles(), before + 5);
        auto moved = std::move(answer);
        CHECK_EQUAL(moved.status(), 200);
        CHECK_EQUAL(answer.status(), 0);
        CHECK(answer.body().empty() && answer.headers().empty() && !answer.header("date"));
        session = std::move(lease);
        CHECK_EQUAL(live_handles(), before + 4);
        CHECK_EQUAL(pool.stats().value().leased, 1U);
        auto other = std::move(source);
        aipool::request request;
        request.cancel = &source;
        CHECK_EQUAL(status_of(session.request(request)), status::invalid_handle);
        source.fire();
        pool = open_pool();
        CHECK(session.closed());
    }
    CHECK_EQUAL(live_handles(), before);
}

CPP_TEST(partial_response_outlives_its_result)
{
    const listener listener;
    const auto pool = open_pool();
    aipool::request request;
    request.url = "/bytes/100";
    request.max_body = 4;
    std::shared_ptr<const aipool::response> partial;
    try {
        pool.request(listener.http, request).value();
        fail("value() did not throw");
    } catch (const aipool::exception& thrown) {
        CHECK_EQUAL(thrown.error().http_status, 200);
        partial = thrown.error().partial;
    }
    CHECK_EQUAL(partial->body(), "aaaa");
}

CPP_TEST(value_throws_a_system_error)
{
    const listener listener;
    const auto pool = open_pool();
    aipool::request request;
    request.url = "/echo?sandbox=stall-head";
    request.timeout = 1ms;
    try {
        pool.request(listener.http, request).value();
        fail("value() did not throw");
    } catch (const std::system_error& thrown) {
        CHECK(thrown.code() == status::timeout);
        CHECK(thrown.code() == std::errc::timed_out);
        CHECK_CONTAINS(thrown.what(), "timeout_ms");
    }
}

CPP_TEST(codes_map_to_conditions_where_they_are_the_same)
{
    const std::error_code connect = status::connect;
    CHECK_EQUAL(std::string(connect.category().name()), "aipool");
    CHECK_EQUAL(connect.message(), "AIP_CONNECT");
    CHECK(connect != std::errc::connection_refused);
    CHECK(std::error_code(status::cancelled) == std::errc::operation_canceled);
    CHECK(std::error_code(status::reset) == std::errc::connection_reset);
    CHECK(std::error_code(status::invalid_argument) == std::errc::invalid_argument);
    CHECK(!std::error_code(status::ok));
}

/// Beyond the longest limit that C takes.
constexpr auto too_long = 24h * 31;

template <class T>
static void check_invalid(const aipool::result<T>& outcome, std::string_view named)
{
    CHECK_EQUAL(status_of(outcome), status::invalid_argument);
    CHECK_STARTS(outcome.error().message, named);
}

/// The time limits that pools, sessions and requests have in common. Each reaches its own field: C refuses what is out of
/// range by that field's name. Zero, which C takes for the default, is refused by the binding.
template <class Options, class Try>
static void check_time_limits(Try attempt)
{
    using limit_of = std::optional<std::chrono::milliseconds> Options::*;
    const std::pair<limit_of, std::string> limits[] = {
        {&Options::timeout, "timeout"},
        {&Options::connect_timeout, "connect_timeout"},
        {&Options::queue_timeout, "queue_timeout"},
        {&Options::dns_timeout, "dns_timeout"},
        {&Options::tls_timeout, "tls_timeout"},
        {&Options::send_timeout, "send_timeout"},
        {&Options::first_byte_timeout, "first_byte_timeout"},
        {&Options::between_bytes_timeout, "between_bytes_timeout"},
        {&Options::first_event_timeout, "first_event_timeout"},
        {&Options::between_events_timeout, "between_events_timeout"},
    };
    for (const auto& [limit, name] : limits) {
        Options wrong;
        wrong.*limit = too_long;
        check_invalid(attempt(wrong), name + "_ms: ");
        wrong.*limit = 0ms;
        check_invalid(attempt(wrong), name + ": ");
        wrong.*limit = -1ms;
        check_invalid(attempt(wrong), name + ": ");
    }
}

CPP_TEST(wrong_time_limits_are_named)
{
    const listener listener;
    const auto pool = open_pool();
    const auto session = pool.get_session(listener.http).value();
    check_time_limits<aipool::pool_options>([](const auto& wrong) { return aipool::pool::open(wrong); });
    check_time_limits<aipool::session_options>([&](const auto& wrong) { return pool.get_session("http://a", wrong); });
    check_time_limits<aipool::request>([&](const auto& wrong) { return session.request(wrong); });
}

/// A pool of options() that are changed.
template <class Change>
static aipool::result<aipool::pool> try_open(Change change)
{
    aipool::pool_options changed = options();
    change(changed);
    return aipool::pool::open(changed);
}

CPP_TEST(wrong_pool_options_are_named)
{
    check_invalid(try_open([](auto& o) { o.max_size = 1'000'001; }), "max_size: ");
    check_invalid(try_open([](auto& o) { o.eviction = static_cast<aipool::eviction>(9); }), "eviction: ");
    check_invalid(try_open([](auto& o) { o.threads = 1000; }), "threads: ");
    check_invalid(try_open([](auto& o) { o.max_connections_per_origin = 100'001; }), "max_connections_per_origin: ");
    check_invalid(try_open([](auto& o) { o.max_connections = 1'000'001; }), "max_connections: ");
    check_invalid(try_open([](auto& o) { o.max_queue = 1'000'001; }), "max_queue: ");
    check_invalid(try_open([](auto& o) { o.idle_timeout = too_long; }), "idle_timeout_ms: ");
    check_invalid(try_open([](auto& o) { o.max_lifetime = too_long; }), "max_lifetime_ms: ");
    // The binding's own: C takes zero for the default.
    check_invalid(try_open([](auto& o) { o.max_body = 0; }), "max_body: ");
    check_invalid(try_open([](auto& o) { o.max_connections = 0; }), "max_connections: ");
}

CPP_TEST(unlimited_is_a_word)
{
    const auto pool = try_open([](auto& o) {
        o.max_size = aipool::unlimited;
        o.timeout = aipool::unlimited;
        o.connect_timeout = aipool::unlimited;
        o.max_body = aipool::unlimited;
        o.queue_timeout = aipool::unlimited;
        o.first_byte_timeout = aipool::unlimited;
        o.max_connections_per_origin = aipool::unlimited;
        o.max_connections = aipool::unlimited;
        o.max_queue = aipool::unlimited;
        o.max_lifetime = aipool::unlimited;
    });
    std::vector<aipool::session> sessions;
    for (int i = 0; i < 50; ++i) sessions.push_back(pool->get_session("key " + std::to_string(i)).value());
    CHECK_EQUAL(pool->stats().value().sessions, 50U);
}

/// Each option reaches its own field: what is wrong is refused by that field's name.
CPP_TEST(wrong_session_options_are_named)
{
    using options = aipool::session_options;
    const auto pool = aipool::pool::open().value();
    const auto check = [&](const char* named, auto change) {
        options wrong;
        change(wrong);
        check_invalid(pool.get_session("https://host", wrong), named);
    };
    check("partition: ", [](options& o) { o.partition = "\xff"; });
    check("ca_file: ", [](options& o) { o.ca_file = "\xff"; });
    check("ca_bytes: ", [](options& o) { o.ca_bytes = "junk"; });
    check("http_version: ", [](options& o) { o.http_version = static_cast<aipool::http_version>(9); });
    check("client_cert_file: ", [](options& o) { o.client_cert_file = "\xff"; });
    check("client_cert_bytes: ", [](options& o) { o.client_cert_bytes = o.client_key_bytes = "junk"; });
    check("client_key_file: ", [](options& o) { o.client_key_file = "\xff"; });
    check("server_name: ", [](options& o) { o.server_name = "no name"; });
    check("key_log_file: ", [](options& o) { o.key_log_file = "\xff"; });
    check("proxy: ", [](options& o) { o.proxy = "ftp://h"; });
    check("no_proxy: ", [](options& o) { o.no_proxy = "\xff"; });
    check("unix_socket: ", [](options& o) { o.unix_socket = "\xff"; });
    check("resolve: ", [](options& o) { o.resolve = "host"; });
    check("local_address: ", [](options& o) { o.local_address = "nowhere"; });
    check("keepalive_ms: ", [](options& o) { o.keepalive = too_long; });
    check("stream_window_bytes: ", [](options& o) { o.stream_window = 1; });
    check("max_redirects: ", [](options& o) { o.max_redirects = 31; });
    check("max_retries: ", [](options& o) { o.max_retries = 11; });
    check("trust: ", [](options& o) { o.trust = static_cast<aipool::trust>(9); });
    check("min_tls: ", [](options& o) { o.min_tls = static_cast<aipool::tls_version>(9); });
    check("proxy_mode: ", [](options& o) { o.proxy_mode = static_cast<aipool::proxy_mode>(9); });
    check("transport: ", [](options& o) { o.transport = static_cast<aipool::transport>(9); });
    // The binding's own: C takes zero for the default.
    check("keepalive: ", [](options& o) { o.keepalive = 0ms; });
}

CPP_TEST(wrong_pins_are_seen)
{
    const listener listener;
    aipool::session_options pinned = sandbox::trusting();
    pinned.pins = {{1}, {2}};
    const auto outcome = aipool::pool::open().value().get_session(listener.https, pinned).value().get("/echo");
    CHECK_EQUAL(status_of(outcome), status::tls);
    CHECK_EQUAL(outcome.error().detail, aipool::detail::wrong_pin);
}

CPP_TEST(drain_beyond_32_bits_is_clamped)
{
    const auto pool = open_pool();
    pool.close_all(std::chrono::hours(24 * 365)).value();
    pool.close_all(-1ms).value();
}

static const aipool::cancel_source* fired_by_signal = nullptr;

static void fire_on_signal(int) { fired_by_signal->fire(); }

CPP_TEST(signal_handler_fires_cancel)
{
    const listener listener;
    const auto pool = open_pool();
    const auto source = aipool::cancel_source::open().value();
    fired_by_signal = &source;
    std::signal(SIGUSR1, fire_on_signal);
    const std::string name = sandbox::fresh_name();
    auto raised = std::async(std::launch::async, [&] {
        sandbox::wait_held(name);
        std::raise(SIGUSR1);
    });
    aipool::request request;
    request.url = "/hold/" + name;
    request.cancel = &source;
    CHECK_EQUAL(status_of(pool.request(listener.http, request)), status::cancelled);
    raised.get();
    std::signal(SIGUSR1, SIG_DFL);
}

CPP_TEST(interruptible_request_ends_with_a_signal)
{
    const listener listener;
    const auto pool = open_pool();
    std::signal(SIGUSR2, [](int) {});
    const std::string name = sandbox::fresh_name();
    const pthread_t waiting = pthread_self();
    auto raised = std::async(std::launch::async, [&] {
        sandbox::wait_held(name);
        pthread_kill(waiting, SIGUSR2);
    });
    aipool::request request;
    request.url = "/hold/" + name;
    request.interruptible = true;
    CHECK_EQUAL(status_of(pool.request(listener.http, request)), status::interrupted);
    raised.get();
    std::signal(SIGUSR2, SIG_DFL);
}

/// In no_exceptions.cpp, which is compiled without exceptions and RTTI; what was wrong, or nothing.
std::string use_without_exceptions(const aipool::pool& pool, const std::string& base);

CPP_TEST(files_with_and_without_exceptions_share_a_program)
{
    const listener listener;
    const auto pool = open_pool();
    CHECK_EQUAL(use_without_exceptions(pool, listener.http), "");
}
