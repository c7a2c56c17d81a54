/* main.c - nitro-signer-enclave: PID 1 of the enclave, or a plain supervisor in local mode.
 *
 * Holds no secret and parses nothing a peer sends: binds two sockets, starts keeper, front
 * and courier, starts a loader when the keeper asks for one, and ends with the first of them
 * that ends. The defaults are Nitro's values; only addresses differ elsewhere. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "enclave_init.h"
#include "net/net_address.h"
#include "process/process_notify.h"
#include "process/process_supervisor.h"

/* Fixed numbers, so that no user database has to be measured. */
enum { KEEPER_USER = 1001, FRONT_USER, COURIER_USER, LOADER_USER };
enum { CONTROL_BACKLOG = 8, LOG_CONNECT_MS = 1000 };

struct options {
    const char *control, *https, *nsm, *kms_via, *dynamodb_via;
    const char *kms_endpoint, *dynamodb_endpoint, *ca_file, *log, *metrics; /* NULL: not given */
    struct log_options log_options;
    bool drop_privileges;
};

static must_check result parse_options(struct options *o, int argc, char *const argv[])
{
    *o = (struct options){.control = "vsock:any:5000",
                          .https = "vsock:any:443",
                          .nsm = "/dev/nsm",
                          .kms_via = "vsock:3:8000",
                          .dynamodb_via = "vsock:3:8001",
                          .log_options = LOG_OPTIONS_DEFAULT,
                          .drop_privileges = getpid() == 1};
    const struct option table[] = {
        {"control", OPTION_TEXT, &o->control, "where the control port listens (vsock:any:5000)", 0, 0},
        {"https", OPTION_TEXT, &o->https, "where the signer's HTTPS listens (vsock:any:443)", 0, 0},
        {"nsm", OPTION_TEXT, &o->nsm, "the Nitro Security Module, or unix:PATH of a stand-in (/dev/nsm)", 0,
         0},
        {"kms-via", OPTION_TEXT, &o->kms_via, "the proxy through which KMS is reached (vsock:3:8000)", 0, 0},
        {"kms-endpoint", OPTION_TEXT, &o->kms_endpoint, "URL of KMS (https://kms.REGION.amazonaws.com)", 0,
         0},
        {"dynamodb-via", OPTION_TEXT, &o->dynamodb_via,
         "the proxy through which DynamoDB is reached (vsock:3:8001)", 0, 0},
        {"dynamodb-endpoint", OPTION_TEXT, &o->dynamodb_endpoint,
         "URL of DynamoDB (https://dynamodb.REGION.amazonaws.com)", 0, 0},
        {"ca-file", OPTION_TEXT, &o->ca_file,
         "PEM file of the authorities that AWS's certificates may come from", 0, 0},
        {"log", OPTION_TEXT, &o->log, "where log lines are sent, such as vsock:3:8002 (standard error)", 0,
         0},
        {"metrics", OPTION_TEXT, &o->metrics, "where metrics are served, such as vsock:any:9001 (nowhere)", 0,
         0},
        LOG_OPTION_ROWS(&o->log_options),
        {"drop-privileges", OPTION_FLAG, &o->drop_privileges,
         "run each child as its own user (true for PID 1)", 0, 0},
    };
    int next;
    TRY(options_parse(&next, table, ARRAY_LENGTH(table),
                      "nitro-signer-enclave [options]\nThe signer inside a Nitro enclave.", argc, argv));
    ENSURE(next == argc, E_INPUT, "argument %d: unexpected", next);
    ENSURE(!o->drop_privileges || geteuid() == 0, E_INPUT, "--drop-privileges: only root can");
    return log_configure(&o->log_options);
}

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

static must_check result open_control(int *ret_fd, const struct options *o)
{
    struct net_address address;
    TRY(parse_address(&address, "control", o->control));
    result r = net_listen(ret_fd, &address, CONTROL_BACKLOG);
    return r.code ? error_prefix(r, "--control") : r;
}

static must_check result begin(struct process_command *command, const char *program, const struct options *o)
{
    TRY(process_command_add(command, "%s", program));
    TRY(process_command_add(command, "--log-level=%s", o->log_options.level));
    return process_command_add(command, "--log-format=%s", o->log_options.format);
}

static must_check result courier_command(struct process_command *command, const struct options *o)
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

static must_check result make_family(struct process_family *family, const struct options *o)
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

static must_check result supervise(struct process_supervisor *supervisor, const struct options *o)
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

static must_check result boot(const struct options *o)
{
    if (getpid() == 1)
        TRY(enclave_init(o->nsm, KEEPER_USER));
    /* A host that does not collect logs loses them; it must not be able to stop signatures with that. */
    if (o->log) {
        result r = send_log_to(o->log);
        if (r.code)
            log_warn("--log: %s; lines stay here", error_text());
    }
    return process_harden();
}

int main(int argc, char *argv[])
{
    struct options options;
    log_open("nitro-signer-enclave", LOG_LEVEL_INFO);
    result r = parse_options(&options, argc, argv);
    if (r.code) {
        log_error("%s", error_text());
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
