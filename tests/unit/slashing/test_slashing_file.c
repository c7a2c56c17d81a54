/* test_slashing_file.c - SQLite files that are whole, carry our marks, and are not what this program wrote.
 */
#include "base/file_io.h"
#include "store_testing.h"

#include <fcntl.h>
#include <sqlite3.h>

static const struct slashing_record nothing;

static struct slashing_store *open_store(void)
{
    struct slashing_store *store = NULL;
    assert_ok(slashing_sqlite_open(&store, store_path));
    return store;
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

/* Ours by all marks, and yet another's: a trigger would take back what was recorded; with keys out of order a
 * validator is in the file, and whoever asks for its record is told that there is none. */
static void a_file_that_only_looks_like_ours_is_refused(void **state)
{
    static const char *const changes[] = {
        "CREATE TRIGGER t AFTER UPDATE ON validator BEGIN DELETE FROM validator; END",
        "CREATE VIEW v AS SELECT * FROM validator",
        "CREATE INDEX i ON validator (disabled)",
        "CREATE TABLE other (x)",
        "ALTER TABLE validator ADD COLUMN x BLOB",
        "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (length(block_slot) "
        "= 8)', '')",
    };
    struct slashing_store *store = NULL;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(changes); i++) {
        slashing_store_close(open_store());
        make_file(changes[i]);
        assert_fails(E_STORE, slashing_sqlite_open(&store, store_path));
        assert_error_names("does not make");
        assert_int_equal(unlink(store_path), 0);
    }
    slashing_store_close(open_store());
    make_file("ANALYZE");
    slashing_store_close(open_store());
}

static void keys_out_of_order_are_damage(void **state)
{
    struct slashing_store *store = open_store();
    struct slashing_record block = block_record(1, 1);
    (void)state;
    for (int key = 1; key < 4; key++) {
        struct slashing_advance advance = advance_of((uint8_t)key, &nothing, &block);
        assert_ok(slashing_store_advance(store, &advance, 1));
    }
    slashing_store_close(store);
    store = NULL;
    uint8_t wanted[48], other[48];
    AUTO(buffer) file = {0};
    memset(wanted, 2, sizeof wanted);
    memset(other, 0x7f, sizeof other);
    assert_ok(file_read(&file, store_path, 1 << 20));
    const uint8_t *at = memmem(file.data, file.length, wanted, sizeof wanted);
    assert_non_null(at);
    write_file(other, sizeof other, at - file.data);
    assert_fails(E_STORE, slashing_sqlite_open(&store, store_path));
    assert_error_names("damaged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_that_only_looks_like_ours_is_refused, store_setup,
                                        store_teardown),
        cmocka_unit_test_setup_teardown(keys_out_of_order_are_damage, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
