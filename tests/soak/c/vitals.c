#include "vitals.h"

#include <dirent.h>
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long entries(const char *path)
{
    long count = 0;
    DIR *open = opendir(path);
    while (open != NULL && readdir(open) != NULL)
        count++;
    if (open != NULL)
        closedir(open);
    /* Without `.` and `..`. */
    return count - 2;
}

vitals vitals_now(void)
{
    vitals now = {.descriptors = entries("/proc/self/fd") - 1, .threads = entries("/proc/self/task")};
    char line[256];
    malloc_trim(0);
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        sscanf(line, "VmRSS: %ld", &now.kib);
    if (status != NULL)
        fclose(status);
    return now;
}

static int by_size(const void *one, const void *other)
{
    long a = *(const long *)one, b = *(const long *)other;
    return (a > b) - (a < b);
}

/* The value that so many of the looks are below. */
static long ranked(const vitals *looks, size_t count, size_t field, size_t below)
{
    long values[LOOKS];
    for (size_t i = 0; i < count; i++)
        memcpy(&values[i], (const char *)&looks[i] + field, sizeof values[i]);
    qsort(values, count, sizeof values[0], by_size);
    return values[below];
}

static vitals summed_up(const vitals *looks, size_t count)
{
    return (vitals){
        .kib = ranked(looks, count, offsetof(vitals, kib), 0),
        .descriptors = ranked(looks, count, offsetof(vitals, descriptors), count / 2),
        .threads = ranked(looks, count, offsetof(vitals, threads), count / 2),
        .in_flight = ranked(looks, count, offsetof(vitals, in_flight), count / 2),
    };
}

vitals vitals_warm(const vitals *looks)
{
    return summed_up(looks + LOOKS / 20, LOOKS / 10);
}

vitals vitals_end(const vitals *looks)
{
    return summed_up(looks + LOOKS - LOOKS / 10, LOOKS / 10);
}

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
