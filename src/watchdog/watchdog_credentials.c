/* watchdog_credentials.c - see watchdog_credentials.h. */
#include "watchdog_credentials.h"

#include <stdio.h>
#include <string.h>

/* aws_credentials_new admits only printable ASCII; the two characters that JSON escapes are left to exclude.
 */
static must_check result check_plain(const char *name, const char *text)
{
    ENSURE(!strpbrk(text, "\"\\"), E_INPUT, "%s: must not contain quotes or backslashes", name);
    return RESULT_OK;
}

result watchdog_credentials_member(struct secret *ret_json, const struct aws_credentials *c)
{
    static const char format[] =
        "\"credential\":{\"access_key_id\":\"%s\",\"secret_access_key\":\"%s\",\"token\":\"%s\"}";
    const char *key = (const char *)c->secret_access_key.data;
    const char *token = c->session_token.length ? (const char *)c->session_token.data : "";
    TRY(check_plain("access_key_id", c->access_key_id));
    TRY(check_plain("secret_access_key", key));
    TRY(check_plain("token", token));

    AUTO(secret) json = {0};
    TRY(secret_new(&json, sizeof format + strlen(c->access_key_id) + c->secret_access_key.length +
                              c->session_token.length));
    int length = snprintf((char *)json.data, json.length + 1, format, c->access_key_id, key, token);
    ENSURE(length > 0 && (size_t)length <= json.length, E_INTERNAL, "the credential member does not fit");
    secret_truncate(&json, (size_t)length);
    *ret_json = json;
    json = (struct secret){0};
    return RESULT_OK;
}
