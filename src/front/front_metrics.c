/* front_metrics.c - what the front counts, and GET /metrics on a listener of its own.
 *
 * Where Web3Signer has a name for the same thing, it is used, so that its dashboards go on working; what
 * it does not tell begins with nitro_signer_. Everything is counted whether or not anybody is shown it: there
 * is one way through the code. Label values are kinds, outcomes and verdicts of ours; no client's byte
 * becomes one. Rejected: the same path on the main listener, where everybody who may ask for signatures could
 * read it.
 *
 * What counts as a conflict is decided by the verdict alone (meaning_of): another message at the very height
 * that was signed, which an honest client never asks for, against a height below it, which one that restarts
 * with an old view does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/version.h"
#include "eth2/eth2_order.h"
#include "front.h"
#include "metrics/metrics.h"
#include "slashing/slashing_rules.h"

enum { VERDICTS_MAX = UINT8_MAX + 1, KINDS = ETH2_ORDER_KIND_END - 1 };

/* Histograms show nanoseconds as seconds: one key is observed as one second, and shown as 1. */
#define KEY UINT64_C(1000000000)

struct front_metrics {
    struct metrics *all;
    const char *kinds[KINDS];           /* label values: kind - 1 */
    const char *verdicts[VERDICTS_MAX]; /* label values: the refusals, ... */
    size_t series_of[VERDICTS_MAX];     /* ... and which of them each verdict is; SIZE_MAX for none */
    struct metric *answers, *signatures, *durations, *batch_keys, *refusals, *refused, *conflicts, *stale,
        *store_errors;
    struct metric *malformed, *missing, *permitted, *prevented, *summary; /* Web3Signer's */
    struct metric *clients, *shapes;
    struct metric *keys_loaded, *keys_failed, *store_ok, *protected, *connections, *start;
    struct front_repeats repeats;
};

const char *front_outcome_name(enum front_outcome outcome)
{
    switch (outcome) {
    case FRONT_SIGNED:
        return "signed";
    case FRONT_MALFORMED:
        return "malformed";
    case FRONT_TOO_LARGE:
        return "too_large";
    case FRONT_ROOT_DIFFERS:
        return "signing_root_differs";
    case FRONT_UNKNOWN_KEY:
        return "unknown_key";
    case FRONT_REFUSED:
        return "slashing_protection";
    case FRONT_STORE_ERROR:
        return "store_error";
    case FRONT_BUSY:
        return "too_many_requests";
    case FRONT_LATE:
        return "no_answer_in_time";
    case FRONT_GONE:
        return "client_gone";
    case FRONT_FAILED:
        return "failed";
    case FRONT_OUTCOME_END:
        break;
    }
    return "unknown";
}

enum meaning { OTHER, CONFLICT, STALE };

static enum meaning meaning_of(enum slashing_verdict verdict)
{
    switch (verdict) {
    case SLASHING_REFUSE_TARGET_EQUAL:
    case SLASHING_REFUSE_SLOT_EQUAL:
        return CONFLICT;
    case SLASHING_REFUSE_SOURCE_BELOW:
    case SLASHING_REFUSE_TARGET_BELOW:
    case SLASHING_REFUSE_SLOT_BELOW:
        return STALE;
    case SLASHING_ALLOW_NEW:
    case SLASHING_ALLOW_REPEAT:
    case SLASHING_NOT_APPLICABLE:
    case SLASHING_REFUSE_DISABLED:
    case SLASHING_REFUSE_SOURCE_AFTER_TARGET:
    case SLASHING_REFUSE_GENESIS_ROOT:
    case SLASHING_REFUSE_HIGH_WATERMARK:
    case SLASHING_REFUSE_FAR_FUTURE:
    case SLASHING_REFUSE_BOOT_FLOOR:
        break;
    }
    return OTHER;
}

/* ---- declaring ---- */

static must_check result declare(struct metric **ret_metric, struct front_metrics *m, enum metrics_kind kind,
                                 const char *name, const char *help)
{
    struct metrics_declaration declaration = {.kind = kind, .name = name, .help = help};
    return metrics_declare(ret_metric, m->all, &declaration);
}

