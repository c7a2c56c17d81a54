/* main.c - nitro-signer-watchdog: starts the enclave, hands it what it needs, keeps watch.
 *
 * The decisions are watchdog_policy.c's; here are the event loop that reports to it and the hands
 * that carry out what it says. The process holds ciphertexts and the role's credentials,
 * never a key. */
#include <event2/event.h>
#include <signal.h>
#include <string.h>

#include "base/file_watch.h"
#include "base/log.h"
#include "base/process_limits.h"
#include "base/process_sandbox.h"
#include "base/secret_allocators.h"
#include "net/net_loop.h"
#include "process/process_notify.h"
#include "watchdog_control.h"
#include "watchdog_credentials.h"
#include "watchdog_enclave.h"
#include "watchdog_health.h"
#include "watchdog_messages.h"
#include "watchdog_nitro.h"
#include "watchdog_onlookers.h"
#include "watchdog_options.h"
#include "watchdog_policy.h"
#include "watchdog_sources.h"

enum { SECURE_HEAP = 1 << 20, MAX_EVENTS = 9, EXIT_OPERATOR = 3 };

struct program {
    struct watchdog_options options;
    struct watchdog watchdog;
    struct watchdog_onlookers *onlookers;
    struct watchdog_nitro *nitro; /* NULL: the enclave is a command */
    struct watchdog_enclave enclave;
    struct watchdog_control *control;
    struct watchdog_sources *sources;
    struct event_base *base;
    struct event *timer, *stable, *refresh, *alive;
    int inotify;
    struct watchdog_status status; /* the last one */
    bool announced;
    bool failed;  /* the signer says so, and that has been told */
    bool adopted; /* the enclave ran before us */
    int exit_status;
    bool init_wanted; /* init is sent when the keys have come */
};

static void take(struct program *p, enum watchdog_event event);

static must_check result credential_tail(struct secret *ret_tail, struct program *p)
{
    return watchdog_credentials_member(ret_tail, &watchdog_sources_material(p->sources)->credentials);
}

static must_check result send_init(struct program *p)
{
    AUTO(buffer) text = {0};
    AUTO(secret) tail = {0};
    AUTO(watchdog_documents) documents = {0};
    const struct watchdog_items *items = &watchdog_sources_material(p->sources)->items;
    TRY(watchdog_documents_read(&documents, &p->options));
    TRY(watchdog_init_text(&text, &documents, items));
    watchdog_onlookers_policy(p->onlookers, &documents.policy);
    TRY(credential_tail(&tail, p));
    log_info("init: sending %zu encrypted keys and the TLS key", items->num_keys);
    if (items->num_inactive)
        log_info("%zu inactive items are left out", items->num_inactive);
    if (items->num_refused)
        log_error("%zu damaged items are left out", items->num_refused);
    return watchdog_control_send(p->control, &text, &tail);
}

static must_check result send_credentials(struct program *p)
{
    AUTO(buffer) text = {0};
    AUTO(secret) tail = {0};
    TRY(credential_tail(&tail, p));
    TRY(buffer_append_text(&text, "{\"operation\":\"credentials\","));
    log_info("credentials: sending fresh ones");
    return watchdog_control_send(p->control, &text, &tail);
}

static must_check result send_status(struct program *p)
{
    AUTO(buffer) text = {0};
    AUTO(secret) tail = {0};
    TRY(buffer_append_text(&text, "{\"operation\":\"status\""));
    return watchdog_control_send(p->control, &text, &tail);
}

/* A request that could not even be built is answered by us, so that the table need not know. */
static void send_or_refuse(struct program *p, result (*send)(struct program *))
{
    result r = send(p);
    if (!r.code) {
        watchdog_onlookers_asked(p->onlookers);
        return;
    }
    log_error("%s", error_text());
    take(p, WATCHDOG_REPLY_BAD);
}

static void set_seconds(struct event *timer, uint32_t ms)
{
    const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    (void)event_add(timer, &delay);
}

