/* test_slashing_sqlite.c - the SQLite store: what goes in comes out, batches, refusals to open. */
#include "store_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>

static const struct slashing_record nothing;

static struct slashing_store *open_store(void)
{
    struct slashing_store *store = NULL;
    assert_ok(slashing_sqlite_open(&store, store_path));
    return store;
}

static void records_survive_reopening(void **state)
{
    (void)state;
    struct slashing_record block = block_record(UINT64_MAX, 1),
                           vote = vote_record(1ull << 63, UINT64_MAX - 1, 2);
    struct slashing_record rootless = {.disabled = true,
                                       .has_block = true,
                                       .block_slot = 0,
                                       .has_attestation = true,
                                       .source_epoch = 0,
                                       .target_epoch = 5};
    struct slashing_advance batch[] = {advance_of(1, &nothing, &block), advance_of(2, &nothing, &vote),
                                       advance_of(3, &nothing, &rootless)};
    struct slashing_store *store = open_store();
    assert_ok(slashing_store_advance(store, batch, 3));
    for (int i = 0; i < 3; i++)
        assert_true(batch[i].done);
    slashing_store_close(store);

    store = open_store();
    for (uint8_t key = 1; key <= 3; key++) {
        struct slashing_record r = stored(store, key);
        assert_record_equal(&r, &batch[key - 1].next);
    }
    struct slashing_record unknown = stored(store, 4);
    assert_record_equal(&unknown, &nothing);
    slashing_store_close(store);
}

static void an_advance_compares_before_it_sets(void **state)
{
    (void)state;
    struct slashing_record one = block_record(1, 1), two = block_record(2, 2), other = block_record(1, 9);
    struct slashing_record disabled = two, rootless = two;
    disabled.disabled = true;
    rootless.block_has_root = false;
    struct slashing_store *store = open_store();
    struct slashing_advance first = advance_of(1, &nothing, &one);
    assert_ok(slashing_store_advance(store, &first, 1));

    /* Each differs from what is stored in one column. */
    struct slashing_record slot = one, blank = one, off = one, voted = one;
    slot.block_slot = 2;
    blank.block_has_root = false;
    off.disabled = true;
    voted.has_attestation = true;
    struct slashing_record wrong[] = {nothing, other, slot, blank, off, voted};
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct slashing_advance stale[] = {advance_of(1, &wrong[i], &two),
                                           advance_of((uint8_t)(10 + i), &nothing, &two)};
        assert_ok(slashing_store_advance(store, stale, 2));
        assert_false(stale[0].done);
        assert_true(stale[1].done); /* the others of the batch are not held up */
        struct slashing_record r = stored(store, 1);
        assert_record_equal(&r, &one);
    }
    struct slashing_advance absent = advance_of(7, &one, &two);
    assert_ok(slashing_store_advance(store, &absent, 1));
    assert_false(absent.done);

    struct slashing_advance chain[] = {advance_of(1, &one, &two), advance_of(1, &two, &rootless),
                                       advance_of(1, &rootless, &disabled)};
    assert_ok(slashing_store_advance(store, chain, 3));
    assert_true(chain[0].done && chain[1].done && chain[2].done);
    struct slashing_record r = stored(store, 1);
    assert_record_equal(&r, &disabled);
    slashing_store_close(store);
}

static void every_column_of_a_vote_is_compared(void **state)
{
    (void)state;
    struct slashing_record vote = vote_record(3, 4, 1), next = vote_record(5, 6, 2);
    struct slashing_record source = vote, target = vote, root = vote;
    source.source_epoch = 2;
    target.target_epoch = 5;
    root.attestation_root[31] ^= 1;
    struct slashing_record wrong[] = {source, target, root};
    struct slashing_store *store = open_store();
    struct slashing_advance advance = advance_of(1, &nothing, &vote);
    assert_ok(slashing_store_advance(store, &advance, 1));
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        advance = advance_of(1, &wrong[i], &next);
        assert_ok(slashing_store_advance(store, &advance, 1));
        assert_false(advance.done);
    }
    slashing_store_close(store);
}

