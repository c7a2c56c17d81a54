/* test_slashing_head.c - what a SQLite store says of itself: changed by compare-and-set, kept across a change
 * of schema; and the high watermark over all validators. */
#include "store_testing.h"

#include <sqlite3.h>

#include "slashing/slashing_interchange.h"

static const struct slashing_record nothing;

/* A file as the program with schema version 1 left it, written down here once and for all: two validators,
 * locked to a network. */
static const char version_1[] =
    "PRAGMA journal_mode = WAL;"
    "BEGIN EXCLUSIVE;"
    "CREATE TABLE validator ("
    " pubkey BLOB PRIMARY KEY NOT NULL CHECK (length(pubkey) = 48),"
    " disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),"
    " block_slot BLOB CHECK (length(block_slot) = 8),"
    " block_root BLOB CHECK (length(block_root) = 32),"
    " source_epoch BLOB CHECK (length(source_epoch) = 8),"
    " target_epoch BLOB CHECK (length(target_epoch) = 8),"
    " attestation_root BLOB CHECK (length(attestation_root) = 32),"
    " CHECK ((source_epoch IS NULL) = (target_epoch IS NULL)),"
    " CHECK (block_root IS NULL OR block_slot IS NOT NULL),"
    " CHECK (attestation_root IS NULL OR target_epoch IS NOT NULL)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE genesis ("
    " id INTEGER PRIMARY KEY CHECK (id = 1),"
    " validators_root BLOB NOT NULL CHECK (length(validators_root) = 32)"
    ") STRICT;"
    "PRAGMA application_id = 1314083664;"
    "PRAGMA user_version = 1;"
    "INSERT INTO validator VALUES (unhex48('01'), 0, x'0000000000000100', unhex32('aa'), NULL, NULL, NULL);"
    "INSERT INTO validator VALUES (unhex48('02'), 1, NULL, NULL, x'0000000000000005', x'8000000000000000', "
    "NULL);"
    "COMMIT;";
static const char version_1_locked[] = "INSERT INTO genesis VALUES (1, unhex32('44'));";

/* unhexN('ab'): N bytes 0xab. */
static void fill(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    uint8_t bytes[48];
    assert_int_equal(argc, 1);
    memset(bytes, (int)strtol((const char *)sqlite3_value_text(argv[0]), NULL, 16), sizeof bytes);
    sqlite3_result_blob(context, bytes, *(const int *)sqlite3_user_data(context), SQLITE_TRANSIENT);
}

