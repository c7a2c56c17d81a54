/* ctl_aws.c - see ctl_aws.h. Variables have the names that AWS's SDKs and command line gave them. */
#include "ctl_aws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_dynamodb_query.h"
#include "aws/aws_kms.h"
#include "base/secret_allocators.h"
#include "ctl_aws_private.h"
#include "json/json.h"

enum { CONNECT_MS = 5000, ATTEMPT_MS = 10000, ATTEMPTS = 5 };

const struct ctl_aws_service ctl_aws_kms = {
    .name = "kms", .variable = "KMS", .response_max = AWS_KMS_RESPONSE_MAX};
const struct ctl_aws_service ctl_aws_dynamodb = {.name = "dynamodb",
                                                 .variable = "DYNAMODB",
                                                 .content_type = AWS_DYNAMODB_CONTENT_TYPE,
                                                 .response_max = AWS_DYNAMODB_PAGE_RESPONSE_MAX};
const struct ctl_aws_service ctl_aws_cloudformation = {.name = "cloudformation",
                                                       .variable = "CLOUDFORMATION",
                                                       .protocol = AWS_PROTOCOL_QUERY,
                                                       .content_type = AWS_QUERY_CONTENT_TYPE,
                                                       .response_max = AWS_QUERY_RESPONSE_MAX};

void ctl_aws_cleanup(struct ctl_aws *aws)
{
    aws_credentials_cleanup(&aws->credentials);
    buffer_cleanup(&aws->ca_pem);
    aws_stack_cleanup(&aws->stack);
}

static must_check result check_options(struct ctl_call *call, const struct ctl_aws_options *o)
{
    call->is_usage_error = true;
    ENSURE(!o->stack || (strlen(o->stack) > 0 && strlen(o->stack) <= AWS_STACK_NAME_MAX), E_INPUT,
           "--stack: must be the name of a stack");
    ENSURE(!o->outputs || o->stack, E_INPUT, "--stack: required with --outputs: which stack of the file");
    call->is_usage_error = false;
    return RESULT_OK;
}

result ctl_aws_open(struct ctl_aws *ret_aws, struct ctl_call *call, const struct ctl_aws_options *o)
{
    AUTO(ctl_aws)
    aws = {.stack_name = o->stack, .outputs = o->outputs, .json = call->json};
    TRY(check_options(call, o));
    TRY(ctl_secrets_open());
    json_set_alloc_funcs(malloc, secret_wiping_free);
    TRY(aws_library_open());
    result r = ctl_aws_find_region(aws.region, o);
    call->is_usage_error = r.code == E_INPUT;
    TRY(r);
    TRY(ctl_aws_find_credentials(&aws.credentials, o));
    TRY(aws_authorities_read(&aws.ca_pem, o->ca_file ? o->ca_file : ctl_aws_variable("AWS_CA_BUNDLE")));
    *ret_aws = aws;
    aws = (struct ctl_aws){.json = false};
    return RESULT_OK;
}

result ctl_aws_endpoint(char out[static CTL_AWS_URL_MAX], const struct ctl_aws *aws,
                        const struct ctl_aws_service *service)
{
    char variable[64];
    int length = snprintf(variable, sizeof variable, "AWS_ENDPOINT_URL_%s", service->variable);
    ENSURE(length > 0 && (size_t)length < sizeof variable, E_INTERNAL, "variable: is too long");
    const char *url = ctl_aws_variable(variable);
    if (!url)
        url = ctl_aws_variable("AWS_ENDPOINT_URL");
    length = url ? snprintf(out, CTL_AWS_URL_MAX, "%s", url)
                 : snprintf(out, CTL_AWS_URL_MAX, "https://%s.%s.amazonaws.com", service->name, aws->region);
    ENSURE(length > 0 && length < CTL_AWS_URL_MAX && strncmp(out, "https://", 8) == 0, E_INPUT,
           "%s: must be https://HOST[:PORT], below %d characters", variable, CTL_AWS_URL_MAX);
    return RESULT_OK;
}

result ctl_aws_client(struct aws_client **ret_client, const struct ctl_aws *aws,
                      const struct ctl_aws_service *service)
{
    char endpoint[CTL_AWS_URL_MAX];
    TRY(ctl_aws_endpoint(endpoint, aws, service));
    const struct aws_client_config config = {
        .endpoint = endpoint,
        .region = aws->region,
        .service = service->name,
        .ca_pem = &aws->ca_pem,
        .connect_timeout_ms = CONNECT_MS,
        .attempt_timeout_ms = service->attempt_timeout_ms ? service->attempt_timeout_ms : ATTEMPT_MS,
        .via = service->via,
        .attempts = service->until_deadline ? 0
                    : service->attempts     ? service->attempts
                                            : ATTEMPTS,
        .response_max = service->response_max,
        .protocol = service->protocol,
        .read_error = service->protocol == AWS_PROTOCOL_QUERY ? aws_query_error_read : NULL,
        .content_type = service->content_type,
        .connections = service->connections};
    result r = aws_client_open(ret_client, &config);
    return r.code ? error_prefix(r, "%s", service->name) : r;
}
