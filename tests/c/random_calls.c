/* Nonsense into every function, from four threads, with the same seed each time: random_calls [CALLS [SEED]].
 * Handles are random bits, NULL, freed, or live and of any kind; what the contract asks of pointers is kept. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"

enum { THREADS = 4, SLOTS = 32, TEXT = 64 };
enum kind { POOL, SESSION, RESPONSE, CANCEL, UPLOAD, QUEUE, CLIENT, KINDS };

static unsigned long calls_wanted = 1000000, seed = 20240607;
static char refused[64], sandbox_echo[128], sandbox_v1[128];
/* Never cut short at random: what it says is made. */
static char key_log[] = "/tmp/aipool-keys-XXXXXX";
/* Handles that were made; a displaced one is freed, so that none is lost. */
static _Atomic(void *) slots[KINDS][SLOTS];
/* How many of each kind were made, to show that not every call is refused. */
static atomic_ulong made[KINDS];

static _Thread_local uint64_t state;

static uint64_t any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t below(uint64_t bound)
{
    return any() % bound;
}

static int one_in(uint64_t n)
{
    return below(n) == 0;
}

static void free_as_every_kind(void *handle)
{
    aip_pool_free(handle);
    aip_session_free(handle);
    aip_response_free(handle);
    aip_cancel_free(handle);
    aip_upload_free(handle);
    aip_queue_free(handle);
    aip_client_free(handle);
}

static void keep(enum kind kind, void *handle)
{
    if (handle == NULL)
        return;
    atomic_fetch_add(&made[kind], 1);
    free_as_every_kind(atomic_exchange(&slots[kind][below(SLOTS)], handle));
}

/* Half of them of the kind that the call asks for. */
static void *handle(enum kind kind)
{
    switch (below(8)) {
    case 0:
        return NULL;
    case 1:
        return (void *)(uintptr_t)any();
    case 2:
        /* Near a real one: another kind, generation or slot. */
        return (void *)((uintptr_t)slots[kind][below(SLOTS)] ^ (uintptr_t)1 << below(64));
    case 3:
        return slots[below(KINDS)][below(SLOTS)];
    default:
        return slots[kind][below(SLOTS)];
    }
}

static int64_t limit(void)
{
    static const int64_t likely[] = {0, 0, 0, AIP_OFF, AIP_UNLIMITED, 1, 10, 1000};
    return one_in(16) ? (int64_t)any() : likely[below(8)];
}

/* A text and its length: `from` or junk, sometimes NULL with a length. */
static const char *text(const char *from, size_t *length)
{
    static _Thread_local char junk[4][TEXT];
    static _Thread_local unsigned turn;
    if (one_in(16)) {
        *length = one_in(2) ? 0 : any();
        return NULL;
    }
    if (one_in(8)) {
        char *at = junk[turn++ % 4];
        for (size_t i = 0; i < TEXT; i++)
            at[i] = (char)any();
        at[TEXT - 1] = '\0';
        *length = one_in(4) ? AIP_NUL_TERMINATED : below(TEXT);
        return at;
    }
    *length = one_in(4) ? below(strlen(from) + 1) : AIP_NUL_TERMINATED;
    return from;
}

static const char *key(size_t *length)
{
    static const char *opaque[] = {"", "a", "my service", "ftp://h/"};
    return text(one_in(3) ? refused : opaque[below(4)], length);
}

static size_t size_of_struct(size_t right)
{
    return one_in(10) ? (one_in(2) ? any() : below(4096)) : right;
}

static void *place(void *out)
{
    return one_in(20) ? NULL : out;
}

/* Some of the limits from `first` to `last`, which stand one after the other. */
static void set_limits(int64_t *first, int64_t *last)
{
    for (int64_t *at = first; at <= last; at++)
        *at = one_in(8) ? limit() : 0;
}

typedef union {
    aip_pool_options options;
    unsigned char room[4096];
} pool_room;

