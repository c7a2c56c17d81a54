/* metrics_private.h - what the files of this room share; not for other rooms. */
#ifndef METRICS_METRICS_PRIVATE_H
#define METRICS_METRICS_PRIVATE_H

#include <sys/queue.h>

#include "metrics/metrics.h"

/* The cells of one series: a counter's or gauge's value; a histogram's number of observations under each
 * bound but not the one before, and over all of them; a summary's latest observations. The two kinds of
 * durations end with their number and their sum in nanoseconds. */
struct metric {
    STAILQ_ENTRY(metric) link;
    struct metrics_declaration is;
    size_t num_series;
    size_t num_values; /* of each series, before number and sum */
    size_t num_cells;  /* of each series */
    uint64_t cells[];
};

struct metrics {
    STAILQ_HEAD(, metric) all;
};

#endif
