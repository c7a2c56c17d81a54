/* watchdog_options.c - see watchdog_options.h. */
#include "watchdog_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog_loopback.h"

static const char usage[] =
    "nitro-signer-watchdog [options] --enclave=nitro-cli --eif=FILE\n"
    "nitro-signer-watchdog [options] -- COMMAND...\n"
    "Starts the enclave, by nitro-cli or by COMMAND, and keeps it serving: hands it policy, credentials and "
    "encrypted keys, "
    "renews\n"
    "the credentials, asks how it does, and starts a new one when it does not serve.\n"
    "Keys come from a folder (--items) or from DynamoDB (--validator-table, --tls-table, --stack-uuid).\n"
    "Exit status: 0 ended by SIGTERM or SIGINT, 1 failed, 2 a mistake on the command line, 3 nitro-cli "
    "cannot "
    "start this\nenclave until somebody changes the configuration. The manual is docs/watchdog.md.";

static must_check result parse_table(struct watchdog_options *o, int *ret_next, int argc, char *const argv[])
{
    struct watchdog_cli_enclave *nitro = &o->nitro.enclave;
    const struct option table[] = {
        {"control", OPTION_TEXT, &o->control,
         "the enclave's control port, such as vsock:16:5000 (with nitro-cli: port 5000 of --enclave-cid)", 0,
         0},
        {"enclave", OPTION_TEXT, &o->enclave, "command or nitro-cli (command)", 0, 0},
        {"eif", OPTION_TEXT, &nitro->eif, "the image, for nitro-cli", 0, 0},
        {"cpu-count", OPTION_U32, &nitro->cpu_count, "CPUs of the enclave (2)", 1, 512},
        {"memory", OPTION_U32, &nitro->memory_mib, "MiB of the enclave, at least four times the image (512)",
         64, 16 << 20},
        {"enclave-cid", OPTION_U32, &nitro->cid, "vsock address of the enclave (16)", 4, UINT32_MAX - 1},
        {"enclave-name", OPTION_TEXT, &nitro->name,
         "one of this name that runs already is adopted, or ended (nitro-signer)", 0, 0},
        {"debug-mode", OPTION_FLAG, &nitro->debug_mode,
         "with a console, and PCRs of zeros: KMS gives no keys", 0, 0},
        {"nitro-cli", OPTION_TEXT, &nitro->program, "the program (nitro-cli)", 0, 0},
        {"start-lock", OPTION_TEXT, &o->nitro.start_lock,
         "file that is locked while an enclave is started: this machine can start one at a time (none)", 0,
         0},
        {"describe-interval", OPTION_U32, &o->nitro.describe_interval,
         "seconds between two looks whether nitro-cli still knows the enclave (10)", 1, 3600},
        {"policy", OPTION_TEXT, &o->policy, "the policy document", 0, 0},
        {"access", OPTION_TEXT, &o->access,
         "the access document, if the policy pins one: who may connect (none)", 0, 0},
        {"items", OPTION_TEXT, &o->items, "folder of key items: validators/*.json, sealed/*.json, tls/*.json",
         0, 0},
        {"validator-table", OPTION_TEXT, &o->validator_table,
         "in place of --items: DynamoDB table of validator keys", 0, 0},
        {"tls-table", OPTION_TEXT, &o->tls_table, "DynamoDB table of the TLS key", 0, 0},
        {"stack-uuid", OPTION_TEXT, &o->stack_uuid, "web3signer_uuid of the keys that are this signer's", 0,
         0},
        {"region", OPTION_TEXT, &o->region, "of the tables (the policy's)", 0, 0},
        {"dynamodb-endpoint", OPTION_TEXT, &o->dynamodb_endpoint,
         "URL ($AWS_ENDPOINT_URL_DYNAMODB, else https://dynamodb.REGION.amazonaws.com)", 0, 0},
        {"ca-file", OPTION_TEXT, &o->ca_file,
         "PEM of the authorities that DynamoDB's certificate is checked with ($AWS_CA_BUNDLE, else the "
         "system's)",
         0, 0},
        {"credentials", OPTION_TEXT, &o->credentials,
         "JSON file of the role's credentials, re-read when it changes; or imds: those of the instance's "
         "role",
         0, 0},
        {"imds-endpoint", OPTION_TEXT, &o->imds_endpoint,
         "URL of the metadata service ($AWS_EC2_METADATA_SERVICE_ENDPOINT, else http://169.254.169.254)", 0,
         0},
        {"imds-interval", OPTION_U32, &o->imds_interval,
         "seconds between two looks for new credentials in the last 15 minutes of the old (30)", 1, 300},
        {"status-interval", OPTION_U32, &o->status_interval, "seconds between two status requests (5)", 1,
         3600},
        {"stable-after", OPTION_U32, &o->stable_after,
         "seconds of service after which earlier failures do not count for the wait before a restart (300)",
         1, 86400},
        {"metrics", OPTION_TEXT, &o->metrics,
         "address on which GET /metrics is served, for Prometheus, such as tcp:127.0.0.1:9102 (none)", 0, 0},
        {"status-page", OPTION_TEXT, &o->status_page,
         "address on which a status page is served, for people, such as tcp:127.0.0.1:9002; loopback or "
         "unix: "
         "only (none)",
         0, 0},
        {"enclave-metrics", OPTION_TEXT, &o->enclave_metrics,
         "where the enclave's metrics are read for the status page (with nitro-cli: port 9001 of "
         "--enclave-cid; else none)",
         0, 0},
        {"sample-interval", OPTION_U32, &o->sample_interval,
         "seconds between two samples of them; 360 are kept, beside a day of minutes (10)", 1, 60},
        LOG_OPTION_ROWS(&o->log),
    };
    return options_parse(ret_next, table, ARRAY_LENGTH(table), usage, argc, argv);
}

