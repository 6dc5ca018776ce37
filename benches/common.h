/* What all C programs of the bench share: the plan, the clock, the latencies, the line of figures. */

#ifndef COMMON_H
#define COMMON_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { POST_BYTES = 500, REPLY_BYTES = 1024, MOST_THREADS = 64, MOST_URL = 256 };

/* What to do, from the command line: PEER URL CA_FILE HTTP THREADS BASES WARMUP SECONDS REQUESTS.
 * Each thread sends WARMUP requests that are not counted, then stops after SECONDS or REQUESTS, whichever is first.
 * For programs of one thread (flight.h, streams.h) THREADS is how many requests are in flight, or how many streams. */
struct plan {
    const char *peer, *url, *ca_file;
    int http; /* 1, 2, or 0: by ALPN, which has to give 2 */
    int threads;
    int bases; /* 1: all threads use URL; as many as threads: each a base URL of its own below it */
    unsigned long warmup;
    double seconds;
    unsigned long requests;
};

/* Latencies in buckets whose width is at most 1/256 of their value. */
enum { STEP_BITS = 8, STEPS = 1 << STEP_BITS, BUCKETS = 40 * STEPS };

struct histogram {
    uint32_t counts[BUCKETS];
    uint64_t total;
};

static __attribute__((unused)) const uint8_t post_body[POST_BYTES] = {[0 ... POST_BYTES - 1] = 'x'};

__attribute__((noreturn)) static void die(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static struct plan plan_of(int argc, char **argv) {
    if (argc != 10)
        die(argv[0], "usage: PEER URL CA_FILE HTTP THREADS BASES WARMUP SECONDS REQUESTS");
    const struct plan plan = {
        .peer = argv[1],
        .url = argv[2],
        .ca_file = argv[3],
        .http = atoi(argv[4]),
        .threads = atoi(argv[5]),
        .bases = atoi(argv[6]),
        .warmup = strtoul(argv[7], NULL, 10),
        .seconds = strtod(argv[8], NULL),
        .requests = strtoul(argv[9], NULL, 10),
    };
    if (plan.threads < 1)
        die("THREADS", "1 or more");
    return plan;
}

static inline void record(struct histogram *histogram, uint64_t nanos) {
    unsigned shift = 63u - (unsigned)__builtin_clzll(nanos | STEPS) - STEP_BITS;
    uint64_t bucket = (uint64_t)shift * STEPS + (nanos >> shift);
    histogram->counts[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    histogram->total++;
}

/* The upper end, in microseconds, of the bucket that holds this share of all. */
static inline double quantile_us(const struct histogram *histogram, double share) {
    double wanted = (double)histogram->total * share;
    uint64_t seen = 0;
    unsigned bucket = 0;
    while (bucket < BUCKETS - 1 && (double)(seen += histogram->counts[bucket]) < wanted)
        bucket++;
    unsigned shift = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;
    return (double)((uint64_t)(bucket - shift * STEPS + 1) << shift) / 1e3;
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* User and system time of this process in microseconds. */
static double cpu_us(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static inline void print_figures(const struct histogram *all, double seconds, double cpu) {
    double requests = (double)all->total;
    printf("requests=%lu rps=%.1f cpu_us=%.3f p50_us=%.2f p99_us=%.2f\n", (unsigned long)all->total, requests / seconds,
           cpu / requests, quantile_us(all, 0.50), quantile_us(all, 0.99));
}

#endif