/* The refusals are numbered as the slashing room names them; a number without a name is none. */
static size_t list_refusals(struct front_metrics *m)
{
    const char *nameless = slashing_verdict_name((enum slashing_verdict)UINT8_MAX);
    size_t num_refusals = 0;
    for (size_t i = 0; i < VERDICTS_MAX; i++) {
        const char *name = slashing_verdict_name((enum slashing_verdict)i);
        bool refuses = !slashing_allows((enum slashing_verdict)i) && strcmp(name, nameless) != 0;
        m->series_of[i] = refuses ? num_refusals : SIZE_MAX;
        if (refuses)
            m->verdicts[num_refusals++] = name;
    }
    return num_refusals;
}

static must_check result declare_with_labels(struct front_metrics *m)
{
    static const char *outcomes[FRONT_OUTCOME_END];
    static const uint64_t bounds[] = {500000,     1000000,    2500000,    5000000,    10000000,
                                      25000000,   50000000,   100000000,  250000000,  500000000,
                                      1000000000, 2500000000, 5000000000, 10000000000};
    for (size_t i = 0; i < FRONT_OUTCOME_END; i++)
        outcomes[i] = front_outcome_name((enum front_outcome)i);
    for (size_t i = 0; i < KINDS; i++)
        m->kinds[i] = eth2_order_kind_name((enum eth2_order_kind)(i + 1));
    TRY(metrics_declare(&m->answers, m->all,
                        &(struct metrics_declaration){.kind = METRICS_COUNTER,
                                                      .name = "nitro_signer_sign_answers_total",
                                                      .help = "Answers to sign requests.",
                                                      .label = "outcome",
                                                      .values = outcomes,
                                                      .num_values = FRONT_OUTCOME_END}));
    TRY(metrics_declare(&m->signatures, m->all,
                        &(struct metrics_declaration){.kind = METRICS_COUNTER,
                                                      .name = "nitro_signer_signatures_total",
                                                      .help = "Signatures given out, by type of message.",
                                                      .label = "type",
                                                      .values = m->kinds,
                                                      .num_values = KINDS}));
    TRY(metrics_declare(
        &m->durations, m->all,
        &(struct metrics_declaration){.kind = METRICS_HISTOGRAM,
                                      .name = "nitro_signer_sign_duration_seconds",
                                      .help = "From a complete sign request to its answer, whatever "
                                              "the outcome, by type of message.",
                                      .label = "type",
                                      .values = m->kinds,
                                      .num_values = KINDS,
                                      .bounds_ns = bounds,
                                      .num_bounds = ARRAY_LENGTH(bounds)}));
    static const uint64_t sizes[] = {1 * KEY,   4 * KEY,    16 * KEY,   64 * KEY,
                                     256 * KEY, 1024 * KEY, 4096 * KEY, 8192 * KEY};
    TRY(metrics_declare(
        &m->batch_keys, m->all,
        &(struct metrics_declaration){.kind = METRICS_HISTOGRAM,
                                      .name = "nitro_signer_batch_keys",
                                      .help = "Keys of a batch: one request for many signatures.",
                                      .bounds_ns = sizes,
                                      .num_bounds = ARRAY_LENGTH(sizes)}));
    return metrics_declare(
        &m->refusals, m->all,
        &(struct metrics_declaration){.kind = METRICS_COUNTER,
                                      .name = "nitro_signer_slashing_refusals_total",
                                      .help = "Sign requests that slashing protection refused.",
                                      .label = "reason",
                                      .values = m->verdicts,
                                      .num_values = list_refusals(m)});
}

/* The front's own part, ready, is not known to it. */
static must_check result declare_start(struct front_metrics *m)
{
    static const char *phases[IPC_PHASE_READY];
    for (size_t i = 0; i < IPC_PHASE_READY; i++)
        phases[i] = ipc_phase_name((enum ipc_phase)i);
    return metrics_declare(&m->start, m->all,
                           &(struct metrics_declaration){.kind = METRICS_DURATION,
                                                         .name = "nitro_signer_start_seconds",
                                                         .help = "What the phases of the start took.",
                                                         .label = "phase",
                                                         .values = phases,
                                                         .num_values = IPC_PHASE_READY});
}

