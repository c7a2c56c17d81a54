/* slashing_postgresql_write.c - what an advance leaves in Web3Signer's tables.
 *
 * A signature is a row, as Web3Signer writes it, and sets the low watermark only where there is none.
 * Anything else (an import, a repair) gives a mark that stands for a history which this database does not
 * hold: below it there may be signed messages without rows. Web3Signer would sign there again, so the low
 * watermark is raised to the mark, and a row stands at the mark itself, because at the low watermark
 * Web3Signer signs whatever has no row. For Web3Signer both are safe: a low watermark that is too high, and a
 * row that was never signed, only make it refuse more. Such a row is the vote (source mark, target mark)
 * without a root, which nothing equals. Every vote at or above the low watermarks neither surrounds it nor is
 * surrounded by it. The same goes for an import that is older than what is here: the marks stay, but between
 * the low watermark and them are messages of which this database has no rows.
 *
 * A mark above the high watermark cannot be one of these: a trigger of the schema lets no low watermark pass
 * it, and one that stopped there would leave a gap as soon as the high one is removed. The caller has refused
 * it.
 *
 * The arrays of all statements are in ascending order of id, and low watermarks are written by one statement
 * only: so two of these wait for each other's rows, and never both. */
#include <string.h>

#include "slashing/slashing_postgresql_private.h"

/* A plain INSERT: a row that is there already, against what was read under the lock, fails all. */
static const char insert_blocks[] =
    "INSERT INTO signed_blocks (validator_id, slot, signing_root) SELECT r.id, r.slot, decode(r.root, 'hex') "
    "FROM unnest($1::int[], $2::numeric[], $3::text[]) AS r (id, slot, root) ORDER BY r.id";
static const char insert_votes[] =
    "INSERT INTO signed_attestations (validator_id, source_epoch, target_epoch, signing_root) "
    "SELECT r.id, r.source, r.target, decode(r.root, 'hex') "
    "FROM unnest($1::int[], $2::numeric[], $3::numeric[], $4::text[]) AS r (id, source, target, root) ORDER "
    "BY r.id";
/* Two messages at one height: neither is to be signed again. */
static const char insert_block_marks[] =
    "INSERT INTO signed_blocks (validator_id, slot) SELECT r.id, r.slot "
    "FROM unnest($1::int[], $2::numeric[]) AS r (id, slot) ORDER BY r.id "
    "ON CONFLICT (validator_id, slot) DO UPDATE SET signing_root = NULL";
static const char insert_vote_marks[] =
    "INSERT INTO signed_attestations (validator_id, source_epoch, target_epoch) SELECT r.id, r.source, "
    "r.target "
    "FROM unnest($1::int[], $2::numeric[], $3::numeric[]) AS r (id, source, target) ORDER BY r.id "
    "ON CONFLICT (validator_id, target_epoch) DO UPDATE SET signing_root = NULL";
/* Of a mark that is here: its row is, too, unless the low watermark alone says it. */
static const char keep_block_marks[] = "INSERT INTO signed_blocks (validator_id, slot) SELECT r.id, r.slot "
                                       "FROM unnest($1::int[], $2::numeric[]) AS r (id, slot) ORDER BY r.id "
                                       "ON CONFLICT (validator_id, slot) DO NOTHING";
static const char keep_vote_marks[] =
    "INSERT INTO signed_attestations (validator_id, source_epoch, target_epoch) SELECT r.id, r.source, "
    "r.target "
    "FROM unnest($1::int[], $2::numeric[], $3::numeric[]) AS r (id, source, target) ORDER BY r.id "
    "ON CONFLICT (validator_id, target_epoch) DO NOTHING";
static const char raise_floors[] =
    "INSERT INTO low_watermarks AS l (validator_id, slot, source_epoch, target_epoch) "
    "SELECT r.id, r.slot, r.source, r.target "
    "FROM unnest($1::int[], $2::numeric[], $3::numeric[], $4::numeric[]) AS r (id, slot, source, target) "
    "ORDER BY r.id ON CONFLICT (validator_id) DO UPDATE SET slot = GREATEST(l.slot, EXCLUDED.slot), "
    "source_epoch = GREATEST(l.source_epoch, EXCLUDED.source_epoch), "
    "target_epoch = GREATEST(l.target_epoch, EXCLUDED.target_epoch)";
