/* devcloud_kms_policy.h - a KMS key policy: parsed completely at start, evaluated for each request.
 *
 * Known: Effect, Principal ("*", {"AWS": ...}), Action with * and ?, Resource "*", and Condition with
 * StringEquals, StringEqualsIgnoreCase, their negations and Null over kms:RecipientAttestation:ImageSha384
 * and :PCR0 to :PCR31. Arrays mean "any of", an explicit Deny wins, what no statement allows is denied. A
 * negated operator holds when the key is absent, as in AWS. There are no IAM policies here, so the account's
 * root as principal allows nothing; in a Deny it means every principal of the account.
 */
#ifndef DEVCLOUD_KMS_POLICY_H
#define DEVCLOUD_KMS_POLICY_H

#include "base/result.h"
#include "nitro/nitro_attestation.h"

struct kms_policy;

/* E_INPUT malformed, E_UNSUPPORTED names the element that is not known. */
must_check result devcloud_kms_policy_parse(struct kms_policy **ret_policy, const char *text,
                                            size_t text_len);
void devcloud_kms_policy_free(struct kms_policy *policy);

struct kms_policy_request {
    const char *principal;                 /* ARN */
    const char *action;                    /* kms:Decrypt */
    const struct attestation *attestation; /* verified; NULL when the request has no recipient */
};

bool devcloud_kms_policy_allows(const struct kms_policy *policy, const struct kms_policy_request *request);

#endif
