/* watchdog_view.c - the status page's JSON.
 *
 * Written out by hand: the watchdog's JSON library has the secure heap for memory, where credentials are, and
 * a page is none of its business. Every text in it is a word of ours without quotation marks, hexadecimal, or
 * was held to few characters when it was read, so that nothing needs to be escaped. */
#include "watchdog_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/version.h"

enum { MINUTE_MS = 60000 };

/* ---- what to look at ---- */

const char *watchdog_problem_name(enum watchdog_problem problem)
{
    static const char *const names[WATCHDOG_PROBLEM_COUNT] = {
        "signer_failed",      "no_keys",     "keys_failed", "store_failing",
        "slashing_conflicts", "credentials", "status_old",  "no_figures"};
    return names[problem];
}

static bool credentials_end(const struct watchdog_view *view)
{
    uint64_t expires_ms = view->facts->expires_ms;
    return expires_ms && expires_ms < view->now_ms + 4 * (uint64_t)MINUTE_MS;
}

/* For a minute, or twice as long as it is not asked. */
static bool status_is_old(const struct watchdog_view *view)
{
    uint64_t patience_ms = 2000 * (uint64_t)view->status_interval;
    return view->now_ms > view->facts->status_ms + (patience_ms > MINUTE_MS ? patience_ms : MINUTE_MS);
}

/* Figures may be late by two looks. */
static bool figures_missing(const struct watchdog_view *view)
{
    uint64_t patience_ms = 3000 * (uint64_t)view->interval;
    bool should_be = view->may_ask && view->now_ms > view->facts->since_ms + patience_ms;
    return should_be && (!view->figures || view->now_ms > view->figures_ms + patience_ms);
}

/* In the last hour. */
static bool had_conflicts(const struct watchdog_view *view)
{
    struct watchdog_sample sum;
    watchdog_history_sum(&sum, view->history, WATCHDOG_HISTORY_HOUR);
    return sum.counts[WATCHDOG_COUNT_CONFLICTS] > 0;
}

bool watchdog_view_has(const struct watchdog_view *view, enum watchdog_problem problem)
{
    const struct watchdog_facts *facts = view->facts;
    bool serves = facts->condition == WATCHDOG_IS_SERVING;
    bool told = serves && facts->status_ms;
    switch (problem) {
    case WATCHDOG_PROBLEM_SIGNER_FAILED:
        return facts->condition == WATCHDOG_IS_FAILED;
    case WATCHDOG_PROBLEM_NO_KEYS:
        return told && facts->keys == 0;
    case WATCHDOG_PROBLEM_KEYS_FAILED:
        return facts->keys_failed > 0;
    case WATCHDOG_PROBLEM_STORE_FAILING:
        return told && !facts->report.store_ok;
    case WATCHDOG_PROBLEM_CONFLICTS:
        return had_conflicts(view);
    case WATCHDOG_PROBLEM_CREDENTIALS:
        return credentials_end(view);
    case WATCHDOG_PROBLEM_STATUS_OLD:
        return told && status_is_old(view);
    case WATCHDOG_PROBLEM_NO_FIGURES:
        return serves && figures_missing(view);
    case WATCHDOG_PROBLEM_COUNT:
        break;
    }
    return false;
}

const char *watchdog_view_level(const struct watchdog_view *view)
{
    enum watchdog_condition condition = view->facts->condition;
    if (condition == WATCHDOG_IS_FAILED)
        return "bad";
    if (condition != WATCHDOG_IS_SERVING)
        return "busy";
    if (watchdog_view_has(view, WATCHDOG_PROBLEM_NO_KEYS) ||
        watchdog_view_has(view, WATCHDOG_PROBLEM_STORE_FAILING))
        return "bad";
    for (int i = 0; i < WATCHDOG_PROBLEM_COUNT; i++) {
        if (watchdog_view_has(view, (enum watchdog_problem)i))
            return "warn";
    }
    return "ok";
}

/* ---- JSON ---- */

