/* watchdog_items.c - every file is read, or the whole set is refused with the file's name.
 *
 * A watchdog that skipped what it cannot read would start a signer with a key missing, and
 * the operator would learn of it from missed duties. */
#include "watchdog_items.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "json/json.h"

enum {
    ITEM_MAX = 64 * 1024,
    ITEM_VALUES_MAX = 64,
    CIPHERTEXT_MAX = 6144,
    PUBKEY_LEN = 48,
    ALL_ITEMS_MAX = 15 << 20,
    SEALED_LEN = 108, /* of a key, its public key first (PROTOCOL.control section 8) */
    SEALED_MAX = 10000,
    SEALED_ITEM_MAX = 2 << 20
};

void watchdog_items_cleanup(struct watchdog_items *items)
{
    buffer_cleanup(&items->encrypted_validator_keys);
    buffer_cleanup(&items->sealed_validator_keys);
    buffer_cleanup(&items->encrypted_tls_key);
}

/* What one file says, as far as the watchdog needs it; texts belong to the parsed document. */
struct validator_item {
    uint8_t pubkey[PUBKEY_LEN];
    const char *ciphertext;
    bool active;
};

/* Everything read so far. */
struct reading {
    struct watchdog_items items;
    struct buffer pubkeys; /* of active keys, one behind the other: they are sorted at the end */
    size_t num_tls;
};

static void reading_cleanup(struct reading *r)
{
    watchdog_items_cleanup(&r->items);
    buffer_cleanup(&r->pubkeys);
}

/* A member that is base64 of a KMS ciphertext. */
static must_check result get_ciphertext(const char **ret_text, const struct json_view *item, const char *name)
{
    uint8_t ciphertext[CIPHERTEXT_MAX];
    size_t text_len, length;
    TRY(json_get_text(ret_text, &text_len, item, name));
    result r = base64_decode(ciphertext, &length, sizeof ciphertext, *ret_text, text_len);
    if (!r.code && length == 0)
        r = error_set(E_INPUT, "must not be empty");
    return r.code ? json_blame(r, item, name) : r;
}

static must_check result parse_validator(struct validator_item *ret_item, const json_t *document)
{
    struct json_view item;
    const char *ignored;
    TRY(json_view_root(&item, document));
    TRY(json_get_hex(ret_item->pubkey, PUBKEY_LEN, &item, "pubkey"));
    TRY(get_ciphertext(&ret_item->ciphertext, &item, "encrypted_key_password_mnemonic_b64"));
    TRY(json_get_bool(&ret_item->active, &item, "active"));
    /* The others are the operator's; present and of their type, so that a damaged item is noticed. */
    TRY(json_get_text(&ignored, NULL, &item, "web3signer_uuid"));
    TRY(json_get_text(&ignored, NULL, &item, "chain"));
    TRY(json_get_text(&ignored, NULL, &item, "datetime"));
    return json_get_text(&ignored, NULL, &item, "deposit_json_b64");
}

static must_check result add_validator(struct reading *reading, const json_t *document)
{
    struct validator_item item;
    TRY(parse_validator(&item, document));
    if (!item.active) {
        reading->items.num_inactive++;
        return RESULT_OK;
    }
    TRY(buffer_append(&reading->pubkeys, item.pubkey, PUBKEY_LEN));
    struct buffer *list = &reading->items.encrypted_validator_keys;
    TRY(buffer_append_text(list, list->length ? "," : "["));
    TRY(json_append_quoted(list, item.ciphertext));
    reading->items.num_keys++;
    ENSURE(list->length < ALL_ITEMS_MAX, E_TOO_LARGE, "more items than one init message holds");
    return RESULT_OK;
}

static must_check result keep_pubkeys(struct reading *reading, const char *text, size_t text_len)
{
    AUTO(buffer) blobs = {0};
    size_t length = 0;
    TRY(buffer_reserve(&blobs, BASE64_DECODED_MAX(text_len)));
    TRY(base64_decode(blobs.data, &length, BASE64_DECODED_MAX(text_len), text, text_len));
    ENSURE(length > 0 && length % SEALED_LEN == 0 && length / SEALED_LEN <= SEALED_MAX, E_INPUT,
           "must have from 1 to %d times %d bytes", SEALED_MAX, SEALED_LEN);
    for (size_t at = 0; at < length; at += SEALED_LEN)
        TRY(buffer_append(&reading->pubkeys, blobs.data + at, PUBKEY_LEN));
    reading->items.num_keys += length / SEALED_LEN;
    return RESULT_OK;
}

static must_check result append_batch(struct buffer *list, const char *uuid, const char *data_key,
                                      const char *keys)
{
    TRY(buffer_append_text(list, list->length ? ",{\"web3signer_uuid\":" : "[{\"web3signer_uuid\":"));
    TRY(json_append_quoted(list, uuid));
    TRY(buffer_append_text(list, ",\"encrypted_data_key\":"));
    TRY(json_append_quoted(list, data_key));
    TRY(buffer_append_text(list, ",\"keys\":"));
    TRY(json_append_quoted(list, keys));
    return buffer_append_text(list, "}");
}

