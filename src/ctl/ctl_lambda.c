/* ctl_lambda.c - status --stack and tls set: what is asked of the stack's Lambda function, which alone is
 * inside of the signer's network. */
#include "ctl_lambda.h"

#include <stdio.h>
#include <string.h>

#include "aws/aws_lambda.h"
#include "ctl_report.h"
#include "ctl_verbs.h"

/* The function itself has a minute at most, and a cold start comes before. */
enum { ATTEMPT_MS = 120000, ANSWER_VALUES_MAX = 100000 };

static const struct ctl_aws_service lambda = {.name = "lambda",
                                              .variable = "LAMBDA",
                                              .protocol = AWS_PROTOCOL_REST,
                                              .content_type = AWS_LAMBDA_CONTENT_TYPE,
                                              .response_max = AWS_LAMBDA_RESPONSE_MAX,
                                              .attempt_timeout_ms = ATTEMPT_MS};

static must_check result parse(json_t **ret_document, const struct buffer *answer)
{
    AUTO(buffer) array = {0};
    TRY(buffer_append_text(&array, "["));
    TRY(buffer_append(&array, answer->data, answer->length));
    TRY(buffer_append_text(&array, "]"));
    TRY(json_read(ret_document, (const char *)array.data, array.length, AWS_LAMBDA_RESPONSE_MAX,
                  ANSWER_VALUES_MAX));
    ENSURE(json_array_size(*ret_document) == 1, E_INPUT, "must be one JSON value");
    return RESULT_OK;
}

result ctl_lambda_ask(json_t **ret_document, struct ctl_aws *aws, struct ctl_call *call,
                      const char *operation, bool once)
{
    AUTO_POINTER(aws_client) client = NULL;
    AUTO(buffer) answer = {0}, payload = {0};
    struct ctl_aws_service service = lambda;
    const char *function;
    service.attempts = once ? 1 : 0;
    TRY(ctl_aws_output(&function, aws, call, "LambdaFunctionArn"));
    TRY(ctl_aws_client(&client, aws, &service));
    TRY(buffer_printf(&payload, "{\"operation\":\"%s\"}", operation));
    ctl_report_progress("asking the Lambda function: %s", operation);
    result r = aws_lambda_invoke(client, &answer, &aws->credentials, function, (const char *)payload.data);
    ctl_report_progress_end();
    if (r.code)
        return error_prefix(r, "Lambda %s", operation);
    r = parse(ret_document, &answer);
    return r.code ? error_prefix((result){E_PEER}, "Lambda %s: answer", operation) : r;
}

static must_check result print_keys(const struct ctl_aws *aws, const json_t *status, json_t *keys)
{
    size_t i;
    json_t *key;
    if (aws->json) {
        AUTO_POINTER(json_t)
        object = json_pack("{s:s,s:O,s:O}", "stack", aws->stack_name, "status", status, "public_keys", keys);
        return ctl_print_json(object);
    }
    (void)printf("status %s\npublic_keys %zu\n", json_string_value(status), json_array_size(keys));
    json_array_foreach(keys, i, key)(void) printf("%s\n", json_string_value(key));
    return RESULT_OK;
}

/* A text of at most 200 characters that may be shown. */
static bool is_plain(const json_t *value)
{
    char shown[200];
    const char *text = json_string_value(value);
    if (!text || json_string_length(value) >= sizeof shown)
        return false;
    ctl_printable(shown, sizeof shown, text);
    return strcmp(shown, text) == 0;
}

result ctl_lambda_status(struct ctl_aws *aws, struct ctl_call *call)
{
    AUTO_POINTER(json_t) status = NULL;
    AUTO_POINTER(json_t) list = NULL;
    size_t i;
    const json_t *key;
    TRY(ctl_lambda_ask(&status, aws, call, "web3signer_status", false));
    ENSURE(is_plain(json_array_get(status, 0)), E_PEER, "Lambda web3signer_status: answer: must be text");
    TRY(ctl_lambda_ask(&list, aws, call, "web3signer_public_keys", false));
    json_t *keys = json_array_get(list, 0);
    ENSURE(json_is_array(keys), E_PEER, "Lambda web3signer_public_keys: answer: must be a list");
    json_array_foreach(keys, i, key)
        ENSURE(is_plain(key), E_PEER, "Lambda web3signer_public_keys: answer: must be a list of texts");
    TRY(print_keys(aws, json_array_get(status, 0), keys));
    call->exit_status = CTL_EXIT_UNHEALTHY;
    ENSURE(strcmp(json_string_value(json_array_get(status, 0)), "OK") == 0, E_STATE,
           "the signer is not well");
    call->exit_status = 0;
    return RESULT_OK;
}

result ctl_tls_set(struct ctl_call *call)
{
    struct ctl_aws_options o = {0};
    const struct option table[] = {CTL_AWS_ROWS(o)};
    AUTO(ctl_aws) aws = {.json = false};
    AUTO_POINTER(json_t) answer = NULL;
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, o.stack, "stack"));
    TRY(ctl_aws_open(&aws, call, &o));
    TRY(ctl_lambda_ask(&answer, &aws, call, "set_tls_key", true));
    if (!aws.json) {
        (void)puts("a new TLS key is in the table; tls show prints its certificate");
        return RESULT_OK;
    }
    AUTO_POINTER(json_t)
    object = json_pack("{s:s,s:O}", "stack", aws.stack_name, "answer", json_array_get(answer, 0));
    return ctl_print_json(object);
}
