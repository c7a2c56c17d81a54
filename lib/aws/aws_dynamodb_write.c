/* aws_dynamodb_write.c - see aws_dynamodb_write.h.
 *
 * PutItem for each item. Rejected: BatchWriteItem, which knows no conditions and could overwrite a key that
 * somebody else has just written; TransactWriteItems for all of a chunk, which fails as a whole for one item,
 * costs twice the capacity, and takes a hundred items or 4 MB. A move is a transaction, since an item's
 * partition is part of its key, and a key must never be in two. */
#include "aws/aws_dynamodb_write.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define SERVICE "DynamoDB_20120810."
#define IS_NEW "\"ConditionExpression\":\"attribute_not_exists(#k)\",\"ExpressionAttributeNames\":{\"#k\":"

enum { KEY_ATTRIBUTES = 2, ANSWER_VALUES_MAX = 1024, TOKEN_BYTES = AWS_DYNAMODB_TOKEN_LEN / 2 };

void aws_dynamodb_write_cleanup(struct aws_dynamodb_write *write)
{
    buffer_cleanup(&write->body);
    buffer_cleanup(&write->key);
    buffer_cleanup(&write->proof);
}

static must_check result append_value(struct buffer *out, const char *type, const char *text)
{
    TRY(buffer_printf(out, "{\"%s\":", type));
    TRY(strcmp(type, "BOOL") == 0 ? buffer_append_text(out, text) : json_append_quoted(out, text));
    return buffer_append_text(out, "}");
}

result aws_dynamodb_append_item(struct buffer *out, const struct aws_dynamodb_attribute *attributes,
                                size_t num_attributes)
{
    TRY(buffer_append_text(out, "{"));
    for (size_t i = 0; i < num_attributes; i++) {
        TRY(buffer_printf(out, "%s\"%s\":", i ? "," : "", attributes[i].name));
        TRY(append_value(out, attributes[i].type, attributes[i].text));
    }
    return buffer_append_text(out, "}");
}

static must_check result begin(struct aws_dynamodb_write *write, const char *operation,
                               const struct aws_dynamodb_attribute *key)
{
    write->operation = operation;
    return aws_dynamodb_append_item(&write->key, key, KEY_ATTRIBUTES);
}

static must_check result keep_proof(struct aws_dynamodb_write *write,
                                    const struct aws_dynamodb_attribute *attributes, size_t num_attributes,
                                    const char *name)
{
    write->proof_name = name;
    for (size_t i = KEY_ATTRIBUTES; i < num_attributes; i++)
        if (strcmp(attributes[i].name, name) == 0)
            return buffer_append_text(&write->proof, attributes[i].text);
    FAIL(E_INTERNAL, "an item without its proof");
}

/* That there is an item, as it was seen. */
static must_check result append_seen(struct buffer *out, const struct aws_dynamodb_seen *seen,
                                     const char *key_name)
{
    const char *truth = seen->truth ? "{\"BOOL\":true}" : "{\"BOOL\":false}";
    return buffer_printf(out,
                         ",\"ConditionExpression\":\"attribute_exists(#k) AND %s\","
                         "\"ExpressionAttributeNames\":{\"#k\":\"%s\",\"#a\":\"%s\"},"
                         "\"ExpressionAttributeValues\":{\":a\":%s}",
                         seen->has_truth ? "#a = :a" : "NOT attribute_type(#a, :a)", key_name,
                         seen->truth_name, seen->has_truth ? truth : "{\"S\":\"BOOL\"}");
}

/* "TableName":...,"Item":{...}, and what must be in its place. */
static must_check result append_put(struct buffer *out, const char *table,
                                    const struct aws_dynamodb_attribute *attributes, size_t num_attributes,
                                    const struct aws_dynamodb_seen *seen)
{
    TRY(buffer_append_text(out, "{\"TableName\":"));
    TRY(json_append_quoted(out, table));
    TRY(buffer_append_text(out, ",\"Item\":"));
    TRY(aws_dynamodb_append_item(out, attributes, num_attributes));
    TRY(seen ? append_seen(out, seen, attributes[0].name)
             : buffer_printf(out, "," IS_NEW "\"%s\"}", attributes[0].name));
    return buffer_append_text(out, "}");
}

static void hand_over(struct aws_dynamodb_write *ret_write, struct aws_dynamodb_write *write)
{
    *ret_write = *write;
    *write = (struct aws_dynamodb_write){0};
}

result aws_dynamodb_write_put(struct aws_dynamodb_write *ret_write, const char *table,
                              const struct aws_dynamodb_attribute *attributes, size_t num_attributes,
                              const char *proof_name, const struct aws_dynamodb_seen *seen)
{
    AUTO(aws_dynamodb_write) write = {0};
    TRY(keep_proof(&write, attributes, num_attributes, proof_name));
    TRY(begin(&write, SERVICE "PutItem", attributes));
    TRY(append_put(&write.body, table, attributes, num_attributes, seen));
    hand_over(ret_write, &write);
    return RESULT_OK;
}

