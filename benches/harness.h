/* One run of the bench: threads that send requests one after the other; one line of figures.
 * peers/src/harness.rs has the same in Rust. */

#ifndef HARNESS_H
#define HARNESS_H

#include "common.h"

#include <pthread.h>

/* What a peer brings: once a process, once a thread, once a request. */
static void peer_start(const struct plan *plan);
static void *peer_open(const struct plan *plan, int index);
static void peer_request(void *thread_state);
static void peer_close(void *thread_state);
static void peer_stop(void);

struct sender {
    const struct plan *plan;
    pthread_barrier_t *barrier;
    int index;
    void *peer_state;
    pthread_t thread;
    struct histogram latencies;
};

/* The URL of this thread: `url` holds MOST_URL bytes. */
__attribute__((unused)) static void url_of(const struct plan *plan, int index, char *url) {
    if (plan->bases == 1)
        snprintf(url, MOST_URL, "%s", plan->url);
    else
        snprintf(url, MOST_URL, "%s%d", plan->url, index % plan->bases);
}

static void merge(struct histogram *all, const struct histogram *other) {
    for (int i = 0; i < BUCKETS; i++)
        all->counts[i] += other->counts[i];
    all->total += other->total;
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
    print_figures(&senders[0].latencies, seconds, cpu);
}

int main(int argc, char **argv) {
    const struct plan plan = plan_of(argc, argv);
    if (plan.threads > MOST_THREADS)
        die("THREADS", "1 to 64");
    if (plan.bases != 1 && plan.bases != plan.threads)
        die("BASES", "1 or THREADS");
    peer_start(&plan);
    run(&plan);
    peer_stop();
    return 0;
}

#endif
