/* fuzz_store_file.c - a slashing protection store whose SQLite file is hostile or damaged. It is refused, or
 * works: what a scan shows of a validator a load shows too, and what was recorded in it is there when the
 * file is opened again.
 *
 * The first byte says what is made of a good file with three validators: nothing but the input; bytes of it
 * changed (an offset of two bytes and the new byte, each), or of one with a write-ahead log, its log's bytes
 * changed; or the input run on it as SQL, for another's tables, views and triggers. */
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_io.h"
#include "fuzz.h"
#include "slashing/slashing_sqlite.h"

enum { KEYS = 3, CONTENTS_MAX = 1 << 20, SQL_STEPS = 20000, VISITS_MAX = 4096, MAGIC_LEN = 32 };

static char folder[32], path[40], log_path[64], journal_path[64];
static uint8_t keys[KEYS][48];
/* Without a log, and the same records in a log. */
static struct buffer settled, before_log, its_log;

static void forget_files(void)
{
    (void)unlink(path), (void)unlink(log_path), (void)unlink(journal_path);
}

static void forget_folder(void)
{
    forget_files();
    (void)rmdir(folder);
}

static void write_all(const char *where, const uint8_t *data, size_t size)
{
    (void)unlink(where);
    AUTO_FD fd = open(where, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    PROMISE(fd >= 0 && file_write_full(fd, data, size).code == 0);
}

static void add_records(struct slashing_store *store)
{
    for (size_t i = 0; i < KEYS; i++) {
        struct slashing_advance a = {
            .next = {.has_block = true, .block_slot = 100 * i + 7, .block_has_root = true}};
        memcpy(a.pubkey, keys[i], sizeof keys[i]);
        a.next.block_root[3] = (uint8_t)i;
        if (i > 0) {
            a.next.has_attestation = true;
            a.next.source_epoch = 9 * i;
            a.next.target_epoch = 10 * i;
        }
        PROMISE(slashing_store_advance(store, &a, 1).code == 0 && a.done);
    }
}

static void make_good_files(void)
{
    struct slashing_store *store = NULL;
    (void)snprintf(folder, sizeof folder, "/dev/shm/fuzz-store-XXXXXX");
    PROMISE(mkdtemp(folder) && atexit(forget_folder) == 0);
    (void)snprintf(path, sizeof path, "%s/s", folder);
    (void)snprintf(log_path, sizeof log_path, "%s-wal", path);
    (void)snprintf(journal_path, sizeof journal_path, "%s-journal", path);
    for (size_t i = 0; i < KEYS; i++)
        memset(keys[i], (int)(0x40 + i), sizeof keys[i]);
    PROMISE(slashing_sqlite_open(&store, path).code == 0);
    add_records(store);
    PROMISE(file_read(&before_log, path, CONTENTS_MAX).code == 0);
    PROMISE(file_read(&its_log, log_path, CONTENTS_MAX).code == 0 && its_log.length > MAGIC_LEN);
    slashing_store_close(store);
    PROMISE(file_read(&settled, path, CONTENTS_MAX).code == 0 && settled.length > 512);
}

static void write_changed(const char *where, const struct buffer *good, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(good->length);
    PROMISE(copy);
    memcpy(copy, good->data, good->length);
    for (; size >= 3; data += 3, size -= 3)
        copy[(size_t)(data[0] | data[1] << 8) % good->length] = data[2];
    write_all(where, copy, good->length);
    free(copy);
}

/* ---- SQL ---- */

static int give_up(void *steps_left)
{
    return --*(int *)steps_left < 0;
}

static int permit(void *context, int action, const char *first, const char *second, const char *third,
                  const char *fourth)
{
    (void)context, (void)first, (void)second, (void)third, (void)fourth;
    return action == SQLITE_ATTACH || action == SQLITE_DETACH ? SQLITE_DENY : SQLITE_OK;
}

static void run_sql(const uint8_t *data, size_t size)
{
    sqlite3 *database = NULL;
    char *text = fuzz_text(data, size);
    int steps_left = SQL_STEPS / 100;
    write_all(path, settled.data, settled.length);
    PROMISE(sqlite3_open(path, &database) == SQLITE_OK);
    (void)sqlite3_limit(database, SQLITE_LIMIT_LENGTH, 1 << 17);
    (void)sqlite3_limit(database, SQLITE_LIMIT_ATTACHED, 0);
    (void)sqlite3_set_authorizer(database, permit, NULL);
    sqlite3_progress_handler(database, 100, give_up, &steps_left);
    (void)sqlite3_exec(database, text, NULL, NULL, NULL);
    (void)sqlite3_close(database);
    free(text);
}

/* ---- the store ---- */

struct seen {
    struct slashing_entry entries[KEYS];
    bool there[KEYS];
    size_t num;
};

static result see(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    struct seen *seen = context;
    ENSURE(++seen->num <= VISITS_MAX, E_TOO_LARGE, "enough validators");
    for (size_t i = 0; i < KEYS; i++) {
        if (memcmp(pubkey, keys[i], sizeof keys[i]) != 0)
            continue;
        PROMISE(!seen->there[i]);
        seen->there[i] = true;
        seen->entries[i] = *entry;
    }
    return RESULT_OK;
}

/* What is loaded is what a scan shows. */
static bool load(struct slashing_store *store, struct slashing_entry *ret_entries)
{
    static const struct slashing_record nothing;
    struct seen seen = {.num = 0};
    if (!fuzz_accepted_or_said_why(
            slashing_store_load_many(store, ret_entries, (const uint8_t(*)[48])keys, KEYS)) ||
        !fuzz_accepted_or_said_why(slashing_store_scan(store, see, &seen)))
        return false;
    for (size_t i = 0; i < KEYS; i++) {
        const struct slashing_record *shown = seen.there[i] ? &seen.entries[i].record : &nothing;
        PROMISE(slashing_covers(&ret_entries[i].record, shown) &&
                slashing_covers(shown, &ret_entries[i].record));
    }
    return true;
}

/* Records a block of each; whether it was. */
static void record(struct slashing_store *store, struct slashing_entry *entries, bool recorded[static KEYS])
{
    for (size_t i = 0; i < KEYS; i++) {
        struct slashing_advance a = {.old = entries[i].record, .next = entries[i].record};
        if (a.old.disabled || a.old.block_slot == UINT64_MAX)
            continue;
        memcpy(a.pubkey, keys[i], sizeof keys[i]);
        a.next.has_block = a.next.block_has_root = true;
        a.next.block_slot++;
        memset(a.next.block_root, 0x77, sizeof a.next.block_root);
        recorded[i] = fuzz_accepted_or_said_why(slashing_store_advance(store, &a, 1)) && a.done;
        if (recorded[i])
            entries[i].record = a.next;
    }
}

static void try_store(void)
{
    struct slashing_store *store = NULL;
    struct slashing_head head;
    struct slashing_entry entries[KEYS], later[KEYS];
    bool recorded[KEYS] = {false};
    if (!fuzz_accepted_or_said_why(slashing_sqlite_open(&store, path)))
        return;
    (void)fuzz_accepted_or_said_why(slashing_store_head(store, &head));
    bool loaded = load(store, entries);
    if (loaded)
        record(store, entries, recorded);
    slashing_sqlite_settle(store);
    slashing_store_close(store);
    if (!loaded || !fuzz_accepted_or_said_why(slashing_sqlite_open(&store, path)))
        return;
    if (load(store, later))
        for (size_t i = 0; i < KEYS; i++)
            PROMISE(!recorded[i] || slashing_covers(&later[i].record, &entries[i].record));
    slashing_store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!settled.length)
        make_good_files();
    if (size < 2)
        return 0;
    forget_files();
    switch (data[0] % 4) {
    case 0:
        write_all(path, data + 1, size - 1);
        break;
    case 1:
        write_changed(path, &settled, data + 1, size - 1);
        break;
    case 2:
        write_all(path, before_log.data, before_log.length);
        write_changed(log_path, &its_log, data + 1, size - 1);
        break;
    default:
        run_sql(data + 1, size - 1);
    }
    fuzz_forget_reason();
    try_store();
    return 0;
}
