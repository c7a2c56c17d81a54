/* ctl_policy.c - policy make and policy measure: the document of an enclave, and its PCR16. */
#include <stdio.h>
#include <string.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "ctl.h"
#include "policy/policy.h"

struct options {
    const char *network, *store, *kms_key, *region, *genesis_validators_root, *log_level;
};

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.network = "mainnet", .genesis_validators_root = "any", .log_level = "info"};
    const struct option table[] = {
        {"network", OPTION_TEXT, &o->network, "name or configuration YAML (mainnet)", 0, 0},
        {"store", OPTION_TEXT, &o->store, "slashing protection store: sqlite:/PATH", 0, 0},
        {"kms-key", OPTION_TEXT, &o->kms_key, "ARN of the only KMS key that is accepted", 0, 0},
        {"genesis-validators-root", OPTION_TEXT, &o->genesis_validators_root, "0x root, or any (any)", 0, 0},
        {"log-level", OPTION_TEXT, &o->log_level,
         "the most that may be logged: error, warn, info, debug (info)", 0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), "nitro-signer-ctl policy make [options] > FILE", 0,
                  &none));
    TRY(ctl_require(call, o->store, "store"));
    return ctl_require(call, o->kms_key, "kms-key");
}

static must_check result copy_text(char *out, size_t out_capacity, const char *text, const char *option)
{
    int length = snprintf(out, out_capacity, "%s", text);
    ENSURE(length >= 0 && (size_t)length < out_capacity, E_INPUT, "--%s: too long", option);
    return RESULT_OK;
}

/* arn:aws:kms:REGION:... */
static must_check result copy_region(char *out, size_t out_capacity, const char *arn)
{
    const char *at = strncmp(arn, "arn:", 4) == 0 ? strchr(arn + 4, ':') : NULL;
    at = at ? strchr(at + 1, ':') : NULL;
    size_t length = at ? strcspn(at + 1, ":") : 0;
    ENSURE(length > 0 && length < out_capacity, E_INPUT,
           "--kms-key: must be arn:aws:kms:REGION:ACCOUNT:key/ID");
    memcpy(out, at + 1, length);
    out[length] = 0;
    return RESULT_OK;
}

static must_check result make(struct policy *policy, const struct options *o)
{
    *policy = (struct policy){.slashing_protection = true};
    TRY(ctl_network(&policy->network, o->network));
    TRY(copy_text(policy->store, sizeof policy->store, o->store, "store"));
    TRY(copy_text(policy->kms_key, sizeof policy->kms_key, o->kms_key, "kms-key"));
    TRY(copy_region(policy->region, sizeof policy->region, o->kms_key));
    TRY(log_level_parse(&policy->log_level, o->log_level));
    if (strcmp(o->genesis_validators_root, "any") == 0)
        return RESULT_OK;
    result r = hex_decode(policy->genesis_validators_root, sizeof policy->genesis_validators_root,
                          o->genesis_validators_root, strlen(o->genesis_validators_root));
    policy->has_genesis_validators_root = true;
    return r.code ? error_prefix(r, "--genesis-validators-root") : r;
}

result ctl_policy_make(struct ctl_call *call)
{
    struct options o;
    struct policy policy, checked;
    AUTO(buffer) text = {0};
    TRY(parse_options(&o, call));
    TRY(make(&policy, &o));
    TRY(policy_format(&text, &policy));
    /* What the keeper would refuse must not be printed: its grammar is the judge. */
    TRY(policy_parse(&checked, (const char *)text.data, text.length));
    (void)fwrite(text.data, 1, text.length, stdout);
    return RESULT_OK;
}

result ctl_policy_measure(struct ctl_call *call)
{
    char *const *file;
    uint8_t pcr[48];
    char digits[2 * sizeof pcr + 1];
    struct policy policy;
    AUTO(buffer) text = {0};
    TRY(ctl_parse(call, NULL, 0, "nitro-signer-ctl policy measure FILE", 1, &file));
    TRY(file_read(&text, file[0], POLICY_TEXT_MAX));
    result r = policy_parse(&policy, (const char *)text.data, text.length);
    if (r.code)
        return error_prefix(r, "%s", file[0]);
    TRY(policy_measure(pcr, (const char *)text.data, text.length));
    hex_encode(digits, pcr, sizeof pcr);
    (void)puts(digits);
    return RESULT_OK;
}
