/* keystore_file.h - an EIP-2335 file as a typed struct, between its parser and the decryption. */
#ifndef KEYSTORE_KEYSTORE_FILE_H
#define KEYSTORE_KEYSTORE_FILE_H

#include "keystore/keystore.h"

enum { KEYSTORE_SALT_MAX = 128, KEYSTORE_IV_LEN = 16, KEYSTORE_CHECKSUM_LEN = 32, KEYSTORE_PATH_MAX = 127 };

struct keystore_file {
    enum keystore_kdf kdf;
    uint64_t n, r, p; /* scrypt */
    uint32_t rounds;  /* pbkdf2 */
    uint8_t salt[KEYSTORE_SALT_MAX];
    size_t salt_len;
    uint8_t iv[KEYSTORE_IV_LEN]; /* a shorter one is followed by zeros: it is the counter's upper part */
    uint8_t checksum[KEYSTORE_CHECKSUM_LEN];
    uint8_t encrypted[BLS_SECRET_LEN];
    bool has_pubkey;
    uint8_t pubkey[BLS_PUBKEY_LEN];
    char path[KEYSTORE_PATH_MAX + 1];
};

/* E_INPUT names the member that is malformed or not supported. Work and memory that scrypt or pbkdf2
 * would take are limited here: max_kdf_memory in bytes, and 32 times the standard cost in time. */
must_check result keystore_file_parse(struct keystore_file *ret_file, const char *json, size_t json_len,
                                      size_t max_kdf_memory);

#endif
