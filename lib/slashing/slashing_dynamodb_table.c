/* slashing_dynamodb_table.c - the table itself, made once by the operator's tool. Deletion protection,
 * backups and alarms are infrastructure's, which may as well make the table beforehand. */
#include <poll.h>
#include <string.h>

#include "slashing/slashing_dynamodb_private.h"

enum { POLL_MS = 250, POLLS_MAX = 240 };

#define SERVICE "DynamoDB_20120810."

static result create_answered(struct aws_call *call, bool *ret_again)
{
    (void)ret_again;
    bool is_there = strcmp(call->error.type, "ResourceInUseException") == 0;
    *(bool *)call->context = !is_there;
    return call->status == 200 || is_there ? RESULT_OK : aws_error_result(&call->error, call->status);
}

static must_check result create(struct slashing_dynamodb *store, bool *ret_created)
{
    AUTO(buffer) body = {0};
    AUTO(buffer) answer = {0};
    TRY(buffer_printf(&body,
                      "{\"TableName\":\"%s\",\"BillingMode\":\"PAY_PER_REQUEST\","
                      "\"KeySchema\":[{\"AttributeName\":\"pk\",\"KeyType\":\"HASH\"}],"
                      "\"AttributeDefinitions\":[{\"AttributeName\":\"pk\",\"AttributeType\":\"S\"}]}",
                      store->table));
    struct aws_call call = {.target = SERVICE "CreateTable",
                            .body = {body.data, body.length},
                            .answer = &answer,
                            .answered = create_answered,
                            .context = ret_created};
    return slashing_dynamodb_call(store, &call, 1);
}

static must_check result check_key(const struct json_view *table)
{
    struct json_view keys, key, types, type;
    const char *name, *kind;
    TRY(json_get_array(&keys, table, "KeySchema", 2));
    TRY(json_element_object(&key, &keys, 0));
    TRY(json_get_text(&name, NULL, &key, "AttributeName"));
    bool right = json_array_size(keys.value) == 1 && strcmp(name, "pk") == 0;
    TRY(json_get_array(&types, table, "AttributeDefinitions", 100));
    for (size_t i = 0; right && i < json_array_size(types.value); i++) {
        TRY(json_element_object(&type, &types, i));
        TRY(json_get_text(&name, NULL, &type, "AttributeName"));
        TRY(json_get_text(&kind, NULL, &type, "AttributeType"));
        right = strcmp(name, "pk") != 0 || strcmp(kind, "S") == 0;
    }
    ENSURE(right, E_MISMATCH, "there is such a table, but its key is not pk, a string");
    return RESULT_OK;
}

static must_check result describe(struct slashing_dynamodb *store, bool *ret_active)
{
    AUTO(buffer) body = {0};
    AUTO(buffer) answer = {0};
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view, table;
    const char *status;
    TRY(buffer_printf(&body, "{\"TableName\":\"%s\"}", store->table));
    TRY(slashing_dynamodb_ask(store, &answer, SERVICE "DescribeTable", &body));
    TRY(json_read(&root, (const char *)answer.data, answer.length, DYNAMODB_ANSWER_MAX, DYNAMODB_VALUES_MAX));
    TRY(json_view_root(&view, root));
    TRY(json_get_object(&table, &view, "Table"));
    TRY(check_key(&table));
    TRY(json_get_text(&status, NULL, &table, "TableStatus"));
    *ret_active = strcmp(status, "ACTIVE") == 0 || strcmp(status, "UPDATING") == 0;
    return RESULT_OK;
}

/* DynamoDB tells nobody that a table is ready: asking is the one way to know. */
static must_check result wait_until_active(struct slashing_dynamodb *store)
{
    for (int i = 0; i < POLLS_MAX; i++) {
        bool active = false;
        result r = describe(store, &active);
        if (active || (r.code && r.code != E_NOT_FOUND)) /* a new table may not be seen everywhere yet */
            return r;
        (void)poll(NULL, 0, POLL_MS);
    }
    FAIL(E_TIMEOUT, "is not ready after a minute");
}

result slashing_dynamodb_create_table(struct slashing_store *base, bool *ret_created)
{
    struct slashing_dynamodb *store = dynamodb_of(base);
    bool created = false;
    result r = create(store, &created);
    if (!r.code)
        r = wait_until_active(store);
    if (r.code)
        return error_prefix(r, "DynamoDB table %s", store->table);
    *ret_created = created;
    return RESULT_OK;
}
