/* watchdog_facts.c - see watchdog_facts.h.
 *
 * An enclave's words become numbers, digests and a version of few characters here, and nothing else of them
 * goes on to the page. A status whose further members are odd is no reason to end a signer that serves: what
 * is shown has no say in what is done. */
#include "watchdog_facts.h"

#include <stdio.h>
#include <string.h>

#include "json/json.h"

enum { STATUS_VALUES_MAX = 64 };

const char *watchdog_end_name(enum watchdog_end end)
{
    static const char *const names[WATCHDOG_END_COUNT] = {"died", "lost", "unhealthy", "silent", "stopped"};
    return names[end];
}

enum watchdog_end watchdog_end_of(enum watchdog_event event)
{
    switch (event) {
    case WATCHDOG_LOST:
        return WATCHDOG_END_LOST;
    case WATCHDOG_REPLY_BAD:
        return WATCHDOG_END_UNHEALTHY;
    case WATCHDOG_STOP:
        return WATCHDOG_END_STOPPED;
    case WATCHDOG_TIMER:
    case WATCHDOG_CONNECT_FAILED:
        return WATCHDOG_END_SILENT;
    case WATCHDOG_START:
    case WATCHDOG_CONNECTED:
    case WATCHDOG_CONNECTED_ADOPTED:
    case WATCHDOG_REPLY_OK:
    case WATCHDOG_CHILD_ENDED:
    case WATCHDOG_CREDENTIALS:
    case WATCHDOG_STABLE:
    case WATCHDOG_EVENT_COUNT:
        break;
    }
    return WATCHDOG_END_DIED;
}

const char *watchdog_condition_name(enum watchdog_condition condition)
{
    static const char *const names[WATCHDOG_CONDITION_COUNT] = {
        "starting", "restarting", "loading", "waiting", "adopting", "serving", "failed", "stopping"};
    return names[condition];
}

const char *watchdog_event_kind_name(enum watchdog_event_kind kind)
{
    static const char *const names[WATCHDOG_TOLD_COUNT] = {
        "enclave_started",     "serving",       "enclave_ended",   "init_refused",
        "credentials_refused", "signer_failed", "keys_failed",     "store_failing",
        "store_works",         "fetch_failed",  "nitro_cli_failed"};
    return names[kind];
}

void watchdog_facts_open(struct watchdog_facts *facts, uint64_t now_ms)
{
    *facts = (struct watchdog_facts){.began_ms = now_ms, .since_ms = now_ms};
}

void watchdog_facts_policy(struct watchdog_facts *facts, const struct policy *policy)
{
    (void)snprintf(facts->network, sizeof facts->network, "%s", policy->network.name);
    facts->store_kind = policy->store_kind;
    facts->single_mode = policy->single_mode;
    facts->protection = policy->slashing_protection;
    facts->has_policy = true;
}

static enum watchdog_condition condition_of(const struct watchdog_facts *facts)
{
    switch (facts->state) {
    case WATCHDOG_DOWN:
        return facts->starts ? WATCHDOG_IS_RESTARTING : WATCHDOG_IS_STARTING;
    case WATCHDOG_CONNECTING:
        return facts->starts > 1 ? WATCHDOG_IS_RESTARTING : WATCHDOG_IS_STARTING;
    case WATCHDOG_INIT:
        return WATCHDOG_IS_LOADING;
    case WATCHDOG_INIT_WAIT:
        return WATCHDOG_IS_WAITING;
    case WATCHDOG_ADOPT:
        return WATCHDOG_IS_ADOPTING;
    case WATCHDOG_SERVE:
    case WATCHDOG_STATUS:
    case WATCHDOG_UPDATE:
        return facts->failed ? WATCHDOG_IS_FAILED : WATCHDOG_IS_SERVING;
    case WATCHDOG_ENDING:
        return WATCHDOG_IS_RESTARTING;
    case WATCHDOG_STOPPING:
    case WATCHDOG_STATE_COUNT:
        break;
    }
    return WATCHDOG_IS_STOPPING;
}

static void settle(struct watchdog_facts *facts, uint64_t now_ms)
{
    enum watchdog_condition condition = condition_of(facts);
    if (condition == facts->condition)
        return;
    facts->condition = condition;
    facts->since_ms = now_ms;
}

static void forget_enclave(struct watchdog_facts *facts)
{
    facts->failed = false;
    facts->status_ms = facts->keys = facts->keys_failed = 0;
    facts->report = (struct watchdog_report){.has_pcrs = false};
}