/* Keys and credentials have come, or have not. */
static void on_fetched(void *context, const struct watchdog_fetched *fetched)
{
    struct program *p = context;
    uint32_t refresh_ms = watchdog_sources_refresh_ms(p->sources);
    watchdog_onlookers_expiry(p->onlookers, watchdog_sources_material(p->sources)->expires_ms);
    if (refresh_ms)
        set_seconds(p->refresh, refresh_ms);
    if (fetched->outcome.code) {
        watchdog_onlookers_fetch_failed(p->onlookers, fetched->outcome.code);
        log_error("%s: %s", fetched->items ? "keys" : "credentials", fetched->text);
        if (p->watchdog.state == WATCHDOG_INIT)
            process_notify("STATUS=waiting for keys: %.500s", fetched->text);
    }
    if (fetched->items && p->init_wanted) {
        p->init_wanted = false;
        if (p->watchdog.state == WATCHDOG_INIT && fetched->outcome.code)
            take(p, WATCHDOG_REPLY_BAD);
        else if (p->watchdog.state == WATCHDOG_INIT)
            send_or_refuse(p, send_init);
    } else if (fetched->fresh_credentials) {
        take(p, WATCHDOG_CREDENTIALS);
    }
}

static void fetch_for_init(struct program *p)
{
    p->init_wanted = true;
    watchdog_sources_fetch(p->sources, true);
}

static enum watchdog_health take_status(struct program *p, const char *body)
{
    AUTO(buffer) text = {0};
    struct watchdog_status status = {.health = WATCHDOG_HEALTH_USELESS};
    if (watchdog_status_read(&status, body).code) {
        log_error("status: %s", error_text());
        return WATCHDOG_HEALTH_USELESS;
    }
    bool same = status.failed == p->status.failed &&
                memcmp(status.failed_keys, p->status.failed_keys, sizeof status.failed_keys) == 0;
    if (!same && status.failed > 0 && !watchdog_status_failures(&text, &status).code)
        log_error("status: %s", (const char *)text.data);
    p->status = status;
    watchdog_onlookers_status(p->onlookers, &status, body);
    return status.health;
}

/* A signer that failed has seen that another took over, or that its store was put back or damaged. A new one
 * would not know that: it would take over in turn, or believe the store. So it is left alone, for people. */
static void tell_health(struct program *p, enum watchdog_health health, const char *body)
{
    switch (health) {
    case WATCHDOG_HEALTH_SERVES:
        p->failed = false;
        process_notify("STATUS=serving; %.200s", body);
        return;
    case WATCHDOG_HEALTH_FAILED:
        if (!p->failed)
            log_error("status: the signer has failed for good and is not started again: its log says why; "
                      "mend that first, then restart this program: %s",
                      body);
        p->failed = true;
        process_notify("STATUS=failed, not started again; %.200s", body);
        return;
    case WATCHDOG_HEALTH_USELESS:
        log_error("status: the signer does not serve: %s", body);
        return;
    }
}

static void log_reply(const struct program *p, int status, const char *body)
{
    const char *state = watchdog_state_name(p->watchdog.state);
    if (status == 0)
        log_warn("%s: %s", state, body);
    else if (status == 403)
        log_error("%s: KMS denied the enclave (403): %s", state, body);
    else if (status != 200)
        log_error("%s: the enclave answered %d: %s", state, status, body);
    else if (p->watchdog.state == WATCHDOG_INIT)
        log_info("init: the enclave serves: %s", body);
    else
        log_debug("%s: %s", state, body);
}

/* With fresh credentials it is as good as one that we started. */
static bool may_adopt(struct program *p, const char *body)
{
    AUTO(watchdog_documents) documents = {0};
    result r = watchdog_documents_read(&documents, &p->options);
    if (!r.code)
        r = watchdog_health_check_policy(body, &documents.policy_text);
    if (r.code) {
        log_warn("the enclave that ran already is ended: %s", error_text());
        return false;
    }
    log_info("the enclave that ran already serves on");
    watchdog_sources_fetch(p->sources, false);
    return true;
}

