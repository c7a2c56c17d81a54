/* ctl_stack_policy.c - the policy for a KMS key that a stack was given: see ctl_stack_policy.h.
 *
 * The statements are those of infra/lib/key-policy.ts, which says why each is there; a test holds the two
 * together. They differ from those of policy kms-key-policy, which knows no Lambda function. */
#include "ctl_stack_policy.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"

enum { EXTENDED_MAX = 8192, ARN_MAX = 512 };

#define ADMINISTRATION                                                                                       \
    "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants",                     \
        "kms:ListKeyPolicies", "kms:ListResourceTags", "kms:ListKeyRotations", "kms:PutKeyPolicy",           \
        "kms:EnableKey", "kms:DisableKey", "kms:EnableKeyRotation", "kms:DisableKeyRotation",                \
        "kms:RotateKeyOnDemand", "kms:UpdateKeyDescription", "kms:TagResource", "kms:UntagResource",         \
        "kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:RevokeGrant", "kms:RetireGrant",       \
        "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"

result ctl_pcr_of(char out[static CTL_PCR_DIGITS + 1], const void *bytes, size_t bytes_len)
{
    uint8_t extended[CTL_PCR_LEN + EXTENDED_MAX] = {0}, value[CTL_PCR_LEN];
    ENSURE(bytes_len <= EXTENDED_MAX, E_TOO_LARGE, "more than %d bytes to measure", EXTENDED_MAX);
    memcpy(extended + CTL_PCR_LEN, bytes, bytes_len);
    ENSURE(EVP_Digest(extended, CTL_PCR_LEN + bytes_len, value, NULL, EVP_sha384(), NULL) == 1, E_CRYPTO,
           "SHA-384 failed");
    hex_encode(out, value, sizeof value);
    return RESULT_OK;
}

/* One of the parts of a statement; steals principal, actions and condition (NULL: none). */
struct statement {
    const char *sid, *effect;
    json_t *principal, *actions, *condition;
};

static json_t *texts(const char *const *list, size_t num)
{
    json_t *array = json_array();
    for (size_t i = 0; i < num; i++)
        if (json_array_append_new(array, json_string(list[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}
#define TEXTS(...)                                                                                           \
    texts((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static json_t *aws_principal(json_t *arns)
{
    return json_pack("{s:o}", "AWS", arns);
}

/* A part that could not be made is NULL, and so is the whole then. */
static void append(json_t *statements, bool *ok, const struct statement *s)
{
    json_t *made = json_pack("{s:s,s:s,s:o,s:o,s:s}", "Sid", s->sid, "Effect", s->effect, "Principal",
                             s->principal, "Action", s->actions, "Resource", "*");
    if (made && s->condition)
        *ok = json_object_set(made, "Condition", s->condition) == 0 && *ok;
    json_decref(s->condition);
    *ok = json_array_append_new(statements, made) == 0 && *ok;
}

static json_t *everyone(void)
{
    return aws_principal(json_string("*"));
}

static void append_registers(json_t *statements, bool *ok, const struct ctl_stack_policy *p, const char *pcr3)
{
    const char *pcr0[CTL_PCR0_MAX];
    for (size_t i = 0; i < p->num_pcr0; i++)
        pcr0[i] = p->pcr0[i];
    const struct {
        const char *name, *sid;
        json_t *values;
    } registers[] = {
        {"kms:RecipientAttestation:ImageSha384", "NobodyWithoutThisImageSha384", texts(pcr0, p->num_pcr0)},
        {"kms:RecipientAttestation:PCR16", "NobodyWithoutThisPCR16", TEXTS(p->pcr16)},
        {"kms:RecipientAttestation:PCR3", "NobodyWithoutThisPCR3", TEXTS(pcr3)},
    };
    json_t *all = json_object();
    for (size_t i = 0; i < ARRAY_LENGTH(registers); i++)
        *ok = json_object_set(all, registers[i].name, registers[i].values) == 0 && *ok;
    append(statements, ok,
           &(struct statement){"DecryptInsideTheEnclave", "Allow", aws_principal(TEXTS(p->instance_role)),
                               TEXTS("kms:Decrypt"), json_pack("{s:o}", "StringEqualsIgnoreCase", all)});
    for (size_t i = 0; i < ARRAY_LENGTH(registers); i++)
        append(statements, ok,
               &(struct statement){registers[i].sid, "Deny", everyone(),
                                   TEXTS("kms:Decrypt", "kms:ReEncryptFrom"),
                                   json_pack("{s:{s:o}}", "StringNotEqualsIgnoreCase", registers[i].name,
                                             registers[i].values)});
}

static void append_others(json_t *statements, bool *ok, const struct ctl_stack_policy *p)
{
    append(statements, ok,
           &(struct statement){
               "NeededByNobody", "Deny", everyone(),
               TEXTS("kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"), NULL});
    append(statements, ok,
           &(struct statement){"KeyPairsForTheLambdaOnly", "Deny", everyone(),
                               TEXTS("kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext"),
                               json_pack("{s:{s:s}}", "ArnNotEquals", "aws:PrincipalArn", p->lambda_role)});
    append(statements, ok,
           &(struct statement){"NobodyHereAdministers", "Deny",
                               aws_principal(TEXTS(p->instance_role, p->lambda_role)),
                               TEXTS("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey"), NULL});
}

result ctl_stack_policy_make(json_t **ret_document, const struct ctl_stack_policy *p)
{
    AUTO_POINTER(json_t) document = json_pack("{s:s,s:[]}", "Version", "2012-10-17", "Statement");
    json_t *statements = json_object_get(document, "Statement");
    char account[ARN_MAX], pcr3[CTL_PCR_DIGITS + 1];
    bool ok = document;
    (void)snprintf(account, sizeof account, "arn:%s:iam::%s:root", p->partition, p->account);
    TRY(ctl_pcr_of(pcr3, p->instance_role, strlen(p->instance_role)));
    append(statements, &ok,
           &(struct statement){"Administer", "Allow", aws_principal(TEXTS(account)), TEXTS(ADMINISTRATION),
                               NULL});
    append(statements, &ok,
           &(struct statement){"EncryptOnly", "Allow", aws_principal(TEXTS(account)),
                               TEXTS("kms:Encrypt", "kms:ReEncryptTo", "kms:DescribeKey"), NULL});
    append(statements, &ok,
           &(struct statement){"MakeTlsKey", "Allow", aws_principal(TEXTS(p->lambda_role)),
                               TEXTS("kms:Encrypt", "kms:GenerateDataKeyPair"), NULL});
    if (p->attested)
        append_registers(statements, &ok, p, pcr3);
    else
        append(statements, &ok,
               &(struct statement){"DecryptInDevelopment", "Allow",
                                   aws_principal(TEXTS(p->instance_role, p->lambda_role)),
                                   TEXTS("kms:Decrypt"), NULL});
    append_others(statements, &ok, p);
    ENSURE(ok, E_MEMORY, "no memory for a key policy");
    *ret_document = TAKE(document);
    return RESULT_OK;
}
