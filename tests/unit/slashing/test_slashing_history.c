/* test_slashing_history.c - histories into a store with an identity, and what the sealed store adds: more
 * validators than fit at once, the same one again, other networks, watermarks, rivals; and heads and batches
 * that are not as they should be. */
#include "memory_store.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "slashing/slashing_codec.h"
#include "slashing/slashing_history.h"
#include "slashing/slashing_interchange.h"
#include "slashing/slashing_sealed.h"

#define GENESIS "0x4400000000000000000000000000000000000000000000000000000000000000"
#define HEAD(root)                                                                                           \
    "{\"metadata\":{\"interchange_format_version\":\"5\",\"genesis_validators_root\":\"" root "\"},"         \
                                                                                              "\"data\":["

static struct slashing_store *store;

static int open_sealed(size_t num)
{
    begin_memory(num);
    return slashing_sealed_open(&store, &memory.base, &seal).code;
}

static int set_up(void **state)
{
    (void)state;
    return open_sealed(3);
}

static int tear_down(void **state)
{
    (void)state;
    slashing_store_close(store);
    return 0;
}

/* Validator key, 48 times the same byte, with rows of the two kinds. */
static void add(struct buffer *out, uint8_t key, const char *blocks, const char *votes)
{
    char digits[97];
    for (size_t i = 0; i < 48; i++)
        (void)snprintf(digits + 2 * i, 3, "%02x", key);
    assert_ok(buffer_printf(out,
                            "%s{\"pubkey\":\"0x%s\",\"signed_blocks\":[%s],\"signed_attestations\":[%s]}",
                            out->data[out->length - 1] == '[' ? "" : ",", digits, blocks, votes));
}

static result merge(struct buffer *text)
{
    AUTO(slashing_history) history = {.num_validators = 0};
    AUTO_POINTER(json_stream) in = NULL;
    TRY(buffer_append_text(text, "]}"));
    TRY(json_stream_open_text(&in, (const char *)text->data, text->length));
    TRY(slashing_history_read(&history, in));
    return slashing_history_merge(store, &history);
}

static result import(struct buffer *text, size_t *ret_num)
{
    AUTO_POINTER(json_stream) in = NULL;
    TRY(buffer_append_text(text, "]}"));
    TRY(json_stream_open_text(&in, (const char *)text->data, text->length));
    return slashing_interchange_import(store, ret_num, in);
}

static void an_empty_history_locks_the_genesis(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    assert_ok(buffer_append_text(&text, HEAD(GENESIS)));
    assert_ok(merge(&text));
    assert_true(memory.head.has_genesis && memory.head.genesis_validators_root[0] == 0x44);
    assert_int_equal(memory.num, 3);
}

static void a_validator_that_comes_again_is_merged(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    assert_ok(buffer_append_text(&text, HEAD(GENESIS)));
    add(&text, 9, "{\"slot\":\"7\"}", "");
    add(&text, 1, "{\"slot\":\"30\"}", "");
    add(&text, 9, "{\"slot\":\"5\"}", "{\"source_epoch\":\"1\",\"target_epoch\":\"2\"}");
    assert_ok(merge(&text));
    assert_int_equal(memory.num, 4);
    assert_int_equal(memory.head.num_validators, 4);
    assert_true(held(9).block_slot == 7 && held(9).target_epoch == 2 && held(1).block_slot == 30);
}

/* More than are enrolled at once, and than there is room for at first; some before, between and behind those
 * that are held. */
static void a_history_may_be_long(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    slashing_store_close(store);
    assert_int_equal(open_sealed(SLASHING_ENROLMENTS_MAX), 0);
    assert_ok(buffer_append_text(&text, HEAD(GENESIS)));
    for (unsigned key = 0; key < 256; key++)
        add(&text, (uint8_t)key, "{\"slot\":\"7\"}", "");
    assert_ok(merge(&text));
    assert_int_equal(memory.num, 256);
    assert_int_equal(memory.head.num_validators, 256);
    for (unsigned key = 0; key < 256; key++)
        assert_int_equal(held((uint8_t)key).block_slot, 7);
}

