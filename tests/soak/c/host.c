/*
 * The C host of the soak (scripts/soak): two threads with a completion queue each, and threads that block. It prints one line
 * of figures, and fails where an operation did not end exactly once, where anything was left, or where memory grew.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "vitals.h"

enum { LANES = 2, BLOCKING = 40, MOST_SLOTS = 4096, BATCH = 64 };
/* More than an upload takes at once, and less. */
enum { LONG_UPLOAD = 600000, SHORT_UPLOAD = 200000 };
/* Beyond its own limit, which is 15 s at most, an operation is stuck. */
enum { STUCK_MS = 45000 };
/* What counts as flat, and how long what ends by itself may take: look-up threads go after 10 s. */
enum { KIB_MORE = 8192, SETTLES_MS = 20000 };

/* A thread with a queue, and what it has under way. */
typedef struct lane {
    pthread_t thread;
    aip_queue *queue;
    unsigned slots, under_way, chance;
    struct {
        operation operation;
        uint64_t tag;
    } at[MOST_SLOTS];
} lane;

typedef struct blocked {
    pthread_t thread;
    operation operation;
    unsigned chance;
} blocked;

static atomic_int running = LANES + BLOCKING;
static lane lanes[LANES];
static blocked threads[BLOCKING];
static int seconds = 600, in_flight = 200;
static unsigned seed;

static void submit(lane *lane, unsigned slot)
{
    aip_error error;
    operation *operation = &lane->at[slot].operation;
    prepare(operation, LONG_UPLOAD, &lane->chance);
    aip_session *session = any_session(&lane->chance);
    lane->at[slot].tag = (lane->at[slot].tag | (MOST_SLOTS - 1)) + 1 + slot;
    int32_t status = aip_session_submit(session, &operation->request, lane->queue, lane->at[slot].tag, &error);
    aip_session_free(session);
    if (status == AIP_OK) {
        accepted++;
        lane->under_way++;
        operation->begun_ms = now_ms();
        if (operation->upload != NULL)
            push(operation);
        return;
    }
    if (status != AIP_CLOSED)
        fail("not accepted: %s: %s", aip_status_name(status), error.message);
    refused++;
    release(operation);
}

static void take(lane *lane, const aip_completion *completion)
{
    unsigned slot = completion->tag % MOST_SLOTS;
    operation *operation = &lane->at[slot].operation;
    if (lane->at[slot].tag != completion->tag || operation->begun_ms == 0) {
        fail("a completion of kind %u for an operation that is not under way", completion->kind);
        aip_response_free(completion->response);
        return;
    }
    if (completion->kind == AIP_COMPLETION_HEAD)
        operation->stream = completion->response;
    if (completion->kind == AIP_COMPLETION_WRITABLE)
        push(operation);
    if (operation->stream != NULL && read_events(operation, 0) == AIP_END && operation->kind == GIVEN_UP) {
        aip_response_free(operation->stream);
        operation->stream = NULL;
    }
    if (completion->kind == AIP_COMPLETION_DONE) {
        bool streamed = (operation->request.flags & AIP_REQUEST_STREAM) != 0;
        count_end(operation, completion->status, streamed ? NULL : completion->response);
        lane->under_way--;
    }
}

static void *consume(void *argument)
{
    lane *lane = argument;
    aip_completion batch[BATCH];
    aip_error error;
    while (!stopping || lane->under_way > 0) {
        int64_t now = now_ms();
        for (unsigned slot = 0; slot < lane->slots; slot++) {
            operation *operation = &lane->at[slot].operation;
            if (operation->begun_ms == 0 && !stopping)
                submit(lane, slot);
            else if (operation->cancel != NULL && now >= operation->cancel_at_ms)
                aip_cancel_fire(operation->cancel);
        }
        size_t count = 0;
        int32_t status = aip_queue_next(lane->queue, batch, BATCH, 20, &count, &error);
        if (status != AIP_OK && status != AIP_TIMEOUT)
            fail("aip_queue_next: %s: %s", aip_status_name(status), error.message);
        for (size_t i = 0; i < count; i++)
            take(lane, &batch[i]);
    }
    size_t count = 0;
    aip_queue_close(lane->queue, &error);
    if (aip_queue_next(lane->queue, batch, 1, 1000, &count, &error) != AIP_END)
        fail("a queue whose operations all ended does not end");
    aip_queue_free(lane->queue);
    running--;
    return NULL;
}

