/* aws_dynamodb_query.h - all items of one partition of a DynamoDB table, or of the whole table, read
 * consistently, page after page. Target aws_dynamodb_query. */
#ifndef AWS_AWS_DYNAMODB_QUERY_H
#define AWS_AWS_DYNAMODB_QUERY_H

#include "aws/aws_client.h"
#include "json/json.h"

enum {
    /* For aws_client_config.response_max: DynamoDB ends a page at 1 MB of items; JSON takes more. */
    AWS_DYNAMODB_PAGE_RESPONSE_MAX = 8 * 1024 * 1024,
    AWS_DYNAMODB_QUERY_ATTRIBUTES_MAX = 16,
    AWS_DYNAMODB_QUERY_PAGES_MAX = 100000
};
#define AWS_DYNAMODB_CONTENT_TYPE "application/x-amz-json-1.0"

/* Nothing is owned. */
struct aws_dynamodb_query {
    const char *table;             /* name or ARN */
    const char *partition_key;     /* the attribute's name; of type S */
    const char *partition;         /* its value; NULL: all of the table, by Scan */
    const char *const *attributes; /* to be brought */
    size_t num_attributes;
    unsigned page_items; /* at most so many a page; fewer where they are large */
};

/* Sees one item, {"name": {"S": "..."}, ...}; borrowed. A failed result ends the query with it. */
typedef result (*aws_dynamodb_on_item)(void *context, const struct json_view *item);

/* Query, or Scan, with ConsistentRead until there is no LastEvaluatedKey: a page without items may have one.
 * Failures as of aws_client_call; E_PEER, too, for an answer that is not of the expected form, or a page that
 * names itself as the next. */
must_check result aws_dynamodb_query(struct aws_client *client, const struct aws_credentials *credentials,
                                     const struct aws_dynamodb_query *query, uint64_t deadline_ns,
                                     aws_dynamodb_on_item on_item, void *context);

/* The value of an attribute {"S": text} of an item. E_INPUT names the attribute. Valid as long as the item.
 */
must_check result aws_dynamodb_text(const char **ret_text, size_t *ret_length, const struct json_view *item,
                                    const char *name);
/* Of {"BOOL": truth}. */
must_check result aws_dynamodb_truth(bool *ret_truth, const struct json_view *item, const char *name);

#endif
