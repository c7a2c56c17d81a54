/* slashing_sealed.h - a store that seals what goes into another store and checks what comes out of it, so
 * that who holds the key can use a store with an identity like any other: import, export, raise. Target
 * slashing_sealed. The keeper does not need it: it seals by itself, because the courier must not.
 */
#ifndef SLASHING_SLASHING_SEALED_H
#define SLASHING_SLASHING_SEALED_H

#include "slashing/slashing_seal.h"

/* Takes inner over; seal (borrowed) must outlive the store. Every head and entry read is checked: E_STORE.
 * Stamps given by the caller are ignored. What is written bears the generation that the head has then. A scan
 * also fails when the store has another number of validators than its head says. */
must_check result slashing_sealed_open(struct slashing_store **ret_store, struct slashing_store *inner,
                                       const struct slashing_seal *seal);

#endif
