/* keystore.h - EIP-2335 keystores (version 4; scrypt or pbkdf2, aes-128-ctr, sha256), password
 * normalisation included. JSON is parsed with whatever allocator jansson was given: the loader
 * gives it the secure heap.
 */
#ifndef KEYSTORE_KEYSTORE_H
#define KEYSTORE_KEYSTORE_H

#include "base/buffer.h"
#include "base/secret.h"
#include "bls/bls.h"

struct keystore {
    struct secret secret;           /* 32 bytes */
    uint8_t pubkey[BLS_PUBKEY_LEN]; /* derived from the secret, equal to the file's when it has one */
    char path[128];                 /* EIP-2334 path or "" */
};
void keystore_cleanup(struct keystore *k);

/* E_INPUT malformed or unsupported parameters (the member is named), E_AUTH wrong password, E_MISMATCH the
 * file's pubkey is not the secret's. Memory for scrypt is limited to max_kdf_memory bytes. */
must_check result keystore_decrypt(struct keystore *ret_keystore, const char *json, size_t json_len,
                                   const uint8_t *password, size_t password_len, size_t max_kdf_memory);

enum keystore_kdf { KEYSTORE_SCRYPT, KEYSTORE_PBKDF2 };

/* Appends keystore JSON. cost: log2 of scrypt's n (18 standard), or pbkdf2's iteration count (262144
 * standard). */
must_check result keystore_encrypt(struct buffer *out, const uint8_t secret[static BLS_SECRET_LEN],
                                   const char *path, const uint8_t *password, size_t password_len,
                                   enum keystore_kdf kdf, uint32_t cost);

/* BIP-39: a 24-word English mnemonic from 32 bytes of entropy, and the 64-byte seed of a mnemonic (NFKD,
 * PBKDF2-HMAC-SHA512, 2048 rounds); E_INPUT names nothing of the mnemonic. */
must_check result mnemonic_from_entropy(struct secret *ret_mnemonic, const uint8_t *entropy,
                                        size_t entropy_len);
must_check result mnemonic_check(const char *mnemonic, size_t mnemonic_len);
must_check result mnemonic_to_seed(struct secret *ret_seed, const char *mnemonic, size_t mnemonic_len,
                                   const char *passphrase, size_t passphrase_len);

#endif
