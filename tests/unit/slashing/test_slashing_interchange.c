/* test_slashing_interchange.c - folding, import, export and the files of Web3Signer. The interchange tests of
 * eth-clients are in interchange_cases.c. */
#include "store_testing.h"

#include "base/file_io.h"
#include "base/hex.h"
#include "slashing/slashing_interchange.h"
#include "json/json.h"

static const struct slashing_limits no_limits;

static void a_merge_is_never_lower(void **state)
{
    (void)state;
    srandom(5);
    for (int round = 0; round < 20000; round++) {
        struct slashing_record a = {0}, b = {0}, merged, back;
        struct slashing_record *const both[] = {&a, &b};
        for (int i = 0; i < 2; i++) {
            struct slashing_record block = block_record((uint64_t)random() % 4, (uint8_t)(random() % 2));
            struct slashing_record vote =
                vote_record((uint64_t)random() % 4, (uint64_t)random() % 4, (uint8_t)(random() % 2));
            block.block_has_root = random() % 4 != 0;
            vote.attestation_has_root = random() % 4 != 0;
            if (random() % 4)
                slashing_merge(both[i], both[i], &block);
            if (random() % 4)
                slashing_merge(both[i], both[i], &vote);
        }
        slashing_merge(&merged, &a, &b);
        slashing_merge(&back, &b, &a);
        assert_record_equal(&merged, &back);
        /* Whatever either refuses, the merged record refuses. */
        uint8_t root[32];
        struct slashing_record next;
        memset(root, (int)(random() % 2), sizeof root);
        struct eth2_order orders[] = {{.kind = ETH2_ORDER_BLOCK, .of.header.slot = (uint64_t)random() % 5},
                                      {.kind = ETH2_ORDER_ATTESTATION,
                                       .of.attestation = {.source.epoch = (uint64_t)random() % 5,
                                                          .target.epoch = (uint64_t)random() % 5}}};
        for (size_t i = 0; i < ARRAY_LENGTH(orders); i++) {
            if (slashing_allows(slashing_decide(&next, &merged, &no_limits, &orders[i], root))) {
                assert_true(slashing_allows(slashing_decide(&next, &a, &no_limits, &orders[i], root)));
                assert_true(slashing_allows(slashing_decide(&next, &b, &no_limits, &orders[i], root)));
            }
        }
    }
}

static void a_root_is_kept_only_where_one_message_stands(void **state)
{
    (void)state;
    struct slashing_record merged, low = vote_record(4, 5, 1), high = vote_record(5, 7, 2);
    slashing_merge(&merged, &low, &high);
    assert_record_equal(&merged, &high);
    slashing_merge(&merged, &high, &high);
    assert_record_equal(&merged, &high);

    struct slashing_record surrounding = vote_record(3, 8, 3), expected = vote_record(5, 8, 0);
    expected.attestation_has_root = false;
    slashing_merge(&merged, &high, &surrounding);
    assert_record_equal(&merged, &expected);

    struct slashing_record another = vote_record(5, 7, 9);
    slashing_merge(&merged, &high, &another);
    assert_false(merged.attestation_has_root);
    struct slashing_record block = block_record(6, 1), other_block = block_record(6, 2);
    slashing_merge(&merged, &block, &other_block);
    assert_true(merged.has_block && merged.block_slot == 6 && !merged.block_has_root);
}

static result import_text(struct slashing_store *store, size_t *ret_num_validators, const char *text,
                          size_t text_len)
{
    AUTO_POINTER(json_stream) in = NULL;
    assert_ok(json_stream_open_text(&in, text, text_len));
    return slashing_interchange_import(store, ret_num_validators, in);
}

static result count_one(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    (void)pubkey;
    (void)entry;
    ++*(size_t *)context;
    return RESULT_OK;
}

static size_t count_records(struct slashing_store *store)
{
    size_t count = 0;
    assert_ok(slashing_store_scan(store, count_one, &count));
    return count;
}

