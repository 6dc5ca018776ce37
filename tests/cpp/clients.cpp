/// Clients of AI providers: what is asked and answered through every door of C++.
#include "harness.hpp"
#include "sandbox.hpp"

#include <array>
#include <future>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using aipool::completion_kind;
using aipool::delivery;
using aipool::delta_kind;
using aipool::detail;
using aipool::finish_reason;
using aipool::status;
using sandbox::listener;

static_assert(std::is_nothrow_move_constructible_v<aipool::client> && !std::is_copy_constructible_v<aipool::client>);
static_assert(std::is_copy_constructible_v<aipool::reply> && std::is_copy_constructible_v<aipool::call>);
static_assert(std::is_same_v<decltype(aipool::reply().usage.total), std::optional<std::int64_t>>);

static const std::string chat_path = "/v1/chat/completions";
static const std::string weather =
    R"([{"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}])";

namespace {

/// A pool, a client of a fresh listener, and a queue.
struct rig {
    listener server;
    pool_under_test pool = open_pool();
    aipool::client client = aipool::client::make(pool, options()).value();
    aipool::queue queue = aipool::queue::make(pool).value();

    aipool::client_options options() const
    {
        aipool::client_options options;
        options.base_url = server.http + "/v1";
        options.api_key = "sk-planted";
        options.model = "sandbox-1";
        options.embedding_model = "sandbox-e";
        return options;
    }

    /// The last request to a path, as JSON.
    std::string last(const std::string& path) const { return sandbox::control("GET", "last?id=" + server.id + "&path=" + path); }
};

}  // namespace

static aipool::call says(std::string prompt, const std::string& faults = "")
{
    aipool::call call;
    call.prompt = std::move(prompt);
    if (!faults.empty()) call.headers = {{"x-sandbox", faults}};
    return call;
}

/// The text that deltas make.
template <class Deltas>
static std::string told(Deltas&& deltas)
{
    std::string text;
    for (const auto& delta : deltas)
        if (delta.kind == delta_kind::text) text += delta.text;
    return text;
}

/// Takes one completion.
static aipool::completion next(const aipool::queue& queue)
{
    std::array<aipool::completion, 1> place;
    CHECK_EQUAL(queue.next(place, 20s).value(), 1U);
    return std::move(place[0]);
}

CPP_TEST(a_prompt_is_answered)
{
    const rig rig;
    const auto reply = rig.client.generate("one two").value();
    CHECK_EQUAL(reply.text, "You said: one two");
    CHECK_EQUAL(reply.reason, finish_reason::stop);
    CHECK_EQUAL(reply.finish, "stop");
    CHECK_EQUAL(reply.model, "sandbox-1");
    CHECK_EQUAL(reply.usage.completion.value(), 4);
    CHECK_EQUAL(reply.usage.total.value(), *reply.usage.prompt + 4);
    CHECK(!reply.usage.reasoning && !reply.usage.cached && !reply.usage.context);
    CHECK(reply.tool_calls.empty() && reply.embeddings.empty() && reply.error_text.empty());
    const std::string asked = rig.last(chat_path);
    CHECK_CONTAINS(asked, "Bearer sk-planted");
    CHECK(asked.find("temperature") == asked.npos && asked.find("max_tokens") == asked.npos);
    aipool::call how;
    how.system = "Be short";
    CHECK_EQUAL(rig.client.generate("x", how).value().text, "You said: x");
    CHECK_CONTAINS(rig.last(chat_path), "Be short");
}

CPP_TEST(a_call_says_what_was_set_and_no_more)
{
    const rig rig;
    auto call = says("hi");
    call.model = "another";
    call.temperature = 0.0;
    call.top_p = 1.0;
    call.seed = 0;
    call.max_tokens = 7;
    call.stop = {"end", "fin"};
    call.tools = weather;
    call.tool_choice = "none";
    call.json_schema = R"({"type": "object"})";
    call.extra = R"({"user": "me"})";
    call.idempotency_key = "once";
    CHECK_EQUAL(rig.client.chat(call).value().model, "another");
    const std::string asked = rig.last(chat_path);
    for (const char* part : {R"("temperature":0.0)", R"("top_p":1.0)", R"("seed":0)", R"("max_tokens":7)", R"(["end","fin"])",
                             R"("tool_choice":"none")", "json_schema", R"("user":"me")", R"("idempotency-key":"once")"})
        CHECK_CONTAINS(asked, part);
}

