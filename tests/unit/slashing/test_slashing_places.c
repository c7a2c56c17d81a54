/* test_slashing_places.c - where a SQLite store's files are, what else is there, and what the system says of
 * them: names without a folder, names too long, files emptied, cut, replaced on another device, and statuses
 * that cannot be read. */
#include "store_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>

#include "base/file_io.h"
#include "slashing/slashing_sqlite_private.h"

static char log_path[128], journal_path[128];

/* What stat says of a path that ends so, once it is to. */
static struct {
    const char *ending;
    int error;
    bool other_device, shorter;
} lie;

int __wrap_stat(const char *path, struct stat *status);
int __real_stat(const char *path, struct stat *status);
int __wrap_stat(const char *path, struct stat *status)
{
    size_t length = strlen(path), ending_len = lie.ending ? strlen(lie.ending) : 0;
    bool applies = lie.ending && length >= ending_len && strcmp(path + length - ending_len, lie.ending) == 0;
    if (applies && lie.error) {
        errno = lie.error;
        return -1;
    }
    int code = __real_stat(path, status);
    if (applies && lie.other_device)
        status->st_dev++;
    if (applies && lie.shorter)
        status->st_size--;
    return code;
}

static int set_up(void **state)
{
    memset(&lie, 0, sizeof lie);
    if (store_setup_in_memory(state) != 0)
        return -1;
    (void)snprintf(log_path, sizeof log_path, "%s-wal", store_path);
    (void)snprintf(journal_path, sizeof journal_path, "%s-journal", store_path);
    return 0;
}

static result sign_one(struct slashing_store *store, uint64_t old_slot, uint64_t slot)
{
    const struct slashing_record none = {0}, old = block_record(old_slot, 1), next = block_record(slot, 1);
    struct slashing_advance advance = advance_of(1, old_slot ? &old : &none, &next);
    TRY(slashing_store_advance(store, &advance, 1));
    ENSURE(advance.done, E_INTERNAL, "a conflict");
    return RESULT_OK;
}

static void a_name_without_a_folder_is_one_of_here(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    AUTO_FD here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(here >= 0);
    assert_int_equal(chdir(store_folder), 0);
    assert_ok(slashing_sqlite_open(&store, "protection.sqlite"));
    assert_ok(sign_one(store, 0, 5));
    slashing_store_close(store);
    assert_int_equal(fchdir(here), 0);
    assert_ok(slashing_sqlite_open(&store, store_path));
    assert_int_equal(stored(store, 1).block_slot, 5);
    slashing_store_close(store);
}

static void a_name_may_not_be_longer_than_paths_are(void **state)
{
    (void)state;
    char path[PATH_MAX + 1];
    struct slashing_store *store = NULL;
    for (size_t length = PATH_MAX - 9; length <= PATH_MAX; length++) {
        memset(path, 'a', length);
        path[0] = '/';
        path[length] = 0;
        assert_fails(E_STORE, slashing_sqlite_open(&store, path));
    }
    assert_null(store);
}

/* Which files beside each other are a store whose records are gone. */
static void files_that_were_emptied_are_not_new(void **state)
{
    (void)state;
    enum { NONE, EMPTY, SHORT, WHOLE };
    static const struct {
        int file, log, journal;
        const char *names; /* NULL: opened */
    } rows[] = {
        {NONE, NONE, NONE, NULL},
        {NONE, EMPTY, NONE, NULL},
        {NONE, SHORT, NONE, "the file they belong to is empty or gone"},
        {EMPTY, SHORT, NONE, "the file they belong to is empty or gone"},
        {EMPTY, NONE, NONE, "the file is empty"},
        {EMPTY, NONE, EMPTY, "the file is empty"},
        {SHORT, NONE, NONE, "too short"},
        {SHORT, NONE, EMPTY, "too short"},
        {SHORT, EMPTY, NONE, "too short"},
        {WHOLE, NONE, NONE, NULL},
    };
    AUTO(buffer) whole = {0};
    struct slashing_store *store = NULL;
    assert_ok(slashing_sqlite_open(&store, store_path));
    assert_ok(sign_one(store, 0, 5));
    slashing_store_close(store);
    assert_ok(file_read(&whole, store_path, 1 << 20));
    const size_t lengths[] = {0, 0, 10, whole.length};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const int kinds[] = {rows[i].file, rows[i].log, rows[i].journal};
        const char *const paths[] = {store_path, log_path, journal_path};
        for (size_t j = 0; j < 3; j++) {
            (void)remove(paths[j]);
            if (kinds[j] != NONE)
                assert_ok(file_write(paths[j], whole.data, lengths[kinds[j]], 0600));
        }
        store = NULL;
        result r = slashing_sqlite_open(&store, store_path);
        if (!r.code != !rows[i].names || (r.code && !strstr(error_text(), rows[i].names)))
            fail_msg("case %zu: %s", i, r.code ? error_text() : "opened");
        if (!r.code)
            assert_int_equal(stored(store, 1).has_block, rows[i].file == WHOLE);
        slashing_store_close(store);
    }
}

