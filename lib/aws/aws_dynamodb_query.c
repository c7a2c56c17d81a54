/* aws_dynamodb_query.c - see aws_dynamodb_query.h.
 *
 * Every name goes as a placeholder: which words DynamoDB reserves changes over time. The key of the next page
 * is handed back as it came, whatever its attributes. Rejected: Scan in parts, and the checksum header
 * (x-amz-crc32): TLS protects the answer, and only the first proxy without TLS would make a difference. */
#include "aws/aws_dynamodb_query.h"

#include <string.h>

enum { PAGE_VALUES_MAX = 1000000, KEY_MAX = 16384 };

static must_check result append_names(struct buffer *out, const struct aws_dynamodb_query *q)
{
    TRY(buffer_append_text(out, ",\"ProjectionExpression\":\""));
    for (size_t i = 0; i < q->num_attributes; i++)
        TRY(buffer_printf(out, "%s#a%zu", i ? "," : "", i));
    TRY(buffer_append_text(out, "\",\"ExpressionAttributeNames\":{"));
    if (q->partition) {
        TRY(buffer_append_text(out, "\"#k\":"));
        TRY(json_append_quoted(out, q->partition_key));
    }
    for (size_t i = 0; i < q->num_attributes; i++) {
        TRY(buffer_printf(out, "%s\"#a%zu\":", i || q->partition ? "," : "", i));
        TRY(json_append_quoted(out, q->attributes[i]));
    }
    return buffer_append_text(out, "}");
}

static must_check result make_request(struct buffer *out, const struct aws_dynamodb_query *q,
                                      const struct buffer *next)
{
    ENSURE(q->num_attributes > 0 && q->num_attributes <= AWS_DYNAMODB_QUERY_ATTRIBUTES_MAX, E_INTERNAL,
           "a query brings from 1 to %d attributes", AWS_DYNAMODB_QUERY_ATTRIBUTES_MAX);
    TRY(buffer_append_text(out, "{\"TableName\":"));
    TRY(json_append_quoted(out, q->table));
    TRY(buffer_printf(out, ",\"ConsistentRead\":true,\"Limit\":%u", q->page_items));
    TRY(append_names(out, q));
    if (q->partition) {
        TRY(buffer_append_text(out, ",\"KeyConditionExpression\":\"#k = :p\","
                                    "\"ExpressionAttributeValues\":{\":p\":{\"S\":"));
        TRY(json_append_quoted(out, q->partition));
        TRY(buffer_append_text(out, "}}"));
    }
    if (next->length)
        TRY(buffer_printf(out, ",\"ExclusiveStartKey\":%s", (const char *)next->data));
    return buffer_append_text(out, "}");
}

/* Replaces next by the key of the next page, or by nothing. */
static must_check result take_next(struct buffer *next, const struct json_view *root)
{
    AUTO(buffer) text = {0};
    struct json_view key;
    if (json_has(root, "LastEvaluatedKey")) {
        TRY(json_get_object(&key, root, "LastEvaluatedKey"));
        TRY(buffer_reserve(&text, KEY_MAX + 1));
        text.length = json_dumpb(key.value, (char *)text.data, KEY_MAX, JSON_COMPACT | JSON_SORT_KEYS);
        ENSURE(text.length > 0 && text.length <= KEY_MAX, E_INPUT, "LastEvaluatedKey: is too long");
        text.data[text.length] = 0;
        ENSURE(next->length != text.length || memcmp(next->data, text.data, text.length) != 0, E_INPUT,
               "LastEvaluatedKey: names the same page again");
    }
    buffer_cleanup(next);
    *next = text;
    text = (struct buffer){0};
    return RESULT_OK;
}

/* An item that on_item refuses is no fault of the answer's form: *ret_refused says which it was. */
static must_check result take_page(struct buffer *next, bool *ret_refused, const struct buffer *answer,
                                   aws_dynamodb_on_item on_item, void *context)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, items, item;
    TRY(json_read(&document, (const char *)answer->data, answer->length, AWS_DYNAMODB_PAGE_RESPONSE_MAX,
                  PAGE_VALUES_MAX));
    TRY(json_view_root(&root, document));
    TRY(json_get_array(&items, &root, "Items", PAGE_VALUES_MAX));
    TRY(take_next(next, &root));
    for (size_t i = 0; i < json_array_size(items.value); i++) {
        TRY(json_element_object(&item, &items, i));
        /* The caller's errors name the attribute alone. */
        const struct json_view alone = {.value = item.value};
        *ret_refused = true;
        TRY(on_item(context, &alone));
        *ret_refused = false;
    }
    return RESULT_OK;
}

static must_check result next_page(struct aws_client *client, const struct aws_credentials *credentials,
                                   const struct aws_dynamodb_query *query, struct buffer *next,
                                   struct buffer *answer, uint64_t deadline_ns)
{
    AUTO(buffer) body = {0};
    TRY(make_request(&body, query, next));
    struct aws_call call = {.target = query->partition ? "DynamoDB_20120810.Query" : "DynamoDB_20120810.Scan",
                            .body = {body.data, body.length},
                            .answer = answer};
    return aws_client_call_many(client, &call, 1, credentials, deadline_ns);
}

result aws_dynamodb_query(struct aws_client *client, const struct aws_credentials *credentials,
                          const struct aws_dynamodb_query *query, uint64_t deadline_ns,
                          aws_dynamodb_on_item on_item, void *context)
{
    AUTO(buffer) next = {0};
    AUTO(buffer) answer = {0};
    const char *name = query->partition ? "Query" : "Scan";
    for (unsigned page = 0; page == 0 || next.length; page++) {
        bool refused = false;
        ENSURE(page < AWS_DYNAMODB_QUERY_PAGES_MAX, E_PEER, "%s: there is no end of pages", name);
        TRY(next_page(client, credentials, query, &next, &answer, deadline_ns));
        result r = take_page(&next, &refused, &answer, on_item, context);
        if (r.code && (refused || r.code == E_MEMORY))
            return r;
        if (r.code)
            return error_prefix((result){E_PEER}, "%s: answer", name);
    }
    return RESULT_OK;
}

result aws_dynamodb_text(const char **ret_text, size_t *ret_length, const struct json_view *item,
                         const char *name)
{
    struct json_view value;
    TRY(json_get_object(&value, item, name));
    return json_get_text(ret_text, ret_length, &value, "S");
}

result aws_dynamodb_truth(bool *ret_truth, const struct json_view *item, const char *name)
{
    struct json_view value;
    TRY(json_get_object(&value, item, name));
    return json_get_bool(ret_truth, &value, "BOOL");
}
