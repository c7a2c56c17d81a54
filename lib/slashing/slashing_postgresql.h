/* slashing_postgresql.h - the store on PostgreSQL, in the database of Web3Signer (its schema version 12).
 * Target slashing_postgresql (libpq); slashing_postgresql_parse_url alone: slashing_postgresql_url.
 *
 * Signers of ours and of Web3Signer's may use one database at the same time: same tables, same advisory
 * locks. Every new signature adds a row, as it does there; this store reads the highest rows only and never
 * deletes any. Rows are pruned by a Web3Signer on the same database, or by nobody.
 */
#ifndef SLASHING_SLASHING_POSTGRESQL_H
#define SLASHING_SLASHING_POSTGRESQL_H

#include "base/secret.h"
#include "slashing/slashing_store.h"

enum { SLASHING_POSTGRESQL_TEXT_MAX = 256 };

/* Where the database is. Texts end with NUL; the empty text means that the setting was not made. */
struct slashing_postgresql_settings {
    char host[SLASHING_POSTGRESQL_TEXT_MAX]; /* a name, an address, or the folder of a unix socket */
    char host_address[64]; /* numeric: where host is; "": libpq resolves it, which it cannot in a sandbox */
    char port[6];
    char database[SLASHING_POSTGRESQL_TEXT_MAX];
    char user[SLASHING_POSTGRESQL_TEXT_MAX];
    struct secret password;                     /* length 0: none */
    char sslmode[SLASHING_POSTGRESQL_TEXT_MAX]; /* libpq's words, disable to verify-full; default prefer */
    char sslrootcert[SLASHING_POSTGRESQL_TEXT_MAX];
    char sslcert[SLASHING_POSTGRESQL_TEXT_MAX];
    char sslkey[SLASHING_POSTGRESQL_TEXT_MAX];
    uint32_t connect_timeout_seconds;        /* 0: 5 */
    uint32_t statement_timeout_milliseconds; /* 0: 5,000; of each round trip, too */
};

/* Wipes the password. Target slashing_postgresql_url. */
void slashing_postgresql_settings_cleanup(struct slashing_postgresql_settings *settings);

/* Reads jdbc:postgresql://HOST[:PORT]/DATABASE[?...], as Web3Signer's --slashing-protection-db-url, or
 * postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE[?...]. Parameters: user, password, ssl (of jdbc),
 * sslmode, sslrootcert, sslcert, sslkey, connect_timeout and connectTimeout (seconds), socketTimeout
 * (seconds), host (a socket's folder; not of jdbc). Any other is E_INPUT, as are several hosts: what is not
 * known is not ignored. The user is required, here or later. Nothing of the URL is echoed but names of
 * parameters. The secure heap must be open. */
must_check result slashing_postgresql_parse_url(struct slashing_postgresql_settings *ret_settings,
                                                const char *url);

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
