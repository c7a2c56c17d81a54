/* devcloud_kms_blob.c - see devcloud_kms_blob.h. Nonces are random: a development key never comes near 2^32
 * messages. */
#include "devcloud_kms_blob.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/file_io.h"

enum { VERSION = 1, NONCE_LEN = 12, TAG_LEN = 16 };

DEFINE_AUTO_POINTER(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

result devcloud_kms_master_key_open(struct secret *ret_key, const char *state_dir)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/kms-master-key", state_dir);
    AUTO(secret) key = {0};
    result r = secret_read_file(&key, path, KMS_MASTER_KEY_LEN);
    if (r.code == E_NOT_FOUND) {
        TRY(secret_new(&key, KMS_MASTER_KEY_LEN));
        ENSURE(RAND_priv_bytes(key.data, KMS_MASTER_KEY_LEN) == 1, E_CRYPTO, "random bytes");
        r = file_write(path, key.data, KMS_MASTER_KEY_LEN, 0600);
    }
    TRY(r);
    ENSURE(key.length == KMS_MASTER_KEY_LEN, E_INPUT, "%s: must have %d bytes", path, KMS_MASTER_KEY_LEN);
    *ret_key = key;
    key = (struct secret){0};
    return RESULT_OK;
}

result devcloud_kms_blob_seal(struct buffer *out, const struct secret *master_key, const char *key_arn,
                              const struct secret *plaintext)
{
    uint8_t head[1 + NONCE_LEN] = {VERSION}, tag[TAG_LEN];
    ENSURE(RAND_bytes(head + 1, NONCE_LEN) == 1, E_CRYPTO, "random bytes");
    TRY(buffer_append(out, head, sizeof head));
    TRY(buffer_reserve(out, plaintext->length + TAG_LEN));
    AUTO_POINTER(EVP_CIPHER_CTX) context = EVP_CIPHER_CTX_new();
    int length = 0, rest = 0;
    bool worked =
        context && EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, master_key->data, head + 1) == 1 &&
        EVP_EncryptUpdate(context, NULL, &length, (const uint8_t *)key_arn, (int)strlen(key_arn)) == 1 &&
        EVP_EncryptUpdate(context, out->data + out->length, &length, plaintext->data,
                          (int)plaintext->length) == 1 &&
        EVP_EncryptFinal_ex(context, out->data + out->length + length, &rest) == 1 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_LEN, tag) == 1;
    ENSURE(worked, E_CRYPTO, "AES-256-GCM");
    out->length += plaintext->length;
    return buffer_append(out, tag, sizeof tag);
}

result devcloud_kms_blob_open(struct secret *ret_plaintext, const struct secret *master_key,
                              const char *key_arn, const uint8_t *blob, size_t blob_len)
{
    ENSURE(blob_len > KMS_BLOB_OVERHEAD && blob[0] == VERSION, E_INPUT, "not a ciphertext of this service");
    const uint8_t *nonce = blob + 1, *ciphertext = nonce + NONCE_LEN;
    size_t length = blob_len - KMS_BLOB_OVERHEAD;
    uint8_t tag[TAG_LEN];
    memcpy(tag, ciphertext + length, TAG_LEN);
    AUTO(secret) plaintext = {0};
    TRY(secret_new(&plaintext, length));
    AUTO_POINTER(EVP_CIPHER_CTX) context = EVP_CIPHER_CTX_new();
    int written = 0, rest = 0;
    bool worked =
        context && EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, master_key->data, nonce) == 1 &&
        EVP_DecryptUpdate(context, NULL, &written, (const uint8_t *)key_arn, (int)strlen(key_arn)) == 1 &&
        EVP_DecryptUpdate(context, plaintext.data, &written, ciphertext, (int)length) == 1 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_LEN, tag) == 1;
    ENSURE(worked, E_CRYPTO, "AES-256-GCM");
    ENSURE(EVP_DecryptFinal_ex(context, plaintext.data + written, &rest) == 1, E_AUTH,
           "the ciphertext does not verify");
    *ret_plaintext = plaintext;
    plaintext = (struct secret){0};
    return RESULT_OK;
}
