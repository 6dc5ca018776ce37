#include "harness.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "belongings.h"

/* Far above what any test takes: only a hang gets there. */
enum { HANGS_AFTER_SECONDS = 150 };

_Thread_local aip_error error;

static jmp_buf test_ended;
static char why[1024];
static const char *running = "";
static pthread_t test_thread;
static pid_t test_process;

_Noreturn static void fail(void)
{
    if (getpid() != test_process || !pthread_equal(pthread_self(), test_thread)) {
        fprintf(stderr, "   %s, off its own thread: %s\n", running, why);
        _exit(1);
    }
    longjmp(test_ended, 1);
}

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    snprintf(why, sizeof why, "%s:%d: %s", file, line, what);
    fail();
}

void check_eq(const char *file, int line, const char *what, long long got, long long want)
{
    if (got == want)
        return;
    snprintf(why, sizeof why, "%s:%d: %s is %lld, not %lld", file, line, what, got, want);
    fail();
}

void check_status(const char *file, int line, const char *what, int32_t got, int32_t want)
{
    if (got == want)
        return;
    snprintf(why, sizeof why, "%s:%d: %s is %s, not %s (last message: %s)", file, line, what, aip_status_name(got),
             aip_status_name(want), error.message);
    fail();
}

void check_text(const char *file, int line, const char *got, const char *want)
{
    if (strcmp(got, want) == 0)
        return;
    snprintf(why, sizeof why, "%s:%d: \"%.300s\" is not \"%.300s\"", file, line, got, want);
    fail();
}

void check_starts(const char *file, int line, const char *text, const char *part)
{
    if (strncmp(text, part, strlen(part)) == 0)
        return;
    snprintf(why, sizeof why, "%s:%d: \"%.500s\" does not start with \"%.100s\"", file, line, text, part);
    fail();
}

void check_contains(const char *file, int line, const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        return;
    snprintf(why, sizeof why, "%s:%d: \"%.500s\" lacks \"%.100s\"", file, line, text, part);
    fail();
}

static void hangs(int signal)
{
    (void)signal;
    const char *parts[] = {"FAIL ", running, ": hangs\n0 passed, 1 failed\n"};
    for (size_t i = 0; i < 3; i++) {
        if (write(STDOUT_FILENO, parts[i], strlen(parts[i])) < 0)
            break;
    }
    _exit(1);
}

static bool passes(const test *test)
{
    running = test->name;
    memset(&error, 0, sizeof error);
    alarm(HANGS_AFTER_SECONDS);
    bool ended_well = setjmp(test_ended) == 0;
    if (ended_well) {
        test->run();
    }
    free_belongings();
    if (ended_well && live_handles() != 0) {
        snprintf(why, sizeof why, "%llu handles are left", (unsigned long long)live_handles());
        ended_well = false;
    }
    alarm(0);
    return ended_well;
}

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strstr(name, argv[i]) != NULL)
            return true;
    }
    return argc < 2;
}

/* For the table of behaviours that every binding proves. */
static void note_behaviour(const char *name)
{
    const char *path = getenv("AIPOOL_BEHAVIOURS");
    FILE *file = path != NULL ? fopen(path, "a") : NULL;
    if (file != NULL) {
        fprintf(file, "%s\n", name);
        fclose(file);
    }
}

int run_tests(const test *tests, size_t count, int argc, char **argv)
{
    unsigned passed = 0, failed = 0;
    test_thread = pthread_self();
    test_process = getpid();
    signal(SIGALRM, hangs);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < count; i++) {
        if (!is_wanted(tests[i].name, argc, argv))
            continue;
        if (passes(&tests[i])) {
            passed++;
            printf("ok %s\n", tests[i].name);
            note_behaviour(tests[i].name);
        } else {
            failed++;
            printf("FAIL %s: %s\n", tests[i].name, why);
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0 || passed == 0;
}
