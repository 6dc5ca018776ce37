/* What clients refuse, each by its name and with no secret told; and what becomes of calls when clients and pools go. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "belongings.h"
#include "calls.h"
#include "clients.h"
#include "harness.h"
#include "streaming.h"

static void put(void *options, size_t at, int64_t number)
{
    memcpy((char *)options + at, &number, sizeof number);
}

static void wrong_options_are_named(void)
{
    listener listener = fresh_listener();
    aip_client *client = NULL;
    CHECK_STATUS(aip_client_new(NULL, NULL, &client, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "options: is NULL");
    aip_client_options options = client_options(&listener);
    CHECK_STATUS(aip_client_new(NULL, &options, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "client: is NULL");
    options.kind = 0;
    check_client_refused(&options, AIP_INVALID_ARGUMENT, "kind: is 0; use AIP_CLIENT_OPENAI");
    options.kind = 99;
    check_client_refused(&options, AIP_INVALID_ARGUMENT, "kind: is 99");
    options = client_options(&listener);
    options.flags = 4;
    check_client_refused(&options, AIP_UNSUPPORTED, "flags: bits 0x4");
    options = client_options(&listener);
    options.reserved = 1;
    check_client_refused(&options, AIP_INVALID_ARGUMENT, "reserved: is not 0; call aip_client_options_init()");
    static const char *const urls[] = {"no url", "ftp://a", "http://", "/v1", "secret"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        options = client_options(&listener);
        SET_TEXT(options, base_url, urls[i]);
        check_client_refused(&options, AIP_INVALID_ARGUMENT, "base_url: is no http or https URL");
        options = client_options(&listener);
        SET_TEXT(options, auth_url, urls[i]);
        check_client_refused(&options, AIP_INVALID_ARGUMENT, "auth_url: is no http or https URL");
    }
    static const struct {
        size_t at;
        const char *name;
        int64_t most;
    } numbers[] = {
        {offsetof(aip_client_options, max_concurrency), "max_concurrency: is ", 100000},
        {offsetof(aip_client_options, max_retries), "max_retries: is ", 10},
        {offsetof(aip_client_options, breaker_failures), "breaker_failures: is ", 1000},
        {offsetof(aip_client_options, pacing), "pacing: is ", 0},
    };
    for (size_t i = 0; i < 4; i++) {
        const int64_t absurd[] = {-3, INT64_MIN, INT64_MAX, numbers[i].most + 1};
        for (size_t j = 0; j < 4; j++) {
            options = client_options(&listener);
            put(&options, numbers[i].at, absurd[j]);
            check_client_refused(&options, AIP_INVALID_ARGUMENT, numbers[i].name);
        }
        put(&options, numbers[i].at, AIP_OFF);
        if (i > 0)
            new_client(NULL, &options);
        else
            check_client_refused(&options, AIP_INVALID_ARGUMENT, "max_concurrency: cannot be off");
    }
    aip_session_options session = session_options();
    session.reserved = 1;
    options = client_options(&listener);
    options.session = &session;
    check_client_refused(&options, AIP_INVALID_ARGUMENT, "reserved: is not 0");
}

/* The texts of the options, by their places. */
#define TEXT(name) {offsetof(aip_client_options, name), offsetof(aip_client_options, name##_len), #name ": ", #name}

static const struct {
    size_t at;
    size_t length_at;
    const char *said;
    const char *name;
} texts[] = {
    TEXT(base_url), TEXT(auth_url),      TEXT(api_key),     TEXT(access_token), TEXT(user),         TEXT(password),
    TEXT(client_id), TEXT(client_secret), TEXT(oauth_token), TEXT(scope),        TEXT(folder),       TEXT(organization),
    TEXT(model),    TEXT(embedding_model), TEXT(affinity),
};

