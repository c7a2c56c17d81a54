/* main.c - nitro-signer-devcloud: on a developer's machine what only AWS has, an NSM and a KMS.
 *
 * Never shipped: its root signs for anyone who can open the socket. Everything runs in one
 * event loop; each enclave is a connection to one of the NSM sockets, whose PCR0 is measured
 * from the files named with it. */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hex.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "base/secret.h"
#include "devcloud_authority.h"
#include "devcloud_credentials.h"
#include "devcloud_kms.h"
#include "devcloud_measure.h"
#include "devcloud_nsm.h"
#include "net/net_loop.h"
#include "process/process_notify.h"

enum { SECURE_HEAP_LEN = 1 << 20, NSM_MAX = 16, ACCOUNT_LEN = 12 };

typedef struct event event;
DEFINE_AUTO_POINTER(event, event_free)

struct options {
    const char *state, *role_arn, *instance_id, *region;
    const char *kms, *key_policy;  /* both or neither */
    char account[ACCOUNT_LEN + 1]; /* from role_arn */
    struct option_list nsm, measure;
    bool accept_unsigned;
};

/* Everything that serves; cleaned up in the reverse of the order in which it is started. */
struct cloud {
    struct event_base *base;
    struct devcloud_authority authority;
    struct aws_credentials credentials;
    struct devcloud_nsm *nsm[NSM_MAX];
    size_t num_nsm;
    struct devcloud_kms *kms;
};

static void cloud_cleanup(struct cloud *c)
{
    if (c->kms)
        devcloud_kms_stop(c->kms);
    for (size_t i = 0; i < c->num_nsm; i++)
        devcloud_nsm_stop(c->nsm[i]);
    aws_credentials_cleanup(&c->credentials);
    devcloud_authority_cleanup(&c->authority);
    net_loop_free(c->base);
}

/* arn:aws:iam::123456789012:role/NAME; the KMS key is of the same account. */
static must_check result take_account(struct options *o)
{
    static const char prefix[] = "arn:aws:iam::", behind[] = ":role/";
    const char *account = o->role_arn + sizeof prefix - 1;
    ENSURE(strncmp(o->role_arn, prefix, sizeof prefix - 1) == 0 &&
               strspn(account, "0123456789") == ACCOUNT_LEN &&
               strncmp(account + ACCOUNT_LEN, behind, sizeof behind - 1) == 0 &&
               account[ACCOUNT_LEN + sizeof behind - 1],
           E_INPUT, "--role-arn: must be arn:aws:iam::ACCOUNT:role/NAME");
    memcpy(o->account, account, ACCOUNT_LEN);
    o->account[ACCOUNT_LEN] = 0;
    return RESULT_OK;
}

static must_check result check_options(struct options *o)
{
    ENSURE(o->state, E_INPUT, "--state: missing");
    ENSURE(o->nsm.num_values == o->measure.num_values, E_INPUT,
           "--measure: must be given once for each --nsm");
    ENSURE(o->nsm.num_values >= 1 && o->nsm.num_values <= NSM_MAX, E_INPUT,
           "--nsm: must be given 1 to %d times", NSM_MAX);
    ENSURE(!o->kms == !o->key_policy, E_INPUT, "--key-policy: goes with --kms");
    return take_account(o);
}

static must_check result parse_options(struct options *o, int argc, char *const argv[])
{
    *o = (struct options){.role_arn = "arn:aws:iam::123456789012:role/nitro-signer-devcloud",
                          .instance_id = "i-0123456789abcdef0",
                          .region = "us-east-1"};
    struct log_options log = LOG_OPTIONS_DEFAULT;
    const struct option table[] = {
        {"state", OPTION_TEXT, &o->state, "folder for keys, certificates and credentials; made if missing", 0,
         0},
        {"nsm", OPTION_LIST, &o->nsm, "unix:PATH of an NSM; each goes with the --measure of the same place",
         0, 0},
        {"measure", OPTION_LIST, &o->measure, "FILE,FILE,... whose bytes are the image of the enclaves there",
         0, 0},
        {"kms", OPTION_TEXT, &o->kms, "where the KMS listens: unix:PATH, tcp:HOST:PORT", 0, 0},
        {"key-policy", OPTION_TEXT, &o->key_policy,
         "JSON file: who may use the key of the KMS, attested as what", 0, 0},
        {"accept-unsigned-attestation", OPTION_FLAG, &o->accept_unsigned,
         "for tests only: believe the documents of QEMU's nitro-enclave machine, which anyone can write", 0,
         0},
        {"region", OPTION_TEXT, &o->region, "of the KMS (us-east-1)", 0, 0},
        {"role-arn", OPTION_TEXT, &o->role_arn, "role of the parent instance: PCR3, and who asks the KMS", 0,
         0},
        {"instance-id", OPTION_TEXT, &o->instance_id, "the parent instance: PCR4 and module ids", 0, 0},
        LOG_OPTION_ROWS(&log),
    };
    int next;
    TRY(options_parse(
        &next, table, ARRAY_LENGTH(table),
        "nitro-signer-devcloud [options]\nA Nitro Security Module and a KMS for development and tests.", argc,
        argv));
    ENSURE(next == argc, E_INPUT, "argument %d: unexpected", next);
    TRY(log_configure(&log));
    return check_options(o);
}

