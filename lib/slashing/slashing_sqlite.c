/* slashing_sqlite.c - records in SQLite: read, compare and set, scan; and the store's own row.
 *
 * An advance is one transaction for the whole batch: one fsync, however many keys. What SQLite
 * reports as committed under synchronous=FULL is on the disk; after each commit we also look
 * whether the names still lead to the files we wrote, since a database restored over a running
 * signer would otherwise take records that nobody will ever read. */
#include <string.h>

#include "slashing/slashing_codec.h"
#include "slashing/slashing_sqlite_private.h"

static void put_big_endian(uint8_t out[static 8], uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t get_big_endian(const uint8_t bytes[static 8])
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

static int bind_blob(sqlite3_stmt *statement, int at, bool present, const void *bytes, int bytes_len)
{
    return present ? sqlite3_bind_blob(statement, at, bytes, bytes_len, SQLITE_TRANSIENT)
                   : sqlite3_bind_null(statement, at);
}

static int bind_number(sqlite3_stmt *statement, int at, bool present, uint64_t value)
{
    uint8_t bytes[8];
    put_big_endian(bytes, value);
    return bind_blob(statement, at, present, bytes, 8);
}

/* The six columns of a record, from parameter number at. */
static must_check result bind_record(struct slashing_sqlite *store, sqlite3_stmt *statement, int at,
                                     const struct slashing_record *r)
{
    bool has_root = r->has_block && r->block_has_root;
    bool has_vote_root = r->has_attestation && r->attestation_has_root;
    if (sqlite3_bind_int(statement, at, r->disabled) != SQLITE_OK ||
        bind_number(statement, at + 1, r->has_block, r->block_slot) != SQLITE_OK ||
        bind_blob(statement, at + 2, has_root, r->block_root, 32) != SQLITE_OK ||
        bind_number(statement, at + 3, r->has_attestation, r->source_epoch) != SQLITE_OK ||
        bind_number(statement, at + 4, r->has_attestation, r->target_epoch) != SQLITE_OK ||
        bind_blob(statement, at + 5, has_vote_root, r->attestation_root, 32) != SQLITE_OK)
        return slashing_sqlite_failure(store->database, "binding");
    return RESULT_OK;
}

static must_check result column_blob(sqlite3_stmt *statement, int column, bool *ret_present, uint8_t *out,
                                     int out_len)
{
    int type = sqlite3_column_type(statement, column);
    *ret_present = type != SQLITE_NULL;
    if (!*ret_present)
        return RESULT_OK;
    const void *bytes = sqlite3_column_blob(statement, column);
    ENSURE(type == SQLITE_BLOB && bytes && sqlite3_column_bytes(statement, column) == out_len, E_STORE,
           "column %d of a record is not %d bytes", column, out_len);
    memcpy(out, bytes, (size_t)out_len);
    return RESULT_OK;
}

static must_check result column_number(sqlite3_stmt *statement, int column, bool *ret_present,
                                       uint64_t *ret_value)
{
    uint8_t bytes[8] = {0};
    TRY(column_blob(statement, column, ret_present, bytes, 8));
    *ret_value = get_big_endian(bytes);
    return RESULT_OK;
}

static must_check result read_record(sqlite3_stmt *statement, struct slashing_record *ret_record)
{
    struct slashing_record r = {.disabled = sqlite3_column_int(statement, 0) != 0};
    bool has_source = false;
    TRY(column_number(statement, 1, &r.has_block, &r.block_slot));
    TRY(column_blob(statement, 2, &r.block_has_root, r.block_root, 32));
    TRY(column_number(statement, 3, &has_source, &r.source_epoch));
    TRY(column_number(statement, 4, &r.has_attestation, &r.target_epoch));
    TRY(column_blob(statement, 5, &r.attestation_has_root, r.attestation_root, 32));
    ENSURE(has_source == r.has_attestation, E_STORE, "a record has one epoch without the other");
    *ret_record = r;
    return RESULT_OK;
}

static void statement_reset(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
}
/* Not owned, only reset: so that a statement never stays open across calls. */
DEFINE_AUTO_POINTER(sqlite3_stmt, statement_reset)

/* A statement that answers no row. */
static must_check result step_done(struct slashing_sqlite *store, enum store_statement which,
                                   const char *doing)
{
    int code = sqlite3_step(store->statements[which]);
    result r = code == SQLITE_DONE ? RESULT_OK : slashing_sqlite_failure(store->database, doing);
    (void)sqlite3_reset(store->statements[which]);
    return r;
}

static struct slashing_sqlite *sqlite_of(struct slashing_store *store)
{
    return (struct slashing_sqlite *)store; /* its first member */
}

static must_check result load(struct slashing_sqlite *store, struct slashing_entry *ret_entry,
                              const uint8_t pubkey[static 48])
{
    AUTO_POINTER(sqlite3_stmt) statement = store->statements[STORE_LOAD];
    struct slashing_entry entry = {0};
    if (bind_blob(statement, 1, true, pubkey, 48) != SQLITE_OK)
        return slashing_sqlite_failure(store->database, "binding");
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        TRY(read_record(statement, &entry.record));
    else if (code != SQLITE_DONE)
        return slashing_sqlite_failure(store->database, "reading a record");
    *ret_entry = entry;
    return RESULT_OK;
}

static result load_many(struct slashing_store *store, struct slashing_entry *ret_entries,
                        const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    for (size_t i = 0; i < num_pubkeys; i++)
        TRY(load(sqlite_of(store), &ret_entries[i], pubkeys[i]));
    return RESULT_OK;
}

static result scan(struct slashing_store *base, slashing_visit *visit, void *context)
{
    struct slashing_sqlite *store = sqlite_of(base);
    AUTO_POINTER(sqlite3_stmt) statement = store->statements[STORE_SCAN];
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct slashing_entry entry = {0};
        uint8_t pubkey[48];
        bool present;
        TRY(read_record(statement, &entry.record));
        TRY(column_blob(statement, 6, &present, pubkey, 48));
        TRY(visit(context, pubkey, &entry));
    }
    if (code != SQLITE_DONE)
        return slashing_sqlite_failure(store->database, "reading the records");
    return RESULT_OK;
}

