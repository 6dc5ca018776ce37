/// Responses that are read while they come, and bodies that are pushed while they go out.
#include "harness.hpp"
#include "sandbox.hpp"

#include <algorithm>
#include <array>
#include <future>
#include <type_traits>

#if __cplusplus >= 202002L
#include <ranges>
static_assert(std::ranges::input_range<aipool::event_range<aipool::stream>>);
#endif

using namespace std::chrono_literals;
using aipool::detail;
using aipool::status;
using sandbox::listener;

static_assert(std::is_nothrow_move_constructible_v<aipool::stream> && !std::is_copy_constructible_v<aipool::stream>);
static_assert(std::is_nothrow_move_constructible_v<aipool::upload> && !std::is_copy_constructible_v<aipool::upload>);
static_assert(!std::is_convertible_v<aipool::stream&, aipool::response&>);

/// A pool and a session with a fresh listener.
struct client {
    listener server;
    pool_under_test pool = open_pool();
    aipool::session session = pool.get_session(server.http).value();
};

static aipool::request get_of(std::string url)
{
    aipool::request request;
    request.url = std::move(url);
    return request;
}

/// Reads to the end, or to a failure.
static aipool::result<std::string> all_of(aipool::stream& stream)
{
    std::string all;
    std::array<char, 1000> part;
    for (;;) {
        auto count = stream.read(part);
        if (!count) return std::move(count).error();
        if (count.value() == 0) return all;
        all.append(part.data(), count.value());
    }
}

CPP_TEST(stream_is_read_as_it_comes)
{
    const client client;
    auto opened = client.session.stream(get_of("/bytes/300000"));
    if (lacks_over_reqwest(opened, "")) return;
    auto stream = std::move(opened).value();
    CHECK_EQUAL(stream.status(), 200);
    CHECK_EQUAL(stream.header("content-length").value(), "300000");
    CHECK(!stream.headers().empty());
    CHECK_EQUAL(stream.info().http_version, 11U);
    CHECK(all_of(stream).value() == std::string(300000, 'a'));
    std::array<unsigned char, 1> more;
    CHECK_EQUAL(stream.read(more).value(), 0U);
    CHECK(stream.trailers().empty());
    auto moved = std::move(stream);
    CHECK_EQUAL(moved.read(more).value(), 0U);
    CHECK_EQUAL(status_of(stream.read(more)), status::invalid_handle);
    CHECK_EQUAL(stream.status(), 0);
    CHECK(stream.trailers().empty());
}

CPP_TEST(stream_waits_as_long_as_it_is_told)
{
    if (over_reqwest()) return;
    const client client;
    auto stream = client.session.stream(get_of("/bytes/10?sandbox=stall=3")).value();
    std::array<char, 16> part;
    CHECK_EQUAL(stream.read(part).value(), 3U);
    CHECK_EQUAL(status_of(stream.read(part, 0ms)), status::would_block);
    const auto late = stream.read(part, 10ms);
    CHECK_EQUAL(status_of(late), status::timeout);
    CHECK_EQUAL(late.error().detail, detail::wait_limit);
    CHECK_EQUAL(status_of(stream.read(aipool::span<char>(part.data(), 0), 0ms)), status::invalid_argument);
}

CPP_TEST(events_are_a_range)
{
    if (over_reqwest()) return;
    const client client;
    auto stream = client.session.stream(sandbox::chat("one two three")).value();
    std::string told;
    for (const aipool::event& event : stream.events()) {
        CHECK(event.name.empty() && event.id.empty() && !event.retry && !event.incomplete);
        told += event.data;
    }
    CHECK(!stream.error());
    CHECK_CONTAINS(told, "three");
    CHECK_CONTAINS(told, "[DONE]");
    CHECK(!stream.next_event().value());

    // As algorithms want it.
    auto again = client.session.stream(sandbox::chat("one two three")).value();
    const auto events = again.events();
    const std::vector<aipool::event_copy> kept(events.begin(), events.end());
    CHECK(!events.error());
    CHECK(kept.size() > 3);
    CHECK_EQUAL(kept.back().data, "[DONE]");
}

CPP_TEST(event_lives_until_the_next_and_its_copy_longer)
{
    if (over_reqwest()) return;
    const client client;
    auto stream = client.session.stream(sandbox::chat("one two three")).value();
    const auto first = stream.next_event().value()->copy();
    const auto second = stream.next_event().value().value();
    CHECK_CONTAINS(first.data, "chat.completion.chunk");
    CHECK_CONTAINS(second.data, "chat.completion.chunk");
    auto at = stream.events().begin();
    const std::string third(at->data);
    CHECK_EQUAL((*at++).data, third);
    CHECK(at != stream.events().end());
}

CPP_TEST(events_end_at_a_failure_and_say_so)
{
    if (over_reqwest()) return;
    const client client;
    auto cut = sandbox::chat("one two three four");
    cut.headers.emplace_back("x-sandbox", "cut-after=2");
    auto stream = client.session.stream(cut).value();
    int events = 0;
    for (const auto& event : stream.events()) events += event.data.empty() ? 0 : 1;
    CHECK(events <= 2);
    CHECK(stream.error().has_value());
    CHECK(stream.error()->status == status::truncated || stream.error()->status == status::reset);

    auto unmarked = sandbox::chat("one two");
    unmarked.headers.emplace_back("x-sandbox", "no-done");
    auto fine = client.session.stream(unmarked).value();
    for (const auto& event : fine.events()) CHECK(event.data != "[DONE]");
    CHECK(!fine.error());
    unmarked.end_marker = "[DONE]";
    auto marked = client.session.stream(unmarked).value();
    for (const auto& event : marked.events()) CHECK(!event.data.empty());
    CHECK_EQUAL(marked.error()->status, status::truncated);
}