static result collect(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    uint8_t *last = context;
    assert_true(pubkey[0] > *last);
    assert_int_equal(entry->record.block_slot, pubkey[0]);
    *last = pubkey[0];
    ENSURE(pubkey[0] < 200, E_INTERNAL, "enough");
    return RESULT_OK;
}

static void a_scan_visits_all_in_order(void **state)
{
    (void)state;
    struct slashing_store *store = open_store();
    static const uint8_t keys[] = {9, 3, 199, 77};
    for (size_t i = 0; i < sizeof keys; i++) {
        struct slashing_record block = block_record(keys[i], 1);
        struct slashing_advance advance = advance_of(keys[i], &nothing, &block);
        assert_ok(slashing_store_advance(store, &advance, 1));
    }
    uint8_t last = 0;
    assert_ok(slashing_store_scan(store, collect, &last));
    assert_int_equal(last, 199);

    struct slashing_record block = block_record(200, 1);
    struct slashing_advance advance = advance_of(200, &nothing, &block);
    assert_ok(slashing_store_advance(store, &advance, 1));
    last = 0;
    assert_fails(E_INTERNAL, slashing_store_scan(store, collect, &last));
    last = 0;
    assert_fails(E_INTERNAL, slashing_store_scan(store, collect, &last)); /* and can be begun again */
    slashing_store_close(store);
}

static void the_genesis_root_is_locked_once(void **state)
{
    (void)state;
    uint8_t root[32], one[32] = {1}, two[32] = {2};
    struct slashing_store *store = open_store();
    assert_fails(E_NOT_FOUND, slashing_store_genesis(store, root));
    assert_ok(slashing_store_lock_genesis(store, one));
    assert_ok(slashing_store_lock_genesis(store, one));
    assert_fails(E_MISMATCH, slashing_store_lock_genesis(store, two));
    slashing_store_close(store);
    store = open_store();
    assert_ok(slashing_store_genesis(store, root));
    assert_memory_equal(root, one, 32);
    slashing_store_close(store);
}

static void a_second_owner_is_refused(void **state)
{
    (void)state;
    struct slashing_store *store = open_store(), *second = NULL;
    assert_fails(E_STORE, slashing_sqlite_open(&second, store_path));
    assert_error_names("in use by another process");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        result r = slashing_sqlite_open(&second, store_path);
        _exit(r.code == E_STORE && strstr(error_text(), "in use by another process") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);

    struct slashing_record block = block_record(1, 1);
    struct slashing_advance advance = advance_of(1, &nothing, &block);
    assert_ok(slashing_store_advance(store, &advance, 1));
    slashing_store_close(store);
    slashing_store_close(open_store());
}