static void texts_that_are_none_are_named(void)
{
    static const char latin1[] = "planted \xe9";
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        aip_client_options options;
        aip_client_options_init(&options, sizeof options);
        options.kind = AIP_CLIENT_OPENAI;
        const char *text = latin1;
        memcpy((char *)&options + texts[i].at, &text, sizeof text);
        put(&options, texts[i].length_at, sizeof latin1 - 1);
        check_client_refused(&options, AIP_INVALID_ARGUMENT, texts[i].said);
        CHECK_CONTAINS(error.message, "is not UTF-8 at byte 8");
        text = NULL;
        memcpy((char *)&options + texts[i].at, &text, sizeof text);
        check_client_refused(&options, AIP_INVALID_ARGUMENT, texts[i].said);
        CHECK_CONTAINS(error.message, "is NULL but its length is not 0");
        put(&options, texts[i].length_at, -1);
        check_client_refused(&options, AIP_INVALID_ARGUMENT, texts[i].said);
        CHECK_CONTAINS(error.message, "is NULL but said to end with a NUL");
    }
}

static void of_a_bad_credential_only_the_place_is_told(void)
{
    static const char *const names[] = {"api_key", "access_token", "oauth_token"};
    static const struct {
        const char *text;
        const char *place;
    } bad[] = {
        {"secret\r\nsecret", "at byte 7 "}, {"sec ret", "at byte 4 "},        {"  secret\x7f", "at byte 9 "},
        {"секрет", "at byte 1 "},           {"secr\xc3\xa9t", "at byte 5 "},
    };
    for (size_t i = 0; i < 3 * sizeof bad / sizeof bad[0]; i++) {
        aip_client_options options;
        aip_client_options_init(&options, sizeof options);
        options.kind = AIP_CLIENT_OPENAI;
        for (size_t j = 0; j < sizeof texts / sizeof texts[0]; j++) {
            if (strcmp(texts[j].name, names[i % 3]) != 0)
                continue;
            memcpy((char *)&options + texts[j].at, &bad[i / 3].text, sizeof bad[0].text);
            put(&options, texts[j].length_at, -1);
        }
        check_client_refused(&options, AIP_INVALID_ARGUMENT, names[i % 3]);
        CHECK_CONTAINS(error.message, bad[i / 3].place);
        CHECK(strstr(error.message, "sec") == NULL && strstr(error.message, "сек") == NULL);
    }
    /* Blanks around one are the clipboard's. */
    listener listener = fresh_listener();
    aip_client_options options = client_options(&listener);
    SET_TEXT(options, api_key, " sk-planted\n");
    aip_call call = call_of("hi", NULL);
    answer_to(new_client(new_pool(), &options), &call);
    CHECK_CONTAINS(last_request(&listener, CHAT_PATH), "\"Bearer sk-planted\"");
}

static void wrong_sizes_are_refused_and_unknown_tails_too(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    struct {
        aip_client_options known;
        uint64_t newer[2];
    } options = {.known = client_options(&listener)};
    options.known.size = sizeof options;
    new_client(NULL, &options.known);
    options.newer[1] = 1;
    check_client_refused(&options.known, AIP_UNSUPPORTED, "options: uses fields that this version does not know");
    struct {
        aip_call known;
        uint64_t newer[2];
    } call = {.known = call_of("hi", NULL)};
    call.known.size = sizeof call;
    answer_to(client, &call.known);
    call.newer[0] = 1;
    check_call_refused(client, &call.known, AIP_UNSUPPORTED, "call: uses fields that this version does not know");
    static const size_t sizes[] = {0, 8, sizeof(aip_client_options) - 1, 4097};
    for (size_t i = 0; i < 4; i++) {
        options.known.size = sizes[i];
        check_client_refused(&options.known, AIP_INVALID_ARGUMENT, "options.size: is ");
        CHECK_CONTAINS(error.message, "call aip_client_options_init() on the struct first");
        call.known.size = sizes[i];
        check_call_refused(client, &call.known, AIP_INVALID_ARGUMENT, "call.size: is ");
        CHECK_CONTAINS(error.message, "call aip_call_init() on the struct first");
    }
    check_call_refused(client, NULL, AIP_INVALID_ARGUMENT, "call: is NULL");
    call.known = call_of("hi", NULL);
    CHECK_STATUS(aip_client_call(client, &call.known, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "response: is NULL");
    aip_client_options_init(NULL, sizeof options);
    aip_call_init(NULL, sizeof call);
}

static void wrong_messages_are_named(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    aip_message good, messages[2];
    memset(&good, 0, sizeof good);
    SET_TEXT(good, content, "hi");
    aip_call call = call_of(NULL, NULL);
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "messages: is empty, and so is prompt");
    call.message_count = 2;
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "messages: is NULL but its count is not 0");
    call.messages = messages;
    call.message_count = 1000001;
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "messages: has 1000001 elements");
    call.message_count = 2;
    messages[0] = good;
    messages[1] = good;
    messages[1].reserved = 1;
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "messages[1]: has reserved words that are not 0");
    messages[1] = good;
    messages[1].reserved2[2] = 1;
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "messages[1]: has reserved words that are not 0");
    messages[1] = good;
    messages[1].role = 4;
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "messages[1].role: is 4; use AIP_ROLE_USER");
    messages[1] = good;
    messages[1].content = "\xff";
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "messages[1].content: is not UTF-8");
    messages[1] = good;
    messages[1].call_id_len = 1;
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "messages[1].call_id: is NULL but its length is not 0");
    messages[1] = good;
    SET_TEXT(messages[1], tool_calls, "[{");
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "messages[1].tool_calls: is no JSON at line 1");
    SET_TEXT(messages[1], tool_calls, "{}");
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "messages[1].tool_calls: ");
    messages[1] = good;
    SET_TEXT(messages[1], raw, "nothing");
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "messages[1].raw: is no JSON");
    CHECK_EQ(counter(&listener, "connections_opened"), 0);
}

