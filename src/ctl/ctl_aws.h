/* ctl_aws.h - what all verbs that speak with AWS have in common: which stack, which region, which
 * credentials, where the services are.
 *
 *     struct ctl_aws_options o = {0};
 *     const struct option table[] = {CTL_AWS_ROWS(o), ...};
 *     AUTO(ctl_aws) aws = {.stack = {.num_outputs = 0}};
 *     TRY(ctl_parse(...));
 *     TRY(ctl_aws_open(&aws, call, &o));
 *     TRY(ctl_aws_output(&table_name, &aws, "ValidatorKeysTableName"));
 *     TRY(ctl_aws_client(&client, &aws, &(struct ctl_aws_service){.name = "dynamodb", ...}));
 */
#ifndef CTL_CTL_AWS_H
#define CTL_CTL_AWS_H

#include "aws/aws_client.h"
#include "aws/aws_cloudformation.h"
#include "ctl.h"

enum { CTL_AWS_REGION_MAX = 63, CTL_AWS_URL_MAX = 300 };

struct ctl_aws_options {
    const char *stack, *outputs, *region, *credentials, *ca_file;
};

/* Rows for the option table of such a verb. */
#define CTL_AWS_ROWS(o)                                                                                      \
    {                                                                                                        \
        "stack", OPTION_TEXT, &(o).stack, "name of the CloudFormation stack, such as prodNitroValidator", 0, \
        0},                                                                                                  \
        {"outputs",                                                                                          \
         OPTION_FILE,                                                                                        \
         &(o).outputs,                                                                                       \
         "file of cdk deploy --outputs-file: the stack's outputs (asked of CloudFormation)",                 \
         0,                                                                                                  \
         0},                                                                                                 \
        {"region",    OPTION_TEXT,                                                                           \
         &(o).region, "region ($AWS_REGION, $AWS_DEFAULT_REGION, else the profile's)",                       \
         0,           0},                                                                                    \
        {"credentials",                                                                                      \
         OPTION_FILE,                                                                                        \
         &(o).credentials,                                                                                   \
         "JSON file of AWS credentials ($AWS_ACCESS_KEY_ID and others, else the profile's, else the "        \
         "instance's)",                                                                                      \
         0,                                                                                                  \
         0},                                                                                                 \
    {                                                                                                        \
        "ca-file", OPTION_FILE, &(o).ca_file,                                                                \
            "PEM file of the authorities that AWS's certificates may come from ($AWS_CA_BUNDLE, else the "   \
            "system's)",                                                                                     \
            0, 0                                                                                             \
    }

struct ctl_aws {
    char region[CTL_AWS_REGION_MAX + 1];
    struct aws_credentials credentials;
    struct buffer ca_pem;
    const char *stack_name; /* --stack; NULL: none */
    const char *outputs;    /* --outputs; NULL: asked of CloudFormation */
    bool has_stack;         /* it is known by now */
    struct aws_stack stack;
    bool json; /* --output=json */
};
void ctl_aws_cleanup(struct ctl_aws *aws);

/* Opens the secure heap, libcurl and all else that such a verb needs, once a process; instead of
 * ctl_secrets_open. JSON trees are on the ordinary heap, which wipes what it frees: answers may be larger
 * than locked memory. The options must stay. Asks nobody but, without other credentials, the instance's
 * metadata service. E_INPUT names the option or the variable; a usage error when it is an option. */
must_check result ctl_aws_open(struct ctl_aws *ret_aws, struct ctl_call *call,
                               const struct ctl_aws_options *options);

/* The value of one of the stack's outputs: of the file, or of CloudFormation, asked at the first of these
 * calls. A usage error without --stack; E_NOT_FOUND names stack and output. Valid as long as aws. */
must_check result ctl_aws_output(const char **ret_value, struct ctl_aws *aws, struct ctl_call *call,
                                 const char *name);
/* The same for web3signer_uuid: output Web3SignerUUID, else the last part of the stack's id. */
must_check result ctl_aws_stack_uuid(const char **ret_uuid, struct ctl_aws *aws, struct ctl_call *call);

/* A service as AWS's SDKs and command line know it. */
struct ctl_aws_service {
    const char *name; /* of endpoint and signature: kms, dynamodb, ssm, lambda, cloudformation, autoscaling */
    const char *variable; /* AWS_ENDPOINT_URL_ and this names its endpoint: KMS, DYNAMODB, AUTO_SCALING */
    enum aws_protocol protocol;
    const char *content_type; /* NULL: application/x-amz-json-1.1 */
    size_t response_max;
    int attempt_timeout_ms;        /* 0: ten seconds */
    unsigned attempts;             /* 0: five; 1: what must not be done twice */
    unsigned connections;          /* 0: one */
    bool until_deadline;           /* calls end with a deadline of their own instead of attempts */
    const struct net_address *via; /* to connect to instead; NULL: the endpoint itself */
};

/* AWS_ENDPOINT_URL_<variable>, else AWS_ENDPOINT_URL, else https://NAME.REGION.amazonaws.com. Only https:
 * E_INPUT names the variable. */
must_check result ctl_aws_endpoint(char out[static CTL_AWS_URL_MAX], const struct ctl_aws *aws,
                                   const struct ctl_aws_service *service);
/* Opens a client there. The caller closes it. */
must_check result ctl_aws_client(struct aws_client **ret_client, const struct ctl_aws *aws,
                                 const struct ctl_aws_service *service);
typedef struct aws_client aws_client;
DEFINE_AUTO_POINTER(aws_client, aws_client_close)

extern const struct ctl_aws_service ctl_aws_kms, ctl_aws_dynamodb, ctl_aws_cloudformation;

#endif
