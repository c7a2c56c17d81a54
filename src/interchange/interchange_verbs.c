/* interchange_verbs.c - one verb, one store, one transaction.
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
#include "slashing/slashing_interchange.h"

/* Bounds the time that an endless input can take. */
#define INPUT_LEN_MAX ((uint64_t)1 << 40)

typedef struct slashing_store slashing_store;
DEFINE_AUTO_POINTER(slashing_store, slashing_store_close)

result interchange_import(const struct interchange_place *place, const char *from_path)
{
    AUTO_POINTER(slashing_store) store = NULL;
    AUTO_POINTER(json_stream) in = NULL;
    size_t num_validators = 0;
    AUTO_FD from = open(from_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ENSURE(from >= 0, E_IO, "--from: %s: %s", from_path, strerror(errno));
    TRY(interchange_store_open(&store, place, true));
    TRY(json_stream_open(&in, from, INPUT_LEN_MAX));
    json_object_seed(0); /* from /dev/urandom, which cannot be opened later */
    TRY(interchange_sandbox_enter(!place->path));
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

result interchange_export(const struct interchange_place *place, const char *to_path)
{
    AUTO_POINTER(slashing_store) store = NULL;
    AUTO(file_replacement) file = {0};
    const struct slashing_interchange_sink sink = {.context = &file, .write = write_piece};
    size_t num_validators = 0;
    TRY(interchange_store_open(&store, place, false));
    TRY(file_replace_begin(&file, to_path, 0600));
    TRY(slashing_interchange_export(store, &num_validators, &sink));
    TRY(file_replace_commit(&file));
    log_info("exported the watermarks of %zu validators to %s", num_validators, to_path);
    return RESULT_OK;
}

result interchange_repair(const struct interchange_place *place, uint64_t epoch, uint64_t slot)
{
    AUTO_POINTER(slashing_store) store = NULL;
    const struct slashing_record floor = {.has_block = true,
                                          .block_slot = slot,
                                          .has_attestation = true,
                                          .source_epoch = epoch,
                                          .target_epoch = epoch};
    size_t num_validators = 0;
    TRY(interchange_store_open(&store, place, false));
    TRY(slashing_raise_all(store, &num_validators, &floor));
    log_info("%zu validators sign nothing any more at or below slot %" PRIu64 " and target epoch %" PRIu64
             ", nor with a source epoch below that",
             num_validators, slot, epoch);
    return RESULT_OK;
}

result interchange_set_high_watermark(const struct interchange_place *place, uint64_t epoch, uint64_t slot)
{
    AUTO_POINTER(slashing_store) store = NULL;
    TRY(interchange_store_open(&store, place, false));
    result r = slashing_set_high_watermark(store, epoch, slot);
    if (r.code)
        return error_prefix(r, "the high watermark was not changed");
    log_info("nothing is signed any more from epoch %" PRIu64 " and slot %" PRIu64 " on", epoch, slot);
    return RESULT_OK;
}

result interchange_remove_high_watermark(const struct interchange_place *place)
{
    AUTO_POINTER(slashing_store) store = NULL;
    bool was_set = false;
    TRY(interchange_store_open(&store, place, false));
    TRY(slashing_remove_high_watermark(store, &was_set));
    log_info("%s", was_set ? "the high watermark was removed" : "there was no high watermark to remove");
    return RESULT_OK;
}