static void make_file(const char *statements)
{
    sqlite3 *database = NULL;
    assert_int_equal(sqlite3_open(store_path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, statements, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(database);
}

static void write_file(const void *bytes, size_t bytes_len, off_t at)
{
    int fd = open(store_path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, bytes_len, at), (ssize_t)bytes_len);
    (void)close(fd);
}

static void foreign_files_are_refused_and_left_alone(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    static const struct {
        const char *statements, *why;
    } files[] = {
        {"CREATE TABLE precious (x); INSERT INTO precious VALUES (1);", "another application"},
        {"CREATE TABLE precious (x); INSERT INTO precious VALUES (1); PRAGMA application_id = 7;",
         "another application"},
        {"PRAGMA application_id = 7; PRAGMA user_version = 1;", "another application"},
        {"CREATE TABLE precious (x); INSERT INTO precious VALUES (1); PRAGMA application_id = 1314083664;"
         " PRAGMA user_version = 3;",
         "schema version"},
        {"CREATE TABLE precious (x); INSERT INTO precious VALUES (1); PRAGMA application_id = 1314083664;"
         " PRAGMA user_version = 2;",
         "does not make"},
        {"CREATE TABLE precious (x); INSERT INTO precious VALUES (1); PRAGMA application_id = 1314083664;"
         " PRAGMA user_version = 1;",
         "does not make"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        make_file(files[i].statements);
        assert_fails(E_STORE, slashing_sqlite_open(&store, store_path));
        assert_error_names(files[i].why);
        assert_error_names(store_path);
        if (i != 2)
            make_file("UPDATE precious SET x = x + 1");
        assert_int_equal(unlink(store_path), 0);
    }
    static const char text[1024] = "this is no database, but it is long enough to look at";
    write_file(text, sizeof text, 0);
    assert_fails(E_STORE, slashing_sqlite_open(&store, store_path));
    assert_error_names("not a SQLite file");
    assert_fails(E_STORE, slashing_sqlite_open(&store, store_folder));
    assert_fails(E_STORE, slashing_sqlite_open(&store, "/nonexistent/folder/file"));
    assert_null(store);
}

static void a_damaged_file_is_refused(void **state)
{
    (void)state;
    struct slashing_store *store = open_store();
    for (int key = 1; key < 200; key++) {
        struct slashing_record block = block_record(1, 1);
        struct slashing_advance advance = advance_of((uint8_t)key, &nothing, &block);
        assert_ok(slashing_store_advance(store, &advance, 1));
    }
    slashing_store_close(store);
    uint8_t garbage[64];
    memset(garbage, 0xee, sizeof garbage);
    write_file(garbage, sizeof garbage, 4096); /* the header of the second page */
    store = NULL;
    assert_fails(E_STORE, slashing_sqlite_open(&store, store_path));
    assert_null(store);
}

static int refuse_commit(void *unused)
{
    (void)unused;
    return 1; /* SQLite then rolls back and reports a failure */
}

static sqlite3 *opened;

static int remember(sqlite3 *database, char **message, const struct sqlite3_api_routines *api)
{
    (void)message;
    (void)api;
    opened = database;
    return SQLITE_OK;
}

/* The store's connection, caught as it is opened, so that its commits can be made to fail. */
static struct slashing_store *open_and_catch(void)
{
    assert_int_equal(sqlite3_auto_extension((void (*)(void))remember), SQLITE_OK);
    struct slashing_store *store = open_store();
    sqlite3_reset_auto_extension();
    return store;
}

static void a_failed_commit_leaves_the_old_records(void **state)
{
    (void)state;
    struct slashing_store *store = open_and_catch();
    struct slashing_record one = block_record(1, 1), two = block_record(2, 2);
    struct slashing_advance first = advance_of(1, &nothing, &one);
    assert_ok(slashing_store_advance(store, &first, 1));

    struct slashing_advance batch[] = {advance_of(1, &one, &two), advance_of(2, &nothing, &two)};
    (void)sqlite3_commit_hook(opened, refuse_commit, NULL);
    assert_fails(E_STORE, slashing_store_advance(store, batch, 2));
    assert_false(batch[0].done || batch[1].done);
    uint8_t root[32] = {1};
    assert_fails(E_STORE, slashing_store_lock_genesis(store, root));
    assert_fails(E_NOT_FOUND, slashing_store_genesis(store, root));

    (void)sqlite3_commit_hook(opened, NULL, NULL);
    struct slashing_record r = stored(store, 1);
    assert_record_equal(&r, &one);
    assert_ok(slashing_store_advance(store, batch, 2)); /* no transaction was left open */
    assert_true(batch[0].done && batch[1].done);
    slashing_store_close(store);
}

struct work {
    struct slashing_store *store;
    int steps; /* advances before the end */
    result end;
    int interrupted; /* the number of the advance that is made to fail, and not passed on; 0: none */
};

static int interrupt(void *unused)
{
    (void)unused;
    return 1; /* SQLite then rolls the whole transaction back */
}

static result advance_in_steps(void *context)
{
    struct work *work = context;
    uint8_t root[32] = {6};
    struct slashing_record one = block_record(1, 1), two = block_record(2, 2);
    TRY(slashing_store_lock_genesis(work->store, root));
    for (int i = 1; i <= work->steps; i++) {
        struct slashing_advance both[] = {advance_of((uint8_t)i, &nothing, &one),
                                          advance_of((uint8_t)i, &one, &two)};
        sqlite3_progress_handler(opened, i == work->interrupted, interrupt, NULL);
        result r = slashing_store_advance(work->store, both, 2);
        sqlite3_progress_handler(opened, 0, NULL, NULL);
        bool fails = work->interrupted && i >= work->interrupted;
        assert_int_equal(r.code, fails ? E_STORE : E_NONE);
        assert_true(both[1].done == !fails);
        struct slashing_record r_seen = stored(work->store, (uint8_t)i);
        assert_true(fails || r_seen.block_slot == 2);
    }
    if (work->interrupted)
        assert_fails(E_STORE, slashing_store_lock_genesis(work->store, root));
    return work->end;
}

static void a_transaction_is_all_or_nothing(void **state)
{
    (void)state;
    struct slashing_store *store = open_and_catch();
    uint8_t root[32];
    struct work fails = {.store = store, .steps = 3, .end = {E_INPUT}};
    struct work loses = {.store = store, .steps = 3, .interrupted = 2};
    struct work works = {.store = store, .steps = 3};
    assert_fails(E_INPUT, slashing_store_transaction(store, advance_in_steps, &fails));
    assert_fails(E_STORE, slashing_store_transaction(store, advance_in_steps, &loses));
    (void)sqlite3_commit_hook(opened, refuse_commit, NULL);
    assert_fails(E_STORE, slashing_store_transaction(store, advance_in_steps, &works));
    (void)sqlite3_commit_hook(opened, NULL, NULL);
    for (uint8_t key = 1; key <= 3; key++) {
        struct slashing_record r = stored(store, key);
        assert_record_equal(&r, &nothing);
    }
    assert_fails(E_NOT_FOUND, slashing_store_genesis(store, root));

    assert_ok(slashing_store_transaction(store, advance_in_steps, &works));
    slashing_store_close(store);
    store = open_store();
    for (uint8_t key = 1; key <= 3; key++)
        assert_int_equal(stored(store, key).block_slot, 2);
    assert_ok(slashing_store_genesis(store, root));
    assert_int_equal(root[0], 6);
    struct slashing_record two = block_record(2, 2), three = block_record(3, 3);
    struct slashing_advance alone = advance_of(1, &two, &three); /* by itself again, and durable */
    assert_ok(slashing_store_advance(store, &alone, 1));
    slashing_store_close(store);
    store = open_store();
    assert_int_equal(stored(store, 1).block_slot, 3);
    slashing_store_close(store);
}

static void a_replaced_or_deleted_file_is_noticed(void **state)
{
    (void)state;
    static const char *const suffixes[] = {"", "-wal"};
    for (size_t i = 0; i < ARRAY_LENGTH(suffixes); i++) {
        struct slashing_store *store = open_store();
        char path[128], kept[160];
        (void)snprintf(path, sizeof path, "%s%s", store_path, suffixes[i]);
        (void)snprintf(kept, sizeof kept, "%s.kept", path);
        struct slashing_record block = block_record(1 + i, 1), before = stored(store, 1);
        struct slashing_advance advance = advance_of(1, &before, &block);
        assert_int_equal(rename(path, kept), 0);
        assert_fails(E_STORE, slashing_store_advance(store, &advance, 1));
        assert_false(advance.done);
        int other = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        assert_true(other >= 0);
        (void)close(other);
        uint8_t root[32] = {1};
        assert_fails(E_STORE, slashing_store_lock_genesis(store, root));
        assert_error_names("replaced");
        assert_int_equal(rename(kept, path), 0);
        slashing_store_close(store);
    }
}

/* PRAGMAs that durability rests on, asked of the very connection. */
static void durability_is_configured(void **state)
{
    (void)state;
    struct slashing_store *store = open_and_catch();
    static const struct {
        const char *question, *answer;
    } settings[] = {
        {"PRAGMA synchronous", "2"}, {"PRAGMA journal_mode", "wal"}, {"PRAGMA locking_mode", "exclusive"}};
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++) {
        sqlite3_stmt *statement = NULL;
        assert_int_equal(sqlite3_prepare_v2(opened, settings[i].question, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        assert_string_equal((const char *)sqlite3_column_text(statement, 0), settings[i].answer);
        (void)sqlite3_finalize(statement);
    }
    slashing_store_close(store);
}

static int folder_syncs, log_syncs; /* ours: SQLite's own calls do not pass here */
static bool folder_sync_fails, log_sync_fails;
int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        folder_syncs++;
        if (folder_sync_fails) {
            errno = EIO;
            return -1;
        }
    } else {
        log_syncs++;
        if (log_sync_fails) {
            errno = EIO;
            return -1;
        }
    }
    return __real_fsync(fd);
}

/* By us, at the opening: a process that opens no more files afterwards cannot leave it to SQLite. */
static void the_names_are_durable_before_any_record(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    folder_syncs = 0;
    slashing_store_close(open_store());
    assert_int_equal(folder_syncs, 1);
    folder_sync_fails = true;
    assert_fails(E_STORE, slashing_sqlite_open(&store, store_path));
    folder_sync_fails = false;
    assert_null(store);
}

/* What a killed process wrote may be in the kernel's memory only. */
static void records_found_at_opening_are_made_durable(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    log_syncs = 0;
    slashing_store_close(open_store());
    assert_int_equal(log_syncs, 1);
    log_sync_fails = true;
    assert_fails(E_STORE, slashing_sqlite_open(&store, store_path));
    log_sync_fails = false;
    assert_null(store);
}

enum { MANY_KEYS = 4000, BATCHES_MANY = 8, BATCHES_MAX = 120 };

/* How often the log was begun anew: the checkpoint sequence number of its header. */
static uint32_t times_begun(void)
{
    uint8_t header[16] = {0};
    char path[128];
    (void)snprintf(path, sizeof path, "%s-wal", store_path);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, header, sizeof header), sizeof header);
    (void)close(fd);
    return (uint32_t)header[12] << 24 | (uint32_t)header[13] << 16 | (uint32_t)header[14] << 8 | header[15];
}

