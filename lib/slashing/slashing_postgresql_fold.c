/* slashing_postgresql_fold.c - rows become the one record of a validator.
 *
 * The marks are the highest slot, source and target of all rows, and the low watermarks, below which
 * Web3Signer signs nothing either. What it would still sign between its low watermark and our marks we do
 * not: the minimal conditions are stricter than the complete ones.
 *
 * The cost must not grow with the history. The highest slot and target are one step in an index. The highest
 * source has none, but a row whose source is above that of the latest vote has a target above it, too, unless
 * its source is above its own target; and those few rows the index finds. No signer signs such a vote, but
 * Web3Signer imports one with a warning, and it can be surrounded. So what is loaded looks at every row
 * (exact); an advance, which only compares with what was loaded, at the few (quick). */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/options.h"
#include "slashing/slashing_postgresql_private.h"

enum { LOAD_AT_ONCE = 1000, SCAN_AT_ONCE = 500 };

enum column {
    COLUMN_ID,
    COLUMN_KEY,
    COLUMN_ENABLED,
    COLUMN_SLOT,
    COLUMN_BLOCK_ROOT,
    COLUMN_SOURCE,
    COLUMN_TARGET,
    COLUMN_VOTE_ROOT,
    COLUMN_HIGHEST_SOURCE,
    COLUMN_LOW_SLOT,
    COLUMN_LOW_SOURCE,
    COLUMN_LOW_TARGET,
    COLUMN_CEILING_SLOT,
    COLUMN_CEILING_EPOCH,
    NUM_COLUMNS
};

#define FOLDED                                                                                               \
    "SELECT v.id, encode(v.public_key, 'hex'), v.enabled, b.slot, encode(b.signing_root, 'hex'),"            \
    " a.source_epoch, a.target_epoch, encode(a.signing_root, 'hex'), s.source_epoch,"                        \
    " l.slot, l.source_epoch, l.target_epoch, m.high_watermark_slot, m.high_watermark_epoch "
#define HISTORY(sources)                                                                                     \
    " LEFT JOIN LATERAL (SELECT slot, signing_root FROM signed_blocks WHERE validator_id = v.id"             \
    " ORDER BY slot DESC LIMIT 1) b ON true"                                                                 \
    " LEFT JOIN LATERAL (SELECT source_epoch, target_epoch, signing_root FROM signed_attestations"           \
    " WHERE validator_id = v.id ORDER BY target_epoch DESC LIMIT 1) a ON true"                               \
    " LEFT JOIN LATERAL (SELECT max(source_epoch) AS source_epoch FROM signed_attestations"                  \
    " WHERE validator_id = v.id" sources ") s ON true"                                                       \
    " LEFT JOIN low_watermarks l ON l.validator_id = v.id LEFT JOIN metadata m ON m.id = 1 "
#define FOLD(sources)                                                                                        \
    FOLDED                                                                                                   \
    "FROM unnest($1::text[]) WITH ORDINALITY AS k (key, place)"                                              \
    " LEFT JOIN validators v ON v.public_key = decode(k.key, 'hex')" HISTORY(sources) "ORDER BY k.place"

const char slashing_pg_fold_exact[] = FOLD("");
const char slashing_pg_fold_quick[] = FOLD(" AND target_epoch > a.source_epoch");

static const char fold_page[] =
    FOLDED "FROM (SELECT id, public_key, enabled FROM validators WHERE public_key > decode($1, 'hex')"
           " ORDER BY public_key LIMIT $2::int) v" HISTORY("") "ORDER BY v.public_key";

result slashing_pg_read_number(bool *ret_present, uint64_t *ret_value, const PGresult *rows, int row,
                               int column)
{
    uint64_t value = 0;
    bool present = !PQgetisnull(rows, row, column);
    if (present && parse_u64(&value, PQgetvalue(rows, row, column)).code)
        FAIL(E_STORE, "PostgreSQL: column %s holds what is no number of 64 bits", PQfname(rows, column));
    *ret_present = present;
    *ret_value = value;
    return RESULT_OK;
}

