#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vitals.h"

/* Far more keys than the pool keeps, so that sessions go and come. */
enum { MAX_SIZE = 6, KEYS = 16, STATUSES = 64, HTTP_ERROR = STATUSES - 1 };

aip_pool *pool;
atomic_ullong accepted, ended, refused, retries;
atomic_bool stopping, failed;
static atomic_ullong outcomes[STATUSES];
/* Which ends this weather may bring; any other is a bug. */
static const int32_t expected_ends[] = {AIP_OK,  AIP_TIMEOUT, AIP_CANCELLED, AIP_RESET, AIP_CONNECT,
                                        AIP_TLS, AIP_PROTOCOL, AIP_TRUNCATED, AIP_CLOSED};
static const char *bases[2], *ca_file;
static uint8_t upload_bytes[1 << 20];

void fail(const char *form, ...)
{
    va_list arguments;
    va_start(arguments, form);
    flockfile(stderr);
    fputs("soak: C: ", stderr);
    vfprintf(stderr, form, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(arguments);
    failed = true;
}

void load_begin(void)
{
    aip_pool_options options;
    aip_error error;
    bases[0] = getenv("AIPOOL_SANDBOX_HTTP");
    bases[1] = getenv("AIPOOL_SANDBOX_HTTPS");
    ca_file = getenv("AIPOOL_SANDBOX_CA_PEM");
    memset(upload_bytes, 'u', sizeof upload_bytes);
    aip_pool_options_init(&options, sizeof options);
    options.max_size = MAX_SIZE;
    if (aip_pool_new(&options, &pool, &error) != AIP_OK)
        fail("no pool: %s", error.message);
}

static void key_of(unsigned number, char key[128])
{
    snprintf(key, 128, "%s/soak-%u", bases[number % 2], number);
}

aip_session *any_session(unsigned *chance)
{
    char key[128];
    aip_session_options options;
    aip_session *session = NULL;
    aip_error error;
    unsigned number = (unsigned)rand_r(chance) % KEYS;
    key_of(number, key);
    aip_session_options_init(&options, sizeof options);
    options.ca_file = ca_file;
    options.ca_file_len = AIP_NUL_TERMINATED;
    /* Half of each scheme's keys speak HTTP/1.1, half HTTP/2. */
    options.http_version = number / 2 % 2 == 0 ? AIP_HTTP_1 : AIP_HTTP_2;
    if (aip_pool_get_session(pool, key, AIP_NUL_TERMINATED, &options, &session, &error) != AIP_OK)
        fail("no session: %s", error.message);
    return session;
}

void close_any_session(unsigned *chance)
{
    char key[128];
    aip_error error;
    key_of((unsigned)rand_r(chance) % KEYS, key);
    if (aip_pool_close_session(pool, key, AIP_NUL_TERMINATED, &error) >= AIP_INVALID_ARGUMENT)
        fail("close_session: %s", error.message);
}

static void ask_whole(operation *operation, unsigned *chance)
{
    static const char *const faults[] = {",status=503,retry-after=0.01", ",goaway", ",close-after", ",drop-next"};
    const char *fault = rand_r(chance) % 8 == 0 ? faults[rand_r(chance) % 4] : "";
    operation->length = (unsigned)rand_r(chance) % 100000;
    snprintf(operation->url, sizeof operation->url, "/bytes/%zu?sandbox=delay=%d%s", operation->length, rand_r(chance) % 600, fault);
    operation->request.max_retries = 2;
    operation->request.timeout_ms = operation->kind == SHORT ? 20 + rand_r(chance) % 200 : 10000;
}

static void ask_stream(operation *operation, unsigned *chance)
{
    static const char form[] = "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"";
    aip_request *request = &operation->request;
    snprintf(operation->url, sizeof operation->url, "/v1/chat/completions?sandbox=delay=%d,drip=%d",
             rand_r(chance) % 200, 1 + rand_r(chance) % 20);
    strcpy(operation->body, form);
    for (int words = 5 + rand_r(chance) % 30; words > 0; words--)
        strcat(operation->body, "word ");
    strcat(operation->body, "\"}]}");
    request->method = "POST";
    request->method_len = AIP_NUL_TERMINATED;
    request->packed_headers = "content-type\0application/json";
    request->packed_headers_len = sizeof "content-type\0application/json";
    request->body = (const uint8_t *)operation->body;
    request->body_len = strlen(operation->body);
    request->flags = AIP_REQUEST_STREAM;
    request->end_marker = "[DONE]";
    request->end_marker_len = AIP_NUL_TERMINATED;
    request->timeout_ms = 15000;
    request->between_events_timeout_ms = 5000;
}

static void ask_upload(operation *operation, size_t length)
{
    aip_error error;
    if (aip_upload_new((int64_t)length, &operation->upload, &error) != AIP_OK)
        fail("no upload: %s", error.message);
    strcpy(operation->url, "/echo");
    operation->length = length;
    operation->request.method = "POST";
    operation->request.method_len = AIP_NUL_TERMINATED;
    operation->request.upload = operation->upload;
    operation->request.timeout_ms = 10000;
}

void prepare(operation *operation, size_t upload_length, unsigned *chance)
{
    static const kind kinds[20] = {WHOLE,  WHOLE,  WHOLE,  WHOLE,  WHOLE,  WHOLE, STREAM, STREAM,    STREAM,    STREAM,
                                   STREAM, STREAM, UPLOAD, UPLOAD, UPLOAD, SHORT, SHORT,  CANCELLED, CANCELLED, GIVEN_UP};
    char path[sizeof operation->url];
    aip_error error;
    memset(operation, 0, sizeof *operation);
    aip_request_init(&operation->request, sizeof operation->request);
    operation->kind = kinds[rand_r(chance) % 20];
    bool streams = operation->kind == STREAM || operation->kind == GIVEN_UP || operation->kind == CANCELLED;
    if (operation->kind == UPLOAD)
        ask_upload(operation, upload_length);
    else if (streams && (operation->kind != CANCELLED || rand_r(chance) % 2 == 0))
        ask_stream(operation, chance);
    else
        ask_whole(operation, chance);
    if (operation->kind == CANCELLED) {
        aip_cancel *cancel = NULL;
        if (aip_cancel_new(&cancel, &error) != AIP_OK)
            fail("no cancel handle: %s", error.message);
        operation->cancel = operation->request.cancel = cancel;
        operation->cancel_at_ms = now_ms() + rand_r(chance) % 800;
    }
    /* Absolute: the key's own path is nothing that the sandbox knows. */
    strcpy(path, operation->url);
    snprintf(operation->url, sizeof operation->url, "%s%.200s", bases[rand_r(chance) % 2], path);
    operation->request.url = operation->url;
    operation->request.url_len = AIP_NUL_TERMINATED;
}

void release(operation *operation)
{
    aip_response_free(operation->stream);
    aip_upload_free(operation->upload);
    aip_cancel_free(operation->cancel);
    operation->stream = NULL;
    operation->upload = NULL;
    operation->cancel = NULL;
    operation->begun_ms = 0;
}

int32_t read_events(operation *operation, uint32_t wait_ms)
{
    aip_stream_event event;
    aip_error error;
    int32_t status;
    if (aip_response_status(operation->stream) != 200)
        return AIP_END;
    while ((status = aip_response_next_event(operation->stream, wait_ms, &event, &error)) == AIP_OK) {
        operation->events++;
        operation->marked = event.data_len == 6 && memcmp(event.data, "[DONE]", 6) == 0;
        if (operation->kind == GIVEN_UP && operation->events == 3)
            return AIP_END;
    }
    if (status >= AIP_INVALID_ARGUMENT)
        operation->broken = status;
    return status;
}

void push(operation *operation)
{
    aip_error error;
    int32_t status = AIP_OK;
    while (operation->pushed < operation->length && status == AIP_OK) {
        size_t taken = 0, left = operation->length - operation->pushed;
        status = aip_upload_write(operation->upload, upload_bytes, left, 0, &taken, &error);
        operation->pushed += taken;
    }
    if (status == AIP_OK && !operation->pushed_all) {
        operation->pushed_all = true;
        status = aip_upload_finish(operation->upload, &error);
    }
    /* When its request has ended, that says how itself. */
    if (status != AIP_OK && status != AIP_WOULD_BLOCK && status != AIP_CLOSED)
        fail("upload: %s: %s", aip_status_name(status), error.message);
}

static void check_answer(operation *operation, aip_response *response)
{
    const uint8_t *body;
    size_t length = 0;
    aip_error error;
    if (response == NULL) {
        if (operation->stream == NULL || !operation->marked)
            fail("a stream ended well, after %u events, without its last", operation->events);
        return;
    }
    aip_response_body(response, &body, &length, &error);
    /* The echo says more than what was pushed. */
    if (operation->upload != NULL ? length < operation->length : length != operation->length)
        fail("a whole answer of %zu bytes, not %zu: %s", length, operation->length, operation->url);
}

void count_end(operation *operation, int32_t status, aip_response *response)
{
    aip_response *answer = response != NULL ? response : operation->stream;
    uint32_t http_status = aip_response_status(answer);
    aip_response_info info = {0};
    aip_response_get_info(answer, &info, sizeof info);
    if (info.attempts > 1)
        retries += info.attempts - 1;
    if (status == AIP_OK && operation->broken != 0)
        status = operation->broken;
    if (status == AIP_OK && http_status == 200 && operation->kind != GIVEN_UP)
        check_answer(operation, response);
    outcomes[status == AIP_OK && http_status >= 400 ? HTTP_ERROR : status % STATUSES]++;
    aip_response_free(response);
    release(operation);
    ended++;
}

void print_outcomes(void)
{
    unsigned long long named = outcomes[HTTP_ERROR];
    printf(" HTTP=%llu", named);
    for (size_t i = 0; i < sizeof expected_ends / sizeof expected_ends[0]; i++) {
        unsigned long long count = outcomes[expected_ends[i]];
        printf(" %s=%llu", aip_status_name(expected_ends[i]) + strlen("AIP_"), count);
        named += count;
    }
    for (int32_t status = 0; status < HTTP_ERROR && named != ended; status++) {
        bool known = false;
        for (size_t i = 0; i < sizeof expected_ends / sizeof expected_ends[0]; i++)
            known = known || status == expected_ends[i];
        if (!known && outcomes[status] != 0)
            fail("%llu operations ended with %s", outcomes[status], aip_status_name(status));
    }
}
