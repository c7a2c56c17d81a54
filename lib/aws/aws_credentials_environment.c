/* aws_credentials_environment.c - credentials out of the environment, once. */
#include "aws/aws_credentials_environment.h"

#include <stdlib.h>
#include <string.h>

static const char id_name[] = "AWS_ACCESS_KEY_ID", secret_name[] = "AWS_SECRET_ACCESS_KEY",
                  token_name[] = "AWS_SESSION_TOKEN";

static must_check result require(const char **ret_value, const char *name)
{
    *ret_value = secure_getenv(name);
    ENSURE(*ret_value && **ret_value, E_INPUT, "environment: %s: must be set", name);
    return RESULT_OK;
}

static void wipe_variable(const char *name)
{
    char *value = getenv(name);
    if (value)
        secret_wipe(value, strlen(value));
    (void)unsetenv(name);
}

result aws_credentials_take_environment(struct aws_credentials *ret_credentials)
{
    const char *id, *secret, *token = secure_getenv(token_name);
    TRY(require(&id, id_name));
    TRY(require(&secret, secret_name));
    result r = aws_credentials_new(ret_credentials, id, secret, token ? token : "");
    wipe_variable(secret_name);
    wipe_variable(token_name);
    return r.code ? error_prefix(r, "environment: AWS credentials") : r;
}
