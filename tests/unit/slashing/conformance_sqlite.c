/* conformance_sqlite.c - the file store as a target. */
#include "testing.h"

#include <unistd.h>

#include "slashing/slashing_sqlite.h"
#include "store_conformance.h"

static void begin(struct conformance_target *target, const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    (void)pubkeys;
    (void)num_pubkeys;
    for (size_t i = 0; i < ARRAY_LENGTH(suffixes); i++) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s%s", target->place, suffixes[i]);
        (void)unlink(path);
    }
}

static struct slashing_store *open_store(struct conformance_target *target)
{
    struct slashing_store *store = NULL;
    assert_ok(slashing_sqlite_open(&store, target->place));
    return store;
}

struct conformance_target conformance_sqlite = {
    .name = "sqlite", .ordered = true, .repeats_in_batch = true, .begin = begin, .open = open_store};
