/* watchdog_history.c - see watchdog_history.h.
 *
 * A counter that went down, or another start of the front, is a new enclave: what it counts, it counts from
 * nothing. So a restart loses no signature, only those between the last look and the end. The memory is all
 * there from the beginning, and looking at more validators does not need more of it. */
#include "watchdog_history.h"

#include <string.h>

#define EARLY_NS UINT64_C(500000000)
#define MINUTE_NS (WATCHDOG_HISTORY_MINUTE * UINT64_C(1000000000))

void watchdog_history_open(struct watchdog_history *h)
{
    memset(h, 0, sizeof *h);
    h->fine.capacity = WATCHDOG_HISTORY_FINE;
    h->coarse.capacity = WATCHDOG_HISTORY_COARSE;
}

void watchdog_history_begin(struct watchdog_history *h, uint64_t now_ns)
{
    if (h->has_last)
        return;
    h->has_last = true;
    h->last_ns = now_ns;
}

static void push(struct watchdog_ring *ring, const struct watchdog_sample *sample)
{
    ring->samples[ring->next] = *sample;
    ring->next = (ring->next + 1) % ring->capacity;
    if (ring->num_samples < ring->capacity)
        ring->num_samples++;
}

const struct watchdog_sample *watchdog_ring_get(const struct watchdog_ring *ring, size_t index)
{
    size_t oldest = (ring->next + ring->capacity - ring->num_samples) % ring->capacity;
    return &ring->samples[(oldest + index) % ring->capacity];
}

static void add_sample(struct watchdog_sample *sum, const struct watchdog_sample *one)
{
    sum->at_s = one->at_s;
    if (!one->is_known)
        return;
    sum->is_known = true;
    sum->seconds += one->seconds;
    for (size_t k = 0; k < WATCHDOG_COUNT_END; k++)
        sum->counts[k] += one->counts[k];
}

void watchdog_ring_sum(struct watchdog_sample *ret_sum, const struct watchdog_ring *ring, size_t num_samples)
{
    struct watchdog_sample sum = {.p50_us = WATCHDOG_NO_LATENCY, .p99_us = WATCHDOG_NO_LATENCY};
    size_t first = num_samples < ring->num_samples ? ring->num_samples - num_samples : 0;
    for (size_t i = first; i < ring->num_samples; i++)
        add_sample(&sum, watchdog_ring_get(ring, i));
    *ret_sum = sum;
}

static uint64_t of_outcomes(const struct watchdog_figures *figures, const char *const *outcomes, size_t num)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < num; i++)
        sum += watchdog_rows_get(&figures->answers, outcomes[i]);
    return sum;
}

static struct watchdog_tally tally_of(const struct watchdog_figures *figures)
{
    static const char *const failed[] = {"store_error", "too_many_requests", "no_answer_in_time", "failed"};
    static const char *const wrong[] = {"malformed", "too_large", "signing_root_differs", "unknown_key"};
    struct watchdog_tally tally = {.started = figures->started, .latencies = figures->latencies};
    tally.counts[WATCHDOG_COUNT_SIGNED] = watchdog_rows_get(&figures->answers, "signed");
    tally.counts[WATCHDOG_COUNT_REFUSED] = watchdog_rows_get(&figures->answers, "slashing_protection");
    tally.counts[WATCHDOG_COUNT_FAILED] = of_outcomes(figures, failed, ARRAY_LENGTH(failed));
    tally.counts[WATCHDOG_COUNT_WRONG] = of_outcomes(figures, wrong, ARRAY_LENGTH(wrong));
    tally.counts[WATCHDOG_COUNT_CONFLICTS] = figures->conflicts;
    return tally;
}

static bool same_bounds(const struct watchdog_latencies *a, const struct watchdog_latencies *b)
{
    return a->num_bounds == b->num_bounds &&
           memcmp(a->bounds_us, b->bounds_us, a->num_bounds * sizeof a->bounds_us[0]) == 0;
}

/* Whether the same front went on counting. */
static bool goes_on(const struct watchdog_tally *now, const struct watchdog_tally *before)
{
    bool on = now->started == before->started && same_bounds(&now->latencies, &before->latencies);
    for (size_t k = 0; k < WATCHDOG_COUNT_END; k++)
        on = on && now->counts[k] >= before->counts[k];
    for (size_t i = 0; on && i < now->latencies.num_bounds; i++)
        on = now->latencies.counts[i] >= before->latencies.counts[i];
    return on;
}

