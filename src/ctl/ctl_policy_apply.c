/* ctl_policy_apply.c - policy apply: the key policy for a KMS key that a stack was given, since no stack
 * changes the policy of a key that it did not make.
 *
 * What is put is shown before, as a difference; what is there afterwards is read back. Whoever runs this
 * needs kms:PutKeyPolicy, which nobody in the stack has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "ctl_diff.h"
#include "ctl_report.h"
#include "ctl_stack_key.h"
#include "ctl_stack_policy.h"
#include "policy/policy.h"

enum { PCRS_FILE_MAX = 65536, PCRS_VALUES_MAX = 64, PART_MAX = 64 };

struct options {
    struct ctl_aws_options aws;
    const char *policy, *pcrs, *previous_pcr0;
    bool without_attestation, yes;
};

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    const struct option table[] = {
        CTL_AWS_ROWS(o->aws),
        {"policy", OPTION_FILE, &o->policy, "file of the policy document, as policy make prints it", 0, 0},
        {"pcrs", OPTION_FILE, &o->pcrs, "pcrs.json of make image", 0, 0},
        {"previous-pcr0", OPTION_TEXT, &o->previous_pcr0,
         "PCR0 of an image that may decrypt too, while instances are replaced (none)", 0, 0},
        {"without-attestation", OPTION_FLAG, &o->without_attestation,
         "instead, for development: the stack's roles may decrypt (false)", 0, 0},
        {"yes", OPTION_FLAG, &o->yes, "do not ask (false)", 0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, o->aws.stack, "stack"));
    call->is_usage_error = o->without_attestation && (o->policy || o->pcrs || o->previous_pcr0);
    ENSURE(!call->is_usage_error, E_INPUT,
           "--without-attestation: not with --policy, --pcrs or --previous-pcr0");
    if (o->without_attestation)
        return RESULT_OK;
    TRY(ctl_require(call, o->policy, "policy"));
    return ctl_require(call, o->pcrs, "pcrs");
}

/* KMS compares with digits without 0x; zeros are those of a debug enclave, whose memory its host reads. */
static must_check result take_pcr0(struct ctl_stack_policy *policy, const char *digits)
{
    static const uint8_t zeros[CTL_PCR_LEN];
    uint8_t value[CTL_PCR_LEN];
    ENSURE(strlen(digits) == CTL_PCR_DIGITS, E_INPUT, "must have %d hexadecimal digits, without 0x",
           CTL_PCR_DIGITS);
    TRY(hex_decode(value, sizeof value, digits, CTL_PCR_DIGITS));
    ENSURE(memcmp(value, zeros, sizeof value) != 0, E_INPUT, "is that of an enclave in debug mode");
    hex_encode(policy->pcr0[policy->num_pcr0++], value, sizeof value);
    return RESULT_OK;
}

static must_check result read_pcrs(struct ctl_stack_policy *policy, const char *path)
{
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, measurements;
    const char *digits;
    TRY(file_read(&text, path, PCRS_FILE_MAX));
    TRY(json_read(&document, (const char *)text.data, text.length, PCRS_FILE_MAX, PCRS_VALUES_MAX));
    TRY(json_view_root(&root, document));
    TRY(json_get_object(&measurements, &root, "Measurements"));
    TRY(json_get_text(&digits, NULL, &measurements, "PCR0"));
    result r = take_pcr0(policy, digits);
    return r.code ? json_blame(r, &measurements, "PCR0") : r;
}

/* The document must be this stack's: with another's measure in the key policy no instance would get a key. */
static must_check result check_document(const struct policy *document, struct ctl_aws *aws,
                                        struct ctl_call *call, const struct ctl_stack_policy *policy,
                                        const char *key_arn)
{
    const char *table, *account = policy_store_account(document);
    TRY(ctl_aws_output(&table, aws, call, "SlashingProtectionTableName"));
    ENSURE(strcmp(document->kms_key, key_arn) == 0, E_MISMATCH, "kms_key: is not the stack's key");
    ENSURE(strcmp(document->region, aws->region) == 0, E_MISMATCH, "region: is not the stack's, %s",
           aws->region);
    ENSURE(document->store_kind == POLICY_STORE_DYNAMODB && strcmp(policy_store_place(document), table) == 0,
           E_MISMATCH, "store: is not the stack's table %s", table);
    ENSURE(!account || strcmp(account, policy->account) == 0, E_MISMATCH, "store: is in another account");
    return RESULT_OK;
}

static must_check result measure_document(struct ctl_stack_policy *policy, struct ctl_aws *aws,
                                          struct ctl_call *call, const char *path, const char *key_arn)
{
    AUTO(buffer) text = {0};
    struct policy document;
    uint8_t pcr[CTL_PCR_LEN];
    TRY(file_read(&text, path, POLICY_TEXT_MAX));
    result r = policy_parse(&document, (const char *)text.data, text.length);
    if (!r.code)
        r = check_document(&document, aws, call, policy, key_arn);
    if (r.code)
        return error_prefix(r, "%s", path);
    TRY(policy_measure(pcr, (const char *)text.data, text.length));
    hex_encode(policy->pcr16, pcr, sizeof pcr);
    return RESULT_OK;
}