static const char set_enabled[] =
    "UPDATE validators SET enabled = r.enabled FROM unnest($1::int[], $2::boolean[]) AS r (id, enabled) "
    "WHERE validators.id = r.id";
/* Changes nothing, and is written all the same. */
static const char touch[] = "UPDATE validators SET enabled = enabled FROM unnest($1::int[]) AS r (id) "
                            "WHERE validators.id = r.id";

void slashing_pg_rows_cleanup(struct pg_rows *rows)
{
    struct buffer *const all[] = {
        &rows->block_id,         &rows->block_slot,      &rows->block_root,       &rows->vote_id,
        &rows->vote_source,      &rows->vote_target,     &rows->vote_root,        &rows->floor_id,
        &rows->floor_slot,       &rows->floor_source,    &rows->floor_target,     &rows->block_mark_id,
        &rows->block_mark_slot,  &rows->vote_mark_id,    &rows->vote_mark_source, &rows->vote_mark_target,
        &rows->kept_block_id,    &rows->kept_block_slot, &rows->kept_vote_id,     &rows->kept_vote_source,
        &rows->kept_vote_target, &rows->touched_id,      &rows->enabled_id,       &rows->enabled};
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        buffer_cleanup(all[i]);
}

static must_check result add_block(struct pg_rows *rows, const char *id, const struct slashing_record *r)
{
    if (!r->block_has_root) {
        TRY(slashing_pg_array_put_text(&rows->block_mark_id, id));
        return slashing_pg_array_put_number(&rows->block_mark_slot, true, r->block_slot);
    }
    TRY(slashing_pg_array_put_text(&rows->block_id, id));
    TRY(slashing_pg_array_put_number(&rows->block_slot, true, r->block_slot));
    return slashing_pg_array_put_hex(&rows->block_root, true, r->block_root, 32);
}

static must_check result add_vote(struct pg_rows *rows, const char *id, const struct slashing_record *r)
{
    if (!r->attestation_has_root) {
        TRY(slashing_pg_array_put_text(&rows->vote_mark_id, id));
        TRY(slashing_pg_array_put_number(&rows->vote_mark_source, true, r->source_epoch));
        return slashing_pg_array_put_number(&rows->vote_mark_target, true, r->target_epoch);
    }
    TRY(slashing_pg_array_put_text(&rows->vote_id, id));
    TRY(slashing_pg_array_put_number(&rows->vote_source, true, r->source_epoch));
    TRY(slashing_pg_array_put_number(&rows->vote_target, true, r->target_epoch));
    return slashing_pg_array_put_hex(&rows->vote_root, true, r->attestation_root, 32);
}

static must_check result add_floor(struct pg_rows *rows, const char *id, const struct slashing_record *r,
                                   bool with_slot, bool with_epochs)
{
    if (!with_slot && !with_epochs)
        return RESULT_OK;
    TRY(slashing_pg_array_put_text(&rows->floor_id, id));
    TRY(slashing_pg_array_put_number(&rows->floor_slot, with_slot, r->block_slot));
    TRY(slashing_pg_array_put_number(&rows->floor_source, with_epochs, r->source_epoch));
    return slashing_pg_array_put_number(&rows->floor_target, with_epochs, r->target_epoch);
}

static must_check result keep_block(struct pg_rows *rows, const char *id, const struct slashing_record *r)
{
    TRY(slashing_pg_array_put_text(&rows->kept_block_id, id));
    return slashing_pg_array_put_number(&rows->kept_block_slot, true, r->block_slot);
}

static must_check result keep_vote(struct pg_rows *rows, const char *id, const struct slashing_record *r)
{
    TRY(slashing_pg_array_put_text(&rows->kept_vote_id, id));
    TRY(slashing_pg_array_put_number(&rows->kept_vote_source, true, r->source_epoch));
    return slashing_pg_array_put_number(&rows->kept_vote_target, true, r->target_epoch);
}

