/* scripted_postgresql.h - a PostgreSQL server below the store, in this process: it stands in the place of
 * those functions of libpq that speak over the network, keeps Web3Signer's tables as far as the store uses
 * them, and answers as it is told to instead. Results are libpq's own. A real server is
 * tests/integration/test_store_postgresql.py.
 */
#ifndef SCRIPTED_POSTGRESQL_H
#define SCRIPTED_POSTGRESQL_H

#include "store_testing.h"

#include "slashing/slashing_postgresql_private.h"

/* Instead of what is usual, for a statement that has this word in it. */
struct pg_answer {
    const char *word;
    int skip;          /* so many of them are answered as usual before */
    int times;         /* 0: once; -1: always */
    const char *rows;  /* "a|b;c|d", "~" for NULL, "" for none; NULL: as usual */
    const char *state; /* refused with that SQLSTATE; "?": without one */
    const char *tag;   /* of the command */
};

enum { PG_ANSWERS_MAX = 4, PG_IDS = 16 };

/* What a validator's rows fold to, as the texts of columns; "" is NULL. */
struct pg_validator {
    bool disabled;
    char slot[24], block_root[65], source[24], target[24], vote_root[65], highest_source[24];
    char low_slot[24], low_source[24], low_target[24];
    char kept_slot[24], kept_source[24], kept_target[24]; /* a row that is to be there, whatever it has */
    unsigned touched;
};

struct pg_server {
    struct pg_answer answers[PG_ANSWERS_MAX];
    struct pg_validator of[PG_IDS]; /* validator i has the key of 48 bytes i */
    char genesis[65], high_epoch[24], high_slot[24];
    /* What libpq says, each so many times from now, or for good with a negative number. */
    int busy, unsent, not_flushed, not_sent, not_synchronised, not_read, interrupted, unpollable, never;
    bool no_memory, no_connection, no_pipeline, blocking, out_of_order, no_sync, no_field, no_text,
        lost_when_refused;
    const char *lost_behind; /* a statement with this word, once: the status of the connection says so when it
                                was answered */
    bool lose_commit;        /* it happens, and nobody is told */
    unsigned num_connections;
    char timeout_ms[16]; /* that was asked for */
    struct {
        char name[32], value[64];
        bool is_given;
    } parameters[32]; /* of the latest connection */
};
extern struct pg_server server;

/* An empty database, and nothing wrong. */
void server_begin(void);
/* The store on it. */
struct slashing_store *server_open(void);
result server_try_open(struct slashing_store **ret_store);

#endif
