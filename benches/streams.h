/* One run of token streams in one thread: all of them open, then their events for so long. peers/src/streams.rs has the same
 * in Rust. */

#ifndef STREAMS_H
#define STREAMS_H

#include "common.h"

#include <stdbool.h>
#include <unistd.h>

enum {
    MOST_STREAMS = 1000,
    EVENT_BYTES = 176, /* the server sends all alike */
    SETTLE_MS = 500,   /* from the last stream's head to the first event counted */
};

struct tokens {
    const struct plan *plan;
    int heads;       /* the client counts these */
    uint64_t events; /* and these; or bytes, where it parses nothing */
    uint64_t unit;   /* how many of them are an event */
    uint64_t settled, began, before;
    double cpu, memory_kb;
};

static struct tokens tokens;

static double resident_kb(void) {
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%*d %ld", &pages) != 1)
        die("/proc/self/statm", "cannot be read");
    fclose(statm);
    return (double)(pages * sysconf(_SC_PAGESIZE)) / 1000;
}

static void tokens_start(const struct plan *plan, uint64_t unit) {
    if (plan->threads > MOST_STREAMS)
        die("THREADS", "1 to 1000");
    tokens.plan = plan;
    tokens.unit = unit;
    tokens.memory_kb = resident_kb();
}

static void tokens_print(uint64_t now) {
    double events = (double)(tokens.events - tokens.before) / (double)tokens.unit;
    double seconds = (double)(now - tokens.began) / 1e9;
    printf("requests=%.0f rps=%.1f cpu_us=%.4f kb=%.2f\n", events, events / seconds, (cpu_us() - tokens.cpu) / events,
           (resident_kb() - tokens.memory_kb) / tokens.plan->threads);
}

/* To be called often: whether the run is over; then its figures are printed. */
static bool tokens_over(void) {
    uint64_t now = now_ns();
    if (tokens.heads < tokens.plan->threads)
        return false;
    if (tokens.settled == 0)
        tokens.settled = now + SETTLE_MS * 1000000u;
    if (tokens.began == 0) {
        if (now >= tokens.settled) {
            tokens.began = now;
            tokens.before = tokens.events;
            tokens.cpu = cpu_us();
        }
        return false;
    }
    if (now - tokens.began < (uint64_t)(tokens.plan->seconds * 1e9))
        return false;
    tokens_print(now);
    return true;
}

#endif
