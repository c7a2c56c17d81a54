/* aws_lambda.c - see aws_lambda.h. A function that failed is answered with HTTP 200 and a header. */
#include "aws/aws_lambda.h"

#include <ctype.h>
#include <string.h>

#include "json/json.h"

enum { FAILURE_MAX = 64 * 1024, FAILURE_VALUES_MAX = 4096, FUNCTION_MAX = 170 };

/* The function's name or ARN as one segment of a path. */
static must_check result make_path(struct buffer *out, const char *function)
{
    size_t length = strlen(function);
    ENSURE(length > 0 && length <= FUNCTION_MAX, E_INPUT, "function: must have from 1 to %d characters",
           FUNCTION_MAX);
    TRY(buffer_append_text(out, "/2015-03-31/functions/"));
    for (; *function; function++) {
        if (isalnum((unsigned char)*function) || *function == '-' || *function == '_')
            TRY(buffer_append(out, function, 1));
        else
            TRY(buffer_printf(out, "%%%02X", (unsigned char)*function));
    }
    return buffer_append_text(out, "/invocations");
}

/* {"errorMessage": "...", "errorType": "..."}, whose members may be missing. */
static must_check result read_failure(const char **ret_type, const char **ret_message, json_t **ret_document,
                                      const struct buffer *answer)
{
    struct json_view root;
    TRY(json_read(ret_document, (const char *)answer->data, answer->length, FAILURE_MAX, FAILURE_VALUES_MAX));
    TRY(json_view_root(&root, *ret_document));
    TRY(json_get_text_optional(ret_message, NULL, &root, "errorMessage"));
    return json_get_text_optional(ret_type, NULL, &root, "errorType");
}

static must_check result tell_failure(const struct aws_call *call)
{
    AUTO_POINTER(json_t) document = NULL;
    const char *type = NULL, *message = NULL;
    struct aws_error told;
    result r = read_failure(&type, &message, &document, call->answer);
    if (r.code || !message)
        FAIL(E_PEER, "the function failed (%s) without a message", call->function_error);
    aws_error_of_type(&told, call->status, type ? type : call->function_error, message); /* printable */
    FAIL(E_PEER, "the function failed: %s: %s", told.type, told.message);
}

result aws_lambda_invoke(struct aws_client *client, struct buffer *answer,
                         const struct aws_credentials *credentials, const char *function, const char *payload)
{
    AUTO(buffer) path = {0};
    TRY(make_path(&path, function));
    struct aws_call call = {.target = "Invoke",
                            .path = (const char *)path.data,
                            .body = {(const uint8_t *)payload, strlen(payload)},
                            .answer = answer};
    TRY(aws_client_call_many(client, &call, 1, credentials, 0));
    return call.function_error[0] ? tell_failure(&call) : RESULT_OK;
}