static aip_pool_options *random_pool_options(pool_room *room)
{
    memset(room, 0, sizeof *room);
    aip_pool_options_init(&room->options, sizeof room->options);
    room->options.size = size_of_struct(sizeof room->options);
    room->options.max_size = one_in(2) ? (int64_t)below(4) : limit();
    room->options.timeout_ms = limit();
    room->options.connect_timeout_ms = limit();
    room->options.max_body_bytes = limit();
    room->options.eviction = (uint32_t)below(4);
    /* Few threads or far too many: a valid large number would only be slow. */
    room->options.threads = one_in(4) ? (uint32_t)any() | 1024 : (uint32_t)below(3);
    set_limits(&room->options.queue_timeout_ms, &room->options.max_lifetime_ms);
    return one_in(5) ? NULL : &room->options;
}

typedef union {
    aip_session_options options;
    unsigned char room[4096];
} session_room;

/* Some of what tells sessions apart. */
static void random_identity(aip_session_options *options)
{
    static const char *proxies[] = {"http://127.0.0.1:1", "socks5h://me:secret@127.0.0.1:1", "ftp://h", "@"};
    options->trust = (uint32_t)below(4);
    options->min_tls = (uint32_t)below(3);
    options->proxy_mode = (uint32_t)below(3);
    if (one_in(2))
        options->server_name = text("other.example", &options->server_name_len);
    if (one_in(2))
        options->proxy = text(proxies[below(4)], &options->proxy_len);
    if (one_in(2))
        options->no_proxy = text("127.0.0.0/8, .example", &options->no_proxy_len);
    if (one_in(4))
        options->unix_socket = text("/no/such/socket", &options->unix_socket_len);
    if (one_in(4))
        options->resolve = text("a.example=127.0.0.1,::1 b.example=::1", &options->resolve_len);
    if (one_in(4))
        options->local_address = text("127.0.0.1", &options->local_address_len);
    if (one_in(4))
        options->client_cert_file = text("/no/such/file", &options->client_cert_file_len);
    if (one_in(4))
        options->client_key_file = text("/no/such/file", &options->client_key_file_len);
    if (one_in(4)) {
        options->key_log_file = key_log;
        options->key_log_file_len = AIP_NUL_TERMINATED;
    }
    options->pins = (const uint8_t *)"0123456789abcdef0123456789abcdef";
    options->pins_len = one_in(4) ? below(33) : 0;
}

static aip_session_options *random_session_options(session_room *room)
{
    static const char packed[] = "x-a\0" "1\0x-b\0" "2";
    memset(room, 0, sizeof *room);
    aip_session_options *options = &room->options;
    aip_session_options_init(options, sizeof *options);
    options->size = size_of_struct(sizeof *options);
    options->partition = text("p", &options->partition_len);
    if (one_in(10))
        options->ca_file = text("/no/such/file", &options->ca_file_len);
    if (one_in(10))
        options->ca_bytes = (const uint8_t *)text("no certificate", &options->ca_bytes_len);
    if (options->ca_bytes_len == AIP_NUL_TERMINATED)
        options->ca_bytes_len = 0;
    options->headers = packed;
    options->headers_len = one_in(2) ? sizeof packed : below(sizeof packed);
    options->timeout_ms = limit();
    options->http_version = (uint32_t)below(4);
    options->transport = (uint32_t)below(3);
    set_limits(&options->queue_timeout_ms, &options->max_retries);
    set_limits(&options->keepalive_ms, &options->stream_window_bytes);
    if (one_in(4))
        random_identity(options);
    options->reserved = one_in(20);
    return one_in(2) ? NULL : options;
}

typedef union {
    aip_request request;
    unsigned char room[4096];
} request_room;

