/* test_slashing_calls.c - every call that stores, seals and interchange make of other files, of libc and of
 * SQLite fails in turn: what is refused has a reason, and what was said to be durable is there afterwards.
 * (tests/torture does the same from below, where only memory, files and libraries fail.) */
#include "memory_store.h"

#include <errno.h>
#include <sqlite3.h>

#include "base/file_io.h"
#include "faults.h"
#include "slashing/slashing_codec.h"
#include "slashing/slashing_history.h"
#include "slashing/slashing_interchange.h"
#include "slashing/slashing_sealed.h"

/* What some functions give when they fail: HMAC may claim to have written what it has not, a column may be
 * NULL that is not. */
static long hmac_given, column_type_given = SQLITE_TEXT;
#include "store_calls.def"

static const char root_hex[] = "0x4400000000000000000000000000000000000000000000000000000000000000";

/* ---- what is done to it ---- */

static result count(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    (void)pubkey;
    (void)entry;
    ++*(size_t *)context;
    return RESULT_OK;
}

/* One that fits, one that another signer has changed, one that is there already. */
static result advance_three(struct slashing_store *store, struct slashing_advance advances[static 3])
{
    const struct slashing_record none = {0}, five = block_record(5, 5), six = block_record(6, 6);
    size_t num = 0;
    advances[0] = advance_of(1, &none, &five);
    advances[1] = advance_of(2, &five, &six);
    advances[2] = advance_of(3, &five, &none);
    TRY(slashing_store_advance(store, advances, 3));
    TRY(slashing_store_scan(store, count, &num));
    ENSURE(num == 3, E_INTERNAL, "%zu validators", num);
    return RESULT_OK;
}

static void a_sealed_store_says_what_is_durable(void **state)
{
    (void)state;
    for (int rivalry = 0; rivalry < 2; rivalry++) {
        for (struct faults f = {0}; faults_again(&f);) {
            struct slashing_store *store = NULL;
            struct slashing_advance advances[3] = {0};
            begin_memory(3);
            memory.rivalry = rivalry;
            faults_begin(&f);
            result r = slashing_sealed_open(&store, &memory.base, &seal);
            if (!r.code)
                r = advance_three(store, advances);
            faults_end(&f);
            assert_fault(&f, r);
            assert_int_equal(held(1).has_block, advances[0].done);
            assert_false(advances[1].done || held(2).has_block || held(3).has_block);
            if (!r.code)
                assert_true(advances[0].done == !rivalry && advances[0].conflict == rivalry &&
                            advances[1].conflict && advances[2].done);
            if (store)
                slashing_store_close(store);
        }
    }
}

static const char history_text[] =
    "{\"metadata\": {\"interchange_format_version\": \"5\", \"genesis_validators_root\": \"%s\"}, \"data\": ["
    "{\"pubkey\": \"0x%s\", \"signed_blocks\": [{\"slot\": \"7\"}, {\"slot\": \"8\", \"note\": {}}], "
    "\"signed_attestations\": "
    "[{\"source_epoch\": \"1\", \"target_epoch\": \"2\"}, {\"source_epoch\": \"1\", \"target_epoch\": \"3\", "
    "\"note\": {}}]},"
    "{\"pubkey\": \"0x%s\", \"signed_blocks\": [{\"slot\": \"9\", \"signing_root\": \"%s\"}], "
    "\"signed_attestations\": []}]}";

static void write_history(char out[static 2048], uint8_t first, uint8_t second)
{
    char digits[2][97];
    for (int i = 0; i < 48; i++) {
        (void)snprintf(digits[0] + 2 * (size_t)i, 3, "%02x", first);
        (void)snprintf(digits[1] + 2 * (size_t)i, 3, "%02x", second);
    }
    (void)snprintf(out, 2048, history_text, root_hex, digits[0], digits[1], root_hex);
}

