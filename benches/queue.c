/* The library through a completion queue, from one thread. */

#include "flight.h"

#include <aipool.h>

enum { BATCH = 64 };

static aip_pool *pool;
static aip_session *session;
static aip_queue *queue;
static aip_request request;
static uint32_t version; /* that has to come */

static void check(int32_t status, const char *what, const aip_error *error) {
    if (status != AIP_OK)
        die(what, error != NULL ? error->message : aip_status_name(status));
}

static void start(const struct plan *plan) {
    aip_error error;
    check(aip_pool_new(NULL, &pool, &error), "aip_pool_new", &error);
    aip_session_options options;
    aip_session_options_init(&options, sizeof options);
    options.ca_file = plan->ca_file;
    options.ca_file_len = AIP_NUL_TERMINATED;
    options.http_version = plan->http == 2 ? AIP_HTTP_2 : AIP_HTTP_1;
    version = plan->http == 2 ? 20 : 11;
    check(aip_pool_get_session(pool, plan->url, AIP_NUL_TERMINATED, &options, &session, &error), "aip_pool_get_session",
          &error);
    check(aip_queue_new(pool, &queue, &error), "aip_queue_new", &error);
    aip_request_init(&request, sizeof request);
    request.method = "POST";
    request.method_len = AIP_NUL_TERMINATED;
    static const char headers[] = "content-type\0application/json";
    request.packed_headers = headers;
    request.packed_headers_len = sizeof headers;
    request.body = post_body;
    request.body_len = sizeof post_body;
}

static void submit(int slot) {
    aip_error error;
    meter_begin(slot);
    check(aip_session_submit(session, &request, queue, (uint64_t)slot, &error), "aip_session_submit", &error);
}

static void take(const aip_completion *done) {
    check(done->status, "aip_queue_next", &done->error);
    const uint8_t *body;
    size_t body_len;
    aip_error error;
    check(aip_response_body(done->response, &body, &body_len, &error), "aip_response_body", &error);
    if (aip_response_status(done->response) != 200 || body_len != REPLY_BYTES)
        die("aip_session_submit", "not the expected reply");
    check(aip_response_free(done->response), "aip_response_free", NULL);
}

static void check_version(const aip_completion *done) {
    aip_response_info info;
    check(aip_response_get_info(done->response, &info, sizeof info), "aip_response_get_info", NULL);
    if (info.http_version != version)
        die("aip_response_get_info", "not the protocol that was asked for");
}

int main(int argc, char **argv) {
    const struct plan plan = plan_of(argc, argv);
    meter_start(&plan);
    start(&plan);
    int in_flight = 0;
    while (in_flight < plan.threads)
        submit(in_flight++);
    bool checked = false;
    while (in_flight > 0) {
        aip_completion batch[BATCH];
        size_t count;
        aip_error error;
        check(aip_queue_next(queue, batch, BATCH, 60000, &count, &error), "aip_queue_next", &error);
        for (size_t i = 0; i < count; i++) {
            if (!checked && batch[i].status == AIP_OK)
                check_version(&batch[i]), checked = true;
            take(&batch[i]);
            if (meter_done((int)batch[i].tag))
                submit((int)batch[i].tag);
            else
                in_flight--;
        }
    }
    meter_print();
    check(aip_queue_free(queue), "aip_queue_free", NULL);
    check(aip_session_free(session), "aip_session_free", NULL);
    check(aip_pool_free(pool), "aip_pool_free", NULL);
    return 0;
}