static struct watchdog_tally difference(const struct watchdog_tally *now, const struct watchdog_tally *before)
{
    struct watchdog_tally tally = *now;
    if (!goes_on(now, before))
        return tally;
    for (size_t k = 0; k < WATCHDOG_COUNT_END; k++)
        tally.counts[k] -= before->counts[k];
    for (size_t i = 0; i < tally.latencies.num_bounds; i++)
        tally.latencies.counts[i] -= before->latencies.counts[i];
    return tally;
}

static struct watchdog_sample sample_of(const struct watchdog_tally *tally, uint64_t at_s, double seconds,
                                        bool is_known)
{
    struct watchdog_sample sample = {.at_s = at_s,
                                     .is_known = is_known,
                                     .seconds = seconds,
                                     .p50_us = watchdog_latencies_percentile(&tally->latencies, 50),
                                     .p99_us = watchdog_latencies_percentile(&tally->latencies, 99)};
    memcpy(sample.counts, tally->counts, sizeof sample.counts);
    return sample;
}

static void add(struct watchdog_tally *sum, const struct watchdog_tally *more)
{
    for (size_t k = 0; k < WATCHDOG_COUNT_END; k++)
        sum->counts[k] += more->counts[k];
    if (!same_bounds(&sum->latencies, &more->latencies)) { /* another release took over: the newer counts */
        sum->latencies = more->latencies;
        return;
    }
    for (size_t i = 0; i < sum->latencies.num_bounds; i++)
        sum->latencies.counts[i] += more->latencies.counts[i];
}

void watchdog_history_sum(struct watchdog_sample *ret_sum, const struct watchdog_history *h,
                          size_t num_minutes)
{
    watchdog_ring_sum(ret_sum, &h->coarse, num_minutes);
    if (!h->minute_is_known)
        return;
    struct watchdog_sample minute = sample_of(&h->minute, ret_sum->at_s, h->minute_seconds, true);
    add_sample(ret_sum, &minute);
}

/* A sample that comes a little early must not make a minute of seventy seconds of this one; nor one that
 * comes late, as most do of an interval that a minute is no multiple of, as many minutes of an hour as are
 * fewer. */
static void end_minute(struct watchdog_history *h, uint64_t now_s, uint64_t now_ns)
{
    if (!h->minute_began) {
        h->minute_began = true;
        h->minute_ns = now_ns;
        return;
    }
    if (now_ns - h->minute_ns + EARLY_NS < MINUTE_NS)
        return;
    struct watchdog_sample sample = sample_of(&h->minute, now_s, h->minute_seconds, h->minute_is_known);
    push(&h->coarse, &sample);
    h->minute = (struct watchdog_tally){0};
    h->minute_is_known = false;
    h->minute_seconds = 0;
    h->minute_ns += MINUTE_NS;
    if (now_ns > h->minute_ns && now_ns - h->minute_ns >= MINUTE_NS) /* nobody looked for minutes */
        h->minute_ns = now_ns;
}

void watchdog_history_take(struct watchdog_history *h, const struct watchdog_figures *figures, uint64_t now_s,
                           uint64_t now_ns)
{
    struct watchdog_tally since = {0};
    double seconds = 0;
    bool is_known = figures && h->has_last;
    h->num_takes++;
    if (figures) {
        struct watchdog_tally now = tally_of(figures);
        if (is_known) {
            since = difference(&now, &h->last);
            seconds = (double)(now_ns - h->last_ns) / 1e9;
            add(&h->minute, &since);
            h->minute_is_known = true;
            h->minute_seconds += seconds;
        }
        h->last = now;
        h->last_ns = now_ns;
        h->has_last = true;
    }
    struct watchdog_sample sample = sample_of(&since, now_s, seconds, is_known);
    push(&h->fine, &sample);
    end_minute(h, now_s, now_ns);
}

uint64_t watchdog_latencies_percentile(const struct watchdog_latencies *all, unsigned percent)
{
    if (all->num_bounds == 0 || all->counts[all->num_bounds - 1] == 0)
        return WATCHDOG_NO_LATENCY;
    double rank = (double)all->counts[all->num_bounds - 1] * percent / 100;
    size_t i = 0;
    while (i + 1 < all->num_bounds && (double)all->counts[i] < rank)
        i++;
    uint64_t low_us = i ? all->bounds_us[i - 1] : 0, below = i ? all->counts[i - 1] : 0;
    if (all->bounds_us[i] == UINT64_MAX) /* longer than any bound: how long, nobody counted */
        return low_us;
    double share = (rank - (double)below) / (double)(all->counts[i] - below);
    return low_us + (uint64_t)((double)(all->bounds_us[i] - low_us) * share);
}
