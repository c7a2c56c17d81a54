/* watchdog_onlookers.c - see watchdog_onlookers.h.
 *
 * Everything is noted whether or not anybody is shown it, so that there is one way through the code; only the
 * enclave's figures are asked for where there is a status page. They are asked of a signer that serves: at
 * other times a sample says that nothing is known. */
#include "watchdog_onlookers.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "watchdog_facts.h"
#include "watchdog_history.h"
#include "watchdog_metrics.h"
#include "watchdog_page.h"
#include "watchdog_scrape.h"

struct watchdog_onlookers {
    const struct watchdog_options *options;
    struct watchdog_metrics *metrics;
    struct watchdog_facts facts;
    enum watchdog_end end; /* why the enclave is being ended; WATCHDOG_END_DIED: it is not */
    struct watchdog_history history;
    struct watchdog_figures figures;
    uint64_t figures_ms;            /* 0: none of this enclave */
    bool deaf;                      /* the last figures did not come, and that was told */
    struct watchdog_scrape *scrape; /* NULL: nobody is asked */
    struct event_base *base;
    struct watchdog_page *page; /* NULL: none is wanted, or its address is not to be had */
    bool hidden;                /* the latter, and that was told */
    struct event *tick;
};
typedef struct watchdog_onlookers watchdog_onlookers;
DEFINE_AUTO_POINTER(watchdog_onlookers, watchdog_onlookers_free)

result watchdog_onlookers_new(struct watchdog_onlookers **ret_onlookers,
                              const struct watchdog_options *options)
{
    AUTO_POINTER(watchdog_onlookers) o = calloc(1, sizeof *o);
    ENSURE(o, E_MEMORY, "no memory for what is shown");
    o->options = options;
    watchdog_facts_open(&o->facts, clock_realtime_ms());
    watchdog_history_open(&o->history);
    TRY(watchdog_metrics_new(&o->metrics));
    *ret_onlookers = TAKE(o);
    return RESULT_OK;
}

void watchdog_onlookers_free(struct watchdog_onlookers *o)
{
    if (!o)
        return;
    watchdog_page_close(o->page);
    watchdog_scrape_close(o->scrape);
    if (o->tick)
        event_free(o->tick);
    watchdog_metrics_free(o->metrics);
    free(o);
}

/* ---- the status page ---- */

static struct watchdog_view look(const void *context)
{
    const struct watchdog_onlookers *o = context;
    return (struct watchdog_view){.facts = &o->facts,
                                  .history = &o->history,
                                  .figures = o->figures_ms ? &o->figures : NULL,
                                  .figures_ms = o->figures_ms,
                                  .may_ask = o->scrape != NULL,
                                  .interval = o->options->sample_interval,
                                  .status_interval = o->options->status_interval,
                                  .now_ms = clock_realtime_ms()};
}

static void take_sample(struct watchdog_onlookers *o, const struct watchdog_figures *figures)
{
    uint64_t now_ms = clock_realtime_ms();
    watchdog_history_take(&o->history, figures, now_ms / 1000, clock_monotonic_ns());
    if (!figures)
        return;
    o->figures = *figures;
    o->figures_ms = now_ms;
}

static void on_scraped(void *context, const struct watchdog_figures *figures)
{
    struct watchdog_onlookers *o = context;
    if (!figures && !o->deaf)
        log_warn("--enclave-metrics: %s; the status page does without", error_text());
    else if (figures && o->deaf)
        log_info("--enclave-metrics: the enclave tells its figures again");
    o->deaf = !figures;
    take_sample(o, figures);
}

/* A signer is not kept from signing because somebody else has the port of a page that only tells. */
static void try_page(struct watchdog_onlookers *o)
{
    result r = watchdog_page_open(&o->page, o->base, &o->options->status_page_address, look, o);
    if (r.code && !o->hidden)
        log_warn("--status-page: %s; the watchdog works without, and tries again", error_text());
    else if (!r.code && o->hidden)
        log_info("--status-page: the page is served now");
    o->hidden = r.code != 0;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct watchdog_onlookers *o = context;
    if (!o->page)
        try_page(o);
    bool serves = o->facts.condition == WATCHDOG_IS_SERVING || o->facts.condition == WATCHDOG_IS_FAILED;
    if (o->scrape && serves)
        watchdog_scrape_ask(o->scrape);
    else
        take_sample(o, NULL);
}

