/* slashing_postgresql.h - the store on PostgreSQL, in the database of Web3Signer (its schema version 12).
 * Target slashing_postgresql (libpq).
 *
 * Signers of ours and of Web3Signer's may use one database at the same time: same tables, same advisory
 * locks. Every new signature adds a row, as it does there; this store reads the highest rows only and never
 * deletes any. Rows are pruned by a Web3Signer on the same database, or by nobody.
 */
#ifndef SLASHING_SLASHING_POSTGRESQL_H
#define SLASHING_SLASHING_POSTGRESQL_H

#include "slashing/slashing_postgresql_url.h"
#include "slashing/slashing_store.h"

/* libpq takes whatever it is not told from PGHOST, PGSERVICE and the like. Removes every variable PG* from
 * this process's environment. Before any thread is started. */
void slashing_postgresql_forget_environment(void);

/* Connects, and sees that the database is what it must be: schema version 12, tables that survive a crash, a
 * server that writes durably (fsync, full_page_writes) and is no standby. Takes the password over. E_STATE
 * while a variable PG* is in the environment; E_STORE otherwise. A connection that is lost later is made anew
 * by the next call, all checks repeated; the error then is E_STORE until it succeeds. */
must_check result slashing_postgresql_open(struct slashing_store **ret_store,
                                           struct slashing_postgresql_settings *settings);

/* Round trips to the server since it was opened, connecting not counted; for tests and benches. */
uint64_t slashing_postgresql_round_trips(const struct slashing_store *store);

#endif
