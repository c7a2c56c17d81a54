/* keeper_store.h - what is remembered of each validator, in memory and durably.
 *
 * The record in memory is always one that is known to be durable. A decision that needs another becomes a
 * request (keeper_requests.h); its outcome makes the order true, or lets it be decided anew, or refuses it.
 * SQLite answers at once (keeper_local.c), a store across a network when it can (keeper_remote.c): the rest
 * is the same for both.
 */
#ifndef KEEPER_STORE_H
#define KEEPER_STORE_H

#include "ipc/ipc.h"
#include "ipc/ipc_store.h"
#include "keeper_head.h"
#include "keeper_keys.h"
#include "keeper_requests.h"
#include "policy/policy.h"
#include "slashing/slashing_seal.h"

struct keeper;

struct keeper_store {
    enum policy_store_kind kind; /* NONE: protection is disabled by policy */
    bool ok;                     /* the latest request was answered, and what was to be written is durable */
    bool broken;                 /* nothing is signed any more */
    bool has_genesis;
    uint8_t genesis[32];
    struct slashing_limits limits;
    struct slashing_store *file; /* SQLite */
    /* DynamoDB: */
    bool has_seal;
    struct slashing_seal seal;
    bool has_generation; /* of this signer; found (fleet) or taken (single mode) */
    uint64_t generation;
    /* Across a network: */
    struct keeper_head head;
};

/* DynamoDB and PostgreSQL. */
bool keeper_store_is_remote(const struct keeper_store *store);
/* Its head and entries carry MACs and generations. */
bool keeper_store_is_sealed(const struct keeper_store *store);

/* Opens what the policy names and locks it to the policy's genesis validators root. One across a network is
 * opened by the courier, later: keeper_start.h. */
must_check result keeper_store_open(struct keeper_store *store, const struct policy *policy);
void keeper_store_close(struct keeper_store *store);

struct keeper_decision {
    enum slashing_verdict verdict;
    /* Where the order has to wait; NULL: it is as the verdict says, and nothing need be recorded. In a
     * resting list the verdict becomes true with the request; elsewhere the order is decided anew. */
    struct keeper_order_list *wait_in;
    bool is_held_up; /* no request can be made now: nothing else need be decided before one is answered */
};

/* Decides one order with its signing root against the record in memory and store->limits, or against that of
 * the advance which it can join. E_STORE when the record or the genesis lock cannot be had. */
must_check result keeper_store_decide(struct keeper *k, struct keeper_decision *ret_decision,
                                      struct keeper_key *key, const struct keeper_order *order);

/* Whether the durable record excludes that this is signed as something new: it was recorded, or is of a kind
 * that never is. The last question before a signature. */
bool keeper_store_has_recorded(const struct keeper *k, const struct keeper_key *key,
                               const struct keeper_order *order);

/* Makes the unsent requests: SQLite has answered them on return, the courier is sent as many as it reads. */
void keeper_store_record(struct keeper *k);

/* The store's health by what became of advances that were answered together: one that is open is enough. */
void keeper_store_judge(struct keeper *k, bool any_open);
/* Begins to make it durable that a key in service is disabled; nothing is under way for it, and it is not
 * disabled as far as is known. Once its request has ended, the key says what came of it. Without a request
 * there was no place for one. */
must_check result keeper_store_disable(struct keeper *k, struct keeper_key *key);

/* What became of an advance of a key in service; found is the entry the store holds instead (CONFLICT). */
void keeper_store_take_outcome(struct keeper *k, struct keeper_request *request,
                               enum ipc_store_outcome outcome, const struct slashing_entry *found);
/* What became of a read; found NULL: it cannot be read now. */
void keeper_store_take_read(struct keeper *k, struct keeper_request *request,
                            const struct slashing_entry *found);

/* Takes an entry that the store holds into memory. False when it must not be believed: then the reason is
 * logged, and the key is refused from now on, or, with SQLite, everything. */
bool keeper_store_take_found(struct keeper *k, struct keeper_key *key, const struct slashing_entry *found);

/* They are answered: the store cannot. */
void keeper_store_refuse_all(struct keeper *k, struct keeper_order_list *orders);
/* Orders that were decided on what was not so: to ready, or refused when that happens too often. */
void keeper_store_decide_again(struct keeper *k, struct keeper_order_list *orders);

/* Remembers whether the store answers, and logs a change; why may be NULL when it does. */
void keeper_store_set_ok(struct keeper *k, bool ok, const char *why);
/* Nothing is signed any more; the reason is logged, once. */
void keeper_store_break(struct keeper *k, const char *why);
/* A later generation than ours has been seen. */
void keeper_store_fence(struct keeper *k, uint64_t generation);

/* Whether the store still answers, or answers again, asked while nothing is signed. */
void keeper_store_probe(struct keeper *k);

/* keeper_local.c: SQLite. */
/* Reads a key's record. */
must_check result keeper_local_know(struct keeper *k, struct keeper_key *key);
must_check result keeper_local_lock_genesis(struct keeper *k, const uint8_t root[static 32]);
void keeper_local_record(struct keeper *k);
/* While no order waits it also does what commits would have to do by and by. */
must_check result keeper_local_probe(struct keeper *k);

#endif
