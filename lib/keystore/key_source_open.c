/* key_source_open.c - one item of the list to one key: reads its files, decrypts. Runs on the
 * loader's worker threads; reads the item, changes nothing but the result. */
#include <string.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "base/secret_text.h"
#include "keystore/key_sources.h"
#include "keystore/keystore_password.h"

enum { KEYSTORE_FILE_MAX = 16384 };

/* The first line without its end; E_INPUT when it is blank. */
static must_check result cut_to_first_line(struct secret *password)
{
    size_t length = secret_line_length(password);
    ENSURE(!secret_is_blank(password->data, length), E_INPUT, "password file: its first line is blank");
    secret_truncate(password, length);
    return RESULT_OK;
}

static must_check result read_password(struct secret *ret_password, const struct key_source *source)
{
    AUTO(secret) password = {0};
    TRY(secret_read_file(&password, source->password_path, KEYSTORE_PASSWORD_MAX));
    switch (source->password) {
    case KEY_SOURCE_FIRST_LINE:
        TRY(cut_to_first_line(&password));
        break;
    case KEY_SOURCE_WHOLE_FILE:
        break;
    }
    *ret_password = password;
    password = (struct secret){0};
    return RESULT_OK;
}

static must_check result open_keystore(struct keystore *ret_keystore, const struct key_source *source,
                                       size_t max_kdf_memory)
{
    AUTO(buffer) json = {0};
    AUTO(secret) password = {0};
    TRY(file_read(&json, source->keystore_path, KEYSTORE_FILE_MAX));
    TRY(read_password(&password, source));
    return keystore_decrypt(ret_keystore, (const char *)json.data, json.length, password.data,
                            password.length, max_kdf_memory);
}

/* raw is wiped by its owner. */
static must_check result open_raw(struct keystore *ret_keystore, const struct secret *raw)
{
    AUTO(keystore) opened = {0};
    TRY(bls_public_key(opened.pubkey, raw->data));
    TRY(secret_copy(&opened.secret, raw->data, raw->length));
    *ret_keystore = opened;
    opened = (struct keystore){0};
    return RESULT_OK;
}

static must_check result take_raw(struct keystore *ret_keystore, const struct key_source *source,
                                  const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    TRY(secret_copy(&ret_keystore->secret, source->raw.data, source->raw.length));
    memcpy(ret_keystore->pubkey, pubkey, BLS_PUBKEY_LEN);
    return RESULT_OK;
}

result key_sources_open_raw(struct keystore *ret_keystores, const struct key_source *const *sources,
                            size_t num, const struct bls_fixed_base *base)
{
    const uint8_t *secrets[KEY_SOURCES_RAW_MAX];
    uint8_t pubkeys[KEY_SOURCES_RAW_MAX][BLS_PUBKEY_LEN];
    ENSURE(num >= 1 && num <= KEY_SOURCES_RAW_MAX, E_INTERNAL, "%zu raw keys together", num);
    for (size_t i = 0; i < num; i++) {
        ENSURE(sources[i]->kind == KEY_SOURCE_RAW, E_INTERNAL, "not a raw key");
        secrets[i] = sources[i]->raw.data;
    }
    TRY(bls_fixed_base_public_keys(base, pubkeys[0], secrets, num));
    result r = RESULT_OK;
    size_t taken = 0;
    for (; taken < num && !r.code; taken++) {
        ret_keystores[taken] = (struct keystore){0};
        r = take_raw(&ret_keystores[taken], sources[taken], pubkeys[taken]);
    }
    while (r.code && taken > 0)
        keystore_cleanup(&ret_keystores[--taken]);
    return r;
}

result key_source_parse(struct keystore *ret_keystore, const char *text, size_t text_len)
{
    AUTO(secret) raw = {0};
    while (text_len > 0 && secret_is_blank(text + text_len - 1, 1))
        text_len--;
    for (; text_len > 0 && secret_is_blank(text, 1); text++)
        text_len--;
    TRY(secret_new(&raw, BLS_SECRET_LEN));
    TRY(hex_decode(raw.data, BLS_SECRET_LEN, text, text_len));
    return open_raw(ret_keystore, &raw);
}

static must_check result open_any(struct keystore *ret_keystore, const struct key_source *source,
                                  size_t max_kdf_memory)
{
    switch (source->kind) {
    case KEY_SOURCE_RAW: {
        result r = open_raw(ret_keystore, &source->raw);
        return r.code ? error_prefix(r, "privateKey") : r;
    }
    case KEY_SOURCE_KEYSTORE:
        return open_keystore(ret_keystore, source, max_kdf_memory);
    case KEY_SOURCE_AWS:
    case KEY_SOURCE_VAULT:
        FAIL(E_STATE, "another server has this key");
    case KEY_SOURCE_BROKEN:
        return error_set(source->error, "%s", source->failure);
    }
    FAIL(E_INTERNAL, "no such kind of key source");
}

result key_source_open(struct keystore *ret_keystore, const struct key_source *source, size_t max_kdf_memory)
{
    result r = open_any(ret_keystore, source, max_kdf_memory);
    return r.code ? error_prefix(r, "%s", source->origin) : r;
}