static must_check result append_delete(struct buffer *out, const char *table,
                                       const struct aws_dynamodb_attribute *key,
                                       const struct aws_dynamodb_seen *seen)
{
    TRY(buffer_append_text(out, "{\"TableName\":"));
    TRY(json_append_quoted(out, table));
    TRY(buffer_append_text(out, ",\"Key\":"));
    TRY(aws_dynamodb_append_item(out, key, KEY_ATTRIBUTES));
    TRY(append_seen(out, seen, key[0].name));
    return buffer_append_text(out, "}");
}

/* Within ten minutes the same request under the same token is carried out once. */
static must_check result append_token(struct buffer *out)
{
    uint8_t random[TOKEN_BYTES];
    ENSURE(RAND_bytes(random, sizeof random) == 1, E_CRYPTO, "no randomness");
    TRY(buffer_append_text(out, "\"ClientRequestToken\":\""));
    for (size_t i = 0; i < sizeof random; i++)
        TRY(buffer_printf(out, "%02x", random[i]));
    return buffer_append_text(out, "\"");
}

result aws_dynamodb_write_move(struct aws_dynamodb_write *ret_write, const char *table,
                               const struct aws_dynamodb_attribute *attributes, size_t num_attributes,
                               const char *proof_name, const struct aws_dynamodb_attribute *old_key,
                               const struct aws_dynamodb_seen *seen)
{
    AUTO(aws_dynamodb_write) write = {0};
    TRY(keep_proof(&write, attributes, num_attributes, proof_name));
    TRY(begin(&write, SERVICE "TransactWriteItems", attributes));
    TRY(buffer_append_text(&write.body, "{"));
    TRY(append_token(&write.body));
    TRY(buffer_append_text(&write.body, ",\"TransactItems\":[{\"Delete\":"));
    TRY(append_delete(&write.body, table, old_key, seen));
    TRY(buffer_append_text(&write.body, "},{\"Put\":"));
    TRY(append_put(&write.body, table, attributes, num_attributes, NULL));
    TRY(buffer_append_text(&write.body, "}]}"));
    hand_over(ret_write, &write);
    return RESULT_OK;
}

result aws_dynamodb_write_truth(struct aws_dynamodb_write *ret_write, const char *table,
                                const struct aws_dynamodb_attribute *key, const char *name, bool truth)
{
    AUTO(aws_dynamodb_write) write = {0};
    TRY(begin(&write, SERVICE "UpdateItem", key));
    TRY(buffer_append_text(&write.body, "{\"TableName\":"));
    TRY(json_append_quoted(&write.body, table));
    TRY(buffer_printf(&write.body, ",\"Key\":%s", (const char *)write.key.data));
    TRY(buffer_printf(&write.body,
                      ",\"UpdateExpression\":\"SET #a = :a\",\"ConditionExpression\":"
                      "\"attribute_exists(#k)\",\"ExpressionAttributeNames\":{\"#a\":\"%s\",\"#k\":\"%s\"},"
                      "\"ExpressionAttributeValues\":{\":a\":{\"BOOL\":%s}}}",
                      name, key[0].name, truth ? "true" : "false"));
    hand_over(ret_write, &write);
    return RESULT_OK;
}

result aws_dynamodb_write_delete(struct aws_dynamodb_write *ret_write, const char *table,
                                 const struct aws_dynamodb_attribute *key, const char *name, bool truth)
{
    AUTO(aws_dynamodb_write) write = {0};
    TRY(begin(&write, SERVICE "DeleteItem", key));
    TRY(buffer_append_text(&write.body, "{\"TableName\":"));
    TRY(json_append_quoted(&write.body, table));
    TRY(buffer_printf(&write.body, ",\"Key\":%s", (const char *)write.key.data));
    TRY(buffer_printf(&write.body,
                      ",\"ConditionExpression\":\"attribute_not_exists(#k) OR #a = :a\","
                      "\"ExpressionAttributeNames\":{\"#k\":\"%s\",\"#a\":\"%s\"},"
                      "\"ExpressionAttributeValues\":{\":a\":{\"BOOL\":%s}}}",
                      key[0].name, name, truth ? "true" : "false"));
    hand_over(ret_write, &write);
    return RESULT_OK;
}

