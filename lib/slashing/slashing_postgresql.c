/* slashing_postgresql.c - the head, transactions, opening and closing.
 *
 * The head is Web3Signer's metadata row: the first genesis validators root stays, and the high watermark is
 * set and removed as its watermark-repair does.
 *
 * A transaction (an import, thousands of validators) cannot take two advisory locks for each: the server's
 * table of locks would overflow. It takes the tables instead, in a mode that excludes every INSERT. Signers
 * of ours wait before they read (slashing_postgresql_advance.c). A Web3Signer may have read already, and its
 * one INSERT then follows the import: as if it had signed just before. What is imported only raises, so the
 * order of the two changes nothing that is stored. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "slashing/slashing_postgresql_private.h"

static const char begin[] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
static const char own_tables[] =
    "LOCK TABLE signed_blocks, signed_attestations, low_watermarks IN SHARE ROW EXCLUSIVE MODE";
/* What is imported is read between two statements, however slowly. */
static const char take_time[] = "SET LOCAL idle_in_transaction_session_timeout = '1h'";
static const char read_head[] = "SELECT encode(genesis_validators_root, 'hex'), high_watermark_epoch, "
                                "high_watermark_slot FROM metadata WHERE id = 1";
static const char lock_head[] = "SELECT encode(genesis_validators_root, 'hex'), high_watermark_epoch, "
                                "high_watermark_slot FROM metadata WHERE id = 1 FOR UPDATE";
static const char insert_genesis[] = "INSERT INTO metadata (id, genesis_validators_root) "
                                     "SELECT 1, decode($1, 'hex') WHERE $1 <> '' ON CONFLICT (id) DO NOTHING";
static const char set_high[] =
    "UPDATE metadata SET high_watermark_epoch = $1::numeric, high_watermark_slot = $2::numeric WHERE id = 1";
static const char enrol[] = "SELECT count(*) FROM upsert_validators(ARRAY(SELECT decode(k, 'hex') "
                            "FROM unnest($1::text[]) AS k))";

static struct slashing_postgresql *postgresql_of(struct slashing_store *store)
{
    return (struct slashing_postgresql *)store; /* its first member */
}

/* One half of the high watermark can be absent there: that half then excludes nothing. */
static must_check result parse_head(struct slashing_head *ret_head, const PGresult *row)
{
    struct slashing_head head = {0};
    bool has_epoch, has_slot;
    if (PQntuples(row) > 0) {
        ENSURE(PQnfields(row) == 3, E_STORE, "PostgreSQL: a head of %d columns", PQnfields(row));
        TRY(slashing_pg_read_hex(&head.has_genesis, head.genesis_validators_root, 32, row, 0, 0));
        ENSURE(head.has_genesis, E_STORE, "PostgreSQL: the genesis validators root is not 32 bytes");
        TRY(slashing_pg_read_number(&has_epoch, &head.high_epoch, row, 0, 1));
        TRY(slashing_pg_read_number(&has_slot, &head.high_slot, row, 0, 2));
        head.has_high_watermark = has_epoch || has_slot;
        if (head.has_high_watermark && !has_epoch)
            head.high_epoch = UINT64_MAX;
        if (head.has_high_watermark && !has_slot)
            head.high_slot = UINT64_MAX;
    }
    *ret_head = head;
    return RESULT_OK;
}

static result head(struct slashing_store *base, struct slashing_head *ret_head)
{
    struct slashing_postgresql *store = postgresql_of(base);
    for (int attempt = 0;; attempt++) {
        AUTO(pg_exchange) ask = {0};
        (void)slashing_pg_add(&ask, read_head);
        result r = slashing_pg_run(store, &ask);
        if (!r.code)
            return parse_head(ret_head, ask.results[0]);
        if (attempt > 0 || store->failure != PG_LOST || store->in_transaction)
            return r;
    }
}

static bool high_equal(const struct slashing_head *a, const struct slashing_head *b)
{
    if (!a->has_high_watermark || !b->has_high_watermark)
        return a->has_high_watermark == b->has_high_watermark;
    return a->high_epoch == b->high_epoch && a->high_slot == b->high_slot;
}

static must_check result compare_head(const struct slashing_head *now, const struct slashing_head *old,
                                      const struct slashing_head *next)
{
    ENSURE(now->has_genesis == next->has_genesis &&
               memcmp(now->genesis_validators_root, next->genesis_validators_root, 32) == 0,
           E_MISMATCH, "the store is locked to another genesis validators root");
    ENSURE(high_equal(now, old) || high_equal(now, next), E_MISMATCH,
           "the high watermark was changed meanwhile");
    return RESULT_OK;
}

/* With the row locked: INSERT first, as two may be the first at once. */
static must_check result lock_and_compare(struct slashing_postgresql *store, struct slashing_head *ret_now,
                                          const struct slashing_head *old, const struct slashing_head *next)
{
    AUTO(pg_exchange) ask = {0};
    char genesis[65] = "";
    if (next->has_genesis)
        hex_encode(genesis, next->genesis_validators_root, 32);
    if (!store->in_transaction)
        (void)slashing_pg_add(&ask, begin);
    struct pg_statement *insert = slashing_pg_add(&ask, insert_genesis);
    insert->values[insert->num_values++] = genesis;
    (void)slashing_pg_add(&ask, lock_head);
    TRY(slashing_pg_run(store, &ask));
    TRY(parse_head(ret_now, ask.results[ask.num_statements - 1]));
    return compare_head(ret_now, old, next);
}

