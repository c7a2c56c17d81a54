/* ctl_key_table.c - see ctl_key_table.h.
 *
 * Whether a key is some other stack's is found out by reading the whole table, sealed batches included, and
 * not by asking for it: the table's key begins with the stack, and a sealed key has no item of its own.
 * Rejected: a secondary index, which is read eventually and knows no sealed keys, and an item for each key
 * that says whose it is, which tables of the system before ours do not have. A Scan of 10,000 items costs
 * less than a cent. */
#include "ctl_key_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_dynamodb_query.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "nitro/nitro_sealed.h"

#define UUID "web3signer_uuid"
#define CIPHERTEXT "encrypted_key_password_mnemonic_b64"
#define DATA_KEY "encrypted_data_key_b64"
#define SEALED_KEYS "sealed_keys_b64"

enum {
    PAGE_ITEMS = 1000,
    CONNECTIONS = 16,
    ATTEMPT_MS = 20000, /* an item of 400 KB over a slow line */
    DEADLINE_MS = 120000,
    READ_ATTEMPTS = 8,
    SEALED_ITEM_MAX = 400 * 1024,
    ATTRIBUTES_MAX = 10,
    NS_PER_MS = 1000000
};

void ctl_table_cleanup(struct ctl_table *table)
{
    for (size_t i = 0; i < table->num_items; i++) {
        free(table->items[i].uuid);
        free(table->items[i].name);
        free(table->items[i].chain);
        free(table->items[i].datetime);
    }
    free(table->items);
    free(table->keys);
    *table = (struct ctl_table){0};
}

void ctl_table_client_cleanup(struct ctl_table_client *client)
{
    aws_client_close(client->client);
    aws_client_close(client->reader);
}

result ctl_table_open(struct ctl_table_client *ret_client, struct ctl_aws *aws, struct ctl_call *call,
                      const struct ctl_table_options *o)
{
    AUTO(ctl_table_client) client = {.aws = aws, .table = o->table, .uuid = o->uuid};
    struct ctl_aws_service service = ctl_aws_dynamodb;
    struct net_address via;
    service.attempt_timeout_ms = ATTEMPT_MS;
    service.attempts = READ_ATTEMPTS;
    if (o->via) {
        TRY(ctl_address(&via, call, o->via, "dynamodb-via"));
        service.via = &via;
    }
    if (!client.table)
        TRY(ctl_aws_output(&client.table, aws, call, "ValidatorKeysTableName"));
    if (!client.uuid && aws->stack_name)
        TRY(ctl_aws_stack_uuid(&client.uuid, aws, call));
    result r = client.uuid ? nitro_sealed_check_uuid(client.uuid, strlen(client.uuid)) : RESULT_OK;
    call->is_usage_error = r.code != 0;
    if (r.code)
        return error_prefix(r, "--uuid");
    r = aws_dynamodb_table_check(client.table);
    call->is_usage_error = r.code != 0;
    if (r.code)
        return error_prefix(r, "--table");
    TRY(ctl_aws_client(&client.reader, aws, &service));
    service.connections = CONNECTIONS;
    service.until_deadline = true;
    TRY(ctl_aws_client(&client.client, aws, &service));
    *ret_client = client;
    client = (struct ctl_table_client){0};
    return RESULT_OK;
}

/* ---- reading ---- */

static must_check result add_key(struct ctl_table *table, const uint8_t *pubkey)
{
    if (table->num_keys == table->keys_capacity) {
        size_t capacity = table->keys_capacity ? 2 * table->keys_capacity : 256;
        struct ctl_table_key *larger = reallocarray(table->keys, capacity, sizeof *larger);
        ENSURE(larger, E_MEMORY, "out of memory for %zu keys", capacity);
        table->keys = larger;
        table->keys_capacity = capacity;
    }
    struct ctl_table_key *key = &table->keys[table->num_keys++];
    memcpy(key->pubkey, pubkey, BLS_PUBKEY_LEN);
    key->item = table->num_items - 1;
    table->items[key->item].num_keys++;
    return RESULT_OK;
}

