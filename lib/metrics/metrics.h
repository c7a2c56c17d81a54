/* metrics.h - what one process counts and times, and its text for Prometheus (exposition format 0.0.4).
 *
 * A metric is declared once, with all its series: one without a label, or one for each value of one
 * label. Its memory is taken then. Counting afterwards allocates nothing, asks no clock and cannot
 * fail, so it may stand anywhere. One thread owns it all. Peers choose no name and no label value, so what
 * they do cannot make the text grow.
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdint.h>

#include "base/buffer.h"

enum metrics_kind {
    METRICS_COUNTER,   /* only rises */
    METRICS_GAUGE,     /* is set */
    METRICS_DURATION,  /* the same of one duration: set in nanoseconds, a gauge of seconds */
    METRICS_HISTOGRAM, /* durations, counted by upper bounds */
    METRICS_SUMMARY    /* durations, as quantiles of the latest METRICS_WINDOW of each series */
};

enum { METRICS_SERIES_MAX = 256, METRICS_BOUNDS_MAX = 32, METRICS_WINDOW = 1024 };

/* All that is pointed to must outlive the metrics; nothing is copied. */
struct metrics_declaration {
    enum metrics_kind kind;
    const char *name; /* a counter's ends in _total, no other's does */
    const char *help;
    const char *label;         /* NULL: one series, number 0 */
    const char *const *values; /* else one series for each value, numbered from 0 */
    size_t num_values;
    const uint64_t *bounds_ns; /* METRICS_HISTOGRAM: ascending, in nanoseconds; +Inf is added */
    size_t num_bounds;
};

struct metrics;
struct metric;

/* An empty registry. */
must_check result metrics_new(struct metrics **ret_metrics);
/* With all its metrics; NULL is fine. */
void metrics_free(struct metrics *metrics);

/* Adds a metric, which the registry owns. E_INTERNAL, naming the metric, for a name, label or bound that the
 * format or a declaration before this one does not allow. */
must_check result metrics_declare(struct metric **ret_metric, struct metrics *metrics,
                                  const struct metrics_declaration *declaration);

/* A series that was not declared, or a metric of another kind, stays as it is. */
void metrics_count(struct metric *metric, size_t series);
void metrics_set(struct metric *metric, size_t series, uint64_t value);
void metrics_observe(struct metric *metric, size_t series, uint64_t duration_ns);

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends everything, in the order of declaration; durations in seconds. */
must_check result metrics_format(struct buffer *out, const struct metrics *metrics);

#endif
