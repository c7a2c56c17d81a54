/* aws_credentials.c - see aws_credentials.h. */
#include "aws/aws_credentials.h"

#include <stdio.h>
#include <string.h>

static must_check result check_text(const char *member, const char *text, size_t low, size_t high)
{
    size_t length = strlen(text);
    ENSURE(length >= low && length <= high, E_INPUT, "%s: must have from %zu to %zu characters", member, low,
           high);
    for (size_t i = 0; i < length; i++)
        ENSURE(text[i] > ' ' && text[i] < 0x7f, E_INPUT, "%s: must be printable ASCII without blanks",
               member);
    return RESULT_OK;
}

result aws_credentials_new(struct aws_credentials *ret_credentials, const char *access_key_id,
                           const char *secret_access_key, const char *session_token)
{
    TRY(check_text("access_key_id", access_key_id, 1, AWS_ACCESS_KEY_ID_MAX));
    TRY(check_text("secret_access_key", secret_access_key, 1, AWS_SECRET_ACCESS_KEY_MAX));
    TRY(check_text("token", session_token, 0, AWS_SESSION_TOKEN_MAX));
    /* A slash would end the key id inside the credential scope. */
    ENSURE(!strpbrk(access_key_id, "/,="), E_INPUT, "access_key_id: must not contain '/', ',' or '='");

    AUTO(aws_credentials) made = {0};
    (void)snprintf(made.access_key_id, sizeof made.access_key_id, "%s", access_key_id);
    TRY(secret_copy(&made.secret_access_key, secret_access_key, strlen(secret_access_key)));
    TRY(secret_copy(&made.session_token, session_token, strlen(session_token)));
    *ret_credentials = made;
    made = (struct aws_credentials){0};
    return RESULT_OK;
}

/* A secret that was never set has no bytes at all, not even the NUL behind them. */
static const char *text_of(const struct secret *secret)
{
    return secret->data ? (const char *)secret->data : "";
}

result aws_credentials_copy(struct aws_credentials *ret_credentials, const struct aws_credentials *from)
{
    return aws_credentials_new(ret_credentials, from->access_key_id, text_of(&from->secret_access_key),
                               text_of(&from->session_token));
}

void aws_credentials_cleanup(struct aws_credentials *credentials)
{
    secret_cleanup(&credentials->secret_access_key);
    secret_cleanup(&credentials->session_token);
    *credentials = (struct aws_credentials){0};
}