static void files_of_web3signer(void **state)
{
    (void)state;
    static const struct {
        const char *name, *refused_for; /* NULL: it is imported */
        size_t validators;
    } files[] = {
        {"acceptance-slashingImport", NULL, 1},
        {"acceptance-slashingImport_two_entries", NULL, 2},
        {"conflictingBlocks", NULL, 1},
        {"dataFieldNotArray", "data", 0},
        {"duplicateAttestation", NULL, 1},
        {"duplicateBlocks", NULL, 1},
        {"emptyDataArray", NULL, 0},
        {"errorInSecondBlock", "slot", 0},
        {"errorInSecondValidator", "data[1].signed_attestations[0].target_epoch", 0},
        {"invalidAttestationContent", NULL, 1},
        {"missingDataField", "data", 0},
        {"missingPublicKey", "pubkey", 0},
        {"multipleNullSigningRootAttestation", NULL, 1},
        {"multipleNullSigningRootBlock", NULL, 1},
        {"singleValidAttestation", NULL, 1},
        {"singleValidBlock", NULL, 1},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        char path[512], name[96];
        (void)snprintf(name, sizeof name, "slashing-interchange-extra/web3signer/%s.json", files[i].name);
        vector_path(path, sizeof path, name);
        AUTO(buffer) text = {0};
        struct slashing_store *store = NULL;
        size_t num_validators = 0;
        assert_ok(file_read(&text, path, 1 << 20));
        assert_int_equal(store_setup(NULL), 0);
        assert_ok(slashing_sqlite_open(&store, store_path));
        result r = import_text(store, &num_validators, (const char *)text.data, text.length);
        if (files[i].refused_for) {
            if (r.code != E_INPUT || !strstr(error_text(), files[i].refused_for))
                fail_msg("%s: %s", files[i].name, r.code ? error_text() : "accepted");
        } else if (r.code) {
            fail_msg("%s: %s", files[i].name, error_text());
        }
        assert_int_equal(num_validators, files[i].validators);
        assert_int_equal(count_records(store), files[i].validators);
        slashing_store_close(store);
        assert_int_equal(store_teardown(NULL), 0);
    }
}

#define KEY                                                                                                  \
    "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"
#define OTHER_KEY                                                                                            \
    "0xb99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"
#define ROOT "0x0000000000000000000000000000000000000000000000000000000000000001"
#define METADATA                                                                                             \
    "{\"metadata\":{\"interchange_format_version\":\"5\",\"genesis_validators_root\":\"" ROOT "\"},"

/* Nothing of a file with a mistake is in the store, the lock on its network included. */
static void assert_refused(struct slashing_store *store, const char *text, const char *name)
{
    size_t num_validators;
    uint8_t genesis[32];
    result r = import_text(store, &num_validators, text, strlen(text));
    if (r.code != E_INPUT || !strstr(error_text(), name))
        fail_msg("%s: %s", text, r.code ? error_text() : "accepted");
    assert_int_equal(count_records(store), 0);
    assert_fails(E_NOT_FOUND, slashing_store_genesis(store, genesis));
}

#define VALIDATOR "{\"pubkey\":\"" KEY "\",\"signed_blocks\":[{\"slot\":\"3\"}],\"signed_attestations\":[]}"

