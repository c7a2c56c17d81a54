/* slashing_dynamodb_read.c - entries by key, a hundred a call and many calls at once, and the whole table.
 *
 * All reads are consistent. BatchGetItem answers in any order, refuses a key twice, and may leave keys for
 * later: keys are sorted and made unique first, and each call goes on until all its keys were processed. */
#include <stdlib.h>
#include <string.h>

#include "slashing/slashing_dynamodb_private.h"

enum { KEYS_PER_CALL = 100 };

#define SERVICE "DynamoDB_20120810."

struct wanted {
    uint8_t pubkey[48];
    bool asked; /* in the call's latest body */
    bool found;
    struct slashing_entry entry;
};

/* One call, for num_wanted neighbours of the sorted list. */
struct batch {
    const struct slashing_dynamodb *store;
    struct wanted *wanted;
    size_t num_wanted;
    struct buffer body, answer;
};

struct load {
    struct wanted *wanted; /* ascending, unique */
    size_t num_wanted;
    struct batch *batches;
    struct aws_call *calls;
    size_t num_batches;
};

static void load_cleanup(struct load *load)
{
    for (size_t i = 0; load->batches && i < load->num_batches; i++) {
        buffer_cleanup(&load->batches[i].body);
        buffer_cleanup(&load->batches[i].answer);
    }
    free(load->batches);
    free(load->calls);
    free(load->wanted);
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(((const struct wanted *)a)->pubkey, ((const struct wanted *)b)->pubkey, 48);
}

static struct wanted *find(struct wanted *sorted, size_t num, const uint8_t pubkey[static 48])
{
    struct wanted key;
    memcpy(key.pubkey, pubkey, sizeof key.pubkey);
    return bsearch(&key, sorted, num, sizeof *sorted, compare_keys);
}

/* A body that asks for the keys marked asked. */
static must_check result write_body(struct batch *batch)
{
    bool any = false;
    buffer_consume(&batch->body, batch->body.length);
    TRY(buffer_printf(&batch->body, "{\"RequestItems\":{\"%s\":{\"ConsistentRead\":true,\"Keys\":[",
                      batch->store->table));
    for (size_t i = 0; i < batch->num_wanted; i++) {
        char pk[DYNAMODB_KEY_LEN + 1];
        if (!batch->wanted[i].asked)
            continue;
        slashing_dynamodb_key(pk, batch->wanted[i].pubkey);
        TRY(buffer_printf(&batch->body, "%s{\"pk\":{\"S\":\"%s\"}}", any ? "," : "", pk));
        any = true;
    }
    return buffer_append_text(&batch->body, "]}}}");
}

/* The wanted one whose key item has: E_PEER when it was not asked for. */
static must_check result identify(struct batch *batch, struct wanted **ret_wanted,
                                  const struct json_view *item)
{
    uint8_t pubkey[48];
    TRY(slashing_dynamodb_key_parse(pubkey, item));
    struct wanted *wanted = find(batch->wanted, batch->num_wanted, pubkey);
    ENSURE(wanted && wanted->asked && !wanted->found, E_PEER, "an item that was not asked for");
    *ret_wanted = wanted;
    return RESULT_OK;
}

static must_check result take_items(struct batch *batch, const struct json_view *root)
{
    struct json_view tables, items, item;
    TRY(json_get_object(&tables, root, "Responses"));
    if (!json_has(&tables, batch->store->table))
        return RESULT_OK; /* none was processed */
    TRY(json_get_array(&items, &tables, batch->store->table, batch->num_wanted));
    for (size_t i = 0; i < json_array_size(items.value); i++) {
        struct wanted *wanted;
        char pk[DYNAMODB_KEY_LEN + 1];
        TRY(json_element_object(&item, &items, i));
        TRY(identify(batch, &wanted, &item));
        slashing_dynamodb_key(pk, wanted->pubkey);
        result r = slashing_dynamodb_entry_parse(&wanted->entry, &item);
        if (r.code)
            return error_prefix(r, "%s", pk);
        wanted->found = true;
    }
    return RESULT_OK;
}