static void wrong_calls_are_named(void)
{
    listener listener = fresh_listener();
    aip_client *client = client_of(&listener);
    aip_call call;
#define REFUSED(said, ...)                                               \
    do {                                                                 \
        call = call_of("hi", NULL);                                      \
        __VA_ARGS__;                                                     \
        check_call_refused(client, &call, AIP_INVALID_ARGUMENT, (said)); \
    } while (0)
    REFUSED("operation: is 5; use AIP_CALL_CHAT", call.operation = 5);
    REFUSED("temperature: is 2.5; use 0 to 2", call.set = AIP_SET_TEMPERATURE, call.temperature = 2.5);
    REFUSED("temperature: is -1", call.set = AIP_SET_TEMPERATURE, call.temperature = -1);
    REFUSED("top_p: is 1.5; use 0 to 1", call.set = AIP_SET_TOP_P, call.top_p = 1.5);
    REFUSED("max_tokens: is -1", call.max_tokens = -1);
    REFUSED("dimensions: is -1", call.operation = AIP_CALL_EMBED, call.dimensions = -1);
    REFUSED("response_format: is 2; use AIP_FORMAT_TEXT", call.response_format = 2);
    REFUSED("json_schema: is no JSON", SET_TEXT(call, json_schema, "{"));
    REFUSED("tools: is no JSON", SET_TEXT(call, tools, "["));
    REFUSED("tools: ", SET_TEXT(call, tools, "{}"));
    REFUSED("extra: is no JSON object", SET_TEXT(call, extra, "[]"));
    REFUSED("system: is not UTF-8", SET_TEXT(call, system, "\xff"));
    REFUSED("model: is not UTF-8", SET_TEXT(call, model, "\xff"));
    REFUSED("state: is not UTF-8", SET_TEXT(call, state, "\xff"));
    REFUSED("tool_choice: is not UTF-8", SET_TEXT(call, tool_choice, "\xff"));
    REFUSED("stop: is NULL but its count", call.stop_count = 1);
    REFUSED("inputs: is NULL but its count", call.operation = AIP_CALL_EMBED, call.input_count = 1);
    aip_text wrong[] = {{"a", 1}, {NULL, 1}};
    REFUSED("stop[1]: is NULL", call.stop = wrong, call.stop_count = 2);
    REFUSED("inputs[1]: is NULL", call.operation = AIP_CALL_EMBED, call.inputs = wrong, call.input_count = 2);
    REFUSED("headers: is NULL", call.headers_len = 3);
    REFUSED("headers", call.headers = "a b\0c", call.headers_len = 6);
    REFUSED("idempotency_key: has a character", SET_TEXT(call, idempotency_key, "planted\n"));
    REFUSED("max_retries: is 11", call.max_retries = 11);
    static const struct {
        size_t at;
        const char *name;
    } times[] = {
        {offsetof(aip_call, timeout_ms), "timeout_ms: is "},
        {offsetof(aip_call, queue_timeout_ms), "queue_timeout_ms: is "},
        {offsetof(aip_call, first_byte_timeout_ms), "first_byte_timeout_ms: is "},
        {offsetof(aip_call, between_bytes_timeout_ms), "between_bytes_timeout_ms: is "},
        {offsetof(aip_call, first_event_timeout_ms), "first_event_timeout_ms: is "},
        {offsetof(aip_call, between_events_timeout_ms), "between_events_timeout_ms: is "},
    };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        REFUSED(times[i].name, put(&call, times[i].at, -3));
        REFUSED(times[i].name, put(&call, times[i].at, INT64_MAX));
    }