static must_check result add_item(struct ctl_table *table)
{
    if (table->num_items == table->items_capacity) {
        size_t capacity = table->items_capacity ? 2 * table->items_capacity : 256;
        struct ctl_table_item *larger = reallocarray(table->items, capacity, sizeof *larger);
        ENSURE(larger, E_MEMORY, "out of memory for %zu items", capacity);
        table->items = larger;
        table->items_capacity = capacity;
    }
    table->items[table->num_items++] = (struct ctl_table_item){0};
    return RESULT_OK;
}

static must_check result take_text(char **ret_text, const struct json_view *item, const char *name)
{
    const char *text = "";
    /* What is no text is none: such an item is the operator's to look at, and may not end a list. */
    if (json_has(item, name) && aws_dynamodb_text(&text, NULL, item, name).code)
        text = "";
    *ret_text = strdup(text);
    ENSURE(*ret_text, E_MEMORY, "out of memory");
    return RESULT_OK;
}

static must_check result take_batch(struct ctl_table *table, const struct json_view *item)
{
    AUTO(buffer) blobs = {0};
    const char *text;
    size_t text_len, length = 0;
    TRY(aws_dynamodb_text(&text, &text_len, item, SEALED_KEYS));
    ENSURE(text_len <= SEALED_ITEM_MAX, E_INPUT, "is larger than an item can be");
    TRY(buffer_reserve(&blobs, BASE64_DECODED_MAX(text_len) + 1));
    TRY(base64_decode(blobs.data, &length, BASE64_DECODED_MAX(text_len), text, text_len));
    ENSURE(length > 0 && length % NITRO_SEALED_LEN == 0, E_INPUT, "must have a multiple of %d bytes",
           NITRO_SEALED_LEN);
    for (size_t at = 0; at < length; at += NITRO_SEALED_LEN)
        TRY(add_key(table, blobs.data + at));
    return RESULT_OK;
}

static must_check result take_key(struct ctl_table *table, const char *name)
{
    uint8_t pubkey[BLS_PUBKEY_LEN];
    TRY(hex_decode(pubkey, sizeof pubkey, name, strlen(name)));
    return add_key(table, pubkey);
}

static result on_item(void *context, const struct json_view *item)
{
    struct ctl_table *table = context;
    TRY(add_item(table));
    struct ctl_table_item *added = &table->items[table->num_items - 1];
    TRY(take_text(&added->uuid, item, UUID));
    TRY(take_text(&added->name, item, "pubkey"));
    TRY(take_text(&added->chain, item, "chain"));
    TRY(take_text(&added->datetime, item, "datetime"));
    added->is_sealed = json_has(item, SEALED_KEYS);
    result r = added->is_sealed ? take_batch(table, item) : take_key(table, added->name);
    added = &table->items[table->num_items - 1];
    if (!r.code && aws_dynamodb_truth(&added->active, item, "active").code)
        r = (result){E_INPUT};
    added->is_damaged = r.code == E_INPUT;
    return added->is_damaged ? RESULT_OK : r;
}

static int compare_keys(const void *a, const void *b)
{
    const struct ctl_table_key *left = a, *right = b;
    int order = memcmp(left->pubkey, right->pubkey, BLS_PUBKEY_LEN);
    return order ? order : left->item < right->item ? -1 : left->item > right->item;
}

result ctl_table_read(struct ctl_table *ret_table, const struct ctl_table_client *c, const char *uuid)
{
    static const char *const attributes[] = {UUID, "pubkey", "chain", "datetime", "active", SEALED_KEYS};
    AUTO(ctl_table) table = {0};
    const struct aws_dynamodb_query query = {.table = c->table,
                                             .partition_key = UUID,
                                             .partition = uuid,
                                             .attributes = attributes,
                                             .num_attributes = ARRAY_LENGTH(attributes),
                                             .page_items = PAGE_ITEMS};
    result r = aws_dynamodb_query(c->reader, &c->aws->credentials, &query, 0, on_item, &table);
    if (r.code)
        return error_prefix(r, "table %s", c->table);
    if (table.num_keys)
        qsort(table.keys, table.num_keys, sizeof *table.keys, compare_keys);
    *ret_table = table;
    table = (struct ctl_table){0};
    return RESULT_OK;
}

