/* bench_samples.h - how long each of many things took, and the order statistics of that. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stdint.h>

#include "base/result.h"

struct bench_samples {
    uint64_t *nanoseconds;
    size_t length, capacity;
};
void bench_samples_cleanup(struct bench_samples *s);

/* Appends one duration. */
must_check result bench_samples_add(struct bench_samples *s, uint64_t nanoseconds);

/* The duration in microseconds that per_mille of 1000 samples do not exceed; 0 without samples. Sorts. */
double bench_samples_quantile(struct bench_samples *s, unsigned per_mille);

/* Processor time of this process so far, all threads, in seconds. */
double bench_cpu_seconds(void);

#endif
