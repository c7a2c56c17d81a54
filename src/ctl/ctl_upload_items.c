/* ctl_upload_items.c - keys upload --items: what keys generate has written, ciphertexts already.
 *
 * A key's item is uploaded as it is; web3signer_uuid "none" becomes the stack's. A batch may have more keys
 * than an item of DynamoDB holds: it is split, each part with the batch's data key; its keys are bound to the
 * batch's web3signer_uuid, which must be the stack's. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_kms.h"
#include "base/base64.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "ctl_upload.h"

enum { FILE_MAX = 32 << 20, FILES_MAX = 131072, VALUES_MAX = 64, WRITES_AT_ONCE = 64 };

void ctl_item_files_cleanup(struct ctl_upload *u)
{
    for (size_t i = 0; i < u->num_files; i++) {
        free(u->files[i].path);
        json_decref(u->files[i].document);
        buffer_cleanup(&u->files[i].blobs);
    }
    free(u->files);
}

/* scandir's list, owned. */
struct listing {
    struct dirent **entries;
    int num;
};

static void listing_cleanup(struct listing *l)
{
    for (int i = 0; i < l->num; i++)
        free(l->entries[i]);
    free(l->entries);
}

static int is_item_name(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0;
}

static must_check result check_base64(const struct json_view *item, const char *name)
{
    const char *text;
    size_t text_len, length;
    uint8_t bytes[AWS_KMS_CIPHERTEXT_MAX];
    TRY(json_get_text(&text, &text_len, item, name));
    result r = base64_decode(bytes, &length, sizeof bytes, text, text_len);
    if (!r.code && length == 0)
        r = error_set(E_INPUT, "must not be empty");
    return r.code ? json_blame(r, item, name) : r;
}

static must_check result check_uuid(const struct ctl_upload *u, const struct ctl_item_file *file)
{
    const char *uuid;
    TRY(json_get_text(&uuid, NULL, &file->view, "web3signer_uuid"));
    bool is_right =
        strcmp(uuid, u->table.uuid) == 0 || (!file->is_sealed && strcmp(uuid, CTL_UNASSIGNED) == 0);
    ENSURE(is_right, E_MISMATCH, "web3signer_uuid: is another than that of --stack or --uuid");
    return RESULT_OK;
}

static must_check result take_batch(struct ctl_upload *u, struct ctl_item_file *file)
{
    const char *text;
    size_t text_len, length = 0;
    struct ctl_upload_key key = {.number = (size_t)(file - u->files)};
    TRY(check_base64(&file->view, "encrypted_data_key_b64"));
    TRY(json_get_text(&text, &text_len, &file->view, "sealed_keys_b64"));
    TRY(buffer_reserve(&file->blobs, BASE64_DECODED_MAX(text_len) + 1));
    result r = base64_decode(file->blobs.data, &length, BASE64_DECODED_MAX(text_len), text, text_len);
    if (!r.code && (length == 0 || length % NITRO_SEALED_LEN != 0))
        r = error_set(E_INPUT, "must have a multiple of %d bytes", NITRO_SEALED_LEN);
    if (r.code)
        return json_blame(r, &file->view, "sealed_keys_b64");
    file->blobs.length = length;
    for (; key.blob < length / NITRO_SEALED_LEN; key.blob++) {
        memcpy(key.pubkey, file->blobs.data + key.blob * NITRO_SEALED_LEN, BLS_PUBKEY_LEN);
        TRY(ctl_upload_add(u, &key));
    }
    return RESULT_OK;
}

static must_check result take_key(struct ctl_upload *u, const struct ctl_item_file *file)
{
    struct ctl_upload_key key = {.number = (size_t)(file - u->files)};
    TRY(json_get_hex(key.pubkey, sizeof key.pubkey, &file->view, "pubkey"));
    TRY(check_base64(&file->view, "encrypted_key_password_mnemonic_b64"));
    return ctl_upload_add(u, &key);
}

static must_check result take_file(struct ctl_upload *u, struct ctl_item_file *file)
{
    AUTO(buffer) text = {0};
    bool active;
    TRY(file_read(&text, file->path, FILE_MAX));
    TRY(json_read(&file->document, (const char *)text.data, text.length, FILE_MAX, VALUES_MAX));
    TRY(json_view_root(&file->view, file->document));
    TRY(json_get_bool(&active, &file->view, "active"));
    TRY(check_uuid(u, file));
    return file->is_sealed ? take_batch(u, file) : take_key(u, file);
}

static must_check result list_folder(struct ctl_upload *u, const char *name, bool is_sealed)
{
    char folder[PATH_MAX];
    AUTO(listing) listing = {0};
    int length = snprintf(folder, sizeof folder, "%s/%s", u->options->items, name);
    ENSURE(length > 0 && (size_t)length < sizeof folder, E_INPUT, "--items: the path is too long");
    listing.num = scandir(folder, &listing.entries, is_item_name, alphasort);
    if (listing.num < 0 && errno == ENOENT) {
        listing.num = 0;
        return RESULT_OK;
    }
    ENSURE(listing.num >= 0, E_IO, "%s: %s", folder, strerror(errno));
    ENSURE(u->num_files + (size_t)listing.num <= FILES_MAX, E_TOO_LARGE, "--items: more than %d files",
           FILES_MAX);
    for (int i = 0; i < listing.num; i++) {
        struct ctl_item_file *file = &u->files[u->num_files];
        *file = (struct ctl_item_file){.is_sealed = is_sealed};
        ENSURE(asprintf(&file->path, "%s/%s", folder, listing.entries[i]->d_name) >= 0, E_MEMORY,
               "out of memory");
        u->num_files++;
        result r = take_file(u, file);
        if (r.code)
            return error_prefix(r, "%s", file->path);
    }
    return RESULT_OK;
}

