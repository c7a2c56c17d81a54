/* slashing_seal.h - what makes a shared store ours: HMAC-SHA-256 over its head and over every entry, under
 * the store's own key. Target slashing_seal (libcrypto).
 *
 * The key is made by `slashing init`, released by KMS to attested enclaves only, or read from a key file in
 * the stand-alone program. Without a key file the key is 32 zero bytes: the seals then find mistakes, no
 * forgery.
 */
#ifndef SLASHING_SLASHING_SEAL_H
#define SLASHING_SLASHING_SEAL_H

#include "base/secret.h"
#include "slashing/slashing_store.h"

enum { SLASHING_SEAL_KEY_LEN = 32, SLASHING_IDENTITY_LEN = 32 };

struct slashing_seal {
    struct secret key; /* SLASHING_SEAL_KEY_LEN bytes */
    uint8_t store_id[SLASHING_STORE_ID_LEN];
};

/* E_INPUT unless the key has its length. Takes the key over. */
must_check result slashing_seal_open(struct slashing_seal *ret_seal, struct secret *key,
                                     const uint8_t store_id[static SLASHING_STORE_ID_LEN]);
void slashing_seal_cleanup(struct slashing_seal *seal);

/* What the policy document pins (its line store_identity): it commits to store id and key, and is no secret.
 */
must_check result slashing_seal_identity(uint8_t ret_identity[static SLASHING_IDENTITY_LEN],
                                         const struct slashing_seal *seal);

/* Sets stamp.mac over pubkey, record and stamp.generation; mac of the head over all the rest of it. */
must_check result slashing_seal_entry(const struct slashing_seal *seal, struct slashing_entry *entry,
                                      const uint8_t pubkey[static 48]);
must_check result slashing_seal_head(const struct slashing_seal *seal, struct slashing_head *head);

/* E_STORE when it is not sealed by this store's key, or, for an entry, is another validator's. */
must_check result slashing_seal_check_entry(const struct slashing_seal *seal,
                                            const struct slashing_entry *entry,
                                            const uint8_t pubkey[static 48]);
must_check result slashing_seal_check_head(const struct slashing_seal *seal,
                                           const struct slashing_head *head);

#endif
