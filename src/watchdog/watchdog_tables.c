/* watchdog_tables.c - see watchdog_tables.h. What the enclave does not need (deposit data, chain, date) is
 * not even brought: items of older tools may lack it. */
#include "watchdog_tables.h"

#include <string.h>

#include "aws/aws_dynamodb_query.h"
#include "base/hex.h"
#include "base/log.h"

enum { PAGE_ITEMS = 200, TLS_VALUES_MAX = 64 };

#define CIPHERTEXT "encrypted_key_password_mnemonic_b64"
#define SEALED "sealed_keys_b64"
#define DATA_KEY "encrypted_data_key_b64"

struct reading {
    const struct watchdog_tables *tables;
    struct watchdog_collection collection;
};

static void reading_cleanup(struct reading *r)
{
    watchdog_collection_cleanup(&r->collection);
}

static must_check result get_ciphertext(const char **ret_text, const struct json_view *item, const char *name)
{
    size_t length;
    TRY(aws_dynamodb_text(ret_text, &length, item, name));
    result r = watchdog_ciphertext_check(*ret_text, length);
    return r.code ? json_blame(r, item, name) : r;
}

static must_check result take_batch(struct reading *reading, const struct json_view *item)
{
    struct watchdog_batch batch = {.web3signer_uuid = reading->tables->stack_uuid};
    TRY(get_ciphertext(&batch.encrypted_data_key, item, DATA_KEY));
    TRY(aws_dynamodb_text(&batch.keys, &batch.keys_len, item, SEALED));
    result r = watchdog_collect_batch(&reading->collection, &batch);
    return r.code ? json_blame(r, item, SEALED) : r;
}

static must_check result take_key(struct reading *reading, const struct json_view *item, const char *key)
{
    uint8_t pubkey[WATCHDOG_PUBKEY_LEN];
    const char *ciphertext;
    const char *digits = strncmp(key, "0x", 2) == 0 ? key + 2 : key;
    result r = hex_decode(pubkey, sizeof pubkey, digits, strlen(digits));
    if (r.code)
        return json_blame(r, item, "pubkey");
    TRY(get_ciphertext(&ciphertext, item, CIPHERTEXT));
    return watchdog_collect_key(&reading->collection, pubkey, ciphertext);
}

static must_check result take_item(struct reading *reading, const struct json_view *item, const char *key)
{
    bool active;
    TRY(aws_dynamodb_truth(&active, item, "active"));
    if (active)
        return json_has(item, SEALED) ? take_batch(reading, item) : take_key(reading, item, key);
    reading->collection.items.num_inactive++;
    return RESULT_OK;
}

static result on_item(void *context, const struct json_view *item)
{
    struct reading *reading = context;
    const char *key = "without a pubkey";
    result r = aws_dynamodb_text(&key, NULL, item, "pubkey");
    if (!r.code)
        r = take_item(reading, item, key);
    if (r.code != E_INPUT)
        return r;
    log_error("table %s: item %.100s: %s: this key is left out until the item is mended",
              reading->tables->validators, key, error_text());
    reading->collection.items.num_refused++;
    return RESULT_OK;
}

static must_check result parse_tls(struct reading *reading, const struct buffer *answer)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, item;
    const char *ciphertext;
    TRY(json_read(&document, (const char *)answer->data, answer->length, AWS_DYNAMODB_PAGE_RESPONSE_MAX,
                  TLS_VALUES_MAX));
    TRY(json_view_root(&root, document));
    ENSURE(json_has(&root, "Item"), E_NOT_FOUND,
           "there is no TLS key (key_id 1): the Lambda's operation set_tls_key makes one");
    TRY(json_get_object(&item, &root, "Item"));
    TRY(get_ciphertext(&ciphertext, &item, "encrypted_tls_key_b64"));
    return watchdog_collect_tls(&reading->collection, ciphertext);
}

static must_check result read_tls(struct reading *reading, struct aws_client *client,
                                  const struct aws_credentials *credentials, uint64_t deadline_ns)
{
    AUTO(buffer) body = {0};
    AUTO(buffer) answer = {0};
    TRY(buffer_append_text(&body, "{\"TableName\":"));
    TRY(json_append_quoted(&body, reading->tables->tls));
    TRY(buffer_append_text(&body, ",\"ConsistentRead\":true,\"Key\":{\"key_id\":{\"N\":\"1\"}},"
                                  "\"ProjectionExpression\":\"encrypted_tls_key_b64\"}"));
    struct aws_call call = {
        .target = "DynamoDB_20120810.GetItem", .body = {body.data, body.length}, .answer = &answer};
    TRY(aws_client_call_many(client, &call, 1, credentials, deadline_ns));
    return parse_tls(reading, &answer);
}

result watchdog_tables_read(struct watchdog_items *ret_items, const struct watchdog_tables *tables,
                            struct aws_client *client, const struct aws_credentials *credentials,
                            uint64_t deadline_ns)
{
    static const char *const attributes[] = {"pubkey", "active", CIPHERTEXT, SEALED, DATA_KEY};
    const struct aws_dynamodb_query query = {.table = tables->validators,
                                             .partition_key = "web3signer_uuid",
                                             .partition = tables->stack_uuid,
                                             .attributes = attributes,
                                             .num_attributes = ARRAY_LENGTH(attributes),
                                             .page_items = PAGE_ITEMS};
    AUTO(reading) reading = {.tables = tables};
    AUTO(buffer) where = {0};
    result r = aws_dynamodb_query(client, credentials, &query, deadline_ns, on_item, &reading);
    if (r.code)
        return error_prefix(r, "table %s", tables->validators);
    r = read_tls(&reading, client, credentials, deadline_ns);
    if (r.code)
        return error_prefix(r, "table %s", tables->tls);
    TRY(buffer_printf(&where, "table %s, web3signer_uuid %s", tables->validators, tables->stack_uuid));
    return watchdog_collection_end(ret_items, &reading.collection, (const char *)where.data);
}
