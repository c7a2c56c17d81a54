/* bench_samples.c - every duration is kept: a few megabytes at most, and no histogram to argue about. */
#include "bench_samples.h"

#include <stdlib.h>
#include <time.h>

void bench_samples_cleanup(struct bench_samples *s)
{
    free(s->nanoseconds);
    *s = (struct bench_samples){0};
}

result bench_samples_add(struct bench_samples *s, uint64_t nanoseconds)
{
    if (s->length == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 4096;
        uint64_t *grown = realloc(s->nanoseconds, capacity * sizeof *grown);
        ENSURE(grown, E_MEMORY, "no memory for %zu samples", capacity);
        s->nanoseconds = grown;
        s->capacity = capacity;
    }
    s->nanoseconds[s->length++] = nanoseconds;
    return RESULT_OK;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

double bench_samples_quantile(struct bench_samples *s, unsigned per_mille)
{
    if (s->length == 0)
        return 0;
    qsort(s->nanoseconds, s->length, sizeof *s->nanoseconds, ascending);
    size_t rank = (s->length - 1) * per_mille / 1000;
    return (double)s->nanoseconds[rank] / 1e3;
}

double bench_cpu_seconds(void)
{
    struct timespec used;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}