static void malformed_files_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } bad[] = {
        {"{\"metadata\":{\"interchange_format_version\":\"4\",\"genesis_validators_root\":\"" ROOT
         "\"},\"data\":[]}",
         "interchange_format_version"},
        {"{\"metadata\":{\"interchange_format_version\":\"5\",\"genesis_validators_root\":\"0x01\"},\"data\":"
         "[]}",
         "genesis_validators_root"},
        {"{\"metadata\":{\"interchange_format_version\":\"5\"},\"data\":[]}", "genesis_validators_root"},
        {"{\"data\":[]}", "metadata"},
        {METADATA "\"data\":[{\"pubkey\":\"" KEY "\",\"signed_blocks\":[]}]}", "data[0].signed_attestations"},
        {METADATA "\"data\":[{\"pubkey\":\"" KEY "\",\"signed_attestations\":[]}]}", "data[0].signed_blocks"},
        {METADATA "\"data\":[{\"pubkey\":\"0x00\",\"signed_blocks\":[],\"signed_attestations\":[]}]}",
         "data[0].pubkey"},
        {METADATA "\"data\":[{\"pubkey\":\"" KEY
                  "\",\"signed_blocks\":[{\"slot\":\"-1\"}],\"signed_attestations\":[]}]}",
         "data[0].signed_blocks[0].slot"},
        {METADATA "\"data\":[{\"pubkey\":\"" KEY
                  "\",\"signed_blocks\":[{\"slot\":\"18446744073709551616\"}],\"signed_attestations\":[]}]}",
         "slot"},
        {METADATA
         "\"data\":[{\"pubkey\":\"" KEY
         "\",\"signed_blocks\":[{\"slot\":\"1\",\"signing_root\":\"zz\"}],\"signed_attestations\":[]}]}",
         "signing_root"},
        {METADATA "\"data\":[{\"pubkey\":\"" KEY
                  "\",\"signed_blocks\":[],\"signed_attestations\":[{\"source_epoch\":\"1\"}]}]}",
         "target_epoch"},
        {"", "ends early"},
        {"[]", "document: must be an object"},
        {METADATA "\"data\":{}}", "data: must be an array"},
        {METADATA "\"data\":[7]}", "must be an object"},
        {METADATA "\"data\":[" VALIDATOR "]} x", "trailing bytes"},
        {METADATA "\"data\":[" VALIDATOR ",]}", "must be an object"},
        {METADATA "\"data\":[" VALIDATOR " " VALIDATOR "]}", "malformed"},
        {METADATA "\"data\":[" VALIDATOR "]", "ends early"},
        {METADATA "\"data\":[" VALIDATOR "],\"data\":[]}", "member twice"},
        {METADATA "\"data\":[" VALIDATOR "],\"metadata\":1}", "member twice"},
        {METADATA "\"data\":[" VALIDATOR "],\"\\u0064ata\":[]}", "member twice"},
        {"{\"data\":[" VALIDATOR "]}", "metadata: is missing"},
        {"{\"data\":[" VALIDATOR "],\"metadata\":{\"interchange_format_version\":\"4\"}}",
         "interchange_format_version"},
        {METADATA "\"data\":[{\"pubkey\":\"" KEY "\",\"signed_attestations\":[],\"signed_blocks\":[7]}]}",
         "data[0].signed_blocks[0]: must be an object"},
        {METADATA "\"data\":[" VALIDATOR ",{\"pubkey\":\"" KEY
                  "\",\"signed_attestations\":[],\"signed_blocks\":{}}]}",
         "data[1].signed_blocks: must be an array"},
        {METADATA "\"data\":[{\"pubkey\":\"" KEY "\",\"signed_attestations\":[],\"signed_blocks\":["
                  "{\"slot\":\"1\",\"slot\":\"1\"}]}]}",
         "member twice"},
        {METADATA "\"data\":[{\"pubkey\":\"" KEY "\",\"pubkey\":\"" KEY "\"}]}", "member twice"},
        {METADATA "\"data\":[{\"signed_blocks\":[],\"signed_attestations\":[]}]}",
         "data[0].pubkey: is missing"},
    };
    struct slashing_store *store = NULL;
    assert_ok(slashing_sqlite_open(&store, store_path));
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        assert_refused(store, bad[i].text, bad[i].name);
    size_t num_validators;
    static const char good[] = METADATA "\"data\":[" VALIDATOR "]}";
    for (size_t length = 0; length < sizeof good - 1; length++)
        assert_fails(E_INPUT, import_text(store, &num_validators, good, length));
    assert_int_equal(count_records(store), 0);
    assert_ok(import_text(store, &num_validators, good, sizeof good - 1));
    assert_int_equal(count_records(store), 1);
    slashing_store_close(store);
}

static struct slashing_record folded(const char *odd)
{
    AUTO(buffer) text = {0};
    struct slashing_store *store = NULL;
    struct slashing_record r;
    size_t num_validators;
    uint8_t pubkey[48];
    assert_ok(hex_decode(pubkey, sizeof pubkey, KEY, strlen(KEY)));
    assert_ok(buffer_append_text(&text, METADATA "\"data\":[{\"pubkey\":\"" KEY "\",\"signed_blocks\":["));
    for (unsigned i = 0; i < 300; i++)
        assert_ok(buffer_printf(&text, "%s{\"slot\":\"%u\",\"signing_root\":\"0x%0*u\"%s}", i ? "," : "",
                                i * 7919 % 257, i % 5 ? 64 : 62, i % 11, odd));
    assert_ok(buffer_append_text(&text, "],\"signed_attestations\":["));
    for (unsigned i = 0; i < 300; i++)
        assert_ok(buffer_printf(&text, "%s{\"source_epoch\":\"%u\",\"target_epoch\":\"%u\"%s}",
                                i ? " ,\n" : "", i * 7919 % 257, i * 104729 % 263, odd));
    assert_ok(buffer_append_text(&text, "]}]}"));
    assert_int_equal(store_setup(NULL), 0);
    assert_ok(slashing_sqlite_open(&store, store_path));
    assert_ok(import_text(store, &num_validators, (const char *)text.data, text.length));
    assert_ok(slashing_store_load(store, &r, pubkey));
    slashing_store_close(store);
    assert_int_equal(store_teardown(NULL), 0);
    return r;
}

/* Rows that have to be read the long way come to the same. */
static void plain_rows_and_odd_ones_fold_alike(void **state)
{
    (void)state;
    struct slashing_record plain = folded(""), odd = folded(",\"more\":null");
    assert_record_equal(&plain, &odd);
    assert_true(plain.block_slot == 256 && plain.source_epoch == 256 && plain.target_epoch == 262);
}

