/* slashing_attested.h - the state of a signer as its attestation documents tell it (user_data,
 * PROTOCOL.control section 7), so that who asks from time to time notices one that was rolled back.
 */
#ifndef SLASHING_SLASHING_ATTESTED_H
#define SLASHING_SLASHING_ATTESTED_H

#include "slashing/slashing_store.h"

enum { SLASHING_ATTESTED_BYTES = 1 + 3 * 32 + 4 * 8 };

struct slashing_attested {
    uint8_t tls_key[32];     /* SHA-256 of the SubjectPublicKeyInfo (DER) of the server's certificate */
    uint8_t public_keys[32]; /* SHA-256 over the loaded public keys, 48 bytes each, in ascending order */
    uint8_t records[32];     /* SHA-256 over the records of the loaded keys, in the same order */
    uint64_t generation;     /* 0 where the store has none */
    uint64_t num_validators; /* loaded */
    uint64_t highest_epoch;  /* highest recorded target epoch; 0 when there is none */
    uint64_t highest_slot;   /* highest recorded block slot; 0 when there is none */
};

/* The one form. */
void slashing_attested_encode(uint8_t out[static SLASHING_ATTESTED_BYTES],
                              const struct slashing_attested *state);
/* E_INPUT for another length or version; E_UNSUPPORTED for version 1, which had no digests of their own for
 * the TLS key and the public keys. */
must_check result slashing_attested_decode(struct slashing_attested *ret_state, const uint8_t *bytes,
                                           size_t bytes_len);

/* Counts one more record of a loaded key in num_validators and the two heights. */
void slashing_attested_count(struct slashing_attested *state, const struct slashing_record *record);

/* E_MISMATCH, and what went back, when now cannot be a later state of the signer that was in before: a lower
 * generation, highest epoch or highest slot. */
must_check result slashing_attested_compare(const struct slashing_attested *now,
                                            const struct slashing_attested *before);

#endif