static result merge(struct slashing_store *store, const char *text)
{
    AUTO(slashing_history) history = {.num_validators = 0};
    AUTO_POINTER(json_stream) in = NULL;
    TRY(json_stream_open_text(&in, text, strlen(text)));
    TRY(slashing_history_read(&history, in));
    return slashing_history_merge(store, &history);
}

static void a_history_is_merged_or_not(void **state)
{
    (void)state;
    char text[2048];
    write_history(text, 1, 4); /* one that the store knows, one that it does not */
    for (struct faults f = {0}; faults_again(&f);) {
        struct slashing_store *store = NULL;
        begin_memory(3);
        assert_ok(slashing_sealed_open(&store, &memory.base, &seal));
        faults_begin(&f);
        result r = merge(store, text);
        faults_end(&f);
        assert_fault(&f, r);
        if (!r.code)
            assert_true(held(1).block_slot == 8 && held(1).target_epoch == 3 && held(4).block_slot == 9);
        assert_int_equal(memory.num, memory.head.num_validators);
        slashing_store_close(store);
    }
}

static void a_merge_bears_rivals_but_not_for_ever(void **state)
{
    (void)state;
    char text[2048];
    struct slashing_store *store = NULL;
    write_history(text, 1, 2);
    begin_memory(3);
    assert_ok(slashing_sealed_open(&store, &memory.base, &seal));
    memory.rivalry = 3;
    assert_ok(merge(store, text));
    assert_true(held(1).block_slot == 8 && held(2).block_slot == 9);
    assert_ok(merge(store, text)); /* nothing is left to raise */
    begin_memory(3);
    memory.rivalry = 1000000;
    assert_fails(E_STORE, merge(store, text));
    assert_error_names("by other signers all the time");
    assert_false(held(1).has_block);
    memory.head.has_genesis = true;
    slashing_store_close(store);
}

/* ---- SQLite ---- */

static result keep(void *context, const void *bytes, size_t bytes_len)
{
    return buffer_append(context, bytes, bytes_len);
}

static result set_and_remove_high_watermark(struct slashing_store *store)
{
    bool was_set = false;
    TRY(slashing_set_high_watermark(store, 1000, 32000));
    TRY(slashing_remove_high_watermark(store, &was_set));
    ENSURE(was_set, E_INTERNAL, "it was not set");
    return RESULT_OK;
}

struct work {
    const char *text;
    struct slashing_store *store;
    bool imported, raised, advanced;
    struct buffer exported;
};

static result do_work(struct work *w)
{
    AUTO_POINTER(json_stream) in = NULL;
    size_t num = 0;
    const struct slashing_record none = {0}, eleven = block_record(11, 11), ten = block_record(10, 10);
    struct slashing_advance advances[] = {advance_of(9, &none, &eleven), advance_of(9, &ten, &eleven)};
    TRY(slashing_sqlite_open(&w->store, store_path));
    TRY(json_stream_open_text(&in, w->text, strlen(w->text)));
    TRY(slashing_interchange_import(w->store, &num, in));
    w->imported = true;
    TRY(slashing_store_advance(w->store, advances, 1));
    w->advanced = true;
    TRY(slashing_store_advance(w->store, advances + 1, 1));
    ENSURE(advances[1].done || advances[1].conflict, E_INTERNAL, "neither");
    TRY(set_and_remove_high_watermark(w->store));
    TRY(slashing_raise_all(w->store, &num, &ten));
    w->raised = true;
    return slashing_interchange_export(
        w->store, &num, &(struct slashing_interchange_sink){.context = &w->exported, .write = keep});
}

/* What may fail unnoticed: looking whether a file was cut, and carrying the log over, which both come again.
 */
static bool is_borne(const struct faults *f)
{
    return f->function && (strcmp(f->function, "stat") == 0);
}