/* SQLite was making the file when it was killed, and cleans up by the journal: whatever it leaves is opened
 * or refused, not both. */
static void a_file_whose_making_was_interrupted_has_a_journal(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    static const char *const files[] = {"", "0123456789"};
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        assert_ok(file_write(store_path, files[i], strlen(files[i]), 0600));
        assert_ok(file_write(journal_path, "", 1, 0600));
        result r = slashing_sqlite_open(&store, store_path);
        assert_true(i == 0 ? !r.code : r.code == E_STORE);
        if (r.code)
            assert_null(strstr(error_text(), "too short")); /* SQLite's own words */
        slashing_store_close(r.code ? NULL : store);
        store = NULL;
        (void)remove(journal_path);
    }
}

static void a_status_that_cannot_be_read_is_no_absence(void **state)
{
    (void)state;
    static const char *const endings[] = {".sqlite", "-wal", "-journal"};
    struct slashing_store *store = NULL;
    assert_ok(slashing_sqlite_open(&store, store_path));
    slashing_store_close(store);
    store = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(endings); i++) {
        lie.ending = endings[i];
        lie.error = EIO;
        assert_fails(E_STORE, slashing_sqlite_open(&store, store_path));
        assert_null(store);
    }
}

/* In use: by the next signature, before or after it. */
static void files_that_become_others_end_the_signing(void **state)
{
    (void)state;
    static const struct {
        const char *ending, *names;
        bool other_device, shorter;
    } rows[] = {{".sqlite", "was replaced while it was in use", true, false},
                {"-wal", "was replaced while it was in use", true, false},
                {".sqlite", "was cut while it was in use", false, true},
                {"-wal", "was cut while it was in use", false, true}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct slashing_store *store = NULL;
        (void)remove(store_path);
        assert_ok(slashing_sqlite_open(&store, store_path));
        assert_ok(sign_one(store, 0, 5));
        lie.ending = rows[i].ending;
        lie.other_device = rows[i].other_device;
        lie.shorter = rows[i].shorter;
        assert_fails(E_STORE, sign_one(store, 5, 6));
        assert_error_names(rows[i].names);
        memset(&lie, 0, sizeof lie);
        slashing_store_close(store);
    }
}

static result work_within(void *context)
{
    return slashing_store_transaction(context, work_within, context);
}

static void a_transaction_is_not_begun_within_another(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    assert_ok(slashing_sqlite_open(&store, store_path));
    assert_fails(E_INTERNAL, slashing_store_transaction(store, work_within, store));
    assert_ok(sign_one(store, 0, 5));
    slashing_store_close(store);
    slashing_sqlite_free(NULL); /* as free */
}

/* Another connection reads: the log cannot be emptied behind it, and is kept until it can. */
static void a_log_that_cannot_be_carried_over_is_kept(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    assert_ok(slashing_sqlite_open(&store, store_path));
    struct slashing_sqlite *sqlite = (struct slashing_sqlite *)store;
    for (uint64_t slot = 1; sqlite->log_pages < 300; slot++)
        assert_ok(sign_one(store, slot - 1, slot));
    sqlite3 *ours = sqlite->database;
    sqlite3_stmt *reading = sqlite->statements[STORE_BEGIN];
    assert_int_equal(sqlite3_step(reading), SQLITE_DONE); /* a write of ours is open: no checkpoint then */
    int pages = sqlite->log_pages;
    slashing_sqlite_settle(store);
    assert_int_equal(sqlite->log_pages, pages);
    (void)sqlite3_reset(reading);
    assert_int_equal(sqlite3_exec(ours, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    slashing_sqlite_settle(store);
    assert_int_equal(sqlite->log_pages, 0);
    slashing_store_close(store);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_name_without_a_folder_is_one_of_here),
        IN_FOLDER(a_name_may_not_be_longer_than_paths_are),
        IN_FOLDER(files_that_were_emptied_are_not_new),
        IN_FOLDER(a_file_whose_making_was_interrupted_has_a_journal),
        IN_FOLDER(a_status_that_cannot_be_read_is_no_absence),
        IN_FOLDER(files_that_become_others_end_the_signing),
        IN_FOLDER(a_transaction_is_not_begun_within_another),
        IN_FOLDER(a_log_that_cannot_be_carried_over_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