static void on_reply(void *context, int status, const char *body)
{
    struct program *p = context;
    log_reply(p, status, body);
    if (status != 0)
        watchdog_onlookers_answered(p->onlookers, p->watchdog.state, status);
    bool good = status == 200, adopting = p->watchdog.state == WATCHDOG_ADOPT;
    if ((adopting || p->watchdog.state == WATCHDOG_STATUS) && good) {
        enum watchdog_health health = take_status(p, body);
        tell_health(p, health, body);
        good = health != WATCHDOG_HEALTH_USELESS && (!adopting || may_adopt(p, body));
    }
    if (p->watchdog.state == WATCHDOG_INIT && status != 0 && !good)
        process_notify("STATUS=init refused (%d): %.500s", status, body);
    take(p, status == 0 ? WATCHDOG_LOST : good ? WATCHDOG_REPLY_OK : WATCHDOG_REPLY_BAD);
}

static void start_child(struct program *p)
{
    if (p->nitro) {
        watchdog_nitro_start(p->nitro);
        return;
    }
    result r = watchdog_enclave_start(&p->enclave);
    if (r.code) {
        log_error("%s", error_text());
        take(p, WATCHDOG_CHILD_ENDED);
        return;
    }
    log_info("started the enclave (process %d)", (int)p->enclave.pid);
}

static void end_child(struct program *p, int number)
{
    if (p->nitro)
        watchdog_nitro_end(p->nitro);
    else
        watchdog_enclave_signal(&p->enclave, number);
}

static bool child_runs(const struct program *p)
{
    return p->nitro ? watchdog_nitro_runs(p->nitro) : p->enclave.pid != 0;
}

static void connect_control(struct program *p)
{
    result r = watchdog_control_connect(&p->control, p->base, &p->options.control_address, on_reply, p);
    if (r.code)
        log_debug("control port: %s", error_text());
    enum watchdog_event connected = p->adopted ? WATCHDOG_CONNECTED_ADOPTED : WATCHDOG_CONNECTED;
    take(p, r.code ? WATCHDOG_CONNECT_FAILED : connected);
}

static void close_control(struct program *p)
{
    watchdog_control_close(p->control);
    p->control = NULL;
}

static void announce(struct program *p)
{
    process_notify("%s", p->announced ? "STATUS=serving again" : "READY=1\nSTATUS=serving");
    if (p->announced)
        log_info("the signer serves again");
    p->announced = true;
    p->failed = false;
    p->status = (struct watchdog_status){0}; /* of the one before */
    set_seconds(p->stable, p->options.stable_after * 1000);
}

static void set_timer(struct program *p, const struct watchdog_step *step)
{
    if (step->timer == WATCHDOG_TIMER_KEEP)
        return;
    (void)event_del(p->timer);
    if (step->timer == WATCHDOG_TIMER_NONE)
        return;
    bool status = step->timer == WATCHDOG_TIMER_STATUS;
    set_seconds(p->timer, status ? p->options.status_interval * 1000 : step->delay_ms);
}

/* Reports an event and carries out the answer. The actions that report again come last, one at most a step.
 */
