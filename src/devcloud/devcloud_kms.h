/* devcloud_kms.h - a KMS for development: one symmetric key, HTTPS, SigV4, attestation documents verified and
 * the key policy evaluated as AWS does (facts: KMS developer guide, "cryptographic attestation"). Never
 * shipped.
 *
 * Operations: TrentService.Encrypt, Decrypt (with and without Recipient), DescribeKey.
 */
#ifndef DEVCLOUD_KMS_H
#define DEVCLOUD_KMS_H

#include <stdint.h>

#include "aws/aws_credentials.h"
#include "base/result.h"
#include "net/net_address.h"

struct event_base;
struct devcloud_kms;

/* Nothing is owned; all of it is copied or read by devcloud_kms_start. */
struct devcloud_kms_config {
    struct net_address listen;
    const char *state_dir; /* exists; holds kms-master-key and kms-ca-key.pem (0600); kms-ca.pem and key-arn
                              for clients */
    const char *key_policy_path; /* JSON key policy */
    const uint8_t *nsm_root_der; /* root certificate that attestation documents must chain to */
    size_t nsm_root_der_len;
    bool accept_unsigned;                      /* QEMU's documents, which prove nothing, too */
    const char *region;                        /* us-east-1 */
    const char *account;                       /* 12 digits */
    const char *principal_arn;                 /* who the credential is: arn:aws:iam::ACCOUNT:role/NAME */
    const struct aws_credentials *credentials; /* the only ones accepted; a token, if any, must be sent */
};

/* Listens and serves from base's loop. E_UNSUPPORTED names a policy element that this evaluation does not
 * know: a development cloud that ignored a condition would teach people to trust it. Writes DIR/kms-ca.pem
 * (where there is none) and DIR/key-arn before it returns. The secure heap must be open. */
must_check result devcloud_kms_start(struct devcloud_kms **ret_kms, struct event_base *base,
                                     const struct devcloud_kms_config *config);
/* arn:aws:kms:REGION:ACCOUNT:key/UUID; the UUID follows from the master key, so it lives as long as that. */
const char *devcloud_kms_key_arn(const struct devcloud_kms *kms);
void devcloud_kms_stop(struct devcloud_kms *kms);

#endif
