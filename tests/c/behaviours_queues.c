/* Behaviours of requests that nobody waits for: what becomes of them comes out of a queue. */
#include <pthread.h>

#include "behaviours.h"
#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"
#include "streaming.h"

void submitted_requests_end_once_each_with_their_tag(void)
{
    static const char *urls[] = {"/bytes/1", "/bytes/2", "/bytes/3"};
    static const uint64_t tags[] = {0, 7, UINT64_MAX};
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_queue *queue = new_queue(pool);
    for (size_t i = 0; i < 3; i++) {
        aip_request request = get_of(urls[i]);
        submit(session, &request, queue, tags[i]);
    }
    unsigned seen[3] = {0, 0, 0};
    for (size_t i = 0; i < 3; i++) {
        aip_completion done = next(queue);
        CHECK_EQ(done.kind, AIP_COMPLETION_DONE);
        CHECK_STATUS(done.status, AIP_OK);
        size_t bytes = info_of(done.response).body_bytes;
        CHECK(bytes >= 1 && bytes <= 3 && done.tag == tags[bytes - 1]);
        seen[bytes - 1]++;
    }
    CHECK(seen[0] == 1 && seen[1] == 1 && seen[2] == 1);
    close_empty(queue);
}

void cancelled_submission_ends_once_as_cancelled(void)
{
    aip_pool *pool = new_pool();
    aip_queue *queue = new_queue(pool);
    aip_request request = get_of("/hold/cancelled-submission");
    request.cancel = new_cancel();
    submit(session_of(pool, sandbox_http()), &request, queue, 9);
    wait_held("cancelled-submission", 1);
    CHECK_STATUS(aip_cancel_fire(request.cancel), AIP_OK);
    aip_completion done = next_of(queue, AIP_COMPLETION_DONE, 9);
    CHECK_STATUS(done.status, AIP_CANCELLED);
    CHECK_EQ(done.error.delivery, AIP_MAYBE_SENT);
    CHECK(done.response == NULL);
    wait_gone("cancelled-submission");
    close_empty(queue);
}

void closing_takes_no_more_and_ends_after_the_last(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_queue *queue = new_queue(pool);
    aip_request held = get_of("/hold/closing"), late = get_of("/echo");
    aip_completion none;
    size_t count;
    submit(session, &held, queue, 1);
    wait_held("closing", 1);
    CHECK_STATUS(aip_queue_close(queue, &error), AIP_OK);
    CHECK_STATUS(aip_session_submit(session, &late, queue, 2, &error), AIP_CLOSED);
    CHECK_EQ(error.detail, AIP_DETAIL_QUEUE_CLOSED);
    CHECK_EQ(error.delivery, AIP_NOT_SENT);
    CHECK_STATUS(aip_queue_next(queue, &none, 1, 0, &count, &error), AIP_WOULD_BLOCK);
    release("closing");
    aip_completion done = next_of(queue, AIP_COMPLETION_DONE, 1);
    CHECK_STATUS(done.status, AIP_OK);
    CHECK_EQ(aip_response_status(done.response), 200);
    close_empty(queue);
}

void requests_given_up_together_leave_the_pool_usable(void)
{
    aip_pool *pool = new_pool();
    aip_session *lease = lease_of(pool, fresh_listener().http);
    aip_queue *queue = new_queue(pool);
    aip_request held = get_of("/hold/given-up"), streamed = stream_of("/hold/given-up");
    submit(lease, &held, queue, 1);
    submit(lease, &held, queue, 2);
    int32_t status = aip_session_submit(lease, &streamed, queue, 3, &error);
    if (!lacks_over_reqwest(status, "flags (AIP_REQUEST_STREAM): "))
        CHECK_STATUS(status, AIP_OK);
    wait_held("given-up", over_reqwest() ? 2 : 3);
    CHECK_STATUS(aip_queue_free(queue), AIP_OK);
    wait_gone("given-up");
    CHECK_STATUS(aip_session_submit(lease, &held, queue, 4, &error), AIP_INVALID_HANDLE);
    CHECK_EQ(aip_response_status(ask(lease, "/echo")), 200);
    CHECK_STATUS(aip_session_free(lease), AIP_OK);
    wait_unused(pool);
}

/* Waits for a completion, and gives a count other than 0 where one came, or the wait failed. */
static void *waits(void *queue)
{
    aip_completion none;
    size_t count;
    int32_t status = aip_queue_next(queue, &none, 1, PATIENCE_MS, &count, NULL);
    return (void *)(status == AIP_OK ? count : 77);
}

void wake_brings_a_waiter_back_with_nothing(void)
{
    aip_queue *queue = new_queue(new_pool());
    pthread_t thread;
    void *count;
    /* Before anybody waits, and while somebody may. */
    CHECK_STATUS(aip_queue_wake(queue), AIP_OK);
    CHECK(waits(queue) == NULL);
    CHECK_EQ(pthread_create(&thread, NULL, waits, queue), 0);
    CHECK_STATUS(aip_queue_wake(queue), AIP_OK);
    CHECK_EQ(pthread_join(thread, &count), 0);
    CHECK(count == NULL);
    aip_completion none;
    size_t left;
    CHECK_STATUS(aip_queue_next(queue, &none, 1, 0, &left, &error), AIP_WOULD_BLOCK);
}

void readable_comes_after_a_read_in_vain(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_queue *queue = new_queue(pool);
    aip_request request = chat("one two", "drip=50");
    int32_t status = aip_session_submit(session, &request, queue, 5, &error);
    if (lacks_over_reqwest(status, "flags (AIP_REQUEST_STREAM): ")) {
        close_empty(queue);
        return;
    }
    CHECK_STATUS(status, AIP_OK);
    aip_response *response = next_of(queue, AIP_COMPLETION_HEAD, 5).response;
    aip_stream_event event;
    unsigned events = 0, in_vain = 0;
    while ((status = aip_response_next_event(response, 0, &event, &error)) != AIP_END) {
        if (status == AIP_WOULD_BLOCK) {
            in_vain++;
            next_of(queue, AIP_COMPLETION_READABLE, 5);
        } else {
            CHECK_STATUS(status, AIP_OK);
            events++;
        }
    }
    CHECK_EQ(events, 7);
    CHECK(in_vain > 0);
    CHECK_STATUS(next_of(queue, AIP_COMPLETION_DONE, 5).status, AIP_OK);
    close_empty(queue);
}
