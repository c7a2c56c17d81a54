/* main.c - nitro-signer-watchdog: starts the enclave, hands it what it needs, keeps watch.
 *
 * The decisions are watchdog_policy.c's; here are the event loop that reports to it and the hands
 * that carry out what it says. The process holds ciphertexts and the role's credentials,
 * never a key. */
#include <event2/event.h>
#include <signal.h>
#include <string.h>

#include "aws/aws_credentials_file.h"
#include "base/file_io.h"
#include "base/file_watch.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "base/secret_allocators.h"
#include "net/net_address.h"
#include "net/net_loop.h"
#include "policy/policy_access.h"
#include "process/process_notify.h"
#include "watchdog_control.h"
#include "watchdog_credentials.h"
#include "watchdog_enclave.h"
#include "watchdog_items.h"
#include "watchdog_policy.h"
#include "json/json.h"

enum { SECURE_HEAP = 1 << 20, STATUS_VALUES_MAX = 64 };

struct options {
    const char *control, *items, *credentials, *policy, *access;
    struct log_options log;
    uint32_t status_interval;
    char *const *command;
};

struct program {
    struct options options;
    struct net_address address;
    struct watchdog watchdog;
    struct watchdog_enclave enclave;
    struct watchdog_control *control;
    struct event_base *base;
    struct event *timer;
    int inotify;
    bool announced;
    bool failed; /* the signer says so, and that has been told */
};

static void take(struct program *p, enum watchdog_event event);

static must_check result parse_options(struct options *o, int argc, char *const argv[])
{
    *o = (struct options){.log = LOG_OPTIONS_DEFAULT, .status_interval = 5};
    const struct option table[] = {
        {"control", OPTION_TEXT, &o->control, "the enclave's control port, such as vsock:16:5000", 0, 0},
        {"items", OPTION_TEXT, &o->items, "folder of key items: validators/*.json and tls/*.json", 0, 0},
        {"credentials", OPTION_TEXT, &o->credentials,
         "JSON file of the role's credentials; re-read when it changes", 0, 0},
        {"policy", OPTION_TEXT, &o->policy, "the policy document", 0, 0},
        {"access", OPTION_TEXT, &o->access,
         "the access document, if the policy pins one: who may connect (none)", 0, 0},
        {"status-interval", OPTION_U32, &o->status_interval, "seconds between two status requests (5)", 1,
         3600},
        LOG_OPTION_ROWS(&o->log),
    };
    int next;
    TRY(options_parse(
        &next, table, ARRAY_LENGTH(table),
        "nitro-signer-watchdog [options] -- COMMAND...\nStarts the enclave by COMMAND and keeps it serving.",
        argc, argv));
    ENSURE(o->control, E_INPUT, "--control: required");
    ENSURE(o->items, E_INPUT, "--items: required");
    ENSURE(o->credentials, E_INPUT, "--credentials: required");
    ENSURE(o->policy, E_INPUT, "--policy: required");
    ENSURE(next < argc, E_INPUT, "COMMAND: required, behind --");
    o->command = argv + next;
    return log_configure(&o->log);
}

/* The document that the policy pins, or "". The enclave checks it too; here the operator hears of it before
 * anything starts. */
static must_check result append_access(struct buffer *out, const struct policy *policy, const char *path)
{
    AUTO(buffer) text = {0};
    AUTO(policy_access) access = {0};
    if (path)
        TRY(file_read(&text, path, POLICY_ACCESS_MAX));
    TRY(policy_check_access(policy, (const char *)text.data, text.length));
    if (path)
        TRY(policy_access_parse(&access, (const char *)text.data, text.length));
    TRY(buffer_append_text(out, ",\"access\":"));
    return json_append_quoted(out, text.data ? (const char *)text.data : "");
}

/* Everything but the credential, read anew each time: what changed on disk counts from the next init on. */
static must_check result init_text(struct buffer *out, size_t *ret_keys, const struct options *o)
{
    AUTO(watchdog_items) items = {0};
    AUTO(buffer) policy_text = {0};
    struct policy policy;
    TRY(watchdog_items_read(&items, o->items));
    TRY(file_read(&policy_text, o->policy, POLICY_TEXT_MAX));
    result r = policy_parse(&policy, (const char *)policy_text.data, policy_text.length);
    if (r.code)
        return error_prefix(r, "%s", o->policy);
    TRY(buffer_append_text(out, "{\"operation\":\"init\",\"policy\":"));
    TRY(json_append_quoted(out, (const char *)policy_text.data));
    r = append_access(out, &policy, o->access);
    if (r.code)
        return error_prefix(r, "%s", o->access ? o->access : o->policy);
    TRY(buffer_printf(out, ",\"encrypted_tls_key\":\"%s\",\"encrypted_validator_keys\":%s,",
                      (const char *)items.encrypted_tls_key.data,
                      (const char *)items.encrypted_validator_keys.data));
    if (items.num_batches)
        TRY(buffer_printf(out, "\"sealed_validator_keys\":%s,",
                          (const char *)items.sealed_validator_keys.data));
    *ret_keys = items.num_keys;
    if (items.num_inactive)
        log_info("%zu inactive items are left out", items.num_inactive);
    return RESULT_OK;
}