static aip_request *random_request(request_room *room, aip_header headers[4])
{
    static const char *urls[] = {"/", "?q=1", "http://[", "gopher://h/", "//h"};
    memset(room, 0, sizeof *room);
    aip_request *request = &room->request;
    aip_request_init(request, sizeof *request);
    request->size = size_of_struct(sizeof *request);
    request->method = text("POST", &request->method_len);
    request->url = text(one_in(4) ? sandbox_echo : urls[below(5)], &request->url_len);
    for (size_t i = 0; i < 4; i++) {
        headers[i].name = text("x-name", &headers[i].name_len);
        headers[i].value = text("value", &headers[i].value_len);
        headers[i].reserved[0] = headers[i].reserved[1] = 0;
    }
    request->headers = one_in(8) ? NULL : headers;
    request->header_count = one_in(2) ? 0 : one_in(20) ? any() | 1 << 20 : below(5);
    request->body = (const uint8_t *)text("body", &request->body_len);
    if (request->body_len == AIP_NUL_TERMINATED)
        request->body_len = 0;
    request->cancel = one_in(4) ? handle(CANCEL) : NULL;
    request->timeout_ms = limit();
    request->connect_timeout_ms = limit();
    request->max_body_bytes = limit();
    set_limits(&request->queue_timeout_ms, &request->max_retries);
    set_limits(&request->first_event_timeout_ms, &request->between_events_timeout_ms);
    request->flags = one_in(10) ? (uint32_t)any() : (uint32_t)below(8);
    request->event_format = (uint32_t)below(4);
    request->reserved2 = one_in(20);
    request->max_event_bytes = limit();
    request->end_marker = text("[DONE]", &request->end_marker_len);
    request->reserved = one_in(20);
    return one_in(20) ? NULL : request;
}

static void call_new(void)
{
    aip_pool *pool = NULL;
    aip_cancel *cancel = NULL;
    pool_room room;
    switch (below(8)) {
    case 0:
        aip_pool_new(random_pool_options(&room), place(&pool), place(&error));
        break;
    case 1:
        pool_new(NULL, place(&pool), place(&error));
        break;
    case 2:
        aip_pool_global(random_pool_options(&room), place(&pool), place(&error));
        break;
    case 3:
        aip_pool_close_global((uint32_t)below(100), place(&error));
        break;
    default:
        aip_cancel_new(place(&cancel), place(&error));
    }
    keep(POOL, pool);
    keep(CANCEL, cancel);
}

static void call_get(void)
{
    aip_session *session = NULL;
    session_room room;
    aip_session_options *options = random_session_options(&room);
    size_t length;
    const char *at = key(&length);
    switch (below(3)) {
    case 0:
        aip_pool_get_session(handle(POOL), at, length, options, place(&session), place(&error));
        break;
    case 1:
        pool_get_session(handle(POOL), at, length, options, place(&session), place(&error));
        break;
    default:
        aip_pool_acquire(handle(POOL), at, length, options, place(&session), place(&error));
    }
    keep(SESSION, session);
}

static void call_request(void)
{
    aip_response *response = NULL;
    aip_header headers[4];
    request_room room;
    aip_request *request = random_request(&room, headers);
    size_t length;
    const char *at = key(&length);
    switch (below(3)) {
    case 0:
        aip_session_request(handle(SESSION), request, place(&response), place(&error));
        break;
    case 1:
        session_request(handle(SESSION), request, place(&response), place(&error));
        break;
    default:
        aip_pool_request(handle(POOL), at, length, request, place(&response), place(&error));
    }
    keep(RESPONSE, response);
}

