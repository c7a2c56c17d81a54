/* ctl_slashing.h - the DynamoDB table as the verbs of slashing reach it. */
#ifndef CTL_CTL_SLASHING_H
#define CTL_CTL_SLASHING_H

#include "ctl_aws.h"
#include "slashing/slashing_dynamodb.h"
#include "slashing/slashing_seal.h"

struct ctl_slashing_options {
    const char *table, *endpoint, *via;
    struct ctl_aws_options aws;
};

/* Rows for the option table of such a verb. */
#define CTL_SLASHING_ROWS(o)                                                                                 \
    {"table", OPTION_TEXT, &(o).table, "name of the DynamoDB table (the stack's, of its outputs)", 0, 0},    \
        {"dynamodb-endpoint",                                                                                \
         OPTION_TEXT,                                                                                        \
         &(o).endpoint,                                                                                      \
         "URL of DynamoDB ($AWS_ENDPOINT_URL_DYNAMODB, else https://dynamodb.REGION.amazonaws.com)",         \
         0,                                                                                                  \
         0},                                                                                                 \
        {"dynamodb-via", OPTION_TEXT, &(o).via, "address to connect to instead (none)", 0, 0},               \
        CTL_AWS_ROWS((o).aws)

typedef struct slashing_store slashing_store;
DEFINE_AUTO_POINTER(slashing_store, slashing_store_close)

/* ctl_aws_open comes first. E_INPUT names the option. */
must_check result ctl_slashing_open(struct slashing_store **ret_store, struct ctl_aws *aws,
                                    struct ctl_call *call, const struct ctl_slashing_options *options);

/* Prints 0x, the bytes and a line's end behind "name ". */
void ctl_slashing_print_bytes(const char *name, const uint8_t *bytes, size_t bytes_len);

#endif
