/* bls_message.h - the two halves of a signature, for the files of this room. */
#ifndef BLS_BLS_MESSAGE_H
#define BLS_BLS_MESSAGE_H

#include <blst.h>

#include "bls/bls.h"

/* The message as a point of G2. */
void bls_message_hash(blst_p2 *ret_hash, const uint8_t *message, size_t message_len);

/* E_INPUT for an invalid secret; then ret_signature is left as it was. */
must_check result bls_message_sign(uint8_t ret_signature[static BLS_SIGNATURE_LEN],
                                   const uint8_t secret[static BLS_SECRET_LEN], const blst_p2 *hash);

#endif