static void a_file_keeps_what_it_said(void **state)
{
    (void)state;
    char text[2048], log_path[128];
    write_history(text, 1, 4);
    (void)snprintf(log_path, sizeof log_path, "%s-wal", store_path);
    for (struct faults f = {0}; faults_again(&f);) {
        struct work w = {.text = text};
        (void)remove(store_path);
        (void)remove(log_path);
        faults_begin(&f);
        result r = do_work(&w);
        faults_end(&f);
        if (w.store)
            slashing_store_close(w.store);
        w.store = NULL;
        if (!is_borne(&f))
            assert_fault(&f, r);
        if (w.imported) {
            assert_ok(slashing_sqlite_open(&w.store, store_path));
            assert_true(stored(w.store, 1).target_epoch == 3 && stored(w.store, 4).block_slot >= 9);
            assert_true(!w.raised || stored(w.store, 1).block_slot == 10);
            assert_true(!w.advanced || stored(w.store, 9).block_slot == 11);
            slashing_store_close(w.store);
        }
        if (!r.code)
            assert_non_null(strstr((const char *)w.exported.data, root_hex));
        buffer_cleanup(&w.exported);
    }
}

static void copy_file(const char *from, const char *ending, const char *to)
{
    AUTO(buffer) bytes = {0};
    char path[128];
    (void)snprintf(path, sizeof path, "%s%s", from, ending);
    assert_ok(file_read(&bytes, path, 1 << 24));
    (void)snprintf(path, sizeof path, "%s%s", to, ending);
    assert_ok(file_write(path, bytes.data, bytes.length, 0600));
}

static result open_and_load(struct slashing_store **ret_store, const char *path,
                            struct slashing_record *ret_record, struct slashing_head *ret_head)
{
    const uint8_t pubkey[48] = {0};
    TRY(slashing_sqlite_open(ret_store, path));
    TRY(slashing_store_load(*ret_store, ret_record, pubkey));
    TRY(slashing_store_head(*ret_store, ret_head));
    slashing_sqlite_settle(*ret_store);
    return RESULT_OK;
}

/* As a killed process leaves it: with a log, which has a vote of 2 behind one of 1, and a high watermark. */
static void leave_file(char out_path[static 128])
{
    struct slashing_store *store = NULL;
    const struct slashing_record none = {0}, one = vote_record(0, 1, 1), two = vote_record(1, 2, 2);
    struct slashing_advance advances[] = {advance_of(0, &none, &one), advance_of(0, &one, &two)};
    char first[128];
    (void)snprintf(first, sizeof first, "%s.first", store_path);
    (void)snprintf(out_path, 128, "%s.left", store_path);
    assert_ok(slashing_sqlite_open(&store, first));
    assert_ok(slashing_store_advance(store, advances, 1));
    assert_ok(slashing_set_high_watermark(store, 1000, 32000));
    assert_ok(slashing_store_advance(store, advances + 1, 1));
    copy_file(first, "", out_path);
    copy_file(first, "-wal", out_path);
    slashing_store_close(store);
}

/* With a column that is said to be NULL: a mark may be missing from a record, which is then no vote or no
 * known root, but never one epoch without the other. Whether it was refused for that. */
static bool take_over(struct faults *f, const char *left, bool *ret_more)
{
    struct slashing_store *store = NULL;
    struct slashing_record record = {.source_epoch = 77};
    struct slashing_head head = {.high_epoch = 77};
    copy_file(left, "", store_path);
    copy_file(left, "-wal", store_path);
    faults_begin(f);
    result r = open_and_load(&store, store_path, &record, &head);
    faults_end(f);
    const char *failed = f->function ? f->function : "";
    bool is_null = column_type_given == SQLITE_NULL && strcmp(failed, "sqlite3_column_type") == 0;
    if (!is_borne(f) && !is_null && strcmp(failed, "sqlite3_wal_checkpoint_v2") != 0)
        assert_fault(f, r);
    if (!r.code && !is_null)
        assert_true(record.target_epoch == 2 && record.attestation_has_root && head.high_epoch == 1000);
    assert_true(r.code || record.has_attestation == (record.target_epoch != 0));
    slashing_store_close(store);
    *ret_more = faults_again(f);
    return is_null && r.code && strstr(error_text(), "without the other");
}

