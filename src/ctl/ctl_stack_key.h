/* ctl_stack_key.h - the KMS key of a stack, open for its policy. */
#ifndef CTL_CTL_STACK_KEY_H
#define CTL_CTL_STACK_KEY_H

#include "aws/aws_kms_policy.h"
#include "ctl_aws.h"
#include "json/json.h"

struct ctl_stack_key {
    const char *arn; /* the stack's output */
    struct aws_client *client;
    struct aws_kms_key key;
    json_t *document; /* its policy */
};
void ctl_stack_key_cleanup(struct ctl_stack_key *key);
/* A multi-region key, which its id tells: replicas in other regions decrypt the same under policies of their
 * own. */
bool ctl_stack_key_has_replicas(const struct ctl_stack_key *key);

/* DescribeKey and GetKeyPolicy. */
must_check result ctl_stack_key_open(struct ctl_stack_key *ret_key, struct ctl_aws *aws,
                                     struct ctl_call *call);
/* GetKeyPolicy once more; the caller owns *ret_document. */
must_check result ctl_stack_key_read(json_t **ret_document, const struct ctl_stack_key *key,
                                     const struct ctl_aws *aws);

#endif
