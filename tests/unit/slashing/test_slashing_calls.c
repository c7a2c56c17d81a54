/* test_slashing_calls.c - every call that stores, seals and interchange make of other files, of libc and of
 * SQLite fails in turn: what is refused has a reason, and what was said to be durable is there afterwards.
 * (tests/torture does the same from below, where only memory, files and libraries fail.) */
#include "store_testing.h"

#include <errno.h>

#include "faults.h"
#include "slashing/slashing_codec.h"
#include "slashing/slashing_history.h"
#include "slashing/slashing_interchange.h"
#include "slashing/slashing_sealed.h"
#include "slashing/slashing_store_operations.h"
#include "store_calls.def"

static const char root_hex[] = "0x4400000000000000000000000000000000000000000000000000000000000000";

/* ---- a store with an identity, in memory ---- */

enum { PLACES = 8 };

struct memory_store {
    struct slashing_store base;
    struct slashing_head head;
    struct slashing_enrolment of[PLACES];
    size_t num;
    int rivalry; /* so many advances find that another signer was quicker */
};

static struct memory_store memory;

static void memory_close(struct slashing_store *store)
{
    (void)store;
}

static result memory_head(struct slashing_store *store, struct slashing_head *ret_head)
{
    (void)store;
    *ret_head = memory.head;
    return RESULT_OK;
}

static result memory_set_head(struct slashing_store *store, const struct slashing_head *old,
                              const struct slashing_head *next, const struct slashing_enrolment *enrolments,
                              size_t num_enrolments)
{
    (void)store;
    ENSURE(memcmp(old->mac, memory.head.mac, sizeof old->mac) == 0, E_MISMATCH, "another head");
    for (size_t i = 0; i < num_enrolments; i++)
        memory.of[memory.num++] = enrolments[i];
    memory.head = *next;
    return RESULT_OK;
}

static struct slashing_enrolment *find(const uint8_t *pubkey)
{
    for (size_t i = 0; i < memory.num; i++)
        if (memcmp(memory.of[i].pubkey, pubkey, 48) == 0)
            return &memory.of[i];
    return NULL;
}

static result memory_load_many(struct slashing_store *store, struct slashing_entry *ret_entries,
                               const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    (void)store;
    for (size_t i = 0; i < num_pubkeys; i++) {
        const struct slashing_enrolment *found = find(pubkeys[i]);
        ENSURE(found, E_STORE, "not enrolled");
        ret_entries[i] = found->entry;
    }
    return RESULT_OK;
}

static result memory_advance(struct slashing_store *store, struct slashing_advance *advances,
                             size_t num_advances)
{
    (void)store;
    for (size_t i = 0; i < num_advances; i++) {
        struct slashing_enrolment *found = find(advances[i].pubkey);
        ENSURE(found, E_STORE, "not enrolled");
        advances[i].conflict = memory.rivalry > 0 || memcmp(found->entry.stamp.mac, advances[i].old_stamp.mac,
                                                            SLASHING_MAC_LEN) != 0;
        advances[i].done = !advances[i].conflict;
        memory.rivalry -= memory.rivalry > 0;
        advances[i].found = found->entry;
        if (advances[i].done)
            found->entry =
                (struct slashing_entry){.record = advances[i].next, .stamp = advances[i].next_stamp};
    }
    return RESULT_OK;
}

static result memory_transaction(struct slashing_store *store, result (*work)(void *context), void *context)
{
    (void)store;
    return work(context);
}

static result memory_scan(struct slashing_store *store, slashing_visit *visit, void *context)
{
    (void)store;
    for (size_t i = 0; i < memory.num; i++)
        TRY(visit(context, memory.of[i].pubkey, &memory.of[i].entry));
    return RESULT_OK;
}

static const struct slashing_store_operations memory_operations = {
    memory_close,   memory_head,        memory_set_head, memory_load_many,
    memory_advance, memory_transaction, memory_scan};

static struct slashing_seal seal;

static void open_seal(void)
{
    struct secret key = {0};
    static const uint8_t bytes[SLASHING_SEAL_KEY_LEN] = {1}, store_id[SLASHING_STORE_ID_LEN] = {2};
    assert_ok(secret_copy(&key, bytes, sizeof bytes));
    assert_ok(slashing_seal_open(&seal, &key, store_id));
}

/* A new store of that many validators, 1, 2 ..., with no records, sealed. */
static void begin_memory(size_t num)
{
    struct slashing_store *store = NULL;
    struct slashing_head begun = {.num_validators = num};
    struct slashing_enrolment of[PLACES] = {0};
    memory = (struct memory_store){.base.operations = &memory_operations};
    memcpy(begun.store_id, seal.store_id, sizeof begun.store_id);
    for (size_t i = 0; i < num; i++)
        memset(of[i].pubkey, (int)i + 1, 48);
    assert_ok(slashing_sealed_open(&store, &memory.base, &seal));
    assert_ok(slashing_store_set_head(store, &memory.head, &begun, of, num));
    slashing_store_close(store);
}

static struct slashing_record held(uint8_t key)
{
    uint8_t pubkey[48];
    memset(pubkey, key, sizeof pubkey);
    return find(pubkey)->entry.record;
}

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
        cmocka_unit_test(a_sealed_store_says_what_is_durable),   cmocka_unit_test(a_history_is_merged_or_not),
        cmocka_unit_test(a_merge_bears_rivals_but_not_for_ever), IN_FOLDER(a_file_keeps_what_it_said),
        cmocka_unit_test(an_encoding_is_read_whole_or_not),
    };
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    slashing_seal_cleanup(&seal);
    return status;
}