static void take(struct program *p, enum watchdog_event event)
{
    enum watchdog_state before = p->watchdog.state;
    struct watchdog_step step = watchdog_take(&p->watchdog, event);
    watchdog_onlookers_step(p->onlookers, before, event, &p->watchdog, step.actions);
    set_timer(p, &step);
    if (step.actions & WATCHDOG_DO_CLOSE)
        close_control(p);
    if (step.actions & WATCHDOG_DO_ANNOUNCE_DOWN) {
        (void)event_del(p->stable);
        process_notify("STATUS=down");
    }
    if (step.actions & WATCHDOG_DO_TERMINATE)
        end_child(p, SIGTERM);
    if (step.actions & WATCHDOG_DO_KILL)
        end_child(p, SIGKILL);
    if (step.actions & WATCHDOG_DO_ANNOUNCE)
        announce(p);
    if (step.actions & WATCHDOG_DO_EXIT)
        (void)event_base_loopbreak(p->base);
    if (step.actions & WATCHDOG_DO_START_CHILD)
        start_child(p);
    if ((step.actions & WATCHDOG_DO_CONNECT) && child_runs(p)) /* else on_nitro does, when it does */
        connect_control(p);
    if (step.actions & WATCHDOG_DO_SEND_INIT)
        fetch_for_init(p);
    if (step.actions & WATCHDOG_DO_SEND_STATUS)
        send_or_refuse(p, send_status);
    if (step.actions & WATCHDOG_DO_SEND_CREDENTIALS)
        send_or_refuse(p, send_credentials);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    take(context, WATCHDOG_TIMER);
}

static void on_stable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    take(context, WATCHDOG_STABLE);
}

static void on_refresh(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct program *p = context;
    watchdog_sources_fetch(p->sources, false);
}

/* The service manager is told that this loop turns; it ends a program that does not say so any more. */
static void on_alive(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
    process_notify("WATCHDOG=1");
}

static void on_child(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct program *p = context;
    if (p->nitro)
        watchdog_nitro_child(p->nitro);
    if (p->nitro || !watchdog_enclave_ended(&p->enclave))
        return;
    if (p->watchdog.state != WATCHDOG_STOPPING)
        log_warn("%s", error_text());
    take(p, WATCHDOG_CHILD_ENDED);
}

static void on_nitro(void *context, enum watchdog_nitro_news news, const char *text)
{
    struct program *p = context;
    switch (news) {
    case WATCHDOG_NITRO_STARTED:
    case WATCHDOG_NITRO_ADOPTED:
        p->adopted = news == WATCHDOG_NITRO_ADOPTED;
        if (p->adopted)
            log_info("%s runs already", text);
        if (p->watchdog.state == WATCHDOG_CONNECTING)
            connect_control(p);
        return;
    case WATCHDOG_NITRO_GONE:
        if (p->watchdog.state != WATCHDOG_STOPPING)
            log_warn("%s", text);
        process_notify("STATUS=down: %.500s", text);
        take(p, WATCHDOG_CHILD_ENDED);
        return;
    case WATCHDOG_NITRO_HOPELESS:
        log_error("%s; ending: it would fail again", text);
        process_notify("STATUS=%.500s", text);
        p->exit_status = EXIT_OPERATOR;
        (void)event_base_loopbreak(p->base);
        return;
    }
}

static void on_nitro_cli_failure(void *context, const char *code)
{
    struct program *p = context;
    watchdog_onlookers_nitro_cli(p->onlookers, code);
}

static void on_stop(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct program *p = context;
    log_info("ending");
    process_notify("STOPPING=1");
    take(p, WATCHDOG_STOP);
}

static void on_inotify(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    struct program *p = context;
    if (file_watch_changed(fd, p->options.credentials))
        watchdog_sources_fetch(p->sources, false);
}

static void on_start(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    take(context, WATCHDOG_START);
}

/* A mistake in the files is told at once, and not as a failed init of an enclave that had to boot first. */
static must_check result open_sources(struct program *p)
{
    AUTO(watchdog_documents) documents = {0};
    AUTO(secret) tail = {0};
    TRY(watchdog_documents_read(&documents, &p->options));
    watchdog_onlookers_policy(p->onlookers, &documents.policy);
    TRY(watchdog_sources_open(&p->sources, &p->options, documents.policy.region, p->base, on_fetched, p));
    return p->options.credentials ? credential_tail(&tail, p) : RESULT_OK;
}

struct events {
    struct event *all[MAX_EVENTS];
};

static void events_cleanup(struct events *e)
{
    for (size_t i = 0; i < ARRAY_LENGTH(e->all); i++) {
        if (e->all[i])
            event_free(e->all[i]);
    }
}

