/* slashing_postgresql_advance.c - compare and set for a batch, in two round trips.
 *
 * 1. BEGIN; register the keys; take Web3Signer's advisory locks, (0, id) for a block mark that is to change,
 * (1, id) for a vote mark, in ascending order; read and fold the history. Each statement sees what was
 * committed before it, and the reading comes behind the locks: so nobody who takes the same locks can have
 * signed unseen.
 * 2. INSERT what held, COMMIT. The server skips the COMMIT when an INSERT failed.
 *
 * Why this is no weaker than Web3Signer's own checks, taken as listed in its AttestationValidator and
 * BlockValidator: enabled is part of the record that is compared; so are the low watermarks, folded into the
 * marks. A new vote has its target above every row's target, and its source at or above every row's source. A
 * row with the same target there is thus none. A row that surrounds the vote would have a higher target: none
 * has. A row that it surrounds would have a higher source: none has. A new block is above every slot. The
 * high watermark is looked at here again. The genesis validators root is the keeper's to compare before it
 * asks, as it never changes once it is there.
 *
 * A batch is cut into pieces, because each advisory lock takes a place in a table of the server's that holds
 * some 6,400 with its defaults. A transaction around it (an import) takes no advisory locks for the same
 * reason, but the tables: see slashing_postgresql.c.
 *
 * A connection lost at COMMIT leaves it open whether it happened. The same is done again on a new one: what
 * has become durable is then found there, and is done. The advisory locks make the second wait for the end of
 * the first.
 *
 * Rejected: one statement with all conditions, which would read from before it has the locks; SERIALIZABLE,
 * which the peer does not use, and which protects only those who do. */
#include <stdlib.h>
#include <string.h>

#include "slashing/slashing_postgresql_private.h"

enum { ADVANCE_AT_ONCE = 512, ATTEMPTS = 6 };

static const char begin[] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
/* What an INSERT takes anyway, before anything is read: an import, which excludes it, is then seen or waits.
 */
static const char share_tables[] =
    "LOCK TABLE signed_blocks, signed_attestations, low_watermarks IN ROW EXCLUSIVE MODE";
/* As the schema's upsert_validators, without using up an id for a key that is there. */
static const char register_keys[] =
    "INSERT INTO validators (public_key) SELECT w.key FROM"
    " (SELECT DISTINCT decode(k, 'hex') AS key FROM unnest($1::text[]) AS k) w"
    " WHERE NOT EXISTS (SELECT FROM validators v WHERE v.public_key = w.key)"
    " ORDER BY w.key ON CONFLICT (public_key) DO NOTHING";
/* The subquery is sorted before the function is called for its rows. */
static const char take_locks[] =
    "SELECT pg_advisory_xact_lock(w.kind, w.id) FROM (SELECT k.kind, v.id"
    " FROM unnest($1::text[], $2::int[]) AS k (key, kind)"
    " JOIN validators v ON v.public_key = decode(k.key, 'hex') ORDER BY k.kind, v.id OFFSET 0) w";

/* RAISE: it is there, but for the low watermark of its history. TOUCH: it was there from the beginning. */
enum judgement { JUDGED_WRITE, JUDGED_RAISE, JUDGED_TOUCH, JUDGED_THERE, JUDGED_CONFLICT, JUDGED_TOO_HIGH };

struct batch {
    struct slashing_advance *advances;
    size_t num_advances;
    struct pg_found *found;
    enum judgement *judgements;
    struct pg_ceiling ceiling;
    size_t *order; /* of the writes: ascending id */
    struct buffer keys, lock_keys, lock_kinds;
    int num_locks;
};

static void batch_cleanup(struct batch *batch)
{
    free(batch->found);
    free(batch->judgements);
    free(batch->order);
    buffer_cleanup(&batch->keys);
    buffer_cleanup(&batch->lock_keys);
    buffer_cleanup(&batch->lock_kinds);
}

static bool root_equal(bool has_a, const uint8_t a[static 32], bool has_b, const uint8_t b[static 32])
{
    return has_a == has_b && (!has_a || memcmp(a, b, 32) == 0);
}

static bool block_equal(const struct slashing_record *a, const struct slashing_record *b)
{
    if (!a->has_block || !b->has_block)
        return a->has_block == b->has_block;
    return a->block_slot == b->block_slot &&
           root_equal(a->block_has_root, a->block_root, b->block_has_root, b->block_root);
}