#undef REFUSED
    /* What a newer caller says in bits is refused, whatever is asked for. */
    for (uint32_t operation = AIP_CALL_CHAT; operation <= AIP_CALL_RAW; operation++) {
        call = call_of("hi", NULL);
        call.operation = operation;
        call.flags = 8;
        check_call_refused(client, &call, AIP_UNSUPPORTED, "flags: bits 0x8");
    }
    call = call_of("hi", NULL);
    call.set = 8;
    check_call_refused(client, &call, AIP_UNSUPPORTED, "set: bits 0x8");
    call = call_of("hi", NULL);
    call.cancel = (aip_cancel *)client;
    check_call_refused(client, &call, AIP_INVALID_HANDLE, "cancel: ");
    CHECK_EQ(counter(&listener, "connections_opened"), 0);
}

static void handles_that_are_none_are_refused(void)
{
    listener listener = fresh_listener();
    aip_pool *pool = new_pool();
    aip_client_options options = client_options(&listener);
    aip_client *client = new_client(pool, &options), *freed = new_client(pool, &options), *made = NULL;
    CHECK_STATUS(aip_client_free(freed), AIP_OK);
    void *none[] = {NULL, freed, pool, (void *)1, (void *)UINTPTR_MAX, &options};
    aip_call call = call_of("hi", NULL);
    aip_response *response = (aip_response *)1;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        check_call_refused(none[i], &call, AIP_INVALID_HANDLE, "client: ");
        CHECK_STATUS(aip_client_generate(none[i], "a", 1, NULL, &response, &error), AIP_INVALID_HANDLE);
        CHECK(response == NULL);
        CHECK_STATUS(aip_client_free(none[i]), none[i] == NULL ? AIP_OK : AIP_INVALID_HANDLE);
    }
    CHECK_STATUS(aip_client_new((aip_pool *)client, &options, &made, &error), AIP_INVALID_HANDLE);
    CHECK(made == NULL);
    CHECK_STATUS(aip_pool_free((aip_pool *)client), AIP_INVALID_HANDLE);
    answer_to(client, &call);
}

static void what_is_missing_is_told_before_anything_is_sent(void)
{
    aip_client_options options;
    aip_client_options_init(&options, sizeof options);
    options.kind = AIP_CLIENT_OPENAI;
    aip_client *client = new_client(NULL, &options);
    CHECK_STATUS(aip_client_is_configured(client, &error), AIP_NOT_CONFIGURED);
    CHECK_CONTAINS(error.message, "api_key");
    CHECK_CONTAINS(error.message, "OPENAI_API_KEY");
    aip_call call = call_of("hi", NULL);
    check_call_refused(client, &call, AIP_NOT_CONFIGURED, "api_key: ");
    SET_TEXT(options, api_key, "sk-planted");
    client = new_client(NULL, &options);
    CHECK_STATUS(aip_client_is_configured(client, &error), AIP_OK);
    check_call_refused(client, &call, AIP_INVALID_ARGUMENT, "model: is not set");
    CHECK_STATUS(aip_pool_close_global(0, &error), AIP_OK);
}