CPP_TEST(tools_are_called_and_their_results_go_back)
{
    const rig rig;
    auto call = says("weather?");
    call.tools = weather;
    const auto wanted = rig.client.chat(call).value();
    CHECK_EQUAL(wanted.reason, finish_reason::tool);
    CHECK_EQUAL(wanted.tool_call_count, 1U);
    CHECK_CONTAINS(wanted.tool_calls, R"("name":"weather")");
    const std::size_t at = wanted.tool_calls.find(R"("id":")") + 6;
    aipool::message question;
    question.content = std::move(call.prompt);
    aipool::message answer;
    answer.role = aipool::role::assistant;
    answer.tool_calls = wanted.tool_calls;
    aipool::message result;
    result.role = aipool::role::tool;
    result.call_id = wanted.tool_calls.substr(at, wanted.tool_calls.find('"', at) - at);
    result.content = R"({"t":1})";
    call.prompt.clear();
    call.messages = {question, answer, result};
    auto stream = rig.client.stream(call).value();
    CHECK_EQUAL(told(stream.deltas()), R"(The tool said: {"t":1})");
    CHECK(!stream.error());
}

CPP_TEST(a_stream_is_a_range_of_deltas)
{
    const rig rig;
    const auto call = says("one two three", "reasoning");
    auto stream = rig.client.stream(call).value();
    CHECK_EQUAL(stream.status(), 200);
    CHECK(stream.reply().value().text.empty());
    std::vector<aipool::delta_copy> all;
    for (const auto& delta : stream.deltas()) all.push_back(delta.copy());
    CHECK(!stream.error());
    CHECK_EQUAL(told(all), "You said: one two three");
    CHECK_EQUAL(all.back().kind, delta_kind::done);
    CHECK(all.size() > 5);
    CHECK(!stream.next_delta(0ms).value());
    const auto reply = stream.reply().value();
    CHECK_EQUAL(reply.text, "You said: one two three");
    CHECK(!reply.reasoning.empty() && *reply.usage.reasoning > 0);
    CHECK(reply.parts > 4 && reply.first_token > 0us);
    // Whole answers say the same, over the same connection: what follows the last delta is read by whoever drives.
    wait_unused(rig.pool);
    CHECK_EQUAL(rig.client.chat(call).value().text, reply.text);
    CHECK_EQUAL(rig.server.count("connections_opened"), 1U);
}

CPP_TEST(a_reply_is_looked_at_while_another_thread_reads)
{
    const rig rig;
    std::string prompt;
    for (int i = 0; i < 20000; ++i) prompt += "word ";
    const std::string whole = "You said: " + prompt + "end";
    auto stream = rig.client.stream(says(prompt + "end", "reasoning")).value();
    auto read = std::async(std::launch::async, [&] {
        std::string text;
        for (;;) {
            // Between two reads there is time to look; whoever looks just then is in the way of the next.
            std::this_thread::yield();
            const auto delta = stream.next_delta(0ms);
            if (status_of(delta) == status::busy || status_of(delta) == status::would_block) continue;
            if (!delta.value()) return text;
            if (delta.value()->kind == delta_kind::text) text += delta.value()->text;
        }
    });
    std::size_t seen = 0;
    std::size_t looks = 0;
    while (read.wait_for(0s) != std::future_status::ready) {
        std::this_thread::yield();
        const auto reply = stream.reply();
        if (status_of(reply) == status::busy) continue;
        const std::string& text = reply.value().text;
        CHECK(text.size() >= seen && whole.compare(0, text.size(), text) == 0);
        CHECK(reply->model.empty() || reply->model == "sandbox-1");
        looks += text.size() > seen;
        seen = text.size();
    }
    CHECK_EQUAL(read.get(), whole);
    CHECK_EQUAL(stream.reply().value().text, whole);
    CHECK(looks > 1);
}

CPP_TEST(a_stream_that_ends_early_says_so)
{
    const rig rig;
    auto stream = rig.client.stream(says("one two three", "error-event=2")).value();
    CHECK(!told(stream.deltas()).empty());
    CHECK_EQUAL(stream.error().value().status, status::provider);
    CHECK_CONTAINS(stream.error()->provider_text, "went away");
    auto cut = rig.client.stream(says("one two three", "end-at=700")).value();
    told(cut.deltas());
    CHECK_EQUAL(cut.error().value().status, status::truncated);
    auto stalled = rig.client.stream(says("one", "stall=0")).value();
    CHECK_EQUAL(status_of(stalled.next_delta(0ms)), status::would_block);
    told(stalled.deltas(20ms));
    CHECK_EQUAL(stalled.error().value().detail, detail::wait_limit);
}