static must_check result member_u64(struct buffer *out, const char *name, uint64_t value)
{
    return buffer_printf(out, "\"%s\":%" PRIu64 ",", name, value);
}

/* 0 is not known. */
static must_check result member_time(struct buffer *out, const char *name, uint64_t ms)
{
    return ms ? member_u64(out, name, ms / 1000) : buffer_printf(out, "\"%s\":null,", name);
}

static must_check result member_bool(struct buffer *out, const char *name, bool value)
{
    return buffer_printf(out, "\"%s\":%s,", name, value ? "true" : "false");
}

/* "" is not known. */
static must_check result member_text(struct buffer *out, const char *name, const char *text)
{
    return *text ? buffer_printf(out, "\"%s\":\"%s\",", name, text)
                 : buffer_printf(out, "\"%s\":null,", name);
}

/* Takes back the comma behind the last member. */
static must_check result close_list(struct buffer *out, const char *end)
{
    if (out->data[out->length - 1] == ',')
        out->data[--out->length] = 0;
    return buffer_append_text(out, end);
}

static must_check result add_enclave(struct buffer *out, const struct watchdog_facts *facts)
{
    char pcr0[2 * WATCHDOG_PCR_LEN + 1] = "", pcr16[2 * WATCHDOG_PCR_LEN + 1] = "";
    const struct watchdog_report *report = &facts->report;
    if (report->has_pcrs) {
        hex_encode(pcr0, report->pcr0, sizeof report->pcr0);
        hex_encode(pcr16, report->pcr16, sizeof report->pcr16);
    }
    TRY(buffer_append_text(out, "\"enclave\":{"));
    TRY(member_text(out, "pcr0", pcr0));
    TRY(member_text(out, "pcr16", pcr16));
    TRY(member_text(out, "version", report->version));
    TRY(facts->status_ms ? member_u64(out, "uptime_seconds", report->uptime_seconds)
                         : buffer_append_text(out, "\"uptime_seconds\":null,"));
    TRY(member_time(out, "last_status", facts->status_ms));
    TRY(member_u64(out, "starts", facts->starts));
    TRY(buffer_append_text(out, "\"ends\":{"));
    for (int i = 0; i < WATCHDOG_END_COUNT; i++)
        TRY(member_u64(out, watchdog_end_name((enum watchdog_end)i), facts->ends[i]));
    return close_list(out, "}},");
}

static const char *store_name(const struct watchdog_facts *facts)
{
    static const char *const names[] = {[POLICY_STORE_NONE] = "none",
                                        [POLICY_STORE_SQLITE] = "sqlite",
                                        [POLICY_STORE_DYNAMODB] = "dynamodb",
                                        [POLICY_STORE_POSTGRESQL] = "postgresql"};
    return facts->has_policy ? names[facts->store_kind] : "";
}

static must_check result add_keys_and_store(struct buffer *out, const struct watchdog_view *view)
{
    const struct watchdog_facts *facts = view->facts;
    TRY(buffer_append_text(out, "\"keys\":"));
    if (facts->status_ms)
        TRY(buffer_printf(out, "{\"loaded\":%" PRIu64 ",\"failed\":%" PRIu64 "},", facts->keys,
                          facts->keys_failed));
    else
        TRY(buffer_append_text(out, "null,"));
    TRY(buffer_append_text(out, "\"store\":{"));
    TRY(member_text(out, "kind", store_name(facts)));
    TRY(member_text(out, "mode", !facts->has_policy ? "" : facts->single_mode ? "single" : "fleet"));
    TRY(facts->status_ms ? member_bool(out, "ok", facts->report.store_ok)
                         : buffer_append_text(out, "\"ok\":null,"));
    TRY(view->figures ? member_u64(out, "errors", view->figures->store_errors)
                      : buffer_append_text(out, "\"errors\":null,"));
    TRY(close_list(out, "},\"credentials\":{"));
    TRY(member_time(out, "expires", facts->expires_ms));
    return close_list(out, "},");
}

