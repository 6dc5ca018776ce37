/* Handles, descriptors and memory stay flat over many keys, and many threads make one session: flat_memory [KEYS]. */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "belongings.h"
#include "calls.h"
#include "harness.h"
#include "sandbox.h"

enum { THREADS = 1000, THREAD_STACK = 256 << 10, SETTLED = 1000, REQUEST_EVERY = 100 };
/* What counts as flat. */
enum { KIB_MORE = 8192, DESCRIPTORS_MORE = 8 };

static int keys = 100000;

typedef struct footprint {
    unsigned long handles, descriptors, kib;
} footprint;

static unsigned long open_descriptors(void)
{
    unsigned long count = 0;
    DIR *open = opendir("/proc/self/fd");
    CHECK(open != NULL);
    while (readdir(open) != NULL)
        count++;
    closedir(open);
    return count;
}

static unsigned long resident_kib(void)
{
    unsigned long kib = 0;
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL)
        sscanf(line, "VmRSS: %lu", &kib);
    fclose(status);
    return kib;
}

static footprint footprint_now(void)
{
    return (footprint){live_handles(), open_descriptors(), resident_kib()};
}

/* One key: a host of its own, or the sandbox with a path of its own and then a request too. */
static void use_key(aip_pool *pool, int number)
{
    char key[96], url[96];
    int asks = number % REQUEST_EVERY == 0;
    if (asks)
        snprintf(key, sizeof key, "%s/k%d", sandbox_http(), number);
    else
        snprintf(key, sizeof key, "http://host-%d.example", number);
    aip_session *session = NULL;
    CHECK_STATUS(aip_pool_get_session(pool, key, AIP_NUL_TERMINATED, NULL, &session, &error), AIP_OK);
    if (asks) {
        snprintf(url, sizeof url, "%s/bytes/100", sandbox_http());
        CHECK_STATUS(try_to(session, url), AIP_OK);
    }
    CHECK_STATUS(aip_session_free(session), AIP_OK);
}

static void stay_flat(const char *what, int64_t max_size)
{
    aip_pool_options options = pool_options();
    options.max_size = max_size;
    aip_pool *pool = new_pool_with(&options);
    footprint before = {0, 0, 0};
    for (int i = 0; i < keys; i++) {
        use_key(pool, i);
        if (i == SETTLED)
            before = footprint_now();
    }
    footprint after = footprint_now();
    printf("   %d keys, %s: handles %lu to %lu, descriptors %lu to %lu, resident %lu to %lu KiB\n", keys, what,
           before.handles, after.handles, before.descriptors, after.descriptors, before.kib, after.kib);
    CHECK_EQ(stats_of(pool).sessions_created, keys);
    CHECK(stats_of(pool).sessions <= 10);
    CHECK_EQ(after.handles, before.handles);
    CHECK(after.descriptors <= before.descriptors + DESCRIPTORS_MORE);
    CHECK(after.kib <= before.kib + KIB_MORE);
}

static void keys_through_a_bounded_pool(void)
{
    stay_flat("max_size 10", 10);
}

static void keys_with_pooling_off(void)
{
    stay_flat("max_size off", AIP_OFF);
}

static pthread_barrier_t start;
static aip_pool *shared_pool;

static void *get_at_once(void *place)
{
    aip_session *session = NULL;
    pthread_barrier_wait(&start);
    aip_pool_get_session(shared_pool, "http://new-key", AIP_NUL_TERMINATED, NULL, &session, NULL);
    *(uint64_t *)place = aip_session_id(session);
    aip_session_free(session);
    return NULL;
}

static void one_session_for_1000_threads(void)
{
    static pthread_t threads[THREADS];
    static uint64_t ids[THREADS];
    pthread_attr_t attributes;
    shared_pool = new_pool();
    CHECK_EQ(pthread_barrier_init(&start, NULL, THREADS), 0);
    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, THREAD_STACK), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], &attributes, get_at_once, &ids[i]), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK(ids[0] != 0);
    for (int i = 1; i < THREADS; i++)
        CHECK_EQ(ids[i], ids[0]);
    CHECK_EQ(stats_of(shared_pool).sessions_created, 1);
    pthread_barrier_destroy(&start);
    pthread_attr_destroy(&attributes);
}

static const test tests[] = {
    {"keys_through_a_bounded_pool", keys_through_a_bounded_pool},
    {"keys_with_pooling_off", keys_with_pooling_off},
    {"one_session_for_1000_threads", one_session_for_1000_threads},
};

int main(int argc, char **argv)
{
    if (argc > 1)
        keys = atoi(argv[1]);
    return run_tests(TESTS_IN(tests), 1, argv);
}
