/* test_bls_derive.c - lib/bls/bls_derive.c: EIP-2333's cases, a key tool's tree vectors, path
 * grammar from another implementation, and blst's own derivation as an oracle on many keys. */
#include "testing_json.h"

#include <blst.h>
#include <openssl/bn.h>
#include <openssl/rand.h>

#include "bls/bls.h"

static void secret_from_decimal(uint8_t out[32], const char *decimal)
{
    BIGNUM *number = NULL;
    assert_int_equal(BN_dec2bn(&number, decimal), (int)strlen(decimal));
    assert_int_equal(BN_bn2binpad(number, out, 32), 32);
    BN_free(number);
}

static void check_tree(const char *seed_text, const char *master_decimal, uint32_t index,
                       const char *child_decimal)
{
    uint8_t seed[64], expected[32];
    size_t seed_len = hex_bytes(seed, sizeof seed, seed_text);
    AUTO(secret) master = {0}, child = {0}, again = {0};
    assert_ok(bls_derive_master(&master, seed, seed_len));
    secret_from_decimal(expected, master_decimal);
    assert_memory_equal(master.data, expected, 32);
    assert_ok(bls_derive_child(&child, master.data, index));
    secret_from_decimal(expected, child_decimal);
    assert_memory_equal(child.data, expected, 32);
    char path[32];
    (void)snprintf(path, sizeof path, "m/%u", index);
    assert_ok(bls_derive_path(&again, seed, seed_len, path));
    assert_memory_equal(again.data, expected, 32);
}

static void eip_2333_cases(void **state)
{
    (void)state;
    json_t *root = vector_json("eip-2333/erc-2333-cases.json");
    const json_t *cases = json_object_get(root, "cases");
    assert_int_equal(json_array_size(cases), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *one = json_array_get(cases, i);
        check_tree(json_member_text(one, "seed"), json_member_text(one, "master_SK"),
                   (uint32_t)json_integer_value(json_object_get(one, "child_index")),
                   json_member_text(one, "child_SK"));
    }
    json_decref(root);
}

/* These files hold 256-bit numbers, which jansson does not read: put them into quotes. */
static json_t *vector_json_of_big_numbers(const char *name)
{
    char path[512];
    vector_path(path, sizeof path, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char text[1 << 17], quoted[(1 << 17) + 64];
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    (void)fclose(file);
    size_t length = 0;
    for (const char *at = text; *at;) {
        bool number = at > text && at[-1] == ' ' && strspn(at, "0123456789") > 18;
        size_t run = number ? strspn(at, "0123456789") : 1;
        length += (size_t)snprintf(quoted + length, sizeof quoted - length, number ? "\"%.*s\"" : "%.*s",
                                   (int)run, at);
        at += run;
    }
    json_error_t error;
    json_t *root = json_loads(quoted, 0, &error);
    if (!root)
        fail_msg("%s: %s", path, error.text);
    return root;
}

static void tree_kdf_cases(void **state)
{
    (void)state;
    json_t *root = vector_json_of_big_numbers("eip-2333/ethstaker-deposit-cli/tree_kdf.json");
    const json_t *cases = json_object_get(root, "kdf_tests");
    assert_int_equal(json_array_size(cases), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *one = json_array_get(cases, i);
        check_tree(json_member_text(one, "seed"), json_member_text(one, "master_SK"),
                   (uint32_t)json_integer_value(json_object_get(one, "child_index")),
                   json_member_text(one, "child_SK"));
    }
    json_decref(root);
}

/* The Lamport values on the way are ours alone; that both ends agree shows that they do. */
static void tree_kdf_intermediate_case(void **state)
{
    (void)state;
    json_t *root = vector_json_of_big_numbers("eip-2333/ethstaker-deposit-cli/tree_kdf_intermediate.json");
    check_tree(json_member_text(root, "seed"), json_member_text(root, "master_SK"), 0,
               json_member_text(root, "child_SK"));
    json_decref(root);
}

static void check_path(const json_t *one)
{
    uint8_t seed[64], expected[32];
    size_t seed_len = hex_bytes(seed, sizeof seed, json_member_text(one, "seed"));
    const char *path = json_string_value(json_object_get(one, "path"));
    AUTO(secret) key = {0};
    result r = bls_derive_path(&key, seed, seed_len, path ? path : seed_len ? "m/0" : "");
    /* The source takes seeds of 16 bytes; EIP-2333 wants 32, and so do we. */
    if (json_object_get(one, "error") || seed_len < 32) {
        if (r.code != E_INPUT || key.data)
            fail_msg("accepted: %s", json_member_text(one, "name"));
        return;
    }
    assert_ok(r);
    (void)hex_bytes(expected, sizeof expected, json_member_text(one, "sk_hex"));
    assert_memory_equal(key.data, expected, 32);
}

static void eip_2334_path_cases(void **state)
{
    (void)state;
    json_t *root = vector_json("eip-2334/go-eth2-util-path-cases.json");
    const json_t *cases = json_object_get(root, "cases");
    assert_int_equal(json_array_size(cases), 19);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_path(json_array_get(cases, i));
    json_decref(root);
}

static void paths_of_another_grammar_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "m",
                                      "m/",
                                      "/0",
                                      "M/0",
                                      "m0",
                                      "m/0/",
                                      "m//0",
                                      "m/00",
                                      "m/01",
                                      "m/+1",
                                      "m/ 1",
                                      "m/1 ",
                                      "m/0x1",
                                      "m/1'",
                                      "m/1/m",
                                      "m/1.0",
                                      "m\\1",
                                      "m/1\n",
                                      "m/1/a",
                                      "m/99999999999",
                                      "m/4294967296",
                                      "m/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1"};
    uint8_t seed[32] = {1};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        AUTO(secret) key = {0};
        if (bls_derive_path(&key, seed, sizeof seed, bad[i]).code != E_INPUT)
            fail_msg("accepted %s", bad[i]);
    }
}

