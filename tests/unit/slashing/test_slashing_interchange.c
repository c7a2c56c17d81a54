/* test_slashing_interchange.c - folding, import, the interchange tests of eth-clients and the files of
 * Web3Signer. */
#include "store_testing.h"

#include <glob.h>

#include "base/file_io.h"
#include "slashing/slashing_interchange.h"
#include "json/json.h"

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
            if (slashing_allows(slashing_decide(&next, &merged, &orders[i], root))) {
                assert_true(slashing_allows(slashing_decide(&next, &a, &orders[i], root)));
                assert_true(slashing_allows(slashing_decide(&next, &b, &orders[i], root)));
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

static void read_json(json_t **ret_root, const char *path)
{
    AUTO(buffer) text = {0};
    assert_ok(file_read(&text, path, 1 << 20));
    assert_ok(json_read(ret_root, (const char *)text.data, text.length, 1 << 20, 100000));
}

static result import_value(struct slashing_store *store, const json_t *value)
{
    char *text = json_dumps(value, 0);
    AUTO(slashing_interchange) interchange = {0};
    result r = slashing_interchange_parse(&interchange, text, strlen(text));
    free(text);
    TRY(r);
    return slashing_interchange_import(store, &interchange);
}

/* Signs as the keeper does: decide on the stored record, then make the next one durable. */
static enum slashing_verdict try_to_sign(struct slashing_store *store, const struct json_view *message,
                                         struct eth2_order order)
{
    uint8_t root[32] = {0};
    struct slashing_advance advance = {0};
    assert_ok(json_get_hex(advance.pubkey, 48, message, "pubkey"));
    if (json_has(message, "signing_root"))
        assert_ok(json_get_hex(root, 32, message, "signing_root"));
    assert_ok(slashing_store_load(store, &advance.old, advance.pubkey));
    enum slashing_verdict verdict = slashing_decide(&advance.next, &advance.old, &order, root);
    if (verdict == SLASHING_ALLOW_NEW) {
        assert_ok(slashing_store_advance(store, &advance, 1));
        assert_true(advance.done);
    }
    return verdict;
}

/* Exactly what the minimal conditions ask, and beyond them only the very same message again, which the
 * complete conditions allow. */
static void check_messages(struct slashing_store *store, const struct json_view *step, const char *list,
                           const char *path, int *messages)
{
    struct json_view rows, row;
    bool minimal, complete;
    assert_ok(json_get_array(&rows, step, list, 1000));
    for (size_t i = 0; i < json_array_size(rows.value); i++) {
        struct eth2_order order = {0};
        assert_ok(json_element_object(&row, &rows, i));
        assert_ok(json_get_bool(&minimal, &row, "should_succeed"));
        assert_ok(json_get_bool(&complete, &row, "should_succeed_complete"));
        if (strcmp(list, "blocks") == 0) {
            order.kind = ETH2_ORDER_BLOCK;
            assert_ok(json_get_u64(&order.of.header.slot, &row, "slot"));
        } else {
            order.kind = ETH2_ORDER_ATTESTATION;
            assert_ok(json_get_u64(&order.of.attestation.source.epoch, &row, "source_epoch"));
            assert_ok(json_get_u64(&order.of.attestation.target.epoch, &row, "target_epoch"));
        }
        enum slashing_verdict verdict = try_to_sign(store, &row, order);
        bool wanted = minimal || (complete && verdict == SLASHING_ALLOW_REPEAT);
        if (slashing_allows(verdict) != wanted)
            fail_msg("%s: %s %zu: %s", path, list, i, slashing_verdict_name(verdict));
        (*messages)++;
    }
}

static void check_step(struct slashing_store *store, const struct json_view *step, const char *path,
                       int *messages)
{
    bool succeed;
    assert_ok(json_get_bool(&succeed, step, "should_succeed"));
    /* Slashable data is folded, never refused, so contains_slashable_data gives no leave to skip anything. */
    result imported = import_value(store, json_object_get(step->value, "interchange"));
    if (succeed != (imported.code == E_NONE))
        fail_msg("%s: import: %s", path, imported.code ? error_text() : "succeeded");
    check_messages(store, step, "blocks", path, messages);
    check_messages(store, step, "attestations", path, messages);
}

/* The tests' order of initialisation: an empty store locked to the case's genesis validators root. */
static void run_case(const char *path, int *messages)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view, steps, step;
    struct slashing_store *store = NULL;
    uint8_t genesis[32];
    read_json(&root, path);
    assert_ok(json_view_root(&view, root));
    assert_ok(json_get_hex(genesis, 32, &view, "genesis_validators_root"));
    assert_int_equal(store_setup(NULL), 0);
    assert_ok(slashing_sqlite_open(&store, store_path));
    assert_ok(slashing_store_lock_genesis(store, genesis));
    assert_ok(json_get_array(&steps, &view, "steps", 100));
    for (size_t i = 0; i < json_array_size(steps.value); i++) {
        assert_ok(json_element_object(&step, &steps, i));
        check_step(store, &step, path, messages);
    }
    slashing_store_close(store);
    assert_int_equal(store_teardown(NULL), 0);
}

