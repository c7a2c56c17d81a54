/* aws_dynamodb_item.c - see aws_dynamodb_item.h. An item of a key and a few texts needs no reserved words, no
 * expressions, and at most the condition that it is new. */
#include "aws/aws_dynamodb_item.h"

#include <string.h>

#define SERVICE "DynamoDB_20120810."

enum { TABLE_NAME_MIN = 3, TABLE_NAME_MAX = 1024 /* of an ARN */, ANSWER_VALUES_MAX = 1024 };

result aws_dynamodb_table_check(const char *table)
{
    size_t length = strlen(table);
    ENSURE(length >= TABLE_NAME_MIN && length <= TABLE_NAME_MAX &&
               strspn(table, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:/_.-") == length,
           E_INPUT, "must be the name of a DynamoDB table");
    return RESULT_OK;
}

static must_check result append_item(struct buffer *out, const struct aws_dynamodb_attribute *attributes,
                                     size_t num_attributes)
{
    TRY(buffer_append_text(out, "{"));
    for (size_t i = 0; i < num_attributes; i++) {
        const struct aws_dynamodb_attribute *a = &attributes[i];
        TRY(buffer_printf(out, "%s\"%s\":{\"%s\":", i ? "," : "", a->name, a->type));
        TRY(json_append_quoted(out, a->text));
        TRY(buffer_append_text(out, "}"));
    }
    return buffer_append_text(out, "}");
}

result aws_dynamodb_item_put(struct aws_client *client, const struct aws_credentials *credentials,
                             const char *table, const struct aws_dynamodb_attribute *attributes,
                             size_t num_attributes, bool may_replace)
{
    AUTO(buffer) body = {0};
    AUTO(buffer) answer = {0};
    TRY(aws_dynamodb_table_check(table));
    TRY(buffer_printf(&body, "{\"TableName\":\"%s\",\"Item\":", table));
    TRY(append_item(&body, attributes, num_attributes));
    if (!may_replace)
        TRY(buffer_printf(&body,
                          ",\"ConditionExpression\":\"attribute_not_exists(#k)\","
                          "\"ExpressionAttributeNames\":{\"#k\":\"%s\"}",
                          attributes[0].name));
    TRY(buffer_append_text(&body, "}"));
    return aws_client_call(client, &answer, SERVICE "PutItem", credentials, body.data, body.length);
}

static must_check result parse_item(json_t **ret_item, const struct buffer *answer)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view, item;
    TRY(json_read(&root, (const char *)answer->data, answer->length, AWS_DYNAMODB_ITEM_RESPONSE_MAX,
                  ANSWER_VALUES_MAX));
    TRY(json_view_root(&view, root));
    ENSURE(json_has(&view, "Item"), E_NOT_FOUND, "the table has no such item");
    TRY(json_get_object(&item, &view, "Item"));
    *ret_item = json_incref(json_object_get(root, "Item"));
    return RESULT_OK;
}

static must_check result get(struct aws_client *client, json_t **ret_item,
                             const struct aws_credentials *credentials, const struct buffer *body,
                             uint64_t deadline_ns)
{
    AUTO(buffer) answer = {0};
    struct aws_call call = {
        .target = SERVICE "GetItem", .body = {body->data, body->length}, .answer = &answer};
    TRY(aws_client_call_many(client, &call, 1, credentials, deadline_ns));
    result r = parse_item(ret_item, &answer);
    if (!r.code || r.code == E_NOT_FOUND || r.code == E_MEMORY)
        return r;
    return error_prefix((result){E_PEER}, "%s: answer", call.target);
}

static must_check result make_get(struct buffer *out, const char *table,
                                  const struct aws_dynamodb_attribute *key, size_t num_key)
{
    TRY(aws_dynamodb_table_check(table));
    TRY(buffer_printf(out, "{\"TableName\":\"%s\",\"ConsistentRead\":true,\"Key\":", table));
    TRY(append_item(out, key, num_key));
    return buffer_append_text(out, "}");
}

result aws_dynamodb_item_get(struct aws_client *client, json_t **ret_item,
                             const struct aws_credentials *credentials, const char *table,
                             const struct aws_dynamodb_attribute *key)
{
    AUTO(buffer) body = {0};
    TRY(make_get(&body, table, key, 1));
    return get(client, ret_item, credentials, &body, 0);
}

result aws_dynamodb_item_get_by_pair(struct aws_client *client, json_t **ret_item,
                                     const struct aws_credentials *credentials, const char *table,
                                     const struct aws_dynamodb_attribute *key, uint64_t deadline_ns)
{
    AUTO(buffer) body = {0};
    TRY(make_get(&body, table, key, 2));
    return get(client, ret_item, credentials, &body, deadline_ns);
}

result aws_dynamodb_item_text(const char **ret_text, size_t *ret_length, const struct json_view *item,
                              const char *name)
{
    struct json_view value;
    TRY(json_get_object(&value, item, name));
    return json_get_text(ret_text, ret_length, &value, "S");
}