static void agrees_with_blst_on_random_seeds(void **state)
{
    (void)state;
    for (size_t i = 0; i < 50; i++) {
        uint8_t seed[64], expected[32];
        uint32_t index;
        assert_int_equal(RAND_bytes(seed, sizeof seed), 1);
        memcpy(&index, seed, sizeof index);
        size_t seed_len = 32 + i % 33;
        blst_scalar master, child;
        blst_derive_master_eip2333(&master, seed, seed_len);
        blst_derive_child_eip2333(&child, &master, index);
        AUTO(secret) our_master = {0}, our_child = {0};
        assert_ok(bls_derive_master(&our_master, seed, seed_len));
        blst_bendian_from_scalar(expected, &master);
        assert_memory_equal(our_master.data, expected, 32);
        assert_ok(bls_derive_child(&our_child, our_master.data, index));
        blst_bendian_from_scalar(expected, &child);
        assert_memory_equal(our_child.data, expected, 32);
        assert_ok(bls_secret_check(our_child.data));
    }
}

/* Nothing of a derivation stays allocated, also when the heap is too small for its middle. */
static void derivation_leaves_the_secure_heap_as_it_was(void **state)
{
    (void)state;
    uint8_t seed[32] = {7};
    size_t before = CRYPTO_secure_used();
    AUTO(secret) key = {0};
    assert_ok(bls_derive_path(&key, seed, sizeof seed, "m/12381/3600/0/0/0"));
    assert_true(CRYPTO_secure_allocated(key.data));
    secret_cleanup(&key);
    assert_int_equal(CRYPTO_secure_used(), before);

    struct secret filler[16] = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(filler); i++)
        if (secret_new(&filler[i], 4000).code)
            break;
    size_t filled = CRYPTO_secure_used();
    assert_fails(E_MEMORY, bls_derive_child(&key, seed, 0));
    assert_int_equal(CRYPTO_secure_used(), filled);
    for (size_t i = 0; i < ARRAY_LENGTH(filler); i++)
        secret_cleanup(&filler[i]);
}

int main(void)
{
    if (secret_heap_open(65536).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eip_2333_cases),
        cmocka_unit_test(tree_kdf_cases),
        cmocka_unit_test(tree_kdf_intermediate_case),
        cmocka_unit_test(eip_2334_path_cases),
        cmocka_unit_test(paths_of_another_grammar_are_refused),
        cmocka_unit_test(agrees_with_blst_on_random_seeds),
        cmocka_unit_test(derivation_leaves_the_secure_heap_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