/* PARTITION and ACCOUNT of arn:PARTITION:kms:REGION:ACCOUNT:key/ID. */
static must_check result split_arn(char partition[static PART_MAX], char account[static PART_MAX],
                                   const char *arn)
{
    int end = 0;
    int found = sscanf(arn, "arn:%63[a-z0-9-]:kms:%*[a-z0-9-]:%63[0-9]:key/%n", partition, account, &end);
    ENSURE(found == 2 && end > 0, E_PEER, "KMSKeyARN: is not the ARN of a key");
    return RESULT_OK;
}

static must_check result make_wanted(json_t **ret_document, const struct options *o, struct ctl_aws *aws,
                                     struct ctl_call *call, const char *key_arn)
{
    char partition[PART_MAX], account[PART_MAX];
    struct ctl_stack_policy policy = {
        .partition = partition, .account = account, .attested = !o->without_attestation};
    TRY(split_arn(partition, account, key_arn));
    TRY(ctl_aws_output(&policy.instance_role, aws, call, "EC2InstanceRoleARN"));
    TRY(ctl_aws_output(&policy.lambda_role, aws, call, "LambdaExecutionArn"));
    if (policy.attested) {
        result r = read_pcrs(&policy, o->pcrs);
        if (r.code)
            return error_prefix(r, "--pcrs");
        r = o->previous_pcr0 ? take_pcr0(&policy, o->previous_pcr0) : RESULT_OK;
        if (r.code)
            return error_prefix(r, "--previous-pcr0");
        TRY(measure_document(&policy, aws, call, o->policy, key_arn));
    }
    return ctl_stack_policy_make(ret_document, &policy);
}

static must_check result show_difference(const json_t *old, const json_t *wanted)
{
    AUTO(buffer) lines = {0};
    char *before = json_dumps(old, JSON_INDENT(2) | JSON_SORT_KEYS);
    char *after = json_dumps(wanted, JSON_INDENT(2) | JSON_SORT_KEYS);
    result r = before && after ? ctl_diff(&lines, before, after) : error_set(E_MEMORY, "no memory for lines");
    free(before);
    free(after);
    TRY(r);
    (void)fwrite(lines.data, 1, lines.length, stderr);
    return RESULT_OK;
}

static must_check result put(const struct ctl_stack_key *key, const struct ctl_aws *aws, const json_t *wanted)
{
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_t) now = NULL;
    bool equal = false;
    char *compact = json_dumps(wanted, JSON_COMPACT);
    result r = compact ? buffer_append_text(&text, compact) : error_set(E_MEMORY, "no memory for a policy");
    free(compact);
    TRY(r);
    r = aws_kms_put_policy(key->client, &aws->credentials, key->arn, &text);
    if (r.code)
        return error_prefix(r, "key %s: its policy was not changed", key->arn);
    TRY(ctl_stack_key_read(&now, key, aws));
    TRY(ctl_stack_policy_equal(&equal, now, wanted));
    ENSURE(equal, E_MISMATCH,
           "key %s: the policy that is now in force is not the one that was put: see policy show", key->arn);
    return RESULT_OK;
}

static must_check result print_outcome(const struct ctl_aws *aws, const struct ctl_stack_key *key,
                                       bool changed, json_t *wanted)
{
    struct ctl_policy_reading reading;
    TRY(ctl_stack_policy_read(&reading, wanted));
    if (!aws->json) {
        (void)printf("key %s: the policy %s\n", key->arn, changed ? "is in force" : "was in force already");
        return RESULT_OK;
    }
    AUTO_POINTER(json_t)
    object = json_pack("{s:s,s:s,s:b,s:s,s:O}", "stack", aws->stack_name, "key", key->arn, "changed", changed,
                       "decrypt", ctl_decrypt_rule_name(reading.decrypt), "policy", wanted);
    return ctl_print_json(object);
}

result ctl_policy_apply(struct ctl_call *call)
{
    struct options o = {.yes = false};
    AUTO(ctl_aws) aws = {.json = false};
    AUTO(ctl_stack_key) key = {.client = NULL};
    AUTO_POINTER(json_t) wanted = NULL;
    bool equal = false;
    TRY(parse_options(&o, call));
    TRY(ctl_aws_open(&aws, call, &o.aws));
    TRY(ctl_stack_key_open(&key, &aws, call));
    ENSURE(strcmp(key.key.spec, "SYMMETRIC_DEFAULT") == 0 && strcmp(key.key.usage, "ENCRYPT_DECRYPT") == 0,
           E_MISMATCH, "key %s: must be a symmetric key for encryption", key.arn);
    ENSURE(o.without_attestation || !ctl_stack_key_has_replicas(&key), E_MISMATCH,
           "key %s: is a multi-region key: replicas have policies of their own, and decrypt the same",
           key.arn);
    TRY(make_wanted(&wanted, &o, &aws, call, key.arn));
    TRY(ctl_stack_policy_equal(&equal, key.document, wanted));
    if (!equal) {
        TRY(show_difference(key.document, wanted));
        if (!o.yes)
            TRY(ctl_confirm("Put this key policy in force?"));
        TRY(put(&key, &aws, wanted));
    }
    return print_outcome(&aws, &key, !equal, wanted);
}
