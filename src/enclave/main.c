/* main.c - nitro-signer-enclave: PID 1 of the enclave, or a plain supervisor in local mode.
 *
 * Holds no secret and parses nothing a peer sends: binds two sockets, starts keeper, front
 * and courier, starts a loader when the keeper asks for one, and ends with the first of them
 * that ends. The defaults are Nitro's values; only addresses differ elsewhere. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_io.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "enclave_init.h"
#include "enclave_options.h"
#include "net/net_address.h"
#include "process/process_notify.h"
#include "process/process_supervisor.h"

/* Fixed numbers, so that no user database has to be measured. */
enum { KEEPER_USER = 1001, FRONT_USER, COURIER_USER, LOADER_USER };
enum { CONTROL_BACKLOG = 8, LOG_CONNECT_MS = 1000 };

/* From here on our own lines and the children's go to the host, and are dropped when it does not read. */
static must_check result send_log_to(const char *where)
{
    struct net_address address;
    AUTO_FD fd = -1;
    TRY(net_address_parse(&address, where));
    TRY(net_connect(&fd, &address, LOG_CONNECT_MS));
    ENSURE(dup2(fd, STDERR_FILENO) >= 0, E_IO, "standard error cannot be replaced");
    return RESULT_OK;
}

static must_check result parse_address(struct net_address *ret_address, const char *option, const char *text)
{
    result r = net_address_parse(ret_address, text);
    return r.code ? error_prefix(r, "--%s", option) : r;
}

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

static must_check result begin(struct process_command *command, const char *program,
                               const struct enclave_options *o)
{
    TRY(process_command_add(command, "%s", program));
    TRY(process_command_add(command, "--log-level=%s", o->log_options.level));
    return process_command_add(command, "--log-format=%s", o->log_options.format);
}

static must_check result courier_command(struct process_command *command, const struct enclave_options *o)
{
    TRY(begin(command, "nitro-signer-courier", o));
    TRY(process_command_add(command, "--kms-via=%s", o->kms_via));
    TRY(process_command_add(command, "--dynamodb-via=%s", o->dynamodb_via));
    if (o->kms_endpoint)
        TRY(process_command_add(command, "--kms-endpoint=%s", o->kms_endpoint));
    if (o->dynamodb_endpoint)
        TRY(process_command_add(command, "--dynamodb-endpoint=%s", o->dynamodb_endpoint));
    return o->ca_file ? process_command_add(command, "--ca-file=%s", o->ca_file) : RESULT_OK;
}

static must_check result make_family(struct process_family *family, const struct enclave_options *o)
{
    TRY(begin(&family->keeper, "nitro-signer-keeper", o));
    TRY(process_command_add(&family->keeper, "--mode=enclave"));
    TRY(process_command_add(&family->keeper, "--nsm=%s", o->nsm));
    TRY(begin(&family->front, "nitro-signer-front", o));
    TRY(process_command_add(&family->front, "--mode=enclave"));
    if (o->metrics)
        TRY(process_command_add(&family->front, "--metrics"));
    TRY(courier_command(&family->courier, o));
    TRY(begin(&family->loader, "nitro-signer-loader", o));
    TRY(process_command_add(&family->loader, "--mode=records"));
    if (o->drop_privileges) {
        family->keeper.user = KEEPER_USER;
        family->front.user = FRONT_USER;
        family->courier.user = COURIER_USER;
        family->loader.user = LOADER_USER;
    }
    return RESULT_OK;
}

static result on_state(void *context, const struct ipc_state *state)
{
    (void)context;
    static const char *const names[] = {"?", "wait", "attest", "load", "serve", "failed"};
    process_notify("STATUS=%s, %u keys", names[state->state], state->keys);
    log_debug("keeper: %s, %u keys, %u failed", names[state->state], state->keys, state->failed);
    return RESULT_OK;
}

static must_check result supervise(struct process_supervisor *supervisor, const struct enclave_options *o)
{
    static struct process_family family; /* too large for comfort on the stack */
    TRY(make_family(&family, o));
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
        TRY(process_supervisor_start(supervisor, &family));
    }
    log_info("started; the control port is %s", o->control);
    process_notify("READY=1");
    return process_supervisor_run(supervisor, on_state, NULL);
}

static must_check result boot(const struct enclave_options *o)
{
    if (getpid() == 1)
        TRY(enclave_init(o->nsm, KEEPER_USER, o->parent_cid));
    /* A host that does not collect logs loses them; it must not be able to stop signatures with that. */
    if (o->log) {
        result r = send_log_to(o->log);
        if (r.code)
            log_warn("--log: %s; lines stay here", error_text());
    }
    return process_harden();
}

/* PID 1 of a machine is told by its kernel's command line, everybody else by arguments. */
static must_check result read_options(struct enclave_options *o, int argc, char *const argv[])
{
    static struct enclave_words words;
    bool is_pid_1 = getpid() == 1;
    enclave_options_default(o, is_pid_1);
    if (is_pid_1)
        TRY(enclave_init_mount());
    if (is_pid_1 && enclave_init_is_machine()) {
        AUTO(buffer) line = {0};
        TRY(file_read(&line, "/proc/cmdline", ENCLAVE_COMMAND_LINE_MAX));
        result r = enclave_options_words(&words, (const char *)line.data, line.length);
        TRY(enclave_options_parse(o, words.argc, words.argv));
        if (r.code)
            return r;
    } else
        TRY(enclave_options_parse(o, argc, argv));
    ENSURE(!o->drop_privileges || geteuid() == 0, E_INPUT, "--drop-privileges: only root can");
    ENSURE(is_pid_1 || !o->authority, E_INPUT, "--authority: only for PID 1; --ca-file names a file");
    return enclave_options_write_authority(o, "/run/authorities.pem");
}

int main(int argc, char *argv[])
{
    static struct enclave_options options;
    log_open("nitro-signer-enclave", LOG_LEVEL_INFO);
    result r = read_options(&options, argc, argv);
    if (r.code) {
        log_error("%s", error_text());
        if (getpid() == 1)
            enclave_end();
        return PROGRAM_EXIT_USAGE;
    }
    struct process_supervisor supervisor = {.signals = -1, .keeper = -1};
    r = boot(&options);
    if (!r.code)
        r = supervise(&supervisor, &options);
    if (r.code)
        log_error("%s; ending", error_text());
    process_notify("STOPPING=1");
    process_supervisor_cleanup(&supervisor);
    if (getpid() == 1)
        enclave_end();
    return r.code ? 1 : 0;
}