/* The root that locks the store may be the last member of the file. */
static void members_may_come_in_any_order(void **state)
{
    (void)state;
    static const char text[] =
        "{\"data\":[{\"signed_attestations\":[],\"more\":{\"x\":[1,2]},\"signed_blocks\":[{\"slot\":\"5\"}],"
        "\"pubkey\":\"" KEY "\"}],\"comment\":null,\"metadata\":{\"genesis_validators_root\":\"" ROOT
        "\",\"interchange_format_version\":\"5\"}}\n";
    struct slashing_store *store = NULL;
    struct slashing_record r, wanted = {.has_block = true, .block_slot = 5};
    size_t num_validators;
    uint8_t genesis[32], pubkey[48], other[32] = {0};
    assert_ok(hex_decode(pubkey, sizeof pubkey, KEY, strlen(KEY)));
    assert_ok(slashing_sqlite_open(&store, store_path));
    assert_ok(import_text(store, &num_validators, text, sizeof text - 1));
    assert_ok(slashing_store_load(store, &r, pubkey));
    assert_record_equal(&r, &wanted);
    assert_ok(slashing_store_genesis(store, genesis));
    assert_int_equal(genesis[31], 1);
    slashing_store_close(store);

    /* And when it turns out to be another, what was read before it is taken back. */
    assert_int_equal(store_teardown(NULL), 0);
    assert_int_equal(store_setup(NULL), 0);
    assert_ok(slashing_sqlite_open(&store, store_path));
    assert_ok(slashing_store_lock_genesis(store, other));
    assert_fails(E_MISMATCH, import_text(store, &num_validators, text, sizeof text - 1));
    assert_int_equal(count_records(store), 0);
    slashing_store_close(store);
}

static void an_import_lowers_nothing(void **state)
{
    (void)state;
    static const char text[] =
        METADATA "\"data\":[{\"pubkey\":\"" KEY "\",\"signed_blocks\":[{\"slot\":\"18446744073709551615\"}],"
                 "\"signed_attestations\":[{\"source_epoch\":\"1\",\"target_epoch\":\"2\"}]}]}";
    struct slashing_store *store = NULL;
    struct slashing_record nothing = {0}, high = vote_record(8, 9, 1), r;
    size_t num_validators;
    high.disabled = true;
    struct slashing_advance advance = {.old = nothing, .next = high};
    assert_ok(hex_decode(advance.pubkey, 48, KEY, strlen(KEY)));
    assert_ok(slashing_sqlite_open(&store, store_path));
    assert_ok(slashing_store_advance(store, &advance, 1));
    assert_ok(import_text(store, &num_validators, text, sizeof text - 1));
    assert_ok(slashing_store_load(store, &r, advance.pubkey));
    struct slashing_record expected = high;
    expected.has_block = true;
    expected.block_slot = UINT64_MAX;
    assert_record_equal(&r, &expected);

    static const char foreign[] =
        "{\"metadata\":{\"interchange_format_version\":\"5\",\"genesis_validators_root\":"
        "\"0x0000000000000000000000000000000000000000000000000000000000000002\"},\"data\":[{\"pubkey\":"
        "\"" OTHER_KEY "\",\"signed_blocks\":[{\"slot\":\"4\"}],\"signed_attestations\":[]}]}";
    assert_fails(E_MISMATCH, import_text(store, &num_validators, foreign, sizeof foreign - 1));
    assert_int_equal(count_records(store), 1);
    slashing_store_close(store);
}

static result append(void *context, const void *bytes, size_t bytes_len)
{
    return buffer_append(context, bytes, bytes_len);
}

enum { MANY = 3000 };

static struct slashing_record random_record(void)
{
    struct slashing_record r = {0}, vote = vote_record((uint64_t)random() % 9, 9 + (uint64_t)random(), 3);
    struct slashing_record block = block_record(UINT64_MAX - (uint64_t)random(), 4);
    vote.attestation_has_root = random() % 2;
    block.block_has_root = random() % 2;
    if (random() % 4)
        slashing_merge(&r, &r, &vote);
    if (random() % 4)
        slashing_merge(&r, &r, &block);
    return r;
}

static void fill_with_random_records(struct slashing_store *store)
{
    static struct slashing_advance advances[MANY];
    memset(advances, 0, sizeof advances);
    for (size_t i = 0; i < MANY; i++) {
        memcpy(advances[i].pubkey, &i, sizeof i);
        advances[i].next = random_record();
    }
    assert_ok(slashing_store_advance(store, advances, MANY));
}

