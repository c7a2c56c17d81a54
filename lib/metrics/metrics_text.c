/* metrics_text.c - the text that Prometheus reads, exposition format 0.0.4.
 *
 * Counts are printed as the integers they are; durations are kept in nanoseconds and shown in seconds. A
 * summary's quantiles are taken from the observations themselves by nearest rank, sorted when somebody asks:
 * that is rare, and observing stays one store. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics_private.h"

enum { NUMBER_TEXT = 40 };

static const char *kind_name(enum metrics_kind kind)
{
    switch (kind) {
    case METRICS_COUNTER:
        return "counter";
    case METRICS_GAUGE:
    case METRICS_DURATION:
        return "gauge";
    case METRICS_HISTOGRAM:
        return "histogram";
    case METRICS_SUMMARY:
        return "summary";
    }
    return "untyped";
}

static must_check result append_escaped(struct buffer *out, const char *text, bool quotes)
{
    for (const char *c = text; *c; c++) {
        if (*c == '\n')
            TRY(buffer_append_text(out, "\\n"));
        else if (*c == '\\' || (quotes && *c == '"'))
            TRY(buffer_printf(out, "\\%c", *c));
        else
            TRY(buffer_append(out, c, 1));
    }
    return RESULT_OK;
}

static must_check result append_header(struct buffer *out, const struct metrics_declaration *d)
{
    TRY(buffer_printf(out, "# HELP %s ", d->name));
    TRY(append_escaped(out, d->help, false));
    return buffer_printf(out, "\n# TYPE %s %s\n", d->name, kind_name(d->kind));
}

/* A second label, such as le="0.1"; or none, with name NULL. */
struct extra {
    const char *name, *value;
};

static must_check result append_sample(struct buffer *out, const struct metric *metric, size_t series,
                                       const char *suffix, struct extra extra, const char *value)
{
    const struct metrics_declaration *d = &metric->is;
    TRY(buffer_printf(out, "%s%s", d->name, suffix));
    if (d->label) {
        TRY(buffer_printf(out, "{%s=\"", d->label));
        TRY(append_escaped(out, d->values[series], true));
        TRY(buffer_append_text(out, "\""));
    }
    if (extra.name)
        TRY(buffer_printf(out, "%s%s=\"%s\"", d->label ? "," : "{", extra.name, extra.value));
    return buffer_printf(out, "%s %s\n", d->label || extra.name ? "}" : "", value);
}

static void format_count(char out[static NUMBER_TEXT], uint64_t value)
{
    (void)snprintf(out, NUMBER_TEXT, "%" PRIu64, value);
}

/* Exact, without the zeros at the end: 1500000 is "0.0015", 2000000000 is "2". */
static void format_seconds(char out[static NUMBER_TEXT], uint64_t nanoseconds)
{
    int length = snprintf(out, NUMBER_TEXT, "%" PRIu64 ".%09" PRIu64, nanoseconds / 1000000000,
                          nanoseconds % 1000000000);
    while (out[length - 1] == '0')
        out[--length] = 0;
    if (out[length - 1] == '.')
        out[length - 1] = 0;
}

static must_check result append_value(struct buffer *out, const struct metric *metric, size_t series,
                                      const uint64_t *cells)
{
    char value[NUMBER_TEXT];
    if (metric->is.kind == METRICS_DURATION)
        format_seconds(value, cells[0]);
    else
        format_count(value, cells[0]);
    return append_sample(out, metric, series, "", (struct extra){0}, value);
}

static must_check result append_buckets(struct buffer *out, const struct metric *metric, size_t series,
                                        const uint64_t *cells)
{
    char value[NUMBER_TEXT], bound[NUMBER_TEXT];
    uint64_t up_to_here = 0;
    for (size_t i = 0; i < metric->num_values; i++) {
        bool last = i == metric->is.num_bounds;
        if (!last)
            format_seconds(bound, metric->is.bounds_ns[i]);
        up_to_here += cells[i];
        format_count(value, up_to_here);
        TRY(append_sample(out, metric, series, "_bucket", (struct extra){"le", last ? "+Inf" : bound},
                          value));
    }
    return RESULT_OK;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static must_check result append_quantiles(struct buffer *out, const struct metric *metric, size_t series,
                                          const uint64_t *cells)
{
    static const struct {
        const char *name;
        size_t hundredths;
    } quantiles[] = {{"0.2", 20}, {"0.5", 50}, {"0.8", 80}, {"0.95", 95}, {"0.99", 99}, {"1.0", 100}};
    uint64_t sorted[METRICS_WINDOW], number = cells[metric->num_values];
    size_t length = number < METRICS_WINDOW ? (size_t)number : METRICS_WINDOW;
    memcpy(sorted, cells, length * sizeof sorted[0]);
    qsort(sorted, length, sizeof sorted[0], compare);
    for (size_t i = 0; i < ARRAY_LENGTH(quantiles); i++) {
        char value[NUMBER_TEXT] = "NaN"; /* of nothing */
        size_t rank = (quantiles[i].hundredths * length + 99) / 100;
        if (rank > 0)
            format_seconds(value, sorted[rank - 1]);
        TRY(append_sample(out, metric, series, "", (struct extra){"quantile", quantiles[i].name}, value));
    }
    return RESULT_OK;
}

static must_check result append_number_and_sum(struct buffer *out, const struct metric *metric, size_t series,
                                               const uint64_t *cells)
{
    char value[NUMBER_TEXT];
    format_seconds(value, cells[metric->num_values + 1]);
    TRY(append_sample(out, metric, series, "_sum", (struct extra){0}, value));
    format_count(value, cells[metric->num_values]);
    return append_sample(out, metric, series, "_count", (struct extra){0}, value);
}

static must_check result append_series(struct buffer *out, const struct metric *metric, size_t series)
{
    const uint64_t *cells = metric->cells + series * metric->num_cells;
    switch (metric->is.kind) {
    case METRICS_COUNTER:
    case METRICS_GAUGE:
    case METRICS_DURATION:
        return append_value(out, metric, series, cells);
    case METRICS_HISTOGRAM:
        TRY(append_buckets(out, metric, series, cells));
        return append_number_and_sum(out, metric, series, cells);
    case METRICS_SUMMARY:
        TRY(append_quantiles(out, metric, series, cells));
        return append_number_and_sum(out, metric, series, cells);
    }
    FAIL(E_INTERNAL, "no such kind of metric");
}

result metrics_format(struct buffer *out, const struct metrics *metrics)
{
    const struct metric *metric;
    STAILQ_FOREACH(metric, &metrics->all, link)
    {
        TRY(append_header(out, &metric->is));
        for (size_t i = 0; i < metric->num_series; i++)
            TRY(append_series(out, metric, i));
    }
    return RESULT_OK;
}
