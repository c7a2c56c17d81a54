/* slashing_store.h - where records are durable.
 *
 * One interface, several implementations: SQLite (slashing_sqlite.h) and, across a network, those that the
 * courier and the interchange program run. All calls wait until they are done; a store answers for many keys
 * at once, because fsync or a round trip is paid once a batch. "Done" means durable. A store serves one
 * thread at a time. What a store cannot know, such as a generation, it reports as zero.
 */
#ifndef SLASHING_STORE_H
#define SLASHING_STORE_H

#include "slashing/slashing_rules.h"

enum { SLASHING_MAC_LEN = 32, SLASHING_STORE_ID_LEN = 16, SLASHING_SEALED_KEY_MAX = 1024 };

struct slashing_store; /* opaque; slashing_store_operations.h is for implementations */

/* Beside a record in stores that several signers share: who wrote it, and that one of ours did. All zero in
 * stores that keep neither. */
struct slashing_stamp {
    uint64_t generation;           /* of the signer that wrote the record */
    uint8_t mac[SLASHING_MAC_LEN]; /* over key, record and generation: slashing_seal.h */
};

struct slashing_entry {
    struct slashing_record record;
    struct slashing_stamp stamp;
};

struct slashing_advance {
    uint8_t pubkey[48];
    struct slashing_record old; /* as loaded; the store refuses if it holds another (compare-and-set) */
    struct slashing_record next;
    struct slashing_stamp old_stamp, next_stamp;
    /* next holds what an import or a repair says, and so stands for messages that the store may not have:
     * where Web3Signer reads it (PostgreSQL), they are forbidden there too, even if next is what it held. */
    bool is_history;
    bool done;     /* out: this one is durable */
    bool conflict; /* out: the store held something else, and nothing was changed: found */
    struct slashing_entry found;
};

/* What a store says of itself. */
struct slashing_head {
    bool has_genesis; /* the genesis validators root the store is locked to */
    uint8_t genesis_validators_root[32];
    bool has_high_watermark; /* nothing at or above is signed, whatever the validator */
    uint64_t high_epoch, high_slot;
    /* Stores with an identity (DynamoDB) only. */
    uint64_t generation;                         /* of the latest signer in single mode */
    uint64_t num_validators;                     /* enrolled; as many entries there must be */
    uint8_t store_id[SLASHING_STORE_ID_LEN];     /* random, never zero */
    uint32_t sealed_key_len;                     /* 0: the key is no secret of KMS */
    uint8_t sealed_key[SLASHING_SEALED_KEY_MAX]; /* the store's key as KMS encrypted it */
    uint8_t mac[SLASHING_MAC_LEN];
};

/* A validator that is to be known to the store from now on. */
struct slashing_enrolment {
    uint8_t pubkey[48];
    struct slashing_entry entry;
};

/* Frees it too; store may be NULL. */
void slashing_store_close(struct slashing_store *store);

/* E_NOT_FOUND when the store was never begun (stores with an identity only). */
must_check result slashing_store_head(struct slashing_store *store, struct slashing_head *ret_head);
/* Durable, all of it or nothing: next instead of old, and the enrolments beside it. E_MISMATCH when the head
 * is not old any more, or a validator is enrolled already: nothing was changed. Any other failure leaves the
 * outcome open: read the head again. In stores without an identity only genesis and the high watermark are
 * kept. At most SLASHING_ENROLMENTS_MAX enrolments. */
enum { SLASHING_ENROLMENTS_MAX = 96 };
must_check result slashing_store_set_head(struct slashing_store *store, const struct slashing_head *old,
                                          const struct slashing_head *next,
                                          const struct slashing_enrolment *enrolments, size_t num_enrolments);

/* The entries of these validators, in their order; all zero where the store has none. In stores with an
 * identity that is E_STORE: every enrolled validator has one. */
must_check result slashing_store_load_many(struct slashing_store *store, struct slashing_entry *ret_entries,
                                           const uint8_t (*pubkeys)[48], size_t num_pubkeys);
/* One, without its stamp. */
must_check result slashing_store_load(struct slashing_store *store, struct slashing_record *ret_record,
                                      const uint8_t pubkey[static 48]);

/* Each advance is a compare-and-set of its own: done, conflict, or, with E_STORE, neither: then it may have
 * become durable, may still, or not. Only what is done may be signed, and what is done or a conflict is so
 * whatever is returned: across a network a deadline may end a call when some of its advances are done, some
 * are conflicts, and of the others nothing is known. An advance that is sent again after such a doubt is done
 * when the store holds exactly what it wanted (in stores with an identity; others say conflict and show it).
 * Two advances of one key in a batch are applied in order by SQLite, refused (E_INPUT) by others. */
must_check result slashing_store_advance(struct slashing_store *store, struct slashing_advance *advances,
                                         size_t num_advances);
/* Runs work between beginning and end of a transaction: what it advances and locks is durable together, once
 * this returns RESULT_OK, and on any failure of work none of it has happened. Inside, slashing_store_load
 * sees what was advanced, and "done" means no more than that. Not to be nested. A failure of the end undoes
 * all of it too in SQLite and PostgreSQL; DynamoDB has no transactions of that size: some records may then
 * have risen, and doing it again is right. */
must_check result slashing_store_transaction(struct slashing_store *store, result (*work)(void *context),
                                             void *context);
/* Calls visit for every validator, in ascending order of key where the store keeps one (SQLite, PostgreSQL).
 */
typedef result slashing_visit(void *context, const uint8_t pubkey[static 48],
                              const struct slashing_entry *entry);
must_check result slashing_store_scan(struct slashing_store *store, slashing_visit *visit, void *context);

/* The genesis validators root the store is locked to; E_NOT_FOUND when none yet. */
must_check result slashing_store_genesis(struct slashing_store *store, uint8_t ret_root[static 32]);
/* Locks it: durable; E_MISMATCH when it is locked to another. Not for stores with an identity, whose head is
 * sealed. */
must_check result slashing_store_lock_genesis(struct slashing_store *store, const uint8_t root[static 32]);

#endif