CPP_TEST(events_have_limits)
{
    if (over_reqwest()) return;
    const client client;
    auto slow = sandbox::chat("one two three");
    slow.headers.emplace_back("x-sandbox", "drip=5000");
    slow.between_events_timeout = 50ms;
    auto dripping = client.session.stream(slow).value();
    while (const auto next = dripping.next_event()) CHECK(next.value().has_value());
    const auto late = dripping.next_event();
    CHECK_EQUAL(status_of(late), status::timeout);
    CHECK_EQUAL(late.error().detail, detail::between_events_limit);

    auto large = sandbox::chat("one two three");
    large.max_event_bytes = 10;
    auto chat = client.session.stream(large).value();
    CHECK_EQUAL(status_of(chat.next_event()), status::too_large);
    large.max_event_bytes = 0;
    CHECK_STARTS(client.session.stream(large).error().message, "max_event_bytes: ");
    large.max_event_bytes = aipool::unlimited;
    large.event_format = aipool::event_format::ndjson;
    auto lines = client.session.stream(large).value();
    CHECK_STARTS(lines.next_event().value()->data, "data: ");
    large.event_format = static_cast<aipool::event_format>(9);
    CHECK_STARTS(client.session.stream(large).error().message, "event_format: ");
}

CPP_TEST(mixed_reading_is_refused)
{
    if (over_reqwest()) return;
    const client client;
    std::array<char, 4> part;
    auto events = client.session.stream(sandbox::chat("one two")).value();
    CHECK(events.next_event().value().has_value());
    CHECK_EQUAL(status_of(events.read(part)), status::invalid_argument);
    auto bytes = client.session.stream(sandbox::chat("one two")).value();
    CHECK(bytes.read(part).value() > 0);
    CHECK_EQUAL(status_of(bytes.next_event()), status::invalid_argument);
}

CPP_TEST(destroyed_stream_is_given_up)
{
    if (over_reqwest()) return;
    const client client;
    {
        auto stream = client.session.stream(get_of("/bytes/10?sandbox=stall=3")).value();
        std::array<char, 16> part;
        CHECK_EQUAL(stream.read(part).value(), 3U);
        CHECK_EQUAL(client.session.stats().value().in_flight, 1U);
    }
    eventually("no request is under way", [&] { return client.session.stats().value().in_flight == 0; });
    sandbox::control("GET", "wait-connections-open?id=" + client.server.id);
}

CPP_TEST(upload_goes_out_while_it_is_written)
{
    if (over_reqwest()) return;
    const client client;
    auto body = aipool::upload::make().value();
    aipool::request request = get_of("/echo");
    request.method = "POST";
    request.upload = &body;
    auto answer = std::async(std::launch::async, [&] { return client.session.request(request); });
    const std::string part(100'000, 'b');
    for (int i = 0; i < 10; ++i) {
        for (std::string_view left = part; !left.empty();) left.remove_prefix(body.write(left).value());
    }
    body.finish().value();
    const auto echo = answer.get().value();
    CHECK(echo.body().size() > 1'000'000);
    CHECK_EQUAL(body.progress().taken, 1'000'000U);
    CHECK_EQUAL(body.progress().sent, 1'000'000U);
    CHECK_EQUAL(status_of(body.finish()), status::invalid_argument);
    CHECK_EQUAL(client.server.count("bytes_in"), 1'000'000U);
}

CPP_TEST(upload_is_held_to_its_length)
{
    if (over_reqwest()) return;
    const client client;
    auto body = aipool::upload::make(5).value();
    CHECK_EQUAL(status_of(body.finish()), status::invalid_argument);
    CHECK_EQUAL(status_of(body.write("123456")), status::invalid_argument);
    CHECK_EQUAL(body.write("12345").value(), 5U);
    body.finish().value();
    aipool::request request = get_of("/echo");
    request.method = "POST";
    request.upload = &body;
    CHECK_CONTAINS(client.session.request(request).value().body(), "content-length: 5");
    auto moved = std::move(body);
    CHECK_EQUAL(status_of(client.session.request(request)), status::invalid_handle);
    CHECK_EQUAL(body.progress().taken, 0U);
    CHECK_EQUAL(moved.progress().taken, 5U);
}

CPP_TEST(destroyed_upload_cancels_its_request)
{
    if (over_reqwest()) return;
    const client client;
    std::future<aipool::result<aipool::response>> answer;
    {
        auto body = aipool::upload::make().value();
        aipool::request request = get_of("/echo");
        request.method = "POST";
        request.upload = &body;
        CHECK_EQUAL(body.write("12345").value(), 5U);
        answer = std::async(std::launch::async, [&client, request] { return client.session.request(request); });
        eventually("it went out", [&] { return body.progress().sent == 5; });
    }
    CHECK_EQUAL(status_of(answer.get()), status::cancelled);
    auto full = aipool::upload::make().value();
    while (full.write(std::string(100'000, 'x'), 0ms)) continue;
    CHECK_EQUAL(status_of(full.write("x", 0ms)), status::would_block);
    CHECK_EQUAL(status_of(full.write("x", 5ms)), status::timeout);
}
