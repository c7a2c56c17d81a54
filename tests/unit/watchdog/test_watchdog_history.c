/* test_watchdog_history.c - differences, new enclaves, gaps, full rings, and percentiles. */
#include "testing.h"

#include "watchdog/watchdog_history.h"

#define SECOND UINT64_C(1000000000)

static struct watchdog_history history;

static int open_history(void **state)
{
    (void)state;
    watchdog_history_open(&history);
    return 0;
}

static void put(struct watchdog_rows *rows, const char *label, uint64_t value)
{
    struct watchdog_row *row = &rows->rows[rows->num_rows++];
    (void)snprintf(row->label, sizeof row->label, "%s", label);
    row->value = value;
}

/* Of a front that was started then; every answer within 10 ms, as many as were signed. */
static struct watchdog_figures figures(uint64_t started, uint64_t num_signed, uint64_t num_refused)
{
    struct watchdog_figures f = {.started = started};
    put(&f.answers, "signed", num_signed);
    put(&f.answers, "slashing_protection", num_refused);
    f.latencies = (struct watchdog_latencies){
        .bounds_us = {5000, 10000, UINT64_MAX}, .counts = {0, num_signed, num_signed}, .num_bounds = 3};
    return f;
}

static const struct watchdog_sample *newest(void)
{
    return watchdog_ring_get(&history.fine, history.fine.num_samples - 1);
}

static void take(const struct watchdog_figures *f, uint64_t s)
{
    watchdog_history_take(&history, f, 1700000000 + s, (1000 + s) * SECOND);
}

static void test_differences(void **state)
{
    (void)state;
    struct watchdog_figures f = figures(1, 100, 5);
    take(&f, 0);
    assert_false(newest()->is_known); /* since when would it be? */
    f = figures(1, 130, 6);
    take(&f, 10);
    const struct watchdog_sample *s = newest();
    assert_true(s->is_known);
    assert_int_equal(s->at_s, 1700000010);
    assert_true(s->seconds > 9.99 && s->seconds < 10.01);
    assert_int_equal(s->counts[WATCHDOG_COUNT_SIGNED], 30);
    assert_int_equal(s->counts[WATCHDOG_COUNT_REFUSED], 1);
    assert_int_equal(s->p50_us, 7500);
    assert_int_equal(s->p99_us, 9950);
    take(&f, 20);
    assert_true(newest()->is_known);
    assert_int_equal(newest()->counts[WATCHDOG_COUNT_SIGNED], 0);
    assert_true(newest()->p50_us == WATCHDOG_NO_LATENCY);
}

static void test_of_an_enclave_that_was_started_the_first_sample_counts(void **state)
{
    (void)state;
    watchdog_history_begin(&history, 1000 * SECOND);
    struct watchdog_figures f = figures(1, 100, 5);
    take(&f, 10);
    assert_true(newest()->is_known);
    assert_int_equal(newest()->counts[WATCHDOG_COUNT_SIGNED], 100);
    watchdog_history_begin(&history,
                           1012 * SECOND); /* its time counts from the last look at the one before */
    f = figures(2, 3, 0);
    take(&f, 20);
    assert_int_equal(newest()->counts[WATCHDOG_COUNT_SIGNED], 3);
    assert_true(newest()->seconds > 9.9);
}

static void test_every_outcome_counts_as_one_thing(void **state)
{
    (void)state;
    static const char *const failed[] = {"store_error", "too_many_requests", "no_answer_in_time", "failed"};
    static const char *const wrong[] = {"malformed", "too_large", "signing_root_differs", "unknown_key"};
    struct watchdog_figures f = figures(1, 0, 0);
    take(&f, 0);
    for (size_t i = 0; i < 4; i++) {
        put(&f.answers, failed[i], 1);
        put(&f.answers, wrong[i], 10);
    }
    put(&f.answers, "client_gone", 100);
    f.conflicts = 3;
    take(&f, 10);
    assert_int_equal(newest()->counts[WATCHDOG_COUNT_FAILED], 4);
    assert_int_equal(newest()->counts[WATCHDOG_COUNT_WRONG], 40);
    assert_int_equal(newest()->counts[WATCHDOG_COUNT_CONFLICTS], 3);
    assert_int_equal(newest()->counts[WATCHDOG_COUNT_SIGNED], 0);
}

static void test_a_new_enclave_counts_from_nothing(void **state)
{
    (void)state;
    struct watchdog_figures f = figures(1, 100, 0);
    take(&f, 0);
    take(NULL, 10);
    assert_false(newest()->is_known);
    f = figures(2, 120, 1); /* more than before, and none of it was counted before */
    take(&f, 20);
    assert_int_equal(newest()->counts[WATCHDOG_COUNT_SIGNED], 120);
    assert_true(newest()->seconds > 19.9);
    f = figures(2, 7, 1); /* its clock is not to be trusted either */
    take(&f, 30);
    assert_int_equal(newest()->counts[WATCHDOG_COUNT_SIGNED], 7);
    f.latencies = (struct watchdog_latencies){.bounds_us = {UINT64_MAX}, .counts = {9}, .num_bounds = 1};
    take(&f, 40); /* another release, with other bounds */
    assert_int_equal(newest()->counts[WATCHDOG_COUNT_SIGNED], 7);
    assert_int_equal(newest()->p99_us, 0);
}