static must_check result add_rows(struct buffer *out, const char *name, const struct watchdog_rows *rows)
{
    TRY(buffer_printf(out, "\"%s\":{", name));
    for (size_t i = 0; i < rows->num_rows; i++) {
        if (rows->rows[i].value)
            TRY(member_u64(out, rows->rows[i].label, rows->rows[i].value));
    }
    return close_list(out, "},");
}

static const char *count_name(enum watchdog_count count)
{
    static const char *const names[WATCHDOG_COUNT_END] = {"signed", "refused", "failed", "wrong",
                                                          "conflicts"};
    return names[count];
}

static must_check result add_span(struct buffer *out, const char *name, const struct watchdog_sample *sum)
{
    if (!sum->is_known)
        return buffer_printf(out, "\"%s\":null,", name);
    TRY(buffer_printf(out, "\"%s\":{\"seconds\":%.1f,", name, sum->seconds));
    for (int i = 0; i < WATCHDOG_COUNT_END; i++)
        TRY(member_u64(out, count_name((enum watchdog_count)i), sum->counts[i]));
    return close_list(out, "},");
}

static must_check result add_spans(struct buffer *out, const struct watchdog_view *view)
{
    struct watchdog_sample minute, hour, day;
    watchdog_ring_sum(&minute, &view->history->fine,
                      (WATCHDOG_HISTORY_MINUTE + view->interval - 1) / view->interval);
    watchdog_history_sum(&hour, view->history, WATCHDOG_HISTORY_HOUR);
    watchdog_history_sum(&day, view->history, WATCHDOG_HISTORY_COARSE);
    TRY(add_span(out, "minute", &minute));
    TRY(add_span(out, "hour", &hour));
    return add_span(out, "day", &day);
}

static must_check result add_signing(struct buffer *out, const struct watchdog_view *view)
{
    const struct watchdog_figures *figures = view->figures;
    if (!figures)
        return buffer_append_text(out, "\"signing\":null,");
    TRY(buffer_append_text(out, "\"signing\":{"));
    TRY(member_time(out, "sampled", view->figures_ms));
    TRY(member_u64(out, "since", figures->started));
    TRY(member_u64(out, "connections", figures->connections));
    TRY(member_bool(out, "slashing_protection", figures->protection));
    TRY(member_u64(out, "slashing_conflicts", figures->conflicts));
    TRY(add_rows(out, "signatures", &figures->signatures));
    TRY(add_rows(out, "answers", &figures->answers));
    TRY(add_rows(out, "refusals", &figures->refusals));
    return close_list(out, "},");
}

static must_check result add_events(struct buffer *out, const struct watchdog_facts *facts)
{
    TRY(buffer_append_text(out, "\"events\":["));
    for (size_t i = 0; i < facts->num_told; i++) {
        const struct watchdog_told *told = watchdog_facts_told(facts, i);
        TRY(buffer_append_text(out, "{"));
        TRY(member_time(out, "at", told->at_ms));
        TRY(member_text(out, "kind", watchdog_event_kind_name(told->kind)));
        TRY(member_text(out, "detail", told->detail));
        TRY(member_u64(out, "times", told->times));
        TRY(close_list(out, "},"));
    }
    return close_list(out, "],");
}

static must_check result add_problems(struct buffer *out, const struct watchdog_view *view)
{
    TRY(buffer_append_text(out, "\"problems\":["));
    for (int i = 0; i < WATCHDOG_PROBLEM_COUNT; i++) {
        if (watchdog_view_has(view, (enum watchdog_problem)i))
            TRY(buffer_printf(out, "\"%s\",", watchdog_problem_name((enum watchdog_problem)i)));
    }
    return close_list(out, "],");
}