static must_check result credential_tail(struct secret *ret_tail, const struct options *o)
{
    AUTO(aws_credentials) credentials = {0};
    TRY(aws_credentials_read(&credentials, o->credentials));
    return watchdog_credentials_member(ret_tail, &credentials);
}

static must_check result send_init(struct program *p)
{
    AUTO(buffer) text = {0};
    AUTO(secret) tail = {0};
    size_t num_keys;
    TRY(init_text(&text, &num_keys, &p->options));
    TRY(credential_tail(&tail, &p->options));
    log_info("init: sending %zu encrypted keys and the TLS key", num_keys);
    return watchdog_control_send(p->control, &text, &tail);
}

static must_check result send_credentials(struct program *p)
{
    AUTO(buffer) text = {0};
    AUTO(secret) tail = {0};
    TRY(credential_tail(&tail, &p->options));
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
    if (!r.code)
        return;
    log_error("%s", error_text());
    take(p, WATCHDOG_REPLY_BAD);
}

enum health { SERVES, FAILED, OF_NO_USE };

/* The state word of a status reply decides: a signer that lost its keys is of no use. */
static must_check result read_health(enum health *ret_health, const char *body)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    const char *state;
    TRY(json_read(&document, body, strlen(body), strlen(body), STATUS_VALUES_MAX));
    TRY(json_view_root(&root, document));
    TRY(json_get_text(&state, NULL, &root, "state"));
    bool serves =
        strcmp(state, "serve") == 0 || strcmp(state, "load") == 0; /* a reload: the old keys serve */
    *ret_health = serves ? SERVES : strcmp(state, "failed") == 0 ? FAILED : OF_NO_USE;
    return RESULT_OK;
}

static enum health health_of(const char *body)
{
    enum health health = OF_NO_USE;
    result r = read_health(&health, body);
    if (r.code)
        log_error("status: %s", error_text());
    return health;
}

/* A signer that failed has seen that another took over, or that its store was put back or damaged. A new one
 * would not know that: it would take over in turn, or believe the store. So it is left alone, for people. */
