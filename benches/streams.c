/* Token streams through the library: parsed events, of all streams by one thread, over a completion queue. */

#include "streams.h"

#include <aipool.h>

/* Completions taken at once; events read between two looks at the clock. */
enum { BATCH = 64, LOOK = 1024 };

static aip_pool *pool;
static aip_session *session;
static aip_queue *queue;
static aip_response *responses[MOST_STREAMS];

static void check(int32_t status, const char *what, const aip_error *error) {
    if (status != AIP_OK)
        die(what, error != NULL ? error->message : aip_status_name(status));
}

static void start(const struct plan *plan) {
    aip_error error;
    aip_pool_options options;
    aip_pool_options_init(&options, sizeof options);
    options.max_connections_per_origin = options.max_connections = AIP_UNLIMITED;
    check(aip_pool_new(&options, &pool, &error), "aip_pool_new", &error);
    check(aip_pool_get_session(pool, plan->url, AIP_NUL_TERMINATED, NULL, &session, &error), "aip_pool_get_session",
          &error);
    check(aip_queue_new(pool, &queue, &error), "aip_queue_new", &error);
    tokens_start(plan, 1);
    aip_request request;
    aip_request_init(&request, sizeof request);
    request.flags = AIP_REQUEST_STREAM;
    for (int i = 0; i < plan->threads; i++)
        check(aip_session_submit(session, &request, queue, (uint64_t)i, &error), "aip_session_submit", &error);
}

/* Reads what has come of one stream; whether the run is over. */
static bool read_events(aip_response *response) {
    aip_error error;
    aip_stream_event event;
    int32_t status;
    while ((status = aip_response_next_event(response, 0, &event, &error)) == AIP_OK)
        if (++tokens.events % LOOK == 0 && tokens_over())
            return true;
    if (status != AIP_WOULD_BLOCK)
        die("aip_response_next_event", status == AIP_END ? "the stream has ended" : error.message);
    return false;
}

static bool take(const aip_completion *completion) {
    check(completion->status, "stream", &completion->error);
    aip_response **response = &responses[completion->tag];
    if (completion->kind == AIP_COMPLETION_HEAD) {
        *response = completion->response;
        tokens.heads++;
    }
    return read_events(*response);
}

/* Until the run is over. */
static void read_all(void) {
    while (!tokens_over()) {
        aip_completion batch[BATCH];
        size_t count;
        aip_error error;
        check(aip_queue_next(queue, batch, BATCH, 60000, &count, &error), "aip_queue_next", &error);
        for (size_t i = 0; i < count; i++)
            if (take(&batch[i]))
                return;
    }
}

int main(int argc, char **argv) {
    const struct plan plan = plan_of(argc, argv);
    start(&plan);
    read_all();
    for (int i = 0; i < plan.threads; i++)
        check(aip_response_free(responses[i]), "aip_response_free", NULL);
    check(aip_queue_free(queue), "aip_queue_free", NULL);
    check(aip_session_free(session), "aip_session_free", NULL);
    check(aip_pool_free(pool), "aip_pool_free", NULL);
    return 0;
}
