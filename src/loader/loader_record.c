/* loader_record.c - the plaintexts that the KMS envelopes carry. Their format has no integrity
 * protection: who relays an envelope can garble it, so everything behind the decryption is
 * parsed as hostile, and errors name members, never contents. Content that does not decrypt, as its padding
 * shows, and content that nothing can be made of fail with one sentence: told apart, they would tell whoever
 * sends changed envelopes and reads the log one byte of a record after the other. Members we do not know are
 * ignored: their tools write a mnemonic, for which this process has no use. */
#include "loader_record.h"

#include <string.h>

#include "base/base64.h"
#include "ipc/ipc.h"
#include "nitro/nitro_envelope.h"
#include "json/json.h"

enum { RECORD_VALUES_MAX = 16 };

/* The two members that either kind of record has. */
struct sealed_pair {
    struct secret content, password;
};

static void sealed_pair_cleanup(struct sealed_pair *pair)
{
    secret_cleanup(&pair->content);
    secret_cleanup(&pair->password);
}

static must_check result decode(struct secret *ret_bytes, const char *text, size_t text_len)
{
    AUTO(secret) bytes = {0};
    size_t length = 0;
    TRY(secret_new(&bytes, BASE64_DECODED_MAX(text_len)));
    TRY(base64_decode(bytes.data, &length, bytes.length, text, text_len));
    secret_truncate(&bytes, length);
    *ret_bytes = bytes;
    bytes = (struct secret){0};
    return RESULT_OK;
}

static must_check result take_member(struct secret *ret_bytes, const struct json_view *record,
                                     const char *name)
{
    const char *text;
    size_t text_len;
    TRY(json_get_text(&text, &text_len, record, name));
    result r = decode(ret_bytes, text, text_len);
    return r.code ? json_blame(r, record, name) : r;
}

/* Like content that does not decrypt. */
static must_check result read_content(json_t **ret_root, struct json_view *ret_record,
                                      const struct secret *plaintext)
{
    result r = json_read(ret_root, (const char *)plaintext->data, plaintext->length, ENVELOPE_PLAINTEXT_MAX,
                         RECORD_VALUES_MAX);
    if (!r.code)
        r = json_view_root(ret_record, *ret_root);
    ENSURE(!r.code || r.code == E_MEMORY, E_AUTH, ENVELOPE_UNREADABLE);
    return r;
}

static must_check result take_members(struct sealed_pair *pair, const struct json_view *record,
                                      const char *content_name, const char *password_name)
{
    TRY(take_member(&pair->content, record, content_name));
    return take_member(&pair->password, record, password_name);
}

static must_check result parse(struct sealed_pair *ret_pair, const struct secret *plaintext,
                               const char *content_name, const char *password_name)
{
    AUTO_POINTER(json_t) root = NULL;
    AUTO(sealed_pair) pair = {0};
    struct json_view record;
    TRY(read_content(&root, &record, plaintext));
    result r = take_members(&pair, &record, content_name, password_name);
    if (r.code)
        return error_prefix(r, "record");
    *ret_pair = pair;
    pair = (struct sealed_pair){0};
    return RESULT_OK;
}

static must_check result open_pair(struct sealed_pair *ret_pair, EVP_PKEY *recipient_key,
                                   const uint8_t *envelope, size_t envelope_len, const char *content_name,
                                   const char *password_name)
{
    AUTO(secret) plaintext = {0};
    TRY(envelope_open(&plaintext, recipient_key, envelope, envelope_len));
    return parse(ret_pair, &plaintext, content_name, password_name);
}

result loader_record_open_key(struct keystore *ret_keystore, EVP_PKEY *recipient_key, const uint8_t *envelope,
                              size_t envelope_len)
{
    AUTO(sealed_pair) pair = {0};
    TRY(open_pair(&pair, recipient_key, envelope, envelope_len, "keystore_b64", "password_b64"));
    result r = keystore_decrypt(ret_keystore, (const char *)pair.content.data, pair.content.length,
                                pair.password.data, pair.password.length, LOADER_KDF_MEMORY_MAX);
    return r.code ? error_prefix(r, "record: keystore_b64") : r;
}

result loader_record_open_tls(struct loader_tls *ret_tls, EVP_PKEY *recipient_key, const uint8_t *envelope,
                              size_t envelope_len)
{
    AUTO(sealed_pair) pair = {0};
    TRY(open_pair(&pair, recipient_key, envelope, envelope_len, "tls_keystore_b64", "tls_password_b64"));
    result r = loader_tls_open(ret_tls, pair.content.data, pair.content.length, &pair.password);
    return r.code ? error_prefix(r, "record: tls_keystore_b64") : r;
}

result loader_record_open_store_key(struct secret *ret_key, EVP_PKEY *recipient_key, const uint8_t *envelope,
                                    size_t envelope_len)
{
    AUTO(secret) key = {0};
    TRY(envelope_open(&key, recipient_key, envelope, envelope_len));
    ENSURE(key.length == IPC_STORE_KEY_LEN, E_AUTH, ENVELOPE_UNREADABLE);
    *ret_key = key;
    key = (struct secret){0};
    return RESULT_OK;
}
