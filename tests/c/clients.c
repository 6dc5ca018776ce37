/* Clients of AI providers: what is asked and answered through every door, and what is refused with which words. */
#include "clients.h"

#include <stdio.h>
#include <string.h>

#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "streaming.h"

static const char tools[] = "[{\"name\":\"weather\",\"description\":\"Of a city\",\"parameters\":{\"type\":\"object\","
                            "\"properties\":{\"city\":{\"type\":\"string\"}}}}]";

static void a_prompt_is_answered(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    aip_response *response = NULL;
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(aip_client_generate(client, "one two", 7, NULL, &response, &error), AIP_OK);
        my_response(response);
        aip_reply reply = reply_of(response);
        CHECK_TEXT(text_of(reply.text, reply.text_len), "You said: one two");
        CHECK_TEXT(text_of(reply.finish, reply.finish_len), "stop");
        CHECK_EQ(reply.finish_reason, AIP_FINISH_STOP);
        CHECK_TEXT(text_of(reply.model, reply.model_len), "sandbox-1");
        CHECK(reply.id_len > 0);
        CHECK(reply.error_code == NULL && reply.error_code_len == 0 && reply.error_text == NULL);
        CHECK_EQ(reply.completion_tokens, 4);
        CHECK_EQ(reply.total_tokens, reply.prompt_tokens + 4);
        CHECK(reply.reasoning_tokens == -1 && reply.cached_tokens == -1 && reply.context_tokens == -1);
        CHECK(reply.tool_call_count == 0 && reply.embedding_count == 0 && reply.reserved == 0);
        CHECK(reply.first_token_us == 0 && reply.parts == 0);
        CHECK_EQ(aip_response_status(response), 200);
        CHECK_CONTAINS(body_of(response), "\"You said: one two\"");
    }
    CHECK_EQ(counter(&listener, "connections_opened"), 1);
    const char *asked = last_request(&listener, CHAT_PATH);
    CHECK_CONTAINS(asked, "Bearer sk-planted");
    CHECK_CONTAINS(asked, "aipool/");
    CHECK(strstr(asked, "temperature") == NULL && strstr(asked, "max_tokens") == NULL);
}