static must_check result change_head(struct slashing_postgresql *store, const struct slashing_head *now,
                                     const struct slashing_head *next,
                                     const struct slashing_enrolment *enrolments, size_t num_enrolments)
{
    AUTO(pg_exchange) ask = {0};
    AUTO(buffer) keys = {0};
    char epoch[24], slot[24];
    if (!high_equal(now, next)) {
        (void)snprintf(epoch, sizeof epoch, "%" PRIu64, next->high_epoch);
        (void)snprintf(slot, sizeof slot, "%" PRIu64, next->high_slot);
        struct pg_statement *update = slashing_pg_add(&ask, set_high);
        update->values[0] = next->has_high_watermark ? epoch : NULL;
        update->values[1] = next->has_high_watermark ? slot : NULL;
        update->num_values = 2;
    }
    for (size_t i = 0; i < num_enrolments; i++)
        TRY(slashing_pg_array_put_hex(&keys, true, enrolments[i].pubkey, 48));
    if (num_enrolments > 0) {
        TRY(slashing_pg_array_close(&keys));
        struct pg_statement *insert = slashing_pg_add(&ask, enrol);
        insert->values[insert->num_values++] = slashing_pg_text(&keys);
    }
    if (!store->in_transaction)
        (void)slashing_pg_add(&ask, "COMMIT");
    if (ask.num_statements == 0)
        return RESULT_OK;
    TRY(slashing_pg_go_on(store, &ask));
    return store->in_transaction ? RESULT_OK : slashing_pg_committed(ask.results[ask.num_statements - 1]);
}

static must_check result check_head(const struct slashing_head *next,
                                    const struct slashing_enrolment *enrolments, size_t num_enrolments)
{
    ENSURE(!next->has_high_watermark || next->has_genesis, E_STATE,
           "the database is locked to no genesis validators root yet, and has no place for a high watermark");
    for (size_t i = 0; i < num_enrolments; i++) {
        const struct slashing_record *r = &enrolments[i].entry.record;
        ENSURE(!r->disabled && !r->has_block && !r->has_attestation, E_UNSUPPORTED,
               "validators are enrolled here without a history");
    }
    return RESULT_OK;
}

static result set_head(struct slashing_store *base, const struct slashing_head *old,
                       const struct slashing_head *next, const struct slashing_enrolment *enrolments,
                       size_t num_enrolments)
{
    struct slashing_postgresql *store = postgresql_of(base);
    struct slashing_head now = {0};
    TRY(check_head(next, enrolments, num_enrolments));
    result r = lock_and_compare(store, &now, old, next);
    if (!r.code)
        r = change_head(store, &now, next, enrolments, num_enrolments);
    if (r.code && !store->in_transaction)
        slashing_pg_rollback(store);
    return r;
}

static must_check result begin_transaction(struct slashing_postgresql *store)
{
    AUTO(pg_exchange) ask = {0};
    (void)slashing_pg_add(&ask, begin);
    (void)slashing_pg_add(&ask, take_time);
    (void)slashing_pg_add(&ask, own_tables);
    return slashing_pg_run(store, &ask);
}

/* Of a transaction that has failed, though work said nothing of it, the COMMIT is none. */
static must_check result commit(struct slashing_postgresql *store)
{
    AUTO(pg_exchange) ask = {0};
    (void)slashing_pg_add(&ask, "COMMIT");
    TRY(slashing_pg_run(store, &ask));
    return slashing_pg_committed(ask.results[0]);
}

static result transaction(struct slashing_store *base, result (*work)(void *context), void *context)
{
    struct slashing_postgresql *store = postgresql_of(base);
    ENSURE(!store->in_transaction, E_INTERNAL, "a transaction within a transaction");
    result r = begin_transaction(store);
    if (!r.code) {
        store->in_transaction = true;
        r = work(context);
        if (!r.code)
            r = commit(store);
        store->in_transaction = false;
    }
    if (r.code)
        slashing_pg_rollback(store);
    return r;
}

static void close_store(struct slashing_store *base)
{
    struct slashing_postgresql *store = postgresql_of(base);
    slashing_pg_disconnect(store);
    slashing_postgresql_settings_cleanup(&store->settings);
    free(store);
}

const struct slashing_store_operations slashing_postgresql_operations = {
    .close = close_store,
    .head = head,
    .set_head = set_head,
    .load_many = slashing_pg_load_many,
    .advance = slashing_pg_advance,
    .transaction = transaction,
    .scan = slashing_pg_scan,
};

result slashing_postgresql_open(struct slashing_store **ret_store,
                                struct slashing_postgresql_settings *settings)
{
    ENSURE(settings->host[0] && settings->database[0] && settings->user[0], E_INPUT,
           "host, database and user are required");
    struct slashing_postgresql *store = calloc(1, sizeof *store);
    ENSURE(store, E_MEMORY, "out of memory");
    store->store.operations = &slashing_postgresql_operations;
    store->settings = *settings;
    settings->password = (struct secret){0};
    result r = slashing_pg_connect(store);
    if (r.code) {
        close_store(&store->store);
        return r;
    }
    store->round_trips = 0;
    *ret_store = &store->store;
    return RESULT_OK;
}

uint64_t slashing_postgresql_round_trips(const struct slashing_store *store)
{
    return ((const struct slashing_postgresql *)store)->round_trips;
}
