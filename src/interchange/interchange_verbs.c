/* interchange_verbs.c - one verb, one store, one transaction.
 *
 * A store is opened exclusively, so none of this is possible while a signer runs on it: the
 * keeper's memory would not know of the change. Only an import makes a store that is absent; a
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
#include "slashing/slashing_interchange.h"
#include "slashing/slashing_sqlite.h"

/* Bounds the time that an endless input can take. */
#define INPUT_LEN_MAX ((uint64_t)1 << 40)

typedef struct slashing_store slashing_store;
DEFINE_AUTO_POINTER(slashing_store, slashing_store_close)

static must_check result open_existing(struct slashing_store **ret_store, const char *path)
{
    ENSURE(access(path, F_OK) == 0, E_NOT_FOUND, "slashing protection store %s: %s", path, strerror(errno));
    return slashing_sqlite_open(ret_store, path);
}

result interchange_import(const char *store_path, const char *from_path)
{
    AUTO_POINTER(slashing_store) store = NULL;
    AUTO_POINTER(json_stream) in = NULL;
    size_t num_validators = 0;
    AUTO_FD from = open(from_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ENSURE(from >= 0, E_IO, "--from: %s: %s", from_path, strerror(errno));
    TRY(slashing_sqlite_open(&store, store_path));
    TRY(json_stream_open(&in, from, INPUT_LEN_MAX));
    json_object_seed(0); /* from /dev/urandom, which cannot be opened later */
    TRY(interchange_sandbox_enter());
    result r = slashing_interchange_import(store, &num_validators, in);
    if (r.code)
        return error_prefix(r, "nothing was imported from %s", from_path);
    log_info("imported the history of %zu validators from %s", num_validators, from_path);
    return RESULT_OK;
}

static result write_piece(void *context, const void *bytes, size_t bytes_len)
{
    return file_replace_write(context, bytes, bytes_len);
}

result interchange_export(const char *store_path, const char *to_path)
{
    AUTO_POINTER(slashing_store) store = NULL;
    AUTO(file_replacement) file = {0};
    const struct slashing_interchange_sink sink = {.context = &file, .write = write_piece};
    size_t num_validators = 0;
    TRY(open_existing(&store, store_path));
    TRY(file_replace_begin(&file, to_path, 0600));
    TRY(slashing_interchange_export(store, &num_validators, &sink));
    TRY(file_replace_commit(&file));
    log_info("exported the watermarks of %zu validators to %s", num_validators, to_path);
    return RESULT_OK;
}

result interchange_repair(const char *store_path, uint64_t epoch, uint64_t slot)
{
    AUTO_POINTER(slashing_store) store = NULL;
    const struct slashing_record floor = {.has_block = true,
                                          .block_slot = slot,
                                          .has_attestation = true,
                                          .source_epoch = epoch,
                                          .target_epoch = epoch};
    size_t num_validators = 0;
    TRY(open_existing(&store, store_path));
    TRY(slashing_raise_all(store, &num_validators, &floor));
    log_info("%zu validators sign nothing any more at or below slot %" PRIu64 " and target epoch %" PRIu64
             ", nor with a source epoch below that",
             num_validators, slot, epoch);
    return RESULT_OK;
}

result interchange_set_high_watermark(const char *store_path, uint64_t epoch, uint64_t slot)
{
    AUTO_POINTER(slashing_store) store = NULL;
    TRY(open_existing(&store, store_path));
    result r = slashing_set_high_watermark(store, epoch, slot);
    if (r.code)
        return error_prefix(r, "the high watermark was not changed");
    log_info("nothing is signed any more from epoch %" PRIu64 " and slot %" PRIu64 " on", epoch, slot);
    return RESULT_OK;
}

result interchange_remove_high_watermark(const char *store_path)
{
    AUTO_POINTER(slashing_store) store = NULL;
    bool was_set = false;
    TRY(open_existing(&store, store_path));
    TRY(slashing_remove_high_watermark(store, &was_set));
    log_info("%s", was_set ? "the high watermark was removed" : "there was no high watermark to remove");
    return RESULT_OK;
}