const struct ctl_table_key *ctl_table_find(const struct ctl_table *table,
                                           const uint8_t pubkey[static BLS_PUBKEY_LEN],
                                           const struct ctl_table_key *previous)
{
    size_t low = previous ? (size_t)(previous - table->keys) + 1 : 0;
    for (size_t high = table->num_keys; !previous && low < high;) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(table->keys[middle].pubkey, pubkey, BLS_PUBKEY_LEN) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_it = low < table->num_keys && memcmp(table->keys[low].pubkey, pubkey, BLS_PUBKEY_LEN) == 0;
    return is_it ? &table->keys[low] : NULL;
}

/* ---- writing ---- */

uint64_t ctl_table_deadline(void)
{
    return clock_monotonic_ns() + (uint64_t)DEADLINE_MS * NS_PER_MS;
}

struct attributes {
    struct aws_dynamodb_attribute list[ATTRIBUTES_MAX];
    size_t num;
};

static void add(struct attributes *a, const char *name, const char *type, const char *text)
{
    if (text)
        a->list[a->num++] = (struct aws_dynamodb_attribute){name, type, text};
}

static void list_attributes(struct attributes *a, const struct ctl_new_item *item)
{
    a->num = 0;
    add(a, UUID, "S", item->uuid);
    add(a, "pubkey", "S", item->name);
    add(a, "chain", "S", item->chain);
    add(a, "datetime", "S", item->datetime);
    add(a, "active", "BOOL", item->active ? "true" : "false");
    add(a, CIPHERTEXT, "S", item->ciphertext);
    add(a, "deposit_json_b64", "S", item->deposit);
    add(a, DATA_KEY, "S", item->data_key);
    add(a, SEALED_KEYS, "S", item->sealed_keys);
}

/* KMS encrypts no two times alike: who reads back this ciphertext reads what we wrote. */
static const char *proof_of(const struct ctl_new_item *item)
{
    return item->ciphertext ? CIPHERTEXT : SEALED_KEYS;
}

/* One that was inactive when it was looked at, and is being switched on now, is about to sign. */
static struct aws_dynamodb_seen seen_of(const struct ctl_table_item *item)
{
    return (struct aws_dynamodb_seen){"active", !item->is_damaged, item->active};
}

result ctl_table_put(struct aws_dynamodb_write *ret_write, const struct ctl_table_client *client,
                     const struct ctl_new_item *item, const struct ctl_table_item *old)
{
    struct attributes a;
    struct aws_dynamodb_seen seen = {0};
    if (old)
        seen = seen_of(old);
    list_attributes(&a, item);
    return aws_dynamodb_write_put(ret_write, client->table, a.list, a.num, proof_of(item),
                                  old ? &seen : NULL);
}

result ctl_table_move(struct aws_dynamodb_write *ret_write, const struct ctl_table_client *client,
                      const struct ctl_new_item *item, const struct ctl_table_item *old)
{
    struct attributes a;
    const struct aws_dynamodb_attribute old_key[] = {{UUID, "S", old->uuid}, {"pubkey", "S", old->name}};
    struct aws_dynamodb_seen seen = seen_of(old);
    list_attributes(&a, item);
    return aws_dynamodb_write_move(ret_write, client->table, a.list, a.num, proof_of(item), old_key, &seen);
}

result ctl_table_write(const struct ctl_table_client *c, struct aws_dynamodb_write *writes, size_t num_writes)
{
    result r = aws_dynamodb_write_all(c->client, writes, num_writes, c->table, &c->aws->credentials,
                                      ctl_table_deadline());
    return r.code ? error_prefix(r, "table %s", c->table) : r;
}
