/* Completion queues: submitted requests, their one end each, descriptors, many consumers: queues [INTERLEAVINGS [EVENTS]]. */
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"
#include "streaming.h"

static unsigned long interleavings = 20000, events = 20000;

static int is_readable(int fd)
{
    struct pollfd poller = {fd, POLLIN, 0};
    return poll(&poller, 1, 0) == 1;
}

static void a_submitted_request_ends_once(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_queue *queue = new_queue(pool);
    const uint64_t tags[] = {0, 7, UINT64_MAX};
    for (int i = 0; i < 3; i++) {
        aip_request request = get_of("/bytes/5");
        submit(session, &request, queue, tags[i]);
        aip_completion done = next_of(queue, AIP_COMPLETION_DONE, tags[i]);
        CHECK_STATUS(done.status, AIP_OK);
        CHECK_TEXT(body_of(done.response), "aaaaa");
    }
    aip_completion none;
    size_t count = 5;
    CHECK_STATUS(aip_queue_next(queue, &none, 1, 0, &count, &error), AIP_WOULD_BLOCK);
    CHECK_EQ(count, 0);
    CHECK_STATUS(aip_queue_next(queue, &none, 1, 20, &count, &error), AIP_TIMEOUT);
    CHECK_EQ(error.detail, AIP_DETAIL_WAIT_LIMIT);
    aip_request request = get_of("/");
    submit(session_of(pool, refused_url()), &request, queue, 3);
    aip_completion failed = next_of(queue, AIP_COMPLETION_DONE, 3);
    CHECK_STATUS(failed.status, AIP_CONNECT);
    CHECK_EQ(failed.error.status, AIP_CONNECT);
    CHECK_EQ(failed.error.delivery, AIP_NOT_SENT);
    CHECK(failed.response == NULL);
}

static void a_stream_tells_of_its_head_and_of_what_there_is_to_read(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_queue *queue = new_queue(pool);
    aip_request request = stream_of("/bytes/300000");
    submit(session, &request, queue, 1);
    aip_response *response = next_of(queue, AIP_COMPLETION_HEAD, 1).response;
    CHECK_EQ(aip_response_status(response), 200);
    static uint8_t body[300000];
    size_t length = 0, count;
    int ended = 0;
    for (int32_t status = AIP_OK; status != AIP_END;) {
        while ((status = aip_response_read(response, body, 1000, 0, &count, &error)) == AIP_OK)
            length += count;
        if (status == AIP_WOULD_BLOCK) {
            aip_completion completion = next(queue);
            CHECK_EQ(completion.tag, 1);
            CHECK(completion.kind == AIP_COMPLETION_READABLE || completion.kind == AIP_COMPLETION_DONE);
            ended += completion.kind == AIP_COMPLETION_DONE;
        } else {
            CHECK_STATUS(status, AIP_END);
        }
    }
    CHECK_EQ(length, 300000);
    while (ended == 0)
        ended += next(queue).kind == AIP_COMPLETION_DONE;
    CHECK_EQ(ended, 1);
}

static void who_does_not_ask_is_not_told_to_read(void)
{
    aip_pool *pool = new_pool();
    aip_queue *queue = new_queue(pool);
    aip_request request = stream_of("/bytes/300000");
    submit(session_of(pool, sandbox_http()), &request, queue, 1);
    aip_response *response = next_of(queue, AIP_COMPLETION_HEAD, 1).response;
    CHECK_STATUS(next_of(queue, AIP_COMPLETION_DONE, 1).status, AIP_OK);
    CHECK_EQ(info_of(response).body_bytes, 300000);
}

