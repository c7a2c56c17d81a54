/* metrics.c - declaring and counting.
 *
 * A name is checked when it is declared, at the start of the program, so that the text can never be one that
 * a scraper throws away whole. Rejected: labels whose values appear while counting, which need memory and let
 * clients decide how much. Rejected: several labels a metric; one was enough for all we count, and each more
 * multiplies the series. */
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics_private.h"

enum { NAME_MAX_LEN = 128 };

/* The names under which the text shows more than the metric itself (histograms and summaries). */
static const char *const suffixes[] = {"_bucket", "_count", "_sum"};

result metrics_new(struct metrics **ret_metrics)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    ENSURE(metrics, E_MEMORY, "out of memory");
    STAILQ_INIT(&metrics->all);
    *ret_metrics = metrics;
    return RESULT_OK;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    while (!STAILQ_EMPTY(&metrics->all)) {
        struct metric *metric = STAILQ_FIRST(&metrics->all);
        STAILQ_REMOVE_HEAD(&metrics->all, link);
        free(metric);
    }
    free(metrics);
}

/* ---- what may be declared ---- */

/* [a-zA-Z_:][a-zA-Z0-9_:]*, of labels without the colon. */
static bool is_name(const char *name, bool is_label)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_:";
    size_t length = strlen(name);
    return length > 0 && length <= NAME_MAX_LEN && strspn(name, allowed) == length &&
           !(name[0] >= '0' && name[0] <= '9') && !(is_label && strchr(name, ':'));
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text), end_len = strlen(end);
    return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

static bool is_of_durations(enum metrics_kind kind)
{
    return kind == METRICS_HISTOGRAM || kind == METRICS_SUMMARY;
}

/* Whether a sample of other would bear this name. */
static bool takes_name(const struct metric *other, const char *name)
{
    size_t length = strlen(other->is.name);
    if (strncmp(other->is.name, name, length) != 0)
        return false;
    if (!name[length])
        return true;
    for (size_t i = 0; i < ARRAY_LENGTH(suffixes) && is_of_durations(other->is.kind); i++) {
        if (strcmp(name + length, suffixes[i]) == 0)
            return true;
    }
    return false;
}

static bool clash(const struct metric *a, const struct metric *b)
{
    return takes_name(a, b->is.name) || takes_name(b, a->is.name);
}

static must_check result check_label(const struct metrics_declaration *d)
{
    if (!d->label) {
        ENSURE(d->num_values == 0, E_INTERNAL, "%s: values without a label", d->name);
        return RESULT_OK;
    }
    bool reserved = strncmp(d->label, "__", 2) == 0 ||
                    (d->kind == METRICS_HISTOGRAM && strcmp(d->label, "le") == 0) ||
                    (d->kind == METRICS_SUMMARY && strcmp(d->label, "quantile") == 0);
    ENSURE(is_name(d->label, true) && !reserved, E_INTERNAL, "%s: this label is not allowed", d->name);
    ENSURE(d->num_values > 0 && d->num_values <= METRICS_SERIES_MAX, E_INTERNAL,
           "%s: must have 1 to %d label values", d->name, METRICS_SERIES_MAX);
    for (size_t i = 0; i < d->num_values; i++) {
        for (size_t j = 0; j < i; j++)
            ENSURE(strcmp(d->values[i], d->values[j]) != 0, E_INTERNAL, "%s: a label value comes twice",
                   d->name);
    }
    return RESULT_OK;
}

static must_check result check_bounds(const struct metrics_declaration *d)
{
    bool has = d->kind == METRICS_HISTOGRAM;
    ENSURE(has ? d->num_bounds > 0 && d->num_bounds <= METRICS_BOUNDS_MAX : d->num_bounds == 0, E_INTERNAL,
           "%s: a histogram has 1 to %d bounds, and nothing else has any", d->name, METRICS_BOUNDS_MAX);
    for (size_t i = 1; i < d->num_bounds; i++)
        ENSURE(d->bounds_ns[i - 1] < d->bounds_ns[i], E_INTERNAL, "%s: the bounds do not ascend", d->name);
    return RESULT_OK;
}

static must_check result check(const struct metrics_declaration *d)
{
    ENSURE(is_name(d->name, false), E_INTERNAL, "this is not the name of a metric");
    ENSURE(ends_with(d->name, "_total") == (d->kind == METRICS_COUNTER), E_INTERNAL,
           "%s: counters end in _total, and nothing else does", d->name);
    ENSURE(d->help && *d->help, E_INTERNAL, "%s: has no help", d->name);
    TRY(check_label(d));
    return check_bounds(d);
}

/* ---- declaring ---- */

static must_check result metric_new(struct metric **ret_metric, const struct metrics_declaration *d)
{
    size_t num_values = d->kind == METRICS_HISTOGRAM ? d->num_bounds + 1
                        : d->kind == METRICS_SUMMARY ? METRICS_WINDOW
                                                     : 1;
    size_t num_cells = is_of_durations(d->kind) ? num_values + 2 : num_values;
    size_t num_series = d->label ? d->num_values : 1;
    struct metric *metric = calloc(1, sizeof *metric + num_series * num_cells * sizeof metric->cells[0]);
    ENSURE(metric, E_MEMORY, "out of memory");
    metric->is = *d;
    metric->num_series = num_series;
    metric->num_values = num_values;
    metric->num_cells = num_cells;
    *ret_metric = metric;
    return RESULT_OK;
}

result metrics_declare(struct metric **ret_metric, struct metrics *metrics,
                       const struct metrics_declaration *declaration)
{
    struct metric *metric = NULL, *other;
    TRY(check(declaration));
    TRY(metric_new(&metric, declaration));
    STAILQ_FOREACH(other, &metrics->all, link)
    {
        if (clash(metric, other)) {
            free(metric);
            FAIL(E_INTERNAL, "%s: the name is taken", declaration->name);
        }
    }
    STAILQ_INSERT_TAIL(&metrics->all, metric, link);
    *ret_metric = metric;
    return RESULT_OK;
}

/* ---- counting ---- */

static uint64_t *cells_of(struct metric *metric, size_t series)
{
    return series < metric->num_series ? metric->cells + series * metric->num_cells : NULL;
}

void metrics_count(struct metric *metric, size_t series)
{
    uint64_t *cells = cells_of(metric, series);
    if (cells && metric->is.kind == METRICS_COUNTER)
        cells[0]++;
}

void metrics_set(struct metric *metric, size_t series, uint64_t value)
{
    uint64_t *cells = cells_of(metric, series);
    if (cells && (metric->is.kind == METRICS_GAUGE || metric->is.kind == METRICS_DURATION))
        cells[0] = value;
}

void metrics_observe(struct metric *metric, size_t series, uint64_t duration_ns)
{
    uint64_t *cells = cells_of(metric, series);
    if (!cells || !is_of_durations(metric->is.kind))
        return;
    uint64_t *number = cells + metric->num_values, *sum = number + 1;
    if (metric->is.kind == METRICS_SUMMARY) {
        cells[*number % METRICS_WINDOW] = duration_ns;
    } else {
        size_t bound = 0;
        while (bound < metric->is.num_bounds && duration_ns > metric->is.bounds_ns[bound])
            bound++;
        cells[bound]++;
    }
    ++*number;
    *sum += duration_ns;
}