static void run_sql(const char *statements)
{
    static int lengths[] = {32, 48};
    sqlite3 *database = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(store_path, &database), SQLITE_OK);
    assert_int_equal(
        sqlite3_create_function(database, "unhex32", 1, SQLITE_UTF8, &lengths[0], fill, NULL, NULL), 0);
    assert_int_equal(
        sqlite3_create_function(database, "unhex48", 1, SQLITE_UTF8, &lengths[1], fill, NULL, NULL), 0);
    if (sqlite3_exec(database, statements, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", statements, message);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

/* The one number that a query answers. */
static int number_of(const char *query)
{
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(store_path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(database, query, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int number = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(database);
    return number;
}

static struct slashing_store *open_store(void)
{
    struct slashing_store *store = NULL;
    assert_ok(slashing_sqlite_open(&store, store_path));
    return store;
}

static struct slashing_head head_of(struct slashing_store *store)
{
    struct slashing_head head;
    assert_ok(slashing_store_head(store, &head));
    return head;
}

static void assert_head_equal(const struct slashing_head *a, const struct slashing_head *b)
{
    assert_int_equal(a->has_genesis, b->has_genesis);
    assert_memory_equal(a->genesis_validators_root, b->genesis_validators_root, 32);
    assert_int_equal(a->has_high_watermark, b->has_high_watermark);
    assert_int_equal(a->high_epoch, b->high_epoch);
    assert_int_equal(a->high_slot, b->high_slot);
}

/* ---- the head ---- */

static void a_head_is_compared_and_set(void **state)
{
    (void)state;
    struct slashing_store *store = open_store();
    const struct slashing_head empty = head_of(store);
    assert_false(empty.has_genesis || empty.has_high_watermark || empty.generation || empty.num_validators);
    struct slashing_head high = {
        .has_high_watermark = true, .high_epoch = UINT64_MAX, .high_slot = 1ull << 63};
    assert_ok(slashing_store_set_head(store, &empty, &high, NULL, 0));
    struct slashing_head both = high, other = high;
    both.has_genesis = true;
    memset(both.genesis_validators_root, 0x44, 32);
    /* Each differs from what is stored in one respect. */
    assert_fails(E_MISMATCH, slashing_store_set_head(store, &empty, &both, NULL, 0));
    assert_fails(E_MISMATCH, slashing_store_set_head(store, &both, &both, NULL, 0));
    other.high_epoch--;
    assert_fails(E_MISMATCH, slashing_store_set_head(store, &other, &both, NULL, 0));
    other = high;
    other.high_slot++;
    assert_fails(E_MISMATCH, slashing_store_set_head(store, &other, &both, NULL, 0));
    struct slashing_head now = head_of(store);
    assert_head_equal(&now, &high);
    assert_ok(slashing_store_set_head(store, &high, &both, NULL, 0));
    slashing_store_close(store);

    store = open_store();
    now = head_of(store);
    assert_head_equal(&now, &both);
    assert_ok(slashing_store_lock_genesis(store, both.genesis_validators_root));
    now = head_of(store);
    assert_head_equal(&now, &both);
    slashing_store_close(store);
}

static struct slashing_store *in_work;

static result set_and_fail(void *context)
{
    const struct slashing_head *next = context;
    const struct slashing_head old = head_of(in_work);
    TRY(slashing_store_set_head(in_work, &old, next, NULL, 0));
    const struct slashing_head now = head_of(in_work);
    assert_head_equal(&now, next);
    FAIL(E_INPUT, "told to fail");
}

static void a_transaction_takes_its_head_back(void **state)
{
    (void)state;
    struct slashing_head next = {.has_high_watermark = true, .high_epoch = 1, .high_slot = 2};
    in_work = open_store();
    const struct slashing_head before = head_of(in_work);
    assert_fails(E_INPUT, slashing_store_transaction(in_work, set_and_fail, &next));
    const struct slashing_head after = head_of(in_work);
    assert_head_equal(&before, &after);
    slashing_store_close(in_work);
}

static void a_head_that_is_gone_or_half_is_damage(void **state)
{
    (void)state;
    struct slashing_head head;
    slashing_store_close(open_store());
    run_sql("PRAGMA ignore_check_constraints = 1; UPDATE store SET high_epoch = x'0000000000000001'");
    struct slashing_store *store = NULL;
    result r =
        slashing_sqlite_open(&store, store_path); /* what integrity_check makes of it is its own matter */
    if (!r.code)
        r = slashing_store_head(store, &head);
    assert_int_equal(r.code, E_STORE);
    slashing_store_close(store);
    run_sql("DELETE FROM store");
    store = open_store();
    assert_fails(E_STORE, slashing_store_head(store, &head));
    assert_error_names("row is missing");
    slashing_store_close(store);
}

/* ---- from schema version 1 ---- */

static void version_1_is_brought_up_to_date(void **state)
{
    (void)state;
    for (int locked = 0; locked < 2; locked++) {
        run_sql(version_1);
        if (locked)
            run_sql(version_1_locked);
        for (int round = 0; round < 2; round++) { /* and opened again */
            struct slashing_store *store = open_store();
            struct slashing_head head = head_of(store);
            assert_int_equal(head.has_genesis, locked);
            assert_int_equal(head.genesis_validators_root[31], locked ? 0x44 : 0);
            assert_false(head.has_high_watermark);
            struct slashing_record expected = block_record(256, 0xaa), r = stored(store, 1);
            assert_record_equal(&r, &expected);
            expected = (struct slashing_record){
                .disabled = true, .has_attestation = true, .source_epoch = 5, .target_epoch = 1ull << 63};
            r = stored(store, 2);
            assert_record_equal(&r, &expected);
            slashing_store_close(store);
        }
        assert_int_equal(number_of("PRAGMA user_version"), 2);
        assert_int_equal(number_of("SELECT count(*) FROM sqlite_schema WHERE name = 'genesis'"), 0);
        assert_int_equal(unlink(store_path), 0);
    }
}

static int refuse_drops(void *context, int action, const char *first, const char *second, const char *third,
                        const char *fourth)
{
    (void)context, (void)first, (void)second, (void)third, (void)fourth;
    return action == SQLITE_DROP_TABLE ? SQLITE_DENY : SQLITE_OK;
}

static int watch(sqlite3 *database, char **message, const struct sqlite3_api_routines *api)
{
    (void)message, (void)api;
    return sqlite3_set_authorizer(database, refuse_drops, NULL);
}

/* The last steps fail, when the others have been carried out: nothing of them stays. */
static void a_migration_is_all_or_nothing(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    run_sql(version_1);
    run_sql(version_1_locked);
    assert_int_equal(sqlite3_auto_extension((void (*)(void))watch), SQLITE_OK);
    assert_fails(E_STORE, slashing_sqlite_open(&store, store_path));
    assert_int_equal(sqlite3_cancel_auto_extension((void (*)(void))watch), 1);
    assert_error_names("from schema version 1 to 2");
    assert_int_equal(number_of("PRAGMA user_version"), 1);
    assert_int_equal(number_of("SELECT count(*) FROM sqlite_schema WHERE name = 'store'"), 0);
    store = open_store();
    assert_true(head_of(store).has_genesis);
    slashing_store_close(store);
}

static void a_damaged_file_is_not_migrated(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    run_sql(version_1);
    run_sql(
        "PRAGMA ignore_check_constraints = 1; UPDATE validator SET block_slot = x'01' WHERE disabled = 0");
    assert_fails(E_STORE, slashing_sqlite_open(&store, store_path));
    assert_error_names("the file is damaged");
    assert_int_equal(number_of("PRAGMA user_version"), 1);
}

static void newer_versions_are_refused(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    slashing_store_close(open_store());
    static const char *const versions[] = {"PRAGMA user_version = 3", "PRAGMA user_version = 0",
                                           "PRAGMA user_version = 12"};
    for (size_t i = 0; i < ARRAY_LENGTH(versions); i++) {
        run_sql(versions[i]);
        assert_fails(E_STORE, slashing_sqlite_open(&store, store_path));
        assert_error_names("of a schema version this program does not know");
    }
}

/* ---- the high watermark ---- */

static void add_validators(struct slashing_store *store)
{
    struct slashing_record block = block_record(99, 1), vote = vote_record(3, 9, 1),
                           low = vote_record(1, 2, 1);
    struct slashing_advance advances[] = {advance_of(1, &nothing, &block), advance_of(2, &nothing, &vote),
                                          advance_of(3, &nothing, &low)};
    assert_ok(slashing_store_advance(store, advances, ARRAY_LENGTH(advances)));
}

static void a_high_watermark_stands_above_all_marks(void **state)
{
    (void)state;
    struct slashing_store *store = open_store();
    add_validators(store);
    static const struct {
        uint64_t epoch, slot;
        const char *refused; /* NULL: set */
    } rows[] = {{9, 100, "1 validators"}, {10, 99, "1 validators"},  {9, 99, "2 validators"},
                {2, 50, "3 validators"},  {0, 0, "3 validators"},    {10, 100, NULL},
                {500, 4000, NULL},        {9, 4000, "1 validators"}, {10, 100, NULL}};
    struct slashing_head before = head_of(store), after;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        result r = slashing_set_high_watermark(store, rows[i].epoch, rows[i].slot);
        after = head_of(store);
        if (rows[i].refused) {
            assert_int_equal(r.code, E_STATE);
            assert_error_names(rows[i].refused);
            assert_head_equal(&before, &after);
        } else {
            assert_ok(r);
            assert_true(after.has_high_watermark);
            assert_int_equal(after.high_epoch, rows[i].epoch);
            assert_int_equal(after.high_slot, rows[i].slot);
        }
        before = after;
    }
    bool was_set = false;
    assert_ok(slashing_remove_high_watermark(store, &was_set));
    assert_true(was_set);
    after = head_of(store);
    assert_false(after.has_high_watermark);
    assert_ok(slashing_remove_high_watermark(store, &was_set));
    assert_false(was_set);
    slashing_store_close(store);
}

static void marks_are_not_raised_to_the_high_watermark(void **state)
{
    (void)state;
    struct slashing_store *store = open_store();
    size_t num_validators = 0;
    struct slashing_record floor = {
        .has_block = true, .block_slot = 99, .has_attestation = true, .source_epoch = 9, .target_epoch = 9};
    add_validators(store);
    assert_ok(slashing_set_high_watermark(store, 10, 100));
    assert_ok(slashing_raise_all(store, &num_validators, &floor));
    assert_int_equal(num_validators, 3);
    floor.block_slot = 100;
    assert_fails(E_STATE, slashing_raise_all(store, &num_validators, &floor));
    floor.block_slot = 99;
    floor.target_epoch = 10;
    assert_fails(E_STATE, slashing_raise_all(store, &num_validators, &floor));
    struct slashing_record r = stored(store, 3);
    assert_true(r.block_slot == 99 && r.target_epoch == 9);
    slashing_store_close(store);
}

#define KEY_OF_1                                                                                             \
    "010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101"
#define KEY_OF_2                                                                                             \
    "020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202"
#define FILE_WITH(blocks, votes)                                                                             \
    "{\"metadata\":{\"interchange_format_version\":\"5\",\"genesis_validators_root\":"                       \
    "\"0x4400000000000000000000000000000000000000000000000000000000000000\"},\"data\":["                     \
    "{\"pubkey\":\"0x" KEY_OF_1 "\",\"signed_blocks\":[{\"slot\":\"7\"}],\"signed_attestations\":[]},"       \
    "{\"pubkey\":\"0x" KEY_OF_2 "\",\"signed_blocks\":[" blocks "],\"signed_attestations\":[" votes "]}]}"

static void an_import_that_reaches_it_is_refused_whole(void **state)
{
    (void)state;
    static const char *const refused[] = {FILE_WITH("{\"slot\":\"100\"}", ""),
                                          FILE_WITH("{\"slot\":\"5\"},{\"slot\":\"200\"}", ""),
                                          FILE_WITH("", "{\"source_epoch\":\"1\",\"target_epoch\":\"10\"}"),
                                          FILE_WITH("", "{\"source_epoch\":\"10\",\"target_epoch\":\"9\"}")};
    static const char below[] =
        FILE_WITH("{\"slot\":\"99\"}", "{\"source_epoch\":\"8\",\"target_epoch\":\"9\"}");
    struct slashing_store *store = open_store();
    assert_ok(slashing_set_high_watermark(store, 10, 100)); /* and no genesis validators root is known yet */
    for (size_t i = 0; i <= ARRAY_LENGTH(refused); i++) {
        AUTO_POINTER(json_stream) in = NULL;
        const char *text = i < ARRAY_LENGTH(refused) ? refused[i] : below;
        size_t num_validators = 0;
        assert_ok(json_stream_open_text(&in, text, strlen(text)));
        result r = slashing_interchange_import(store, &num_validators, in);
        struct slashing_record first = stored(store, 1);
        if (i < ARRAY_LENGTH(refused)) {
            assert_int_equal(r.code, E_STATE);
            assert_error_names("data[1], validator 0x" KEY_OF_2);
            assert_false(first.has_block || head_of(store).has_genesis);
        } else {
            assert_ok(r);
            assert_true(first.has_block && head_of(store).has_genesis && head_of(store).has_high_watermark);
        }
    }
    slashing_store_close(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_head_is_compared_and_set),
        TEST(a_transaction_takes_its_head_back),
        TEST(a_head_that_is_gone_or_half_is_damage),
        TEST(version_1_is_brought_up_to_date),
        TEST(a_migration_is_all_or_nothing),
        TEST(a_damaged_file_is_not_migrated),
        TEST(newer_versions_are_refused),
        TEST(a_high_watermark_stands_above_all_marks),
        TEST(marks_are_not_raised_to_the_high_watermark),
        TEST(an_import_that_reaches_it_is_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