static must_check result declare_fingerprints(struct front_metrics *m)
{
    static const char *clients[FRONT_CLIENTS], *shapes[ETH2_SHAPE_END - 1];
    for (size_t i = 0; i < FRONT_CLIENTS; i++)
        clients[i] = front_client_name(i);
    for (size_t i = 0; i < ETH2_SHAPE_END - 1; i++)
        shapes[i] = eth2_api_shape_name((enum eth2_api_shape)(i + 1));
    TRY(metrics_declare(&m->clients, m->all,
                        &(struct metrics_declaration){.kind = METRICS_COUNTER,
                                                      .name = "nitro_signer_client_requests_total",
                                                      .help = "Requests, by the client's User-Agent.",
                                                      .label = "client",
                                                      .values = clients,
                                                      .num_values = FRONT_CLIENTS}));
    return metrics_declare(
        &m->shapes, m->all,
        &(struct metrics_declaration){.kind = METRICS_COUNTER,
                                      .name = "nitro_signer_deprecated_requests_total",
                                      .help = "Sign requests of a shape from before remote-signing-api 1.4.",
                                      .label = "shape",
                                      .values = shapes,
                                      .num_values = ETH2_SHAPE_END - 1});
}

static must_check result declare_ours(struct front_metrics *m)
{
    TRY(declare_with_labels(m));
    TRY(declare_start(m));
    TRY(declare_fingerprints(m));
    TRY(declare(&m->refused, m, METRICS_COUNTER, "nitro_signer_slashing_refused_messages_total",
                "Messages refused by slashing protection; one of the latest 1024 that is asked for again is "
                "not counted again."));
    TRY(declare(
        &m->conflicts, m, METRICS_COUNTER, "nitro_signer_slashing_conflicts_total",
        "Refused: another message at a height that was already signed (double_vote, double_proposal). "
        "Another signer or client has the same keys."));
    TRY(declare(&m->stale, m, METRICS_COUNTER, "nitro_signer_slashing_stale_total",
                "Refused: a slot, source or target below what was already signed."));
    TRY(declare(&m->store_errors, m, METRICS_COUNTER, "nitro_signer_store_errors_total",
                "Sign requests that were not signed because the slashing protection store did not answer."));
    TRY(declare(&m->store_ok, m, METRICS_GAUGE, "nitro_signer_slashing_store_ok",
                "1 while the slashing protection store works, as last reported; 1 without protection too."));
    TRY(declare(&m->protected, m, METRICS_GAUGE, "nitro_signer_slashing_protection_enabled",
                "1 while blocks and attestations are signed under slashing protection only."));
    TRY(declare(&m->keys_failed, m, METRICS_GAUGE, "nitro_signer_keys_failed",
                "Keys that could not be loaded."));
    return declare(&m->connections, m, METRICS_GAUGE, "nitro_signer_http_connections",
                   "Open connections of clients, without those of scrapers.");
}

static must_check result declare_web3signers(struct front_metrics *m)
{
    static char version[64];
    static const char *const versions[] = {version};
    (void)snprintf(version, sizeof version, "nitro-signer/%s", version_number);
    struct metric *release, *started;
    TRY(declare(&m->malformed, m, METRICS_COUNTER, "http_bls_malformed_request_count_total",
                "Sign requests answered with 400."));
    TRY(declare(&m->missing, m, METRICS_COUNTER, "signing_bls_missing_identifier_count_total",
                "Sign requests for a key that is not loaded."));
    TRY(declare(&m->permitted, m, METRICS_COUNTER, "eth2_slashingprotection_permitted_signings_total",
                "Signatures of every type given out with slashing protection on."));
    TRY(declare(&m->prevented, m, METRICS_COUNTER, "eth2_slashingprotection_prevented_signings_total",
                "Sign requests that slashing protection refused."));
    TRY(declare(&m->summary, m, METRICS_SUMMARY, "signing_bls_signing_duration",
                "Seconds from a complete sign request to its answer, whatever the outcome; quantiles of the "
                "latest 1024."));
    TRY(declare(&m->keys_loaded, m, METRICS_GAUGE, "signing_signers_loaded_count", "Keys that are loaded."));
    TRY(declare(&started, m, METRICS_GAUGE, "process_start_time_seconds",
                "When the front was started, in seconds since 1970."));
    metrics_set(started, 0, clock_realtime_ms() / 1000);
    TRY(metrics_declare(&release, m->all,
                        &(struct metrics_declaration){.kind = METRICS_GAUGE,
                                                      .name = "process_release",
                                                      .help = "1, with the version as the label.",
                                                      .label = "version",
                                                      .values = versions,
                                                      .num_values = ARRAY_LENGTH(versions)}));
    metrics_set(release, 0, 1);
    return RESULT_OK;
}

