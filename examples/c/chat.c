/* Twenty chats over pooled connections, with an OpenAI-compatible server at AIPOOL_SANDBOX_HTTP. */
#include <aipool.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERIAL = 7, AT_ONCE = 10 };

static unsigned chats;
static uint64_t connections, reused, first_us, warm_us[SERIAL - 1];

/* Every failure of this demo ends here. */
static void must(int32_t status, const aip_error *error, const char *what)
{
    if (status == AIP_OK)
        return;
    fprintf(stderr, "chat: %s: %s: %s\n", what, aip_status_name(status), error->message);
    exit(1);
}

/* A chat request for a relative path; `json` holds its body. */
static aip_request chat_request(const char *question, char *json, size_t cap)
{
    static const char headers[] = "content-type\0application/json";
    aip_request request;
    aip_request_init(&request, sizeof request);
    static const char form[] = "{\"model\":\"sandbox-small\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}";
    snprintf(json, cap, form, question);
    request.method = "POST";
    request.method_len = AIP_NUL_TERMINATED;
    request.url = "chat/completions";
    request.url_len = AIP_NUL_TERMINATED;
    request.packed_headers = headers;
    request.packed_headers_len = sizeof headers;
    request.body = (const uint8_t *)json;
    request.body_len = strlen(json);
    return request;
}

/* The answer's text: good enough for a demo, where no quote is escaped. */
static void print_answer(const char *question, aip_response *response)
{
    const uint8_t *body = NULL;
    size_t length = 0;
    char text[2048];
    aip_error error = {0};
    must(aip_response_body(response, &body, &length, &error), &error, "body");
    snprintf(text, sizeof text, "%.*s", (int)length, (const char *)body);
    char *answer = strstr(text, "\"content\":\"");
    if (aip_response_status(response) != 200 || answer == NULL) {
        fprintf(stderr, "chat: HTTP %u: %s\n", aip_response_status(response), text);
        exit(1);
    }
    answer += strlen("\"content\":\"");
    printf("%-24s -> %.*s\n", question, (int)strcspn(answer, "\""), answer);
}

/* One chat: microseconds from the call to the end of the answer. */
static uint64_t chat(aip_session *session, const char *question)
{
    char json[512];
    aip_error error = {0};
    aip_response_info info;
    aip_response *response = NULL;
    aip_request request = chat_request(question, json, sizeof json);
    must(aip_session_request(session, &request, &response, &error), &error, question);
    aip_response_get_info(response, &info, sizeof info);
    print_answer(question, response);
    aip_response_free(response);
    return info.total_us;
}

static aip_session *get(aip_pool *pool, const char *key)
{
    aip_error error = {0};
    aip_session *session = NULL;
    must(aip_pool_get_session(pool, key, AIP_NUL_TERMINATED, NULL, &session, &error), &error, "get_session");
    return session;
}

static aip_pool *new_pool(int64_t max_size)
{
    aip_error error = {0};
    aip_pool_options options;
    aip_pool *pool = NULL;
    aip_pool_options_init(&options, sizeof options);
    options.max_size = max_size;
    must(aip_pool_new(&options, &pool, &error), &error, "pool_new");
    return pool;
}

static void count_and_free(aip_pool *pool)
{
    aip_error error = {0};
    aip_pool_stats stats;
    must(aip_pool_get_stats(pool, &stats, sizeof stats, &error), &error, "stats");
    connections += stats.connections_opened;
    reused += stats.requests_reused;
    aip_pool_free(pool);
}

static int by_size(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

/* One after the other over one session: the first opens a connection, the others find it warm. */
static void chat_serially(const char *base)
{
    aip_pool *pool = new_pool(0);
    aip_session *session = get(pool, base);
    for (int i = 0; i < SERIAL; i++) {
        char question[32];
        snprintf(question, sizeof question, "serial %d", i + 1);
        uint64_t us = chat(session, question);
        if (i == 0)
            first_us = us;
        else
            warm_us[i - 1] = us;
        chats++;
    }
    qsort(warm_us, SERIAL - 1, sizeof warm_us[0], by_size);
    aip_session_free(session);
    count_and_free(pool);
}

static void *chat_on_a_thread(void *base)
{
    aip_error error = {0};
    aip_pool *pool = NULL;
    must(aip_pool_global(NULL, &pool, &error), &error, "pool_global");
    aip_session *session = get(pool, base);
    chat(session, "at once");
    aip_session_free(session);
    aip_pool_free(pool);
    return NULL;
}

/* Ten threads share the process's global pool, and within it one session. */
static void chat_at_once(char *base)
{
    pthread_t threads[AT_ONCE];
    aip_error error = {0};
    aip_pool *pool = NULL;
    must(aip_pool_global(NULL, &pool, &error), &error, "pool_global");
    for (int i = 0; i < AT_ONCE; i++) {
        if (pthread_create(&threads[i], NULL, chat_on_a_thread, base) != 0) {
            fputs("chat: cannot start a thread\n", stderr);
            exit(1);
        }
    }
    for (int i = 0; i < AT_ONCE; i++)
        pthread_join(threads[i], NULL);
    chats += AT_ONCE;
    count_and_free(pool);
    must(aip_pool_close_global(1000, &error), &error, "close_global");
}

/* While the lease lives, a pool of one session exceeds its size rather than give the session up. */
static void chat_over_a_lease(aip_pool *pool, const char *base)
{
    aip_error error = {0};
    aip_session *lease = NULL;
    must(aip_pool_acquire(pool, base, AIP_NUL_TERMINATED, NULL, &lease, &error), &error, "acquire");
    aip_session_free(get(pool, "http://another.example"));
    chat(lease, "over a lease");
    chats++;
    aip_session_free(lease);
}

/* In a pool of one session another key gives the first up: its handle says so, and getting it again works. */
static void chat_after_an_eviction(aip_pool *pool, const char *base)
{
    char json[512];
    aip_error error = {0};
    aip_response *response = NULL;
    aip_session *session = get(pool, base);
    chat(session, "before the eviction");
    aip_session_free(get(pool, "http://another.example"));
    aip_request request = chat_request("evicted", json, sizeof json);
    int32_t status = aip_session_request(session, &request, &response, &error);
    aip_session_free(session);
    if (status != AIP_CLOSED || error.detail != AIP_DETAIL_EVICTED) {
        fprintf(stderr, "chat: an evicted session says %s\n", aip_status_name(status));
        exit(1);
    }
    printf("%-24s -> %s: %s\n", "evicted", aip_status_name(status), error.message);
    session = get(pool, base);
    chat(session, "after the eviction");
    aip_session_free(session);
    chats += 2;
}

int main(void)
{
    const char *server = getenv("AIPOOL_SANDBOX_HTTP");
    if (server == NULL) {
        fputs("chat: AIPOOL_SANDBOX_HTTP is not set; run this by scripts/with-sandbox\n", stderr);
        return 1;
    }
    char base[256];
    snprintf(base, sizeof base, "%s/v1", server);
    chat_serially(base);
    chat_at_once(base);
    aip_pool *small = new_pool(1);
    chat_over_a_lease(small, base);
    chat_after_an_eviction(small, base);
    count_and_free(small);
    printf("demo lang=C chats=%u connections=%llu reused=%llu first_us=%llu warm_us=%llu\n", chats,
           (unsigned long long)connections, (unsigned long long)reused, (unsigned long long)first_us,
           (unsigned long long)warm_us[(SERIAL - 1) / 2]);
    return 0;
}