void watchdog_facts_step(struct watchdog_facts *facts, enum watchdog_state now, unsigned actions,
                         uint64_t now_ms)
{
    facts->state = now;
    if (actions & WATCHDOG_DO_START_CHILD) {
        facts->starts++;
        forget_enclave(facts);
        watchdog_facts_tell(facts, WATCHDOG_TOLD_STARTED, "", now_ms);
    }
    if (actions & WATCHDOG_DO_ANNOUNCE)
        watchdog_facts_tell(facts, WATCHDOG_TOLD_SERVES, "", now_ms);
    settle(facts, now_ms);
}

void watchdog_facts_ended(struct watchdog_facts *facts, enum watchdog_end end, uint64_t now_ms)
{
    facts->ends[end]++;
    forget_enclave(facts);
    watchdog_facts_tell(facts, WATCHDOG_TOLD_ENDED, watchdog_end_name(end), now_ms);
}

static bool is_version(const char *text)
{
    size_t length = strlen(text);
    return length <= WATCHDOG_VERSION_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+~-") == length;
}

/* What is not as it should be is left out. */
static void read_report(struct watchdog_report *report, const struct json_view *root)
{
    const char *version = NULL;
    *report = (struct watchdog_report){.has_pcrs = false};
    report->has_pcrs = !json_get_hex(report->pcr0, sizeof report->pcr0, root, "pcr0").code &&
                       !json_get_hex(report->pcr16, sizeof report->pcr16, root, "pcr16").code;
    if (json_get_bool(&report->store_ok, root, "store_ok").code)
        report->store_ok = false;
    if (json_get_u64_between(&report->uptime_seconds, root, "uptime_seconds", 0, UINT32_MAX).code)
        report->uptime_seconds = 0;
    if (!json_get_text(&version, NULL, root, "version").code && is_version(version))
        (void)snprintf(report->version, sizeof report->version, "%s", version);
}

static void tell_changes(struct watchdog_facts *facts, const struct watchdog_status *status, bool store_ok,
                         uint64_t now_ms)
{
    char number[WATCHDOG_DETAIL_MAX + 1];
    bool failed = status->health == WATCHDOG_HEALTH_FAILED, first = facts->status_ms == 0;
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)status->failed);
    if (failed && !facts->failed)
        watchdog_facts_tell(facts, WATCHDOG_TOLD_SIGNER_FAILED, "", now_ms);
    if (status->failed != facts->keys_failed && status->failed > 0)
        watchdog_facts_tell(facts, WATCHDOG_TOLD_KEYS_FAILED, number, now_ms);
    if (!store_ok && (first || facts->report.store_ok))
        watchdog_facts_tell(facts, WATCHDOG_TOLD_STORE_FAILING, "", now_ms);
    if (store_ok && !first && !facts->report.store_ok)
        watchdog_facts_tell(facts, WATCHDOG_TOLD_STORE_WORKS, "", now_ms);
}

void watchdog_facts_status(struct watchdog_facts *facts, const struct watchdog_status *status,
                           const char *body, uint64_t now_ms)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    struct watchdog_report report = {.has_pcrs = false};
    if (!json_read(&document, body, strlen(body), strlen(body), STATUS_VALUES_MAX).code &&
        !json_view_root(&root, document).code)
        read_report(&report, &root);
    tell_changes(facts, status, report.store_ok, now_ms);
    facts->report = report;
    facts->keys = status->keys;
    facts->keys_failed = status->failed;
    facts->status_ms = now_ms;
    facts->failed = status->health == WATCHDOG_HEALTH_FAILED;
    settle(facts, now_ms);
}

const struct watchdog_told *watchdog_facts_told(const struct watchdog_facts *facts, size_t index)
{
    return &facts->told[(facts->next_told + 2 * (size_t)WATCHDOG_EVENTS_MAX - 1 - index) %
                        WATCHDOG_EVENTS_MAX];
}

void watchdog_facts_tell(struct watchdog_facts *facts, enum watchdog_event_kind kind, const char *detail,
                         uint64_t now_ms)
{
    struct watchdog_told told = {.at_ms = now_ms, .kind = kind, .times = 1};
    (void)snprintf(told.detail, sizeof told.detail, "%s", detail);
    if (facts->num_told > 0) {
        size_t newest = (facts->next_told + WATCHDOG_EVENTS_MAX - 1) % WATCHDOG_EVENTS_MAX;
        struct watchdog_told *last = &facts->told[newest];
        if (last->kind == kind && strcmp(last->detail, told.detail) == 0) {
            last->at_ms = now_ms;
            last->times += last->times < UINT32_MAX;
            return;
        }
    }
    facts->told[facts->next_told] = told;
    facts->next_told = (facts->next_told + 1) % WATCHDOG_EVENTS_MAX;
    if (facts->num_told < WATCHDOG_EVENTS_MAX)
        facts->num_told++;
}
