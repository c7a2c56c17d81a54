/* wallet_file.h - a version 3 wallet as a typed struct, between its parser and the decryption. */
#ifndef WALLET_WALLET_FILE_H
#define WALLET_WALLET_FILE_H

#include "wallet/wallet.h"

enum { WALLET_SALT_MAX = 128, WALLET_IV_LEN = 16, WALLET_MAC_LEN = 32, WALLET_ADDRESS_LEN = 20 };

enum wallet_kdf { WALLET_SCRYPT, WALLET_PBKDF2 };

struct wallet_file {
    enum wallet_kdf kdf;
    uint64_t n, r, p; /* scrypt */
    uint32_t rounds;  /* pbkdf2 */
    uint8_t salt[WALLET_SALT_MAX];
    size_t salt_len;
    uint8_t iv[WALLET_IV_LEN];
    uint8_t mac[WALLET_MAC_LEN];
    uint8_t encrypted[ECDSA_SECRET_LEN];
    bool has_address;
    uint8_t address[WALLET_ADDRESS_LEN];
};

/* E_INPUT names the member that is malformed or not supported. Work and memory that scrypt or pbkdf2 would
 * take are limited here: max_kdf_memory in bytes, and 32 times the standard cost in time. */
must_check result wallet_file_parse(struct wallet_file *ret_file, const char *json, size_t json_len,
                                    size_t max_kdf_memory);

/* wallet_keccak.c: Keccak-256 of two parts, one behind the other; either may be empty. */
void wallet_keccak(uint8_t ret_hash[static 32], const uint8_t *first, size_t first_len, const uint8_t *second,
                   size_t second_len);

#endif