result front_metrics_new(struct front_metrics **ret_metrics)
{
    struct front_metrics *m = calloc(1, sizeof *m);
    ENSURE(m, E_MEMORY, "out of memory");
    *ret_metrics = m; /* the caller frees it, whatever becomes of the rest */
    TRY(metrics_new(&m->all));
    TRY(declare_web3signers(m));
    return declare_ours(m);
}

void front_metrics_free(struct front_metrics *m)
{
    if (!m)
        return;
    metrics_free(m->all);
    free(m);
}

/* ---- counting ---- */

void front_metrics_answered(struct front *front, enum front_outcome outcome, enum eth2_order_kind kind,
                            uint64_t began_ns)
{
    struct front_metrics *m = front->metrics;
    uint64_t took = clock_monotonic_ns() - began_ns;
    size_t of_kind = (size_t)kind - 1; /* no kind: no series */
    metrics_count(m->answers, outcome);
    metrics_observe(m->summary, 0, took);
    metrics_observe(m->durations, of_kind, took);
    switch (outcome) {
    case FRONT_SIGNED:
        metrics_count(m->signatures, of_kind);
        if (front->policy.slashing_protection)
            metrics_count(m->permitted, 0);
        return;
    case FRONT_MALFORMED:
    case FRONT_ROOT_DIFFERS:
        metrics_count(m->malformed, 0);
        return;
    case FRONT_UNKNOWN_KEY:
        metrics_count(m->missing, 0);
        return;
    case FRONT_REFUSED:
        metrics_count(m->prevented, 0);
        return;
    case FRONT_STORE_ERROR:
        metrics_count(m->store_errors, 0);
        return;
    case FRONT_TOO_LARGE:
    case FRONT_BUSY:
    case FRONT_LATE:
    case FRONT_GONE:
    case FRONT_FAILED:
    case FRONT_OUTCOME_END:
        return;
    }
}

void front_metrics_refused(struct front *front, const struct ipc_answer *answer,
                           const uint8_t pubkey[static FRONT_PUBKEY_LEN])
{
    struct front_metrics *m = front->metrics;
    metrics_count(m->refusals, m->series_of[answer->verdict]);
    if (front_repeats_note(&m->repeats, pubkey, answer->signing_root))
        metrics_count(m->refused, 0);
    switch (meaning_of((enum slashing_verdict)answer->verdict)) {
    case CONFLICT:
        metrics_count(m->conflicts, 0);
        return;
    case STALE:
        metrics_count(m->stale, 0);
        return;
    case OTHER:
        return;
    }
}

void front_metrics_batch(struct front *front, uint32_t num_keys)
{
    metrics_observe(front->metrics->batch_keys, 0, num_keys * KEY);
}

void front_metrics_client(struct front *front, size_t client)
{
    metrics_count(front->metrics->clients, client);
}

void front_metrics_shape(struct front *front, enum eth2_api_shape shape)
{
    metrics_count(front->metrics->shapes, (size_t)shape - 1);
}

/* ---- showing ---- */

static must_check result format(struct buffer *out, struct front *front)
{
    struct front_metrics *m = front->metrics;
    metrics_set(m->keys_loaded, 0, front->health.keys);
    metrics_set(m->keys_failed, 0, front->health.failed);
    for (size_t i = 0; i < IPC_PHASE_READY; i++)
        metrics_set(m->start, i, front->health.phases.us[i] * UINT64_C(1000));
    metrics_set(m->store_ok, 0, front->health.store_ok);
    metrics_set(m->protected, 0, front->policy.slashing_protection);
    metrics_set(m->connections, 0, net_http_server_connections(front->server));
    return metrics_format(out, m->all);
}

void front_metrics_handle(void *context, struct net_http_request *request)
{
    struct front *front = context;
    AUTO(buffer) text = {0};
    if (net_http_header(request, "origin")) {
        front_reply_error(request, 403, "CORS Rejected - Invalid origin");
        return;
    }
    if (!front_host_admitted(&front->metrics_hosts, request))
        return;
    if (strcmp(net_http_path(request), "/metrics") != 0) {
        front_reply_error(request, 404, "Resource not found");
    } else if (net_http_method(request) != NET_HTTP_GET) {
        net_http_reply_header(request, "allow", "GET");
        front_reply_error(request, 405, "this path does not know this method");
    } else if (format(&text, front).code) {
        front_reply_error(request, 500, "out of memory");
    } else {
        net_http_reply(request, 200, METRICS_CONTENT_TYPE, text.data, text.length);
    }
}