static void another_network_and_watermarks_are_refused(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    AUTO(buffer) other = {0};
    struct slashing_head before = memory.head, next = memory.head;
    next.has_genesis = next.has_high_watermark = true;
    next.genesis_validators_root[0] = 0x44;
    next.high_epoch = 100;
    next.high_slot = 3200;
    assert_ok(slashing_store_set_head(store, &before, &next, NULL, 0));
    assert_ok(buffer_append_text(&text, HEAD(GENESIS)));
    add(&text, 1, "{\"slot\":\"3199\"}", "{\"source_epoch\":\"1\",\"target_epoch\":\"99\"}");
    add(&text, 2, "{\"slot\":\"3200\"}", "");
    assert_fails(E_STATE, merge(&text));
    assert_error_names("epoch 100 and slot 3200");
    assert_ok(buffer_append_text(&other,
                                 HEAD("0x5500000000000000000000000000000000000000000000000000000000000000")));
    add(&other, 1, "{\"slot\":\"1\"}", "");
    assert_fails(E_MISMATCH, merge(&other));
    assert_error_names("another genesis validators root");
    assert_false(held(1).has_block || held(2).has_block);
}

/* What a rival has raised to the file's marks, or above, meanwhile, needs nothing more. */
static result raise_behind_our_back(struct slashing_store *base, struct slashing_advance *advances,
                                    size_t num_advances)
{
    (void)base;
    for (size_t i = 0; i < num_advances; i++) {
        struct slashing_enrolment *one = &memory.of[advances[i].pubkey[0] - 1];
        one->entry.record = block_record(100, 0);
        one->entry.record.block_has_root = false;
        memset(one->entry.record.block_root, 0, 32);
        TRY(slashing_seal_entry(&seal, &one->entry, one->pubkey));
        advances[i].conflict = true;
        advances[i].found = one->entry;
    }
    return RESULT_OK;
}

static void what_rivals_have_raised_needs_nothing_more(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    struct slashing_store_operations operations = *memory.base.operations;
    const struct slashing_store_operations *usual = memory.base.operations;
    operations.advance = raise_behind_our_back;
    assert_ok(buffer_append_text(&text, HEAD(GENESIS)));
    add(&text, 1, "{\"slot\":\"30\"}", "");
    memory.base.operations = &operations;
    assert_ok(merge(&text));
    memory.base.operations = usual;
    assert_int_equal(held(1).block_slot, 100);
}

static void an_import_takes_hundreds_and_repeats(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    size_t num = 0;
    assert_ok(buffer_append_text(&text, HEAD(GENESIS)));
    for (int i = 0; i < 300; i++) /* of three validators, so that each third time what waits is written */
        add(&text, (uint8_t)(1 + i % 3), i == 200 ? "{\"slot\":\"7\"}" : "", "");
    assert_ok(import(&text, &num));
    assert_int_equal(num, 300);
    assert_true(held(1 + 200 % 3).block_slot == 7 && !held(1).has_block);
}

static void a_record_that_changes_meanwhile_ends_imports_and_floors(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    AUTO(buffer) repeated = {0};
    size_t num = 77;
    const struct slashing_record ten = block_record(10, 10);
    assert_ok(buffer_append_text(&text, HEAD(GENESIS)));
    add(&text, 1, "{\"slot\":\"7\"}", "");
    assert_ok(buffer_append_text(&repeated, HEAD(GENESIS)));
    add(&repeated, 1, "{\"slot\":\"7\"}", "");
    add(&repeated, 1, "{\"slot\":\"8\"}", "");
    memory.rivalry = 1;
    assert_fails(E_STORE, import(&text, &num));
    assert_error_names("changed during the import");
    memory.rivalry = 1;
    assert_fails(E_STORE, import(&repeated, &num));
    assert_error_names("changed during the import");
    memory.rivalry = 1;
    assert_fails(E_STORE, slashing_raise_all(store, &num, &ten));
    assert_error_names("changed meanwhile");
    assert_int_equal(num, 77);
    assert_false(held(1).has_block);
}

