/* main.c - nitro-signer-enclave: PID 1 of the enclave, or a plain supervisor in local mode.
 *
 * Holds no secret and parses nothing a peer sends: binds two sockets, starts keeper, front
 * and courier, starts a loader when the keeper asks for one, and ends with the first of them
 * that ends. The defaults are Nitro's values; only addresses differ elsewhere.
 *
 * PID 1 boots first, one step behind the other; whatever fails ends the machine, and its reason is told on
 * the log and on the console. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/file_io.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "base/process_sandbox.h"
#include "enclave_clock.h"
#include "enclave_family.h"
#include "enclave_init.h"
#include "enclave_log.h"
#include "enclave_mounts.h"
#include "enclave_options.h"
#include "net/net_address.h"
#include "process/process_notify.h"
#include "process/process_supervisor.h"

enum { CONTROL_BACKLOG = 8, EVENTS_MAX = 4 };

struct enclave {
    struct enclave_options options;
    struct enclave_log log;
    struct enclave_clock clock;
    struct process_supervisor supervisor;
    bool is_pid_1, is_machine;
    int events; /* log and clock, for the supervisor's loop */
};

/* ---- options ---- */

static must_check result parse_address(struct net_address *ret_address, const char *option, const char *text)
{
    result r = net_address_parse(ret_address, text);
    return r.code ? error_prefix(r, "--%s", option) : r;
}

/* Those that only a child will use: a mistake is better told before there is one. */
static must_check result check_addresses(const struct enclave_options *o)
{
    struct net_address address;
    TRY(parse_address(&address, "kms-via", o->kms_via));
    return parse_address(&address, "dynamodb-via", o->dynamodb_via);
}

/* PID 1 of a machine is told by its kernel's command line, everybody else by arguments. */
static must_check result read_command_line(struct enclave_options *o)
{
    static struct enclave_words words;
    AUTO(buffer) line = {0};
    TRY(file_read(&line, "/proc/cmdline", ENCLAVE_COMMAND_LINE_MAX));
    result r = enclave_options_words(&words, (const char *)line.data, line.length);
    TRY(enclave_options_parse(o, words.argc, words.argv));
    return r;
}

static must_check result read_options(struct enclave *e, int argc, char *const argv[])
{
    struct enclave_options *o = &e->options;
    TRY(e->is_machine ? read_command_line(o) : enclave_options_parse(o, argc, argv));
    ENSURE(!o->drop_privileges || geteuid() == 0, E_INPUT, "--drop-privileges: only root can");
    ENSURE(e->is_pid_1 || !o->authority, E_INPUT, "--authority: only for PID 1; --ca-file names a file");
    TRY(check_addresses(o));
    return enclave_options_write_authority(o, "/run/authorities.pem");
}

/* ---- boot ---- */

static must_check result watch(const struct enclave *e, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    ENSURE(epoll_ctl(e->events, EPOLL_CTL_ADD, fd, &event) == 0, E_IO, "epoll_ctl");
    return RESULT_OK;
}

static must_check result open_log(struct enclave *e)
{
    return e->options.log ? enclave_log_open(&e->log, e->options.log) : RESULT_OK;
}

static must_check result boot_machine(struct enclave *e, struct nsm *nsm)
{
    TRY(enclave_init_harden_kernel());
    TRY(enclave_clock_open(&e->clock, nsm));
    TRY(watch(e, e->clock.timer));
    return enclave_init_heartbeat(e->options.parent_cid);
}

/* Mounts are there, and options have been read. */
static must_check result boot_pid_1(struct enclave *e)
{
    TRY(enclave_mounts_close());
    TRY(enclave_init_network());
    AUTO(nsm) nsm = {.fd = -1};
    TRY(nsm_open(&nsm, e->options.nsm));
    TRY(enclave_init_entropy(&nsm, e->is_machine));
    if (e->is_machine)
        TRY(boot_machine(e, &nsm));
    return enclave_init_drop_capabilities();
}

static must_check result boot(struct enclave *e, int argc, char *const argv[])
{
    enclave_options_default(&e->options, e->is_pid_1);
    if (e->is_pid_1) {
        TRY(enclave_mounts_make(ENCLAVE_KEEPER_USER));
        e->is_machine = enclave_init_is_machine();
    }
    /* The kernel puts words that it does not know there, too. */
    if (e->is_machine)
        (void)clearenv();
    TRY(read_options(e, argc, argv));
    e->events = epoll_create1(EPOLL_CLOEXEC);
    ENSURE(e->events >= 0, E_IO, "epoll_create1");
    TRY(open_log(e));
    if (e->options.log)
        TRY(watch(e, e->log.events));
    if (e->is_pid_1)
        TRY(boot_pid_1(e));
    TRY(process_harden());
    return process_sandbox_forbid(true);
}

