/* What this process takes of the machine, and how that went over a run. */
#ifndef VITALS_H
#define VITALS_H

#include <stdint.h>

typedef struct vitals {
    long kib, descriptors, threads;
    /* As its pool says; filled in by who has one. */
    long in_flight;
} vitals;

/* Now, after what malloc() keeps of freed memory was given back. */
vitals vitals_now(void);

/* How many looks a run has, evenly spread. */
enum { LOOKS = 200 };

/*
 * At a tenth of the run, and of its last tenth: the medians of looks; of memory the least, as what is under way comes and goes, and
 * what leaks stays.
 */
vitals vitals_warm(const vitals *looks);
vitals vitals_end(const vitals *looks);

int64_t now_ms(void);

#endif