static void texts_come_from_the_environment_where_that_is_wanted(void)
{
    listener listener = fresh_listener();
    char base[100];
    snprintf(base, sizeof base, "%s/v1", listener.http);
    setenv("OPENAI_BASE_URL", base, 1);
    setenv("OPENAI_API_KEY", "sk-of-the-environment", 1);
    setenv("OPENAI_MODEL", "of-the-environment", 1);
    aip_client_options options;
    aip_client_options_init(&options, sizeof options);
    options.kind = AIP_CLIENT_OPENAI;
    SET_TEXT(options, model, "mine");
    aip_client *deaf = new_client(NULL, &options);
    options.flags = AIP_CLIENT_FROM_ENVIRONMENT;
    aip_client *client = new_client(new_pool(), &options);
    unsetenv("OPENAI_BASE_URL");
    unsetenv("OPENAI_API_KEY");
    unsetenv("OPENAI_MODEL");
    CHECK_STATUS(aip_client_is_configured(deaf, &error), AIP_NOT_CONFIGURED);
    aip_call call = call_of("hi", NULL);
    CHECK_TEXT(copy_of(answer_to(client, &call), AIP_REPLY_MODEL), "mine");
    CHECK_CONTAINS(last_request(&listener, CHAT_PATH), "Bearer sk-of-the-environment");
}

static void a_client_asks_over_its_pool_or_over_a_session_of_its_own(void)
{
    listener listener = fresh_listener();
    aip_pool *pool = new_pool();
    aip_client_options options = client_options(&listener);
    aip_client *pooled = new_client(pool, &options);
    options.flags = AIP_CLIENT_UNPOOLED;
    aip_client *unpooled = new_client(pool, &options);
    aip_call call = call_of("hi", NULL);
    answer_to(unpooled, &call);
    CHECK_EQ(stats_of(pool).sessions, 0);
    answer_to(pooled, &call);
    answer_to(unpooled, &call);
    CHECK_EQ(stats_of(pool).sessions, 1);
    aip_session *shared[2] = {0}, *own[2] = {0};
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(aip_client_get_session(i == 0 ? pooled : unpooled, 1, &shared[i], &error), AIP_OK);
        CHECK_STATUS(aip_client_get_session(pooled, 0, &own[i], &error), AIP_OK);
        my_session(shared[i]);
        my_session(own[i]);
    }
    CHECK_EQ(aip_session_id(shared[0]), aip_session_id(shared[1]));
    CHECK(aip_session_id(own[0]) != aip_session_id(own[1]) && aip_session_id(own[0]) != aip_session_id(shared[0]));
    /* Requests over it are nobody's but the caller's. */
    CHECK_EQ(info_of(ask(shared[0], "models")).reused, 1);
    CHECK(strstr(last_request(&listener, "/v1/models"), "planted") == NULL);
    CHECK_STATUS(aip_client_get_session(pooled, 1, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "session: is NULL");
}

static void without_a_pool_it_is_the_global_one(void)
{
    listener listener = fresh_listener();
    aip_client_options options = client_options(&listener);
    aip_client *client = new_client(NULL, &options);
    aip_call call = call_of("hi", NULL);
    answer_to(client, &call);
    aip_pool *global = NULL;
    CHECK_STATUS(aip_pool_global(NULL, &global, &error), AIP_OK);
    my_pool(global);
    CHECK_EQ(stats_of(global).sessions, 1);
    /* The next call makes the next one. */
    CHECK_STATUS(aip_pool_close_global(1000, &error), AIP_OK);
    answer_to(client, &call);
    CHECK_EQ(counter(&listener, "connections_opened"), 2);
    CHECK_STATUS(aip_pool_close_global(1000, &error), AIP_OK);
}

static void a_client_whose_pool_is_freed_is_closed(void)
{
    listener listener = fresh_listener();
    for (uint32_t flags = 0; flags <= AIP_CLIENT_UNPOOLED; flags += AIP_CLIENT_UNPOOLED) {
        aip_pool *pool = new_pool();
        aip_client_options options = client_options(&listener);
        options.flags = flags;
        aip_client *client = new_client(pool, &options);
        aip_call call = call_of("hi", NULL);
        answer_to(client, &call);
        CHECK_STATUS(aip_pool_free(pool), AIP_OK);
        check_call_refused(client, &call, AIP_CLOSED, "");
        CHECK_EQ(error.detail, AIP_DETAIL_POOL_CLOSED);
        aip_session *session = (aip_session *)1;
        CHECK_STATUS(aip_client_get_session(client, 1, &session, &error), AIP_CLOSED);
        CHECK(session == NULL);
        CHECK_STATUS(aip_client_free(client), AIP_OK);
    }
}