static void a_call_says_what_was_set_and_no_more(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    aip_text stops[] = {{"end", 3}, {"fin", AIP_NUL_TERMINATED}};
    aip_call call = call_of("hi", NULL);
    SET_TEXT(call, system, "Be short");
    SET_TEXT(call, model, "another");
    SET_TEXT(call, tools, tools);
    SET_TEXT(call, tool_choice, "none");
    SET_TEXT(call, json_schema, "{\"type\":\"object\"}");
    SET_TEXT(call, extra, "{\"user\":\"me\",\"max_tokens\":9}");
    SET_TEXT(call, idempotency_key, "once");
    call.stop = stops;
    call.stop_count = 2;
    call.set = AIP_SET_TEMPERATURE | AIP_SET_TOP_P | AIP_SET_SEED;
    call.top_p = 1;
    call.max_tokens = 7;
    answer_to(client, &call);
    const char *asked = last_request(&listener, CHAT_PATH);
    const char *parts[] = {"\"temperature\":0.0", "\"top_p\":1.0", "\"seed\":0", "\"max_tokens\":9", "\"user\":\"me\"",
                           "\"model\":\"another\"", "[\"end\",\"fin\"]", "\"tool_choice\":\"none\"", "json_schema",
                           "\"role\":\"system\"", "Be short", "\"idempotency-key\":\"once\"", "Of a city"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        CHECK_CONTAINS(asked, parts[i]);
}

static void generate_adds_its_prompt_to_the_talk(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    aip_message messages[2];
    memset(messages, 0, sizeof messages);
    SET_TEXT(messages[0], content, "first");
    messages[1].role = AIP_ROLE_ASSISTANT;
    SET_TEXT(messages[1], content, "second");
    aip_call call = call_of(NULL, NULL);
    call.messages = messages;
    call.message_count = 2;
    aip_response *response = NULL;
    CHECK_STATUS(aip_client_generate(client, "third", AIP_NUL_TERMINATED, &call, &response, &error), AIP_OK);
    my_response(response);
    CHECK_TEXT(copy_of(response, AIP_REPLY_TEXT), "You said: third");
    const char *asked = last_request(&listener, CHAT_PATH);
    CHECK_CONTAINS(asked, "first");
    CHECK_CONTAINS(asked, "\"assistant\"");
    call.operation = AIP_CALL_MODELS;
    CHECK_STATUS(aip_client_generate(client, "a", 1, &call, &response, &error), AIP_INVALID_ARGUMENT);
    CHECK(response == NULL);
    CHECK_STARTS(error.message, "operation: ");
    CHECK_STATUS(aip_client_generate(client, NULL, 1, NULL, &response, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "prompt: is NULL");
}

/* The talk goes on with what the tool gave. */
static void answer_the_tool(aip_client *client, aip_response *wanted, uint32_t flags)
{
    aip_message messages[3];
    memset(messages, 0, sizeof messages);
    SET_TEXT(messages[0], content, "weather?");
    messages[1].role = AIP_ROLE_ASSISTANT;
    const char *calls = copy_of(wanted, AIP_REPLY_TOOL_CALLS);
    SET_TEXT(messages[1], tool_calls, calls);
    char id[100];
    const char *start = strstr(calls, "\"id\":\"");
    CHECK(start != NULL && sscanf(start + 6, "%99[^\"]", id) == 1);
    messages[2].role = AIP_ROLE_TOOL;
    SET_TEXT(messages[2], content, "{\"t\":1}");
    SET_TEXT(messages[2], name, "weather");
    SET_TEXT(messages[2], call_id, id);
    aip_call call = call_of(NULL, NULL);
    SET_TEXT(call, tools, tools);
    call.flags = flags;
    call.messages = messages;
    call.message_count = 3;
    aip_response *response = answer_to(client, &call);
    told told;
    CHECK_STATUS(hear(response, &told), AIP_END);
    CHECK_TEXT(told.text, "The tool said: {\"t\":1}");
    CHECK_EQ(reply_of(response).finish_reason, AIP_FINISH_STOP);
}

static void tools_are_called_and_their_results_go_back(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    for (uint32_t flags = 0; flags <= AIP_CALL_STREAM; flags++) {
        aip_call call = call_of("weather?", NULL);
        SET_TEXT(call, tools, tools);
        call.flags = flags;
        aip_response *response = answer_to(client, &call);
        told told;
        CHECK_STATUS(hear(response, &told), AIP_END);
        CHECK_TEXT(told.tool, "weather");
        CHECK_CONTAINS(told.arguments, "\"city\"");
        aip_reply reply = reply_of(response);
        CHECK_EQ(reply.finish_reason, AIP_FINISH_TOOL);
        CHECK_EQ(reply.tool_call_count, 1);
        CHECK_CONTAINS(copy_of(response, AIP_REPLY_TOOL_CALLS), "\"name\":\"weather\"");
        answer_the_tool(client, response, flags);
    }
}

static void a_stream_is_told_part_by_part(void)
{
    listener listener = fresh_listener();
    aip_pool *pool = new_pool();
    aip_client_options options = client_options(&listener);
    aip_client *client = new_client(pool, &options);
    aip_call call = stream_call("one two three", "reasoning");
    aip_response *response = answer_to(client, &call);
    CHECK_EQ(reply_of(response).text_len, 0);
    CHECK_EQ(reply_of(response).total_tokens, -1);
    told told;
    aip_delta delta;
    CHECK_STATUS(hear(response, &told), AIP_END);
    CHECK_TEXT(told.text, "You said: one two three");
    CHECK(told.texts > 3 && told.usages == 1 && told.dones == 1);
    CHECK_STATUS(aip_response_next_delta(response, 0, &delta, &error), AIP_END);
    aip_reply reply = reply_of(response);
    CHECK_TEXT(text_of(reply.text, reply.text_len), told.text);
    CHECK_TEXT(text_of(reply.reasoning, reply.reasoning_len), told.reasoning);
    CHECK(reply.reasoning_len > 0 && reply.reasoning_tokens > 0 && reply.completion_tokens == 5);
    CHECK_EQ(reply.finish_reason, AIP_FINISH_STOP);
    CHECK(reply.parts > 4 && reply.first_token_us > 0);
    /* A whole answer is told by the same words, over the same connection: its stream's rest is read by whoever drives. */
    wait_unused(pool);
    call.flags = 0;
    struct told whole;
    CHECK_STATUS(hear(answer_to(client, &call), &whole), AIP_END);
    CHECK_TEXT(whole.text, told.text);
    CHECK_TEXT(whole.reasoning, told.reasoning);
    CHECK_EQ(whole.dones, 1);
    CHECK_EQ(counter(&listener, "connections_opened"), 1);
}

static void a_delta_is_waited_for_as_long_as_said(void)
{
    listener listener = fresh_listener();
    aip_call call = stream_call("one two", "stall=0");
    aip_response *response = answer_to(client_of(&listener), &call);
    aip_delta delta;
    CHECK_STATUS(aip_response_next_delta(response, 0, &delta, &error), AIP_WOULD_BLOCK);
    CHECK_STATUS(aip_response_next_delta(response, 20, &delta, &error), AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_WAIT_LIMIT);
    CHECK_STATUS(aip_response_next_delta(response, 20, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "delta: is NULL");
    CHECK_STATUS(aip_response_free(response), AIP_OK);
    wait_disconnected(&listener);
}

static void queue_call(aip_client *client, const aip_call *call, aip_queue *queue, uint64_t tag)
{
    CHECK_STATUS(aip_client_submit(client, call, queue, tag, &error), AIP_OK);
}

static void calls_go_over_a_queue(void)
{
    listener listener = fresh_listener();
    aip_pool *pool = new_pool();
    aip_client_options options = client_options(&listener);
    aip_client *client = new_client(pool, &options);
    aip_queue *queue = new_queue(pool);
    aip_call call = call_of("whole", NULL);
    queue_call(client, &call, queue, 1);
    aip_completion done = next_of(queue, AIP_COMPLETION_DONE, 1);
    CHECK_STATUS(done.status, AIP_OK);
    CHECK_TEXT(copy_of(done.response, AIP_REPLY_TEXT), "You said: whole");
    call = call_of("no", "error=openai-context");
    queue_call(client, &call, queue, 2);
    done = next_of(queue, AIP_COMPLETION_DONE, 2);
    CHECK_STATUS(done.status, AIP_PROVIDER);
    CHECK_EQ(done.error.detail, AIP_DETAIL_CONTEXT_OVERFLOW);
    CHECK_CONTAINS(copy_of(done.response, AIP_REPLY_ERROR_TEXT), "maximum context length");
    call.operation = 77;
    CHECK_STATUS(aip_client_submit(client, &call, queue, 3, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_client_submit(client, NULL, queue, 3, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_client_submit(client, &call, NULL, 3, &error), AIP_INVALID_HANDLE);
    call = call_of("hi", NULL);
    CHECK_STATUS(aip_client_submit(client, &call, new_queue(new_pool()), 3, &error), AIP_INVALID_ARGUMENT);
    close_empty(queue);
    CHECK_STATUS(aip_client_submit(client, &call, queue, 4, &error), AIP_CLOSED);
    CHECK_EQ(error.detail, AIP_DETAIL_QUEUE_CLOSED);
}

static void a_stream_over_a_queue_is_told_part_by_part(void)
{
    listener listener = fresh_listener();
    aip_pool *pool = new_pool();
    aip_client_options options = client_options(&listener);
    aip_client *client = new_client(pool, &options);
    aip_queue *queue = new_queue(pool);
    aip_call call = stream_call("one two three", "drip=20");
    queue_call(client, &call, queue, 9);
    aip_response *response = next_of(queue, AIP_COMPLETION_HEAD, 9).response;
    told told;
    memset(&told, 0, sizeof told);
    aip_delta delta;
    int32_t status;
    unsigned in_vain = 0, ended = 0;
    while ((status = aip_response_next_delta(response, 0, &delta, &error)) != AIP_END) {
        if (status == AIP_OK) {
            hear_delta(&delta, &told);
            continue;
        }
        CHECK_STATUS(status, AIP_WOULD_BLOCK);
        CHECK_EQ(ended, 0);
        in_vain++;
        ended = next(queue).kind == AIP_COMPLETION_DONE;
    }
    CHECK_TEXT(told.text, "You said: one two three");
    CHECK(told.dones == 1 && in_vain > 2);
    if (!ended)
        next_of(queue, AIP_COMPLETION_DONE, 9);
    close_empty(queue);
}

static void embeddings_come_as_floats(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    aip_text inputs[] = {{"a", 1}, {"two words", AIP_NUL_TERMINATED}};
    aip_call call = call_of(NULL, NULL);
    call.operation = AIP_CALL_EMBED;
    call.inputs = inputs;
    call.input_count = 2;
    call.dimensions = 8;
    aip_response *response = answer_to(client, &call);
    aip_reply reply = reply_of(response);
    CHECK_EQ(reply.embedding_count, 2);
    CHECK_EQ(reply.prompt_tokens, 3);
    SET_TEXT(call, extra, "{\"encoding_format\":\"base64\"}");
    aip_response *base64 = answer_to(client, &call);
    CHECK_CONTAINS(last_request(&listener, "/v1/embeddings"), "\"base64\"");
    float numbers[2][8], others[2][8];
    size_t needed = 0;
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_STATUS(aip_response_embedding(response, i, numbers[i], 8, &needed, &error), AIP_OK);
        CHECK_EQ(needed, 8);
        CHECK_STATUS(aip_response_embedding(base64, i, others[i], 8, NULL, &error), AIP_OK);
    }
    CHECK(memcmp(numbers, others, sizeof numbers) == 0 && memcmp(numbers[0], numbers[1], sizeof numbers[0]) != 0);
    CHECK_STATUS(aip_response_embedding(response, 0, others[0], 7, &needed, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "cap: is 7; 8 floats are needed");
    CHECK_EQ(needed, 8);
    CHECK_STATUS(aip_response_embedding(response, 0, NULL, 8, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "buf: is NULL");
    CHECK_STATUS(aip_response_embedding(response, 2, others[0], 8, &needed, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "index: is 2; there are 2 embeddings");
}

static void models_come_a_name_a_line(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    aip_call call = call_of(NULL, NULL);
    call.operation = AIP_CALL_MODELS;
    CHECK_TEXT(copy_of(answer_to(client, &call), AIP_REPLY_TEXT), "sandbox-large\nsandbox-small");
    call.operation = AIP_CALL_COUNT;
    check_call_refused(client, &call, AIP_UNSUPPORTED, "operation: ");
}

static void a_raw_call_is_signed_and_judged_as_the_others(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    aip_call call = call_of(NULL, NULL);
    call.operation = AIP_CALL_RAW;
    SET_TEXT(call, url, "models");
    aip_response *response = answer_to(client, &call);
    CHECK_CONTAINS(body_of(response), "\"sandbox-large\"");
    CHECK_EQ(reply_of(response).text_len, 0);
    CHECK_CONTAINS(last_request(&listener, "/v1/models"), "Bearer sk-planted");
    SET_TEXT(call, url, "chat/completions");
    static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"raw\"}]}";
    call.body = (const uint8_t *)body;
    call.body_len = strlen(body);
    CHECK_CONTAINS(body_of(answer_to(client, &call)), "You said: raw");
    CHECK_CONTAINS(last_request(&listener, CHAT_PATH), "\"application/json\"");
    set_faults(&call, "error=openai-auth");
    CHECK_CONTAINS(copy_of(failure_of(client, &call, AIP_AUTH), AIP_REPLY_ERROR_TEXT), "Incorrect API key");
    SET_TEXT(call, method, "NO METHOD");
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "method: ");
}

static void every_text_of_a_reply_is_copied(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    aip_call call = call_of("hi", "reasoning");
    aip_response *response = answer_to(client, &call);
    aip_reply reply = reply_of(response);
    const struct {
        uint32_t part;
        const char *text;
        size_t length;
    } parts[] = {
        {AIP_REPLY_TEXT, reply.text, reply.text_len},
        {AIP_REPLY_REASONING, reply.reasoning, reply.reasoning_len},
        {AIP_REPLY_FINISH, reply.finish, reply.finish_len},
        {AIP_REPLY_MODEL, reply.model, reply.model_len},
        {AIP_REPLY_ID, reply.id, reply.id_len},
        {AIP_REPLY_STATE, reply.state, reply.state_len},
        {AIP_REPLY_ERROR_CODE, reply.error_code, reply.error_code_len},
        {AIP_REPLY_ERROR_TEXT, reply.error_text, reply.error_text_len},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        CHECK_TEXT(copy_of(response, parts[i].part), text_of(parts[i].text, parts[i].length));
    CHECK_TEXT(copy_of(response, AIP_REPLY_TOOL_CALLS), "");
    size_t needed = 0;
    char text[100] = "untouched";
    CHECK_STATUS(aip_response_reply_copy(response, AIP_REPLY_TEXT, text, 3, &needed, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "cap: is 3; 12 bytes are needed");
    CHECK_EQ(needed, 12);
    CHECK_TEXT(text, "untouched");
    CHECK_STATUS(aip_response_reply_copy(response, AIP_REPLY_TEXT, NULL, 100, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "buf: is NULL");
    CHECK_STATUS(aip_response_reply_copy(response, 9, text, 100, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "part: is 9; use AIP_REPLY_*");
}

static void a_reply_fits_older_and_newer_structs(void)
{
    listener listener = fresh_listener();
    aip_call call = call_of("hi", NULL);
    aip_response *response = answer_to(client_of(&listener), &call);
    struct {
        aip_reply known;
        uint64_t newer[4];
    } wide;
    memset(&wide, 0xff, sizeof wide);
    CHECK_STATUS(aip_response_reply(response, &wide.known, sizeof wide, &error), AIP_OK);
    CHECK(wide.newer[0] == 0 && wide.newer[3] == 0 && wide.known.text_len == 12);
    memset(&wide, 0xff, sizeof wide);
    CHECK_STATUS(aip_response_reply(response, &wide.known, offsetof(aip_reply, reasoning), &error), AIP_OK);
    CHECK(wide.known.text_len == 12 && wide.known.reasoning_len == SIZE_MAX);
    CHECK_STATUS(aip_response_reply(response, &wide.known, 0, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_reply(response, &wide.known, 4097, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_reply(response, NULL, sizeof wide, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "out: is NULL");
}

static void each_failure_keeps_the_providers_words(void)
{
    static const struct {
        const char *fault;
        int32_t status;
        int32_t detail;
        int32_t http_status;
        const char *words;
    } rows[] = {
        {"error=openai-auth", AIP_AUTH, AIP_DETAIL_NONE, 401, "Incorrect API key provided"},
        {"error=openai-rate,retry-after=500", AIP_RATE_LIMITED, AIP_DETAIL_NONE, 429, "Rate limit"},
        {"error=openai-insufficient-quota", AIP_QUOTA, AIP_DETAIL_NONE, 429, "exceeded your current quota"},
        {"error=openai-context", AIP_PROVIDER, AIP_DETAIL_CONTEXT_OVERFLOW, 400, "maximum context length"},
        {"error=deepseek-payment", AIP_QUOTA, AIP_DETAIL_NONE, 402, "Insufficient Balance"},
        {"error=fastapi-detail", AIP_PROVIDER, AIP_DETAIL_BAD_REQUEST, 400, "The prompt is empty"},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        listener listener = fresh_listener();
        aip_call call = call_of("hi", rows[i / 2].fault);
        call.flags = i % 2;
        aip_response *response = failure_of(client_of(&listener), &call, rows[i / 2].status);
        CHECK(response != NULL);
        CHECK_EQ(error.detail, rows[i / 2].detail);
        CHECK_EQ(error.http_status, rows[i / 2].http_status);
        CHECK_EQ(aip_response_status(response), rows[i / 2].http_status);
        CHECK_EQ(error.delivery, AIP_RESPONSE_STARTED);
        CHECK_EQ(error.retry_after_ms, rows[i / 2].status == AIP_RATE_LIMITED ? 500000 : 0);
        CHECK_EQ(error.flags & AIP_ERROR_RETRYABLE, rows[i / 2].status == AIP_RATE_LIMITED ? AIP_ERROR_RETRYABLE : 0);
        CHECK_CONTAINS(copy_of(response, AIP_REPLY_ERROR_TEXT), rows[i / 2].words);
        CHECK(strstr(error.message, rows[i / 2].words) == NULL);
    }
    listener listener = fresh_listener();
    aip_call call = call_of("hi", "error=openai-insufficient-quota");
    CHECK_TEXT(copy_of(failure_of(client_of(&listener), &call, AIP_QUOTA), AIP_REPLY_ERROR_CODE), "insufficient_quota");
}

static void failures_are_tried_again_as_often_as_allowed(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    arm(&listener, CHAT_PATH, "status=500,retry-after-ms=1", 2);
    aip_call call = call_of("hi", NULL);
    CHECK_EQ(info_of(answer_to(client, &call)).attempts, 3);
    arm(&listener, CHAT_PATH, "status=500", 1);
    call.max_retries = AIP_OFF;
    failure_of(client, &call, AIP_PROVIDER);
    CHECK_EQ(error.detail, AIP_DETAIL_SERVER_ERROR);
    CHECK_EQ(provider_counter(&listener, "requests:" CHAT_PATH), 4);
}

static void a_stream_that_breaks_off_says_so_after_all_that_came(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    told told;
    aip_call call = stream_call("one two three", "error-event=2");
    aip_response *response = answer_to(client, &call);
    CHECK_STATUS(hear(response, &told), AIP_PROVIDER);
    CHECK(told.texts > 0 && told.dones == 0);
    CHECK_EQ(error.delivery, AIP_RESPONSE_STARTED);
    CHECK_EQ(error.http_status, 200);
    CHECK_CONTAINS(copy_of(response, AIP_REPLY_ERROR_TEXT), "went away");
    CHECK_TEXT(copy_of(response, AIP_REPLY_TEXT), told.text);
    call = stream_call("one two three", "end-at=700");
    response = answer_to(client, &call);
    CHECK_STATUS(hear(response, &told), AIP_TRUNCATED);
    CHECK_EQ(told.dones, 0);
    /* It stays told. */
    CHECK_STATUS(hear(response, &told), AIP_TRUNCATED);
    call = call_of("hi", "html");
    CHECK(failure_of(client, &call, AIP_PROVIDER) != NULL);
    CHECK_EQ(error.detail, AIP_DETAIL_NOT_JSON);
}

static void what_is_no_answer_to_a_client_has_no_reply(void)
{
    aip_session *session = session_of(new_pool(), sandbox_http());
    aip_response *response = ask(session, "/echo");
    aip_reply reply;
    aip_delta delta;
    CHECK_STATUS(aip_response_reply(response, &reply, sizeof reply, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_reply_copy(response, 0, NULL, 0, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_embedding(response, 0, NULL, 0, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_response_next_delta(response, 0, &delta, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "response: ");
}

static const test tests[] = {
    {"a_prompt_is_answered", a_prompt_is_answered},
    {"a_call_says_what_was_set_and_no_more", a_call_says_what_was_set_and_no_more},
    {"generate_adds_its_prompt_to_the_talk", generate_adds_its_prompt_to_the_talk},
    {"tools_are_called_and_their_results_go_back", tools_are_called_and_their_results_go_back},
    {"a_stream_is_told_part_by_part", a_stream_is_told_part_by_part},
    {"a_delta_is_waited_for_as_long_as_said", a_delta_is_waited_for_as_long_as_said},
    {"calls_go_over_a_queue", calls_go_over_a_queue},
    {"a_stream_over_a_queue_is_told_part_by_part", a_stream_over_a_queue_is_told_part_by_part},
    {"embeddings_come_as_floats", embeddings_come_as_floats},
    {"models_come_a_name_a_line", models_come_a_name_a_line},
    {"a_raw_call_is_signed_and_judged_as_the_others", a_raw_call_is_signed_and_judged_as_the_others},
    {"every_text_of_a_reply_is_copied", every_text_of_a_reply_is_copied},
    {"a_reply_fits_older_and_newer_structs", a_reply_fits_older_and_newer_structs},
    {"each_failure_keeps_the_providers_words", each_failure_keeps_the_providers_words},
    {"failures_are_tried_again_as_often_as_allowed", failures_are_tried_again_as_often_as_allowed},
    {"a_stream_that_breaks_off_says_so_after_all_that_came", a_stream_that_breaks_off_says_so_after_all_that_came},
    {"what_is_no_answer_to_a_client_has_no_reply", what_is_no_answer_to_a_client_has_no_reply},
};

int main(int argc, char **argv)
{
    return run_tests(TESTS_IN(tests), argc, argv);
}