/* What is left over is asked for again, and nothing else. */
static must_check result take_unprocessed(struct batch *batch, bool *ret_any, const struct json_view *root)
{
    struct json_view tables, table, keys, key;
    for (size_t i = 0; i < batch->num_wanted; i++)
        batch->wanted[i].asked = !batch->wanted[i].found && batch->wanted[i].asked;
    if (!json_has(root, "UnprocessedKeys"))
        return RESULT_OK;
    TRY(json_get_object(&tables, root, "UnprocessedKeys"));
    if (json_object_size(tables.value) == 0)
        return RESULT_OK;
    TRY(json_get_object(&table, &tables, batch->store->table));
    TRY(json_get_array(&keys, &table, "Keys", batch->num_wanted));
    struct wanted *left[KEYS_PER_CALL];
    size_t num_left = json_array_size(keys.value);
    ENSURE(num_left > 0, E_PEER, "UnprocessedKeys: must not be empty");
    for (size_t i = 0; i < num_left; i++) {
        TRY(json_element_object(&key, &keys, i));
        TRY(identify(batch, &left[i], &key));
    }
    for (size_t i = 0; i < batch->num_wanted; i++)
        batch->wanted[i].asked = false;
    for (size_t i = 0; i < num_left; i++)
        left[i]->asked = true;
    *ret_any = true;
    return RESULT_OK;
}

static result batch_answered(struct aws_call *call, bool *ret_again)
{
    struct batch *batch = call->context;
    bool is_left = false;
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    if (call->status != 200)
        return aws_error_result(&call->error, call->status);
    TRY(json_read(&root, (const char *)call->answer->data, call->answer->length, DYNAMODB_ANSWER_MAX,
                  DYNAMODB_VALUES_MAX));
    TRY(json_view_root(&view, root));
    TRY(take_items(batch, &view));
    TRY(take_unprocessed(batch, &is_left, &view));
    if (!is_left)
        return RESULT_OK;
    TRY(write_body(batch));
    call->body = (struct cursor){batch->body.data, batch->body.length};
    *ret_again = true; /* now that there is a body for it */
    FAIL(E_PEER, "keys were left unprocessed");
}

static must_check result load_prepare(struct load *load, const struct slashing_dynamodb *store,
                                      const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    load->wanted = calloc(num_pubkeys, sizeof *load->wanted);
    ENSURE(load->wanted, E_MEMORY, "out of memory for %zu entries", num_pubkeys);
    for (size_t i = 0; i < num_pubkeys; i++)
        memcpy(load->wanted[i].pubkey, pubkeys[i], 48);
    qsort(load->wanted, num_pubkeys, sizeof *load->wanted, compare_keys);
    for (size_t i = 0; i < num_pubkeys; i++)
        if (i == 0 || compare_keys(&load->wanted[i], &load->wanted[load->num_wanted - 1]) != 0)
            load->wanted[load->num_wanted++] = load->wanted[i];
    load->num_batches = (load->num_wanted + KEYS_PER_CALL - 1) / KEYS_PER_CALL;
    load->batches = calloc(load->num_batches, sizeof *load->batches);
    load->calls = calloc(load->num_batches, sizeof *load->calls);
    ENSURE(load->batches && load->calls, E_MEMORY, "out of memory for %zu calls", load->num_batches);
    for (size_t i = 0; i < load->num_batches; i++) {
        struct batch *batch = &load->batches[i];
        size_t first = i * KEYS_PER_CALL, left = load->num_wanted - first;
        batch->store = store;
        batch->wanted = load->wanted + first;
        batch->num_wanted = left < KEYS_PER_CALL ? left : KEYS_PER_CALL;
        for (size_t j = 0; j < batch->num_wanted; j++)
            batch->wanted[j].asked = true;
        TRY(write_body(batch));
        load->calls[i] = (struct aws_call){.target = SERVICE "BatchGetItem",
                                           .body = {batch->body.data, batch->body.length},
                                           .answer = &batch->answer,
                                           .answered = batch_answered,
                                           .context = batch};
    }
    return RESULT_OK;
}

static must_check result check_found(const struct slashing_dynamodb *store, const struct load *load)
{
    for (size_t i = 0; i < load->num_wanted; i++) {
        char pk[DYNAMODB_KEY_LEN + 1];
        slashing_dynamodb_key(pk, load->wanted[i].pubkey);
        ENSURE(load->wanted[i].found, E_STORE,
               "DynamoDB table %s has no record of %s: it was never enrolled, or the table was damaged",
               store->table, pk);
    }
    return RESULT_OK;
}

