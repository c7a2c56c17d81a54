/* interchange_verbs.c - one verb, one store, one transaction; DynamoDB has none, so there an import is made
 * of steps that can be made again.
 *
 * A file is opened exclusively, so none of this is possible while a signer runs on it: the
 * keeper's memory would not know of the change. On a database signers may run: they find a record
 * other than they remember, and go on from it. Only an import makes a store that is absent; a
 * mistyped name of one that is to be exported or repaired must not leave an empty one behind. */
#include "interchange_verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/file_io.h"
#include "base/log.h"
#include "interchange_sandbox.h"
#include "slashing/slashing_history.h"
#include "slashing/slashing_interchange.h"

/* Bounds the time that an endless input can take. */
#define INPUT_LEN_MAX ((uint64_t)1 << 40)

static enum interchange_sandbox sandbox_for(const struct interchange_place *place)
{
    if (place->table.name)
        return INTERCHANGE_CONNECTIONS;
    return place->path ? INTERCHANGE_FILES : INTERCHANGE_CONNECTION;
}

static must_check result import_at_once(size_t *ret_num_validators, struct slashing_store *store,
                                        struct json_stream *in, const char *from_path)
{
    result r = slashing_interchange_import(store, ret_num_validators, in);
    return r.code ? error_prefix(r, "nothing was imported from %s", from_path) : r;
}

/* Into a store that has no transactions of that size. */
static must_check result merge_whole(size_t *ret_num_validators, struct slashing_store *store,
                                     struct json_stream *in, const char *from_path)
{
    AUTO(slashing_history) history = {.num_validators = 0};
    result r = slashing_history_read(&history, in);
    if (r.code)
        return error_prefix(r, "nothing was imported from %s", from_path);
    r = slashing_history_merge(store, &history);
    if (r.code)
        return error_prefix(r, "%s was not imported, or not all of it; it can be imported again", from_path);
    *ret_num_validators = history.num_validators;
    return RESULT_OK;
}

result interchange_import(const struct interchange_place *place, const char *from_path)
{
    AUTO(interchange_store) store = {.store = NULL};
    AUTO_POINTER(json_stream) in = NULL;
    size_t num_validators = 0;
    AUTO_FD from = open(from_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ENSURE(from >= 0, E_IO, "--from: %s: %s", from_path, strerror(errno));
    TRY(interchange_store_open(&store, place, true));
    TRY(json_stream_open(&in, from, INPUT_LEN_MAX));
    json_object_seed(0); /* from /dev/urandom, which cannot be opened later */
    TRY(interchange_sandbox_enter(sandbox_for(place), place->path));
    TRY(place->table.name ? merge_whole(&num_validators, store.store, in, from_path)
                          : import_at_once(&num_validators, store.store, in, from_path));
    log_info("imported the history of %zu validators from %s", num_validators, from_path);
    return RESULT_OK;
}

static result write_piece(void *context, const void *bytes, size_t bytes_len)
{
    return file_replace_write(context, bytes, bytes_len);
}

struct export
{
    struct slashing_store *store;
    struct slashing_interchange_sink sink;
    size_t num_validators;
};

static result export_all(void *context)
{
    struct export *export = context;
    return slashing_interchange_export(export->store, &export->num_validators, &export->sink);
}

result interchange_export(const struct interchange_place *place, const char *to_path)
{
    AUTO(interchange_store) store = {.store = NULL};
    AUTO(file_replacement) file = {0};
    struct export export = {.sink = {.context = &file, .write = write_piece}};
    TRY(interchange_store_open(&store, place, false));
    TRY(file_replace_begin(&file, to_path, 0600));
    export.store = store.store;
    /* DynamoDB puts records into order only where a transaction has read all of them. */
    TRY(place->table.name ? slashing_store_transaction(store.store, export_all, &export)
                          : export_all(&export));
    TRY(file_replace_commit(&file));
    log_info("exported the watermarks of %zu validators to %s", export.num_validators, to_path);
    return RESULT_OK;
}

result interchange_repair(const struct interchange_place *place, uint64_t epoch, uint64_t slot)
{
    AUTO(interchange_store) store = {.store = NULL};
    const struct slashing_record floor = {.has_block = true,
                                          .block_slot = slot,
                                          .has_attestation = true,
                                          .source_epoch = epoch,
                                          .target_epoch = epoch};
    size_t num_validators = 0;
    TRY(interchange_store_open(&store, place, false));
    TRY(slashing_raise_all(store.store, &num_validators, &floor));
    log_info("%zu validators sign nothing any more at or below slot %" PRIu64 " and target epoch %" PRIu64
             ", nor with a source epoch below that",
             num_validators, slot, epoch);
    return RESULT_OK;
}

result interchange_set_high_watermark(const struct interchange_place *place, uint64_t epoch, uint64_t slot)
{
    AUTO(interchange_store) store = {.store = NULL};
    TRY(interchange_store_open(&store, place, false));
    result r = slashing_set_high_watermark(store.store, epoch, slot);
    if (r.code)
        return error_prefix(r, "the high watermark was not changed");
    log_info("nothing is signed any more from epoch %" PRIu64 " and slot %" PRIu64 " on", epoch, slot);
    return RESULT_OK;
}

result interchange_remove_high_watermark(const struct interchange_place *place)
{
    AUTO(interchange_store) store = {.store = NULL};
    bool was_set = false;
    TRY(interchange_store_open(&store, place, false));
    TRY(slashing_remove_high_watermark(store.store, &was_set));
    log_info("%s", was_set ? "the high watermark was removed" : "there was no high watermark to remove");
    return RESULT_OK;
}