/* What nobody waits for; an upload that nobody ends must hold nobody up. */
static void call_queue(void)
{
    aip_header headers[4];
    request_room room;
    aip_completion batch[4];
    aip_queue *queue = NULL;
    size_t count = 0, cap = below(5);
    int pipes[2], fd = -1;
    switch (below(10)) {
    case 0:
        aip_queue_new(handle(POOL), place(&queue), place(&error));
        keep(QUEUE, queue);
        break;
    case 1:
        aip_queue_close(handle(QUEUE), place(&error));
        break;
    case 2:
        aip_queue_wake(handle(QUEUE));
        break;
    case 3:
        aip_queue_fd(handle(QUEUE), place(&fd), place(&error));
        if (fd >= 0)
            close(fd);
        break;
    case 4:
        /* Not any number: it would be written to. */
        if (one_in(10) && pipe(pipes) == 0) {
            aip_queue_set_notify_fd(handle(QUEUE), pipes[1], place(&error));
            close(pipes[0]);
            close(pipes[1]);
        } else {
            aip_queue_set_notify_fd(handle(QUEUE), -(int)below(3), place(&error));
        }
        break;
    case 5:
    case 6:
        if (aip_queue_next(handle(QUEUE), place(batch), cap, (uint32_t)below(2), &count, place(&error)) == AIP_OK)
            for (size_t i = 0; i < count; i++)
                keep(RESPONSE, batch[i].response);
        break;
    default: {
        aip_request *request = random_request(&room, headers);
        if (request != NULL && one_in(4))
            request->upload = handle(UPLOAD);
        aip_session_submit(handle(SESSION), request, handle(QUEUE), any(), place(&error));
    }
    }
}

typedef union {
    aip_client_options options;
    unsigned char room[4096];
} client_room;

/* Some of what tells askers apart. */
static void random_credentials(aip_client_options *options)
{
    options->access_token = text("t", &options->access_token_len);
    options->user = text("u", &options->user_len);
    options->password = text("p", &options->password_len);
    options->client_id = text("i", &options->client_id_len);
    options->client_secret = text("s", &options->client_secret_len);
    options->oauth_token = text("o", &options->oauth_token_len);
    options->scope = text("GIGACHAT_API_CORP", &options->scope_len);
    options->organization = text("org", &options->organization_len);
    options->poll_interval_ms = limit();
    options->api_version = (uint32_t)below(4);
}

static aip_client_options *random_client_options(client_room *room, session_room *session)
{
    static const char *keys[] = {"sk-1", "sk-2", "sk 3", "sk-\n"};
    memset(room, 0, sizeof *room);
    aip_client_options *options = &room->options;
    aip_client_options_init(options, sizeof *options);
    options->size = size_of_struct(sizeof *options);
    options->kind = one_in(8) ? (uint32_t)any() : 1 + (uint32_t)below(7);
    options->flags = one_in(10) ? (uint32_t)any() : (uint32_t)below(4);
    /* Never cut short, nor left out: it would be somebody's. */
    options->base_url = one_in(4) ? refused : sandbox_v1;
    options->auth_url = options->operations_url = one_in(2) ? refused : sandbox_v1;
    options->base_url_len = options->auth_url_len = options->operations_url_len = AIP_NUL_TERMINATED;
    options->api_key = text(keys[below(4)], &options->api_key_len);
    options->model = text("m", &options->model_len);
    options->embedding_model = text("m", &options->embedding_model_len);
    options->folder = text("f", &options->folder_len);
    options->affinity = text("a", &options->affinity_len);
    if (one_in(4))
        random_credentials(options);
    options->session = one_in(4) ? random_session_options(session) : NULL;
    set_limits(&options->max_concurrency, &options->pacing);
    options->reserved = one_in(20);
    return one_in(20) ? NULL : options;
}

typedef struct {
    union {
        aip_call call;
        unsigned char room[4096];
    };
    aip_message messages[2];
    aip_text texts[2];
} call_room;