static void the_descriptor_is_readable_while_there_is_something(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_queue *queue = new_queue(pool);
    int fd, twin;
    CHECK_STATUS(aip_queue_fd(queue, &fd, &error), AIP_OK);
    CHECK(!is_readable(fd));
    aip_request request = get_of("/echo");
    submit(session, &request, queue, 1);
    submit(session, &request, queue, 2);
    struct pollfd poller = {fd, POLLIN, 0};
    CHECK_EQ(poll(&poller, 1, PATIENCE_MS), 1);
    CHECK_STATUS(aip_queue_fd(queue, &twin, &error), AIP_OK);
    CHECK(is_readable(twin));
    close(twin);
    CHECK_EQ(next(queue).tag + next(queue).tag, 1 + 2);
    CHECK(!is_readable(fd));
    /* Closed under us: it was ours, not the library's. */
    close(fd);
    submit(session, &request, queue, 3);
    next_of(queue, AIP_COMPLETION_DONE, 3);
    CHECK_STATUS(aip_queue_fd(queue, &fd, &error), AIP_OK);
    CHECK(!is_readable(fd));
    close(fd);
}

static void a_descriptor_of_the_hosts_is_written_to(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_queue *queue = new_queue(pool);
    int ends[2];
    char bytes[100];
    CHECK_EQ(pipe(ends), 0);
    CHECK_STATUS(aip_queue_set_notify_fd(queue, -7, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_queue_set_notify_fd(queue, 1000000, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_queue_set_notify_fd(queue, ends[1], &error), AIP_OK);
    aip_request request = get_of("/echo");
    for (uint64_t tag = 1; tag < 3; tag++) {
        submit(session, &request, queue, tag);
        CHECK_EQ(read(ends[0], bytes, sizeof bytes), 8);
        next_of(queue, AIP_COMPLETION_DONE, tag);
    }
    /* Ours may go at any time, and a reader that is gone raises no signal. */
    close(ends[1]);
    close(ends[0]);
    submit(session, &request, queue, 3);
    next_of(queue, AIP_COMPLETION_DONE, 3);
    CHECK_STATUS(aip_queue_set_notify_fd(queue, -1, &error), AIP_OK);
}

static aip_queue *woken;

static void wakes(int signal)
{
    (void)signal;
    aip_queue_wake(woken);
}

static void a_wake_brings_a_consumer_back_with_nothing(void)
{
    aip_pool *pool = new_pool();
    woken = new_queue(pool);
    aip_completion none;
    size_t count = 5;
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(aip_queue_wake(woken), AIP_OK);
        CHECK_STATUS(aip_queue_next(woken, &none, 1, PATIENCE_MS, &count, &error), AIP_OK);
        CHECK_EQ(count, 0);
    }
    /* Also from a signal handler, on the thread that waits. */
    signal(SIGUSR1, wakes);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec soon = {.it_value = {0, 20000000}};
    CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    CHECK_EQ(timer_settime(timer, 0, &soon, NULL), 0);
    count = 5;
    CHECK_STATUS(aip_queue_next(woken, &none, 1, PATIENCE_MS, &count, &error), AIP_OK);
    CHECK_EQ(count, 0);
    timer_delete(timer);
    CHECK_STATUS(aip_queue_free(woken), AIP_OK);
    CHECK_STATUS(aip_queue_wake(woken), AIP_INVALID_HANDLE);
}

/* Each wake uses a flag up, which is replaced meanwhile; and a freed pool takes all flags with it. */
static void a_wake_of_a_live_queue_is_never_refused(void)
{
    aip_pool *pool = new_pool();
    aip_queue *queue = new_queue(pool);
    aip_completion none;
    size_t count;
    for (int i = 0; i < 50000; i++)
        CHECK_STATUS(aip_queue_wake(queue), AIP_OK);
    CHECK_STATUS(aip_pool_free(pool), AIP_OK);
    while (aip_queue_next(queue, &none, 1, PATIENCE_MS, &count, &error) == AIP_OK)
        CHECK_EQ(count, 0);
    for (int i = 0; i < 50000; i++)
        CHECK_STATUS(aip_queue_wake(queue), AIP_OK);
    CHECK_STATUS(aip_queue_free(queue), AIP_OK);
    CHECK_STATUS(aip_queue_wake(queue), AIP_INVALID_HANDLE);
}

static void a_cancelled_request_says_so(void)
{
    aip_pool *pool = new_pool();
    listener listener = fresh_listener();
    aip_queue *queue = new_queue(pool);
    aip_request request = get_of("/hold/cancelled-in-a-queue");
    request.cancel = new_cancel();
    submit(session_of(pool, listener.http), &request, queue, 9);
    wait_held("cancelled-in-a-queue", 1);
    CHECK_STATUS(aip_cancel_fire(request.cancel), AIP_OK);
    aip_completion done = next_of(queue, AIP_COMPLETION_DONE, 9);
    CHECK_STATUS(done.status, AIP_CANCELLED);
    CHECK_EQ(done.error.delivery, AIP_MAYBE_SENT);
    wait_gone("cancelled-in-a-queue");
}

static void a_closed_queue_ends_after_its_last_request(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_queue *queue = new_queue(pool);
    aip_request request = get_of("/hold/closed-queue");
    submit(session, &request, queue, 1);
    wait_held("closed-queue", 1);
    CHECK_STATUS(aip_queue_close(queue, &error), AIP_OK);
    CHECK_STATUS(aip_queue_close(queue, &error), AIP_OK);
    CHECK_STATUS(aip_session_submit(session, &request, queue, 2, &error), AIP_CLOSED);
    CHECK_EQ(error.detail, AIP_DETAIL_QUEUE_CLOSED);
    aip_completion none;
    size_t count;
    CHECK_STATUS(aip_queue_next(queue, &none, 1, 0, &count, &error), AIP_WOULD_BLOCK);
    release("closed-queue");
    CHECK_STATUS(next_of(queue, AIP_COMPLETION_DONE, 1).status, AIP_OK);
    CHECK_STATUS(aip_queue_next(queue, &none, 1, PATIENCE_MS, &count, &error), AIP_END);
}

static void requests_outlive_their_pool_and_session(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_queue *queue = new_queue(pool);
    aip_request request = get_of("/hold/outlives"), stream = stream_of("/bytes/100?sandbox=delay=50");
    submit(session, &request, queue, 1);
    submit(session, &stream, queue, 2);
    wait_held("outlives", 1);
    CHECK_STATUS(aip_session_free(session), AIP_OK);
    CHECK_STATUS(aip_pool_free(pool), AIP_OK);
    release("outlives");
    unsigned done = 0;
    while (done < 2) {
        aip_completion completion = next(queue);
        done += completion.kind == AIP_COMPLETION_DONE;
        CHECK_STATUS(completion.status, AIP_OK);
    }
    aip_completion none;
    size_t count;
    CHECK_STATUS(aip_queue_next(queue, &none, 1, PATIENCE_MS, &count, &error), AIP_END);
}

/* Waits for a completion: how that ended. */
static void *waits(void *queue)
{
    aip_completion none;
    size_t count;
    return (void *)(intptr_t)aip_queue_next(queue, &none, 1, PATIENCE_MS, &count, NULL);
}

static void a_freed_pool_lets_waiting_consumers_go(void)
{
    aip_pool *pool = new_pool();
    aip_queue *queue = new_queue(pool);
    int fd;
    CHECK_STATUS(aip_queue_fd(queue, &fd, &error), AIP_OK);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, waits, queue), 0);
    CHECK(!is_readable(fd));
    CHECK_STATUS(aip_pool_free(pool), AIP_OK);
    CHECK(is_readable(fd));
    close(fd);
    for (int i = 0; i < 2; i++) {
        void *ended;
        pthread_join(threads[i], &ended);
        CHECK_STATUS((int32_t)(intptr_t)ended, AIP_END);
    }
}

