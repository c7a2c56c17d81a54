/* ctl_slashing.h - the DynamoDB table as the verbs of slashing reach it. */
#ifndef CTL_CTL_SLASHING_H
#define CTL_CTL_SLASHING_H

#include "ctl.h"
#include "slashing/slashing_dynamodb.h"
#include "slashing/slashing_seal.h"

struct ctl_slashing_options {
    const char *table, *region, *credentials, *endpoint, *via, *ca_file;
};

/* Rows for the option table of such a verb. */
#define CTL_SLASHING_ROWS(o)                                                                                 \
    {"table", OPTION_TEXT, &(o).table, "name of the DynamoDB table", 0, 0},                                  \
        {"region", OPTION_TEXT, &(o).region, "region of the table", 0, 0},                                   \
        {"credentials", OPTION_TEXT, &(o).credentials, "JSON file of AWS credentials", 0, 0},                \
        {"dynamodb-endpoint",                                                                                \
         OPTION_TEXT,                                                                                        \
         &(o).endpoint,                                                                                      \
         "URL of DynamoDB ($AWS_ENDPOINT_URL_DYNAMODB, else https://dynamodb.REGION.amazonaws.com)",         \
         0,                                                                                                  \
         0},                                                                                                 \
        {"dynamodb-via", OPTION_TEXT, &(o).via, "address to connect to instead (none)", 0, 0},               \
    {                                                                                                        \
        "ca-file", OPTION_TEXT, &(o).ca_file,                                                                \
            "PEM file of the authorities that AWS's certificates may come from ($AWS_CA_BUNDLE, else the "   \
            "system's)",                                                                                     \
            0, 0                                                                                             \
    }

typedef struct slashing_store slashing_store;
DEFINE_AUTO_POINTER(slashing_store, slashing_store_close)

/* As ctl_secrets_open, but that JSON trees are on the ordinary heap, which then wipes what it frees: whole
 * tables would not fit into locked memory. */
must_check result ctl_slashing_secrets_open(void);

/* Opens libcurl too; ctl_slashing_secrets_open comes first. E_INPUT names the option. */
must_check result ctl_slashing_open(struct slashing_store **ret_store, struct ctl_call *call,
                                    const struct ctl_slashing_options *options);

/* Prints 0x, the bytes and a line's end behind "name ". */
void ctl_slashing_print_bytes(const char *name, const uint8_t *bytes, size_t bytes_len);

#endif
