/* watchdog_view.h - the status page's two documents and its words, made from what is known at a moment. */
#ifndef WATCHDOG_WATCHDOG_VIEW_H
#define WATCHDOG_WATCHDOG_VIEW_H

#include "base/buffer.h"
#include "watchdog_facts.h"
#include "watchdog_history.h"

/* Nothing in it is owned. */
struct watchdog_view {
    const struct watchdog_facts *facts;
    const struct watchdog_history *history;
    const struct watchdog_figures *figures; /* the last ones; NULL: none of this enclave */
    uint64_t figures_ms;                    /* when they came, since 1970 */
    bool may_ask;                           /* somebody is asked for figures */
    uint32_t interval;                      /* seconds between two samples */
    uint32_t status_interval;               /* seconds between two questions for its status */
    uint64_t now_ms;
};

/* What somebody should look at. */
enum watchdog_problem {
    WATCHDOG_PROBLEM_SIGNER_FAILED,
    WATCHDOG_PROBLEM_NO_KEYS,
    WATCHDOG_PROBLEM_KEYS_FAILED,
    WATCHDOG_PROBLEM_STORE_FAILING,
    WATCHDOG_PROBLEM_CONFLICTS,
    WATCHDOG_PROBLEM_CREDENTIALS,
    WATCHDOG_PROBLEM_STATUS_OLD,
    WATCHDOG_PROBLEM_NO_FIGURES,
    WATCHDOG_PROBLEM_COUNT
};
const char *watchdog_problem_name(enum watchdog_problem problem);
bool watchdog_view_has(const struct watchdog_view *view, enum watchdog_problem problem);

/* "serving" ... and how well: "ok", "busy" (on its way), "warn", "bad". */
const char *watchdog_view_level(const struct watchdog_view *view);

/* The texts of the page: {{name}} of its template. */
enum { WATCHDOG_WORDS = 24, WATCHDOG_WORD_MAX = 400 };
struct watchdog_words {
    struct {
        const char *name;
        char text[WATCHDOG_WORD_MAX];
    } all[WATCHDOG_WORDS];
    size_t num_words;
};
void watchdog_view_words(struct watchdog_words *ret_words, const struct watchdog_view *view);

/* Appends the template with its words, escaped. E_INTERNAL for a name that is none. */
must_check result watchdog_view_page(struct buffer *out, const struct watchdog_words *words,
                                     const char *template, size_t template_len);
/* docs/status-page.md describes both. */
must_check result watchdog_view_status(struct buffer *out, const struct watchdog_view *view);
must_check result watchdog_view_history(struct buffer *out, const struct watchdog_view *view);

#endif
