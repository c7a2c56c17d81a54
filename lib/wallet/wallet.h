/* wallet.h - Web3 Secret Storage, version 3: the encrypted files of secp256k1 keys (scrypt or pbkdf2,
 * aes-128-ctr, Keccak-256). JSON is parsed with whatever allocator jansson was given: the loader gives it
 * the secure heap.
 */
#ifndef WALLET_WALLET_H
#define WALLET_WALLET_H

#include "base/buffer.h"
#include "ecdsa/ecdsa.h"

struct wallet {
    struct secret secret;             /* 32 bytes */
    uint8_t pubkey[ECDSA_PUBKEY_LEN]; /* derived from the secret */
};
void wallet_cleanup(struct wallet *wallet);

/* E_INPUT malformed or unsupported parameters (the member is named), E_AUTH wrong password, E_MISMATCH the
 * file's address is not the secret's. The password is taken as its bytes. Memory for scrypt is limited to
 * max_kdf_memory bytes. */
must_check result wallet_decrypt(struct wallet *ret_wallet, const char *json, size_t json_len,
                                 const uint8_t *password, size_t password_len, size_t max_kdf_memory);

/* Appends wallet JSON with scrypt. cost: log2 of n (18 standard). */
must_check result wallet_encrypt(struct buffer *out, const uint8_t secret[static ECDSA_SECRET_LEN],
                                 const uint8_t *password, size_t password_len, uint32_t cost);

#endif
