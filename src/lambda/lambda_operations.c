/* lambda_operations.c - which function is which operation, and the AWS clients they use. */
#include "lambda_operations.h"

#include "aws/aws_dynamodb_item.h"
#include "aws/aws_kms.h"
#include "base/clock.h"

enum { CONNECT_MS = 3000, ATTEMPT_MS = 5000, ATTEMPTS = 3 };

result lambda_time_left(int *ret_ms, const struct lambda_call *call, int most)
{
    uint64_t now = clock_realtime_ms();
    ENSURE(now < call->deadline_ms, E_TIMEOUT, "the invocation's time is over");
    uint64_t left = call->deadline_ms - now;
    *ret_ms = left < (uint64_t)most ? (int)left : most;
    return RESULT_OK;
}

static must_check result open_client(struct aws_client **ret_client, const struct lambda_call *call,
                                     struct aws_client_config *config)
{
    config->region = call->environment->region;
    config->ca_pem = call->authorities;
    config->connect_timeout_ms = CONNECT_MS;
    config->attempts = ATTEMPTS;
    TRY(lambda_time_left(&config->attempt_timeout_ms, call, ATTEMPT_MS));
    return aws_client_open(ret_client, config);
}

result lambda_kms_open(struct aws_client **ret_client, const struct lambda_call *call)
{
    return open_client(ret_client, call,
                       &(struct aws_client_config){.endpoint = call->environment->kms_endpoint,
                                                   .service = "kms",
                                                   .response_max = AWS_KMS_RESPONSE_MAX});
}

result lambda_dynamodb_open(struct aws_client **ret_client, const struct lambda_call *call)
{
    return open_client(ret_client, call,
                       &(struct aws_client_config){.endpoint = call->environment->dynamodb_endpoint,
                                                   .service = "dynamodb",
                                                   .content_type = AWS_DYNAMODB_CONTENT_TYPE,
                                                   .response_max = AWS_DYNAMODB_ITEM_RESPONSE_MAX});
}

static must_check result run(struct buffer *answer, const struct lambda_call *call,
                             enum lambda_operation operation)
{
    switch (operation) {
    case LAMBDA_SET_TLS_KEY:
        return lambda_tls_key_set(answer, call);
    case LAMBDA_GET_TLS_KEY:
        return lambda_tls_key_get(answer, call);
    case LAMBDA_DECRYPT_TLS_KEY:
        return lambda_tls_key_decrypt(answer, call);
    case LAMBDA_WEB3SIGNER_STATUS:
        return lambda_signer_status(answer, call);
    case LAMBDA_WEB3SIGNER_PUBLIC_KEYS:
        return lambda_signer_public_keys(answer, call);
    }
    FAIL(E_INTERNAL, "an operation of no kind");
}

result lambda_operations_run(struct buffer *answer, const struct lambda_call *call,
                             enum lambda_operation operation)
{
    result r = run(answer, call, operation);
    return r.code ? error_prefix(r, "%s", lambda_operation_name(operation)) : r;
}