/* Absent, too, when it has another length: a root that can be equal to none. */
result slashing_pg_read_hex(bool *ret_present, uint8_t *out, size_t out_len, const PGresult *rows, int row,
                            int column)
{
    size_t length = (size_t)PQgetlength(rows, row, column);
    bool present = !PQgetisnull(rows, row, column) && length == 2 * out_len;
    if (present)
        TRY(hex_decode(out, out_len, PQgetvalue(rows, row, column), length));
    *ret_present = present;
    return RESULT_OK;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static must_check result fold_blocks(struct pg_found *found, const PGresult *rows, int row)
{
    struct slashing_record *r = &found->record;
    uint64_t low;
    TRY(slashing_pg_read_number(&r->has_block, &r->block_slot, rows, row, COLUMN_SLOT));
    TRY(slashing_pg_read_hex(&r->block_has_root, r->block_root, 32, rows, row, COLUMN_BLOCK_ROOT));
    TRY(slashing_pg_read_number(&found->has_low_slot, &low, rows, row, COLUMN_LOW_SLOT));
    if (found->has_low_slot && (!r->has_block || low > r->block_slot)) {
        r->has_block = true;
        r->block_slot = low;
        r->block_has_root = false;
        memset(r->block_root, 0, sizeof r->block_root);
    }
    return RESULT_OK;
}

static must_check result fold_attestations(struct pg_found *found, const PGresult *rows, int row)
{
    struct slashing_record *r = &found->record;
    bool has_source, has_highest, has_low_target;
    uint64_t source, target, highest, low_source, low_target;
    TRY(slashing_pg_read_number(&has_source, &source, rows, row, COLUMN_SOURCE));
    TRY(slashing_pg_read_number(&r->has_attestation, &target, rows, row, COLUMN_TARGET));
    TRY(slashing_pg_read_number(&has_highest, &highest, rows, row, COLUMN_HIGHEST_SOURCE));
    TRY(slashing_pg_read_number(&found->has_low_epochs, &low_source, rows, row, COLUMN_LOW_SOURCE));
    TRY(slashing_pg_read_number(&has_low_target, &low_target, rows, row, COLUMN_LOW_TARGET));
    TRY(slashing_pg_read_hex(&r->attestation_has_root, r->attestation_root, 32, rows, row, COLUMN_VOTE_ROOT));
    r->has_attestation = r->has_attestation || found->has_low_epochs;
    r->source_epoch = higher(higher(source, highest), low_source);
    r->target_epoch = higher(target, low_target);
    /* A root is that of a single vote at both marks, or of none. */
    if (!has_source || r->source_epoch != source || r->target_epoch != target)
        r->attestation_has_root = false;
    if (!r->attestation_has_root)
        memset(r->attestation_root, 0, sizeof r->attestation_root);
    return RESULT_OK;
}

result slashing_pg_read_found(struct pg_found *ret_found, const PGresult *rows, int row)
{
    struct pg_found found = {0};
    ENSURE(PQnfields(rows) == NUM_COLUMNS, E_STORE, "PostgreSQL: records of %d columns", PQnfields(rows));
    if (!PQgetisnull(rows, row, COLUMN_ID)) {
        const char *id = PQgetvalue(rows, row, COLUMN_ID);
        ENSURE(strlen(id) < sizeof found.id, E_STORE, "PostgreSQL: the id of a validator is too long");
        memcpy(found.id, id, strlen(id) + 1);
        found.record.disabled = strcmp(PQgetvalue(rows, row, COLUMN_ENABLED), "t") != 0;
        TRY(fold_blocks(&found, rows, row));
        TRY(fold_attestations(&found, rows, row));
    }
    *ret_found = found;
    return RESULT_OK;
}

result slashing_pg_read_ceiling(struct pg_ceiling *ret_ceiling, const PGresult *rows, int row)
{
    struct pg_ceiling ceiling;
    TRY(slashing_pg_read_number(&ceiling.has_slot, &ceiling.slot, rows, row, COLUMN_CEILING_SLOT));
    TRY(slashing_pg_read_number(&ceiling.has_epoch, &ceiling.epoch, rows, row, COLUMN_CEILING_EPOCH));
    *ret_ceiling = ceiling;
    return RESULT_OK;
}

/* A connection that was lost since the last call is no reason to fail: reading can be done again. */
static must_check result run_reading(struct slashing_postgresql *store, PGresult **ret_result,
                                     const char *text, const char *first, const char *second)
{
    for (int attempt = 0;; attempt++) {
        AUTO(pg_exchange) ask = {0};
        struct pg_statement *statement = slashing_pg_add(&ask, text);
        statement->values[0] = first;
        statement->values[1] = second;
        statement->num_values = second ? 2 : 1;
        result r = slashing_pg_run(store, &ask);
        if (!r.code) {
            *ret_result = TAKE(ask.results[0]);
            return RESULT_OK;
        }
        if (attempt > 0 || store->failure != PG_LOST || store->in_transaction)
            return r;
    }
}

static inline void pg_result_release(PGresult *rows)
{
    PQclear(rows);
}
DEFINE_AUTO_POINTER(PGresult, pg_result_release)

static must_check result load_some(struct slashing_postgresql *store, struct slashing_entry *ret_entries,
                                   const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    AUTO(buffer) keys = {0};
    AUTO_POINTER(PGresult) rows = NULL;
    for (size_t i = 0; i < num_pubkeys; i++)
        TRY(slashing_pg_array_put_hex(&keys, true, pubkeys[i], 48));
    TRY(slashing_pg_array_close(&keys));
    TRY(run_reading(store, &rows, slashing_pg_fold_exact, slashing_pg_text(&keys), NULL));
    ENSURE(PQntuples(rows) == (int)num_pubkeys, E_STORE, "PostgreSQL: %d records for %zu keys",
           PQntuples(rows), num_pubkeys);
    for (size_t i = 0; i < num_pubkeys; i++) {
        struct pg_found found;
        TRY(slashing_pg_read_found(&found, rows, (int)i));
        ret_entries[i] = (struct slashing_entry){.record = found.record};
    }
    return RESULT_OK;
}

result slashing_pg_load_many(struct slashing_store *base, struct slashing_entry *ret_entries,
                             const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    struct slashing_postgresql *store = (struct slashing_postgresql *)base;
    for (size_t done = 0; done < num_pubkeys;) {
        size_t some = num_pubkeys - done < LOAD_AT_ONCE ? num_pubkeys - done : LOAD_AT_ONCE;
        TRY(load_some(store, ret_entries + done, pubkeys + done, some));
        done += some;
    }
    return RESULT_OK;
}

static must_check result visit_page(char last_key[static 97], const PGresult *rows, slashing_visit *visit,
                                    void *context)
{
    for (int i = 0; i < PQntuples(rows); i++) {
        struct pg_found found;
        uint8_t pubkey[48];
        bool present;
        TRY(slashing_pg_read_hex(&present, pubkey, sizeof pubkey, rows, i, COLUMN_KEY));
        ENSURE(present, E_STORE, "PostgreSQL: a public key is not 48 bytes");
        TRY(slashing_pg_read_found(&found, rows, i));
        const struct slashing_entry entry = {.record = found.record};
        hex_encode(last_key, pubkey, sizeof pubkey);
        TRY(visit(context, pubkey, &entry));
    }
    return RESULT_OK;
}

result slashing_pg_scan(struct slashing_store *base, slashing_visit *visit, void *context)
{
    struct slashing_postgresql *store = (struct slashing_postgresql *)base;
    char last_key[97] = "", limit[8];
    (void)snprintf(limit, sizeof limit, "%d", SCAN_AT_ONCE);
    for (;;) {
        AUTO_POINTER(PGresult) rows = NULL;
        TRY(run_reading(store, &rows, fold_page, last_key, limit));
        TRY(visit_page(last_key, rows, visit, context));
        if (PQntuples(rows) < SCAN_AT_ONCE)
            return RESULT_OK;
    }
}