CPP_TEST(a_refusal_carries_the_providers_words)
{
    const rig rig;
    const auto refused = rig.client.chat(says("hi", "error=openai-insufficient-quota"));
    CHECK_EQUAL(status_of(refused), status::quota);
    CHECK_EQUAL(refused.error().http_status, 429);
    CHECK_EQUAL(refused.error().provider_code, "insufficient_quota");
    CHECK_CONTAINS(refused.error().provider_text, "exceeded your current quota");
    CHECK_EQUAL(refused.error().partial->status(), 429);
    CHECK_EQUAL(refused.error().partial->reply().value().error_text, refused.error().provider_text);
    const auto long_one = rig.client.stream(says("hi", "error=openai-context"));
    CHECK_EQUAL(long_one.error().detail, detail::context_overflow);
    CHECK(!long_one.error().provider_text.empty());
    const auto rate = rig.client.call(says("hi", "error=openai-rate,retry-after=500"));
    CHECK_EQUAL(status_of(rate), status::rate_limited);
    CHECK(rate.error().retry_after == 500s && rate.error().retryable);
}

CPP_TEST(embeddings_models_and_raw_calls)
{
    const rig rig;
    aipool::call how;
    how.dimensions = 8;
    const auto numbers = rig.client.embed({"a", "two words"}, how).value();
    CHECK_EQUAL(numbers.size(), 2U);
    CHECK_EQUAL(numbers[0].size(), 8U);
    CHECK(numbers[0] != numbers[1]);
    CHECK(rig.client.models().value() == (std::vector<std::string>{"sandbox-large", "sandbox-small"}));
    aipool::call raw;
    raw.kind = aipool::call_kind::raw;
    raw.url = "chat/completions";
    raw.body = R"({"model": "m", "messages": [{"role": "user", "content": "raw"}]})";
    const auto answer = rig.client.call(raw).value();
    CHECK_CONTAINS(answer.body(), "You said: raw");
    CHECK_CONTAINS(rig.last(chat_path), "Bearer sk-planted");
    aipool::call count;
    count.kind = aipool::call_kind::count;
    count.inputs = {"a"};
    CHECK_EQUAL(status_of(rig.client.call(count)), status::unsupported);
    CHECK_EQUAL(status_of(rig.pool.get_session(rig.server.http).value().get("/echo").value().reply()), status::invalid_argument);
}

CPP_TEST(calls_over_a_queue_by_tag)
{
    const rig rig;
    rig.queue.submit(rig.client, says("whole"), 1).value();
    const auto whole = next(rig.queue);
    CHECK_EQUAL(whole.tag, 1U);
    CHECK_EQUAL(whole.response.value().reply().value().text, "You said: whole");
    rig.queue.submit(rig.client, says("hi", "error=openai-auth"), 2).value();
    const auto failed = next(rig.queue);
    CHECK_EQUAL(failed.error.status, status::auth);
    CHECK_CONTAINS(failed.error.provider_text, "Incorrect API key");
    rig.queue.submit_stream(rig.client, says("one two", "drip=20"), 3).value();
    auto head = next(rig.queue);
    CHECK_EQUAL(head.kind, completion_kind::head);
    std::string text;
    bool ended = false;
    while (!ended) {
        text += told(head.stream.value().deltas(0ms));
        ended = !head.stream->error();
        if (!ended) CHECK_EQUAL(head.stream->error()->status, status::would_block);
        if (!ended) next(rig.queue);
    }
    CHECK_EQUAL(text, "You said: one two");
}

CPP_TEST(calls_over_a_queue_with_handlers_and_futures)
{
    const rig rig;
    std::string whole;
    std::string text;
    bool done = false;
    rig.queue.submit(rig.client, says("whole"), [&](aipool::result<aipool::response> came) {
        whole = came.value().reply().value().text;
    }).value();
    aipool::stream_handlers chat;
    chat.on_readable = [&](aipool::stream& stream) { text += told(stream.deltas(0ms)); };
    chat.on_done = [&](aipool::result<void> end) { done = end.has_value(); };
    rig.queue.submit_stream(rig.client, says("one two", "drip=5"), std::move(chat)).value();
    auto future = rig.queue.submit_future(rig.client, says("future"));
    auto bad = says("bad");
    bad.temperature = 9.0;
    CHECK_STARTS(rig.queue.submit_future(rig.client, bad).get().error().message, "temperature: ");
    rig.queue.close().value();
    while (rig.queue.poll(20s)) continue;
    CHECK_EQUAL(whole, "You said: whole");
    CHECK_EQUAL(text, "You said: one two");
    CHECK(done);
    CHECK_EQUAL(future.get().value().reply().value().text, "You said: future");
}

template <class T>
static void check_refused(const aipool::result<T>& outcome, status wanted, std::string_view named)
{
    CHECK_EQUAL(status_of(outcome), wanted);
    CHECK_STARTS(outcome.error().message, named);
    CHECK_EQUAL(outcome.error().delivery, delivery::not_sent);
}

