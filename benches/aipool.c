/* The library through its C ABI: one session for all threads. Peers: aipool, aipool-threads2 (two library threads drive),
 * and get-session, whose request is no request: it gets the one existing session's handle and frees it. */

#include "harness.h"

#include <aipool.h>

static aip_pool *pool;
static aip_session *session;
static const char *session_key;

static void check(int32_t status, const char *what, const aip_error *error) {
    if (status != AIP_OK)
        die(what, error != NULL ? error->message : aip_status_name(status));
}

static void peer_start(const struct plan *plan) {
    aip_error error;
    aip_pool_options pool_options;
    aip_pool_options_init(&pool_options, sizeof pool_options);
    if (strcmp(plan->peer, "aipool-threads2") == 0)
        pool_options.threads = 2;
    check(aip_pool_new(&pool_options, &pool, &error), "aip_pool_new", &error);

    aip_session_options options;
    aip_session_options_init(&options, sizeof options);
    options.ca_file = plan->ca_file;
    options.ca_file_len = AIP_NUL_TERMINATED;
    options.http_version = plan->http == 2 ? AIP_HTTP_2 : AIP_HTTP_1;
    session_key = plan->url;
    check(aip_pool_get_session(pool, session_key, AIP_NUL_TERMINATED, &options, &session, &error),
          "aip_pool_get_session", &error);
}

static void *peer_open(const struct plan *plan) {
    return strcmp(plan->peer, "get-session") == 0 ? NULL : session;
}

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

static void get_session(void) {
    aip_error error;
    aip_session *another;
    check(aip_pool_get_session(pool, session_key, AIP_NUL_TERMINATED, NULL, &another, &error), "aip_pool_get_session",
          &error);
    check(aip_session_free(another), "aip_session_free", NULL);
}

static void peer_request(void *thread_state) {
    if (thread_state != NULL)
        post(thread_state);
    else
        get_session();
}

static void peer_close(void *thread_state) { (void)thread_state; }

static void peer_stop(void) {
    aip_library_stats stats;
    check(aip_stats(&stats, sizeof stats), "aip_stats", NULL);
    fprintf(stderr, "hand_offs=%lu guard_drives=%lu guard_looks=%lu\n", (unsigned long)stats.hand_offs,
            (unsigned long)stats.guard_drives, (unsigned long)stats.guard_looks);
    check(aip_session_free(session), "aip_session_free", NULL);
    check(aip_pool_free(pool), "aip_pool_free", NULL);
}