static aip_call *random_call(call_room *room)
{
    static const char *json[] = {"{}", "[]", "[{\"name\":\"f\"}]", "{\"a\":1}", "["};
    memset(room, 0, sizeof *room);
    aip_call *call = &room->call;
    aip_call_init(call, sizeof *call);
    call->size = size_of_struct(sizeof *call);
    call->operation = one_in(16) ? (uint32_t)any() : one_in(2) ? AIP_CALL_CHAT : (uint32_t)below(5);
    call->flags = one_in(10) ? (uint32_t)any() : (uint32_t)below(8);
    for (size_t i = 0; i < 2; i++) {
        aip_message *message = &room->messages[i];
        message->role = one_in(16) ? (uint32_t)any() : (uint32_t)below(4);
        message->content = text("said", &message->content_len);
        if (one_in(8))
            message->tool_calls = text(json[below(5)], &message->tool_calls_len);
        if (one_in(8))
            message->raw = text(json[below(5)], &message->raw_len);
        message->reserved = one_in(50);
        room->texts[i].data = text("text", &room->texts[i].len);
    }
    call->messages = one_in(16) ? NULL : room->messages;
    call->message_count = one_in(20) ? any() | 1 << 20 : below(3);
    call->prompt = text("prompt", &call->prompt_len);
    if (one_in(4))
        call->tools = text(json[below(5)], &call->tools_len);
    if (one_in(4))
        call->extra = text(json[below(5)], &call->extra_len);
    if (one_in(4))
        call->json_schema = text(json[below(5)], &call->json_schema_len);
    call->inputs = call->stop = one_in(8) ? NULL : room->texts;
    call->input_count = below(3);
    call->stop_count = one_in(4) ? below(3) : 0;
    call->method = one_in(2) ? text("POST", &call->method_len) : NULL;
    call->url = one_in(2) ? "models" : "//h";
    call->url_len = AIP_NUL_TERMINATED;
    call->cancel = one_in(4) ? handle(CANCEL) : NULL;
    call->set = one_in(10) ? (uint32_t)any() : (uint32_t)below(8);
    call->temperature = one_in(4) ? (double)any() : 1;
    call->max_tokens = one_in(4) ? limit() : 0;
    call->response_format = (uint32_t)below(3);
    set_limits(&call->timeout_ms, &call->max_retries);
    /* Nobody gives slots back but who frees responses. */
    call->timeout_ms = call->queue_timeout_ms = 1 + (int64_t)below(50);
    return one_in(20) ? NULL : call;
}

static void call_client(void)
{
    aip_client *client = NULL;
    aip_session *session = NULL;
    aip_response *response = NULL;
    union {
        client_room client;
        call_room call;
    } room;
    session_room sessions;
    size_t length;
    const char *prompt = text("prompt", &length);
    switch (below(8)) {
    case 0:
    case 1:
        aip_client_new(one_in(4) ? NULL : handle(POOL), random_client_options(&room.client, &sessions), place(&client),
                       place(&error));
        break;
    case 2:
        aip_client_get_session(handle(CLIENT), (int32_t)below(2), place(&session), place(&error));
        break;
    case 3:
        aip_client_is_configured(handle(CLIENT), place(&error));
        break;
    case 4:
        aip_client_generate(handle(CLIENT), prompt, length, random_call(&room.call), place(&response), place(&error));
        break;
    case 5:
        aip_client_submit(handle(CLIENT), random_call(&room.call), handle(QUEUE), any(), place(&error));
        break;
    case 6:
        aip_client_free(handle(CLIENT));
        break;
    default:
        aip_client_call(handle(CLIENT), random_call(&room.call), place(&response), place(&error));
    }
    keep(CLIENT, client);
    keep(SESSION, session);
    keep(RESPONSE, response);
}

static void call_reply(void)
{
    char room[4096];
    size_t needed;
    aip_delta delta;
    aip_response *response = handle(RESPONSE);
    switch (below(5)) {
    case 3:
        aip_response_delta_copy(response, (uint32_t)below(4), place(room), below(sizeof room), place(&needed),
                                place(&error));
        break;
    case 0:
        aip_response_next_delta(response, (uint32_t)below(2), place(&delta), place(&error));
        break;
    case 1:
        aip_response_reply(response, place(room), one_in(4) ? (size_t)any() | 8192 : below(sizeof room), place(&error));
        break;
    case 2:
        aip_response_reply_copy(response, (uint32_t)below(11), place(room), below(sizeof room), place(&needed),
                                place(&error));
        break;
    default:
        aip_response_embedding(response, (uint32_t)below(3), place(room), below(sizeof room / sizeof(float)),
                               place(&needed), place(&error));
    }
}

