/* keystore.c - EIP-2335: from a parsed file and a password to a secret key and back.
 *
 * The derived key and the secret are in the secure heap. scrypt's working memory, 256 MiB at
 * the standard cost, is OpenSSL's on the ordinary heap: more than any lock limit allows;
 * OpenSSL cleanses it before it is released. The checksum is compared in constant time, and a
 * wrong password is told from a malformed file only by the error code. */
#include "keystore/keystore.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/hex.h"
#include "keystore/keystore_file.h"
#include "keystore/keystore_password.h"
#include "json/json.h"

enum { DERIVED_LEN = 32, CIPHER_KEY_LEN = 16, SCRYPT_COST_MAX = 22, PBKDF2_COST_MAX = 8388608 };

DEFINE_AUTO_POINTER(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
DEFINE_AUTO_POINTER(EVP_MD_CTX, EVP_MD_CTX_free)

void keystore_cleanup(struct keystore *k)
{
    secret_cleanup(&k->secret);
    *k = (struct keystore){0};
}

static must_check result derive(struct secret *ret_key, const struct keystore_file *file,
                                const uint8_t *password, size_t password_len)
{
    AUTO(secret) normal = {0}, key = {0};
    TRY(keystore_password_normalize(&normal, password, password_len));
    TRY(secret_new(&key, DERIVED_LEN));
    int done = 0;
    switch (file->kdf) {
    case KEYSTORE_SCRYPT:
        /* The limit counts more than the 128 * n * r that the parser compared: leave it room. */
        done =
            EVP_PBE_scrypt((const char *)normal.data, normal.length, file->salt, file->salt_len, file->n,
                           file->r, file->p, 128 * file->r * (file->n + file->p + 4), key.data, DERIVED_LEN);
        break;
    case KEYSTORE_PBKDF2:
        done = PKCS5_PBKDF2_HMAC((const char *)normal.data, (int)normal.length, file->salt,
                                 (int)file->salt_len, (int)file->rounds, EVP_sha256(), DERIVED_LEN, key.data);
        break;
    }
    ENSURE(done == 1, E_CRYPTO, "the key derivation failed; it may lack memory");
    *ret_key = key;
    key = (struct secret){0};
    return RESULT_OK;
}

static must_check result checksum(uint8_t out[static KEYSTORE_CHECKSUM_LEN],
                                  const uint8_t derived[static DERIVED_LEN],
                                  const uint8_t encrypted[static BLS_SECRET_LEN])
{
    AUTO_POINTER(EVP_MD_CTX) digest = EVP_MD_CTX_new();
    ENSURE(digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
               EVP_DigestUpdate(digest, derived + CIPHER_KEY_LEN, DERIVED_LEN - CIPHER_KEY_LEN) == 1 &&
               EVP_DigestUpdate(digest, encrypted, BLS_SECRET_LEN) == 1 &&
               EVP_DigestFinal_ex(digest, out, NULL) == 1,
           E_CRYPTO, "SHA-256 failed");
    return RESULT_OK;
}

/* AES-128 in counter mode: encryption and decryption are the same. */
static must_check result apply_cipher(uint8_t out[static BLS_SECRET_LEN],
                                      const uint8_t key[static CIPHER_KEY_LEN],
                                      const uint8_t iv[static KEYSTORE_IV_LEN],
                                      const uint8_t in[static BLS_SECRET_LEN])
{
    AUTO_POINTER(EVP_CIPHER_CTX) cipher = EVP_CIPHER_CTX_new();
    int out_len = 0;
    ENSURE(cipher && EVP_EncryptInit_ex(cipher, EVP_aes_128_ctr(), NULL, key, iv) == 1 &&
               EVP_EncryptUpdate(cipher, out, &out_len, in, BLS_SECRET_LEN) == 1 && out_len == BLS_SECRET_LEN,
           E_CRYPTO, "AES failed");
    return RESULT_OK;
}

static must_check result open_file(struct keystore *ret_keystore, const struct keystore_file *file,
                                   const uint8_t *password, size_t password_len)
{
    AUTO(secret) derived = {0};
    AUTO(keystore) opened = {0};
    uint8_t expected[KEYSTORE_CHECKSUM_LEN];
    TRY(derive(&derived, file, password, password_len));
    TRY(checksum(expected, derived.data, file->encrypted));
    ENSURE(secret_equal(expected, file->checksum, sizeof expected), E_AUTH,
           "crypto.checksum.message: does not match; the password is wrong");
    TRY(secret_new(&opened.secret, BLS_SECRET_LEN));
    TRY(apply_cipher(opened.secret.data, derived.data, file->iv, file->encrypted));
    TRY(bls_public_key(opened.pubkey, opened.secret.data));
    ENSURE(!file->has_pubkey || memcmp(opened.pubkey, file->pubkey, BLS_PUBKEY_LEN) == 0, E_MISMATCH,
           "pubkey: is not the public key of the encrypted secret");
    memcpy(opened.path, file->path, sizeof opened.path);
    *ret_keystore = opened;
    opened = (struct keystore){0};
    return RESULT_OK;
}

result keystore_decrypt(struct keystore *ret_keystore, const char *json, size_t json_len,
                        const uint8_t *password, size_t password_len, size_t max_kdf_memory)
{
    struct keystore_file file;
    TRY(keystore_file_parse(&file, json, json_len, max_kdf_memory));
    return open_file(ret_keystore, &file, password, password_len);
}

static must_check result append_kdf(struct buffer *out, const struct keystore_file *file)
{
    char salt[2 * KEYSTORE_SALT_MAX + 1];
    hex_encode(salt, file->salt, file->salt_len);
    switch (file->kdf) {
    case KEYSTORE_SCRYPT:
        return buffer_printf(
            out,
            "\"kdf\":{\"function\":\"scrypt\",\"params\":{\"dklen\":32,\"n\":%llu,\"p\":%llu,"
            "\"r\":%llu,\"salt\":\"%s\"},\"message\":\"\"}",
            (unsigned long long)file->n, (unsigned long long)file->p, (unsigned long long)file->r, salt);
    case KEYSTORE_PBKDF2:
        return buffer_printf(out,
                             "\"kdf\":{\"function\":\"pbkdf2\",\"params\":{\"dklen\":32,\"c\":%u,"
                             "\"prf\":\"hmac-sha256\",\"salt\":\"%s\"},\"message\":\"\"}",
                             file->rounds, salt);
    }
    FAIL(E_INTERNAL, "no such key derivation");
}

static must_check result append_file(struct buffer *out, const struct keystore_file *file)
{
    char sum[2 * KEYSTORE_CHECKSUM_LEN + 1], iv[2 * KEYSTORE_IV_LEN + 1], encrypted[2 * BLS_SECRET_LEN + 1];
    char pubkey[2 * BLS_PUBKEY_LEN + 1];
    hex_encode(sum, file->checksum, sizeof file->checksum);
    hex_encode(iv, file->iv, sizeof file->iv);
    hex_encode(encrypted, file->encrypted, sizeof file->encrypted);
    hex_encode(pubkey, file->pubkey, sizeof file->pubkey);
    uint8_t id[16];
    ENSURE(RAND_bytes(id, sizeof id) == 1, E_CRYPTO, "no random bytes");
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* RFC 4122: version 4, random */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    char id_text[33];
    hex_encode(id_text, id, sizeof id);

    TRY(buffer_append_text(out, "{\"crypto\":{"));
    TRY(append_kdf(out, file));
    TRY(buffer_printf(
        out,
        ",\"checksum\":{\"function\":\"sha256\",\"params\":{},\"message\":\"%s\"},"
        "\"cipher\":{\"function\":\"aes-128-ctr\",\"params\":{\"iv\":\"%s\"},\"message\":\"%s\"}},"
        "\"description\":\"\",\"pubkey\":\"%s\",\"path\":",
        sum, iv, encrypted, pubkey));
    TRY(json_append_quoted(out, file->path));
    return buffer_printf(out, ",\"uuid\":\"%.8s-%.4s-%.4s-%.4s-%s\",\"version\":4}", id_text, id_text + 8,
                         id_text + 12, id_text + 16, id_text + 20);
}

static must_check result set_cost(struct keystore_file *file, enum keystore_kdf kdf, uint32_t cost)
{
    file->kdf = kdf;
    switch (kdf) {
    case KEYSTORE_SCRYPT:
        ENSURE(cost >= 1 && cost <= SCRYPT_COST_MAX, E_INPUT, "scrypt's cost must be 1 to %d",
               SCRYPT_COST_MAX);
        file->n = 1ull << cost;
        file->r = 8;
        file->p = 1;
        return RESULT_OK;
    case KEYSTORE_PBKDF2:
        ENSURE(cost >= 1 && cost <= PBKDF2_COST_MAX, E_INPUT, "pbkdf2's cost must be 1 to %d",
               PBKDF2_COST_MAX);
        file->rounds = cost;
        return RESULT_OK;
    }
    FAIL(E_INTERNAL, "no such key derivation");
}

result keystore_encrypt(struct buffer *out, const uint8_t secret[static BLS_SECRET_LEN], const char *path,
                        const uint8_t *password, size_t password_len, enum keystore_kdf kdf, uint32_t cost)
{
    struct keystore_file file = {.salt_len = 32, .has_pubkey = true};
    ENSURE(strlen(path) <= KEYSTORE_PATH_MAX, E_INPUT, "path: more than %d characters", KEYSTORE_PATH_MAX);
    memcpy(file.path, path, strlen(path));
    TRY(set_cost(&file, kdf, cost));
    TRY(bls_public_key(file.pubkey, secret));
    ENSURE(RAND_bytes(file.salt, (int)file.salt_len) == 1 && RAND_bytes(file.iv, sizeof file.iv) == 1,
           E_CRYPTO, "no random bytes");
    AUTO(secret) derived = {0};
    TRY(derive(&derived, &file, password, password_len));
    TRY(apply_cipher(file.encrypted, derived.data, file.iv, secret));
    TRY(checksum(file.checksum, derived.data, file.encrypted));
    return append_file(out, &file);
}
