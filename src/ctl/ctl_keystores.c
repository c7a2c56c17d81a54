/* ctl_keystores.c - see ctl_keystores.h. What KMS encrypts is the file as it is, and the password without the
 * newline that editors put behind it: tools differ in what they make of one. */
#include "ctl_keystores.h"

#include <stdlib.h>
#include <string.h>

#include "aws/aws_kms.h"
#include "base/file_io.h"
#include "ctl_key_maker.h"
#include "keystore/keystore_password.h"

result ctl_keystore_options_check(const struct ctl_keystore_options *o, struct ctl_call *call)
{
    TRY(ctl_require(call, o->folder, "keystores-path"));
    call->is_usage_error = !o->passwords == !o->password_file;
    ENSURE(!call->is_usage_error, E_INPUT,
           "one of --keystores-passwords-path and --keystores-password-file: required with --keystores-path");
    return RESULT_OK;
}

result ctl_keystores_list(struct key_sources *ret_keystores, const struct ctl_keystore_options *o)
{
    AUTO(key_sources) found = {0};
    result r = key_sources_add_keystores(&found, o->folder, o->passwords, o->password_file);
    if (r.code)
        return error_prefix(r, "--keystores-path");
    ENSURE(found.num_items > 0, E_NOT_FOUND, "--keystores-path: there is no keystore");
    *ret_keystores = found;
    found = (struct key_sources){0};
    return RESULT_OK;
}

result ctl_keystore_read(struct buffer *json, struct secret *ret_password, const struct key_source *source)
{
    AUTO(secret) password = {0};
    if (source->kind == KEY_SOURCE_BROKEN)
        return error_set(source->error, "%s", source->failure);
    TRY(file_read(json, source->keystore_path, CTL_KEYSTORE_FILE_MAX));
    TRY(secret_read_file(&password, source->password_path, KEYSTORE_PASSWORD_MAX));
    size_t length = password.length;
    while (length > 0 && (password.data[length - 1] == '\n' || password.data[length - 1] == '\r'))
        length--;
    secret_truncate(&password, length);
    *ret_password = password;
    password = (struct secret){0};
    return RESULT_OK;
}

result ctl_keystore_open(struct keystore *ret_keystore, struct buffer *json, struct secret *ret_password,
                         const struct key_source *source)
{
    TRY(ctl_keystore_read(json, ret_password, source));
    return keystore_decrypt(ret_keystore, (const char *)json->data, json->length, ret_password->data,
                            ret_password->length, CTL_KDF_MEMORY_MAX);
}

result ctl_keystore_encode(struct secret *ret_plaintext, const struct buffer *json,
                           const struct secret *password)
{
    AUTO(secret) plaintext = {0};
    TRY(ctl_key_plaintext(&plaintext, json, password));
    ENSURE(plaintext.length <= AWS_KMS_PLAINTEXT_MAX, E_TOO_LARGE,
           "keystore and password are %zu bytes, and KMS encrypts at most %d: take blanks out of the file",
           plaintext.length, AWS_KMS_PLAINTEXT_MAX);
    *ret_plaintext = plaintext;
    plaintext = (struct secret){0};
    return RESULT_OK;
}

result ctl_keystore_plaintext(struct secret *ret_plaintext, uint8_t ret_pubkey[static BLS_PUBKEY_LEN],
                              const struct key_source *source)
{
    AUTO(buffer) json = {0};
    AUTO(secret) password = {0};
    AUTO(keystore) keystore = {0};
    TRY(ctl_keystore_open(&keystore, &json, &password, source));
    TRY(ctl_keystore_encode(ret_plaintext, &json, &password));
    memcpy(ret_pubkey, keystore.pubkey, BLS_PUBKEY_LEN);
    return RESULT_OK;
}
