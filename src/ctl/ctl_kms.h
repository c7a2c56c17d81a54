/* ctl_kms.h - KMS as the verbs that encrypt use it. */
#ifndef CTL_CTL_KMS_H
#define CTL_CTL_KMS_H

#include "aws/aws_kms.h"
#include "ctl_aws.h"

struct ctl_kms_options {
    const char *endpoint, *via, *ca_file, *key_arn, *credentials;
};

/* Rows for the option table of such a verb. */
#define CTL_KMS_ROWS(o)                                                                                        \
    {"key-arn", OPTION_TEXT, &(o).key_arn, "the KMS key", 0, 0},                                               \
        {"credentials", OPTION_FILE, &(o).credentials, "JSON file of AWS credentials that may Encrypt", 0, 0}, \
        {"kms-endpoint",                                                                                       \
         OPTION_TEXT,                                                                                          \
         &(o).endpoint,                                                                                        \
         "URL of KMS ($AWS_ENDPOINT_URL_KMS, else https://kms.REGION.amazonaws.com)",                          \
         0,                                                                                                    \
         0},                                                                                                   \
        {"kms-via", OPTION_TEXT, &(o).via, "address to connect to instead (none)", 0, 0},                      \
    {                                                                                                          \
        "ca-file", OPTION_FILE, &(o).ca_file,                                                                  \
            "PEM file of the authorities that KMS's certificate may come from ($AWS_CA_BUNDLE, else the "      \
            "system's)",                                                                                       \
            0, 0                                                                                               \
    }

struct ctl_kms {
    struct aws_client *client;
    struct aws_credentials credentials;
    const char *key_arn;
};
void ctl_kms_cleanup(struct ctl_kms *kms);

/* The region is taken from the key's ARN. E_INPUT names the option. */
must_check result ctl_kms_open(struct ctl_kms *ret_kms, struct ctl_call *call,
                               const struct ctl_kms_options *options);
/* The same, with region, credentials and authorities of aws: of options key_arn, endpoint and via count. */
must_check result ctl_kms_open_aws(struct ctl_kms *ret_kms, struct ctl_call *call, const struct ctl_aws *aws,
                                   const struct ctl_kms_options *options);

/* Encrypts and appends the ciphertext as base64. */
must_check result ctl_kms_encrypt(struct ctl_kms *kms, struct buffer *out, const struct secret *plaintext);

#endif