result ctl_upload_items_list(struct ctl_upload *u)
{
    u->files = calloc(FILES_MAX, sizeof *u->files);
    ENSURE(u->files, E_MEMORY, "out of memory for the items");
    TRY(list_folder(u, "validators", false));
    return list_folder(u, "sealed", true);
}

/* What all items have; the rest is the caller's. */
static must_check result begin_item(struct ctl_new_item *item, const struct ctl_upload *u,
                                    const struct ctl_item_file *file)
{
    *item = (struct ctl_new_item){.uuid = u->table.uuid};
    TRY(json_get_bool(&item->active, &file->view, "active"));
    TRY(json_get_text_optional(&item->chain, NULL, &file->view, "chain"));
    return json_get_text_optional(&item->datetime, NULL, &file->view, "datetime");
}

static must_check result make_key_write(struct aws_dynamodb_write *ret_write, const struct ctl_upload *u,
                                        const struct ctl_upload_key *key)
{
    const struct ctl_item_file *file = &u->files[key->number];
    char name[CTL_PUBKEY_TEXT];
    struct ctl_new_item item;
    TRY(begin_item(&item, u, file));
    item.active = item.active && !ctl_upload_stays_inactive(key);
    hex_encode(name, key->pubkey, BLS_PUBKEY_LEN);
    item.name = name;
    TRY(json_get_text(&item.ciphertext, NULL, &file->view, "encrypted_key_password_mnemonic_b64"));
    TRY(json_get_text_optional(&item.deposit, NULL, &file->view, "deposit_json_b64"));
    if (key->old)
        return ctl_table_move(ret_write, &u->table, &item, key->old);
    return ctl_table_put(ret_write, &u->table, &item, key->taken);
}

/* Those of a batch's keys that are wanted, from *at on, in one item. */
static must_check result make_batch_write(struct aws_dynamodb_write *ret_write, const struct ctl_upload *u,
                                          size_t *at)
{
    const struct ctl_upload_key *first = &u->keys[*at];
    const struct ctl_item_file *file = &u->files[first->number];
    char name[CTL_SEALED_NAME_TEXT] = "sealed-";
    AUTO(buffer) blobs = {0};
    AUTO(buffer) text = {0};
    struct ctl_new_item item;
    TRY(begin_item(&item, u, file));
    hex_encode(name + strlen(name), first->pubkey, BLS_PUBKEY_LEN);
    item.name = name;
    for (size_t num = 0; *at < u->num_keys && num < CTL_SEALED_ITEM_KEYS; ++*at) {
        const struct ctl_upload_key *key = &u->keys[*at];
        if (key->number != first->number)
            break;
        if (key->fate != CTL_UPLOAD_WANTED)
            continue;
        TRY(buffer_append(&blobs, file->blobs.data + key->blob * NITRO_SEALED_LEN, NITRO_SEALED_LEN));
        num++;
    }
    TRY(base64_append(&text, blobs.data, blobs.length));
    item.sealed_keys = (const char *)text.data;
    TRY(json_get_text(&item.data_key, NULL, &file->view, "encrypted_data_key_b64"));
    return ctl_table_put(ret_write, &u->table, &item, NULL);
}

/* Writes under way, and the keys of each. */
struct writes {
    struct aws_dynamodb_write list[WRITES_AT_ONCE];
    size_t begin[WRITES_AT_ONCE], end[WRITES_AT_ONCE];
    size_t num;
};

static void writes_cleanup(struct writes *w)
{
    for (size_t i = 0; i < w->num; i++)
        aws_dynamodb_write_cleanup(&w->list[i]);
}

static must_check result make_writes(struct writes *w, const struct ctl_upload *u, size_t *at)
{
    size_t bytes = 0;
    while (*at < u->num_keys && w->num < WRITES_AT_ONCE && bytes < FILE_MAX) {
        if (u->keys[*at].fate != CTL_UPLOAD_WANTED) {
            ++*at;
            continue;
        }
        struct aws_dynamodb_write *write = &w->list[w->num];
        w->begin[w->num] = *at;
        if (u->files[u->keys[*at].number].is_sealed)
            TRY(make_batch_write(write, u, at));
        else
            TRY(make_key_write(write, u, &u->keys[(*at)++]));
        w->end[w->num++] = *at;
        bytes += write->body.length;
    }
    return RESULT_OK;
}

result ctl_upload_items_write(struct ctl_upload *u)
{
    for (size_t at = 0; at < u->num_keys;) {
        AUTO(writes) w = {.num = 0};
        TRY(make_writes(&w, u, &at));
        result r = ctl_table_write(&u->table, w.list, w.num);
        for (size_t i = 0; i < w.num; i++)
            for (size_t k = w.begin[i]; k < w.end[i]; k++)
                if (u->keys[k].fate == CTL_UPLOAD_WANTED)
                    ctl_upload_written(u, &u->keys[k], &w.list[i]);
        TRY(r);
        ctl_progress_tell(&u->progress, u->num_written);
    }
    return RESULT_OK;
}