/* ---- the family ---- */

static must_check result bind_option(int *ret_fd, const char *option, const char *text)
{
    struct net_address address;
    TRY(parse_address(&address, option, text));
    result r = net_bind(ret_fd, &address);
    return r.code ? error_prefix(r, "--%s", option) : r;
}

static must_check result open_control(int *ret_fd, const struct enclave_options *o)
{
    struct net_address address;
    TRY(parse_address(&address, "control", o->control));
    result r = net_listen(ret_fd, &address, CONTROL_BACKLOG);
    return r.code ? error_prefix(r, "--control") : r;
}

static result on_state(void *context, const struct ipc_state *state)
{
    (void)context;
    static const char *const names[] = {"?", "wait", "attest", "load", "serve", "failed"};
    process_notify("STATUS=%s, %u keys", names[state->state], state->keys);
    log_debug("keeper: %s, %u keys, %u failed", names[state->state], state->keys, state->failed);
    return RESULT_OK;
}

static result on_events(void *context)
{
    struct enclave *e = context;
    struct epoll_event events[EVENTS_MAX];
    (void)epoll_wait(e->events, events, EVENTS_MAX, 0);
    if (e->log.pipe >= 0)
        enclave_log_serve(&e->log);
    if (e->clock.timer > 0)
        enclave_clock_tick(&e->clock);
    return RESULT_OK;
}

static must_check result supervise(struct enclave *e)
{
    static struct process_family family; /* too large for comfort on the stack */
    const struct enclave_options *o = &e->options;
    TRY(enclave_family_make(&family, o));
    {
        AUTO_FD control = -1;
        AUTO_FD https = -1;
        AUTO_FD metrics = -1;
        TRY(open_control(&control, o));
        TRY(bind_option(&https, "https", o->https));
        if (o->metrics)
            TRY(bind_option(&metrics, "metrics", o->metrics));
        family.courier_outside = control;
        family.https = https;
        family.metrics = metrics;
        TRY(process_supervisor_start(&e->supervisor, &family));
    }
    e->supervisor.watched = e->events;
    e->supervisor.on_watched = on_events;
    e->supervisor.watched_context = e;
    log_info("started; the control port is %s", o->control);
    process_notify("READY=1");
    return process_supervisor_run(&e->supervisor, on_state, NULL);
}

/* ---- the end ---- */

/* At once, because the host may end the machine as soon as it notices: first to the log, if there is one or
 * can still be one, then to the console. */
static void tell_reason(struct enclave *e, const char *reason)
{
    if (e->log.pipe < 0 && e->is_pid_1 && open_log(e).code)
        e->log.pipe = -1;
    if (e->log.pipe >= 0) {
        enclave_log_serve(&e->log); /* there may be room again */
        log_error("%s; ending", reason);
        enclave_log_serve(&e->log);
        enclave_log_leave(&e->log);
    }
    log_error("%s; ending", reason);
}

static int end(struct enclave *e, result r, int status)
{
    char reason[256] = "";
    (void)snprintf(reason, sizeof reason, "%s", error_text());
    process_notify("STOPPING=1");
    if (r.code)
        tell_reason(e, reason);
    process_supervisor_cleanup(&e->supervisor);
    enclave_log_close(&e->log);
    enclave_clock_cleanup(&e->clock);
    fd_auto_close(&e->events);
    if (e->is_pid_1)
        enclave_init_end();
    return r.code ? status : 0;
}

int main(int argc, char *argv[])
{
    static struct enclave e = {.log = {.pipe = -1, .console = -1, .events = -1},
                               .clock = {.ptp = -1, .timer = -1, .nsm.fd = -1},
                               .supervisor = {.signals = -1, .keeper = -1},
                               .events = -1};
    log_open("nitro-signer-enclave", LOG_LEVEL_INFO);
    e.is_pid_1 = getpid() == 1;
    result r = boot(&e, argc, argv);
    if (r.code)
        return end(&e, r, r.code == E_INPUT ? PROGRAM_EXIT_USAGE : 1);
    return end(&e, supervise(&e), 1);
}
