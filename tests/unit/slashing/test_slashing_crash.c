/* test_slashing_crash.c - the process that owns the store is killed (SIGKILL) between steps, and the record
 * that is found afterwards is the one that was promised.
 *
 * Points of death: right after advance() returned; inside the transaction, by way of SQLite's commit hook;
 * and at each write to disk in turn, by a file system layer that kills its own process at the n-th. */
#include "store_testing.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

static const struct slashing_record nothing;

/* What a child reports of its progress before it dies. */
static int progress[2];

static void report(uint8_t slot)
{
    if (write(progress[1], &slot, 1) != 1)
        _exit(3);
}

/* Blocks at slots 1..last for validator 1, each advance followed by a report. */
static void advance_up_to(struct slashing_store *store, uint8_t last)
{
    struct slashing_record before = nothing;
    for (uint8_t slot = 1; slot <= last; slot++) {
        struct slashing_record next = block_record(slot, slot);
        struct slashing_advance advance = advance_of(1, &before, &next);
        if (slashing_store_advance(store, &advance, 1).code || !advance.done)
            _exit(4);
        report(slot);
        before = next;
    }
}

/* Runs a child to its death; the highest slot that it saw to be durable. */
static uint8_t run_child(void (*child)(void), int *ret_status)
{
    assert_int_equal(pipe(progress), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        child();
        _exit(0);
    }
    (void)close(progress[1]);
    uint8_t slot = 0, last = 0;
    while (read(progress[0], &slot, 1) == 1)
        last = slot;
    (void)close(progress[0]);
    assert_int_equal(waitpid(pid, ret_status, 0), pid);
    return last;
}

static uint64_t slot_found(void)
{
    struct slashing_store *store = NULL;
    assert_ok(slashing_sqlite_open(&store, store_path));
    struct slashing_record r = stored(store, 1);
    slashing_store_close(store);
    if (r.has_block) {
        struct slashing_record whole = block_record(r.block_slot, (uint8_t)r.block_slot);
        assert_record_equal(&r, &whole);
    }
    return r.has_block ? r.block_slot : 0;
}

static void die_after_advance(void)
{
    struct slashing_store *store = NULL;
    if (slashing_sqlite_open(&store, store_path).code)
        _exit(2);
    advance_up_to(store, 3);
    (void)raise(SIGKILL);
}

static void what_was_advanced_survives_a_kill(void **state)
{
    (void)state;
    int status;
    assert_int_equal(run_child(die_after_advance, &status), 3);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(slot_found(), 3);
}

static int commits_until_death;

static int die_in_commit(void *unused)
{
    (void)unused;
    if (--commits_until_death == 0)
        (void)raise(SIGKILL);
    return 0;
}

static int hook_commits(sqlite3 *database, char **message, const struct sqlite3_api_routines *api)
{
    (void)message;
    (void)api;
    (void)sqlite3_commit_hook(database, die_in_commit, NULL);
    return SQLITE_OK;
}

static void die_in_transaction(void)
{
    struct slashing_store *store = NULL;
    if (sqlite3_auto_extension((void (*)(void))hook_commits) != SQLITE_OK ||
        slashing_sqlite_open(&store, store_path).code)
        _exit(2);
    commits_until_death = 3;
    advance_up_to(store, 9);
}

static void a_kill_inside_a_transaction_leaves_the_old_record(void **state)
{
    (void)state;
    int status;
    assert_int_equal(run_child(die_in_transaction, &status), 2);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(slot_found(), 2);
}

/* The layer: SQLite's own file system, with a countdown before each change to a file. */
static sqlite3_vfs layer;
static sqlite3_vfs *below;
static sqlite3_io_methods methods;
static const sqlite3_io_methods *methods_below;
static int writes_until_death;

static void count_down(void)
{
    if (--writes_until_death == 0)
        (void)raise(SIGKILL);
}

static int layer_write(sqlite3_file *file, const void *bytes, int bytes_len, sqlite3_int64 at)
{
    count_down();
    return methods_below->xWrite(file, bytes, bytes_len, at);
}

static int layer_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    count_down();
    return methods_below->xTruncate(file, size);
}

static int layer_sync(sqlite3_file *file, int flags)
{
    count_down();
    return methods_below->xSync(file, flags);
}

static int layer_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags)
{
    (void)vfs;
    int code = below->xOpen(below, name, file, flags, ret_flags);
    bool interesting = flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL);
    if (code != SQLITE_OK || !interesting || !file->pMethods)
        return code;
    /* The main file and the log differ in their locks only: each keeps its own methods but the three. */
    static sqlite3_io_methods log_methods;
    sqlite3_io_methods *mine = flags & SQLITE_OPEN_WAL ? &log_methods : &methods;
    *mine = *file->pMethods;
    methods_below = file->pMethods;
    mine->xWrite = layer_write;
    mine->xTruncate = layer_truncate;
    mine->xSync = layer_sync;
    file->pMethods = mine;
    return code;
}

static void die_at_a_write(void)
{
    below = sqlite3_vfs_find(NULL);
    layer = *below;
    layer.zName = "killer";
    layer.xOpen = layer_open;
    struct slashing_store *store = NULL;
    if (sqlite3_vfs_register(&layer, 1) != SQLITE_OK || slashing_sqlite_open(&store, store_path).code)
        _exit(2);
    advance_up_to(store, 3);
    slashing_store_close(store);
}

static void a_kill_at_any_write_keeps_what_was_promised(void **state)
{
    (void)state;
    bool finished = false;
    for (int n = 1; !finished; n++) {
        assert_true(n < 500);
        assert_int_equal(store_setup(NULL), 0);
        int status;
        writes_until_death = n;
        uint8_t promised = run_child(die_at_a_write, &status);
        finished = WIFEXITED(status);
        if (finished)
            assert_int_equal(WEXITSTATUS(status), 0);
        else
            assert_int_equal(WTERMSIG(status), SIGKILL);
        uint64_t found = slot_found();
        assert_true(found == promised || found == promised + 1u);
        assert_int_equal(store_teardown(NULL), 0);
        if (finished)
            assert_true(n > 10); /* the layer did see the writes */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_advanced_survives_a_kill, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(a_kill_inside_a_transaction_leaves_the_old_record, store_setup,
                                        store_teardown),
        cmocka_unit_test(a_kill_at_any_write_keeps_what_was_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
