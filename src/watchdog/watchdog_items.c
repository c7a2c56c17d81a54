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

#include "base/file_io.h"
#include "json/json.h"

enum { ITEM_MAX = 64 * 1024, ITEM_VALUES_MAX = 64, SEALED_ITEM_MAX = 20 << 20 };

/* What one file says, as far as the watchdog needs it; texts belong to the parsed document. */
struct validator_item {
    uint8_t pubkey[WATCHDOG_PUBKEY_LEN];
    const char *ciphertext;
    bool active;
};

static must_check result parse_validator(struct validator_item *ret_item, const json_t *document)
{
    struct json_view item;
    const char *ignored;
    TRY(json_view_root(&item, document));
    TRY(json_get_hex(ret_item->pubkey, WATCHDOG_PUBKEY_LEN, &item, "pubkey"));
    TRY(watchdog_ciphertext(&ret_item->ciphertext, &item, "encrypted_key_password_mnemonic_b64"));
    TRY(json_get_bool(&ret_item->active, &item, "active"));
    /* The others are the operator's; present and of their type, so that a damaged item is noticed. */
    TRY(json_get_text(&ignored, NULL, &item, "web3signer_uuid"));
    TRY(json_get_text(&ignored, NULL, &item, "chain"));
    TRY(json_get_text(&ignored, NULL, &item, "datetime"));
    return json_get_text(&ignored, NULL, &item, "deposit_json_b64");
}

static must_check result add_validator(struct watchdog_collection *collection, const json_t *document)
{
    struct validator_item item;
    TRY(parse_validator(&item, document));
    if (item.active)
        return watchdog_collect_key(collection, item.pubkey, item.ciphertext);
    collection->items.num_inactive++;
    return RESULT_OK;
}

static must_check result add_sealed(struct watchdog_collection *collection, const json_t *document)
{
    struct json_view item;
    struct watchdog_batch batch;
    const char *ignored;
    bool active;
    TRY(json_view_root(&item, document));
    TRY(json_get_text(&batch.web3signer_uuid, NULL, &item, "web3signer_uuid"));
    TRY(watchdog_ciphertext(&batch.encrypted_data_key, &item, "encrypted_data_key_b64"));
    TRY(json_get_text(&batch.keys, &batch.keys_len, &item, "sealed_keys_b64"));
    TRY(json_get_bool(&active, &item, "active"));
    TRY(json_get_text(&ignored, NULL, &item, "chain"));
    TRY(json_get_text(&ignored, NULL, &item, "datetime"));
    if (!active) {
        collection->items.num_inactive++;
        return RESULT_OK;
    }
    result r = watchdog_collect_batch(collection, &batch);
    return r.code ? json_blame(r, &item, "sealed_keys_b64") : r;
}

static must_check result add_tls(struct watchdog_collection *collection, const json_t *document)
{
    struct json_view item;
    const char *ciphertext, *certificate;
    uint64_t key_id;
    TRY(json_view_root(&item, document));
    TRY(json_get_u64(&key_id, &item, "key_id"));
    TRY(watchdog_ciphertext(&ciphertext, &item, "encrypted_tls_key_b64"));
    TRY(json_get_text(&certificate, NULL, &item, "cert_pem"));
    return watchdog_collect_tls(collection, ciphertext);
}

static must_check result add_file(struct watchdog_collection *collection, const char *path,
                                  result (*add)(struct watchdog_collection *, const json_t *))
{
    size_t max = add == add_sealed ? SEALED_ITEM_MAX : ITEM_MAX;
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_t) document = NULL;
    TRY(file_read(&text, path, max));
    result r = json_read(&document, (const char *)text.data, text.length, max, ITEM_VALUES_MAX);
    if (!r.code)
        r = add(collection, document);
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

static must_check result add_folder(struct watchdog_collection *collection, const char *directory,
                                    const char *name,
                                    result (*add)(struct watchdog_collection *, const json_t *))
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
        TRY(add_file(collection, path, add));
    }
    return RESULT_OK;
}

result watchdog_items_read(struct watchdog_items *ret_items, const char *directory)
{
    AUTO(watchdog_collection) collection = {0};
    TRY(add_folder(&collection, directory, "validators", add_validator));
    TRY(add_folder(&collection, directory, "sealed", add_sealed));
    TRY(add_folder(&collection, directory, "tls", add_tls));
    return watchdog_collection_end(ret_items, &collection, directory);
}