static bool record_is_empty(const struct slashing_record *r)
{
    return !r->disabled && !r->has_block && !r->has_attestation;
}

static must_check result update_one(struct slashing_sqlite *store, bool *ret_held,
                                    const uint8_t pubkey[static 48], const struct slashing_record *old,
                                    const struct slashing_record *next)
{
    sqlite3_stmt *update = store->statements[STORE_UPDATE];
    if (bind_blob(update, 1, true, pubkey, 48) != SQLITE_OK)
        return slashing_sqlite_failure(store->database, "binding");
    TRY(bind_record(store, update, 2, next));
    TRY(bind_record(store, update, 8, old));
    TRY(step_done(store, STORE_UPDATE, "changing a record"));
    *ret_held = sqlite3_changes(store->database) == 1;
    return RESULT_OK;
}

/* A record that is to stay as it is. SQLite writes no page whose bytes stay, and would say that it is durable
 * when nothing can be written: it is changed on the way. */
static must_check result rewrite_one(struct slashing_sqlite *store, bool *ret_held,
                                     const struct slashing_advance *a)
{
    struct slashing_record other = a->next;
    other.disabled = !other.disabled;
    TRY(update_one(store, ret_held, a->pubkey, &a->old, &other));
    return *ret_held ? update_one(store, ret_held, a->pubkey, &other, &a->next) : RESULT_OK;
}

/* One compare-and-set inside the open transaction; *ret_held says whether the old record was there. */
static must_check result advance_one(struct slashing_sqlite *store, bool *ret_held,
                                     const struct slashing_advance *a)
{
    sqlite3_stmt *insert = store->statements[STORE_INSERT];
    bool is_rewrite = !store->in_transaction && slashing_record_equal(&a->old, &a->next);
    TRY(is_rewrite ? rewrite_one(store, ret_held, a)
                   : update_one(store, ret_held, a->pubkey, &a->old, &a->next));
    if (*ret_held || !record_is_empty(&a->old))
        return RESULT_OK;

    if (bind_blob(insert, 1, true, a->pubkey, 48) != SQLITE_OK)
        return slashing_sqlite_failure(store->database, "binding");
    TRY(bind_record(store, insert, 2, &a->next));
    TRY(step_done(store, STORE_INSERT, "adding a record"));
    *ret_held = sqlite3_changes(store->database) == 1;
    return RESULT_OK;
}

/* After a failure the transaction may be gone, and what is written then would be committed by itself. */
static must_check result still_in_transaction(const struct slashing_sqlite *store)
{
    ENSURE(!store->in_transaction || !sqlite3_get_autocommit(store->database), E_STORE,
           "the transaction has ended by a failure");
    return RESULT_OK;
}

static must_check result advance_each(struct slashing_sqlite *store, struct slashing_advance *advances,
                                      size_t num_advances)
{
    for (size_t i = 0; i < num_advances; i++) {
        TRY(advance_one(store, &advances[i].done, &advances[i]));
        advances[i].conflict = !advances[i].done;
        if (advances[i].conflict)
            TRY(load(store, &advances[i].found, advances[i].pubkey));
    }
    return RESULT_OK;
}

static must_check result commit(struct slashing_sqlite *store)
{
    TRY(step_done(store, STORE_COMMIT, "making records durable"));
    return slashing_check_files(store);
}

