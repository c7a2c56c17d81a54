/* fuzz_dynamodb.c - the slashing-protection table: items, and what the service answers. An item that is
 * accepted, written again, is accepted as the same entry or head. Whatever the service says, an advance is
 * done or a conflict, never both, and without an answer neither; entries and heads that are handed on have
 * the one form that they are sealed in.
 *
 * An input that begins with '{' is an item; another first byte says which call is made. */
#include "aws_answers.h"
#include "fuzz.h"
#include "slashing/slashing_codec.h"
#include "slashing/slashing_dynamodb_private.h"

enum { KEYS = 3 };

static void check_entry(const struct slashing_entry *entry)
{
    uint8_t bytes[SLASHING_ENTRY_BYTES];
    struct slashing_entry again;
    slashing_entry_encode(bytes, entry);
    PROMISE(slashing_entry_decode(&again, bytes).code == 0 && slashing_dynamodb_entry_equal(entry, &again));
}

static void check_head(const struct slashing_head *head)
{
    uint8_t bytes[SLASHING_HEAD_BYTES], bytes_again[SLASHING_HEAD_BYTES];
    struct slashing_head again;
    slashing_head_encode(bytes, head);
    PROMISE(slashing_head_decode(&again, bytes).code == 0);
    slashing_head_encode(bytes_again, &again);
    PROMISE(memcmp(bytes, bytes_again, sizeof bytes) == 0);
}

static void read_written(json_t **ret_root, struct json_view *ret_view, const struct buffer *text)
{
    PROMISE(
        json_read(ret_root, (const char *)text->data, text->length, text->length, DYNAMODB_VALUES_MAX).code ==
        0);
    PROMISE(json_view_root(ret_view, *ret_root).code == 0);
}

static void try_entry(const struct json_view *item)
{
    struct slashing_entry entry, again;
    uint8_t pubkey[48], pubkey_again[48];
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    if (!fuzz_accepted(slashing_dynamodb_key_parse(pubkey, item)) ||
        !fuzz_accepted(slashing_dynamodb_entry_parse(&entry, item)))
        return;
    check_entry(&entry);
    PROMISE(slashing_dynamodb_entry_append(&text, pubkey, &entry).code == 0);
    read_written(&root, &view, &text);
    PROMISE(slashing_dynamodb_key_parse(pubkey_again, &view).code == 0 &&
            memcmp(pubkey, pubkey_again, 48) == 0);
    PROMISE(slashing_dynamodb_entry_parse(&again, &view).code == 0 &&
            slashing_dynamodb_entry_equal(&entry, &again));
}

static void try_head(const struct json_view *item)
{
    struct slashing_head head, again;
    char token[DYNAMODB_TOKEN_LEN + 1], token_again[DYNAMODB_TOKEN_LEN + 1];
    uint8_t bytes[SLASHING_HEAD_BYTES], bytes_again[SLASHING_HEAD_BYTES];
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    if (!fuzz_accepted(slashing_dynamodb_head_parse(&head, token, item)))
        return;
    check_head(&head);
    PROMISE(slashing_dynamodb_head_append(&text, &head, token).code == 0);
    read_written(&root, &view, &text);
    PROMISE(slashing_dynamodb_head_parse(&again, token_again, &view).code == 0 &&
            strcmp(token, token_again) == 0);
    slashing_head_encode(bytes, &head);
    slashing_head_encode(bytes_again, &again);
    PROMISE(memcmp(bytes, bytes_again, sizeof bytes) == 0);
}

static void try_item(const char *text, size_t length)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view item;
    if (!fuzz_accepted(json_read(&root, text, length, length, DYNAMODB_VALUES_MAX)) ||
        !fuzz_accepted(json_view_root(&item, root)))
        return;
    try_entry(&item);
    try_head(&item);
}

static result visit(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    (void)context, (void)pubkey;
    check_entry(entry);
    return RESULT_OK;
}

static void try_advance(struct slashing_store *store)
{
    struct slashing_advance advances[KEYS] = {0};
    for (size_t i = 0; i < KEYS; i++) {
        memset(advances[i].pubkey, (int)(0xa0 + i), 48);
        advances[i].next = (struct slashing_record){.has_block = true, .block_slot = 7 + i};
    }
    bool all = fuzz_accepted(slashing_store_advance(store, advances, KEYS));
    for (size_t i = 0; i < KEYS; i++) {
        PROMISE(!(advances[i].done && advances[i].conflict));
        PROMISE(!all || advances[i].done || advances[i].conflict);
        if (advances[i].conflict)
            check_entry(&advances[i].found);
    }
}

static void try_call(struct slashing_store *store, uint8_t which)
{
    uint8_t pubkeys[KEYS][48];
    struct slashing_entry entries[KEYS];
    struct slashing_head head, next;
    for (size_t i = 0; i < KEYS; i++)
        memset(pubkeys[i], (int)(0xa0 + i), 48);
    switch (which % 4) {
    case 0:
        if (fuzz_accepted(slashing_store_head(store, &head)))
            check_head(&head);
        break;
    case 1:
        if (fuzz_accepted(slashing_store_load_many(store, entries, (const uint8_t(*)[48])pubkeys, KEYS)))
            for (size_t i = 0; i < KEYS; i++)
                check_entry(&entries[i]);
        break;
    case 2:
        (void)fuzz_accepted(slashing_store_scan(store, visit, NULL));
        break;
    default:
        try_advance(store);
        if (!fuzz_accepted(slashing_store_head(store, &head)))
            break;
        next = head;
        next.generation++;
        (void)fuzz_accepted(slashing_store_set_head(store, &head, &next, NULL, 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slashing_store *store = NULL;
    static struct buffer authorities;
    const struct slashing_dynamodb_config config = {.region = "us-east-1",
                                                    .table = "table",
                                                    .ca_pem = &authorities,
                                                    .account =
                                                        size && data[0] & 0x40 ? "111122223333" : NULL};
    if (size < 1)
        return 0;
    fuzz_forget_reason();
    if (data[0] == '{') {
        try_item((const char *)data, size);
        return 0;
    }
    if (!authorities.length)
        PROMISE(buffer_append_text(&authorities, "-").code == 0);
    PROMISE(slashing_dynamodb_open(&store, &config).code == 0);
    PROMISE(slashing_dynamodb_set_credentials(store, aws_answers_credentials()).code == 0);
    aws_answers_begin(data + 1, size - 1, aws_error_read);
    try_call(store, data[0]);
    slashing_store_close(store);
    return 0;
}