static must_check result add_event(struct event *event)
{
    ENSURE(event && event_add(event, NULL) == 0, E_MEMORY, "no memory for events");
    return RESULT_OK;
}

/* Timers that are set later, and what may come at any time. */
static must_check result make_events(struct program *p, struct events *events)
{
    struct event **e = events->all;
    e[0] = p->timer = evtimer_new(p->base, on_timer, p);
    e[1] = p->stable = evtimer_new(p->base, on_stable, p);
    e[2] = p->refresh = evtimer_new(p->base, on_refresh, p);
    e[3] = p->alive = event_new(p->base, -1, EV_PERSIST, on_alive, p);
    ENSURE(e[0] && e[1] && e[2] && e[3], E_MEMORY, "no memory for events");
    TRY(add_event(e[4] = evsignal_new(p->base, SIGTERM, on_stop, p)));
    TRY(add_event(e[5] = evsignal_new(p->base, SIGINT, on_stop, p)));
    TRY(add_event(e[6] = evsignal_new(p->base, SIGCHLD, on_child, p)));
    if (p->inotify >= 0)
        TRY(add_event(e[7] = event_new(p->base, p->inotify, EV_READ | EV_PERSIST, on_inotify, p)));
    uint64_t alive_us = process_watchdog_us() / 2;
    if (alive_us) {
        const struct timeval interval = {.tv_sec = (time_t)(alive_us / 1000000),
                                         .tv_usec = (suseconds_t)(alive_us % 1000000)};
        ENSURE(event_add(p->alive, &interval) == 0, E_MEMORY, "no memory for events");
    }
    return RESULT_OK;
}

static must_check result run_loop(struct program *p)
{
    AUTO(events) events = {0};
    TRY(make_events(p, &events));
    TRY(watchdog_onlookers_serve(p->onlookers, p->base));
    p->options.nitro.on_failure = on_nitro_cli_failure;
    if (p->options.nitro_cli)
        TRY(watchdog_nitro_open(&p->nitro, &p->options.nitro, p->base, on_nitro, p));
    const struct timeval now = {0};
    ENSURE(event_base_once(p->base, -1, EV_TIMEOUT, on_start, p, &now) == 0, E_MEMORY,
           "no memory for events");
    ENSURE(event_base_dispatch(p->base) >= 0, E_IO, "the event loop failed");
    close_control(p);
    return RESULT_OK;
}

typedef struct event_base event_base;
DEFINE_AUTO_POINTER(event_base, net_loop_free)

static must_check result run(struct program *p)
{
    TRY(process_harden());
    TRY(process_sandbox_forbid(true));
    TRY(secret_openssl_wipes());
    TRY(secret_heap_open(SECURE_HEAP));
    AUTO_POINTER(event_base) base = event_base_new();
    ENSURE(base, E_MEMORY, "no memory for the event loop");
    p->base = base;
    AUTO_FD inotify = -1;
    result r = p->options.credentials ? file_watch_open(&inotify, p->options.credentials) : RESULT_OK;
    if (r.code)
        return error_prefix(r, "--credentials");
    p->inotify = inotify;
    r = watchdog_onlookers_new(&p->onlookers, &p->options);
    if (!r.code)
        r = open_sources(p);
    if (!r.code)
        r = run_loop(p);
    watchdog_onlookers_free(p->onlookers);
    watchdog_nitro_close(p->nitro);
    watchdog_sources_close(p->sources);
    return r;
}

int main(int argc, char *argv[])
{
    struct program program = {0};
    log_open("nitro-signer-watchdog", LOG_LEVEL_INFO);
    result r = watchdog_options_parse(&program.options, argc, argv);
    if (r.code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    program.enclave.command = program.options.command;
    r = run(&program);
    if (r.code)
        log_error("%s", error_text());
    return r.code ? 1 : program.exit_status;
}
