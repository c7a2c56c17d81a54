/* watchdog_collection.c - see watchdog_collection.h. Folders and tables find items in different ways; what
 * they find is checked and put together here. */
#include "watchdog_collection.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/hex.h"

enum {
    CIPHERTEXT_MAX = 6144,
    ALL_ITEMS_MAX = 23 << 20,
    SEALED_LEN = 108, /* of a key, its public key first (PROTOCOL.control, "Sealed keys") */
    KEYS_MAX = 131072 /* of an enclave */
};

void watchdog_items_cleanup(struct watchdog_items *items)
{
    buffer_cleanup(&items->encrypted_validator_keys);
    buffer_cleanup(&items->validator_pubkeys);
    buffer_cleanup(&items->sealed_validator_keys);
    buffer_cleanup(&items->encrypted_tls_key);
}

void watchdog_collection_cleanup(struct watchdog_collection *c)
{
    watchdog_items_cleanup(&c->items);
    buffer_cleanup(&c->pubkeys);
}

result watchdog_ciphertext_check(const char *text, size_t text_len)
{
    uint8_t ciphertext[CIPHERTEXT_MAX];
    size_t length;
    ENSURE(text_len <= BASE64_LENGTH(CIPHERTEXT_MAX), E_INPUT, "must have at most %d bytes", CIPHERTEXT_MAX);
    TRY(base64_decode(ciphertext, &length, sizeof ciphertext, text, text_len));
    ENSURE(length > 0, E_INPUT, "must not be empty");
    return RESULT_OK;
}

result watchdog_ciphertext(const char **ret_text, const struct json_view *item, const char *name)
{
    size_t text_len;
    TRY(json_get_text(ret_text, &text_len, item, name));
    result r = watchdog_ciphertext_check(*ret_text, text_len);
    return r.code ? json_blame(r, item, name) : r;
}

static must_check result check_size(const struct watchdog_items *items)
{
    ENSURE(items->encrypted_validator_keys.length + items->validator_pubkeys.length +
                   items->sealed_validator_keys.length <
               ALL_ITEMS_MAX,
           E_TOO_LARGE, "the items are longer than the %d bytes that one init message holds", ALL_ITEMS_MAX);
    return RESULT_OK;
}

result watchdog_collect_key(struct watchdog_collection *c, const uint8_t pubkey[static WATCHDOG_PUBKEY_LEN],
                            const char *ciphertext)
{
    struct buffer *list = &c->items.encrypted_validator_keys, *pubkeys = &c->items.validator_pubkeys;
    static const uint8_t none[WATCHDOG_PUBKEY_LEN];
    char digits[2 * WATCHDOG_PUBKEY_LEN + 1];
    /* The enclave would refuse all keys over it. */
    ENSURE(memcmp(pubkey, none, sizeof none) != 0, E_INPUT, "pubkey: must not be zero");
    TRY(buffer_append(&c->pubkeys, pubkey, WATCHDOG_PUBKEY_LEN));
    TRY(buffer_append_text(list, list->length ? "," : "["));
    TRY(json_append_quoted(list, ciphertext));
    hex_encode(digits, pubkey, WATCHDOG_PUBKEY_LEN);
    TRY(buffer_printf(pubkeys, "%s\"%s\"", pubkeys->length ? "," : "[", digits));
    c->items.num_keys++;
    return check_size(&c->items);
}

static must_check result keep_pubkeys(struct watchdog_collection *c, const char *text, size_t text_len)
{
    AUTO(buffer) blobs = {0};
    size_t length = 0;
    TRY(buffer_reserve(&blobs, BASE64_DECODED_MAX(text_len)));
    TRY(base64_decode(blobs.data, &length, BASE64_DECODED_MAX(text_len), text, text_len));
    ENSURE(length > 0 && length % SEALED_LEN == 0 && length / SEALED_LEN <= KEYS_MAX, E_INPUT,
           "must have from 1 to %d times %d bytes", KEYS_MAX, SEALED_LEN);
    for (size_t at = 0; at < length; at += SEALED_LEN)
        TRY(buffer_append(&c->pubkeys, blobs.data + at, WATCHDOG_PUBKEY_LEN));
    c->items.num_keys += length / SEALED_LEN;
    return RESULT_OK;
}

result watchdog_collect_batch(struct watchdog_collection *c, const struct watchdog_batch *batch)
{
    TRY(keep_pubkeys(c, batch->keys, batch->keys_len));
    struct buffer *list = &c->items.sealed_validator_keys;
    TRY(buffer_append_text(list, list->length ? ",{\"web3signer_uuid\":" : "[{\"web3signer_uuid\":"));
    TRY(json_append_quoted(list, batch->web3signer_uuid));
    TRY(buffer_append_text(list, ",\"encrypted_data_key\":"));
    TRY(json_append_quoted(list, batch->encrypted_data_key));
    TRY(buffer_append_text(list, ",\"keys\":"));
    TRY(json_append_quoted(list, batch->keys));
    TRY(buffer_append_text(list, "}"));
    c->items.num_batches++;
    return check_size(&c->items);
}

result watchdog_collect_tls(struct watchdog_collection *c, const char *ciphertext)
{
    ENSURE(c->num_tls++ == 0, E_INPUT, "key_id: there must be exactly one TLS item");
    return buffer_append_text(&c->items.encrypted_tls_key, ciphertext);
}

static int compare_pubkeys(const void *a, const void *b)
{
    return memcmp(a, b, WATCHDOG_PUBKEY_LEN);
}

static must_check result check_pubkeys(struct buffer *pubkeys, const char *where)
{
    size_t num = pubkeys->length / WATCHDOG_PUBKEY_LEN;
    ENSURE(num > 0, E_INPUT, "%s: no active key", where);
    qsort(pubkeys->data, num, WATCHDOG_PUBKEY_LEN, compare_pubkeys);
    for (const uint8_t *at = pubkeys->data; --num > 0; at += WATCHDOG_PUBKEY_LEN) {
        char text[2 * WATCHDOG_PUBKEY_LEN + 3];
        hex_encode_0x(text, at, WATCHDOG_PUBKEY_LEN);
        ENSURE(memcmp(at, at + WATCHDOG_PUBKEY_LEN, WATCHDOG_PUBKEY_LEN) != 0, E_INPUT,
               "%s: pubkey: %s is there twice", where, text);
    }
    return RESULT_OK;
}

result watchdog_collection_end(struct watchdog_items *ret_items, struct watchdog_collection *c,
                               const char *where)
{
    struct buffer *plain = &c->items.encrypted_validator_keys, *sealed = &c->items.sealed_validator_keys;
    struct buffer *pubkeys = &c->items.validator_pubkeys;
    TRY(check_pubkeys(&c->pubkeys, where));
    ENSURE(c->num_tls == 1, E_INPUT, "%s: there must be exactly one TLS item", where);
    TRY(buffer_append_text(plain, plain->length ? "]" : "[]"));
    TRY(buffer_append_text(pubkeys, pubkeys->length ? "]" : "[]"));
    if (sealed->length)
        TRY(buffer_append_text(sealed, "]"));
    *ret_items = c->items;
    c->items = (struct watchdog_items){0};
    return RESULT_OK;
}