/* A call on a thread of its own. */
typedef struct calling {
    pthread_t thread;
    aip_client *client;
    aip_call call;
    int32_t status;
    aip_error error;
    _Atomic pid_t tid;
} calling;

static void *call_it(void *argument)
{
    calling *calling = argument;
    calling->tid = gettid();
    aip_response *response = NULL;
    calling->status = aip_client_call(calling->client, &calling->call, &response, &calling->error);
    aip_response_free(response);
    return NULL;
}

static void begin_calling(calling *calling, aip_client *client, aip_call call)
{
    memset(calling, 0, sizeof *calling);
    calling->client = client;
    calling->call = call;
    CHECK_EQ(pthread_create(&calling->thread, NULL, call_it, calling), 0);
}

static void a_client_may_be_freed_under_its_calls(void)
{
    listener listener = fresh_listener();
    aip_pool *pool = new_pool();
    aip_client_options options = client_options(&listener);
    aip_client *client = new_client(pool, &options);
    aip_queue *queue = new_queue(pool);
    aip_call call = stream_call("one two", NULL);
    aip_response *stream = answer_to(client, &call);
    call = call_of("queued", "hold=c-client-queued");
    CHECK_STATUS(aip_client_submit(client, &call, queue, 1, &error), AIP_OK);
    calling waiting;
    begin_calling(&waiting, client, call_of("hi", "hold=c-client-freed"));
    wait_held("c-client-freed", 1);
    wait_held("c-client-queued", 1);
    CHECK_STATUS(aip_client_free(client), AIP_OK);
    release("c-client-freed");
    release("c-client-queued");
    pthread_join(waiting.thread, NULL);
    CHECK_STATUS(waiting.status, AIP_OK);
    told told;
    CHECK_STATUS(hear(stream, &told), AIP_END);
    CHECK_TEXT(told.text, "You said: one two");
    CHECK_TEXT(copy_of(next_of(queue, AIP_COMPLETION_DONE, 1).response, AIP_REPLY_TEXT), "You said: queued");
}

static void who_waits_for_a_slot_can_be_cancelled(void)
{
    listener listener = fresh_listener();
    aip_pool *pool = new_pool();
    aip_client_options options = client_options(&listener);
    options.max_concurrency = 1;
    aip_client *client = new_client(pool, &options), *another = new_client(pool, &options);
    aip_queue *queue = new_queue(pool);
    calling holder, waiter;
    begin_calling(&holder, client, call_of("hi", "hold=c-slot"));
    wait_held("c-slot", 1);
    aip_call call = call_of("hi", NULL);
    call.queue_timeout_ms = 20;
    check_call_refused(another, &call, AIP_TIMEOUT, "");
    CHECK_EQ(error.detail, AIP_DETAIL_QUEUE_LIMIT);
    CHECK_CONTAINS(error.message, "1 of 1");
    call = call_of("hi", NULL);
    call.cancel = new_cancel();
    begin_calling(&waiter, another, call);
    CHECK_STATUS(aip_client_submit(client, &call, queue, 5, &error), AIP_OK);
    wait_thread_asleep(&waiter.tid);
    CHECK_STATUS(aip_cancel_fire(call.cancel), AIP_OK);
    pthread_join(waiter.thread, NULL);
    CHECK_STATUS(waiter.status, AIP_CANCELLED);
    CHECK_EQ(waiter.error.delivery, AIP_NOT_SENT);
    aip_completion done = next_of(queue, AIP_COMPLETION_DONE, 5);
    CHECK_STATUS(done.status, AIP_CANCELLED);
    CHECK(done.response == NULL);
    release("c-slot");
    pthread_join(holder.thread, NULL);
    CHECK_STATUS(holder.status, AIP_OK);
    call.cancel = NULL;
    answer_to(another, &call);
    CHECK_EQ(provider_counter(&listener, "requests:" CHAT_PATH), 2);
}

