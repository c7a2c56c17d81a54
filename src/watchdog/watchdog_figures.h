/* watchdog_figures.h - what the enclave's own page of metrics says, as far as the status page shows it. Pure:
 * the bytes are an enclave's, and those of whatever stands between. */
#ifndef WATCHDOG_WATCHDOG_FIGURES_H
#define WATCHDOG_WATCHDOG_FIGURES_H

#include <stdint.h>

#include "base/result.h"

enum { WATCHDOG_ROWS_MAX = 40, WATCHDOG_LABEL_MAX = 47, WATCHDOG_BOUNDS_MAX = 32 };

/* A metric with one label: letters, digits, '_' and '-', each once, in the order of the page. */
struct watchdog_row {
    char label[WATCHDOG_LABEL_MAX + 1];
    uint64_t value;
};
struct watchdog_rows {
    struct watchdog_row rows[WATCHDOG_ROWS_MAX];
    size_t num_rows;
};

/* How long answers took, all types of messages together. */
struct watchdog_latencies {
    uint64_t bounds_us[WATCHDOG_BOUNDS_MAX]; /* ascending; the last is UINT64_MAX */
    uint64_t counts[WATCHDOG_BOUNDS_MAX];    /* up to each bound, those below it included */
    size_t num_bounds;
};

/* Counts are since the enclave's front was started; none is above 2^53. */
struct watchdog_figures {
    uint64_t started; /* seconds since 1970, by the enclave's clock */
    uint64_t connections, store_ok, protection, store_errors, conflicts;
    struct watchdog_rows signatures, answers, refusals; /* by type, outcome, reason */
    struct watchdog_latencies latencies;
};

/* The text of Prometheus's exposition format. Lines of other metrics are passed over. E_INPUT names the
 * metric that is missing, twice there or not of the form. */
must_check result watchdog_figures_read(struct watchdog_figures *ret_figures, const char *text,
                                        size_t text_len);

/* The body of a whole HTTP answer of status 200, which must have the length that its head says. E_INPUT
 * otherwise. */
must_check result watchdog_figures_body(const char **ret_body, size_t *ret_len, const char *answer,
                                        size_t answer_len);

/* The number of that label; 0 where there is none. */
uint64_t watchdog_rows_get(const struct watchdog_rows *rows, const char *label);
uint64_t watchdog_rows_sum(const struct watchdog_rows *rows);

#endif
