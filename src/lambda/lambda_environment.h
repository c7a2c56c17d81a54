/* lambda_environment.h - what the function is told by environment variables, its only configuration. */
#ifndef LAMBDA_ENVIRONMENT_H
#define LAMBDA_ENVIRONMENT_H

#include "aws/aws_credentials.h"
#include "base/log.h"
#include "net/net_address.h"

enum { LAMBDA_URL_MAX = 256 };

/* Texts are those of the environment, or constants. */
struct lambda_environment {
    const char *signer_name; /* NITRO_INSTANCE_PRIVATE_DNS */
    bool has_signer_address; /* SIGNER_ADDRESS: where the name is instead of what DNS says */
    struct net_address signer_address;
    const char *table;                          /* TLS_KEYS_TABLE_NAME */
    const char *key_arn;                        /* KEY_ARN */
    const char *region;                         /* AWS_REGION */
    char kms_endpoint[LAMBDA_URL_MAX + 1];      /* AWS_ENDPOINT_URL_KMS, AWS_ENDPOINT_URL, or AWS's own */
    char dynamodb_endpoint[LAMBDA_URL_MAX + 1]; /* the same */
    const char *ca_file;                        /* AWS_CA_BUNDLE, or Amazon Linux's; NULL: the system's */
    enum log_level log_level;                   /* LOG_LEVEL, Python's names too */
    enum log_format log_format;                 /* AWS_LAMBDA_LOG_FORMAT */
    struct aws_credentials credentials;
};
void lambda_environment_cleanup(struct lambda_environment *environment);

/* E_INPUT names the variable. The values of AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN are wiped from the
 * environment. */
must_check result lambda_environment_read(struct lambda_environment *ret_environment);

#endif
