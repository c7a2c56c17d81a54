/* aws_kms_plain.c - see aws_kms_plain.h. An answer goes from a wiped buffer through jansson, whose allocator
 * must wipe (the program's choice), into the secure heap. */
#include "aws/aws_kms_plain.h"

#include <string.h>

#include "aws/aws_kms_private.h"
#include "aws/aws_wiped_buffer.h"
#include "base/base64.h"
#include "json/json.h"

enum { ANSWER_VALUES_MAX = 64, PUBLIC_KEY_MAX = 1024 };

void aws_kms_key_pair_cleanup(struct aws_kms_key_pair *pair)
{
    secret_cleanup(&pair->private_key);
    buffer_cleanup(&pair->public_key);
}

/* A base64 member of up to max bytes. */
static must_check result take_secret(struct secret *ret_bytes, const struct json_view *view, const char *name,
                                     size_t max)
{
    const char *text = NULL;
    size_t text_len = 0, length = 0;
    AUTO(secret) bytes = {0};
    TRY(json_get_text(&text, &text_len, view, name));
    ENSURE(text_len > 0 && BASE64_DECODED_MAX(text_len) <= max + 2, E_PEER,
           "%s: must have from 1 to %zu bytes", name, max);
    TRY(secret_new(&bytes, BASE64_DECODED_MAX(text_len)));
    result r = base64_decode(bytes.data, &length, bytes.length, text, text_len);
    if (r.code)
        return json_blame(r, view, name);
    secret_truncate(&bytes, length);
    *ret_bytes = bytes;
    bytes = (struct secret){0};
    return RESULT_OK;
}

static must_check result open_answer(json_t **ret_root, struct json_view *ret_view,
                                     const struct buffer *answer, const char *key_id)
{
    const char *answered_key = NULL;
    TRY(json_read(ret_root, (const char *)answer->data, answer->length, AWS_KMS_RESPONSE_MAX,
                  ANSWER_VALUES_MAX));
    TRY(json_view_root(ret_view, *ret_root));
    TRY(json_get_text(&answered_key, NULL, ret_view, "KeyId"));
    ENSURE(strcmp(answered_key, key_id) == 0, E_PEER, "KeyId: is another key than the one asked for");
    return RESULT_OK;
}

static must_check result parse_pair(struct aws_kms_key_pair *ret_pair, const struct buffer *answer,
                                    const char *key_id)
{
    AUTO_POINTER(json_t) root = NULL;
    AUTO(aws_kms_key_pair) pair = {0};
    AUTO(secret) public_key = {0};
    struct json_view view;
    TRY(open_answer(&root, &view, answer, key_id));
    TRY(json_require_text(&view, "KeyPairSpec", "ECC_NIST_P256"));
    TRY(take_secret(&pair.private_key, &view, "PrivateKeyPlaintext", AWS_KMS_PLAINTEXT_MAX));
    TRY(take_secret(&public_key, &view, "PublicKey", PUBLIC_KEY_MAX));
    TRY(buffer_append(&pair.public_key, public_key.data, public_key.length));
    *ret_pair = pair;
    pair = (struct aws_kms_key_pair){0};
    return RESULT_OK;
}

static must_check result parse_plaintext(struct secret *ret_plaintext, const struct buffer *answer,
                                         const char *key_id)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    TRY(open_answer(&root, &view, answer, key_id));
    return take_secret(ret_plaintext, &view, "Plaintext", AWS_KMS_PLAINTEXT_MAX);
}

result aws_kms_plain_key_pair(struct aws_client *client, struct aws_kms_key_pair *ret_pair,
                              const struct aws_credentials *credentials, const char *key_id)
{
    static const char operation[] = "TrentService.GenerateDataKeyPair";
    AUTO(buffer) body = {0};
    AUTO(wiped_buffer) answer = {0};
    TRY(aws_kms_check_key_id(key_id));
    TRY(buffer_printf(&body, "{\"KeyId\":\"%s\",\"KeyPairSpec\":\"ECC_NIST_P256\"}", key_id));
    TRY(buffer_reserve(&answer.bytes, AWS_KMS_RESPONSE_MAX));
    TRY(aws_client_call(client, &answer.bytes, operation, credentials, body.data, body.length));
    return aws_error_in_answer(parse_pair(ret_pair, &answer.bytes, key_id), operation);
}

result aws_kms_plain_decrypt(struct aws_client *client, struct secret *ret_plaintext,
                             const struct aws_credentials *credentials, const char *key_id,
                             const struct buffer *ciphertext)
{
    static const char operation[] = "TrentService.Decrypt";
    AUTO(buffer) body = {0};
    AUTO(wiped_buffer) answer = {0};
    TRY(aws_kms_check_key_id(key_id));
    ENSURE(ciphertext->length > 0 && ciphertext->length <= AWS_KMS_CIPHERTEXT_MAX, E_INPUT,
           "ciphertext: must have from 1 to %d bytes", AWS_KMS_CIPHERTEXT_MAX);
    TRY(buffer_append_text(&body, "{\"CiphertextBlob\":\""));
    TRY(base64_append(&body, ciphertext->data, ciphertext->length));
    TRY(buffer_printf(&body, "\",\"KeyId\":\"%s\",\"EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\"}", key_id));
    TRY(buffer_reserve(&answer.bytes, AWS_KMS_RESPONSE_MAX));
    TRY(aws_client_call(client, &answer.bytes, operation, credentials, body.data, body.length));
    return aws_error_in_answer(parse_plaintext(ret_plaintext, &answer.bytes, key_id), operation);
}