/* All of many keys, which is about 100 pages. */
static void commit_all(struct slashing_store *store, uint64_t slot)
{
    static struct slashing_advance all[MANY_KEYS];
    struct slashing_record old = slot > 1 ? block_record(slot - 1, 1) : nothing, next = block_record(slot, 1);
    for (uint32_t i = 0; i < MANY_KEYS; i++) {
        all[i] = (struct slashing_advance){.old = old, .next = next};
        all[i].pubkey[0] = (uint8_t)(i >> 8);
        all[i].pubkey[1] = (uint8_t)i;
    }
    assert_ok(slashing_store_advance(store, all, MANY_KEYS));
    for (uint32_t i = 0; i < MANY_KEYS; i++)
        assert_true(all[i].done);
}

/* Not in the middle of a burst, unless the log has become very long. */
static void the_log_is_settled_when_told(void **state)
{
    (void)state;
    struct slashing_store *store = open_store();
    uint64_t slot = 0;
    commit_all(store, ++slot);
    uint32_t first = times_begun();
    slashing_sqlite_settle(store); /* too little to be worth it */
    while (slot < BATCHES_MANY)
        commit_all(store, ++slot);
    assert_int_equal(times_begun(), first);
    slashing_sqlite_settle(store);
    commit_all(store, ++slot);
    assert_int_equal(times_begun(), first + 1);
    while (slot < BATCHES_MAX && times_begun() == first + 1)
        commit_all(store, ++slot);
    assert_in_range(slot, 3 * BATCHES_MANY, BATCHES_MAX - 1);
    slashing_store_close(store);
    store = open_store();
    commit_all(store, ++slot);
    slashing_store_close(store);
}

static void a_file_of_two_names_is_refused(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    char other[256];
    slashing_store_close(open_store());
    (void)snprintf(other, sizeof other, "%s.other", store_path);
    assert_int_equal(link(store_path, other), 0);
    assert_fails(E_STORE, slashing_sqlite_open(&store, store_path));
    assert_fails(E_STORE, slashing_sqlite_open(&store, other));
    assert_int_equal(unlink(other), 0);
    slashing_store_close(open_store());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_survive_reopening, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(an_advance_compares_before_it_sets, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(every_column_of_a_vote_is_compared, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(a_scan_visits_all_in_order, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(the_genesis_root_is_locked_once, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(a_second_owner_is_refused, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(foreign_files_are_refused_and_left_alone, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_refused, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(a_failed_commit_leaves_the_old_records, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(a_transaction_is_all_or_nothing, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(a_replaced_or_deleted_file_is_noticed, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(the_names_are_durable_before_any_record, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(records_found_at_opening_are_made_durable, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(a_file_of_two_names_is_refused, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(the_log_is_settled_when_told, store_setup_in_memory, store_teardown),
        cmocka_unit_test_setup_teardown(durability_is_configured, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
