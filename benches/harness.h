/* One run of the bench: threads that send requests one after the other; one line of figures.
 * peers/src/harness.rs has the same in Rust. */

#ifndef HARNESS_H
#define HARNESS_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { POST_BYTES = 500, REPLY_BYTES = 1024, MOST_THREADS = 64, MOST_URL = 256 };

/* What to do, from the command line: PEER URL CA_FILE HTTP THREADS BASES WARMUP SECONDS REQUESTS.
 * Each thread sends WARMUP requests that are not counted, then stops after SECONDS or REQUESTS, whichever is first. */
struct plan {
    const char *peer, *url, *ca_file;
    int http; /* 1, 2, or 0: by ALPN, which has to give 2 */
    int threads;
    int bases; /* 1: all threads use URL; as many as threads: each a base URL of its own below it */
    unsigned long warmup;
    double seconds;
    unsigned long requests;
};

/* What a peer brings: once a process, once a thread, once a request. */
static void peer_start(const struct plan *plan);
static void *peer_open(const struct plan *plan, int index);
static void peer_request(void *thread_state);
static void peer_close(void *thread_state);
static void peer_stop(void);

static const uint8_t post_body[POST_BYTES] = {[0 ... POST_BYTES - 1] = 'x'};

/* Latencies in buckets whose width is at most 1/256 of their value. */
enum { STEP_BITS = 8, STEPS = 1 << STEP_BITS, BUCKETS = 40 * STEPS };

struct histogram {
    uint32_t counts[BUCKETS];
    uint64_t total;
};

struct sender {
    const struct plan *plan;
    pthread_barrier_t *barrier;
    int index;
    void *peer_state;
    pthread_t thread;
    struct histogram latencies;
};

__attribute__((noreturn)) static void die(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* The URL of this thread: `url` holds MOST_URL bytes. */
__attribute__((unused)) static void url_of(const struct plan *plan, int index, char *url) {
    if (plan->bases == 1)
        snprintf(url, MOST_URL, "%s", plan->url);
    else
        snprintf(url, MOST_URL, "%s%d", plan->url, index % plan->bases);
}

static void record(struct histogram *histogram, uint64_t nanos) {
    unsigned shift = 63u - (unsigned)__builtin_clzll(nanos | STEPS) - STEP_BITS;
    uint64_t bucket = (uint64_t)shift * STEPS + (nanos >> shift);
    histogram->counts[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    histogram->total++;
}

static void merge(struct histogram *all, const struct histogram *other) {
    for (int i = 0; i < BUCKETS; i++)
        all->counts[i] += other->counts[i];
    all->total += other->total;
}

/* The upper end, in microseconds, of the bucket that holds this share of all. */
static double quantile_us(const struct histogram *histogram, double share) {
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

static void warm_up(struct sender *sender) {
    sender->peer_state = peer_open(sender->plan, sender->index);
    for (unsigned long i = 0; i < sender->plan->warmup; i++)
        peer_request(sender->peer_state);
    pthread_barrier_wait(sender->barrier);
}

static void measure(struct sender *sender) {
    const struct plan *plan = sender->plan;
    uint64_t last = now_ns(), end = last + (uint64_t)(plan->seconds * 1e9);
    while (sender->latencies.total < plan->requests && last < end) {
        peer_request(sender->peer_state);
        uint64_t now = now_ns();
        record(&sender->latencies, now - last);
        last = now;
    }
}

static void *sender_thread(void *argument) {
    struct sender *sender = argument;
    warm_up(sender);
    pthread_barrier_wait(sender->barrier);
    measure(sender);
    return NULL;
}

/* Runs as planned and prints the figures. This thread is one of the senders. */
static void run(const struct plan *plan) {
    static struct sender senders[MOST_THREADS];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)plan->threads);
    for (int i = 0; i < plan->threads; i++) {
        senders[i].plan = plan;
        senders[i].index = i;
        senders[i].barrier = &barrier;
        if (i > 0 && pthread_create(&senders[i].thread, NULL, sender_thread, &senders[i]) != 0)
            die(plan->peer, "cannot start a thread");
    }
    warm_up(&senders[0]);
    double cpu = cpu_us();
    uint64_t began = now_ns();
    pthread_barrier_wait(&barrier);
    measure(&senders[0]);
    for (int i = 1; i < plan->threads; i++) {
        pthread_join(senders[i].thread, NULL);
        merge(&senders[0].latencies, &senders[i].latencies);
    }
    double seconds = (double)(now_ns() - began) / 1e9;
    cpu = cpu_us() - cpu;
    for (int i = 0; i < plan->threads; i++)
        peer_close(senders[i].peer_state);
    const struct histogram *all = &senders[0].latencies;
    double requests = (double)all->total;
    printf("requests=%lu rps=%.1f cpu_us=%.3f p50_us=%.2f p99_us=%.2f\n", (unsigned long)all->total, requests / seconds,
           cpu / requests, quantile_us(all, 0.50), quantile_us(all, 0.99));
}

int main(int argc, char **argv) {
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
    if (plan.threads < 1 || plan.threads > MOST_THREADS)
        die("THREADS", "1 to 64");
    if (plan.bases != 1 && plan.bases != plan.threads)
        die("BASES", "1 or THREADS");
    peer_start(&plan);
    run(&plan);
    peer_stop();
    return 0;
}

#endif
