/* keeper_store.h - what is remembered of each validator, in memory and durably. */
#ifndef KEEPER_STORE_H
#define KEEPER_STORE_H

#include "ipc/ipc.h"
#include "keeper_keys.h"
#include "policy/policy.h"
#include "slashing/slashing_store.h"

struct keeper_store {
    struct slashing_store *file; /* NULL when protection is disabled by policy */
    bool ok;                     /* the latest write became durable */
    bool broken;                 /* it cannot even be read: nothing is signed any more */
    bool has_genesis;
    uint8_t genesis[32];
    struct slashing_limits limits;
};

/* Orders that share one transaction at most. */
enum { KEEPER_BATCH_MAX = 4 * IPC_BATCH_MAX };

/* The advances that one batch of orders asks for. */
struct keeper_batch {
    struct slashing_advance advances[KEEPER_BATCH_MAX];
    struct keeper_key *keys[KEEPER_BATCH_MAX];
    size_t num_advances;
};

/* Opens what the policy names and locks it to the policy's genesis validators root. */
must_check result keeper_store_open(struct keeper_store *store, const struct policy *policy);
void keeper_store_close(struct keeper_store *store);

/* Reads a new key's record. */
must_check result keeper_store_know(struct keeper_store *store, struct keeper_key *key);

/* Decides one order against the record in memory and store->limits, orders before it in the batch included. A
 * new height, or a repeat of one that is not proven to be durable, is noted in the batch; key->pending then
 * says on which advance this decision rests, if any. E_STORE when the record or the genesis lock cannot be
 * had. */
must_check result keeper_store_decide(struct keeper_store *store, enum slashing_verdict *ret_verdict,
                                      struct keeper_batch *batch, struct keeper_key *key,
                                      const struct eth2_order *order, const uint8_t signing_root[static 32]);

/* Makes the batch durable in one transaction: batch->advances[i].done says which are. What failed is read
 * anew, and memory never falls below what it was. */
void keeper_store_commit(struct keeper_store *store, struct keeper_batch *batch);

/* Whether the store still answers, or answers again, asked while nothing is signed. any_key may be NULL: then
 * one that failed is not asked. */
void keeper_store_probe(struct keeper_store *store, struct keeper_batch *batch, struct keeper_key *any_key);

#endif
