/* ecdsa.h - ECDSA over secp256k1, as Ethereum's execution layer and Commit-Boost use it. The only room that
 * sees libsecp256k1. Secret keys stay where the caller keeps them: in the secure heap.
 */
#ifndef ECDSA_ECDSA_H
#define ECDSA_ECDSA_H

#include <stdint.h>

#include "base/result.h"
#include "base/secret.h"

enum { ECDSA_SECRET_LEN = 32, ECDSA_PUBKEY_LEN = 33, ECDSA_POINT_LEN = 64, ECDSA_SIGNATURE_LEN = 64 };

/* A new key from OpenSSL's private generator. */
must_check result ecdsa_generate(struct secret *ret_secret);

/* The compressed public key; E_INPUT unless 0 < secret < the group's order (big-endian). */
must_check result ecdsa_public_key(uint8_t ret_pubkey[static ECDSA_PUBKEY_LEN],
                                   const uint8_t secret[static ECDSA_SECRET_LEN]);
/* The same point uncompressed, x and y without the leading 4: what addresses are made of. */
must_check result ecdsa_public_point(uint8_t ret_point[static ECDSA_POINT_LEN],
                                     const uint8_t secret[static ECDSA_SECRET_LEN]);

/* Signs SHA-256 of the message, with the nonce of RFC 6979: r and s, 32 bytes each, s in the lower half of
 * the order. ret_signature is zeroed on failure. */
must_check result ecdsa_sign(uint8_t ret_signature[static ECDSA_SIGNATURE_LEN],
                             const uint8_t secret[static ECDSA_SECRET_LEN], const uint8_t *message,
                             size_t message_len);

#endif