result slashing_dynamodb_load_many(struct slashing_dynamodb *store, struct slashing_entry *ret_entries,
                                   const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    AUTO(load) load = {0};
    if (num_pubkeys == 0)
        return RESULT_OK;
    TRY(load_prepare(&load, store, pubkeys, num_pubkeys));
    result r = slashing_dynamodb_call(store, load.calls, load.num_batches);
    if (r.code)
        return slashing_dynamodb_failure(store, r);
    TRY(check_found(store, &load));
    for (size_t i = 0; i < num_pubkeys; i++)
        ret_entries[i] = find(load.wanted, load.num_wanted, pubkeys[i])->entry;
    return RESULT_OK;
}

enum { ITEMS_PER_PAGE = 1000 };

/* A page asks for what comes behind the last key of the one before; "" at first. */
static must_check result ask_page(struct slashing_dynamodb *store, json_t **ret_root, const char *after)
{
    AUTO(buffer) body = {0};
    AUTO(buffer) answer = {0};
    TRY(buffer_printf(&body, "{\"TableName\":\"%s\",\"ConsistentRead\":true,\"Limit\":%d", store->table,
                      ITEMS_PER_PAGE));
    if (after[0])
        TRY(buffer_printf(&body, ",\"ExclusiveStartKey\":{\"pk\":{\"S\":\"%s\"}}", after));
    TRY(buffer_append_text(&body, "}"));
    TRY(slashing_dynamodb_ask(store, &answer, SERVICE "Scan", &body));
    return json_read(ret_root, (const char *)answer.data, answer.length, DYNAMODB_ANSWER_MAX,
                     DYNAMODB_VALUES_MAX);
}

static must_check result read_last_key(char out[static DYNAMODB_KEY_LEN + 1], const struct json_view *page)
{
    struct json_view last, value;
    const char *text;
    size_t text_len;
    out[0] = 0;
    if (!json_has(page, "LastEvaluatedKey"))
        return RESULT_OK;
    TRY(json_get_object(&last, page, "LastEvaluatedKey"));
    TRY(json_get_object(&value, &last, "pk"));
    TRY(json_get_text(&text, &text_len, &value, "S"));
    ENSURE(strcmp(text, "store") == 0 ||
               (text_len == DYNAMODB_KEY_LEN && strspn(text, "0123456789abcdefx") == text_len),
           E_PEER, "LastEvaluatedKey: is no key of ours");
    memcpy(out, text, text_len + 1);
    return RESULT_OK;
}

static must_check result read_item(struct slashing_entry *ret_entry, uint8_t ret_pubkey[static 48],
                                   bool *ret_is_head, const struct json_view *item)
{
    struct json_view value;
    const char *text;
    TRY(json_get_object(&value, item, "pk"));
    TRY(json_get_text(&text, NULL, &value, "S"));
    *ret_is_head = strcmp(text, "store") == 0;
    if (*ret_is_head)
        return RESULT_OK;
    TRY(slashing_dynamodb_key_parse(ret_pubkey, item));
    return slashing_dynamodb_entry_parse(ret_entry, item);
}

struct page {
    uint8_t pubkeys[ITEMS_PER_PAGE][48];
    struct slashing_entry entries[ITEMS_PER_PAGE];
    size_t num;
    char last[DYNAMODB_KEY_LEN + 1]; /* "": there is no page after this one */
};

static must_check result read_page(struct page *page, struct slashing_dynamodb *store)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view, items, item;
    TRY(ask_page(store, &root, page->last));
    TRY(json_view_root(&view, root));
    TRY(json_get_array(&items, &view, "Items", ITEMS_PER_PAGE));
    page->num = 0;
    for (size_t i = 0; i < json_array_size(items.value); i++) {
        bool is_head = false;
        TRY(json_element_object(&item, &items, i));
        TRY(read_item(&page->entries[page->num], page->pubkeys[page->num], &is_head, &item));
        page->num += !is_head;
    }
    return read_last_key(page->last, &view);
}

static void page_free(struct page **page)
{
    free(*page);
}

result slashing_dynamodb_scan(struct slashing_dynamodb *store, slashing_visit *visit, void *context)
{
    __attribute__((cleanup(page_free))) struct page *page = calloc(1, sizeof *page);
    ENSURE(page, E_MEMORY, "out of memory for a page");
    do { /* a page may be empty and yet not be the last */
        result r = read_page(page, store);
        if (r.code)
            return slashing_dynamodb_failure(store, r);
        for (size_t i = 0; i < page->num; i++)
            TRY(visit(context, page->pubkeys[i], &page->entries[i]));
    } while (page->last[0]);
    return RESULT_OK;
}
