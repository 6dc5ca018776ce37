/* Who drives the I/O, counted: how seldom waiters take over, and how seldom the guard wakes: driving [REQUESTS]. */
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"
#include "streaming.h"

static int requests = 30000;

static aip_library_stats library_stats(void)
{
    aip_library_stats stats;
    CHECK_STATUS(aip_stats(&stats, sizeof stats), AIP_OK);
    return stats;
}

/* The state and the voluntary switches of the one guard thread: each wake-up from a sleep ends in one. */
typedef struct guard {
    char state;
    unsigned long switches;
} guard;

static int read_guard(const char *tid, guard *guard)
{
    char path[300], line[256], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    while (strcmp(name, "aipool-guard") == 0 || name[0] == '\0') {
        if (fgets(line, sizeof line, file) == NULL)
            break;
        sscanf(line, "Name: %31s", name);
        sscanf(line, "State: %c", &guard->state);
        sscanf(line, "voluntary_ctxt_switches: %lu", &guard->switches);
    }
    fclose(file);
    return strcmp(name, "aipool-guard") == 0;
}

static guard the_guard(void)
{
    guard found = {0, 0};
    int guards = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;)
        guards += read_guard(task->d_name, &found);
    closedir(tasks);
    CHECK_EQ(guards, 1);
    return found;
}

/* A pool driven by those who wait, alone in the process: the guards of earlier ones have ended. */
static aip_pool *only_pool(void)
{
    aip_pool_options options = pool_options();
    options.threads = 0;
    while (library_stats().guards > 0)
        sched_yield();
    return new_pool_with(&options);
}

static void serial_requests_hand_nothing_over(void)
{
    aip_session *session = session_of(only_pool(), sandbox_http());
    aip_request request = get_of("/bytes/10");
    aip_library_stats before = library_stats();
    for (int i = 0; i < requests; i++)
        CHECK_STATUS(try_with(session, &request), AIP_OK);
    aip_library_stats after = library_stats();
    unsigned long hand_offs = after.hand_offs - before.hand_offs;
    unsigned long drives = after.guard_drives - before.guard_drives, looks = after.guard_looks - before.guard_looks;
    printf("   %d serial requests: %lu hand-offs, %lu guard drives, %lu looks\n", requests, hand_offs, drives, looks);
    CHECK(hand_offs <= 2);
}

/* The subject is one wait of 10 s; nothing is timed. */
static void blocked_wait_lets_the_guard_sleep(void)
{
    aip_session *session = session_of(only_pool(), sandbox_http());
    ask(session, "/echo");
    aip_request request = get_of("/echo");
    WITH_HEADERS(&request, "x-sandbox\0delay=10000");
    aip_library_stats before = library_stats();
    unsigned long switches = the_guard().switches;
    ask_with(session, &request);
    switches = the_guard().switches - switches;
    aip_library_stats after = library_stats();
    unsigned long counted = after.guard_looks - before.guard_looks + after.guard_drives - before.guard_drives;
    printf("   10 s of waiting: %lu guard wake-ups counted, %lu by the system\n", counted, switches);
    CHECK(counted <= 5);
    CHECK(switches <= 5);
}

static void idle_process_stays_asleep(void)
{
    aip_session *session = session_of(only_pool(), sandbox_http());
    uint64_t drives = library_stats().guard_drives;
    ask(session, "/echo");
    /* Quiet begins when the guard drives again and sleeps in the poller. */
    while (library_stats().guard_drives == drives || the_guard().state != 'S')
        sched_yield();
    aip_library_stats before = library_stats();
    unsigned long switches = the_guard().switches;
    /* The measured interval: 3 s in which nothing happens. */
    poll(NULL, 0, 3000);
    switches = the_guard().switches - switches;
    aip_library_stats after = library_stats();
    printf("   3 s of idling: %lu guard wake-ups by the system\n", switches);
    CHECK_EQ(switches, 0);
    CHECK_EQ(after.guard_looks - before.guard_looks, 0);
    CHECK_EQ(after.guard_drives - before.guard_drives, 0);
}

static uint64_t milliseconds(void)
{
    struct timespec now;
    CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* It looks by itself, however many submits find nobody waiting. Where each woke it there were five looks a millisecond. */
static void submits_in_a_loop_wake_no_guard(void)
{
    enum { IN_FLIGHT = 8 };
    aip_pool *pool = only_pool();
    aip_session *session = session_of(pool, sandbox_http());
    aip_queue *queue = new_queue(pool);
    aip_request request = get_of("/bytes/10");
    for (uint64_t tag = 0; tag < IN_FLIGHT; tag++)
        submit(session, &request, queue, tag);
    aip_library_stats before = library_stats();
    uint64_t began = milliseconds();
    for (int i = IN_FLIGHT; i < requests; i++) {
        aip_completion completion;
        size_t count = 0;
        CHECK_STATUS(aip_queue_next(queue, &completion, 1, PATIENCE_MS, &count, &error), AIP_OK);
        CHECK_STATUS(completion.status, AIP_OK);
        CHECK_STATUS(aip_response_free(completion.response), AIP_OK);
        submit(session, &request, queue, completion.tag);
    }
    uint64_t took = milliseconds() - began;
    unsigned long looks = library_stats().guard_looks - before.guard_looks;
    printf("   %d submits one at a time in %lu ms: %lu looks\n", requests, (unsigned long)took, looks);
    CHECK(looks <= 3 * took + 20);
}

static const test tests[] = {
    {"submits_in_a_loop_wake_no_guard", submits_in_a_loop_wake_no_guard},
    {"serial_requests_hand_nothing_over", serial_requests_hand_nothing_over},
    {"blocked_wait_lets_the_guard_sleep", blocked_wait_lets_the_guard_sleep},
    {"idle_process_stays_asleep", idle_process_stays_asleep},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        requests = atoi(argv[1]);
    return run_tests(TESTS_IN(tests), 1, argv);
}
