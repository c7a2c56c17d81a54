/* loader_record.h - one record of a batch: envelope, plaintext, what is in it. */
#ifndef LOADER_RECORD_H
#define LOADER_RECORD_H

#include <openssl/evp.h>

#include "keystore/keystore.h"
#include "loader_tls.h"

enum { LOADER_KDF_MEMORY_MAX = 256 << 20 /* scrypt at the standard cost */ };

/* A validator record: {"keystore_b64", "password_b64"} and, not looked at, "mnemonic_b64". Errors are
 * envelope_open's, keystore_decrypt's, and E_INPUT naming the member that is missing or malformed. */
must_check result loader_record_open_key(struct keystore *ret_keystore, EVP_PKEY *recipient_key,
                                         const uint8_t *envelope, size_t envelope_len);

/* A TLS record: {"tls_keystore_b64", "tls_password_b64"}. Errors are envelope_open's, loader_tls_open's, and
 * E_INPUT as above. */
must_check result loader_record_open_tls(struct loader_tls *ret_tls, EVP_PKEY *recipient_key,
                                         const uint8_t *envelope, size_t envelope_len);

/* A record of a store's key: its 32 bytes as they are. E_INPUT for any other length. */
must_check result loader_record_open_store_key(struct secret *ret_key, EVP_PKEY *recipient_key,
                                               const uint8_t *envelope, size_t envelope_len);

#endif
