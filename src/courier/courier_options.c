/* courier_options.c - see courier_options.h. */
#include "courier_options.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"

static const char usage[] =
    "nitro-signer-courier [options]\n"
    "Between the keeper and what is outside: host, KMS, a store across a network. Started by a supervisor "
    "with\n"
    "the keeper on descriptor 3 and on 4 the control socket, listening (enclave) or itself (standalone).";

/* In the sandbox there are no files to resolve a name with. */
static must_check result parse_via(struct net_address *ret_via, const char *option, const char *text)
{
    uint8_t bytes[sizeof(struct in6_addr)];
    result r = net_address_parse(ret_via, text);
    if (r.code)
        return error_prefix(r, "--%s", option);
    bool numeric = ret_via->family != NET_TCP || inet_pton(AF_INET, ret_via->host, bytes) == 1 ||
                   inet_pton(AF_INET6, ret_via->host, bytes) == 1;
    ENSURE(numeric, E_INPUT, "--%s: the host of a tcp address must be numeric", option);
    return RESULT_OK;
}

struct texts {
    const char *mode, *kms_via, *dynamodb_via;
    struct log_options log;
};

static must_check result interpret(struct courier_options *o, const struct texts *texts)
{
    o->standalone = strcmp(texts->mode, "standalone") == 0;
    ENSURE(o->standalone || strcmp(texts->mode, "enclave") == 0, E_INPUT,
           "--mode: must be enclave or standalone");
    ENSURE(o->standalone || texts->kms_via, E_INPUT, "--kms-via: is needed");
    if (texts->kms_via)
        TRY(parse_via(&o->kms_via, "kms-via", texts->kms_via));
    o->has_dynamodb_via = texts->dynamodb_via != NULL;
    if (texts->dynamodb_via)
        TRY(parse_via(&o->dynamodb_via, "dynamodb-via", texts->dynamodb_via));
    TRY(log_configure(&texts->log));
    o->log_level = log_level_in_force();
    return RESULT_OK;
}

result courier_options_parse(struct courier_options *ret_options, int argc, char *const argv[])
{
    struct courier_options o = {.kms_endpoint = getenv("AWS_ENDPOINT_URL_KMS"),
                                .dynamodb_endpoint = getenv("AWS_ENDPOINT_URL_DYNAMODB"),
                                .ca_file = getenv("AWS_CA_BUNDLE")};
    struct texts texts = {.mode = "enclave", .log = LOG_OPTIONS_DEFAULT};
    const struct option table[] = {
        {"mode", OPTION_TEXT, &texts.mode, "enclave or standalone (enclave)", 0, 0},
        {"kms-via", OPTION_TEXT, &texts.kms_via,
         "the proxy through which KMS is reached, such as vsock:3:8000", 0, 0},
        {"kms-endpoint", OPTION_TEXT, &o.kms_endpoint,
         "URL of KMS (AWS_ENDPOINT_URL_KMS, https://kms.REGION.amazonaws.com)", 0, 0},
        {"dynamodb-via", OPTION_TEXT, &texts.dynamodb_via,
         "the proxy through which DynamoDB is reached, such as vsock:3:8001", 0, 0},
        {"dynamodb-endpoint", OPTION_TEXT, &o.dynamodb_endpoint,
         "URL of DynamoDB (AWS_ENDPOINT_URL_DYNAMODB, https://dynamodb.REGION.amazonaws.com)", 0, 0},
        {"ca-file", OPTION_TEXT, &o.ca_file,
         "PEM file of the authorities AWS's certificates may come from (AWS_CA_BUNDLE, the system's)", 0, 0},
        LOG_OPTION_ROWS(&texts.log),
    };
    int next = 0;
    TRY(options_parse(&next, table, ARRAY_LENGTH(table), usage, argc, argv));
    ENSURE(next == argc, E_INPUT, "argument %d: unexpected", next);
    TRY(interpret(&o, &texts));
    *ret_options = o;
    return RESULT_OK;
}
