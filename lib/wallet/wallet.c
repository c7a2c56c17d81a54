/* wallet.c - from a parsed wallet and a password to a secret key and back.
 *
 * As in keystore.c, the derived key and the secret are in the secure heap, and scrypt's working memory is
 * OpenSSL's. The MAC covers the ciphertext, so a wrong password is found before anything is decrypted. The
 * two formats share AES, scrypt and nothing else: a wallet's password is not normalised, its MAC is
 * Keccak's, its members are others. */
#include "wallet/wallet.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/hex.h"
#include "wallet/wallet_file.h"

enum { DERIVED_LEN = 32, CIPHER_KEY_LEN = 16, COST_MAX = 22, ADDRESS_AT = 12, ID_LEN = 16 };

DEFINE_AUTO_POINTER(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

void wallet_cleanup(struct wallet *wallet)
{
    secret_cleanup(&wallet->secret);
    *wallet = (struct wallet){0};
}

static must_check result derive(struct secret *ret_key, const struct wallet_file *file,
                                const uint8_t *password, size_t password_len)
{
    AUTO(secret) key = {0};
    int done = 0;
    TRY(secret_new(&key, DERIVED_LEN));
    switch (file->kdf) {
    case WALLET_SCRYPT:
        /* The limit counts more than the 128 * n * r that the parser compared: leave it room. */
        done =
            EVP_PBE_scrypt((const char *)password, password_len, file->salt, file->salt_len, file->n, file->r,
                           file->p, 128 * file->r * (file->n + file->p + 4), key.data, DERIVED_LEN);
        break;
    case WALLET_PBKDF2:
        done = PKCS5_PBKDF2_HMAC((const char *)password, (int)password_len, file->salt, (int)file->salt_len,
                                 (int)file->rounds, EVP_sha256(), DERIVED_LEN, key.data);
        break;
    }
    ENSURE(done == 1, E_CRYPTO, "the key derivation failed; it may lack memory");
    *ret_key = key;
    key = (struct secret){0};
    return RESULT_OK;
}

/* AES-128 in counter mode: encryption and decryption are the same. */
static must_check result apply_cipher(uint8_t out[static ECDSA_SECRET_LEN],
                                      const uint8_t key[static CIPHER_KEY_LEN],
                                      const uint8_t iv[static WALLET_IV_LEN],
                                      const uint8_t in[static ECDSA_SECRET_LEN])
{
    AUTO_POINTER(EVP_CIPHER_CTX) cipher = EVP_CIPHER_CTX_new();
    int out_len = 0;
    ENSURE(cipher && EVP_EncryptInit_ex(cipher, EVP_aes_128_ctr(), NULL, key, iv) == 1 &&
               EVP_EncryptUpdate(cipher, out, &out_len, in, ECDSA_SECRET_LEN) == 1 &&
               out_len == ECDSA_SECRET_LEN,
           E_CRYPTO, "AES failed");
    return RESULT_OK;
}

static void make_mac(uint8_t out[static WALLET_MAC_LEN], const struct secret *derived,
                     const struct wallet_file *file)
{
    wallet_keccak(out, derived->data + CIPHER_KEY_LEN, DERIVED_LEN - CIPHER_KEY_LEN, file->encrypted,
                  sizeof file->encrypted);
}

static must_check result make_address(uint8_t out[static WALLET_ADDRESS_LEN], const uint8_t *secret)
{
    uint8_t point[ECDSA_POINT_LEN], hash[32];
    TRY(ecdsa_public_point(point, secret));
    wallet_keccak(hash, point, sizeof point, NULL, 0);
    memcpy(out, hash + ADDRESS_AT, WALLET_ADDRESS_LEN);
    return RESULT_OK;
}

static must_check result open_file(struct wallet *ret_wallet, const struct wallet_file *file,
                                   const uint8_t *password, size_t password_len)
{
    AUTO(secret) derived = {0};
    AUTO(wallet) opened = {0};
    uint8_t expected[WALLET_MAC_LEN], address[WALLET_ADDRESS_LEN];
    TRY(derive(&derived, file, password, password_len));
    make_mac(expected, &derived, file);
    ENSURE(secret_equal(expected, file->mac, sizeof expected), E_AUTH,
           "crypto.mac: does not match; the password is wrong");
    TRY(secret_new(&opened.secret, ECDSA_SECRET_LEN));
    TRY(apply_cipher(opened.secret.data, derived.data, file->iv, file->encrypted));
    TRY(ecdsa_public_key(opened.pubkey, opened.secret.data));
    TRY(make_address(address, opened.secret.data));
    ENSURE(!file->has_address || memcmp(address, file->address, sizeof address) == 0, E_MISMATCH,
           "address: is not that of the encrypted secret");
    *ret_wallet = opened;
    opened = (struct wallet){0};
    return RESULT_OK;
}

result wallet_decrypt(struct wallet *ret_wallet, const char *json, size_t json_len, const uint8_t *password,
                      size_t password_len, size_t max_kdf_memory)
{
    struct wallet_file file;
    TRY(wallet_file_parse(&file, json, json_len, max_kdf_memory));
    return open_file(ret_wallet, &file, password, password_len);
}

static must_check result append_file(struct buffer *out, const struct wallet_file *file)
{
    char address[2 * WALLET_ADDRESS_LEN + 1], encrypted[2 * ECDSA_SECRET_LEN + 1], iv[2 * WALLET_IV_LEN + 1];
    char salt[2 * WALLET_SALT_MAX + 1], mac[2 * WALLET_MAC_LEN + 1], id_text[2 * ID_LEN + 1];
    uint8_t id[ID_LEN];
    ENSURE(RAND_bytes(id, sizeof id) == 1, E_CRYPTO, "no random bytes");
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* RFC 4122: version 4, random */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    hex_encode(id_text, id, sizeof id);
    hex_encode(address, file->address, sizeof file->address);
    hex_encode(encrypted, file->encrypted, sizeof file->encrypted);
    hex_encode(iv, file->iv, sizeof file->iv);
    hex_encode(salt, file->salt, file->salt_len);
    hex_encode(mac, file->mac, sizeof file->mac);
    TRY(buffer_printf(out,
                      "{\"address\":\"%s\",\"id\":\"%.8s-%.4s-%.4s-%.4s-%s\",\"version\":3,\"crypto\":{"
                      "\"cipher\":\"aes-128-ctr\",\"cipherparams\":{\"iv\":\"%s\"},\"ciphertext\":\"%s\",",
                      address, id_text, id_text + 8, id_text + 12, id_text + 16, id_text + 20, iv,
                      encrypted));
    return buffer_printf(out,
                         "\"kdf\":\"scrypt\",\"kdfparams\":{\"dklen\":32,\"n\":%llu,\"p\":%llu,\"r\":%llu,"
                         "\"salt\":\"%s\"},\"mac\":\"%s\"}}",
                         (unsigned long long)file->n, (unsigned long long)file->p,
                         (unsigned long long)file->r, salt, mac);
}

result wallet_encrypt(struct buffer *out, const uint8_t secret[static ECDSA_SECRET_LEN],
                      const uint8_t *password, size_t password_len, uint32_t cost)
{
    struct wallet_file file = {.kdf = WALLET_SCRYPT, .r = 8, .p = 1, .salt_len = 32, .has_address = true};
    AUTO(secret) derived = {0};
    ENSURE(cost >= 1 && cost <= COST_MAX, E_INPUT, "scrypt's cost must be 1 to %d", COST_MAX);
    file.n = 1ull << cost;
    TRY(make_address(file.address, secret));
    ENSURE(RAND_bytes(file.salt, (int)file.salt_len) == 1 && RAND_bytes(file.iv, sizeof file.iv) == 1,
           E_CRYPTO, "no random bytes");
    TRY(derive(&derived, &file, password, password_len));
    TRY(apply_cipher(file.encrypted, derived.data, file.iv, secret));
    make_mac(file.mac, &derived, &file);
    return append_file(out, &file);
}