static bool vote_equal(const struct slashing_record *a, const struct slashing_record *b)
{
    if (!a->has_attestation || !b->has_attestation)
        return a->has_attestation == b->has_attestation;
    return a->source_epoch == b->source_epoch && a->target_epoch == b->target_epoch &&
           root_equal(a->attestation_has_root, a->attestation_root, b->attestation_has_root,
                      b->attestation_root);
}

bool slashing_pg_block_changes(const struct slashing_advance *advance)
{
    return !block_equal(&advance->old, &advance->next);
}

bool slashing_pg_vote_changes(const struct slashing_advance *advance)
{
    return !vote_equal(&advance->old, &advance->next);
}

static bool is_held(const struct slashing_record *found, const struct slashing_record *wanted)
{
    return found->disabled == wanted->disabled && block_equal(found, wanted) && vote_equal(found, wanted);
}

/* The quick reading misses a source above its own target (slashing_postgresql_fold.c), and pruning can take
 * away the row of a source that is higher than the latest vote's. What was loaded then forbids more than what
 * is read: it holds, since the next record was decided on it. */
static bool is_held_but_for_source(const struct slashing_record *found, const struct slashing_record *old)
{
    return found->disabled == old->disabled && block_equal(found, old) && found->has_attestation &&
           old->has_attestation && found->target_epoch == old->target_epoch &&
           found->source_epoch < old->source_epoch && !old->attestation_has_root;
}

static bool touches_block(const struct slashing_advance *a)
{
    return slashing_pg_block_changes(a) || (a->is_history && a->next.has_block);
}

static bool touches_vote(const struct slashing_advance *a)
{
    return slashing_pg_vote_changes(a) || (a->is_history && a->next.has_attestation);
}

/* As Web3Signer: a signature must stay below the high watermark; a mark may reach it. */
static bool is_too_high(const struct pg_ceiling *ceiling, const struct slashing_advance *advance)
{
    const struct slashing_record *next = &advance->next;
    uint64_t epoch = next->target_epoch > next->source_epoch ? next->target_epoch : next->source_epoch;
    bool block_may_reach = advance->is_history || !next->block_has_root;
    bool vote_may_reach = advance->is_history || !next->attestation_has_root;
    if (ceiling->has_slot && touches_block(advance) &&
        (next->block_slot > ceiling->slot || (next->block_slot == ceiling->slot && !block_may_reach)))
        return true;
    return ceiling->has_epoch && touches_vote(advance) &&
           (epoch > ceiling->epoch || (epoch == ceiling->epoch && !vote_may_reach));
}

/* What is there already is written anew all the same when it was so from the beginning: whoever asks for that
 * wants to know whether anything can be written. */
static enum judgement judge(const struct batch *batch, size_t i)
{
    const struct slashing_advance *a = &batch->advances[i];
    const struct slashing_record *found = &batch->found[i].record;
    bool is_there = is_held(found, &a->next);
    if (is_there && !a->is_history)
        return is_held(&a->old, &a->next) ? JUDGED_TOUCH : JUDGED_THERE;
    if (!is_there && !is_held(found, &a->old) && !is_held_but_for_source(found, &a->old))
        return JUDGED_CONFLICT;
    if (is_too_high(&batch->ceiling, a))
        return JUDGED_TOO_HIGH;
    return is_there ? JUDGED_RAISE : JUDGED_WRITE;
}

/* Rows are only added: a mark cannot be taken back. */
static must_check result check_input(const struct slashing_advance *a)
{
    struct slashing_record old = a->old;
    old.disabled = false; /* a validator may be enabled again */
    ENSURE(slashing_covers(&a->next, &old), E_INPUT, "a mark cannot be lowered in this store");
    return RESULT_OK;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, 48);
}

static must_check result check_distinct(const struct slashing_advance *advances, size_t num_advances)
{
    uint8_t(*keys)[48] = calloc(num_advances ? num_advances : 1, sizeof *keys);
    ENSURE(keys, E_MEMORY, "out of memory");
    bool twice = false;
    for (size_t i = 0; i < num_advances; i++)
        memcpy(keys[i], advances[i].pubkey, sizeof keys[i]);
    qsort(keys, num_advances, sizeof *keys, compare_keys);
    for (size_t i = 1; i < num_advances; i++)
        twice = twice || memcmp(keys[i - 1], keys[i], sizeof keys[i]) == 0;
    free(keys);
    ENSURE(!twice, E_INPUT, "a validator twice in one batch");
    return RESULT_OK;
}

