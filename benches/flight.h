/* One run of the bench in one thread: so many requests in flight, and another one for each that is done. What is under way
 * when the time is over is not counted. The other languages' peers have the same as their meter. */

#ifndef FLIGHT_H
#define FLIGHT_H

#include "common.h"

#include <stdbool.h>

enum { MOST_IN_FLIGHT = 1000, MOST_CONNECTIONS = 64 };

struct meter {
    const struct plan *plan;
    struct histogram latencies;
    uint64_t since[MOST_IN_FLIGHT]; /* when each began */
    uint64_t warmed, began, ended;
    double cpu;
};

static struct meter meter;

static void meter_start(const struct plan *plan) {
    if (plan->threads > MOST_IN_FLIGHT)
        die("THREADS", "1 to 1000");
    meter.plan = plan;
}

static void meter_begin(int slot) { meter.since[slot] = now_ns(); }

/* The request of this slot is done; whether to send another. */
static bool meter_done(int slot) {
    const struct plan *plan = meter.plan;
    uint64_t now = now_ns();
    if (meter.ended != 0)
        return false;
    if (meter.began == 0) {
        if (++meter.warmed >= plan->warmup * (uint64_t)plan->threads) {
            meter.began = now;
            meter.cpu = cpu_us();
        }
        return true;
    }
    record(&meter.latencies, now - meter.since[slot]);
    if (now - meter.began >= (uint64_t)(plan->seconds * 1e9) || meter.latencies.total >= plan->requests) {
        meter.ended = now;
        meter.cpu = cpu_us() - meter.cpu;
    }
    return meter.ended == 0;
}

static void meter_print(void) {
    print_figures(&meter.latencies, (double)(meter.ended - meter.began) / 1e9, meter.cpu);
}

#endif