static result same_in(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    struct slashing_record r;
    assert_ok(slashing_store_load(context, &r, pubkey));
    assert_record_equal(&r, &entry->record);
    return RESULT_OK;
}

static void what_was_exported_is_imported_as_it_was(void **state)
{
    (void)state;
    struct slashing_store *store = NULL, *copy = NULL;
    char copy_path[sizeof store_path + 8];
    uint8_t genesis[32], copied[32];
    size_t num_validators = 0;
    AUTO(buffer) text = {0};
    const struct slashing_interchange_sink sink = {.context = &text, .write = append};
    memset(genesis, 7, sizeof genesis);
    assert_ok(slashing_sqlite_open(&store, store_path));
    assert_fails(E_NOT_FOUND, slashing_interchange_export(store, &num_validators, &sink));
    assert_int_equal(text.length, 0);
    assert_ok(slashing_store_lock_genesis(store, genesis));
    assert_ok(slashing_interchange_export(store, &num_validators, &sink));
    assert_int_equal(num_validators, 0);
    AUTO_POINTER(json_t) empty = NULL;
    assert_ok(json_read(&empty, (const char *)text.data, text.length, 1 << 20, 100));
    buffer_consume(&text, text.length);

    srandom(9);
    fill_with_random_records(store);
    assert_ok(slashing_interchange_export(store, &num_validators, &sink));
    assert_int_equal(num_validators, MANY);
    (void)snprintf(copy_path, sizeof copy_path, "%s.copy", store_path);
    assert_ok(slashing_sqlite_open(&copy, copy_path));
    num_validators = 0;
    assert_ok(import_text(copy, &num_validators, (const char *)text.data, text.length));
    assert_int_equal(num_validators, MANY);
    assert_int_equal(count_records(copy), MANY);
    assert_ok(slashing_store_scan(store, same_in, copy));
    assert_ok(slashing_store_genesis(copy, copied));
    assert_memory_equal(copied, genesis, sizeof genesis);
    slashing_store_close(copy);
    slashing_store_close(store);
}

static result cannot_write(void *context, const void *bytes, size_t bytes_len)
{
    (void)context;
    (void)bytes;
    (void)bytes_len;
    FAIL(E_IO, "the disk is full");
}

static void an_export_that_cannot_be_written_fails(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    uint8_t genesis[32] = {0};
    size_t num_validators;
    const struct slashing_interchange_sink sink = {.write = cannot_write};
    assert_ok(slashing_sqlite_open(&store, store_path));
    assert_ok(slashing_store_lock_genesis(store, genesis));
    fill_with_random_records(store);
    assert_fails(E_IO, slashing_interchange_export(store, &num_validators, &sink));
    assert_int_equal(count_records(store), MANY); /* the scan was left half-way: the store works on */
    slashing_store_close(store);
}

static void a_floor_raises_and_never_lowers(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    const struct slashing_record nothing = {0}, low = vote_record(2, 3, 1), high = vote_record(4, 90, 1);
    const struct slashing_record floor = {
        .has_block = true, .block_slot = 70, .has_attestation = true, .source_epoch = 7, .target_epoch = 7};
    struct slashing_record block = block_record(80, 2), r;
    struct slashing_advance advances[] = {advance_of(1, &nothing, &low), advance_of(2, &nothing, &high),
                                          advance_of(3, &nothing, &block)};
    size_t num_validators = 0;
    assert_ok(slashing_sqlite_open(&store, store_path));
    assert_ok(slashing_raise_all(store, &num_validators, &floor));
    assert_int_equal(num_validators, 0);
    assert_ok(slashing_store_advance(store, advances, ARRAY_LENGTH(advances)));
    assert_ok(slashing_raise_all(store, &num_validators, &floor));
    assert_int_equal(num_validators, 3);
    r = stored(store, 1);
    assert_record_equal(&r, &floor);
    r = stored(store, 2);
    assert_true(r.source_epoch == 7 && r.target_epoch == 90 && r.block_slot == 70);
    r = stored(store, 3);
    assert_true(r.block_slot == 80 && r.block_has_root && r.target_epoch == 7 && r.source_epoch == 7);
    slashing_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_merge_is_never_lower),
        cmocka_unit_test(a_root_is_kept_only_where_one_message_stands),
        cmocka_unit_test_setup_teardown(malformed_files_are_refused_by_name, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(members_may_come_in_any_order, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(what_was_exported_is_imported_as_it_was, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(an_export_that_cannot_be_written_fails, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(a_floor_raises_and_never_lowers, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(an_import_lowers_nothing, store_setup, store_teardown),
        cmocka_unit_test(files_of_web3signer),
        cmocka_unit_test(plain_rows_and_odd_ones_fold_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
