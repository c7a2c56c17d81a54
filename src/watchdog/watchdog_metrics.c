/* watchdog_metrics.c - see watchdog_metrics.h.
 *
 * All is counted whether or not anybody is shown it: there is one way through the code. Times are told as
 * times, not as ages, so that what a scraper has is right between two scrapes. Label values are ours: states,
 * reasons, error codes of ours and nitro-cli's. No public key is among them: whoever reads metrics need not
 * know them. */
#include "watchdog_metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "metrics/metrics.h"
#include "net/net_address.h"
#include "net/net_http.h"

enum { CONNECTIONS_MAX = 16, BODY_MAX = 1024, BACKLOG = 16, CLI_CODES = 60 };

enum operation { OPERATION_INIT, OPERATION_STATUS, OPERATION_CREDENTIALS, OPERATION_COUNT };
static const char *const operations[OPERATION_COUNT] = {"init", "status", "credentials"};

struct watchdog_metrics {
    struct metrics *all;
    struct metric *starts, *ended, *state, *keys_loaded, *keys_failed, *last_status, *expiry, *fetch_errors,
        *cli_errors, *control;
    const char *states[WATCHDOG_STATE_COUNT], *ends[WATCHDOG_END_COUNT];
    const char *codes[E_INTERNAL];    /* label values: code - 1 */
    char cli_text[CLI_CODES][4];      /* E01 ... E59 */
    const char *cli_codes[CLI_CODES]; /* number - 1; the last is "none" */
    uint64_t asked_ns;                /* 0: nothing is asked */
    struct net_http_server *server;
};
typedef struct watchdog_metrics watchdog_metrics;
DEFINE_AUTO_POINTER(watchdog_metrics, watchdog_metrics_free)

static must_check result declare(struct metric **ret_metric, struct watchdog_metrics *m,
                                 enum metrics_kind kind, const char *name, const char *help)
{
    struct metrics_declaration declaration = {.kind = kind, .name = name, .help = help};
    return metrics_declare(ret_metric, m->all, &declaration);
}

static must_check result declare_labelled(struct metric **ret_metric, struct watchdog_metrics *m,
                                          struct metrics_declaration declaration)
{
    return metrics_declare(ret_metric, m->all, &declaration);
}

static void fill_labels(struct watchdog_metrics *m)
{
    for (int i = 0; i < WATCHDOG_STATE_COUNT; i++)
        m->states[i] = watchdog_state_name((enum watchdog_state)i);
    for (int i = 0; i < WATCHDOG_END_COUNT; i++)
        m->ends[i] = watchdog_end_name((enum watchdog_end)i);
    for (int i = 0; i < E_INTERNAL; i++)
        m->codes[i] = error_name(i + 1);
    for (int i = 0; i < CLI_CODES - 1; i++) {
        const char text[4] = {'E', (char)('0' + (i + 1) / 10), (char)('0' + (i + 1) % 10), 0};
        memcpy(m->cli_text[i], text, sizeof text);
        m->cli_codes[i] = m->cli_text[i];
    }
    m->cli_codes[CLI_CODES - 1] = "none";
}

static must_check result declare_with_labels(struct watchdog_metrics *m)
{
    static const uint64_t bounds[] = {1000000,     5000000,      25000000,     100000000,    500000000,
                                      2500000000U, 10000000000U, 30000000000U, 120000000000U};
    TRY(declare_labelled(&m->ended, m,
                         (struct metrics_declaration){
                             .kind = METRICS_COUNTER,
                             .name = "nitro_signer_watchdog_enclave_ends_total",
                             .help = "Enclaves that ended: died by themselves or could not be started; ended "
                                     "since the control connection was lost, the signer did not serve, or it "
                                     "did not answer; stopped with this program.",
                             .label = "reason",
                             .values = m->ends,
                             .num_values = WATCHDOG_END_COUNT}));
    TRY(declare_labelled(&m->state, m,
                         (struct metrics_declaration){.kind = METRICS_GAUGE,
                                                      .name = "nitro_signer_watchdog_state",
                                                      .help = "1 for the state that this program is in.",
                                                      .label = "state",
                                                      .values = m->states,
                                                      .num_values = WATCHDOG_STATE_COUNT}));
    TRY(declare_labelled(&m->fetch_errors, m,
                         (struct metrics_declaration){
                             .kind = METRICS_COUNTER,
                             .name = "nitro_signer_watchdog_fetch_errors_total",
                             .help = "Attempts to get keys or credentials that failed after their retries.",
                             .label = "kind",
                             .values = m->codes,
                             .num_values = E_INTERNAL}));
    TRY(declare_labelled(
        &m->cli_errors, m,
        (struct metrics_declaration){.kind = METRICS_COUNTER,
                                     .name = "nitro_signer_watchdog_nitro_cli_errors_total",
                                     .help = "Commands of nitro-cli that failed, by its code.",
                                     .label = "code",
                                     .values = m->cli_codes,
                                     .num_values = CLI_CODES}));
    return declare_labelled(&m->control, m,
                            (struct metrics_declaration){
                                .kind = METRICS_HISTOGRAM,
                                .name = "nitro_signer_watchdog_control_duration_seconds",
                                .help = "From a request on the control port to its reply, whatever it says.",
                                .label = "operation",
                                .values = operations,
                                .num_values = OPERATION_COUNT,
                                .bounds_ns = bounds,
                                .num_bounds = ARRAY_LENGTH(bounds)});
}