static must_check result start_nsm(struct cloud *c, const struct options *o, size_t i)
{
    static const char prefix[] = "unix:";
    ENSURE(strncmp(o->nsm.values[i], prefix, sizeof prefix - 1) == 0, E_INPUT, "--nsm: must be unix:PATH");
    struct devcloud_nsm_config config = {
        .path = o->nsm.values[i] + sizeof prefix - 1,
        .identity = {.role_arn = o->role_arn, .instance_id = o->instance_id},
        .authority = &c->authority,
    };
    TRY(devcloud_measure(config.identity.pcr0, o->measure.values[i]));
    TRY(devcloud_nsm_start(&c->nsm[c->num_nsm], c->base, &config));
    c->num_nsm++;
    char hex[2 * NSM_PCR_LEN + 1];
    hex_encode(hex, config.identity.pcr0, NSM_PCR_LEN);
    log_info("%s: PCR0 %s", config.path, hex);
    return RESULT_OK;
}

static must_check result start_kms(struct cloud *c, const struct options *o)
{
    struct devcloud_kms_config config = {
        .state_dir = o->state,
        .key_policy_path = o->key_policy,
        .nsm_root_der = c->authority.root_der.der,
        .nsm_root_der_len = c->authority.root_der.length,
        .accept_unsigned = o->accept_unsigned,
        .region = o->region,
        .account = o->account,
        .principal_arn = o->role_arn,
        .credentials = &c->credentials,
    };
    TRY(devcloud_credentials_make(&c->credentials, o->state));
    result r = net_address_parse(&config.listen, o->kms);
    if (r.code)
        return error_prefix(r, "--kms");
    TRY(devcloud_kms_start(&c->kms, c->base, &config));
    if (o->accept_unsigned)
        log_warn("--accept-unsigned-attestation: anyone can write a document that this KMS believes");
    log_info("%s: KMS with %s", o->kms, devcloud_kms_key_arn(c->kms));
    return RESULT_OK;
}

static must_check result start(struct cloud *c, const struct options *o)
{
    ENSURE(mkdir(o->state, 0700) == 0 || errno == EEXIST, E_IO, "%s: %s", o->state, strerror(errno));
    c->base = event_base_new();
    ENSURE(c->base, E_MEMORY, "no event loop");
    TRY(devcloud_authority_open(&c->authority, o->state));
    for (size_t i = 0; i < o->nsm.num_values; i++)
        TRY(start_nsm(c, o, i));
    return o->kms ? start_kms(c, o) : RESULT_OK;
}

static void on_signal(int number, short what, void *context)
{
    (void)number;
    (void)what;
    (void)event_base_loopbreak(context);
}

static must_check result serve(struct cloud *c)
{
    AUTO_POINTER(event) terminate = evsignal_new(c->base, SIGTERM, on_signal, c->base);
    AUTO_POINTER(event) interrupt = evsignal_new(c->base, SIGINT, on_signal, c->base);
    ENSURE(terminate && interrupt && event_add(terminate, NULL) == 0 && event_add(interrupt, NULL) == 0,
           E_MEMORY, "cannot wait for signals");
    process_notify("READY=1");
    log_info("ready");
    ENSURE(event_base_dispatch(c->base) >= 0, E_INTERNAL, "the event loop failed");
    log_info("ended by a signal");
    return RESULT_OK;
}

static must_check result run(const struct options *o)
{
    AUTO(cloud) c = {0};
    TRY(process_harden());
    TRY(secret_heap_open(SECURE_HEAP_LEN));
    TRY(start(&c, o));
    return serve(&c);
}

int main(int argc, char *argv[])
{
    struct options o;
    log_open("devcloud", LOG_LEVEL_INFO);
    if (parse_options(&o, argc, argv).code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    result r = run(&o);
    if (r.code)
        log_error("%s", error_text());
    return r.code ? 1 : 0;
}
