/* slashing_interchange.c - EIP-3076 files: parsed completely, then imported in one transaction.
 *
 * Files of other clients hold slashable data now and then, and refusing such a file would leave
 * the operator without any protection; minification to watermarks makes every file importable,
 * and the result refuses at least what the file demands. */
#include "slashing/slashing_interchange.h"

#include <stdlib.h>
#include <string.h>

#include "json/json.h"

enum { VALUES_MAX = 32 * 1024 * 1024, ROWS_MAX = 8 * 1024 * 1024 };

void slashing_interchange_cleanup(struct slashing_interchange *interchange)
{
    free(interchange->entries);
    *interchange = (struct slashing_interchange){0};
}

static must_check result read_root(bool *ret_has_root, uint8_t ret_root[static 32],
                                   const struct json_view *row)
{
    size_t length = 0;
    if (json_has(row, "signing_root"))
        TRY(json_get_hex_up_to(ret_root, &length, 32, row, "signing_root"));
    *ret_has_root = length == 32;
    return RESULT_OK;
}

static must_check result read_blocks(struct slashing_record *record, const struct json_view *validator)
{
    struct json_view rows;
    TRY(json_get_array(&rows, validator, "signed_blocks", ROWS_MAX));
    for (size_t i = 0; i < json_array_size(rows.value); i++) {
        struct json_view row;
        struct slashing_record block = {.has_block = true};
        TRY(json_element_object(&row, &rows, i));
        TRY(json_get_u64(&block.block_slot, &row, "slot"));
        TRY(read_root(&block.block_has_root, block.block_root, &row));
        slashing_merge(record, record, &block);
    }
    return RESULT_OK;
}

static must_check result read_attestations(struct slashing_record *record, const struct json_view *validator)
{
    struct json_view rows;
    TRY(json_get_array(&rows, validator, "signed_attestations", ROWS_MAX));
    for (size_t i = 0; i < json_array_size(rows.value); i++) {
        struct json_view row;
        struct slashing_record vote = {.has_attestation = true};
        TRY(json_element_object(&row, &rows, i));
        TRY(json_get_u64(&vote.source_epoch, &row, "source_epoch"));
        TRY(json_get_u64(&vote.target_epoch, &row, "target_epoch"));
        TRY(read_root(&vote.attestation_has_root, vote.attestation_root, &row));
        slashing_merge(record, record, &vote);
    }
    return RESULT_OK;
}

static must_check result read_metadata(struct slashing_interchange *interchange,
                                       const struct json_view *document)
{
    struct json_view metadata;
    uint64_t version = 0;
    TRY(json_get_object(&metadata, document, "metadata"));
    TRY(json_get_u64(&version, &metadata, "interchange_format_version"));
    if (version != 5)
        return json_blame(error_set(E_INPUT, "must be 5"), &metadata, "interchange_format_version");
    return json_get_hex(interchange->genesis_validators_root, 32, &metadata, "genesis_validators_root");
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(((const struct slashing_interchange_entry *)a)->pubkey,
                  ((const struct slashing_interchange_entry *)b)->pubkey, 48);
}

/* Sorts, and folds entries of the same validator into one. */
static void unite(struct slashing_interchange *interchange)
{
    struct slashing_interchange_entry *entries = interchange->entries;
    size_t kept = 0;
    if (interchange->num_entries == 0)
        return;
    qsort(entries, interchange->num_entries, sizeof *entries, compare_keys);
    for (size_t i = 1; i < interchange->num_entries; i++) {
        if (memcmp(entries[kept].pubkey, entries[i].pubkey, 48) == 0)
            slashing_merge(&entries[kept].record, &entries[kept].record, &entries[i].record);
        else
            entries[++kept] = entries[i];
    }
    interchange->num_entries = kept + 1;
}

static must_check result read_validators(struct slashing_interchange *interchange,
                                         const struct json_view *document)
{
    struct json_view data;
    TRY(json_get_array(&data, document, "data", ROWS_MAX));
    size_t count = json_array_size(data.value);
    interchange->entries = calloc(count ? count : 1, sizeof *interchange->entries);
    ENSURE(interchange->entries, E_MEMORY, "out of memory for %zu validators", count);
    for (size_t i = 0; i < count; i++) {
        struct slashing_interchange_entry *entry = &interchange->entries[i];
        struct json_view validator;
        TRY(json_element_object(&validator, &data, i));
        TRY(json_get_hex(entry->pubkey, sizeof entry->pubkey, &validator, "pubkey"));
        TRY(read_blocks(&entry->record, &validator));
        TRY(read_attestations(&entry->record, &validator));
    }
    interchange->num_entries = count;
    unite(interchange);
    return RESULT_OK;
}

result slashing_interchange_parse(struct slashing_interchange *ret_interchange, const char *json,
                                  size_t json_len)
{
    AUTO_POINTER(json_t) root = NULL;
    AUTO(slashing_interchange) interchange = {0};
    struct json_view document;
    TRY(json_read(&root, json, json_len, INTERCHANGE_MAX, VALUES_MAX));
    TRY(json_view_root(&document, root));
    TRY(read_metadata(&interchange, &document));
    TRY(read_validators(&interchange, &document));
    *ret_interchange = interchange;
    interchange = (struct slashing_interchange){0};
    return RESULT_OK;
}

typedef struct slashing_advance slashing_advance;
DEFINE_AUTO_POINTER(slashing_advance, free)

result slashing_interchange_import(struct slashing_store *store,
                                   const struct slashing_interchange *interchange)
{
    size_t count = interchange->num_entries;
    AUTO_POINTER(slashing_advance) advances = calloc(count ? count : 1, sizeof *advances);
    ENSURE(advances, E_MEMORY, "out of memory for %zu validators", count);
    for (size_t i = 0; i < count; i++) {
        const struct slashing_interchange_entry *entry = &interchange->entries[i];
        memcpy(advances[i].pubkey, entry->pubkey, 48);
        TRY(slashing_store_load(store, &advances[i].old, entry->pubkey));
        slashing_merge(&advances[i].next, &advances[i].old, &entry->record);
    }
    TRY(slashing_store_lock_genesis(store, interchange->genesis_validators_root));
    TRY(slashing_store_advance(store, advances, count));
    for (size_t i = 0; i < count; i++)
        ENSURE(advances[i].done, E_STORE, "a record changed during the import");
    return RESULT_OK;
}
