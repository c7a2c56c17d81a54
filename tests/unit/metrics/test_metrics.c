/* The expected texts are written after the format's description, not after our output; two parsers of other
 * people's judge a whole page in tests/integration/test_metrics.py. */
#include "testing.h"

#include "metrics/metrics.h"

static size_t allocations;

void *__real_calloc(size_t number, size_t size);
void *__real_malloc(size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_calloc(size_t number, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *block, size_t size);

void *__wrap_calloc(size_t number, size_t size)
{
    allocations++;
    return __real_calloc(number, size);
}

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_realloc(void *block, size_t size)
{
    allocations++;
    return __real_realloc(block, size);
}

static const char *const fruits[] = {"apple", "a \"b\" \\ c\nd"};
static const uint64_t bounds[] = {1500000, 100000000, 2000000000};

static int open_metrics(void **state)
{
    struct metrics *metrics;
    if (metrics_new(&metrics).code)
        return -1;
    *state = metrics;
    return 0;
}

static int close_metrics(void **state)
{
    metrics_free(*state);
    return 0;
}

static struct metric *declare(struct metrics *metrics, struct metrics_declaration d)
{
    struct metric *metric = NULL;
    assert_ok(metrics_declare(&metric, metrics, &d));
    return metric;
}

static void assert_text(const struct metrics *metrics, const char *expected)
{
    AUTO(buffer) text = {0};
    assert_ok(metrics_format(&text, metrics));
    assert_string_equal(text.data ? (const char *)text.data : "", expected);
}

static void test_counters_and_gauges(void **state)
{
    struct metrics *metrics = *state;
    struct metric *counter =
        declare(metrics, (struct metrics_declaration){.kind = METRICS_COUNTER,
                                                      .name = "eaten_total",
                                                      .help = "back\\slash,\nline, \"quote\"",
                                                      .label = "fruit",
                                                      .values = fruits,
                                                      .num_values = 2});
    struct metric *gauge = declare(
        metrics,
        (struct metrics_declaration){.kind = METRICS_GAUGE, .name = "here:left", .help = "What is left."});
    struct metric *duration = declare(
        metrics,
        (struct metrics_declaration){.kind = METRICS_DURATION, .name = "start_seconds", .help = "Once."});
    metrics_set(duration, 0, 1250000);
    metrics_observe(duration, 0, 7); /* for another kind */
    metrics_count(counter, 0);
    metrics_count(counter, 1);
    metrics_count(counter, 1);
    metrics_set(gauge, 0, 7);
    metrics_set(gauge, 0, UINT64_MAX);
    assert_text(metrics, "# HELP eaten_total back\\\\slash,\\nline, \"quote\"\n"
                         "# TYPE eaten_total counter\n"
                         "eaten_total{fruit=\"apple\"} 1\n"
                         "eaten_total{fruit=\"a \\\"b\\\" \\\\ c\\nd\"} 2\n"
                         "# HELP here:left What is left.\n"
                         "# TYPE here:left gauge\n"
                         "here:left 18446744073709551615\n"
                         "# HELP start_seconds Once.\n"
                         "# TYPE start_seconds gauge\n"
                         "start_seconds 0.00125\n");
}

static void test_a_bound_belongs_to_its_bucket_and_buckets_add_up(void **state)
{
    struct metrics *metrics = *state;
    struct metric *h = declare(metrics, (struct metrics_declaration){.kind = METRICS_HISTOGRAM,
                                                                     .name = "took_seconds",
                                                                     .help = "Time.",
                                                                     .label = "fruit",
                                                                     .values = fruits,
                                                                     .num_values = 1,
                                                                     .bounds_ns = bounds,
                                                                     .num_bounds = 3});
    metrics_observe(h, 0, 0);
    metrics_observe(h, 0, 1500000);
    metrics_observe(h, 0, 1500001);
    metrics_observe(h, 0, 2000000000);
    metrics_observe(h, 0, 2000000001);
    assert_text(metrics, "# HELP took_seconds Time.\n"
                         "# TYPE took_seconds histogram\n"
                         "took_seconds_bucket{fruit=\"apple\",le=\"0.0015\"} 2\n"
                         "took_seconds_bucket{fruit=\"apple\",le=\"0.1\"} 3\n"
                         "took_seconds_bucket{fruit=\"apple\",le=\"2\"} 4\n"
                         "took_seconds_bucket{fruit=\"apple\",le=\"+Inf\"} 5\n"
                         "took_seconds_sum{fruit=\"apple\"} 4.003000002\n"
                         "took_seconds_count{fruit=\"apple\"} 5\n");
}

static void test_quantiles_are_of_the_latest_observations(void **state)
{
    struct metrics *metrics = *state;
    struct metric *s = declare(
        metrics, (struct metrics_declaration){.kind = METRICS_SUMMARY, .name = "duration", .help = "Time."});
    const char *const header = "# HELP duration Time.\n# TYPE duration summary\n";
    char expected[600];
    (void)snprintf(expected, sizeof expected,
                   "%sduration{quantile=\"0.2\"} NaN\nduration{quantile=\"0.5\"} NaN\n"
                   "duration{quantile=\"0.8\"} NaN\nduration{quantile=\"0.95\"} NaN\n"
                   "duration{quantile=\"0.99\"} NaN\nduration{quantile=\"1.0\"} NaN\n"
                   "duration_sum 0\nduration_count 0\n",
                   header);
    assert_text(metrics, expected);
    for (uint64_t i = 100; i > 0; i--)
        metrics_observe(s, 0, i * 1000000000);
    (void)snprintf(expected, sizeof expected,
                   "%sduration{quantile=\"0.2\"} 20\nduration{quantile=\"0.5\"} 50\n"
                   "duration{quantile=\"0.8\"} 80\nduration{quantile=\"0.95\"} 95\n"
                   "duration{quantile=\"0.99\"} 99\nduration{quantile=\"1.0\"} 100\n"
                   "duration_sum 5050\nduration_count 100\n",
                   header);
    assert_text(metrics, expected);
    for (int i = 0; i < METRICS_WINDOW; i++)
        metrics_observe(s, 0, 1000000000);
    AUTO(buffer) text = {0};
    assert_ok(metrics_format(&text, metrics));
    assert_non_null(strstr((const char *)text.data, "duration{quantile=\"1.0\"} 1\n"));
    assert_non_null(strstr((const char *)text.data, "duration_count 1124\n"));
}

static void test_what_was_not_declared_is_not_counted(void **state)
{
    struct metrics *metrics = *state;
    struct metric *counter = declare(
        metrics, (struct metrics_declaration){.kind = METRICS_COUNTER, .name = "a_total", .help = "A."});
    struct metric *gauge =
        declare(metrics, (struct metrics_declaration){.kind = METRICS_GAUGE, .name = "b", .help = "B."});
    metrics_count(counter, 1);
    metrics_count(counter, SIZE_MAX);
    metrics_set(counter, 0, 5);
    metrics_observe(counter, 0, 5);
    metrics_count(gauge, 0);
    metrics_observe(gauge, 0, 5);
    assert_text(metrics,
                "# HELP a_total A.\n# TYPE a_total counter\na_total 0\n# HELP b B.\n# TYPE b gauge\nb 0\n");
}

static void test_counting_takes_no_memory(void **state)
{
    struct metrics *metrics = *state;
    struct metric *counter = declare(
        metrics, (struct metrics_declaration){.kind = METRICS_COUNTER, .name = "a_total", .help = "A."});
    struct metric *s =
        declare(metrics, (struct metrics_declaration){.kind = METRICS_SUMMARY, .name = "b", .help = "B."});
    size_t before = allocations;
    assert_true(before > 0);
    for (int i = 0; i < 3 * METRICS_WINDOW; i++) {
        metrics_count(counter, 0);
        metrics_observe(s, 0, 1);
    }
    assert_int_equal(allocations, before);
}

static void refuse(struct metrics *metrics, struct metrics_declaration d, const char *named)
{
    struct metric *metric = NULL;
    if (!d.help)
        d.help = "Help.";
    assert_fails(E_INTERNAL, metrics_declare(&metric, metrics, &d));
    assert_error_names(named);
    assert_null(metric);
}

static void test_names_the_format_does_not_allow(void **state)
{
    struct metrics *metrics = *state;
    char long_name[200];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    const char *const names[] = {"", "1a", "a-b", "a b", "\xc3\xa4", "a\n", long_name};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        refuse(metrics, (struct metrics_declaration){.kind = METRICS_GAUGE, .name = names[i]},
               "name of a metric");
    refuse(metrics, (struct metrics_declaration){.kind = METRICS_COUNTER, .name = "a"}, "_total");
    refuse(metrics, (struct metrics_declaration){.kind = METRICS_GAUGE, .name = "a_total"}, "_total");
    refuse(metrics, (struct metrics_declaration){.kind = METRICS_GAUGE, .name = "a", .help = ""},
           "a: has no help");
    const char *const labels[] = {"", "1a", "a:b", "__a", "a\"b"};
    for (size_t i = 0; i < ARRAY_LENGTH(labels); i++)
        refuse(metrics,
               (struct metrics_declaration){
                   .kind = METRICS_GAUGE, .name = "a", .label = labels[i], .values = fruits, .num_values = 2},
               "a: this label");
    assert_text(metrics, "");
}

static void test_labels_and_bounds_that_contradict_themselves(void **state)
{
    struct metrics *metrics = *state;
    const char *const twice[] = {"x", "y", "x"};
    const uint64_t falling[] = {2, 1}, equal[] = {2, 2};
    struct metrics_declaration h = {.kind = METRICS_HISTOGRAM,
                                    .name = "h",
                                    .label = "le",
                                    .values = fruits,
                                    .num_values = 2,
                                    .bounds_ns = bounds,
                                    .num_bounds = 3};
    refuse(metrics, h, "h: this label");
    h.label = "quantile";
    declare(metrics, (struct metrics_declaration){.kind = METRICS_HISTOGRAM,
                                                  .name = "other",
                                                  .help = "Help.",
                                                  .label = "quantile",
                                                  .values = fruits,
                                                  .num_values = 2,
                                                  .bounds_ns = bounds,
                                                  .num_bounds = 3});
    h.num_bounds = 0;
    refuse(metrics, h, "bounds");
    h.num_bounds = METRICS_BOUNDS_MAX + 1;
    refuse(metrics, h, "bounds");
    h.num_bounds = 2;
    h.bounds_ns = falling;
    refuse(metrics, h, "ascend");
    h.bounds_ns = equal;
    refuse(metrics, h, "ascend");
    struct metrics_declaration g = {.kind = METRICS_GAUGE, .name = "g", .label = "of", .values = twice};
    refuse(metrics, g, "label values");
    g.num_values = METRICS_SERIES_MAX + 1;
    refuse(metrics, g, "label values");
    g.num_values = 3;
    refuse(metrics, g, "twice");
    g.num_values = 2;
    g.num_bounds = 1;
    g.bounds_ns = bounds;
    refuse(metrics, g, "bounds");
    g.num_bounds = 0;
    g.label = NULL;
    refuse(metrics, g, "without a label");
    refuse(metrics,
           (struct metrics_declaration){
               .kind = METRICS_SUMMARY, .name = "s", .label = "quantile", .values = fruits, .num_values = 2},
           "s: this label");
}

static void test_names_that_are_taken(void **state)
{
    struct metrics *metrics = *state;
    declare(metrics, (struct metrics_declaration){.kind = METRICS_SUMMARY, .name = "s", .help = "S."});
    declare(metrics, (struct metrics_declaration){.kind = METRICS_GAUGE, .name = "g_sum", .help = "G."});
    refuse(metrics, (struct metrics_declaration){.kind = METRICS_GAUGE, .name = "s"}, "taken");
    refuse(metrics, (struct metrics_declaration){.kind = METRICS_GAUGE, .name = "s_count"}, "taken");
    refuse(metrics, (struct metrics_declaration){.kind = METRICS_SUMMARY, .name = "g"}, "taken");
    declare(metrics,
            (struct metrics_declaration){.kind = METRICS_GAUGE, .name = "s_counts", .help = "Free."});
    declare(metrics,
            (struct metrics_declaration){.kind = METRICS_GAUGE, .name = "g_sum_count", .help = "Free."});
    declare(metrics, (struct metrics_declaration){
                         .kind = METRICS_GAUGE, .name = "g", .help = "Free: a gauge has no _sum."});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counters_and_gauges, open_metrics, close_metrics),
        cmocka_unit_test_setup_teardown(test_a_bound_belongs_to_its_bucket_and_buckets_add_up, open_metrics,
                                        close_metrics),
        cmocka_unit_test_setup_teardown(test_quantiles_are_of_the_latest_observations, open_metrics,
                                        close_metrics),
        cmocka_unit_test_setup_teardown(test_what_was_not_declared_is_not_counted, open_metrics,
                                        close_metrics),
        cmocka_unit_test_setup_teardown(test_counting_takes_no_memory, open_metrics, close_metrics),
        cmocka_unit_test_setup_teardown(test_names_the_format_does_not_allow, open_metrics, close_metrics),
        cmocka_unit_test_setup_teardown(test_labels_and_bounds_that_contradict_themselves, open_metrics,
                                        close_metrics),
        cmocka_unit_test_setup_teardown(test_names_that_are_taken, open_metrics, close_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
