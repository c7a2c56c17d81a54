/* keeper_keys.h - the validators' secret keys and what is remembered of each validator. */
#ifndef KEEPER_KEYS_H
#define KEEPER_KEYS_H

#include "bls/bls.h"
#include "slashing/slashing_store.h"

struct keeper_request;
struct keeper_pool;

struct keeper_key {
    uint8_t pubkey[BLS_PUBKEY_LEN];
    struct slashing_record record;  /* as last known to be durable: it only ever rises */
    struct slashing_stamp stamp;    /* beside it in the store */
    bool record_known;              /* false: the store must be asked before anything slashable */
    bool in_doubt;                  /* an advance may have become durable or not */
    bool unproven;                  /* found in the store after a doubt: a repeat has to be recorded anew */
    bool refused;                   /* the store was seen to be rolled back or edited here */
    struct keeper_request *request; /* under way, or about to be; NULL */
    uint32_t index;                 /* where the secret is */
};

struct keeper_keys; /* a set; opaque */

must_check result keeper_keys_new(struct keeper_keys **ret_keys);
/* Wipes. NULL is fine. */
void keeper_keys_free(struct keeper_keys *keys);

/* Adds a key; of two with the same public key the first stays (*ret_added false). E_MISMATCH when pubkey is
 * not the secret's, E_INPUT for an impossible secret, E_MEMORY when the secure heap is full. */
must_check result keeper_keys_add(struct keeper_keys *keys, bool *ret_added,
                                  const uint8_t secret[static BLS_SECRET_LEN],
                                  const uint8_t pubkey[static BLS_PUBKEY_LEN]);
/* The same of many: none is added unless every public key is its secret's. With base NULL each takes its own
 * time; with a pool its threads share the work. */
struct keeper_new_key {
    const uint8_t *secret, *pubkey;
    bool added;
};
enum { KEEPER_NEW_KEYS_MAX = 512 };
must_check result keeper_keys_add_many(struct keeper_keys *keys, struct keeper_new_key *list, uint32_t num,
                                       const struct bls_fixed_base *base, struct keeper_pool *pool);
/* Adds every key of another set, records included. */
must_check result keeper_keys_add_all(struct keeper_keys *keys, struct keeper_keys *from);

/* The same of those that are wanted. */
typedef bool keeper_keys_wanted(void *context, const struct keeper_key *key);
must_check result keeper_keys_add_some(struct keeper_keys *keys, struct keeper_keys *from,
                                       keeper_keys_wanted *wanted, void *context);

/* Adds a key without its secret, or renews what is remembered of it; nothing is under way for it there, and
 * what was is in doubt. */
must_check result keeper_keys_remember(struct keeper_keys *keys, const struct keeper_key *key);

/* NULL when there is none. Constant effort, whatever the number of keys and whoever chose them. */
struct keeper_key *keeper_keys_find(struct keeper_keys *keys, const uint8_t pubkey[static BLS_PUBKEY_LEN]);

uint32_t keeper_keys_count(const struct keeper_keys *keys);
/* In order of adding; index below the count. */
struct keeper_key *keeper_keys_at(struct keeper_keys *keys, uint32_t index);
/* 32 bytes in the secure heap. */
const uint8_t *keeper_keys_secret(const struct keeper_keys *keys, const struct keeper_key *key);

#endif