static void take_environment(struct watchdog_options *o)
{
    if (!o->dynamodb_endpoint)
        o->dynamodb_endpoint = getenv("AWS_ENDPOINT_URL_DYNAMODB");
    if (!o->ca_file)
        o->ca_file = getenv("AWS_CA_BUNDLE");
    if (!o->imds_endpoint)
        o->imds_endpoint = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
}

/* A folder, or tables, not both and not half of it. */
static must_check result check_sources(const struct watchdog_options *o)
{
    bool tables = o->validator_table || o->tls_table || o->stack_uuid;
    ENSURE(o->items || tables, E_INPUT, "--items: required, or --validator-table");
    ENSURE(!o->items || !tables, E_INPUT,
           "--items: not together with --validator-table, --tls-table, --stack-uuid");
    if (tables) {
        ENSURE(o->validator_table, E_INPUT, "--validator-table: required");
        ENSURE(o->tls_table, E_INPUT, "--tls-table: required");
        ENSURE(o->stack_uuid && o->stack_uuid[0], E_INPUT, "--stack-uuid: required");
    }
    return RESULT_OK;
}

static must_check result check_enclave(struct watchdog_options *o, int next, int argc, char *const argv[])
{
    bool by_command = !o->enclave || strcmp(o->enclave, "command") == 0;
    o->nitro_cli = !by_command && strcmp(o->enclave, "nitro-cli") == 0;
    ENSURE(by_command || o->nitro_cli, E_INPUT, "--enclave: must be command or nitro-cli");
    ENSURE(o->control || o->nitro_cli, E_INPUT, "--control: required");
    if (by_command) {
        ENSURE(next < argc, E_INPUT, "COMMAND: required, behind --");
        ENSURE(!o->nitro.enclave.eif, E_INPUT, "--eif: only with --enclave=nitro-cli");
        o->command = argv + next;
        return RESULT_OK;
    }
    ENSURE(next == argc, E_INPUT, "COMMAND: not together with --enclave=nitro-cli");
    ENSURE(o->nitro.enclave.eif, E_INPUT, "--eif: required");
    const char *name = o->nitro.enclave.name;
    ENSURE(name[0] && name[0] != '-' && strlen(name) <= WATCHDOG_CLI_NAME_MAX &&
               name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")] == 0,
           E_INPUT, "--enclave-name: must have from 1 to %d letters, digits, '_', '.' and '-'",
           WATCHDOG_CLI_NAME_MAX);
    if (!o->control) {
        (void)snprintf(o->control_text, sizeof o->control_text, "vsock:%u:5000", o->nitro.enclave.cid);
        o->control = o->control_text;
    }
    if (!o->enclave_metrics) {
        (void)snprintf(o->enclave_metrics_text, sizeof o->enclave_metrics_text, "vsock:%u:9001",
                       o->nitro.enclave.cid);
        o->enclave_metrics = o->enclave_metrics_text;
    }
    return RESULT_OK;
}

static must_check result check_reachable(struct net_address *ret_address, const char *text, bool vsock)
{
    TRY(net_address_parse(ret_address, text));
    ENSURE(watchdog_is_loopback(ret_address) || (vsock && ret_address->family == NET_VSOCK), E_INPUT,
           "must be unix:PATH%s or tcp: with a number of loopback's, such as 127.0.0.1 or [::1]",
           vsock ? ", vsock:CID:PORT" : "");
    return RESULT_OK;
}

/* The page tells everybody who reaches it, so that nobody on a network may. */
static must_check result check_status_page(struct watchdog_options *o)
{
    if (!o->status_page)
        return RESULT_OK;
    result r = check_reachable(&o->status_page_address, o->status_page, false);
    if (r.code)
        return error_prefix(r, "--status-page");
    if (!o->enclave_metrics)
        return RESULT_OK;
    r = check_reachable(&o->enclave_metrics_address, o->enclave_metrics, true);
    return r.code ? error_prefix(r, "--enclave-metrics") : r;
}

result watchdog_options_parse(struct watchdog_options *o, int argc, char *const argv[])
{
    *o = (struct watchdog_options){.log = LOG_OPTIONS_DEFAULT,
                                   .status_interval = 5,
                                   .stable_after = 300,
                                   .sample_interval = 10,
                                   .imds_interval = 30,
                                   .nitro = {.enclave = {.program = "nitro-cli",
                                                         .name = "nitro-signer",
                                                         .cpu_count = 2,
                                                         .memory_mib = 512,
                                                         .cid = 16},
                                             .describe_interval = 10}};
    int next;
    TRY(parse_table(o, &next, argc, argv));
    TRY(check_sources(o));
    ENSURE(o->credentials, E_INPUT, "--credentials: required");
    ENSURE(o->policy, E_INPUT, "--policy: required");
    TRY(check_enclave(o, next, argc, argv));
    TRY(check_status_page(o));
    if (strcmp(o->credentials, "imds") == 0)
        o->credentials = NULL;
    take_environment(o);
    result r = net_address_parse(&o->control_address, o->control);
    if (r.code)
        return error_prefix(r, "--control");
    return log_configure(&o->log);
}
