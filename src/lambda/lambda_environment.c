/* lambda_environment.c - all variables are read and checked before the first invocation, so that a function
 * that was deployed with a mistake says so when it starts, not when its key is needed.
 *
 * AWS hands credentials over in the environment; they are taken out of it, because it can be read for as long
 * as the process lives. */
#include "lambda_environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "aws/aws_credentials_environment.h"
#include "aws/aws_dynamodb_item.h"
#include "aws/aws_kms.h"
#include "tls_item/tls_item.h"

enum { REGION_MAX = 32 };

void lambda_environment_cleanup(struct lambda_environment *environment)
{
    aws_credentials_cleanup(&environment->credentials);
}

/* NULL for one that is not set, or set to nothing. */
static const char *value_of(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static must_check result require(const char **ret_value, const char *name)
{
    *ret_value = value_of(name);
    ENSURE(*ret_value, E_INPUT, "environment: %s: must be set", name);
    return RESULT_OK;
}

static must_check result blame(result r, const char *name)
{
    return r.code ? error_prefix(r, "environment: %s", name) : r;
}

static must_check result read_region(const char **ret_region)
{
    TRY(require(ret_region, "AWS_REGION"));
    size_t length = strlen(*ret_region);
    ENSURE(length <= REGION_MAX && strspn(*ret_region, "abcdefghijklmnopqrstuvwxyz0123456789-") == length,
           E_INPUT, "environment: AWS_REGION: must be the name of a region");
    return RESULT_OK;
}

static must_check result read_key_arn(const char **ret_arn)
{
    TRY(require(ret_arn, "KEY_ARN"));
    ENSURE(strncmp(*ret_arn, "arn:", 4) == 0 && strstr(*ret_arn, ":key/") &&
               strlen(*ret_arn) <= AWS_KMS_KEY_ID_MAX,
           E_INPUT, "environment: KEY_ARN: must be the ARN of a KMS key");
    return RESULT_OK;
}

static must_check result read_signer(struct lambda_environment *e)
{
    TRY(require(&e->signer_name, "NITRO_INSTANCE_PRIVATE_DNS"));
    ENSURE(tls_item_name_valid(e->signer_name), E_INPUT,
           "environment: NITRO_INSTANCE_PRIVATE_DNS: must be a DNS name of at most %d characters",
           TLS_ITEM_NAME_MAX);
    const char *address = value_of("SIGNER_ADDRESS");
    e->has_signer_address = address;
    return address ? blame(net_address_parse(&e->signer_address, address), "SIGNER_ADDRESS") : RESULT_OK;
}

/* The order is that of AWS's SDKs. */
static must_check result read_endpoint(char out[static LAMBDA_URL_MAX + 1], const char *variable,
                                       const char *service, const char *region)
{
    const char *url = value_of(variable);
    if (!url)
        url = value_of("AWS_ENDPOINT_URL");
    int length = url ? snprintf(out, LAMBDA_URL_MAX + 1, "%s", url)
                     : snprintf(out, LAMBDA_URL_MAX + 1, "https://%s.%s.amazonaws.com", service, region);
    ENSURE(length > 0 && length <= LAMBDA_URL_MAX && strncmp(out, "https://", 8) == 0, E_INPUT,
           "environment: %s: must be https://HOST[:PORT], at most %d characters", variable, LAMBDA_URL_MAX);
    return RESULT_OK;
}

static must_check result read_log(struct lambda_environment *e)
{
    const char *level = value_of("LOG_LEVEL"), *format = value_of("AWS_LAMBDA_LOG_FORMAT");
    if (level && strcasecmp(level, "warning") == 0)
        level = "warn";
    if (level && strcasecmp(level, "critical") == 0)
        level = "error";
    TRY(blame(log_level_parse(&e->log_level, level ? level : "info"), "LOG_LEVEL"));
    e->log_format = format && strcasecmp(format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_PLAIN;
    return RESULT_OK;
}

/* Where Amazon Linux 2023 has them; elsewhere libcurl knows. */
static const char *find_authorities(void)
{
    static const char amazon_linux[] = "/etc/pki/tls/certs/ca-bundle.crt";
    const char *bundle = value_of("AWS_CA_BUNDLE");
    if (bundle)
        return bundle;
    return access(amazon_linux, R_OK) == 0 ? amazon_linux : NULL;
}

result lambda_environment_read(struct lambda_environment *ret_environment)
{
    AUTO(lambda_environment) e = {.ca_file = find_authorities()};
    TRY(read_log(&e));
    TRY(read_region(&e.region));
    TRY(read_signer(&e));
    TRY(require(&e.table, "TLS_KEYS_TABLE_NAME"));
    TRY(blame(aws_dynamodb_table_check(e.table), "TLS_KEYS_TABLE_NAME"));
    TRY(read_key_arn(&e.key_arn));
    TRY(read_endpoint(e.kms_endpoint, "AWS_ENDPOINT_URL_KMS", "kms", e.region));
    TRY(read_endpoint(e.dynamodb_endpoint, "AWS_ENDPOINT_URL_DYNAMODB", "dynamodb", e.region));
    TRY(aws_credentials_take_environment(&e.credentials));
    *ret_environment = e;
    e = (struct lambda_environment){0};
    return RESULT_OK;
}
