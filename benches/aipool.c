/* The library through its C ABI. Peers: aipool (the pool's own connections), aipool-threads2 (the same, two library
 * threads drive), aipool-reqwest (the second transport), aipool-generate (a client's call, its answer
 * read). Three more send nothing: get-session gets the one existing
 * session's handle and frees it; new-session and new-origin do so with a key never seen, at the same server and at
 * another. */

#include "harness.h"

#include <stdbool.h>

#include <aipool.h>

static aip_pool *pool;
static aip_session_options options;
static aip_session *sessions[MOST_THREADS]; /* by base URL */
static aip_client *client;
static char prompt[POST_BYTES - 70]; /* with its JSON as long as the other bodies */
static const struct plan *the_plan;

static void check(int32_t status, const char *what, const aip_error *error) {
    if (status != AIP_OK)
        die(what, error != NULL ? error->message : aip_status_name(status));
}

static bool is(const char *peer) { return strcmp(the_plan->peer, peer) == 0; }

static aip_session *get(const char *key, const aip_session_options *with) {
    aip_error error;
    aip_session *session;
    check(aip_pool_get_session(pool, key, AIP_NUL_TERMINATED, with, &session, &error), "aip_pool_get_session", &error);
    return session;
}

static void start_client(const char *url) {
    aip_error error;
    aip_client_options client_options;
    aip_client_options_init(&client_options, sizeof client_options);
    client_options.kind = AIP_CLIENT_OPENAI;
    client_options.base_url = url;
    client_options.base_url_len = AIP_NUL_TERMINATED;
    client_options.api_key = "sk-bench";
    client_options.api_key_len = AIP_NUL_TERMINATED;
    client_options.model = "m";
    client_options.model_len = AIP_NUL_TERMINATED;
    client_options.session = &options;
    check(aip_client_new(pool, &client_options, &client, &error), "aip_client_new", &error);
    memset(prompt, 'x', sizeof prompt);
}

static void generate(void) {
    aip_error error;
    aip_response *response;
    check(aip_client_generate(client, prompt, sizeof prompt, NULL, &response, &error), "aip_client_generate", &error);
    aip_reply reply;
    check(aip_response_reply(response, &reply, sizeof reply, &error), "aip_response_reply", &error);
    if (reply.finish_reason != AIP_FINISH_STOP || reply.total_tokens != 300)
        die("aip_client_generate", "not the expected reply");
    check(aip_response_free(response), "aip_response_free", NULL);
}

static void peer_start(const struct plan *plan) {
    the_plan = plan;
    aip_error error;
    aip_pool_options pool_options;
    aip_pool_options_init(&pool_options, sizeof pool_options);
    if (is("aipool-threads2"))
        pool_options.threads = 2;
    if (plan->bases > 1)
        pool_options.max_size = plan->bases;
    check(aip_pool_new(&pool_options, &pool, &error), "aip_pool_new", &error);

    aip_session_options_init(&options, sizeof options);
    options.ca_file = plan->ca_file;
    options.ca_file_len = AIP_NUL_TERMINATED;
    options.http_version = plan->http == 0 ? AIP_HTTP_AUTO : plan->http == 2 ? AIP_HTTP_2 : AIP_HTTP_1;
    if (is("aipool-reqwest"))
        options.transport = AIP_TRANSPORT_REQWEST;
    for (int i = 0; i < plan->bases; i++) {
        char url[MOST_URL];
        url_of(plan, i, url);
        sessions[i] = get(url, &options);
    }
    if (is("aipool-generate"))
        start_client(plan->url);
}

static void *peer_open(const struct plan *plan, int index) { return sessions[index % plan->bases]; }

static void post(aip_session *to) {
    aip_error error;
    aip_request request;
    aip_request_init(&request, sizeof request);
    request.method = "POST";
    request.method_len = AIP_NUL_TERMINATED;
    static const char headers[] = "content-type\0application/json";
    request.packed_headers = headers;
    request.packed_headers_len = sizeof headers;
    request.body = post_body;
    request.body_len = sizeof post_body;
    aip_response *response;
    check(aip_session_request(to, &request, &response, &error), "aip_session_request", &error);
    const uint8_t *body;
    size_t body_len;
    check(aip_response_body(response, &body, &body_len, &error), "aip_response_body", &error);
    if (aip_response_status(response) != 200 || body_len != REPLY_BYTES)
        die("aip_session_request", "not the expected reply");
    check(aip_response_free(response), "aip_response_free", NULL);
}

static void get_and_free(void) {
    static unsigned long number;
    char key[MOST_URL];
    const aip_session_options *with = is("get-session") ? NULL : &options;
    if (with == NULL)
        snprintf(key, sizeof key, "%s", the_plan->url);
    else if (is("new-session"))
        snprintf(key, sizeof key, "%s%lu", the_plan->url, __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED));
    else
        snprintf(key, sizeof key, "https://h%lu.example/", __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED));
    check(aip_session_free(get(key, with)), "aip_session_free", NULL);
}

static void peer_request(void *thread_state) {
    if (is("aipool-generate"))
        generate();
    else if (strncmp(the_plan->peer, "aipool", 6) == 0)
        post(thread_state);
    else
        get_and_free();
}

static void peer_close(void *thread_state) { (void)thread_state; }

static void peer_stop(void) {
    check(aip_client_free(client), "aip_client_free", NULL);
    for (int i = 0; i < the_plan->bases; i++)
        check(aip_session_free(sessions[i]), "aip_session_free", NULL);
    check(aip_pool_free(pool), "aip_pool_free", NULL);
}