static must_check result want_lock(struct batch *batch, const struct slashing_advance *a, const char *kind)
{
    batch->num_locks++;
    TRY(slashing_pg_array_put_hex(&batch->lock_keys, true, a->pubkey, 48));
    return slashing_pg_array_put_text(&batch->lock_kinds, kind);
}

static must_check result prepare(struct batch *batch)
{
    for (size_t i = 0; i < batch->num_advances; i++) {
        const struct slashing_advance *a = &batch->advances[i];
        bool both = a->old.disabled != a->next.disabled;
        TRY(slashing_pg_array_put_hex(&batch->keys, true, a->pubkey, 48));
        if (both || touches_block(a))
            TRY(want_lock(batch, a, "0"));
        if (both || touches_vote(a))
            TRY(want_lock(batch, a, "1"));
    }
    TRY(slashing_pg_array_close(&batch->keys));
    TRY(slashing_pg_array_close(&batch->lock_keys));
    TRY(slashing_pg_array_close(&batch->lock_kinds));
    batch->found = calloc(batch->num_advances, sizeof *batch->found);
    batch->judgements = calloc(batch->num_advances, sizeof *batch->judgements);
    batch->order = calloc(batch->num_advances, sizeof *batch->order);
    ENSURE(batch->found && batch->judgements && batch->order, E_MEMORY, "out of memory");
    return RESULT_OK;
}

static must_check result lock_and_read(struct slashing_postgresql *store, struct batch *batch)
{
    AUTO(pg_exchange) ask = {0};
    size_t locked = 0;
    if (!store->in_transaction) {
        (void)slashing_pg_add(&ask, begin);
        (void)slashing_pg_add(&ask, share_tables);
    }
    struct pg_statement *keys = slashing_pg_add(&ask, register_keys);
    keys->values[keys->num_values++] = slashing_pg_text(&batch->keys);
    if (!store->in_transaction) {
        locked = ask.num_statements;
        struct pg_statement *locks = slashing_pg_add(&ask, take_locks);
        locks->values[locks->num_values++] = slashing_pg_text(&batch->lock_keys);
        locks->values[locks->num_values++] = slashing_pg_text(&batch->lock_kinds);
    }
    struct pg_statement *fold = slashing_pg_add(&ask, slashing_pg_fold_quick);
    fold->values[fold->num_values++] = slashing_pg_text(&batch->keys);
    TRY(slashing_pg_run(store, &ask));

    const PGresult *rows = ask.results[ask.num_statements - 1];
    ENSURE(locked == 0 || PQntuples(ask.results[locked]) == batch->num_locks, E_STORE,
           "PostgreSQL: not every lock was taken");
    ENSURE(PQntuples(rows) == (int)batch->num_advances, E_STORE, "PostgreSQL: not every record was read");
    TRY(slashing_pg_read_ceiling(&batch->ceiling, rows, 0));
    for (size_t i = 0; i < batch->num_advances; i++) {
        TRY(slashing_pg_read_found(&batch->found[i], rows, (int)i));
        ENSURE(batch->found[i].id[0] != '\0', E_STORE,
               "PostgreSQL: a validator that was registered is not there");
        batch->judgements[i] = judge(batch, i);
    }
    return RESULT_OK;
}

static int compare_ids(const void *a, const void *b, void *context)
{
    const struct batch *batch = context;
    long id_a = strtol(batch->found[*(const size_t *)a].id, NULL, 10);
    long id_b = strtol(batch->found[*(const size_t *)b].id, NULL, 10);
    return (id_a > id_b) - (id_a < id_b);
}

static must_check result write_and_commit(struct slashing_postgresql *store, struct batch *batch)
{
    AUTO(pg_exchange) ask = {0};
    AUTO(pg_rows) rows = {0};
    for (size_t i = 0; i < batch->num_advances; i++)
        batch->order[i] = i;
    qsort_r(batch->order, batch->num_advances, sizeof *batch->order, compare_ids, batch);
    for (size_t i = 0; i < batch->num_advances; i++) {
        size_t at = batch->order[i];
        if (batch->judgements[at] == JUDGED_WRITE)
            TRY(slashing_pg_rows_add(&rows, &batch->advances[at], &batch->found[at]));
        else if (batch->judgements[at] == JUDGED_RAISE)
            TRY(slashing_pg_rows_raise(&rows, &batch->advances[at], &batch->found[at]));
        else if (batch->judgements[at] == JUDGED_TOUCH)
            TRY(slashing_pg_array_put_text(&rows.touched_id, batch->found[at].id));
    }
    TRY(slashing_pg_rows_write(&ask, &rows));
    if (!store->in_transaction)
        (void)slashing_pg_add(&ask, "COMMIT");
    if (ask.num_statements == 0)
        return RESULT_OK;
    TRY(slashing_pg_go_on(store, &ask));
    return store->in_transaction ? RESULT_OK : slashing_pg_committed(ask.results[ask.num_statements - 1]);
}