static must_check result advance_all(struct slashing_sqlite *store, struct slashing_advance *advances,
                                     size_t num_advances)
{
    TRY(still_in_transaction(store));
    if (store->in_transaction)
        return advance_each(store, advances, num_advances);
    TRY(slashing_check_sizes(store));
    TRY(step_done(store, STORE_BEGIN, "beginning a transaction"));
    TRY(advance_each(store, advances, num_advances));
    return commit(store);
}

/* Some failures have rolled back already: then there is no transaction left to end. */
static void abandon(struct slashing_sqlite *store)
{
    if (!sqlite3_get_autocommit(store->database)) {
        (void)sqlite3_step(store->statements[STORE_ROLLBACK]);
        (void)sqlite3_reset(store->statements[STORE_ROLLBACK]);
    }
}

static result advance(struct slashing_store *base, struct slashing_advance *advances, size_t num_advances)
{
    struct slashing_sqlite *store = sqlite_of(base);
    result r = advance_all(store, advances, num_advances);
    if (r.code) {
        for (size_t i = 0; i < num_advances; i++)
            advances[i].done = advances[i].conflict = false;
        abandon(store);
    }
    return r;
}

static result transaction(struct slashing_store *base, result (*work)(void *context), void *context)
{
    struct slashing_sqlite *store = sqlite_of(base);
    ENSURE(!store->in_transaction, E_INTERNAL, "a transaction within a transaction");
    TRY(slashing_check_sizes(store));
    TRY(step_done(store, STORE_BEGIN, "beginning a transaction"));
    store->in_transaction = true;
    result r = work(context);
    store->in_transaction = false;
    /* After a failure that was not passed on nothing is open any more, and this fails. */
    if (!r.code)
        r = commit(store);
    if (r.code)
        abandon(store);
    return r;
}

static must_check result read_head(sqlite3_stmt *statement, struct slashing_head *ret_head)
{
    struct slashing_head found = {0};
    bool has_slot = false;
    TRY(column_blob(statement, 0, &found.has_genesis, found.genesis_validators_root, 32));
    TRY(column_number(statement, 1, &found.has_high_watermark, &found.high_epoch));
    TRY(column_number(statement, 2, &has_slot, &found.high_slot));
    ENSURE(has_slot == found.has_high_watermark, E_STORE,
           "the high watermark has an epoch or a slot without the other");
    *ret_head = found;
    return RESULT_OK;
}

static result head(struct slashing_store *base, struct slashing_head *ret_head)
{
    struct slashing_sqlite *store = sqlite_of(base);
    AUTO_POINTER(sqlite3_stmt) statement = store->statements[STORE_HEAD];
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return read_head(statement, ret_head);
    ENSURE(code != SQLITE_DONE, E_STORE, "the store's own row is missing");
    return slashing_sqlite_failure(store->database, "reading the store's own row");
}

/* The three columns of a head, from parameter number at. */
static must_check result bind_head(struct slashing_sqlite *store, sqlite3_stmt *statement, int at,
                                   const struct slashing_head *h)
{
    if (bind_blob(statement, at, h->has_genesis, h->genesis_validators_root, 32) != SQLITE_OK ||
        bind_number(statement, at + 1, h->has_high_watermark, h->high_epoch) != SQLITE_OK ||
        bind_number(statement, at + 2, h->has_high_watermark, h->high_slot) != SQLITE_OK)
        return slashing_sqlite_failure(store->database, "binding");
    return RESULT_OK;
}

/* A validator is known by its first record: there is nothing to enrol. */
static result set_head(struct slashing_store *base, const struct slashing_head *old,
                       const struct slashing_head *next, const struct slashing_enrolment *enrolments,
                       size_t num_enrolments)
{
    struct slashing_sqlite *store = sqlite_of(base);
    sqlite3_stmt *set = store->statements[STORE_SET_HEAD];
    (void)enrolments;
    (void)num_enrolments;
    TRY(still_in_transaction(store));
    if (!store->in_transaction)
        TRY(slashing_check_sizes(store));
    TRY(bind_head(store, set, 1, next));
    TRY(bind_head(store, set, 4, old));
    TRY(step_done(store, STORE_SET_HEAD, "changing the store's own row"));
    bool held = sqlite3_changes(store->database) == 1;
    TRY(slashing_check_files(store));
    ENSURE(held, E_MISMATCH, "the store's own row was changed meanwhile");
    return RESULT_OK;
}

static void close_store(struct slashing_store *store)
{
    slashing_sqlite_free(sqlite_of(store));
}

const struct slashing_store_operations slashing_sqlite_operations = {.close = close_store,
                                                                     .head = head,
                                                                     .set_head = set_head,
                                                                     .load_many = load_many,
                                                                     .advance = advance,
                                                                     .transaction = transaction,
                                                                     .scan = scan};