static void a_floor_is_under_all_of_many(void **state)
{
    (void)state;
    const struct slashing_record ten = block_record(10, 10);
    size_t num = 0;
    slashing_store_close(store);
    assert_int_equal(open_sealed(SLASHING_ENROLMENTS_MAX), 0);
    assert_ok(slashing_raise_all(store, &num, &ten));
    assert_int_equal(num, SLASHING_ENROLMENTS_MAX);
    for (uint8_t key = 1; key <= SLASHING_ENROLMENTS_MAX; key++)
        assert_int_equal(held(key).block_slot, 10);
}

/* ---- the sealed store itself ---- */

static result count(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    (void)pubkey;
    (void)entry;
    ++*(size_t *)context;
    return RESULT_OK;
}

/* A host may leave out an item; the head says how many there are. */
static void a_validator_that_is_left_out_is_missed(void **state)
{
    (void)state;
    size_t num = 0;
    memory.num--;
    assert_fails(E_STORE, slashing_store_scan(store, count, &num));
    assert_error_names("another number of validators");
    memory.num++;
    assert_ok(slashing_store_scan(store, count, &num));
}

static void batches_of_none_and_of_one_twice(void **state)
{
    (void)state;
    const struct slashing_record none = {0}, five = block_record(5, 5), six = block_record(6, 6);
    struct slashing_advance advances[] = {advance_of(1, &none, &five), advance_of(2, &none, &five),
                                          advance_of(1, &five, &six)};
    assert_ok(slashing_store_advance(store, NULL, 0));
    assert_fails(E_INPUT, slashing_store_advance(store, advances, 3));
    assert_error_names("two advances of one validator");
    for (size_t i = 0; i < 3; i++)
        assert_false(advances[i].done || advances[i].conflict);
    assert_false(held(1).has_block || held(2).has_block);
}

static void more_enrolments_than_go_at_once(void **state)
{
    (void)state;
    static const struct slashing_enrolment many[SLASHING_ENROLMENTS_MAX + 1];
    struct slashing_head before = memory.head, next = memory.head;
    assert_fails(E_INTERNAL,
                 slashing_store_set_head(store, &before, &next, many, SLASHING_ENROLMENTS_MAX + 1));
    assert_int_equal(memory.num, 3);
}

/* With the key, but for another store: by the documented bytes, word || store id || head without its seal. */
static void a_head_of_another_store_is_refused_even_if_sealed(void **state)
{
    (void)state;
    static const char word[32] = "nitro-signer store head 1";
    uint8_t text[sizeof word + SLASHING_STORE_ID_LEN + SLASHING_HEAD_BYTES], key[SLASHING_SEAL_KEY_LEN] = {1};
    struct slashing_head head = memory.head;
    unsigned mac_len = 0;
    const size_t length = sizeof text - SLASHING_MAC_LEN;
    for (int other = 0; other < 2; other++) {
        head.store_id[0] ^= (uint8_t)other;
        memcpy(text, word, sizeof word);
        memcpy(text + sizeof word, seal.store_id, SLASHING_STORE_ID_LEN);
        slashing_head_encode(text + sizeof word + SLASHING_STORE_ID_LEN, &head);
        assert_non_null(HMAC(EVP_sha256(), key, sizeof key, text, length, head.mac, &mac_len));
        assert_fails(other ? E_STORE : E_NONE, slashing_seal_check_head(&seal, &head));
    }
    assert_error_names("of another store");
}

static void disabled_stays_disabled_whichever_says_so(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct slashing_record a = block_record(5, 5), b = block_record(6, 6), merged;
        a.disabled = i & 1;
        b.disabled = i & 2;
        slashing_merge(&merged, &a, &b);
        assert_int_equal(merged.disabled, i != 0);
        assert_int_equal(merged.block_slot, 6);
    }
}