/* One operation that its thread waits for. */
static void ask_and_wait(operation *operation, unsigned *chance)
{
    aip_response *response = NULL;
    aip_error error;
    /* All of an upload is pushed before it is sent: its thread waits then. */
    prepare(operation, SHORT_UPLOAD, chance);
    if (operation->upload != NULL)
        push(operation);
    aip_session *session = any_session(chance);
    accepted++;
    operation->begun_ms = now_ms();
    int32_t status = aip_session_request(session, &operation->request, &response, &error);
    aip_session_free(session);
    if ((operation->request.flags & AIP_REQUEST_STREAM) != 0) {
        operation->stream = response;
        response = NULL;
    }
    if (operation->stream != NULL)
        while (read_events(operation, 30000) == AIP_WOULD_BLOCK)
            ;
    count_end(operation, status, response);
}

static void *block(void *argument)
{
    blocked *blocked = argument;
    while (!stopping)
        ask_and_wait(&blocked->operation, &blocked->chance);
    running--;
    return NULL;
}

static void check_age(const operation *operation, int64_t now)
{
    int64_t begun = operation->begun_ms;
    if (begun == 0 || now - begun < STUCK_MS)
        return;
    fail("stuck since %lld ms: %s", (long long)(now - begun), operation->url);
    _exit(1);
}

/* What is done to operations from outside, and that none is stuck. */
static void watch(unsigned *chance)
{
    int64_t now = now_ms();
    for (int i = 0; i < LANES; i++) {
        for (unsigned slot = 0; slot < lanes[i].slots; slot++)
            check_age(&lanes[i].at[slot].operation, now);
    }
    for (int i = 0; i < BLOCKING; i++) {
        check_age(&threads[i].operation, now);
        /* A token that was freed meanwhile fires nothing. */
        aip_cancel *cancel = threads[i].operation.cancel;
        if (cancel != NULL && rand_r(chance) % 4 == 0)
            aip_cancel_fire(cancel);
    }
    if (rand_r(chance) % 4 == 0)
        close_any_session(chance);
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
}

static void run(vitals looks[LOOKS])
{
    unsigned chance = seed;
    aip_error error;
    for (int i = 0; i < LANES; i++) {
        lanes[i].slots = (unsigned)(in_flight - BLOCKING) / LANES + 1;
        lanes[i].chance = seed + 1 + (unsigned)i;
        if (aip_queue_new(pool, &lanes[i].queue, &error) != AIP_OK)
            fail("no queue: %s", error.message);
        pthread_create(&lanes[i].thread, NULL, consume, &lanes[i]);
    }
    for (int i = 0; i < BLOCKING; i++) {
        threads[i].chance = seed + 100 + (unsigned)i;
        pthread_create(&threads[i].thread, NULL, block, &threads[i]);
    }
    int64_t begun = now_ms();
    for (int look = 0; look < LOOKS; look++) {
        while (now_ms() - begun < (int64_t)seconds * 1000 * (look + 1) / LOOKS)
            watch(&chance);
        aip_pool_stats stats = {0};
        aip_pool_get_stats(pool, &stats, sizeof stats, &error);
        looks[look] = vitals_now();
        looks[look].in_flight = (long)stats.in_flight;
        printf("look %d kib=%ld\n", look, looks[look].kib);
    }
    stopping = true;
    while (running > 0)
        watch(&chance);
    for (int i = 0; i < LANES; i++)
        pthread_join(lanes[i].thread, NULL);
    for (int i = 0; i < BLOCKING; i++)
        pthread_join(threads[i].thread, NULL);
}

