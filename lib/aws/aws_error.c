/* aws_error.c - see aws_error.h. One table, so that what is retried can be read at a glance. */
#include "aws/aws_error.h"

#include <stdio.h>
#include <string.h>

#include "json/json.h"

enum { ERROR_BODY_MAX = 65536, ERROR_VALUES_MAX = 2048 };

static const struct {
    const char *type;
    enum error_code code;
    bool retry;
} known[] = {
    {"AccessDeniedException", E_DENIED, false},
    {"AccessDenied", E_DENIED, false},
    {"ExpiredTokenException", E_AUTH, false},
    {"ExpiredToken", E_AUTH, false},
    {"UnrecognizedClientException", E_AUTH, false},
    {"InvalidClientTokenId", E_AUTH, false},
    {"InvalidSignatureException", E_AUTH, false},
    {"SignatureDoesNotMatch", E_AUTH, false},
    {"IncompleteSignatureException", E_AUTH, false},
    {"MissingAuthenticationTokenException", E_AUTH, false},
    {"ThrottlingException", E_PEER, true},
    {"Throttling", E_PEER, true},
    {"RequestLimitExceeded", E_PEER, true},
    {"TooManyRequestsException", E_PEER, true},
    {"ProvisionedThroughputExceededException", E_PEER, true},
    {"KeyUnavailableException", E_PEER, true},
    {"DependencyTimeoutException", E_PEER, true},
    {"KMSInternalException", E_PEER, true},
    {"InternalFailure", E_PEER, true},
    {"ServiceUnavailableException", E_PEER, true},
    {"InternalServerError", E_PEER, true},
    {"ServiceUnavailable", E_PEER, true},
    {"TransactionInProgressException", E_PEER, true},
    {"TransactionConflictException", E_PEER, true},
    {"ReplicatedWriteConflictException", E_PEER, true},
    {"NotFoundException", E_NOT_FOUND, false},
    {"ResourceNotFoundException", E_NOT_FOUND, false},
    {"InvocationDoesNotExist", E_NOT_FOUND, false},
    {"ParameterNotFound", E_NOT_FOUND, false},
    {"ConditionalCheckFailedException", E_MISMATCH, false},
    {"TransactionCanceledException", E_MISMATCH, false},
    {"IncorrectKeyException", E_MISMATCH, false},
    {"InvalidCiphertextException", E_INPUT, false},
    {"ValidationException", E_INPUT, false},
    {"ValidationError", E_INPUT, false},
    {"MalformedPolicyDocumentException", E_INPUT, false},
    {"InstanceRefreshInProgress", E_STATE, false},
};

/* Copies what is printable, cut; it will be part of a log line. */
static void copy_printable(char *out, size_t out_capacity, const char *text)
{
    size_t length = 0;
    for (; *text && length + 1 < out_capacity; text++)
        out[length++] = *text >= ' ' && *text < 0x7f ? *text : '?';
    out[length] = 0;
}

static must_check result read_body(struct aws_error *out, const uint8_t *body, size_t body_len)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    const char *type = NULL, *message = NULL;
    TRY(json_read(&root, (const char *)body, body_len, ERROR_BODY_MAX, ERROR_VALUES_MAX));
    TRY(json_view_root(&view, root));
    TRY(json_get_text_optional(&type, NULL, &view, "__type"));
    const char *hash = type ? strchr(type, '#') : NULL;
    copy_printable(out->type, sizeof out->type, hash ? hash + 1 : type ? type : "");
    /* Both spellings occur, even within one service. */
    TRY(json_get_text_optional(&message, NULL, &view, json_has(&view, "Message") ? "Message" : "message"));
    if (message)
        copy_printable(out->message, sizeof out->message, message);
    return RESULT_OK;
}

/* By the type that out has already, if any. */
static void look_up(struct aws_error *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        if (strcmp(out->type, known[i].type) == 0) {
            out->code = known[i].code;
            out->retry = known[i].retry;
            return;
        }
    }
}

static struct aws_error unknown(long http_status)
{
    return (struct aws_error){.code = E_PEER, .retry = http_status == 429 || http_status >= 500};
}

void aws_error_read(struct aws_error *out, long http_status, const uint8_t *body, size_t body_len)
{
    *out = unknown(http_status);
    if (read_body(out, body, body_len).code && !out->type[0])
        return;
    look_up(out);
}

void aws_error_of_type(struct aws_error *out, long http_status, const char *type, const char *message)
{
    *out = unknown(http_status);
    copy_printable(out->type, sizeof out->type, type);
    copy_printable(out->message, sizeof out->message, message);
    look_up(out);
}

result aws_error_result(const struct aws_error *error, long http_status)
{
    if (!error->type[0])
        return error_set(error->code, "HTTP status %ld without an error type", http_status);
    return error_set(error->code, "%s%s%s (HTTP status %ld)", error->type, error->message[0] ? ": " : "",
                     error->message, http_status);
}

result aws_error_in_answer(result r, const char *operation)
{
    if (!r.code)
        return r;
    return error_prefix((result){r.code == E_MEMORY ? E_MEMORY : E_PEER}, "%s: answer", operation);
}
