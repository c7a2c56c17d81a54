/* slashing_postgresql_private.h - shared by the files of this store. */
#ifndef SLASHING_SLASHING_POSTGRESQL_PRIVATE_H
#define SLASHING_SLASHING_POSTGRESQL_PRIVATE_H

#include <libpq-fe.h>

#include "base/buffer.h"
#include "slashing/slashing_postgresql.h"
#include "slashing/slashing_store_operations.h"

/* What a failure leaves open to the caller. */
enum pg_failure {
    PG_FAILED,     /* the server refused: doing it again is no use */
    PG_FAILED_NOW, /* a deadlock, or another was faster: nothing has happened, try again */
    PG_LOST        /* the connection: if COMMIT was sent, it may have happened */
};

struct slashing_postgresql {
    struct slashing_store store; /* the first member */
    struct slashing_postgresql_settings settings;
    PGconn *connection; /* in pipeline mode; NULL when lost */
    bool in_transaction;
    enum pg_failure failure; /* of the last failed round trip */
    uint64_t round_trips;
};

extern const struct slashing_store_operations slashing_postgresql_operations;

/* slashing_postgresql_link.c: the connection. */

/* The most: nine kinds of rows and COMMIT. */
enum { PG_STATEMENTS_MAX = 10, PG_VALUES_MAX = 4 };

struct pg_statement {
    const char *text;
    const char *values[PG_VALUES_MAX]; /* $1, $2, ... as text */
    int num_values;
};

/* What one round trip sends: statements one behind the other, and what they answered. The last place is for
 * one too many, with which nothing is sent. */
struct pg_exchange {
    struct pg_statement statements[PG_STATEMENTS_MAX + 1];
    size_t num_statements;
    PGresult *results[PG_STATEMENTS_MAX + 1]; /* of the statements, in their order */
};
static inline void pg_exchange_cleanup(struct pg_exchange *exchange)
{
    for (size_t i = 0; i < exchange->num_statements; i++)
        PQclear(exchange->results[i]);
}
/* A value as text; "" when it is NULL, and when the server has answered with fewer rows or columns than were
 * asked for. */
static inline const char *slashing_pg_value(const PGresult *rows, int row, int column)
{
    const char *value = PQgetvalue(rows, row, column);
    return value ? value : "";
}
/* Adds a statement; its values must live until the exchange was run. Running fails with E_INTERNAL when there
 * were more than PG_STATEMENTS_MAX. */
struct pg_statement *slashing_pg_add(struct pg_exchange *exchange, const char *text);

/* Connects when there is no connection. E_STORE in a transaction: it ended with the connection. */
must_check result slashing_pg_connect(struct slashing_postgresql *store);
void slashing_pg_disconnect(struct slashing_postgresql *store);
/* One round trip. E_STORE with the server's sentence when any statement failed; store->failure says more. */
must_check result slashing_pg_run(struct slashing_postgresql *store, struct pg_exchange *exchange);
/* The second round trip of what the one before began, whose locks are the connection's: PG_LOST, and nothing
 * is sent, when that is gone. On a new one its statements would count without what was compared under the
 * locks. */
must_check result slashing_pg_go_on(struct slashing_postgresql *store, struct pg_exchange *exchange);
/* After a failure: ends the transaction that may be open. */
void slashing_pg_rollback(struct slashing_postgresql *store);
/* That a COMMIT was one: of a transaction that had failed, it is a rollback. */
must_check result slashing_pg_committed(const PGresult *commit);

/* Texts of PostgreSQL arrays. Each put adds an element; array_close ends the array, and is called once. */
must_check result slashing_pg_array_put_hex(struct buffer *array, bool present, const uint8_t *bytes,
                                            size_t bytes_len);
must_check result slashing_pg_array_put_number(struct buffer *array, bool present, uint64_t value);
must_check result slashing_pg_array_put_text(struct buffer *array, const char *text);
must_check result slashing_pg_array_close(struct buffer *array);
const char *slashing_pg_text(const struct buffer *array);

/* slashing_postgresql_fold.c: the history of a validator, folded into its record. */

struct pg_found {
    char id[12]; /* of the validator; empty when it is not registered */
    struct slashing_record record;
    bool has_low_slot, has_low_epochs;
};
/* What metadata holds as the high watermark. Each may be absent for itself. */
struct pg_ceiling {
    bool has_slot, has_epoch;
    uint64_t slot, epoch;
};

/* With $1, keys as an array of hex. Exact looks at every row of a validator; quick at the highest ones, and
 * at all others but those whose source is above their target. */
extern const char slashing_pg_fold_exact[], slashing_pg_fold_quick[];
must_check result slashing_pg_read_found(struct pg_found *ret_found, const PGresult *rows, int row);
must_check result slashing_pg_read_ceiling(struct pg_ceiling *ret_ceiling, const PGresult *rows, int row);
/* Parses a numeric column. */
must_check result slashing_pg_read_number(bool *ret_present, uint64_t *ret_value, const PGresult *rows,
                                          int row, int column);
must_check result slashing_pg_read_hex(bool *ret_present, uint8_t *out, size_t out_len, const PGresult *rows,
                                       int row, int column);

must_check result slashing_pg_load_many(struct slashing_store *store, struct slashing_entry *ret_entries,
                                        const uint8_t (*pubkeys)[48], size_t num_pubkeys);
must_check result slashing_pg_scan(struct slashing_store *store, slashing_visit *visit, void *context);

/* slashing_postgresql_advance.c */
bool slashing_pg_block_changes(const struct slashing_advance *advance);
bool slashing_pg_vote_changes(const struct slashing_advance *advance);
must_check result slashing_pg_advance(struct slashing_store *store, struct slashing_advance *advances,
                                      size_t num_advances);

/* slashing_postgresql_write.c: the rows of the advances that were judged right. */

struct pg_rows {
    struct buffer block_id, block_slot, block_root;                 /* signatures */
    struct buffer vote_id, vote_source, vote_target, vote_root;     /* signatures */
    struct buffer floor_id, floor_slot, floor_source, floor_target; /* low watermarks */
    struct buffer block_mark_id, block_mark_slot;                   /* marks of no single block */
    struct buffer vote_mark_id, vote_mark_source, vote_mark_target; /* marks of no single vote */
    struct buffer kept_block_id, kept_block_slot; /* marks that are there, of which a row may be missing */
    struct buffer kept_vote_id, kept_vote_source, kept_vote_target;
    struct buffer touched_id;
    struct buffer enabled_id, enabled;
};
void slashing_pg_rows_cleanup(struct pg_rows *rows);
static inline void pg_rows_cleanup(struct pg_rows *rows)
{
    slashing_pg_rows_cleanup(rows);
}
/* A mark with a root is one message signed just now, unless the advance is a history. */
must_check result slashing_pg_rows_add(struct pg_rows *rows, const struct slashing_advance *advance,
                                       const struct pg_found *found);
/* Of a history whose marks are there already. */
must_check result slashing_pg_rows_raise(struct pg_rows *rows, const struct slashing_advance *advance,
                                         const struct pg_found *found);
/* Adds the statements that have rows. */
must_check result slashing_pg_rows_write(struct pg_exchange *exchange, struct pg_rows *rows);

#endif