static unsigned long long live_handles(void)
{
    aip_library_stats live;
    aip_stats(&live, sizeof live);
    return live.pools + live.sessions + live.responses + live.cancels + live.queues + live.uploads + live.clients + live.guards;
}

/* Closes the pool; its numbers at that moment are left in `stats`. */
static void close_pool(aip_pool_stats *stats)
{
    aip_error error;
    if (aip_pool_close_all(pool, 5000, &error) != AIP_OK)
        fail("close_all: %s", error.message);
    /* A connection that was given up is closed by whoever drives, a moment later. */
    for (int64_t begun = now_ms(); now_ms() - begun < SETTLES_MS;) {
        aip_pool_get_stats(pool, stats, sizeof *stats, &error);
        if (stats->connections_in_use == 0)
            break;
    }
    if (stats->in_flight != 0 || stats->waiting != 0 || stats->connections_in_use != 0)
        fail("the pool says %llu in flight, %llu waiting, %llu connections in use", (unsigned long long)stats->in_flight,
             (unsigned long long)stats->waiting, (unsigned long long)stats->connections_in_use);
    aip_pool_free(pool);
}

/* Waits until no more is left than there was. */
static vitals settled(const vitals *base)
{
    int64_t begun = now_ms();
    vitals now = vitals_now();
    while (now_ms() - begun < SETTLES_MS &&
           (live_handles() != 0 || now.descriptors > base->descriptors || now.threads > base->threads)) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        now = vitals_now();
    }
    return now;
}

/* A pool that came and went, so that what the process keeps for ever is there. */
static vitals rehearse(void)
{
    aip_pool_stats stats;
    unsigned chance = seed;
    load_begin();
    for (int i = 0; i < 20; i++)
        ask_and_wait(&threads[0].operation, &chance);
    close_pool(&stats);
    return settled(&(vitals){.descriptors = LONG_MAX, .threads = 1});
}

int main(void)
{
    static vitals looks[LOOKS];
    aip_pool_stats stats = {0};
    seconds = atoi(getenv("SOAK_SECONDS"));
    in_flight = atoi(getenv("SOAK_IN_FLIGHT"));
    seed = (unsigned)strtoul(getenv("SOAK_SEED"), NULL, 10);
    vitals base = rehearse();
    load_begin();
    run(looks);
    close_pool(&stats);
    vitals warm = vitals_warm(looks), end = vitals_end(looks), closed = settled(&base);
    printf("soak host=C accepted=%llu ended=%llu", accepted, ended);
    print_outcomes();
    printf(" retries=%llu refused=%llu sessions=%llu evictions=%llu", retries, refused,
           (unsigned long long)stats.sessions_created, (unsigned long long)stats.evictions);
    printf(" connections=%llu reused=%llu", (unsigned long long)stats.connections_opened,
           (unsigned long long)stats.requests_reused);
    printf(" kib_warm=%ld kib_end=%ld fds_base=%ld fds_warm=%ld fds_end=%ld fds_closed=%ld", warm.kib, end.kib, base.descriptors,
           warm.descriptors, end.descriptors, closed.descriptors);
    printf(" threads_base=%ld threads_warm=%ld threads_end=%ld threads_closed=%ld in_flight=%ld\n", base.threads, warm.threads,
           end.threads, closed.threads, end.in_flight);
    if (end.kib > warm.kib + KIB_MORE)
        fail("resident memory grew from %ld to %ld KiB", warm.kib, end.kib);
    if (closed.descriptors != base.descriptors || closed.threads != base.threads)
        fail("descriptors %ld to %ld, threads %ld to %ld", base.descriptors, closed.descriptors, base.threads, closed.threads);
    if (live_handles() != 0 || accepted != ended)
        fail("%llu handles are left, %llu of %llu operations ended", live_handles(), ended, accepted);
    return failed;
}