static void a_stream_holds_its_slot_until_it_is_freed(void)
{
    listener listener = fresh_listener();
    aip_client_options options = client_options(&listener);
    options.max_concurrency = 1;
    aip_client *client = new_client(new_pool(), &options);
    aip_call stream = stream_call("one two", "stall=0"), call = call_of("hi", NULL);
    aip_response *response = answer_to(client, &stream);
    call.queue_timeout_ms = 20;
    check_call_refused(client, &call, AIP_TIMEOUT, "");
    CHECK_STATUS(aip_response_free(response), AIP_OK);
    call.queue_timeout_ms = 0;
    answer_to(client, &call);
}

/* Reads a delta: how that ended. */
static void *reads(void *response)
{
    aip_delta delta;
    int32_t status;
    /* AIP_BUSY: the other thread's look is under way, and this one has not begun to wait. */
    do
        status = aip_response_next_delta(response, PATIENCE_MS, &delta, NULL);
    while (status == AIP_BUSY);
    return (void *)(intptr_t)status;
}

static void an_answer_is_read_by_one_thread_at_a_time(void)
{
    listener listener = fresh_listener();
    aip_call call = stream_call("one two", "stall=0");
    aip_response *response = answer_to(client_of(&listener), &call);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, reads, response), 0);
    aip_delta delta;
    aip_reply reply;
    int32_t status;
    while ((status = aip_response_next_delta(response, 0, &delta, &error)) == AIP_WOULD_BLOCK)
        sched_yield();
    CHECK_STATUS(status, AIP_BUSY);
    CHECK_STATUS(aip_response_reply(response, &reply, sizeof reply, &error), AIP_BUSY);
    CHECK_STATUS(aip_response_reply_copy(response, AIP_REPLY_TEXT, NULL, 0, NULL, &error), AIP_BUSY);
    /* Who reads while it is freed is told. */
    CHECK_STATUS(aip_response_free(response), AIP_OK);
    void *ended;
    pthread_join(thread, &ended);
    CHECK_STATUS((int32_t)(intptr_t)ended, AIP_CANCELLED);
}

static void a_stream_is_cancelled_while_it_is_read(void)
{
    listener listener = fresh_listener();
    aip_call call = stream_call("one two", "stall=0");
    call.cancel = new_cancel();
    aip_response *response = answer_to(client_of(&listener), &call);
    CHECK_STATUS(aip_cancel_fire(call.cancel), AIP_OK);
    told told;
    CHECK_STATUS(hear(response, &told), AIP_CANCELLED);
    CHECK_EQ(error.delivery, AIP_RESPONSE_STARTED);
}

static const test tests[] = {
    {"wrong_options_are_named", wrong_options_are_named},
    {"texts_that_are_none_are_named", texts_that_are_none_are_named},
    {"of_a_bad_credential_only_the_place_is_told", of_a_bad_credential_only_the_place_is_told},
    {"wrong_sizes_are_refused_and_unknown_tails_too", wrong_sizes_are_refused_and_unknown_tails_too},
    {"wrong_messages_are_named", wrong_messages_are_named},
    {"wrong_calls_are_named", wrong_calls_are_named},
    {"handles_that_are_none_are_refused", handles_that_are_none_are_refused},
    {"what_is_missing_is_told_before_anything_is_sent", what_is_missing_is_told_before_anything_is_sent},
    {"texts_come_from_the_environment_where_that_is_wanted", texts_come_from_the_environment_where_that_is_wanted},
    {"a_client_asks_over_its_pool_or_over_a_session_of_its_own", a_client_asks_over_its_pool_or_over_a_session_of_its_own},
    {"without_a_pool_it_is_the_global_one", without_a_pool_it_is_the_global_one},
    {"a_client_whose_pool_is_freed_is_closed", a_client_whose_pool_is_freed_is_closed},
    {"a_client_may_be_freed_under_its_calls", a_client_may_be_freed_under_its_calls},
    {"who_waits_for_a_slot_can_be_cancelled", who_waits_for_a_slot_can_be_cancelled},
    {"a_stream_holds_its_slot_until_it_is_freed", a_stream_holds_its_slot_until_it_is_freed},
    {"an_answer_is_read_by_one_thread_at_a_time", an_answer_is_read_by_one_thread_at_a_time},
    {"a_stream_is_cancelled_while_it_is_read", a_stream_is_cancelled_while_it_is_read},
};

int main(int argc, char **argv)
{
    return run_tests(TESTS_IN(tests), argc, argv);
}
