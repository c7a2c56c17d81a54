/* devcloud_kms_auth.h - verifies the SigV4 signature of a request to the KMS. */
#ifndef DEVCLOUD_KMS_AUTH_H
#define DEVCLOUD_KMS_AUTH_H

#include "aws/aws_credentials.h"
#include "devcloud_kms_refusal.h"

enum { KMS_CLOCK_SKEW_MS = 5 * 60 * 1000 };

/* The value of a header, or NULL; valid until the next call. */
typedef const char *kms_header_lookup(void *context, const char *name);

struct kms_signed_request {
    const char *method, *path, *query;
    kms_header_lookup *header;
    void *header_context;
    const uint8_t *body;
    size_t body_len;
};

struct kms_auth_expected {
    const char *region;
    const struct aws_credentials *credentials;
    uint64_t now_ms;
    uint32_t port; /* where it listens, if that is TCP and not 443: clients may name it behind the host; else 0 */
};

/* Known credential and token, scope of this region and service, date within five minutes, host and every
 * x-amz header we act on signed, signature right. The error names are those of AWS. */
must_check result devcloud_kms_auth_verify(struct kms_refusal *refusal,
                                           const struct kms_signed_request *request,
                                           const struct kms_auth_expected *expected);

#endif