static must_check result add_sealed(struct reading *reading, const json_t *document)
{
    struct json_view item;
    const char *uuid, *data_key, *keys, *ignored;
    size_t keys_len;
    bool active;
    TRY(json_view_root(&item, document));
    TRY(json_get_text(&uuid, NULL, &item, "web3signer_uuid"));
    TRY(get_ciphertext(&data_key, &item, "encrypted_data_key_b64"));
    TRY(json_get_text(&keys, &keys_len, &item, "sealed_keys_b64"));
    TRY(json_get_bool(&active, &item, "active"));
    TRY(json_get_text(&ignored, NULL, &item, "chain"));
    TRY(json_get_text(&ignored, NULL, &item, "datetime"));
    if (!active) {
        reading->items.num_inactive++;
        return RESULT_OK;
    }
    result r = keep_pubkeys(reading, keys, keys_len);
    if (r.code)
        return json_blame(r, &item, "sealed_keys_b64");
    struct buffer *list = &reading->items.sealed_validator_keys;
    TRY(append_batch(list, uuid, data_key, keys));
    reading->items.num_batches++;
    ENSURE(list->length + reading->items.encrypted_validator_keys.length < ALL_ITEMS_MAX, E_TOO_LARGE,
           "more items than one init message holds");
    return RESULT_OK;
}

static int compare_pubkeys(const void *a, const void *b)
{
    return memcmp(a, b, PUBKEY_LEN);
}

static must_check result check_pubkeys(struct buffer *pubkeys, const char *directory)
{
    size_t num = pubkeys->length / PUBKEY_LEN;
    ENSURE(num > 0, E_INPUT, "%s: no active key in validators or sealed", directory);
    qsort(pubkeys->data, num, PUBKEY_LEN, compare_pubkeys);
    for (const uint8_t *at = pubkeys->data; --num > 0; at += PUBKEY_LEN) {
        char text[2 * PUBKEY_LEN + 3];
        hex_encode_0x(text, at, PUBKEY_LEN);
        ENSURE(memcmp(at, at + PUBKEY_LEN, PUBKEY_LEN) != 0, E_INPUT, "%s: pubkey: %s is there twice",
               directory, text);
    }
    return RESULT_OK;
}

static must_check result add_tls(struct reading *reading, const json_t *document)
{
    struct json_view item;
    const char *ciphertext, *certificate;
    uint64_t key_id;
    TRY(json_view_root(&item, document));
    TRY(json_get_u64(&key_id, &item, "key_id"));
    TRY(get_ciphertext(&ciphertext, &item, "encrypted_tls_key_b64"));
    TRY(json_get_text(&certificate, NULL, &item, "cert_pem"));
    ENSURE(reading->num_tls++ == 0, E_INPUT, "key_id: there must be exactly one TLS item");
    return buffer_append_text(&reading->items.encrypted_tls_key, ciphertext);
}

static must_check result add_file(struct reading *reading, const char *path,
                                  result (*add)(struct reading *, const json_t *))
{
    size_t max = add == add_sealed ? SEALED_ITEM_MAX : ITEM_MAX;
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_t) document = NULL;
    TRY(file_read(&text, path, max));
    result r = json_read(&document, (const char *)text.data, text.length, max, ITEM_VALUES_MAX);
    if (!r.code)
        r = add(reading, document);
    return r.code ? error_prefix(r, "%s", path) : r;
}

static int is_item(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0;
}

/* The names of a folder's items, sorted. */
struct names {
    struct dirent **entries;
    int count;
};

static void names_cleanup(struct names *n)
{
    for (int i = 0; i < n->count; i++)
        free(n->entries[i]);
    free(n->entries);
}

static must_check result add_folder(struct reading *reading, const char *directory, const char *name,
                                    result (*add)(struct reading *, const json_t *))
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--items: the path is too long");
    AUTO(names) names = {0};
    names.count = scandir(path, &names.entries, is_item, alphasort);
    if (names.count < 0 && errno == ENOENT && add != add_tls)
        return RESULT_OK;
    ENSURE(names.count >= 0, E_NOT_FOUND, "%s: %s", path, strerror(errno));
    for (int i = 0; i < names.count; i++) {
        length = snprintf(path, sizeof path, "%s/%s/%s", directory, name, names.entries[i]->d_name);
        ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--items: a path is too long");
        TRY(add_file(reading, path, add));
    }
    return RESULT_OK;
}

result watchdog_items_read(struct watchdog_items *ret_items, const char *directory)
{
    AUTO(reading) reading = {0};
    struct buffer *plain = &reading.items.encrypted_validator_keys,
                  *sealed = &reading.items.sealed_validator_keys;
    TRY(add_folder(&reading, directory, "validators", add_validator));
    TRY(add_folder(&reading, directory, "sealed", add_sealed));
    TRY(check_pubkeys(&reading.pubkeys, directory));
    TRY(buffer_append_text(plain, plain->length ? "]" : "[]"));
    if (sealed->length)
        TRY(buffer_append_text(sealed, "]"));
    TRY(add_folder(&reading, directory, "tls", add_tls));
    ENSURE(reading.num_tls == 1, E_INPUT, "%s/tls: there must be exactly one TLS item", directory);
    *ret_items = reading.items;
    reading.items = (struct watchdog_items){0};
    return RESULT_OK;
}
