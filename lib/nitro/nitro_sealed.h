/* nitro_sealed.h - validator keys sealed under a data key (PROTOCOL.control section 8): AES-256-GCM with the
 * public key and the batch's UUID as associated data. KMS opens the data key, once for any number of keys.
 */
#ifndef NITRO_SEALED_H
#define NITRO_SEALED_H

#include <openssl/evp.h>
#include <stdint.h>

#include "base/secret.h"

enum {
    NITRO_SEALED_LEN = 108, /* 48 public key, 12 nonce, 32 ciphertext, 16 tag */
    NITRO_SEALED_PUBKEY_LEN = 48,
    NITRO_SEALED_SECRET_LEN = 32,
    NITRO_SEALED_DATA_KEY_LEN = 32,
    NITRO_SEALED_UUID_MAX = 64
};

/* One batch: a data key at work, and the UUID, which is borrowed. */
struct nitro_sealed {
    EVP_CIPHER_CTX *context;
    const char *uuid;
};
void nitro_sealed_cleanup(struct nitro_sealed *sealed);

/* E_INPUT unless the text has 1..64 letters, digits, - and _. */
must_check result nitro_sealed_check_uuid(const char *uuid, size_t uuid_len);

/* For sealing, or for opening. E_INPUT for a data key of another length or a malformed UUID. OpenSSL keeps
 * the expanded key on its ordinary heap and cleanses it at cleanup. */
must_check result nitro_sealed_begin(struct nitro_sealed *ret_sealed, const struct secret *data_key,
                                     const char *uuid, bool seals);

/* With a nonce of its own, from the random number generator. */
must_check result nitro_sealed_seal(struct nitro_sealed *sealed, uint8_t ret_blob[static NITRO_SEALED_LEN],
                                    const uint8_t secret[static NITRO_SEALED_SECRET_LEN],
                                    const uint8_t pubkey[static NITRO_SEALED_PUBKEY_LEN]);

/* E_AUTH, and the output zero, unless blob was sealed so, under this key and UUID. Whether the public key is
 * the secret's is for the caller to check. */
must_check result nitro_sealed_open(struct nitro_sealed *sealed,
                                    uint8_t ret_secret[static NITRO_SEALED_SECRET_LEN],
                                    const uint8_t blob[static NITRO_SEALED_LEN]);

#endif
