/* slashing_interchange.c - files into the store, and the store into a file.
 *
 * An import merges while it reads, which would be acting before everything is parsed, were it not
 * for the transaction around it: until the last byte of the file was right nothing is changed.
 * Some hundred validators at a time are loaded, merged and advanced, for a store across a network has a
 * price for each call.
 * Rejected: collecting the records of all validators first, in memory that grows with the file. */
#include "slashing/slashing_interchange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

enum { IMPORT_AT_ONCE = 256 };

struct import {
    struct slashing_store *store;
    struct json_stream *in;
    size_t num_validators;
    struct slashing_advance waiting[IMPORT_AT_ONCE]; /* each of another validator; next: what the file says */
    size_t num_waiting;
    struct slashing_head head; /* as it was at the beginning: for its high watermark */
};

static result lock_to(void *context, const uint8_t genesis_validators_root[static 32])
{
    const struct import *import = context;
    return slashing_store_lock_genesis(import->store, genesis_validators_root);
}

/* No signer can have signed there. */
static must_check result check_below_high_watermark(const struct import *import,
                                                    const uint8_t pubkey[static 48],
                                                    const struct slashing_record *record)
{
    char digits[2 * 48 + 3];
    hex_encode_0x(digits, pubkey, 48);
    ENSURE(!slashing_reaches(&import->head, record), E_STATE,
           "data[%zu], validator %s: its history reaches the store's high watermark, epoch %" PRIu64
           " and slot %" PRIu64,
           import->num_validators, digits, import->head.high_epoch, import->head.high_slot);
    return RESULT_OK;
}

static must_check result merge_waiting(struct import *import)
{
    uint8_t pubkeys[IMPORT_AT_ONCE][48];
    struct slashing_entry entries[IMPORT_AT_ONCE];
    for (size_t i = 0; i < import->num_waiting; i++)
        memcpy(pubkeys[i], import->waiting[i].pubkey, sizeof pubkeys[i]);
    TRY(slashing_store_load_many(import->store, entries, (const uint8_t(*)[48])pubkeys, import->num_waiting));
    for (size_t i = 0; i < import->num_waiting; i++) {
        struct slashing_advance *advance = &import->waiting[i];
        const struct slashing_record imported = advance->next;
        advance->old = entries[i].record;
        advance->old_stamp = advance->next_stamp = entries[i].stamp;
        advance->is_history = imported.has_block || imported.has_attestation;
        slashing_merge(&advance->next, &advance->old, &imported);
    }
    TRY(slashing_store_advance(import->store, import->waiting, import->num_waiting));
    for (size_t i = 0; i < import->num_waiting; i++)
        ENSURE(import->waiting[i].done, E_STORE, "a record changed during the import");
    import->num_waiting = 0;
    return RESULT_OK;
}

static bool is_waiting(const struct import *import, const uint8_t pubkey[static 48])
{
    for (size_t i = 0; i < import->num_waiting; i++)
        if (memcmp(import->waiting[i].pubkey, pubkey, 48) == 0)
            return true;
    return false;
}

static result merge_one(void *context, const uint8_t pubkey[static 48], const struct slashing_record *record)
{
    struct import *import = context;
    TRY(check_below_high_watermark(import, pubkey, record));
    if (import->num_waiting == IMPORT_AT_ONCE || is_waiting(import, pubkey))
        TRY(merge_waiting(import));
    struct slashing_advance *advance = &import->waiting[import->num_waiting++];
    *advance = (struct slashing_advance){.next = *record};
    memcpy(advance->pubkey, pubkey, sizeof advance->pubkey);
    import->num_validators++;
    return RESULT_OK;
}

static result read_and_merge(void *context)
{
    struct import *import = context;
    const struct slashing_interchange_visitor visitor = {
        .context = import, .genesis = lock_to, .validator = merge_one};
    TRY(slashing_store_head(import->store, &import->head));
    TRY(slashing_interchange_read(import->in, &visitor));
    return merge_waiting(import);
}

result slashing_interchange_import(struct slashing_store *store, size_t *ret_num_validators,
                                   struct json_stream *in)
{
    struct import *import = calloc(1, sizeof *import);
    ENSURE(import, E_MEMORY, "out of memory");
    import->store = store;
    import->in = in;
    result r = slashing_store_transaction(store, read_and_merge, import);
    if (!r.code)
        *ret_num_validators = import->num_validators;
    free(import);
    return r;
}

struct export
{
    const struct slashing_interchange_sink *sink;
    struct buffer text; /* not written yet */
    size_t num_validators;
};

enum { PIECE_LEN = 32 * 1024 };

static void export_cleanup(struct export *export)
{
    buffer_cleanup(&export->text);
}

static must_check result flush(struct export *export)
{
    TRY(export->sink->write(export->sink->context, export->text.data, export->text.length));
    buffer_consume(&export->text, export->text.length);
    return RESULT_OK;
}

static result export_one(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    struct export *export = context;
    TRY(slashing_interchange_append(&export->text, export->num_validators++ == 0, pubkey, &entry->record));
    return export->text.length < PIECE_LEN ? RESULT_OK : flush(export);
}

result slashing_interchange_export(struct slashing_store *store, size_t *ret_num_validators,
                                   const struct slashing_interchange_sink *sink)
{
    AUTO(export) export = {.sink = sink};
    uint8_t genesis[32];
    TRY(slashing_store_genesis(store, genesis));
    TRY(slashing_interchange_begin(&export.text, genesis));
    TRY(slashing_store_scan(store, export_one, &export));
    TRY(slashing_interchange_end(&export.text, export.num_validators == 0));
    TRY(flush(&export));
    *ret_num_validators = export.num_validators;
    return RESULT_OK;
}