/* Of a history; but for the marks that were written. */
static must_check result raise(struct pg_rows *rows, const char *id, const struct slashing_record *next,
                               bool wrote_block, bool wrote_vote)
{
    if (next->has_block && !wrote_block)
        TRY(keep_block(rows, id, next));
    if (next->has_attestation && !wrote_vote)
        TRY(keep_vote(rows, id, next));
    return add_floor(rows, id, next, next->has_block, next->has_attestation);
}

result slashing_pg_rows_raise(struct pg_rows *rows, const struct slashing_advance *advance,
                              const struct pg_found *found)
{
    return raise(rows, found->id, &advance->next, false, false);
}

result slashing_pg_rows_add(struct pg_rows *rows, const struct slashing_advance *advance,
                            const struct pg_found *found)
{
    const struct slashing_record *next = &advance->next;
    bool block = slashing_pg_block_changes(advance), vote = slashing_pg_vote_changes(advance);
    if (block)
        TRY(add_block(rows, found->id, next));
    if (vote)
        TRY(add_vote(rows, found->id, next));
    bool raise_slot = block && !(next->block_has_root && found->has_low_slot);
    bool raise_epochs = vote && !(next->attestation_has_root && found->has_low_epochs);
    TRY(advance->is_history ? raise(rows, found->id, next, block, vote)
                            : add_floor(rows, found->id, next, raise_slot, raise_epochs));
    if (next->disabled == advance->old.disabled)
        return RESULT_OK;
    TRY(slashing_pg_array_put_text(&rows->enabled_id, found->id));
    return slashing_pg_array_put_text(&rows->enabled, next->disabled ? "false" : "true");
}

static must_check result write_rows(struct pg_exchange *exchange, const char *text,
                                    struct buffer *const columns[], int num_columns)
{
    if (columns[0]->length == 0)
        return RESULT_OK;
    struct pg_statement *statement = slashing_pg_add(exchange, text);
    statement->num_values = num_columns;
    for (int i = 0; i < num_columns; i++) {
        TRY(slashing_pg_array_close(columns[i]));
        statement->values[i] = slashing_pg_text(columns[i]);
    }
    return RESULT_OK;
}

result slashing_pg_rows_write(struct pg_exchange *exchange, struct pg_rows *rows)
{
    struct buffer *const blocks[] = {&rows->block_id, &rows->block_slot, &rows->block_root};
    struct buffer *const votes[] = {&rows->vote_id, &rows->vote_source, &rows->vote_target, &rows->vote_root};
    struct buffer *const block_marks[] = {&rows->block_mark_id, &rows->block_mark_slot};
    struct buffer *const vote_marks[] = {&rows->vote_mark_id, &rows->vote_mark_source,
                                         &rows->vote_mark_target};
    struct buffer *const kept_blocks[] = {&rows->kept_block_id, &rows->kept_block_slot};
    struct buffer *const kept_votes[] = {&rows->kept_vote_id, &rows->kept_vote_source,
                                         &rows->kept_vote_target};
    struct buffer *const touched[] = {&rows->touched_id};
    struct buffer *const floors[] = {&rows->floor_id, &rows->floor_slot, &rows->floor_source,
                                     &rows->floor_target};
    struct buffer *const enabled[] = {&rows->enabled_id, &rows->enabled};
    TRY(write_rows(exchange, insert_blocks, blocks, 3));
    TRY(write_rows(exchange, insert_votes, votes, 4));
    TRY(write_rows(exchange, insert_block_marks, block_marks, 2));
    TRY(write_rows(exchange, insert_vote_marks, vote_marks, 3));
    TRY(write_rows(exchange, keep_block_marks, kept_blocks, 2));
    TRY(write_rows(exchange, keep_vote_marks, kept_votes, 3));
    TRY(write_rows(exchange, raise_floors, floors, 4));
    TRY(write_rows(exchange, touch, touched, 1));
    return write_rows(exchange, set_enabled, enabled, 2);
}