static void all_cases_of_the_interchange_tests(void **state)
{
    (void)state;
    char pattern[512];
    vector_path(pattern, sizeof pattern, "slashing-interchange/tests/generated/*.json");
    glob_t found = {0};
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 38);
    int messages = 0;
    for (size_t i = 0; i < found.gl_pathc; i++)
        run_case(found.gl_pathv[i], &messages);
    globfree(&found);
    assert_true(messages > 100);
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
        AUTO(slashing_interchange) interchange = {0};
        assert_ok(file_read(&text, path, 1 << 20));
        result r = slashing_interchange_parse(&interchange, (const char *)text.data, text.length);
        if (files[i].refused_for) {
            if (r.code != E_INPUT || !strstr(error_text(), files[i].refused_for))
                fail_msg("%s: %s", files[i].name, r.code ? error_text() : "accepted");
        } else if (r.code) {
            fail_msg("%s: %s", files[i].name, error_text());
        }
        assert_int_equal(interchange.num_entries, files[i].validators);
    }
}

#define KEY                                                                                                  \
    "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c"
#define ROOT "0x0000000000000000000000000000000000000000000000000000000000000001"
#define METADATA                                                                                             \
    "{\"metadata\":{\"interchange_format_version\":\"5\",\"genesis_validators_root\":\"" ROOT "\"},"

static result parse(struct slashing_interchange *interchange, const char *text)
{
    return slashing_interchange_parse(interchange, text, strlen(text));
}

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
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        AUTO(slashing_interchange) interchange = {0};
        assert_fails(E_INPUT, parse(&interchange, bad[i].text));
        assert_error_names(bad[i].name);
        assert_null(interchange.entries);
    }
}

static void an_import_lowers_nothing(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    struct slashing_record nothing = {0}, high = vote_record(8, 9, 1), r;
    high.disabled = true;
    AUTO(slashing_interchange) interchange = {0};
    assert_ok(parse(&interchange,
                    METADATA "\"data\":[{\"pubkey\":\"" KEY
                             "\",\"signed_blocks\":[{\"slot\":\"18446744073709551615\"}],"
                             "\"signed_attestations\":[{\"source_epoch\":\"1\",\"target_epoch\":\"2\"}]}]}"));
    struct slashing_advance advance = {.old = nothing, .next = high};
    memcpy(advance.pubkey, interchange.entries[0].pubkey, 48);
    assert_ok(slashing_sqlite_open(&store, store_path));
    assert_ok(slashing_store_advance(store, &advance, 1));
    assert_ok(slashing_interchange_import(store, &interchange));
    assert_ok(slashing_store_load(store, &r, advance.pubkey));
    struct slashing_record expected = high;
    expected.has_block = true;
    expected.block_slot = UINT64_MAX;
    assert_record_equal(&r, &expected);

    interchange.genesis_validators_root[0] ^= 1;
    interchange.entries[0].record = block_record(4, 4);
    memset(interchange.entries[0].pubkey, 7, 48);
    assert_fails(E_MISMATCH, slashing_interchange_import(store, &interchange));
    r = stored(store, 7);
    assert_record_equal(&r, &nothing);
    slashing_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_merge_is_never_lower),
        cmocka_unit_test(a_root_is_kept_only_where_one_message_stands),
        cmocka_unit_test(malformed_files_are_refused_by_name),
        cmocka_unit_test_setup_teardown(an_import_lowers_nothing, store_setup, store_teardown),
        cmocka_unit_test(all_cases_of_the_interchange_tests),
        cmocka_unit_test(files_of_web3signer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
