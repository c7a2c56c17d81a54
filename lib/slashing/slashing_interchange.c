/* slashing_interchange.c - files into the store, and the store into a file.
 *
 * An import merges while it reads, which would be acting before everything is parsed, were it not
 * for the transaction around it: until the last byte of the file was right nothing is changed.
 * Rejected: collecting the records of all validators first, in memory that grows with the file. */
#include "slashing/slashing_interchange.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

struct import {
    struct slashing_store *store;
    struct json_stream *in;
    size_t num_validators;
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

static result merge_one(void *context, const uint8_t pubkey[static 48], const struct slashing_record *record)
{
    struct import *import = context;
    struct slashing_advance advance = {0};
    TRY(check_below_high_watermark(import, pubkey, record));
    memcpy(advance.pubkey, pubkey, sizeof advance.pubkey);
    TRY(slashing_store_load(import->store, &advance.old, pubkey));
    slashing_merge(&advance.next, &advance.old, record);
    TRY(slashing_store_advance(import->store, &advance, 1));
    ENSURE(advance.done, E_STORE, "a record changed during the import");
    import->num_validators++;
    return RESULT_OK;
}

static result read_and_merge(void *context)
{
    struct import *import = context;
    const struct slashing_interchange_visitor visitor = {
        .context = import, .genesis = lock_to, .validator = merge_one};
    TRY(slashing_store_head(import->store, &import->head));
    return slashing_interchange_read(import->in, &visitor);
}

result slashing_interchange_import(struct slashing_store *store, size_t *ret_num_validators,
                                   struct json_stream *in)
{
    struct import import = {.store = store, .in = in};
    TRY(slashing_store_transaction(store, read_and_merge, &import));
    *ret_num_validators = import.num_validators;
    return RESULT_OK;
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

static must_check result append_root(struct buffer *out, bool has_root, const uint8_t root[static 32])
{
    char digits[67];
    hex_encode_0x(digits, root, 32);
    return has_root ? buffer_printf(out, ", \"signing_root\": \"%s\"", digits) : RESULT_OK;
}

static must_check result append_record(struct buffer *out, const struct slashing_record *r)
{
    TRY(buffer_append_text(out, "      \"signed_blocks\": ["));
    if (r->has_block) {
        TRY(buffer_printf(out, "\n        {\"slot\": \"%" PRIu64 "\"", r->block_slot));
        TRY(append_root(out, r->block_has_root, r->block_root));
        TRY(buffer_append_text(out, "}\n      "));
    }
    TRY(buffer_append_text(out, "],\n      \"signed_attestations\": ["));
    if (r->has_attestation) {
        TRY(buffer_printf(out,
                          "\n        {\"source_epoch\": \"%" PRIu64 "\", \"target_epoch\": \"%" PRIu64 "\"",
                          r->source_epoch, r->target_epoch));
        TRY(append_root(out, r->attestation_has_root, r->attestation_root));
        TRY(buffer_append_text(out, "}\n      "));
    }
    return buffer_append_text(out, "]\n");
}

static result export_one(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    struct export *export = context;
    char digits[99];
    hex_encode_0x(digits, pubkey, 48);
    TRY(buffer_append_text(&export->text, export->num_validators++ ? ",\n    {\n" : "\n    {\n"));
    TRY(buffer_printf(&export->text, "      \"pubkey\": \"%s\",\n", digits));
    TRY(append_record(&export->text, &entry->record));
    TRY(buffer_append_text(&export->text, "    }"));
    return export->text.length < PIECE_LEN ? RESULT_OK : flush(export);
}

result slashing_interchange_export(struct slashing_store *store, size_t *ret_num_validators,
                                   const struct slashing_interchange_sink *sink)
{
    AUTO(export) export = {.sink = sink};
    uint8_t genesis[32];
    char digits[67];
    TRY(slashing_store_genesis(store, genesis));
    hex_encode_0x(digits, genesis, sizeof genesis);
    TRY(buffer_printf(&export.text,
                      "{\n  \"metadata\": {\n    \"interchange_format_version\": \"5\",\n"
                      "    \"genesis_validators_root\": \"%s\"\n  },\n  \"data\": [",
                      digits));
    TRY(slashing_store_scan(store, export_one, &export));
    TRY(buffer_append_text(&export.text, export.num_validators ? "\n  ]\n}\n" : "]\n}\n"));
    TRY(flush(&export));
    *ret_num_validators = export.num_validators;
    return RESULT_OK;
}