static must_check result try_once(struct slashing_postgresql *store, struct batch *batch)
{
    store->failure = PG_FAILED; /* of failures that are not the connection's */
    TRY(lock_and_read(store, batch));
    return write_and_commit(store, batch);
}

/* At once: a deadlock has cost one of two its turn, and the other is done by now. */
static must_check result try_until_known(struct slashing_postgresql *store, struct batch *batch)
{
    for (int attempt = 0;; attempt++) {
        result r = try_once(store, batch);
        if (!r.code)
            return r;
        if (!store->in_transaction)
            slashing_pg_rollback(store);
        if (store->in_transaction || store->failure == PG_FAILED || attempt + 1 == ATTEMPTS)
            return r;
    }
}

/* What conflicts is read once more, and every row of it. */
static must_check result load_conflicts(struct slashing_postgresql *store, struct batch *batch)
{
    uint8_t(*keys)[48] = calloc(batch->num_advances, sizeof *keys);
    struct slashing_entry *entries = calloc(batch->num_advances, sizeof *entries);
    size_t num_keys = 0, next = 0;
    result r = keys && entries ? RESULT_OK : error_set(E_MEMORY, "out of memory");
    for (size_t i = 0; !r.code && i < batch->num_advances; i++)
        if (batch->judgements[i] == JUDGED_CONFLICT)
            memcpy(keys[num_keys++], batch->advances[i].pubkey, sizeof *keys);
    if (!r.code)
        r = slashing_pg_load_many(&store->store, entries, (const uint8_t(*)[48])keys, num_keys);
    for (size_t i = 0; !r.code && i < batch->num_advances; i++) {
        if (batch->judgements[i] == JUDGED_CONFLICT) {
            batch->advances[i].found = entries[next++];
            batch->advances[i].conflict = true;
        }
    }
    free(keys);
    free(entries);
    return r;
}

static must_check result report(struct slashing_postgresql *store, struct batch *batch)
{
    bool has_conflicts = false, has_too_high = false;
    for (size_t i = 0; i < batch->num_advances; i++) {
        switch (batch->judgements[i]) {
        case JUDGED_WRITE:
        case JUDGED_RAISE:
        case JUDGED_TOUCH:
        case JUDGED_THERE:
            batch->advances[i].done = true;
            break;
        case JUDGED_CONFLICT:
            has_conflicts = true;
            break;
        case JUDGED_TOO_HIGH:
            has_too_high = true;
            break;
        }
    }
    if (has_conflicts)
        TRY(load_conflicts(store, batch));
    ENSURE(!has_too_high, E_STORE, "the high watermark of the database forbids a height");
    return RESULT_OK;
}

static must_check result advance_some(struct slashing_postgresql *store, struct slashing_advance *advances,
                                      size_t num_advances)
{
    AUTO(batch) batch = {.advances = advances, .num_advances = num_advances};
    TRY(prepare(&batch));
    TRY(try_until_known(store, &batch));
    return report(store, &batch);
}

result slashing_pg_advance(struct slashing_store *base, struct slashing_advance *advances,
                           size_t num_advances)
{
    struct slashing_postgresql *store = (struct slashing_postgresql *)base;
    result failed = RESULT_OK;
    TRY(check_distinct(advances, num_advances));
    for (size_t i = 0; i < num_advances; i++)
        TRY(check_input(&advances[i]));
    for (size_t done = 0; done < num_advances;) {
        size_t some = num_advances - done < ADVANCE_AT_ONCE ? num_advances - done : ADVANCE_AT_ONCE;
        /* What was done before a failure stays so, and is said. */
        result r = advance_some(store, advances + done, some);
        if (r.code)
            failed = r;
        if (r.code && (store->in_transaction || !store->connection))
            return r;
        done += some;
    }
    return failed;
}
