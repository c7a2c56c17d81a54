/* devcloud_kms_operations.h - what the KMS does with a request whose signature is right. */
#ifndef DEVCLOUD_KMS_OPERATIONS_H
#define DEVCLOUD_KMS_OPERATIONS_H

#include "base/buffer.h"
#include "base/secret.h"
#include "devcloud_kms_policy.h"
#include "devcloud_kms_refusal.h"

enum { KMS_DOCUMENT_AGE_MS = 5 * 60 * 1000, KMS_ARN_MAX = 256 };

/* The one key and what decides about it. */
struct kms_key {
    char arn[KMS_ARN_MAX];
    const char *id; /* the UUID inside arn */
    char account[13];
    char principal_arn[KMS_ARN_MAX]; /* who makes the requests */
    struct secret master_key;
    struct kms_policy *policy;
    struct buffer nsm_root; /* DER */
    bool accept_unsigned;   /* documents of QEMU's machine, too */
};
void devcloud_kms_key_cleanup(struct kms_key *key);

/* target: "TrentService.Decrypt"; body: the request's JSON. Appends the JSON answer to out. */
must_check result devcloud_kms_operate(struct buffer *out, struct kms_refusal *refusal,
                                       const struct kms_key *key, const char *target,
                                       const struct buffer *body, uint64_t now_ms);

#endif