result watchdog_metrics_new(struct watchdog_metrics **ret_metrics)
{
    AUTO_POINTER(watchdog_metrics) m = calloc(1, sizeof *m);
    ENSURE(m, E_MEMORY, "out of memory for metrics");
    fill_labels(m);
    TRY(metrics_new(&m->all));
    TRY(declare(&m->starts, m, METRICS_COUNTER, "nitro_signer_watchdog_enclave_starts_total",
                "Enclaves that were started, or found running."));
    TRY(declare_with_labels(m));
    TRY(declare(&m->keys_loaded, m, METRICS_GAUGE, "nitro_signer_watchdog_keys_loaded",
                "Keys that the enclave serves, by its last status."));
    TRY(declare(&m->keys_failed, m, METRICS_GAUGE, "nitro_signer_watchdog_keys_failed",
                "Keys that the enclave could not load, by its last status."));
    TRY(declare(&m->last_status, m, METRICS_GAUGE, "nitro_signer_watchdog_last_status_timestamp_seconds",
                "When the enclave last said how it does, in seconds since 1970; 0: not yet."));
    TRY(declare(&m->expiry, m, METRICS_GAUGE, "nitro_signer_watchdog_credentials_expiry_timestamp_seconds",
                "When the role's credentials end, in seconds since 1970; 0: not known."));
    metrics_set(m->state, WATCHDOG_DOWN, 1);
    *ret_metrics = TAKE(m);
    return RESULT_OK;
}

void watchdog_metrics_free(struct watchdog_metrics *m)
{
    if (!m)
        return;
    if (m->server)
        net_http_server_free(m->server);
    metrics_free(m->all);
    free(m);
}

static void refuse(struct net_http_request *request, int status)
{
    net_http_reply(request, status, NULL, NULL, 0);
}

/* A page in somebody's browser that asks another origin sends its own; scrapers do not. Whoever points a name
 * of theirs here can still read it: there are figures only. */
static void handle(void *context, struct net_http_request *request)
{
    struct watchdog_metrics *m = context;
    AUTO(buffer) text = {0};
    if (net_http_header(request, "origin")) {
        refuse(request, 403);
    } else if (strcmp(net_http_path(request), "/metrics") != 0) {
        refuse(request, 404);
    } else if (net_http_method(request) != NET_HTTP_GET) {
        net_http_reply_header(request, "allow", "GET");
        refuse(request, 405);
    } else if (metrics_format(&text, m->all).code) {
        refuse(request, 500);
    } else {
        net_http_reply(request, 200, METRICS_CONTENT_TYPE, text.data, text.length);
    }
}

result watchdog_metrics_serve(struct watchdog_metrics *m, struct event_base *base, const char *address)
{
    struct net_address where;
    AUTO_FD listener = -1;
    const struct net_http_config config = {
        .handler = handle, .context = m, .max_connections = CONNECTIONS_MAX, .max_body = BODY_MAX};
    TRY(net_address_parse(&where, address));
    TRY(net_listen(&listener, &where, BACKLOG));
    TRY(net_http_server_new(&m->server, base, &config));
    TRY(net_http_server_accept(m->server, listener));
    (void)fd_take(&listener);
    return RESULT_OK;
}

void watchdog_metrics_ended(struct watchdog_metrics *m, enum watchdog_end end)
{
    metrics_count(m->ended, end);
    m->asked_ns = 0;
}

void watchdog_metrics_step(struct watchdog_metrics *m, enum watchdog_state before, enum watchdog_state now,
                           unsigned actions)
{
    if (actions & WATCHDOG_DO_START_CHILD)
        metrics_count(m->starts, 0);
    metrics_set(m->state, before, 0);
    metrics_set(m->state, now, 1);
}

void watchdog_metrics_asked(struct watchdog_metrics *m)
{
    m->asked_ns = clock_monotonic_ns();
}

/* The state says what was asked; in ADOPT it is the status. */
void watchdog_metrics_answered(struct watchdog_metrics *m, enum watchdog_state state)
{
    enum operation operation = state == WATCHDOG_INIT     ? OPERATION_INIT
                               : state == WATCHDOG_UPDATE ? OPERATION_CREDENTIALS
                                                          : OPERATION_STATUS;
    if (m->asked_ns)
        metrics_observe(m->control, operation, clock_monotonic_ns() - m->asked_ns);
    m->asked_ns = 0;
}

void watchdog_metrics_status(struct watchdog_metrics *m, const struct watchdog_status *status)
{
    metrics_set(m->keys_loaded, 0, status->keys);
    metrics_set(m->keys_failed, 0, status->failed);
    metrics_set(m->last_status, 0, clock_realtime_ms() / 1000);
}

void watchdog_metrics_fetch_failed(struct watchdog_metrics *m, int code)
{
    metrics_count(m->fetch_errors, (size_t)code - 1);
}

void watchdog_metrics_expiry(struct watchdog_metrics *m, uint64_t expires_ms)
{
    metrics_set(m->expiry, 0, expires_ms / 1000);
}

void watchdog_metrics_nitro_cli(struct watchdog_metrics *m, const char *code)
{
    for (size_t i = 0; i < CLI_CODES - 1; i++) {
        if (strcmp(m->cli_codes[i], code) == 0) {
            metrics_count(m->cli_errors, i);
            return;
        }
    }
    metrics_count(m->cli_errors, CLI_CODES - 1);
}
