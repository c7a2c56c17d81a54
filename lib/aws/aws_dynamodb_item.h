/* aws_dynamodb_item.h - one item of a DynamoDB table, put and got whole. The slashing-protection store, with
 * its conditions and transactions, is in lib/slashing. */
#ifndef AWS_AWS_DYNAMODB_ITEM_H
#define AWS_AWS_DYNAMODB_ITEM_H

#include "aws/aws_client.h"
#include "json/json.h"

enum { AWS_DYNAMODB_ITEM_RESPONSE_MAX = 1024 * 1024 /* an item has up to 400 KB; for response_max */ };
#define AWS_DYNAMODB_CONTENT_TYPE "application/x-amz-json-1.0" /* for aws_client_config.content_type */

struct aws_dynamodb_attribute {
    const char *name; /* no quotes, backslashes or control characters */
    const char *type; /* "S" or "N" */
    const char *text; /* a number in decimal */
};

/* A table's name, or its ARN. E_INPUT. */
must_check result aws_dynamodb_table_check(const char *table);

/* PutItem; the first attribute is the key. Unless it may replace an item of that key, E_MISMATCH when there
 * is one: perhaps this very one, when the answer to a first attempt was lost. Else as aws_client_call. */
must_check result aws_dynamodb_item_put(struct aws_client *client, const struct aws_credentials *credentials,
                                        const char *table, const struct aws_dynamodb_attribute *attributes,
                                        size_t num_attributes, bool may_replace);

/* GetItem, a consistent read; the caller owns *ret_item, a JSON object. E_NOT_FOUND when there is none;
 * E_PEER for an answer that is not of the expected form; else as aws_client_call. */
must_check result aws_dynamodb_item_get(struct aws_client *client, json_t **ret_item,
                                        const struct aws_credentials *credentials, const char *table,
                                        const struct aws_dynamodb_attribute *key);

/* The same where a key has two attributes, until deadline_ns (clock_monotonic_ns; 0: as often as the client's
 * attempts). */
must_check result aws_dynamodb_item_get_by_pair(struct aws_client *client, json_t **ret_item,
                                                const struct aws_credentials *credentials, const char *table,
                                                const struct aws_dynamodb_attribute *key,
                                                uint64_t deadline_ns);

/* An attribute of type S; valid as long as the item. E_INPUT names it when it is not there or of another
 * type. */
must_check result aws_dynamodb_item_text(const char **ret_text, size_t *ret_length,
                                         const struct json_view *item, const char *name);

#endif
