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
using aipool::delivery;
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

/// A POST to the echo, whose answer ends with this body.
static aipool::request post_of(std::string body)
{
    aipool::request request = get_of("/echo");
    request.method = "POST";
    request.body = std::move(body);
    return request;
}

/// A POST to the echo whose body is pushed.
static aipool::request pushed(const aipool::upload& body)
{
    aipool::request request = post_of("");
    request.upload = &body;
    return request;
}

/// Appends all that comes to `all`; how it ended.
static aipool::result<void> read_to(std::string& all, aipool::stream& stream)
{
    std::array<char, 1000> part;
    for (;;) {
        auto count = stream.read(part);
        if (!count) return std::move(count).error();
        if (count.value() == 0) return {};
        all.append(part.data(), count.value());
    }
}

/// Reads to the end, or to a failure.
static aipool::result<std::string> all_of(aipool::stream& stream)
{
    std::string all;
    auto ended = read_to(all, stream);
    if (!ended) return std::move(ended).error();
    return all;
}

/// The data of all events; stream.error() says how they ended.
static std::vector<std::string> data_of(aipool::stream& stream)
{
    std::vector<std::string> all;
    for (const aipool::event& event : stream.events()) all.emplace_back(event.data);
    return all;
}

/// What reqwest lacks when a stream is asked for.
static const std::string_view streams = "flags (AIP_REQUEST_STREAM): ";

BEHAVIOUR(stream_head_comes_before_its_body_ends)
{
    const client client;
    auto opened = client.session.stream(get_of("/bytes/10?sandbox=stall=3"));
    if (lacks_over_reqwest(opened, streams)) return;
    std::array<char, 16> part;
    CHECK_EQUAL(opened->status(), 200);
    CHECK_EQUAL(opened->read(part).value(), 3U);
    CHECK_EQUAL(status_of(opened->read(part, 0ms)), status::would_block);
    CHECK_EQUAL(client.server.count("requests"), 1U);
    CHECK_EQUAL(client.server.count("responses"), 0U);
}