static void a_freed_queue_ends_what_is_under_way(void)
{
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, fresh_listener().http);
    aip_queue *queue = new_queue(pool);
    aip_request held = get_of("/hold/freed-queue"), stream = stream_of("/bytes/100000?sandbox=stall=100");
    submit(session, &held, queue, 1);
    submit(session, &stream, queue, 2);
    wait_held("freed-queue", 1);
    aip_response *response = next_of(queue, AIP_COMPLETION_HEAD, 2).response;
    pthread_t thread;
    void *waited;
    CHECK_EQ(pthread_create(&thread, NULL, waits, queue), 0);
    CHECK_STATUS(aip_queue_free(queue), AIP_OK);
    pthread_join(thread, &waited);
    CHECK((intptr_t)waited == AIP_CANCELLED || (intptr_t)waited == AIP_INVALID_HANDLE);
    wait_gone("freed-queue");
    uint8_t body[1000];
    size_t count;
    int32_t status;
    while ((status = aip_response_read(response, body, sizeof body, PATIENCE_MS, &count, &error)) == AIP_OK)
        ;
    CHECK_STATUS(status, AIP_CANCELLED);
    CHECK_STATUS(aip_session_submit(session, &held, queue, 3, &error), AIP_INVALID_HANDLE);
}

static void bad_input_for_queues(void)
{
    aip_pool *pool = new_pool(), *other = new_pool();
    aip_queue *queue = new_queue(pool);
    aip_request request = get_of("/echo");
    aip_completion completion;
    size_t count = 5;
    int fd = 7;
    CHECK_STATUS(aip_session_submit(session_of(other, sandbox_http()), &request, queue, 1, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "queue: is another pool's");
    CHECK_STATUS(aip_session_submit(session_of(pool, sandbox_http()), &request, NULL, 1, &error), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_queue_next(queue, &completion, 0, 0, &count, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_queue_next(queue, NULL, 1, 0, &count, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_queue_next(queue, &completion, 1, 0, NULL, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_queue_new(NULL, &queue, &error), AIP_INVALID_HANDLE);
    CHECK(queue == NULL);
    CHECK_STATUS(aip_queue_fd(NULL, &fd, &error), AIP_INVALID_HANDLE);
    CHECK_EQ(fd, 7);
    CHECK_STATUS(aip_queue_wake(NULL), AIP_INVALID_HANDLE);
    CHECK_STATUS(aip_queue_free(NULL), AIP_OK);
    aip_session *session = session_of(pool, sandbox_http());
    queue = new_queue(pool);
    request.method = "NO METHOD";
    request.method_len = AIP_NUL_TERMINATED;
    CHECK_STATUS(aip_session_submit(session, &request, queue, 1, &error), AIP_INVALID_ARGUMENT);
    CHECK_STATUS(aip_session_close(session, &error), AIP_OK);
    request = get_of("/echo");
    CHECK_STATUS(aip_session_submit(session, &request, queue, 1, &error), AIP_CLOSED);
    CHECK_STATUS(aip_queue_close(queue, &error), AIP_OK);
    CHECK_STATUS(aip_queue_next(queue, &completion, 1, 0, &count, &error), AIP_END);
}

static aip_cancel *all_flags[1 << 20];

/* A wake that comes while there is no other flag for the next is heard when there is, and so are those after it. */
static void a_queue_outlives_a_time_without_flags(void)
{
    aip_pool *pool = new_pool();
    aip_queue *queue = new_queue(pool), *none = NULL;
    aip_completion completion;
    aip_library_stats before, after;
    size_t count, flags = 0;
    aip_stats(&before, sizeof before);
    while (flags < 1 << 20 && aip_cancel_new(&all_flags[flags], &error) == AIP_OK)
        flags++;
    CHECK(flags > 1000000);
    CHECK_STATUS(aip_queue_new(pool, &none, &error), AIP_LIMIT);
    aip_stats(&after, sizeof after);
    int32_t woken = aip_queue_wake(queue);
    CHECK_STATUS(aip_queue_next(queue, &completion, 1, 100, &count, &error), AIP_TIMEOUT);
    while (flags > 0)
        aip_cancel_free(all_flags[--flags]);
    CHECK(none == NULL && after.queues == before.queues);
    CHECK_STATUS(woken, AIP_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(aip_queue_next(queue, &completion, 1, PATIENCE_MS, &count, &error), AIP_OK);
        CHECK_EQ(count, 0);
        CHECK_STATUS(aip_queue_wake(queue), AIP_OK);
    }
}

static void an_upload_tells_when_there_is_room(void)
{
    aip_pool *pool = new_pool();
    aip_queue *queue = new_queue(pool);
    aip_upload *upload = new_upload(AIP_UNLIMITED);
    aip_request request = upload_to("/echo", upload);
    aip_session *session = session_of(pool, sandbox_http());
    submit(session, &request, queue, 4);
    /* It stays the first one's, and so does the word of room. */
    CHECK_STATUS(aip_session_submit(session, &request, queue, 5, &error), AIP_INVALID_ARGUMENT);
    CHECK_STARTS(error.message, "upload: belongs to another request");
    static uint8_t data[2000000];
    size_t at = 0, taken;
    while (at < sizeof data) {
        int32_t status = aip_upload_write(upload, data + at, sizeof data - at, 0, &taken, &error);
        if (status == AIP_WOULD_BLOCK)
            next_of(queue, AIP_COMPLETION_WRITABLE, 4);
        else
            CHECK_STATUS(status, AIP_OK);
        at += taken;
    }
    CHECK_STATUS(aip_upload_finish(upload, &error), AIP_OK);
    CHECK_STATUS(next_of(queue, AIP_COMPLETION_DONE, 4).status, AIP_OK);
}

/* ---- Many at once ---- */

enum { CONSUMERS = 4, REQUESTS = 400 };

static _Atomic unsigned ends[REQUESTS];

static void *consumes(void *queue)
{
    aip_completion batch[8];
    size_t count;
    int32_t status;
    while ((status = aip_queue_next(queue, batch, 8, PATIENCE_MS, &count, NULL)) == AIP_OK)
        for (size_t i = 0; i < count; i++) {
            aip_response_free(batch[i].response);
            ends[batch[i].tag]++;
        }
    return (void *)(intptr_t)status;
}

static void many_consumers_share_the_ends(void)
{
    memset(ends, 0, sizeof ends);
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_queue *queue = new_queue(pool);
    pthread_t threads[CONSUMERS];
    for (int i = 0; i < CONSUMERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, consumes, queue), 0);
    aip_request request = get_of("/bytes/10");
    for (uint64_t tag = 0; tag < REQUESTS; tag++)
        submit(session, &request, queue, tag);
    CHECK_STATUS(aip_queue_close(queue, &error), AIP_OK);
    for (int i = 0; i < CONSUMERS; i++) {
        void *status;
        pthread_join(threads[i], &status);
        CHECK_STATUS((int32_t)(intptr_t)status, AIP_END);
    }
    for (int tag = 0; tag < REQUESTS; tag++)
        CHECK_EQ(ends[tag], 1);
}

/* A host that does nothing but poll the descriptor and take what is there, while others submit. */

typedef struct producer {
    aip_session *session;
    aip_queue *queue;
    unsigned seed;
    unsigned long wanted;
} producer;

static _Atomic unsigned long submitted, drained;

static void *produces(void *raw)
{
    producer *producer = raw;
    aip_request request = get_of("/");
    for (unsigned long i = 0; i < producer->wanted; i++) {
        /* Few at a time, so that the queue is empty again and again. */
        unsigned long most = (unsigned long)rand_r(&producer->seed) % 32;
        while (submitted > drained + most)
            sched_yield();
        submitted++;
        if (aip_session_submit(producer->session, &request, producer->queue, i, NULL) != AIP_OK)
            return "refused";
    }
    return NULL;
}

/* Takes until there is nothing: how many. */
static unsigned long drain(aip_queue *queue)
{
    aip_completion batch[16];
    size_t count;
    unsigned long all = 0;
    int32_t status;
    while ((status = aip_queue_next(queue, batch, 16, 0, &count, &error)) == AIP_OK) {
        all += count;
        for (size_t i = 0; i < count; i++)
            CHECK_EQ(batch[i].kind, AIP_COMPLETION_DONE);
    }
    CHECK_STATUS(status, AIP_WOULD_BLOCK);
    return all;
}

static void the_descriptor_never_misses_one(void)
{
    enum { PRODUCERS = 3 };
    submitted = drained = 0;
    unsigned long missed = 0, in_vain = 0, polls = 0, wanted = events / PRODUCERS * PRODUCERS;
    alarm(150 + (unsigned)(events / 1000));
    aip_pool *pool = new_pool();
    aip_session *session = session_of(pool, refused_url());
    aip_queue *queue = new_queue(pool);
    int fd;
    CHECK_STATUS(aip_queue_fd(queue, &fd, &error), AIP_OK);
    producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (producer){session, queue, 5 + i, events / PRODUCERS};
        CHECK_EQ(pthread_create(&threads[i], NULL, produces, &producers[i]), 0);
    }
    for (; drained < wanted && missed == 0; polls++) {
        struct pollfd poller = {fd, POLLIN, 0};
        missed += poll(&poller, 1, PATIENCE_MS) != 1;
        unsigned long found = drain(queue);
        in_vain += found == 0;
        drained += found;
    }
    unsigned long all = drained;
    printf("   %lu events in %lu polls: %lu missed, %lu in vain\n", all, polls, missed, in_vain);
    /* After a miss the producers must end too. */
    drained = ULONG_MAX / 2;
    for (int i = 0; i < PRODUCERS; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        CHECK(failure == NULL);
    }
    CHECK_EQ(missed, 0);
    CHECK_EQ(in_vain, 0);
    CHECK_EQ(all, submitted);
    CHECK(!is_readable(fd));
    close(fd);
}

/* Random submits, cancels, frees and closes over several threads: as many ends as requests were accepted. */

static _Atomic unsigned long accepted, ended_requests;

typedef struct player {
    aip_pool *pool;
    aip_session *session;
    unsigned seed;
    unsigned long turns;
} player;

static unsigned draw(player *player, unsigned below)
{
    return (unsigned)rand_r(&player->seed) % below;
}

static void take_some(player *player, aip_queue *queue, uint32_t timeout_ms, aip_response *streams[], size_t room)
{
    aip_completion batch[16];
    size_t count;
    if (aip_queue_next(queue, batch, 16, timeout_ms, &count, NULL) != AIP_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        ended_requests += batch[i].kind == AIP_COMPLETION_DONE;
        if (batch[i].kind == AIP_COMPLETION_HEAD && draw(player, 2)) {
            aip_response **place = &streams[draw(player, (unsigned)room)];
            aip_response_free(*place);
            *place = batch[i].response;
        } else {
            aip_response_free(batch[i].response);
        }
    }
}

enum { STREAMS = 8 };

static void free_streams(aip_response *streams[])
{
    for (int place = 0; place < STREAMS; place++) {
        aip_response_free(streams[place]);
        streams[place] = NULL;
    }
}

static void *plays(void *raw)
{
    player *player = raw;
    aip_response *streams[STREAMS] = {NULL};
    for (unsigned long turn = 0; turn < player->turns;) {
        aip_queue *queue;
        if (aip_queue_new(player->pool, &queue, NULL) != AIP_OK)
            return "no queue";
        aip_cancel *cancel = NULL;
        for (unsigned left = 1 + draw(player, 300); left > 0 && turn < player->turns; left--, turn++) {
            aip_request request = get_of(draw(player, 2) ? "/bytes/100" : "/bytes/70000");
            uint8_t bytes[500];
            size_t count;
            switch (draw(player, 8)) {
            case 0:
                aip_cancel_fire(cancel);
                aip_cancel_free(cancel);
                if (aip_cancel_new(&cancel, NULL) != AIP_OK)
                    return "no cancel";
                break;
            case 1:
                take_some(player, queue, draw(player, 3), streams, STREAMS);
                break;
            case 2:
                aip_response_read(streams[draw(player, STREAMS)], bytes, sizeof bytes, draw(player, 2), &count, NULL);
                break;
            default:
                request.cancel = draw(player, 3) == 0 ? cancel : NULL;
                request.flags = draw(player, 2) ? AIP_REQUEST_STREAM : 0;
                if (aip_session_submit(player->session, &request, queue, turn, NULL) == AIP_OK)
                    accepted++;
            }
        }
        aip_queue_close(queue, NULL);
        aip_completion batch[16];
        size_t count;
        int32_t status;
        while ((status = aip_queue_next(queue, batch, 16, PATIENCE_MS, &count, NULL)) == AIP_OK)
            for (size_t i = 0; i < count; i++) {
                ended_requests += batch[i].kind == AIP_COMPLETION_DONE;
                /* An unread stream would never end. */
                aip_response_free(batch[i].response);
                free_streams(streams);
            }
        aip_queue_free(queue);
        aip_cancel_free(cancel);
        if (status != AIP_END)
            return (void *)aip_status_name(status);
        /* Those that were kept, and had ended before. */
        free_streams(streams);
    }
    return NULL;
}

static void as_many_ends_as_were_accepted(void)
{
    enum { PLAYERS = 4 };
    accepted = ended_requests = 0;
    alarm(150 + (unsigned)(interleavings / 1000));
    aip_pool_options options = pool_options();
    options.threads = 0;
    aip_pool *pool = new_pool_with(&options);
    aip_session *session = session_of(pool, sandbox_http());
    player players[PLAYERS];
    pthread_t threads[PLAYERS];
    for (unsigned i = 0; i < PLAYERS; i++) {
        players[i] = (player){pool, session, 77 + i, interleavings / PLAYERS};
        CHECK_EQ(pthread_create(&threads[i], NULL, plays, &players[i]), 0);
    }
    for (int i = 0; i < PLAYERS; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        if (failure != NULL)
            check_text(__FILE__, __LINE__, failure, "");
    }
    printf("   %lu interleavings: %lu accepted, %lu ended\n", interleavings, accepted, ended_requests);
    CHECK_EQ(ended_requests, accepted);
    CHECK_EQ(stats_of(pool).in_flight, 0);
}

static const test tests[] = {
    {"a_submitted_request_ends_once", a_submitted_request_ends_once},
    {"a_stream_tells_of_its_head_and_of_what_there_is_to_read", a_stream_tells_of_its_head_and_of_what_there_is_to_read},
    {"who_does_not_ask_is_not_told_to_read", who_does_not_ask_is_not_told_to_read},
    {"the_descriptor_is_readable_while_there_is_something", the_descriptor_is_readable_while_there_is_something},
    {"a_descriptor_of_the_hosts_is_written_to", a_descriptor_of_the_hosts_is_written_to},
    {"a_wake_brings_a_consumer_back_with_nothing", a_wake_brings_a_consumer_back_with_nothing},
    {"a_wake_of_a_live_queue_is_never_refused", a_wake_of_a_live_queue_is_never_refused},
    {"a_cancelled_request_says_so", a_cancelled_request_says_so},
    {"a_closed_queue_ends_after_its_last_request", a_closed_queue_ends_after_its_last_request},
    {"requests_outlive_their_pool_and_session", requests_outlive_their_pool_and_session},
    {"a_freed_pool_lets_waiting_consumers_go", a_freed_pool_lets_waiting_consumers_go},
    {"a_freed_queue_ends_what_is_under_way", a_freed_queue_ends_what_is_under_way},
    {"bad_input_for_queues", bad_input_for_queues},
    {"a_queue_outlives_a_time_without_flags", a_queue_outlives_a_time_without_flags},
    {"an_upload_tells_when_there_is_room", an_upload_tells_when_there_is_room},
    {"many_consumers_share_the_ends", many_consumers_share_the_ends},
    {"the_descriptor_never_misses_one", the_descriptor_never_misses_one},
    {"as_many_ends_as_were_accepted", as_many_ends_as_were_accepted},
};

int main(int argc, char **argv)
{
    unsigned long *numbers[] = {&interleavings, &events};
    for (int i = 0; i < 2 && argc > 1 && strtoul(argv[1], NULL, 10) > 0; i++) {
        *numbers[i] = strtoul(argv[1], NULL, 10);
        argc--, argv++;
    }
    return run_tests(TESTS_IN(tests), argc, argv);
}