static void call_upload(void)
{
    static const uint8_t data[300];
    aip_upload *upload = NULL;
    size_t taken;
    uint64_t counts[2];
    switch (below(4)) {
    case 0:
        aip_upload_new(one_in(2) ? AIP_UNLIMITED : limit(), place(&upload), place(&error));
        keep(UPLOAD, upload);
        break;
    case 1:
        aip_upload_write(handle(UPLOAD), data, below(sizeof data), (uint32_t)below(2), place(&taken), place(&error));
        break;
    case 2:
        aip_upload_finish(handle(UPLOAD), place(&error));
        break;
    default:
        aip_upload_progress(handle(UPLOAD), place(&counts[0]), place(&counts[1]));
    }
}

static void call_close(void)
{
    size_t length;
    uint32_t standing;
    const char *at = key(&length);
    switch (below(6)) {
    case 0:
        aip_session_warm(handle(SESSION), (uint32_t)below(3), (uint32_t)below(50) + 1, place(&standing), place(&error));
        break;
    case 1:
        aip_pool_reload_tls(handle(POOL), place(&error));
        break;
    case 2:
        aip_pool_close_session(handle(POOL), at, length, place(&error));
        break;
    case 3:
        aip_pool_close_all(handle(POOL), (uint32_t)below(100), place(&error));
        break;
    case 4:
        pool_close_all(handle(POOL), (uint32_t)any(), place(&error));
        break;
    default:
        aip_session_close(handle(SESSION), place(&error));
    }
}

static void call_read(void)
{
    static _Thread_local char buffer[512];
    const char *name, *value;
    const uint8_t *data;
    size_t name_len, value_len, length;
    void *response = handle(RESPONSE);
    char *copy = place(buffer);
    size_t cap = copy != NULL ? below(sizeof buffer) : any();
    aip_stream_event event;
    switch (below(12)) {
    case 8:
        aip_response_read(response, (uint8_t *)copy, cap, (uint32_t)below(2), place(&length), place(&error));
        break;
    case 9:
        aip_response_next_event(response, (uint32_t)below(2), place(&event), place(&error));
        break;
    case 10:
        aip_response_event_copy(response, (uint32_t)below(4), copy, cap, place(&length), place(&error));
        break;
    case 11:
        aip_response_trailers_copy(response, copy, cap, place(&length), place(&error));
        break;
    case 0:
        aip_response_status(response);
        break;
    case 1:
        value = text("content-length", &length);
        aip_response_header(response, value, length, place(&value), place(&value_len));
        break;
    case 2:
        aip_response_header_count(response);
        break;
    case 3:
        aip_response_header_at(response, one_in(3) ? any() : below(8), place(&name), place(&name_len), place(&value),
                               place(&value_len));
        break;
    case 4:
        aip_response_headers_copy(response, copy, cap, place(&length), place(&error));
        break;
    case 5:
        aip_response_body(response, place(&data), place(&length), place(&error));
        break;
    case 6:
        aip_response_body_copy(response, (uint8_t *)copy, cap, place(&length), place(&error));
        break;
    default:
        aip_response_get_info(response, place(buffer), one_in(4) ? (size_t)any() | 8192 : below(sizeof buffer));
    }
}

static void call_count(void)
{
    static _Thread_local char room[512], lines[8192];
    size_t size = one_in(4) ? (size_t)any() | 8192 : below(sizeof room), length;
    uint64_t next, lost;
    switch (below(9)) {
    case 0:
        aip_stats(place(room), size);
        break;
    case 1:
        aip_pool_get_stats(handle(POOL), place(room), size, place(&error));
        break;
    case 2:
        aip_session_get_stats(handle(SESSION), place(room), size, place(&error));
        break;
    case 3:
        aip_session_id(handle(SESSION));
        break;
    case 4:
        aip_session_is_closed(handle(SESSION));
        break;
    case 5:
        aip_pool_metrics(handle(POOL), lines, below(sizeof lines), place(&length), place(&error));
        break;
    case 6:
        aip_events_read(one_in(2) ? any() : below(100), lines, below(sizeof lines), place(&length), place(&next),
                        place(&lost), place(&error));
        break;
    case 7:
        aip_live_handles(lines, below(sizeof lines), place(&length), place(&error));
        break;
    default:
        aip_status_name((int32_t)any());
    }
}

