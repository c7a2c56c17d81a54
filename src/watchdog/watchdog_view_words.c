/* watchdog_view_words.c - the texts of the status page.
 *
 * The server makes them, for the page as it is first shown and for the script that keeps it fresh, so that
 * there is one place that decides how long two hours are called two hours. */
#include "watchdog_view.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/version.h"

static void say(struct watchdog_words *words, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(struct watchdog_words *words, const char *name, const char *format, ...)
{
    if (words->num_words == WATCHDOG_WORDS)
        return;
    va_list arguments;
    va_start(arguments, format);
    words->all[words->num_words].name = name;
    (void)vsnprintf(words->all[words->num_words++].text, WATCHDOG_WORD_MAX, format, arguments);
    va_end(arguments);
}

enum { SPAN_MAX = 32 };

/* Two units at most: "3 d 4 h", "12 min 5 s". */
static const char *span(char out[static SPAN_MAX], uint64_t ms)
{
    unsigned long long s = ms / 1000;
    if (s < 60)
        (void)snprintf(out, SPAN_MAX, "%llu s", s);
    else if (s < 3600)
        (void)snprintf(out, SPAN_MAX, "%llu min %llu s", s / 60, s % 60);
    else if (s < 86400)
        (void)snprintf(out, SPAN_MAX, "%llu h %llu min", s / 3600, s / 60 % 60);
    else
        (void)snprintf(out, SPAN_MAX, "%llu d %llu h", s / 86400, s / 3600 % 24);
    return out;
}

static uint64_t age(uint64_t now_ms, uint64_t then_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

static const char *headline(enum watchdog_condition condition)
{
    static const char *const texts[WATCHDOG_CONDITION_COUNT] = {
        "Starting",    "Restarting", "Loading keys",    "Waiting for keys",
        "Taking over", "Serving",    "Failed for good", "Stopping"};
    return texts[condition];
}

static const char *sentence(enum watchdog_problem problem)
{
    static const char *const sentences[WATCHDOG_PROBLEM_COUNT] = {
        "The signer failed for good and is not started again. Its log says why; mend that first.",
        "The signer serves no key.",
        "Some keys could not be loaded. The log names them.",
        "The record of slashing protection does not answer: no block or attestation is signed.",
        "A second message was asked for at a height already signed: two clients have the same keys.",
        "The credentials end soon, or have ended, and were not renewed.",
        "The enclave has not said for a while how it does.",
        "The enclave's figures do not come. What is shown of them is old.",
    };
    return sentences[problem];
}

static void say_condition(struct watchdog_words *words, const struct watchdog_view *view)
{
    char text[SPAN_MAX], problems[WATCHDOG_WORD_MAX] = "";
    const struct watchdog_facts *facts = view->facts;
    size_t length = 0;
    for (int i = 0; i < WATCHDOG_PROBLEM_COUNT; i++) {
        enum watchdog_problem problem = (enum watchdog_problem)i;
        if (watchdog_view_has(view, problem) && length < sizeof problems)
            length += (size_t)snprintf(problems + length, sizeof problems - length, "%s%s", length ? " " : "",
                                       sentence(problem));
    }
    say(words, "level", "%s", watchdog_view_level(view));
    say(words, "headline", "%s", headline(facts->condition));
    say(words, "since", "for %s", span(text, age(view->now_ms, facts->since_ms)));
    say(words, "network", "%s", facts->network);
    say(words, "problems", "%s", problems);
}

static void say_keys_and_store(struct watchdog_words *words, const struct watchdog_facts *facts)
{
    static const char *const stores[] = {[POLICY_STORE_NONE] = "none",
                                         [POLICY_STORE_SQLITE] = "SQLite",
                                         [POLICY_STORE_DYNAMODB] = "DynamoDB",
                                         [POLICY_STORE_POSTGRESQL] = "PostgreSQL"};
    bool told = facts->status_ms != 0;
    if (!told)
        say(words, "keys", "-");
    else
        say(words, "keys", "%" PRIu64, facts->keys);
    if (!told)
        say(words, "keys_note", "not told yet");
    else if (facts->keys_failed)
        say(words, "keys_note", "%" PRIu64 " could not be loaded", facts->keys_failed);
    else
        say(words, "keys_note", "all of them loaded");
    say(words, "store", "%s", !told ? "-" : facts->report.store_ok ? "Working" : "Failing");
    say(words, "store_note", "%s, %s", stores[facts->store_kind],
        !facts->protection   ? "protection off"
        : facts->single_mode ? "one signer at a time"
                             : "several signers");
}

static void say_signing(struct watchdog_words *words, const struct watchdog_view *view)
{
    struct watchdog_sample minute, hour;
    const struct watchdog_ring *fine = &view->history->fine;
    watchdog_ring_sum(&minute, fine, (WATCHDOG_HISTORY_MINUTE + view->interval - 1) / view->interval);
    watchdog_history_sum(&hour, view->history, WATCHDOG_HISTORY_HOUR);
    double rate = minute.is_known ? (double)minute.counts[WATCHDOG_COUNT_SIGNED] / minute.seconds : 0;
    if (minute.is_known)
        say(words, "rate", "%.*f/s", rate < 100 ? 1 : 0, rate);
    else
        say(words, "rate", "-");
    say(words, "rate_note", "%" PRIu64 " in the last hour", hour.counts[WATCHDOG_COUNT_SIGNED]);
    say(words, "refused", "%" PRIu64, hour.counts[WATCHDOG_COUNT_REFUSED]);
    say(words, "refused_note", "in the last hour; %" PRIu64 " failed, %" PRIu64 " asked wrongly",
        hour.counts[WATCHDOG_COUNT_FAILED], hour.counts[WATCHDOG_COUNT_WRONG]);
}

static void milliseconds(char out[static SPAN_MAX], uint64_t us)
{
    if (us == WATCHDOG_NO_LATENCY)
        (void)snprintf(out, SPAN_MAX, "-");
    else if (us < 100000)
        (void)snprintf(out, SPAN_MAX, "%.1f ms", (double)us / 1000);
    else if (us < 1000000)
        (void)snprintf(out, SPAN_MAX, "%.0f ms", (double)us / 1000);
    else
        (void)snprintf(out, SPAN_MAX, "%.1f s", (double)us / 1e6);
}

/* Of the newest sample of the last minute or so that has any. */
static void say_latency(struct watchdog_words *words, const struct watchdog_view *view)
{
    char p50[SPAN_MAX] = "-", p99[SPAN_MAX] = "-";
    const struct watchdog_ring *fine = &view->history->fine;
    uint64_t oldest_s = view->now_ms / 1000 - WATCHDOG_HISTORY_MINUTE;
    for (size_t i = fine->num_samples; i-- > 0;) {
        const struct watchdog_sample *sample = watchdog_ring_get(fine, i);
        if (sample->at_s < oldest_s || sample->p50_us != WATCHDOG_NO_LATENCY) {
            milliseconds(p50, sample->at_s < oldest_s ? WATCHDOG_NO_LATENCY : sample->p50_us);
            milliseconds(p99, sample->at_s < oldest_s ? WATCHDOG_NO_LATENCY : sample->p99_us);
            break;
        }
    }
    say(words, "latency", "%s", p99);
    say(words, "latency_note", "99 of 100 answers; half in %s", p50);
}

static void say_enclave(struct watchdog_words *words, const struct watchdog_view *view)
{
    char text[SPAN_MAX], hex[2 * WATCHDOG_PCR_LEN + 1];
    const struct watchdog_facts *facts = view->facts;
    const struct watchdog_report *report = &facts->report;
    uint64_t ends = 0;
    for (int i = 0; i < WATCHDOG_END_COUNT; i++)
        ends += facts->ends[i];
    hex_encode(hex, report->pcr0, sizeof report->pcr0);
    say(words, "pcr0", "%s", report->has_pcrs ? hex : "-");
    hex_encode(hex, report->pcr16, sizeof report->pcr16);
    say(words, "pcr16", "%s", report->has_pcrs ? hex : "-");
    say(words, "version", "%s", *report->version ? report->version : "-");
    say(words, "uptime", "%s", facts->status_ms ? span(text, report->uptime_seconds * 1000) : "-");
    say(words, "starts", "%" PRIu64 ", of which %" PRIu64 " ended", facts->starts, ends);
    say(words, "last_status", "%s%s",
        facts->status_ms ? span(text, age(view->now_ms, facts->status_ms)) : "-",
        facts->status_ms ? " ago" : "");
    if (!facts->expires_ms)
        say(words, "credentials", "of a file, or not fetched yet");
    else if (facts->expires_ms <= view->now_ms)
        say(words, "credentials", "ended");
    else
        say(words, "credentials", "end in %s", span(text, facts->expires_ms - view->now_ms));
}

void watchdog_view_words(struct watchdog_words *ret_words, const struct watchdog_view *view)
{
    char text[SPAN_MAX];
    ret_words->num_words = 0;
    say_condition(ret_words, view);
    say_keys_and_store(ret_words, view->facts);
    say_signing(ret_words, view);
    say_latency(ret_words, view);
    say_enclave(ret_words, view);
    if (view->figures)
        say(ret_words, "connections", "%" PRIu64, view->figures->connections);
    else
        say(ret_words, "connections", "-");
    say(ret_words, "watchdog", "%s, for %s", version_number,
        span(text, age(view->now_ms, view->facts->began_ms)));
}

static const char *find(const struct watchdog_words *words, const char *name, size_t name_len)
{
    for (size_t i = 0; i < words->num_words; i++) {
        if (strlen(words->all[i].name) == name_len && memcmp(words->all[i].name, name, name_len) == 0)
            return words->all[i].text;
    }
    return NULL;
}

static must_check result append_escaped(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("&<>\"'", *text))
            TRY(buffer_printf(out, "&#%d;", *text));
        else
            TRY(buffer_append(out, text, 1));
    }
    return RESULT_OK;
}

result watchdog_view_page(struct buffer *out, const struct watchdog_words *words, const char *template,
                          size_t template_len)
{
    const char *at = template, *end = template + template_len;
    for (;;) {
        const char *open = memmem(at, (size_t)(end - at), "{{", 2);
        if (!open)
            return buffer_append(out, at, (size_t)(end - at));
        const char *close = memmem(open, (size_t)(end - open), "}}", 2);
        const char *text = close ? find(words, open + 2, (size_t)(close - open) - 2) : NULL;
        ENSURE(text, E_INTERNAL, "the page has a word that nobody says");
        TRY(buffer_append(out, at, (size_t)(open - at)));
        TRY(append_escaped(out, text));
        at = close + 2;
    }
}