/* Another transaction on the items, or too many requests, is no condition of ours that fails. */
static bool may_pass_later(const struct aws_call *call)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, reasons;
    if (strcmp(call->error.type, "TransactionCanceledException") != 0)
        return false;
    if (json_read(&document, (const char *)call->answer->data, call->answer->length,
                  AWS_DYNAMODB_ITEM_RESPONSE_MAX, ANSWER_VALUES_MAX)
            .code ||
        json_view_root(&root, document).code ||
        json_get_array(&reasons, &root, "CancellationReasons", KEY_ATTRIBUTES).code)
        return false;
    for (size_t i = 0; i < json_array_size(reasons.value); i++) {
        struct json_view reason;
        const char *code = NULL;
        if (json_element_object(&reason, &reasons, i).code ||
            json_get_text_optional(&code, NULL, &reason, "Code").code || !code)
            continue;
        if (strcmp(code, "ConditionalCheckFailed") == 0 || strcmp(code, "ValidationError") == 0 ||
            strcmp(code, "ItemCollectionSizeLimitExceeded") == 0)
            return false;
    }
    return true;
}

static result on_answer(struct aws_call *call, bool *ret_again)
{
    struct aws_dynamodb_write *write = call->context;
    if (call->status == 200)
        return RESULT_OK;
    *ret_again = may_pass_later(call);
    if (!*ret_again && call->error.code == E_MISMATCH) {
        write->refused = true;
        return RESULT_OK;
    }
    return aws_error_result(&call->error, call->status);
}

static must_check result check_proof(struct aws_dynamodb_write *write, const struct buffer *answer)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, item;
    const char *text = NULL;
    TRY(json_read(&document, (const char *)answer->data, answer->length, AWS_DYNAMODB_ITEM_RESPONSE_MAX,
                  ANSWER_VALUES_MAX));
    TRY(json_view_root(&root, document));
    if (!json_has(&root, "Item"))
        return RESULT_OK;
    TRY(json_get_object(&item, &root, "Item"));
    if (!json_has(&item, write->proof_name))
        return RESULT_OK;
    TRY(aws_dynamodb_item_text(&text, NULL, &item, write->proof_name));
    write->refused = strcmp(text, (const char *)write->proof.data) != 0;
    return RESULT_OK;
}

/* Was it our own write whose answer was lost? */
static must_check result read_back(struct aws_client *client, struct aws_dynamodb_write *write,
                                   const char *table, const struct aws_credentials *credentials,
                                   uint64_t deadline_ns)
{
    AUTO(buffer) body = {0};
    AUTO(buffer) answer = {0};
    TRY(buffer_append_text(&body, "{\"TableName\":"));
    TRY(json_append_quoted(&body, table));
    TRY(buffer_printf(&body,
                      ",\"ConsistentRead\":true,\"ProjectionExpression\":\"#p\","
                      "\"ExpressionAttributeNames\":{\"#p\":\"%s\"},\"Key\":%s}",
                      write->proof_name, (const char *)write->key.data));
    struct aws_call call = {.target = SERVICE "GetItem", .body = {body.data, body.length}, .answer = &answer};
    TRY(aws_client_call_many(client, &call, 1, credentials, deadline_ns));
    result r = check_proof(write, &answer);
    if (r.code == E_INPUT)
        return error_prefix((result){E_PEER}, "%s: answer", call.target);
    return r;
}

static void keep(struct aws_dynamodb_write *write, result r, const char *text)
{
    write->outcome = r;
    (void)snprintf(write->text, sizeof write->text, "%s", r.code ? text : "");
}

result aws_dynamodb_write_all(struct aws_client *client, struct aws_dynamodb_write *writes, size_t num_writes,
                              const char *table, const struct aws_credentials *credentials,
                              uint64_t deadline_ns)
{
    struct aws_call calls[AWS_DYNAMODB_WRITES_MAX];
    struct buffer answers[AWS_DYNAMODB_WRITES_MAX] = {0};
    ENSURE(num_writes <= AWS_DYNAMODB_WRITES_MAX, E_INTERNAL, "more than %d writes at once",
           AWS_DYNAMODB_WRITES_MAX);
    for (size_t i = 0; i < num_writes; i++) {
        writes[i].refused = false;
        calls[i] = (struct aws_call){.target = writes[i].operation,
                                     .body = {writes[i].body.data, writes[i].body.length},
                                     .answer = &answers[i],
                                     .answered = on_answer,
                                     .context = &writes[i],
                                     .outcome = {E_INTERNAL}};
    }
    result first = aws_client_call_many(client, calls, num_writes, credentials, deadline_ns);
    for (size_t i = 0; i < num_writes; i++) {
        keep(&writes[i], calls[i].outcome, calls[i].text);
        buffer_cleanup(&answers[i]);
    }
    for (size_t i = 0; i < num_writes; i++) {
        if (writes[i].outcome.code || !writes[i].refused || !writes[i].proof_name)
            continue;
        result r = read_back(client, &writes[i], table, credentials, deadline_ns);
        keep(&writes[i], r, error_text());
        first = first.code ? first : r;
    }
    return first;
}
