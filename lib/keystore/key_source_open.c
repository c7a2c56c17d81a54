/* key_source_open.c - one item of the list to one key: reads its files, decrypts. Runs on the
 * loader's worker threads; reads the item, changes nothing but the result. */
#include <string.h>

#include "base/file_io.h"
#include "keystore/key_sources.h"
#include "keystore/keystore_password.h"

enum { KEYSTORE_FILE_MAX = 16384 };

/* The first line without its end; E_INPUT when it is blank. */
static must_check result cut_to_first_line(struct secret *password)
{
    size_t length = strcspn((const char *)password->data, "\r\n");
    ENSURE(strspn((const char *)password->data, " \t") < length, E_INPUT,
           "password file: its first line is blank");
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

static must_check result open_raw(struct keystore *ret_keystore, const struct key_source *source)
{
    AUTO(keystore) opened = {0};
    result r = bls_public_key(opened.pubkey, source->raw.data);
    if (r.code)
        return error_prefix(r, "privateKey");
    TRY(secret_copy(&opened.secret, source->raw.data, source->raw.length));
    *ret_keystore = opened;
    opened = (struct keystore){0};
    return RESULT_OK;
}

static must_check result open_any(struct keystore *ret_keystore, const struct key_source *source,
                                  size_t max_kdf_memory)
{
    switch (source->kind) {
    case KEY_SOURCE_RAW:
        return open_raw(ret_keystore, source);
    case KEY_SOURCE_KEYSTORE:
        return open_keystore(ret_keystore, source, max_kdf_memory);
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