static void call_free(void)
{
    switch (below(7)) {
    case 4:
        aip_upload_free(handle(UPLOAD));
        break;
    case 5:
        aip_queue_free(handle(QUEUE));
        break;
    case 0:
        aip_pool_free(handle(POOL));
        break;
    case 1:
        aip_session_free(handle(SESSION));
        break;
    case 2:
        aip_response_free(handle(RESPONSE));
        break;
    case 3:
        aip_cancel_free(handle(CANCEL));
        break;
    default:
        aip_cancel_fire(handle(CANCEL));
    }
}

static void call_init(void)
{
    _Alignas(16) char room[4096];
    size_t size = one_in(4) ? (size_t)any() | 8192 : below(sizeof room);
    aip_pool_options_init(place(room), size);
    aip_session_options_init(place(room), size);
    aip_request_init(place(room), size);
    aip_client_options_init(place(room), size);
    aip_call_init(place(room), size);
    aip_abi_version();
    AIP_ABI_GUARD();
    aip_version();
}

static void *call_at_random(void *number)
{
    static void (*const kinds[])(void) = {call_new,  call_get,  call_get,  call_get,  call_get, call_read,
                                           call_read, call_read, call_count, call_free, call_init,  call_upload,
                                           call_reply};
    state = seed + (uintptr_t)number * 0x9e3779b97f4a7c15;
    for (unsigned long i = 0; i < calls_wanted / THREADS; i++) {
        /* What costs system calls is rare. */
        if (one_in(50))
            call_request();
        else if (one_in(50))
            call_client();
        else if (one_in(50))
            call_close();
        else if (one_in(10))
            call_queue();
        else
            kinds[below(sizeof kinds / sizeof kinds[0])]();
    }
    return NULL;
}

static void random_calls_do_no_harm(void)
{
    pthread_t threads[THREADS];
    printf("   %lu calls from %d threads, seed %lu\n", calls_wanted, THREADS, seed);
    /* More calls than usual have more time. */
    alarm(150 + (unsigned)(calls_wanted / 10000));
    snprintf(refused, sizeof refused, "%s", refused_url());
    snprintf(sandbox_echo, sizeof sandbox_echo, "%s/echo", sandbox_http());
    snprintf(sandbox_v1, sizeof sandbox_v1, "%s/v1", sandbox_http());
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, call_at_random, (void *)(i + 1)), 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    printf("   made: %lu pools, %lu sessions, %lu responses, %lu cancels, %lu uploads, %lu queues, %lu clients\n",
           made[POOL], made[SESSION], made[RESPONSE], made[CANCEL], made[UPLOAD], made[QUEUE], made[CLIENT]);
    for (size_t kind = 0; kind < KINDS; kind++) {
        CHECK(made[kind] > 0);
        for (size_t i = 0; i < SLOTS; i++)
            free_as_every_kind(slots[kind][i]);
    }
    CHECK_STATUS(aip_pool_close_global(0, &error), AIP_OK);
    CHECK_EQ(live_handles(), 0);
    CHECK_EQ(aip_response_status(ask(session_of(new_pool(), sandbox_http()), "/echo")), 200);
}

static const test tests[] = {{"random_calls_do_no_harm", random_calls_do_no_harm}};

int main(int argc, char **argv)
{
    if (argc > 1)
        calls_wanted = strtoul(argv[1], NULL, 10);
    if (argc > 2)
        seed = strtoul(argv[2], NULL, 10);
    int file = mkstemp(key_log);
    if (file < 0) {
        perror(key_log);
        return 1;
    }
    close(file);
    int ended = run_tests(TESTS_IN(tests), 1, argv);
    unlink(key_log);
    return ended;
}
