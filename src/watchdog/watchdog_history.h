/* watchdog_history.h - how much was signed, refused and failed, and how fast, over the last hour and day: two
 * rings of fixed size, filled from differences of what the enclave counts. Pure: the caller has the clocks.
 */
#ifndef WATCHDOG_WATCHDOG_HISTORY_H
#define WATCHDOG_WATCHDOG_HISTORY_H

#include "watchdog_figures.h"

enum {
    WATCHDOG_HISTORY_FINE = 360,    /* samples as they were taken: an hour of them, one each ten seconds */
    WATCHDOG_HISTORY_COARSE = 1440, /* of a minute each: a day */
    WATCHDOG_HISTORY_HOUR = 60,     /* minutes */
    WATCHDOG_HISTORY_MINUTE = 60    /* seconds */
};

enum watchdog_count {
    WATCHDOG_COUNT_SIGNED,
    WATCHDOG_COUNT_REFUSED,   /* by slashing protection */
    WATCHDOG_COUNT_FAILED,    /* our own fault: the store, too much at once, too late */
    WATCHDOG_COUNT_WRONG,     /* the client's: malformed, an unknown key */
    WATCHDOG_COUNT_CONFLICTS, /* of those refused: another message at a height that was signed */
    WATCHDOG_COUNT_END
};

#define WATCHDOG_NO_LATENCY UINT64_MAX

/* What happened in so many seconds up to a moment. Not known: nobody could be asked. */
struct watchdog_sample {
    uint64_t at_s; /* seconds since 1970 */
    bool is_known;
    double seconds;
    uint64_t counts[WATCHDOG_COUNT_END];
    uint64_t p50_us, p99_us; /* WATCHDOG_NO_LATENCY: nothing was asked for */
};

struct watchdog_ring {
    size_t capacity, num_samples, next;
    struct watchdog_sample samples[WATCHDOG_HISTORY_COARSE];
};

/* Counts and latencies of a time; of figures, since the enclave's start. */
struct watchdog_tally {
    uint64_t started;
    uint64_t counts[WATCHDOG_COUNT_END];
    struct watchdog_latencies latencies;
};

struct watchdog_history {
    struct watchdog_ring fine, coarse;
    bool has_last;
    struct watchdog_tally last; /* what differences are made from */
    uint64_t last_ns;
    bool minute_began, minute_is_known;
    struct watchdog_tally minute; /* what the minute under way has */
    uint64_t minute_ns;
    double minute_seconds;
    uint64_t num_takes;
};

/* Empty. */
void watchdog_history_open(struct watchdog_history *history);
/* An enclave was started: of the first one, all that it counts is from here on. */
void watchdog_history_begin(struct watchdog_history *history, uint64_t now_ns);
/* A moment, by both clocks, and what was counted up to it; figures NULL: nobody could be asked. */
void watchdog_history_take(struct watchdog_history *history, const struct watchdog_figures *figures,
                           uint64_t now_s, uint64_t now_ns);

/* The index-th sample of a ring, the oldest first; index is below num_samples. */
const struct watchdog_sample *watchdog_ring_get(const struct watchdog_ring *ring, size_t index);
/* The counts of the last num_samples samples that are known, and the seconds they are of. */
void watchdog_ring_sum(struct watchdog_sample *ret_sum, const struct watchdog_ring *ring, size_t num_samples);
/* Of the last num_minutes minutes, and of what the one under way has. */
void watchdog_history_sum(struct watchdog_sample *ret_sum, const struct watchdog_history *history,
                          size_t num_minutes);

/* The latency that so many percent of the answers did not exceed, in microseconds, estimated inside the
 * bucket as Prometheus does; WATCHDOG_NO_LATENCY of none. */
uint64_t watchdog_latencies_percentile(const struct watchdog_latencies *all, unsigned percent);

#endif