static void test_rings_forget_the_oldest(void **state)
{
    (void)state;
    for (uint64_t i = 0; i <= WATCHDOG_HISTORY_FINE + 2; i++) {
        struct watchdog_figures f = figures(1, i, 0);
        take(&f, 10 * i);
    }
    assert_int_equal(history.fine.num_samples, WATCHDOG_HISTORY_FINE);
    assert_int_equal(watchdog_ring_get(&history.fine, 0)->at_s, 1700000030);
    assert_int_equal(newest()->at_s, 1700000000 + 10 * (WATCHDOG_HISTORY_FINE + 2));
    struct watchdog_sample sum;
    watchdog_ring_sum(&sum, &history.fine, 6);
    assert_int_equal(sum.counts[WATCHDOG_COUNT_SIGNED], 6);
    watchdog_ring_sum(&sum, &history.fine, 100000);
    assert_int_equal(sum.counts[WATCHDOG_COUNT_SIGNED], WATCHDOG_HISTORY_FINE);
    assert_true(sum.seconds > 3599 && sum.seconds < 3601);
}

static void test_minutes(void **state)
{
    (void)state;
    for (uint64_t i = 0; i <= 12; i++) {
        struct watchdog_figures f = figures(1, i, 0);
        take(i == 3 ? NULL : &f, 10 * i);
    }
    assert_int_equal(history.coarse.num_samples, 2);
    const struct watchdog_sample *first = watchdog_ring_get(&history.coarse, 0);
    assert_true(first->is_known);
    assert_int_equal(first->at_s, 1700000060);
    assert_int_equal(first->counts[WATCHDOG_COUNT_SIGNED], 6);
    assert_int_equal(first->p50_us, 7500);
    for (uint64_t i = 13; i <= 18; i++)
        take(NULL, 10 * i);
    assert_false(watchdog_ring_get(&history.coarse, 2)->is_known);
    for (uint64_t i = 3; i < 3 + 2 * WATCHDOG_HISTORY_COARSE; i++)
        take(NULL, 60 * i);
    assert_int_equal(history.coarse.num_samples, WATCHDOG_HISTORY_COARSE);
}

static void test_minutes_of_samples_that_come_a_little_early_are_minutes(void **state)
{
    (void)state;
    for (uint64_t i = 0; i <= 60; i++) {
        struct watchdog_figures f = figures(1, i, 0);
        uint64_t early_ns = i % 2 ? 0 : 2000000 * (i % 5);
        watchdog_history_take(&history, &f, 1700000000 + 10 * i, (1000 + 10 * i) * SECOND - early_ns);
    }
    assert_int_equal(history.coarse.num_samples, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(watchdog_ring_get(&history.coarse, i)->counts[WATCHDOG_COUNT_SIGNED], 6);
}

/* An hour is one, and a day, however often samples are taken. */
static void test_the_last_hour_at_every_interval(void **state)
{
    static const uint64_t intervals[] = {1, 7, 10, 25, 45, 59, 60};
    for (size_t k = 0; k < ARRAY_LENGTH(intervals); k++) {
        struct watchdog_sample sum;
        (void)open_history(state);
        for (uint64_t s = 0; s <= 2 * 3600 + 20; s += intervals[k]) {
            struct watchdog_figures f = figures(1, s, 0); /* one each second */
            take(&f, s);
        }
        watchdog_history_sum(&sum, &history, WATCHDOG_HISTORY_HOUR);
        uint64_t rest =
            60 % intervals[k] ? intervals[k] : 0; /* its minutes end late, each as much as may be */
        assert_in_range(sum.counts[WATCHDOG_COUNT_SIGNED], 3600 - rest, 3660 + rest);
        assert_true(sum.seconds > 3599 - (double)rest && sum.seconds < 3661 + (double)rest);
        watchdog_history_sum(&sum, &history, WATCHDOG_HISTORY_COARSE);
        assert_in_range(sum.counts[WATCHDOG_COUNT_SIGNED], 7200 - rest, 7220); /* the minute under way, too */
    }
}

static void test_percentiles(void **state)
{
    (void)state;
    struct watchdog_latencies l = {
        .bounds_us = {1000, 2000, 4000, UINT64_MAX}, .counts = {50, 90, 98, 100}, .num_bounds = 4};
    assert_int_equal(watchdog_latencies_percentile(&l, 50), 1000);
    assert_int_equal(watchdog_latencies_percentile(&l, 25), 500);
    assert_int_equal(watchdog_latencies_percentile(&l, 70), 1500);
    assert_int_equal(watchdog_latencies_percentile(&l, 98), 4000);
    assert_int_equal(watchdog_latencies_percentile(&l, 99), 4000); /* above the last bound: it at least */
    l.counts[0] = l.counts[1] = l.counts[2] = l.counts[3] = 0;
    assert_true(watchdog_latencies_percentile(&l, 50) == WATCHDOG_NO_LATENCY);
    l.num_bounds = 0;
    assert_true(watchdog_latencies_percentile(&l, 50) == WATCHDOG_NO_LATENCY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_differences, open_history),
        cmocka_unit_test_setup(test_of_an_enclave_that_was_started_the_first_sample_counts, open_history),
        cmocka_unit_test_setup(test_every_outcome_counts_as_one_thing, open_history),
        cmocka_unit_test_setup(test_a_new_enclave_counts_from_nothing, open_history),
        cmocka_unit_test_setup(test_rings_forget_the_oldest, open_history),
        cmocka_unit_test_setup(test_minutes, open_history),
        cmocka_unit_test_setup(test_minutes_of_samples_that_come_a_little_early_are_minutes, open_history),
        cmocka_unit_test_setup(test_the_last_hour_at_every_interval, open_history),
        cmocka_unit_test(test_percentiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