CPP_TEST(wrong_options_and_calls_are_named)
{
    const rig rig;
    auto options = rig.options();
    options.base_url = "nowhere";
    check_refused(aipool::client::make(options), status::invalid_argument, "base_url: ");
    options = rig.options();
    options.api_key = "sk-pl\nanted";
    check_refused(aipool::client::make(options), status::invalid_argument, "api_key: has a character at byte 6 ");
    options = rig.options();
    options.max_concurrency = 0;
    check_refused(aipool::client::make(options), status::invalid_argument, "max_concurrency: is not above 0");
    options = rig.options();
    options.session.timeout = 0ms;
    check_refused(aipool::client::make(options), status::invalid_argument, "timeout: is not above 0");
    options = rig.options();
    options.kind = static_cast<aipool::client_kind>(99);
    check_refused(aipool::client::make(options), status::invalid_argument, "kind: ");
    check_refused(rig.client.chat({}), status::invalid_argument, "messages: ");
    auto call = says("hi");
    call.max_tokens = 0;
    check_refused(rig.client.chat(call), status::invalid_argument, "max_tokens: is not above 0");
    call = says("hi");
    call.headers = {{"a", std::string("b\0c", 3)}};
    check_refused(rig.client.chat(call), status::invalid_argument, "headers: ");
    call = says("hi");
    auto cancel = aipool::cancel_source::open().value();
    const auto moved = std::move(cancel);
    call.cancel = &cancel;
    check_refused(rig.client.chat(call), status::invalid_handle, "cancel: ");
    check_refused(rig.queue.submit(rig.client, call, 1), status::invalid_handle, "cancel: ");
    CHECK_EQUAL(rig.server.count("connections_opened"), 0U);
}

CPP_TEST(what_is_missing_is_told)
{
    const auto client = aipool::client::make(aipool::client_options()).value();
    check_refused(client.is_configured(), status::not_configured, "api_key: ");
    check_refused(client.generate("hi"), status::not_configured, "api_key: ");
    CHECK(rig().client.is_configured());
}

CPP_TEST(clients_move_and_are_freed)
{
    const auto live = [] {
        aip_library_stats stats{};
        aip_stats(&stats, sizeof stats);
        return stats.clients;
    };
    const std::uint64_t before = live();
    {
        rig mine;
        auto other = std::move(mine.client);
        CHECK_EQUAL(live(), before + 1);
        CHECK_EQUAL(other.generate("hi").value().text, "You said: hi");
        check_refused(mine.client.generate("hi"), status::invalid_handle, "client: ");
        check_refused(mine.queue.submit(mine.client, says("hi"), 1), status::invalid_handle, "client: ");
        aipool::pool gone = aipool::pool::open().value();
        const auto there = std::move(gone);
        check_refused(aipool::client::make(gone, mine.options()), status::invalid_handle, "pool: ");
    }
    CHECK_EQUAL(live(), before);
}

CPP_TEST(a_client_may_go_while_its_stream_is_read)
{
    const rig rig;
    auto stream = [&] {
        const auto client = aipool::client::make(rig.pool, rig.options()).value();
        return client.stream(says("one two")).value();
    }();
    CHECK_EQUAL(told(stream.deltas()), "You said: one two");
}

CPP_TEST(a_client_asks_over_a_pool_the_global_one_or_a_session_of_its_own)
{
    const rig rig;
    auto options = rig.options();
    options.pooled = false;
    const auto unpooled = aipool::client::make(rig.pool, options).value();
    unpooled.generate("hi").value();
    CHECK_EQUAL(rig.pool.stats().value().sessions, 0U);
    rig.client.generate("hi").value();
    CHECK_EQUAL(rig.pool.stats().value().sessions, 1U);
    CHECK_EQUAL(rig.client.session().value().id(), rig.client.session().value().id());
    CHECK(rig.client.session(false).value().id() != rig.client.session().value().id());
    CHECK_EQUAL(rig.client.session().value().get("models").value().status(), 200);
    CHECK_EQUAL(aipool::client::make(rig.options()).value().generate("hi").value().text, "You said: hi");
    auto pool = open_pool();
    const auto client = aipool::client::make(pool, rig.options()).value();
    pool = open_pool();
    check_refused(client.generate("hi"), status::closed, "");
}

CPP_TEST(who_waits_for_a_slot_can_be_cancelled)
{
    const rig rig;
    auto options = rig.options();
    options.max_concurrency = 1;
    // Of several limits for one account the least holds.
    const auto client = aipool::client::make(rig.pool, options).value();
    auto stream = client.stream(says("one", "stall=0")).value();
    const auto cancel = aipool::cancel_source::open().value();
    auto call = says("two");
    call.cancel = &cancel;
    auto waiting = std::async(std::launch::async, [&] { return client.chat(call); });
    auto brief = says("three");
    brief.queue_timeout = 20ms;
    const auto late = client.chat(brief);
    CHECK_EQUAL(late.error().detail, detail::queue_limit);
    cancel.fire();
    CHECK_EQUAL(status_of(waiting.get()), status::cancelled);
}
