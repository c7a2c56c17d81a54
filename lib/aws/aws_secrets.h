/* aws_secrets.h - the two calls we make to AWS Secrets Manager: which secrets there are, and what one holds.
 *
 * A value passes through libcurl's, OpenSSL's and jansson's buffers; aws_library_open and the program's
 * choice of jansson's allocator see to it that those are wiped. What is handed on is in the secure heap.
 */
#ifndef AWS_AWS_SECRETS_H
#define AWS_AWS_SECRETS_H

#include "aws/aws_client.h"

enum {
    AWS_SECRETS_NAME_MAX = 512,
    AWS_SECRETS_VALUE_MAX = 65536,
    AWS_SECRETS_PAGE_MAX = 100,
    AWS_SECRETS_AT_ONCE = 16, /* calls under way; for aws_client_config.connections */
    /* For aws_client_config.response_max: of a value, which may be escaped, and of a page. */
    AWS_SECRETS_VALUE_RESPONSE_MAX = 160 * 1024,
    AWS_SECRETS_PAGE_RESPONSE_MAX = 8 * 1024 * 1024
};

/* Words with commas between them, "" for none. As with Web3Signer, a secret must match one of each list
 * that is not empty, and what matches is decided by AWS: values are prefixes. */
struct aws_secrets_filter {
    const char *name_prefixes, *tag_keys, *tag_values;
};

struct aws_secrets_page {
    char names[AWS_SECRETS_PAGE_MAX][AWS_SECRETS_NAME_MAX + 1];
    size_t num_names;
    struct buffer next; /* the token of the next page; length 0: this is the last */
};
void aws_secrets_page_cleanup(struct aws_secrets_page *page);

/* ListSecrets: replaces page by the one that page->next names, the first when it is empty. E_PEER for an
 * answer that is not of the expected form, or a page that names itself as the next; else as
 * aws_client_call. */
must_check result aws_secrets_list(struct aws_client *client, struct aws_secrets_page *page,
                                   const struct aws_credentials *credentials,
                                   const struct aws_secrets_filter *filter);

/* One that is asked for, and what came. */
struct aws_secrets_value {
    const char *name;     /* or ARN */
    struct secret string; /* SecretString */
    result outcome;       /* E_NOT_FOUND when there is none, or no string; as aws_client_call */
    char text[256];       /* the sentence of a failed outcome */
};
void aws_secrets_value_cleanup(struct aws_secrets_value *value);

/* GetSecretValue of at most AWS_SECRETS_AT_ONCE, all at once. Each has an outcome of its own; RESULT_OK when
 * each was asked for. */
must_check result aws_secrets_get(struct aws_client *client, struct aws_secrets_value *values,
                                  size_t num_values, const struct aws_credentials *credentials,
                                  uint64_t deadline_ns);

#endif
