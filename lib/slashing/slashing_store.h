/* slashing_store.h - where records are durable. Three questions: load, advance, scan.
 *
 * A store answers for many keys at once, because fsync is paid once a batch. "Advanced" means durable. One
 * process at a time owns a SQLite store (a second one is refused at open). Targets: slashing (rules),
 * slashing_sqlite, slashing_interchange.
 */
#ifndef SLASHING_STORE_H
#define SLASHING_STORE_H

#include "slashing/slashing_rules.h"

struct slashing_store; /* opaque */

struct slashing_advance {
    uint8_t pubkey[48];
    struct slashing_record old; /* as loaded; the store refuses if it holds another (compare-and-set) */
    struct slashing_record next;
    bool done; /* out: this one is durable */
};

/* Opens or creates the SQLite file: WAL, synchronous=FULL, exclusive lock, schema version, quick check.
 * E_STORE says what is wrong with the file. */
must_check result slashing_sqlite_open(struct slashing_store **ret_store, const char *path);
void slashing_store_close(struct slashing_store *store);

/* The record, all zero for an unknown key. */
must_check result slashing_store_load(struct slashing_store *store, struct slashing_record *ret_record,
                                      const uint8_t pubkey[static 48]);
/* One durable transaction; either every compare-and-set that holds is durable and marked done, or E_STORE and
 * none may be signed. Two advances of one key in a batch are applied in order. */
must_check result slashing_store_advance(struct slashing_store *store, struct slashing_advance *advances,
                                         size_t num_advances);
/* Runs work between beginning and end of a transaction: what it advances and locks is durable together, once
 * this returns RESULT_OK, and on any failure, of work or of the end, none of it has happened. Inside,
 * slashing_store_load sees what was advanced, and "done" means no more than that. Not to be nested. */
must_check result slashing_store_transaction(struct slashing_store *store, result (*work)(void *context),
                                             void *context);
/* Calls visit for every validator in ascending order of key. */
must_check result slashing_store_scan(struct slashing_store *store,
                                      result (*visit)(void *context, const uint8_t pubkey[static 48],
                                                      const struct slashing_record *record),
                                      void *context);

/* The genesis validators root the store is locked to; E_NOT_FOUND when none yet. */
must_check result slashing_store_genesis(struct slashing_store *store, uint8_t ret_root[static 32]);
/* Locks it: durable; E_MISMATCH when it is locked to another. */
must_check result slashing_store_lock_genesis(struct slashing_store *store, const uint8_t root[static 32]);

#endif
