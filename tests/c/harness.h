/* Checks and the runner: one line a test, a total line, a non-zero exit on failure. */
#ifndef HARNESS_H
#define HARNESS_H

#include <aipool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct test {
    const char *name;
    void (*run)(void);
} test;

/* A failed check ends its test; in a forked child it ends the child with status 1. */
#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))
#define CHECK_EQ(got, want) check_eq(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))
#define CHECK_STATUS(call, want) check_status(__FILE__, __LINE__, #call, (call), (want))
#define CHECK_TEXT(got, want) check_text(__FILE__, __LINE__, (got), (want))
#define CHECK_STARTS(text, part) check_starts(__FILE__, __LINE__, (text), (part))
#define CHECK_CONTAINS(text, part) check_contains(__FILE__, __LINE__, (text), (part))

/* Of the calling thread: what the last failure said. Every call below writes here. */
extern _Thread_local aip_error error;

_Noreturn void check_failed(const char *file, int line, const char *what);
void check_eq(const char *file, int line, const char *what, long long got, long long want);
void check_status(const char *file, int line, const char *what, int32_t got, int32_t want);
void check_text(const char *file, int line, const char *got, const char *want);
void check_starts(const char *file, int line, const char *text, const char *part);
void check_contains(const char *file, int line, const char *text, const char *part);

/* Runs the tests whose names contain one of argv[1..], or all: the exit status for main(). */
int run_tests(const test *tests, size_t count, int argc, char **argv);

#define TESTS_IN(array) array, sizeof(array) / sizeof((array)[0])

#endif
