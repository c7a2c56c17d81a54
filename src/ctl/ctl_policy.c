/* ctl_policy.c - policy make and policy measure: the document of an enclave, and its PCR16. */
#include <stdio.h>
#include <string.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "ctl_aws.h"
#include "ctl_report.h"
#include "eth2/eth2_config.h"
#include "policy/policy_access.h"

struct options {
    const char *network, *store, *kms_key, *region, *genesis_validators_root, *log_level;
    const char *access, *store_identity, *store_mode, *far_future_epochs;
    bool boot_floor;
    struct ctl_aws_options aws;
};

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.network = "mainnet",
                          .genesis_validators_root = "any",
                          .log_level = "info",
                          .store_identity = "none",
                          .far_future_epochs = "2"};
    const struct option table[] = {
        {"network", OPTION_TEXT, &o->network, "name or configuration YAML (mainnet)", 0, 0},
        {"store", OPTION_TEXT, &o->store,
         "slashing protection store: sqlite:/PATH, dynamodb:ACCOUNT/TABLE (or the table's ARN), or "
         "postgresql",
         0, 0},
        {"store-identity", OPTION_TEXT, &o->store_identity,
         "0x identity of the DynamoDB table, as slashing init prints it (none)", 0, 0},
        {"store-mode", OPTION_CHOICE, &o->store_mode,
         "single|fleet one signer at a time, or several (fleet for dynamodb and postgresql, else single)", 0,
         0},
        {"far-future-epochs", OPTION_TEXT, &o->far_future_epochs,
         "refuse what is this many epochs ahead of the clock; any: no bound (2)", 0, 0},
        {"boot-floor", OPTION_FLAG, &o->boot_floor,
         "refuse new blocks and attestations up to the epoch and slot of the start (false)", 0, 0},
        {"kms-key", OPTION_TEXT, &o->kms_key, "ARN of the only KMS key that is accepted", 0, 0},
        {"access", OPTION_FILE, &o->access,
         "who may connect: an access document, as access make prints it, or any: whoever reaches the port", 0,
         0},
        {"genesis-validators-root", OPTION_TEXT, &o->genesis_validators_root, "0x root, or any (any)", 0, 0},
        {"log-level", OPTION_CHOICE, &o->log_level,
         "error|warn|info|debug the most that may be logged (info)", 0, 0},
        CTL_AWS_ROWS(o->aws),
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    call->is_usage_error = o->aws.stack ? o->store || o->kms_key : o->aws.outputs || o->aws.region;
    ENSURE(!call->is_usage_error, E_INPUT,
           "--stack: instead of --store and --kms-key; --outputs and --region: with it");
    TRY(ctl_require(call, o->aws.stack ? o->aws.stack : o->store, "store"));
    TRY(ctl_require(call, o->aws.stack ? o->aws.stack : o->kms_key, "kms-key"));
    return ctl_require(call, o->access, "access");
}

/* Store and KMS key as the options would have named them; texts live as long as aws and *store. */
static must_check result take_outputs(struct options *o, struct buffer *store, struct ctl_aws *aws,
                                      struct ctl_call *call)
{
    const char *table, *key;
    TRY(ctl_aws_open(aws, call, &o->aws));
    TRY(ctl_aws_output(&table, aws, call, "SlashingProtectionTableName"));
    TRY(ctl_aws_output(&key, aws, call, "KMSKeyARN"));
    const char *account = strstr(key, ":kms:");
    account = account ? strchr(account + strlen(":kms:"), ':') : NULL;
    ENSURE(account, E_PEER, "output KMSKeyARN: must be arn:aws:kms:REGION:ACCOUNT:key/ID");
    TRY(buffer_printf(store, "dynamodb:%.*s/%s", (int)strcspn(account + 1, ":"), account + 1, table));
    o->store = (const char *)store->data;
    o->kms_key = key;
    return RESULT_OK;
}

static must_check result copy_text(char *out, size_t out_capacity, const char *text, const char *option)
{
    int length = snprintf(out, out_capacity, "%s", text);
    ENSURE(length >= 0 && (size_t)length < out_capacity, E_INPUT, "--%s: too long", option);
    return RESULT_OK;
}

/* arn:PARTITION:dynamodb:REGION:ACCOUNT:table/NAME becomes dynamodb:ACCOUNT/NAME. */
static must_check result store_of_arn(char *out, size_t out_capacity, const char *arn, const char *region)
{
    static const char wanted[] = "must be arn:aws:dynamodb:REGION:ACCOUNT:table/NAME";
    char partition[64], place[64], account[64], name[POLICY_VALUE_MAX];
    int end = 0;
    int found = sscanf(arn, "arn:%63[a-z0-9-]:dynamodb:%63[a-z0-9-]:%63[0-9]:table/%511[^:/]%n", partition,
                       place, account, name, &end);
    ENSURE(found == 4 && arn[end] == 0, E_INPUT, "%s", wanted);
    ENSURE(strcmp(place, region) == 0, E_INPUT, "must be a table in the region of the key, %s", region);
    int length = snprintf(out, out_capacity, "dynamodb:%s/%s", account, name);
    ENSURE(length > 0 && (size_t)length < out_capacity, E_INPUT, "%s", wanted);
    return RESULT_OK;
}