BEHAVIOUR(stream_bytes_are_those_the_server_sent)
{
    const client client;
    std::string body;
    for (int i = 0; i < 300'000; ++i) body += static_cast<char>(i);
    auto opened = client.session.stream(post_of(body));
    if (lacks_over_reqwest(opened, streams)) return;
    const std::string all = all_of(opened.value()).value();
    CHECK(all.size() > body.size());
    CHECK(all.compare(all.size() - body.size(), body.size(), body) == 0);
}

BEHAVIOUR(sse_events_come_parsed_in_order)
{
    const client client;
    // The echo's head says nothing to a parser of events: its fields are unknown ones, and a blank line ends it.
    auto request = post_of("event: ping\nid: 7\nretry: 1500\ndata: a\ndata: b\n\n: a comment\ndata: last\n\n");
    request.event_format = aipool::event_format::sse;
    auto opened = client.session.stream(request);
    if (lacks_over_reqwest(opened, streams)) return;
    std::vector<std::string> told;
    for (const aipool::event& event : opened->events()) {
        const aipool::event_copy all = event.copy();
        const auto retry = event.retry ? std::to_string(event.retry->count()) : "none";
        told.push_back(all.name + '|' + all.data + '|' + all.id + '|' + retry);
    }
    CHECK(!opened->error());
    CHECK(told == std::vector<std::string>({"ping|a\nb|7|1500", "|last|7|none"}));
}

BEHAVIOUR(ndjson_lines_come_in_order)
{
    const client client;
    auto request = post_of("{\"n\":1}\n{\"n\":2}\n\n{\"n\":3}");
    request.event_format = aipool::event_format::ndjson;
    auto opened = client.session.stream(request);
    if (lacks_over_reqwest(opened, streams)) return;
    auto lines = data_of(opened.value());
    CHECK(!opened->error());
    // Before them stands the echo's head, a line each too.
    CHECK(lines.size() > 3);
    lines.erase(lines.begin(), lines.end() - 3);
    CHECK(lines == std::vector<std::string>({"{\"n\":1}", "{\"n\":2}", "{\"n\":3}"}));
}

BEHAVIOUR(missing_end_marker_is_truncated_after_what_came)
{
    const client client;
    auto request = sandbox::chat("one two three");
    request.end_marker = "[DONE]";
    auto whole = client.session.stream(request);
    if (lacks_over_reqwest(whole, streams)) return;
    const auto all = data_of(whole.value());
    CHECK(!whole->error());
    CHECK_EQUAL(all.back(), "[DONE]");
    request.headers.emplace_back("x-sandbox", "no-done");
    auto unmarked = client.session.stream(request).value();
    CHECK_EQUAL(data_of(unmarked).size(), all.size() - 1);
    CHECK_EQUAL(unmarked.error()->status, status::truncated);
    CHECK_EQUAL(unmarked.error()->delivery, delivery::response_started);
    CHECK_STARTS(unmarked.error()->message, "end_marker: ");
}

BEHAVIOUR(freed_stream_leaves_nothing_in_use)
{
    const listener server;
    const auto pool = open_pool();
    const auto stalled = get_of("/bytes/1000000?sandbox=stall=100");
    {
        const auto lease = pool.acquire(server.http).value();
        {
            const auto opened = lease.stream(stalled);
            if (lacks_over_reqwest(opened, streams)) return;
            const aipool::pool_stats stats = pool.stats().value();
            CHECK(stats.leased == 1 && stats.in_flight == 1 && stats.connections_in_use == 1);
        }
        // Over HTTP/1.1 the rest never comes, so the connection closes; over HTTP/2 it goes on.
        sandbox::control("GET", "wait-connections-open?id=" + server.id);
        const auto shared = pool.get_session(server.https, sandbox::trusting()).value();
        { const auto opened = shared.stream(stalled).value(); }
        CHECK(shared.get("/echo").value().info().reused);
    }
    wait_unused(pool);
}

/// Checks that a limit ended a response that had begun.
static void check_limit(const aipool::error& ended, detail limit, std::string_view field)
{
    CHECK_EQUAL(ended.status, status::timeout);
    CHECK_EQUAL(ended.detail, limit);
    CHECK_EQUAL(ended.delivery, delivery::response_started);
    CHECK_STARTS(ended.message, field);
}

BEHAVIOUR(first_event_limit_is_timeout)
{
    const client client;
    auto request = sandbox::chat("one", "stall=10");
    request.first_event_timeout = 500ms;
    auto opened = client.session.stream(request);
    if (lacks_over_reqwest(opened, "first_event_timeout_ms: ")) return;
    CHECK(data_of(opened.value()).empty());
    check_limit(opened->error().value(), detail::first_event_limit, "first_event_timeout_ms: ");
}

BEHAVIOUR(between_events_limit_is_timeout)
{
    const client client;
    auto request = sandbox::chat("one two", "drip=20000");
    request.between_events_timeout = 100ms;
    auto opened = client.session.stream(request);
    if (lacks_over_reqwest(opened, "between_events_timeout_ms: ")) return;
    CHECK_EQUAL(data_of(opened.value()).size(), 1U);
    check_limit(opened->error().value(), detail::between_events_limit, "between_events_timeout_ms: ");
}

BEHAVIOUR(between_bytes_limit_ends_a_stream_after_what_came)
{
    const client client;
    auto request = get_of("/bytes/100?sandbox=stall=10");
    request.between_bytes_timeout = 100ms;
    auto opened = client.session.stream(request);
    if (lacks_over_reqwest(opened, "between_bytes_timeout_ms: ")) return;
    std::string came;
    const auto ended = read_to(came, opened.value());
    CHECK_EQUAL(came, "aaaaaaaaaa");
    check_limit(ended.error(), detail::between_bytes_limit, "between_bytes_timeout_ms: ");
}

static void write_all(aipool::upload& body, std::string_view left)
{
    while (!left.empty()) left.remove_prefix(body.write(left, 10s).value());
}

BEHAVIOUR(upload_in_pieces_arrives_whole)
{
    const client client;
    const std::string piece(70'000, 'u');
    for (const std::optional<std::uint64_t> length : {std::optional<std::uint64_t>(), {700'000}}) {
        auto body = aipool::upload::make(length).value();
        write_all(body, piece);
        auto answer = std::async(std::launch::async, [&] { return client.session.request(pushed(body)); });
        if (over_reqwest()) {
            lacks_over_reqwest(answer.get(), "upload: ");
            continue;
        }
        for (int i = 1; i < 10; ++i) write_all(body, piece);
        body.finish().value();
        CHECK_CONTAINS(answer.get().value().body(), std::string(700'000, 'u'));
    }
    CHECK_EQUAL(client.server.count("bytes_in"), over_reqwest() ? 0U : 1'400'000U);
}

BEHAVIOUR(upload_of_another_length_is_refused_by_name)
{
    const client client;
    auto body = aipool::upload::make(5).value();
    const auto beyond = body.write("beyond");
    CHECK_EQUAL(status_of(beyond), status::invalid_argument);
    CHECK_STARTS(beyond.error().message, "data: goes beyond the upload's length of 5 bytes");
    write_all(body, "four");
    const auto early = body.finish();
    CHECK_EQUAL(status_of(early), status::invalid_argument);
    CHECK_STARTS(early.error().message, "upload: is 1 bytes short");
    write_all(body, "!");
    body.finish().value();
    const auto answer = client.session.request(pushed(body));
    if (!lacks_over_reqwest(answer, "upload: ")) CHECK_CONTAINS(answer->body(), "\n\nfour!");
}

BEHAVIOUR(freed_upload_cancels_its_request)
{
    const client client;
    std::future<aipool::result<aipool::response>> answer;
    {
        auto body = aipool::upload::make().value();
        write_all(body, "half");
        answer = std::async(std::launch::async,
                            [&client, request = pushed(body)] { return client.session.request(request); });
        // Either it goes out, or it is refused.
        if (over_reqwest()) answer.wait();
        else eventually("the server has its head", [&] { return client.server.count("requests") == 1; });
    }
    const auto outcome = answer.get();
    if (lacks_over_reqwest(outcome, "upload: ")) return;
    CHECK_EQUAL(status_of(outcome), status::cancelled);
    CHECK_EQUAL(outcome.error().delivery, delivery::maybe_sent);
    CHECK_STARTS(outcome.error().message, "upload: was freed");
    sandbox::control("GET", "wait-connections-open?id=" + client.server.id);
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