static must_check result serve_page(struct watchdog_onlookers *o, struct event_base *base)
{
    const struct watchdog_options *options = o->options;
    const struct timeval interval = {.tv_sec = options->sample_interval};
    o->base = base;
    try_page(o);
    if (options->enclave_metrics)
        TRY(watchdog_scrape_open(&o->scrape, base, &options->enclave_metrics_address, on_scraped, o));
    o->tick = event_new(base, -1, EV_PERSIST, on_tick, o);
    ENSURE(o->tick && event_add(o->tick, &interval) == 0, E_MEMORY, "no memory for events");
    return RESULT_OK;
}

result watchdog_onlookers_serve(struct watchdog_onlookers *o, struct event_base *base)
{
    const struct watchdog_options *options = o->options;
    result r = options->metrics ? watchdog_metrics_serve(o->metrics, base, options->metrics) : RESULT_OK;
    if (r.code)
        return error_prefix(r, "--metrics");
    r = options->status_page ? serve_page(o, base) : RESULT_OK;
    return r.code ? error_prefix(r, "--status-page") : r;
}

/* ---- what happens ---- */

void watchdog_onlookers_policy(struct watchdog_onlookers *o, const struct policy *policy)
{
    watchdog_facts_policy(&o->facts, policy);
}

static void forget_enclave(struct watchdog_onlookers *o)
{
    o->figures_ms = 0;
    if (o->scrape)
        watchdog_scrape_drop(o->scrape);
}

void watchdog_onlookers_step(struct watchdog_onlookers *o, enum watchdog_state before,
                             enum watchdog_event event, const struct watchdog *now, unsigned actions)
{
    uint64_t now_ms = clock_realtime_ms();
    if (actions & (WATCHDOG_DO_TERMINATE | WATCHDOG_DO_KILL) && o->end == WATCHDOG_END_DIED)
        o->end = watchdog_end_of(event);
    if (event == WATCHDOG_CHILD_ENDED && before != WATCHDOG_DOWN) {
        watchdog_metrics_ended(o->metrics, o->end);
        watchdog_facts_ended(&o->facts, o->end, now_ms);
        forget_enclave(o);
        o->end = WATCHDOG_END_DIED;
    }
    if (event == WATCHDOG_CONNECTED && before == WATCHDOG_CONNECTING)
        watchdog_history_begin(&o->history, clock_monotonic_ns());
    watchdog_metrics_step(o->metrics, before, now->state, actions);
    watchdog_facts_step(&o->facts, now->state, actions, now_ms);
}

void watchdog_onlookers_asked(struct watchdog_onlookers *o)
{
    watchdog_metrics_asked(o->metrics);
}

void watchdog_onlookers_answered(struct watchdog_onlookers *o, enum watchdog_state state, int status)
{
    char number[16];
    watchdog_metrics_answered(o->metrics, state);
    (void)snprintf(number, sizeof number, "%d", status);
    if (status == 200)
        return;
    if (state == WATCHDOG_INIT)
        watchdog_facts_tell(&o->facts, WATCHDOG_TOLD_INIT_REFUSED, number, clock_realtime_ms());
    if (state == WATCHDOG_UPDATE)
        watchdog_facts_tell(&o->facts, WATCHDOG_TOLD_UPDATE_REFUSED, number, clock_realtime_ms());
}

void watchdog_onlookers_status(struct watchdog_onlookers *o, const struct watchdog_status *status,
                               const char *body)
{
    watchdog_metrics_status(o->metrics, status);
    watchdog_facts_status(&o->facts, status, body, clock_realtime_ms());
}

void watchdog_onlookers_fetch_failed(struct watchdog_onlookers *o, int code)
{
    watchdog_metrics_fetch_failed(o->metrics, code);
    watchdog_facts_tell(&o->facts, WATCHDOG_TOLD_FETCH_FAILED, error_name(code), clock_realtime_ms());
}

void watchdog_onlookers_expiry(struct watchdog_onlookers *o, uint64_t expires_ms)
{
    watchdog_metrics_expiry(o->metrics, expires_ms);
    o->facts.expires_ms = expires_ms;
}

void watchdog_onlookers_nitro_cli(struct watchdog_onlookers *o, const char *code)
{
    watchdog_metrics_nitro_cli(o->metrics, code);
    watchdog_facts_tell(&o->facts, WATCHDOG_TOLD_NITRO_CLI, code, clock_realtime_ms());
}