static must_check result add_words(struct buffer *out, const struct watchdog_view *view)
{
    struct watchdog_words words;
    watchdog_view_words(&words, view);
    TRY(buffer_append_text(out, "\"page\":{"));
    for (size_t i = 0; i < words.num_words; i++)
        TRY(buffer_printf(out, "\"%s\":\"%s\",", words.all[i].name, words.all[i].text));
    return close_list(out, "}}\n");
}

result watchdog_view_status(struct buffer *out, const struct watchdog_view *view)
{
    const struct watchdog_facts *facts = view->facts;
    TRY(buffer_append_text(out, "{\"format\":1,"));
    TRY(member_time(out, "now", view->now_ms));
    TRY(member_text(out, "condition", watchdog_condition_name(facts->condition)));
    TRY(member_text(out, "level", watchdog_view_level(view)));
    TRY(member_text(out, "state", watchdog_state_name(facts->state)));
    TRY(member_time(out, "since", facts->since_ms));
    TRY(add_problems(out, view));
    TRY(buffer_append_text(out, "\"watchdog\":{"));
    TRY(member_text(out, "version", version_number));
    TRY(member_time(out, "since", facts->began_ms));
    TRY(close_list(out, "},"));
    TRY(member_text(out, "network", facts->network));
    TRY(add_enclave(out, facts));
    TRY(add_keys_and_store(out, view));
    TRY(add_signing(out, view));
    TRY(add_spans(out, view));
    TRY(add_events(out, facts));
    return add_words(out, view);
}

/* ---- the history ---- */

static must_check result add_count(struct buffer *out, const struct watchdog_ring *ring,
                                   enum watchdog_count count)
{
    TRY(buffer_printf(out, "\"%s\":[", count_name(count)));
    for (size_t i = 0; i < ring->num_samples; i++) {
        const struct watchdog_sample *sample = watchdog_ring_get(ring, i);
        TRY(sample->is_known ? buffer_printf(out, "%" PRIu64 ",", sample->counts[count])
                             : buffer_append_text(out, "null,"));
    }
    return close_list(out, "],");
}

static must_check result add_latency(struct buffer *out, uint64_t us)
{
    return us == WATCHDOG_NO_LATENCY ? buffer_append_text(out, "null,")
                                     : buffer_printf(out, "%" PRIu64 ".%03" PRIu64 ",", us / 1000, us % 1000);
}

static must_check result add_ring(struct buffer *out, const char *name, const struct watchdog_ring *ring,
                                  uint32_t step)
{
    TRY(buffer_printf(out, "\"%s\":{\"step_seconds\":%u,\"at\":[", name, step));
    for (size_t i = 0; i < ring->num_samples; i++)
        TRY(buffer_printf(out, "%" PRIu64 ",", watchdog_ring_get(ring, i)->at_s));
    TRY(close_list(out, "],\"seconds\":["));
    for (size_t i = 0; i < ring->num_samples; i++)
        TRY(buffer_printf(out, "%.1f,", watchdog_ring_get(ring, i)->seconds));
    TRY(close_list(out, "],"));
    for (int i = 0; i < WATCHDOG_COUNT_END; i++)
        TRY(add_count(out, ring, (enum watchdog_count)i));
    TRY(buffer_append_text(out, "\"p50_ms\":["));
    for (size_t i = 0; i < ring->num_samples; i++)
        TRY(add_latency(out, watchdog_ring_get(ring, i)->p50_us));
    TRY(close_list(out, "],\"p99_ms\":["));
    for (size_t i = 0; i < ring->num_samples; i++)
        TRY(add_latency(out, watchdog_ring_get(ring, i)->p99_us));
    return close_list(out, "]},");
}

result watchdog_view_history(struct buffer *out, const struct watchdog_view *view)
{
    TRY(buffer_append_text(out, "{\"format\":1,"));
    TRY(member_time(out, "now", view->now_ms));
    TRY(add_ring(out, "fine", &view->history->fine, view->interval));
    TRY(add_ring(out, "coarse", &view->history->coarse, WATCHDOG_HISTORY_MINUTE));
    return close_list(out, "}\n");
}
