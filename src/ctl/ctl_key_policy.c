/* ctl_key_policy.c - policy kms-key-policy: who may do what with the KMS key.
 *
 * One Allow with conditions is not enough: any other statement, or an IAM policy together with
 * the account's default statement, would allow Decrypt without attestation. So there is a Deny,
 * and a negated condition matches also where the key of the condition is absent. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "ctl.h"

enum { PCR_LEN = 48, ARN_MAX = 512, PCRS_MAX = 3 };

struct options {
    const char *pcr0, *pcr3, *pcr16, *role, *encrypt_role, *admin;
};

/* What the key demands of an attestation document: the condition keys' names and values. */
struct demands {
    const char *name[PCRS_MAX], *value[PCRS_MAX];
    size_t num;
    char pcr3_of_role[2 * PCR_LEN + 1];
};

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){0};
    const struct option table[] = {
        {"pcr0", OPTION_TEXT, &o->pcr0, "measurement of the image, 96 hexadecimal digits", 0, 0},
        {"pcr3", OPTION_TEXT, &o->pcr3,
         "measurement of the instance's role; role: that of --role (not demanded)", 0, 0},
        {"pcr16", OPTION_TEXT, &o->pcr16, "measurement of the policy document (policy measure)", 0, 0},
        {"role", OPTION_TEXT, &o->role, "ARN of the instance's role, which may Decrypt under attestation", 0,
         0},
        {"encrypt-role", OPTION_TEXT, &o->encrypt_role, "ARN of the operator's role, which may Encrypt", 0,
         0},
        {"admin", OPTION_TEXT, &o->admin, "ARN that administers the key (none)", 0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, o->pcr0, "pcr0"));
    TRY(ctl_require(call, o->pcr16, "pcr16"));
    TRY(ctl_require(call, o->role, "role"));
    return ctl_require(call, o->encrypt_role, "encrypt-role");
}

/* KMS compares with lower-case digits without 0x. Zeros are what an enclave in debug mode attests, whose
 * memory its host reads, and what a register has that nobody extended. */
static must_check result check_pcr(const char *option, const char *text)
{
    static const uint8_t zeros[PCR_LEN];
    uint8_t value[PCR_LEN];
    result r = hex_decode(value, sizeof value, text, strlen(text));
    ENSURE(r.code || strncmp(text, "0x", 2) != 0, E_INPUT, "--%s: without 0x", option);
    if (r.code)
        return error_prefix(r, "--%s", option);
    ENSURE(memcmp(value, zeros, sizeof value) != 0, E_INPUT,
           "--%s: must not be zeros, which an enclave in debug mode attests", option);
    return RESULT_OK;
}

static must_check result check_arn(const char *option, const char *text)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:/+=,.@_-";
    ENSURE(strncmp(text, "arn:aws", 7) == 0 && strlen(text) < ARN_MAX && text[strspn(text, allowed)] == 0,
           E_INPUT, "--%s: must be an ARN", option);
    return RESULT_OK;
}

static must_check result check(const struct options *o)
{
    TRY(check_pcr("pcr0", o->pcr0));
    TRY(check_pcr("pcr16", o->pcr16));
    if (o->pcr3 && strcmp(o->pcr3, "role") != 0)
        TRY(check_pcr("pcr3", o->pcr3));
    TRY(check_arn("role", o->role));
    TRY(check_arn("encrypt-role", o->encrypt_role));
    return o->admin ? check_arn("admin", o->admin) : RESULT_OK;
}

static void print_admin(const char *admin)
{
    (void)printf("    {\n      \"Sid\": \"Administer\",\n      \"Effect\": \"Allow\",\n"
                 "      \"Principal\": {\"AWS\": \"%s\"},\n"
                 "      \"Action\": [\"kms:DescribeKey\", \"kms:GetKeyPolicy\", \"kms:PutKeyPolicy\", "
                 "\"kms:EnableKeyRotation\",\n"
                 "        \"kms:TagResource\", \"kms:ScheduleKeyDeletion\", \"kms:CancelKeyDeletion\"],\n"
                 "      \"Resource\": \"*\"\n    },\n",
                 admin);
}

static void print_statements(const struct options *o, const struct demands *demands)
{
    (void)printf(
        "    {\n      \"Sid\": \"EncryptOnly\",\n      \"Effect\": \"Allow\",\n"
        "      \"Principal\": {\"AWS\": \"%s\"},\n"
        "      \"Action\": [\"kms:Encrypt\", \"kms:DescribeKey\"],\n      \"Resource\": \"*\"\n    },\n",
        o->encrypt_role);
    (void)printf("    {\n      \"Sid\": \"DecryptInsideTheEnclave\",\n      \"Effect\": \"Allow\",\n"
                 "      \"Principal\": {\"AWS\": \"%s\"},\n"
                 "      \"Action\": \"kms:Decrypt\",\n      \"Resource\": \"*\",\n"
                 "      \"Condition\": {\"StringEqualsIgnoreCase\": {",
                 o->role);
    for (size_t i = 0; i < demands->num; i++)
        (void)printf("%s\n        \"kms:RecipientAttestation:%s\": [\"%s\"]", i > 0 ? "," : "",
                     demands->name[i], demands->value[i]);
    (void)puts("}}\n    },");
    /* A statement for each: within one condition operator all keys must match, and any mismatch must deny. */
    for (size_t i = 0; i < demands->num; i++) {
        (void)printf("    {\n      \"Sid\": \"NobodyWithoutThis%s\",\n      \"Effect\": \"Deny\",\n"
                     "      \"Principal\": \"*\",\n"
                     "      \"Action\": [\"kms:Decrypt\", \"kms:GenerateDataKey*\", \"kms:ReEncryptFrom\"],\n"
                     "      \"Resource\": \"*\",\n"
                     "      \"Condition\": {\"StringNotEqualsIgnoreCase\": {\n"
                     "        \"kms:RecipientAttestation:%s\": [\"%s\"]}}\n    }%s\n",
                     demands->name[i], demands->name[i], demands->value[i], i + 1 < demands->num ? "," : "");
    }
}

static void demand(struct demands *d, const char *name, const char *value)
{
    d->name[d->num] = name;
    d->value[d->num++] = value;
}

/* As Nitro measures a role into PCR3: SHA-384(48 zero bytes || ARN). */
static must_check result make_demands(struct demands *d, const struct options *o)
{
    uint8_t extended[PCR_LEN + ARN_MAX] = {0}, value[PCR_LEN];
    size_t role_len = strlen(o->role);
    *d = (struct demands){0};
    demand(d, "ImageSha384", o->pcr0);
    demand(d, "PCR16", o->pcr16);
    if (!o->pcr3)
        return RESULT_OK;
    memcpy(extended + PCR_LEN, o->role, role_len);
    ENSURE(EVP_Digest(extended, PCR_LEN + role_len, value, NULL, EVP_sha384(), NULL) == 1, E_CRYPTO,
           "SHA-384 failed");
    hex_encode(d->pcr3_of_role, value, sizeof value);
    demand(d, "PCR3", strcmp(o->pcr3, "role") == 0 ? d->pcr3_of_role : o->pcr3);
    return RESULT_OK;
}

result ctl_key_policy(struct ctl_call *call)
{
    struct options o;
    struct demands demands;
    TRY(parse_options(&o, call));
    result r = check(&o);
    call->is_usage_error = r.code != 0;
    TRY(r);
    TRY(make_demands(&demands, &o));
    (void)puts("{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [");
    if (o.admin)
        print_admin(o.admin);
    print_statements(&o, &demands);
    (void)puts("  ]\n}");
    return RESULT_OK;
}