static must_check result set_place(struct policy *policy, const char *store)
{
    char converted[POLICY_VALUE_MAX];
    if (strncmp(store, "arn:", 4) != 0)
        return policy_set_store(policy, store);
    TRY(store_of_arn(converted, sizeof converted, store, policy->region));
    return policy_set_store(policy, converted);
}

static must_check result set_store(struct policy *policy, const struct options *o)
{
    result r = set_place(policy, o->store);
    if (r.code)
        return error_prefix(r, "--store");
    r = policy_set_far_future(policy, o->far_future_epochs);
    if (r.code)
        return error_prefix(r, "--far-future-epochs");
    policy->boot_floor = o->boot_floor;
    policy->has_store_identity = strcmp(o->store_identity, "none") != 0;
    if (policy->has_store_identity)
        r = hex_decode(policy->store_identity, sizeof policy->store_identity, o->store_identity,
                       strlen(o->store_identity));
    if (r.code)
        return error_prefix(r, "--store-identity");
    if (!o->store_mode)
        return RESULT_OK;
    policy->single_mode = strcmp(o->store_mode, "single") == 0;
    ENSURE(policy->single_mode || strcmp(o->store_mode, "fleet") == 0, E_INPUT,
           "--store-mode: must be single or fleet");
    return RESULT_OK;
}

/* "any" has to be said: a signer that serves whoever reaches its port is not made by forgetting an option. */
static must_check result set_access(struct policy *policy, const char *path)
{
    AUTO(buffer) text = {0};
    AUTO(policy_access) access = {0};
    if (strcmp(path, "any") == 0)
        return RESULT_OK;
    TRY(file_read(&text, path, POLICY_ACCESS_MAX));
    TRY(policy_access_parse(&access, (const char *)text.data, text.length));
    return policy_set_access(policy, (const char *)text.data, text.length);
}

static must_check result make(struct policy *policy, const struct options *o)
{
    *policy = (struct policy){.slashing_protection = true};
    TRY(eth2_network_of_option(&policy->network, o->network));
    TRY(copy_text(policy->kms_key, sizeof policy->kms_key, o->kms_key, "kms-key"));
    TRY(ctl_region_of_key(policy->region, sizeof policy->region, o->kms_key, "kms-key"));
    TRY(set_store(policy, o));
    result r = set_access(policy, o->access);
    if (r.code)
        return error_prefix(r, "--access");
    r = log_level_parse(&policy->log_level, o->log_level);
    if (r.code)
        return error_prefix(r, "--log-level");
    if (strcmp(o->genesis_validators_root, "any") == 0)
        return RESULT_OK;
    r = hex_decode(policy->genesis_validators_root, sizeof policy->genesis_validators_root,
                   o->genesis_validators_root, strlen(o->genesis_validators_root));
    policy->has_genesis_validators_root = true;
    return r.code ? error_prefix(r, "--genesis-validators-root") : r;
}

result ctl_policy_make(struct ctl_call *call)
{
    struct options o;
    struct policy policy, checked;
    AUTO(ctl_aws) aws = {.json = false};
    AUTO(buffer) text = {0}, store = {0};
    TRY(parse_options(&o, call));
    if (o.aws.stack)
        TRY(take_outputs(&o, &store, &aws, call));
    call->is_usage_error = true;
    TRY(make(&policy, &o));
    TRY(policy_format(&text, &policy));
    /* What the keeper would refuse must not be printed: its grammar is the judge. */
    TRY(policy_parse(&checked, (const char *)text.data, text.length));
    call->is_usage_error = false;
    return ctl_print_document(call, (const char *)text.data);
}

result ctl_policy_measure(struct ctl_call *call)
{
    char *const *file;
    uint8_t pcr[48];
    char digits[2 * sizeof pcr + 1];
    struct policy policy;
    AUTO(buffer) text = {0};
    TRY(ctl_parse(call, NULL, 0, &file));
    TRY(file_read(&text, file[0], POLICY_TEXT_MAX));
    result r = policy_parse(&policy, (const char *)text.data, text.length);
    if (r.code)
        return error_prefix(r, "%s", file[0]);
    TRY(policy_measure(pcr, (const char *)text.data, text.length));
    hex_encode(digits, pcr, sizeof pcr);
    return ctl_print_digest(call, "pcr16", digits);
}