static void a_file_that_was_left_is_taken_over_whole_or_not(void **state)
{
    (void)state;
    static const long types[] = {SQLITE_TEXT, SQLITE_NULL};
    char left[128];
    unsigned num_halves = 0;
    leave_file(left);
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        struct faults f = {0};
        column_type_given = types[i];
        for (bool more = faults_again(&f); more;)
            num_halves += take_over(&f, left, &more);
    }
    column_type_given = SQLITE_TEXT;
    assert_true(num_halves >= 4);
}

/* Success without a sum: whatever stands where the sum should be is not taken for one. */
static void a_seal_that_was_not_made_is_no_seal(void **state)
{
    (void)state;
    hmac_given = 1;
    begin_memory(3);
    for (struct faults f = {0}; faults_again(&f);) {
        struct slashing_head head = memory.head;
        struct slashing_entry entry = memory.of[0].entry;
        faults_begin(&f);
        result r = slashing_seal_head(&seal, &head);
        if (!r.code)
            r = slashing_seal_check_entry(&seal, &entry, memory.of[0].pubkey);
        faults_end(&f);
        assert_fault(&f, r);
    }
    hmac_given = 0;
}

/* The text of votes with roots, which exports have. */
static void a_record_is_written_whole_or_not(void **state)
{
    (void)state;
    struct slashing_record both = vote_record(1, 2, 3);
    const struct slashing_record block = block_record(5, 6);
    const uint8_t pubkey[48] = {1};
    AUTO(buffer) whole = {0};
    both.has_block = both.block_has_root = true;
    both.block_slot = block.block_slot;
    memcpy(both.block_root, block.block_root, sizeof both.block_root);
    assert_ok(slashing_interchange_append(&whole, true, pubkey, &both));
    for (struct faults f = {0}; faults_again(&f);) {
        AUTO(buffer) out = {0};
        faults_begin(&f);
        result r = slashing_interchange_append(&out, true, pubkey, &both);
        faults_end(&f);
        assert_fault(&f, r);
        assert_true(!r.code == (out.length == whole.length));
    }
}

/* ---- encodings ---- */

static void an_encoding_is_read_whole_or_not(void **state)
{
    (void)state;
    uint8_t entry_bytes[SLASHING_ENTRY_BYTES], head_bytes[SLASHING_HEAD_BYTES];
    begin_memory(1);
    slashing_entry_encode(entry_bytes, &memory.of[0].entry);
    slashing_head_encode(head_bytes, &memory.head);
    for (struct faults f = {0}; faults_again(&f);) {
        struct slashing_entry entry = {.stamp.generation = 77};
        struct slashing_head head = {.generation = 77};
        faults_begin(&f);
        result r = slashing_entry_decode(&entry, entry_bytes);
        result s = slashing_head_decode(&head, head_bytes);
        faults_end(&f);
        assert_fault(&f, r.code ? r : s);
        assert_true(!r.code == (entry.stamp.generation != 77) && !s.code == (head.generation != 77));
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, store_setup_in_memory, store_teardown)

int main(void)
{
    if (secret_heap_open(1 << 16).code)
        return 1;
    open_seal();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealed_store_says_what_is_durable),
        cmocka_unit_test(a_history_is_merged_or_not),
        cmocka_unit_test(a_merge_bears_rivals_but_not_for_ever),
        IN_FOLDER(a_file_keeps_what_it_said),
        cmocka_unit_test(an_encoding_is_read_whole_or_not),
        IN_FOLDER(a_file_that_was_left_is_taken_over_whole_or_not),
        cmocka_unit_test(a_seal_that_was_not_made_is_no_seal),
        cmocka_unit_test(a_record_is_written_whole_or_not),
    };
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    slashing_seal_cleanup(&seal);
    return status;
}
