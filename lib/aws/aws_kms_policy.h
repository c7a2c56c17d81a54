/* aws_kms_policy.h - a KMS key's state and its key policy. Target aws_management. */
#ifndef AWS_AWS_KMS_POLICY_H
#define AWS_AWS_KMS_POLICY_H

#include "aws/aws_kms.h"

enum { AWS_KMS_POLICY_MAX = 32768 };

struct aws_kms_key {
    char arn[AWS_KMS_KEY_ID_MAX + 1];
    char state[32]; /* Enabled, Disabled, PendingDeletion, ... */
    char spec[32];  /* SYMMETRIC_DEFAULT */
    char usage[32]; /* ENCRYPT_DECRYPT */
};

/* DescribeKey. Failures as of aws_client_call; E_PEER for an answer that is not of the expected form. */
must_check result aws_kms_describe_key(struct aws_client *client, struct aws_kms_key *ret_key,
                                       const struct aws_credentials *credentials, const char *key_id);
/* GetKeyPolicy: replaces the contents of policy by the JSON text. */
must_check result aws_kms_get_policy(struct aws_client *client, struct buffer *policy,
                                     const struct aws_credentials *credentials, const char *key_id);
/* PutKeyPolicy, with AWS's own check that the caller may change it again. E_INPUT for one that KMS finds
 * malformed. */
must_check result aws_kms_put_policy(struct aws_client *client, const struct aws_credentials *credentials,
                                     const char *key_id, const struct buffer *policy);

#endif