static void tell_health(struct program *p, enum health health, const char *body)
{
    switch (health) {
    case SERVES:
        p->failed = false;
        process_notify("STATUS=serving; %.200s", body);
        return;
    case FAILED:
        if (!p->failed)
            log_error("status: the signer has failed for good and is not started again: its log says why; "
                      "mend that first, then restart this program: %s",
                      body);
        p->failed = true;
        process_notify("STATUS=failed, not started again; %.200s", body);
        return;
    case OF_NO_USE:
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

static void on_reply(void *context, int status, const char *body)
{
    struct program *p = context;
    log_reply(p, status, body);
    bool good = status == 200;
    if (p->watchdog.state == WATCHDOG_STATUS && good) {
        enum health health = health_of(body);
        tell_health(p, health, body);
        good = health != OF_NO_USE;
    }
    if (p->watchdog.state == WATCHDOG_INIT && status != 0 && !good)
        process_notify("STATUS=init refused (%d): %.500s", status, body);
    take(p, status == 0 ? WATCHDOG_LOST : good ? WATCHDOG_REPLY_OK : WATCHDOG_REPLY_BAD);
}

static void start_child(struct program *p)
{
    result r = watchdog_enclave_start(&p->enclave);
    if (r.code) {
        log_error("%s", error_text());
        take(p, WATCHDOG_CHILD_ENDED);
        return;
    }
    log_info("started the enclave (process %d)", (int)p->enclave.pid);
}

static void connect_control(struct program *p)
{
    result r = watchdog_control_connect(&p->control, p->base, &p->address, on_reply, p);
    if (r.code)
        log_debug("control port: %s", error_text());
    take(p, r.code ? WATCHDOG_CONNECT_FAILED : WATCHDOG_CONNECTED);
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
}

static void set_timer(struct program *p, const struct watchdog_step *step)
{
    if (step->timer == WATCHDOG_TIMER_KEEP)
        return;
    (void)event_del(p->timer);
    if (step->timer == WATCHDOG_TIMER_NONE)
        return;
    uint32_t ms = step->timer == WATCHDOG_TIMER_STATUS ? p->options.status_interval * 1000 : step->delay_ms;
    struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    (void)event_add(p->timer, &delay);
}

/* Reports an event and carries out the answer. The actions that report again come last, one at most a step.
 */
static void take(struct program *p, enum watchdog_event event)
{
    struct watchdog_step step = watchdog_take(&p->watchdog, event);
    set_timer(p, &step);
    if (step.actions & WATCHDOG_DO_CLOSE)
        close_control(p);
    if (step.actions & WATCHDOG_DO_ANNOUNCE_DOWN)
        process_notify("STATUS=down");
    if (step.actions & WATCHDOG_DO_TERMINATE)
        watchdog_enclave_signal(&p->enclave, SIGTERM);
    if (step.actions & WATCHDOG_DO_KILL)
        watchdog_enclave_signal(&p->enclave, SIGKILL);
    if (step.actions & WATCHDOG_DO_ANNOUNCE)
        announce(p);
    if (step.actions & WATCHDOG_DO_EXIT)
        (void)event_base_loopbreak(p->base);
    if (step.actions & WATCHDOG_DO_START_CHILD)
        start_child(p);
    if ((step.actions & WATCHDOG_DO_CONNECT) && p->enclave.pid)
        connect_control(p);
    if (step.actions & WATCHDOG_DO_SEND_INIT)
        send_or_refuse(p, send_init);
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

static void on_child(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct program *p = context;
    if (!watchdog_enclave_ended(&p->enclave))
        return;
    if (p->watchdog.state != WATCHDOG_STOPPING)
        log_warn("%s", error_text());
    take(p, WATCHDOG_CHILD_ENDED);
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
        take(p, WATCHDOG_CREDENTIALS);
}

static void on_start(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    take(context, WATCHDOG_START);
}

/* A mistake in the files is told at once, and not as a failed init of an enclave that had to boot first. */
static must_check result check_files(const struct options *o)
{
    AUTO(buffer) text = {0};
    AUTO(secret) tail = {0};
    size_t num_keys;
    TRY(init_text(&text, &num_keys, o));
    return credential_tail(&tail, o);
}

struct events {
    struct event *all[5];
};

static void events_cleanup(struct events *e)
{
    for (size_t i = 0; i < ARRAY_LENGTH(e->all); i++) {
        if (e->all[i])
            event_free(e->all[i]);
    }
}

static must_check result run_loop(struct program *p)
{
    AUTO(events) events = {0};
    struct event **e = events.all;
    e[0] = p->timer = evtimer_new(p->base, on_timer, p);
    e[1] = evsignal_new(p->base, SIGTERM, on_stop, p);
    e[2] = evsignal_new(p->base, SIGINT, on_stop, p);
    e[3] = evsignal_new(p->base, SIGCHLD, on_child, p);
    e[4] = event_new(p->base, p->inotify, EV_READ | EV_PERSIST, on_inotify, p);
    for (size_t i = 0; i < ARRAY_LENGTH(events.all); i++)
        ENSURE(e[i] && (i == 0 || event_add(e[i], NULL) == 0), E_MEMORY, "no memory for events");
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
    TRY(secret_openssl_wipes());
    TRY(secret_heap_open(SECURE_HEAP));
    json_set_alloc_funcs(secret_malloc, secret_free); /* it parses the credentials */
    TRY(check_files(&p->options));
    AUTO_FD inotify = -1;
    result r = file_watch_open(&inotify, p->options.credentials);
    if (r.code)
        return error_prefix(r, "--credentials");
    p->inotify = inotify;
    AUTO_POINTER(event_base) base = event_base_new();
    ENSURE(base, E_MEMORY, "no memory for the event loop");
    p->base = base;
    return run_loop(p);
}

int main(int argc, char *argv[])
{
    struct program program = {0};
    log_open("nitro-signer-watchdog", LOG_LEVEL_INFO);
    result r = parse_options(&program.options, argc, argv);
    if (!r.code) {
        r = net_address_parse(&program.address, program.options.control);
        if (r.code)
            r = error_prefix(r, "--control");
    }
    if (r.code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    program.enclave.command = program.options.command;
    r = run(&program);
    if (r.code)
        log_error("%s", error_text());
    return r.code ? 1 : 0;
}
