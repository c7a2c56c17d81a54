/* torture_interchange.c - a file of EIP-3076 is imported into a SQLite store, another one over it, a high
 * watermark is set, and all is exported. Whatever fails, an import that succeeded is there after a power
 * failure, one that did not is there as a whole or not at all, and an export that succeeded is complete. */
#include <stdio.h>
#include <string.h>

#include "slashing/slashing_interchange.h"
#include "slashing/slashing_sqlite.h"
#include "torture.h"

enum { KEYS = 3, EXPORT_MAX = 8192, FIRST_SLOT = 100, SECOND_SLOT = 200 };

/* What act tells check. */
struct told {
    bool imported[2], exported, watermark;
    size_t export_len;
    char export[EXPORT_MAX];
};

static char files[2][2048];
static char expected[EXPORT_MAX]; /* the export when nothing fails */

static void write_file(char *out, size_t out_capacity, unsigned slot)
{
    size_t length = (size_t)snprintf(out, out_capacity,
                                     "{\"metadata\":{\"interchange_format_version\":\"5\","
                                     "\"genesis_validators_root\":\"0x%064d\"},\"data\":[",
                                     4);
    for (unsigned i = 0; i < KEYS; i++)
        length +=
            (size_t)snprintf(out + length, out_capacity - length,
                             "%s{\"pubkey\":\"0x%096u\",\"signed_blocks\":[{\"slot\":\"%u\"}],"
                             "\"signed_attestations\":[{\"source_epoch\":\"%u\",\"target_epoch\":\"%u\"}]}",
                             i ? "," : "", i + 1, slot + i, slot, slot + 1);
    (void)snprintf(out + length, out_capacity - length, "]}");
}

static void prepare(void)
{
    write_file(files[0], sizeof files[0], FIRST_SLOT);
    write_file(files[1], sizeof files[1], SECOND_SLOT);
}

static result import(struct slashing_store *store, const char *text)
{
    AUTO_POINTER(json_stream) in = NULL;
    size_t num = 0;
    TRY(json_stream_open_text(&in, text, strlen(text)));
    TRY(slashing_interchange_import(store, &num, in));
    torture_require(num == KEYS, "%zu validators were imported", num);
    return RESULT_OK;
}

static result take(void *context, const void *bytes, size_t bytes_len)
{
    struct told *told = context;
    ENSURE(bytes_len < EXPORT_MAX - told->export_len, E_TOO_LARGE, "an export of more than %d bytes",
           EXPORT_MAX);
    memcpy(told->export + told->export_len, bytes, bytes_len);
    told->export_len += bytes_len;
    return RESULT_OK;
}

static result work(struct slashing_store *store)
{
    struct told *told = torture_memory();
    const struct slashing_interchange_sink sink = {told, take};
    size_t num = 0;
    for (size_t i = 0; i < 2; i++) {
        result r = import(store, files[i]);
        told->imported[i] = !r.code;
        TRY(r);
    }
    TRY(slashing_set_high_watermark(store, 1000, 32000));
    told->watermark = true;
    TRY(slashing_interchange_export(store, &num, &sink));
    told->exported = true;
    return RESULT_OK;
}

static result open_and_work(const char *folder)
{
    struct slashing_store *store = NULL;
    char path[TORTURE_PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/store", folder);
    result r = slashing_sqlite_open(&store, path);
    torture_require(!r.code == (store != NULL), "a failure gave a store");
    if (!r.code)
        r = work(store);
    slashing_store_close(store);
    return r;
}

static void act(const char *folder)
{
    torture_begin();
    torture_outcome(open_and_work(folder));
    torture_end();
}

struct counts {
    unsigned num, first, second; /* of the slots of which file */
};

static result count(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    struct counts *counts = context;
    (void)pubkey;
    counts->num++;
    counts->second += entry->record.has_block && entry->record.block_slot >= SECOND_SLOT &&
                      entry->record.has_attestation && entry->record.target_epoch == SECOND_SLOT + 1;
    counts->first += entry->record.has_block && entry->record.block_slot < SECOND_SLOT &&
                     entry->record.has_attestation && entry->record.target_epoch == FIRST_SLOT + 1;
    return RESULT_OK;
}

static void check_store(struct slashing_store *store, const struct told *told)
{
    struct counts counts = {0};
    struct slashing_head head = {0};
    torture_must(slashing_store_scan(store, count, &counts));
    torture_must(slashing_store_head(store, &head));
    bool none = counts.num == 0, first = counts.num == KEYS && counts.first == KEYS,
         second = counts.num == KEYS && counts.second == KEYS;
    torture_require(none || first || second, "a part of a file: %u, %u, %u", counts.num, counts.first,
                    counts.second);
    torture_require(!told->imported[0] || first || second, "the first import is lost");
    torture_require(!told->imported[1] || second, "the second import is lost");
    torture_require(!told->watermark || head.has_high_watermark, "the high watermark is lost");
    torture_require(none || head.has_genesis, "records without a genesis validators root");
}

static void check(const char *folder)
{
    const struct told *told = torture_memory();
    struct slashing_store *store = NULL;
    char path[TORTURE_PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/store", folder);
    result r = slashing_sqlite_open(&store, path);
    torture_require(!r.code || !told->imported[0], "the store cannot be opened any more: %s", error_text());
    if (store)
        check_store(store, told);
    slashing_store_close(store);
    if (torture_is_counting())
        memcpy(expected, told->export, sizeof expected);
    torture_require(!told->exported || strcmp(told->export, expected) == 0, "the export is not complete");
}

int main(void)
{
    const struct torture_scenario scenario = {
        .name = "interchange", .prepare = prepare, .act = act, .check = check, .one_place_in = 9};
    return torture_main(&scenario);
}
