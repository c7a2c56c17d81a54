/* ctl_kms.c - one client a call of the tool. */
#include "ctl_kms.h"

#include <stdio.h>
#include <string.h>

#include "aws/aws_credentials_file.h"
#include "base/base64.h"
#include "ctl_aws_private.h"

enum { CONNECT_MS = 5000, ATTEMPT_MS = 10000, ATTEMPTS = 4, REGION_MAX = 64 };

void ctl_kms_cleanup(struct ctl_kms *kms)
{
    if (kms->client)
        aws_client_close(kms->client);
    aws_credentials_cleanup(&kms->credentials);
    *kms = (struct ctl_kms){0};
}

static must_check result open_client(struct aws_client **ret_client, struct ctl_call *call,
                                     const struct ctl_kms_options *o)
{
    struct ctl_aws aws = {.json = false}; /* of which the region alone is known, and counts */
    char endpoint[CTL_AWS_URL_MAX];
    struct net_address via;
    call->is_usage_error = true;
    TRY(ctl_region_of_key(aws.region, sizeof aws.region, o->key_arn, "key-arn"));
    call->is_usage_error = false;
    if (!o->endpoint)
        TRY(ctl_aws_endpoint(endpoint, &aws, &ctl_aws_kms));
    if (o->via)
        TRY(ctl_address(&via, call, o->via, "kms-via"));
    const struct aws_client_config config = {.endpoint = o->endpoint ? o->endpoint : endpoint,
                                             .region = aws.region,
                                             .service = "kms",
                                             .via = o->via ? &via : NULL,
                                             .ca_file =
                                                 o->ca_file ? o->ca_file : ctl_aws_variable("AWS_CA_BUNDLE"),
                                             .connect_timeout_ms = CONNECT_MS,
                                             .attempt_timeout_ms = ATTEMPT_MS,
                                             .attempts = ATTEMPTS,
                                             .response_max = AWS_KMS_RESPONSE_MAX};
    TRY(aws_library_open());
    return aws_client_open(ret_client, &config);
}

result ctl_kms_open(struct ctl_kms *ret_kms, struct ctl_call *call, const struct ctl_kms_options *o)
{
    TRY(ctl_require(call, o->key_arn, "key-arn"));
    TRY(ctl_require(call, o->credentials, "credentials"));
    AUTO(ctl_kms) kms = {.key_arn = o->key_arn};
    TRY(aws_credentials_read(&kms.credentials, o->credentials));
    TRY(open_client(&kms.client, call, o));
    *ret_kms = kms;
    kms = (struct ctl_kms){0};
    return RESULT_OK;
}

result ctl_kms_open_aws(struct ctl_kms *ret_kms, struct ctl_call *call, const struct ctl_aws *aws,
                        const struct ctl_kms_options *o)
{
    AUTO(ctl_kms) kms = {.key_arn = o->key_arn};
    char endpoint[CTL_AWS_URL_MAX], region[REGION_MAX];
    struct net_address via;
    call->is_usage_error = true;
    TRY(ctl_region_of_key(region, sizeof region, o->key_arn, "kms-key"));
    ENSURE(strcmp(region, aws->region) == 0, E_INPUT, "--kms-key: must be a key in %s", aws->region);
    call->is_usage_error = false;
    TRY(ctl_aws_endpoint(endpoint, aws, &ctl_aws_kms));
    if (o->via)
        TRY(ctl_address(&via, call, o->via, "kms-via"));
    const struct aws_client_config config = {.endpoint = o->endpoint ? o->endpoint : endpoint,
                                             .region = aws->region,
                                             .service = "kms",
                                             .via = o->via ? &via : NULL,
                                             .ca_pem = &aws->ca_pem,
                                             .connect_timeout_ms = CONNECT_MS,
                                             .attempt_timeout_ms = ATTEMPT_MS,
                                             .attempts = ATTEMPTS,
                                             .response_max = AWS_KMS_RESPONSE_MAX};
    TRY(aws_credentials_copy(&kms.credentials, &aws->credentials));
    TRY(aws_client_open(&kms.client, &config));
    *ret_kms = kms;
    kms = (struct ctl_kms){0};
    return RESULT_OK;
}

result ctl_kms_encrypt(struct ctl_kms *kms, struct buffer *out, const struct secret *plaintext)
{
    AUTO(buffer) ciphertext = {0};
    result r = aws_kms_encrypt(kms->client, &ciphertext, &kms->credentials, kms->key_arn, plaintext);
    if (r.code)
        return error_prefix(r, "KMS Encrypt");
    return base64_append(out, ciphertext.data, ciphertext.length);
}