/* ---- rows that the quick reader leaves to the careful one ---- */

static void unusual_rows_are_read_or_named(void **state)
{
    (void)state;
#define ROOT "0x11111111111111111111111111111111111111111111111111111111111111"
    static const struct {
        const char *vote, *blamed; /* NULL: taken */
    } rows[] = {
        {"{\"source_epoch\":\"1\",\"target_epoch\":\"2\",\"signing_root\":\"" ROOT "11\"}", NULL},
        {"{\"source_epoch\":\"1\",\"target_epoch\":\"2\",\"signing_root\":\"" ROOT "11\",\"note\":{}}", NULL},
        {"{\"source_epoch\":\"1\",\"target_epoch\":\"2\",\"signing_root\":null}", NULL},
        {"{\"source_epoch\":\"x\",\"target_epoch\":\"2\"}", "source_epoch"},
        {"{\"source_epoch\":\"1\",\"target_epoch\":\"x\"}", "target_epoch"},
        {"{\"source_epoch\":\"1\"}", "target_epoch"},
        {"{\"source_epoch\":\"1\",\"target_epoch\":\"2\",\"signing_root\":\"0xzz\"}", "signing_root"},
        {"{\"source_epoch\":\"1\",\"target_epoch\":\"2\",\"signing_root\":\"0xzz\",\"note\":{}}",
         "signing_root"},
        {"{\"source_epoch\":\"1\",\"target_epoch\":\"2\",\"signing_root\":\"" ROOT "1111\"}", "signing_root"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(buffer) text = {0};
        size_t num = 0;
        slashing_store_close(store);
        assert_int_equal(open_sealed(3), 0);
        assert_ok(buffer_append_text(&text, HEAD(GENESIS)));
        add(&text, 2, "", rows[i].vote);
        result r = import(&text, &num);
        if (!r.code != !rows[i].blamed || (r.code && !strstr(error_text(), rows[i].blamed)))
            fail_msg("%s: %s", rows[i].vote, r.code ? error_text() : "taken");
        assert_int_equal(held(2).has_attestation, !rows[i].blamed);
        assert_int_equal(held(2).attestation_has_root, i < 2);
    }
}

static void a_document_may_be_without_a_root(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    const struct slashing_record vote = vote_record(1, 2, 3);
    static const uint8_t pubkey[48] = {1};
    assert_ok(slashing_interchange_begin(&text, NULL));
    assert_null(strstr((const char *)text.data, "genesis_validators_root"));
    assert_ok(slashing_interchange_append(&text, true, pubkey, &vote));
    assert_ok(slashing_interchange_end(&text, false));
    AUTO_POINTER(json_t) document = json_loads((const char *)text.data, 0, NULL);
    assert_non_null(document);
    assert_int_equal(json_array_size(json_object_get(document, "data")), 1);
}

#define SEALED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    if (secret_heap_open(1 << 16).code)
        return 1;
    open_seal();
    const struct CMUnitTest tests[] = {
        SEALED(an_empty_history_locks_the_genesis),
        SEALED(a_validator_that_comes_again_is_merged),
        SEALED(a_history_may_be_long),
        SEALED(another_network_and_watermarks_are_refused),
        SEALED(what_rivals_have_raised_needs_nothing_more),
        SEALED(an_import_takes_hundreds_and_repeats),
        SEALED(a_record_that_changes_meanwhile_ends_imports_and_floors),
        SEALED(a_floor_is_under_all_of_many),
        SEALED(a_validator_that_is_left_out_is_missed),
        SEALED(batches_of_none_and_of_one_twice),
        SEALED(more_enrolments_than_go_at_once),
        SEALED(a_head_of_another_store_is_refused_even_if_sealed),
        SEALED(unusual_rows_are_read_or_named),
        cmocka_unit_test(disabled_stays_disabled_whichever_says_so),
        cmocka_unit_test(a_document_may_be_without_a_root),
    };
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    slashing_seal_cleanup(&seal);
    return status;
}
