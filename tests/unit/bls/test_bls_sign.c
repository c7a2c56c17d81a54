/* test_bls_sign.c - lib/bls/bls_sign.c against the Ethereum BLS test suite and two lists of
 * another implementation. Not used: aggregate, aggregate_verify, fast_aggregate_verify and
 * batch_verify (we never aggregate) and hash_to_G2 (another domain separation tag; signing
 * covers ours). */
#include "testing_json.h"

#include "bls/bls.h"

static const json_t *input_of(const json_t *root)
{
    const json_t *input = json_object_get(root, "input");
    assert_non_null(input);
    return input;
}

static void check_sign(const char *name, const json_t *root)
{
    uint8_t secret[32], message[64], signature[96], expected[96], pubkey[48], zero[96] = {0};
    (void)hex_bytes(secret, sizeof secret, json_member_text(input_of(root), "privkey"));
    size_t message_len = hex_bytes(message, sizeof message, json_member_text(input_of(root), "message"));
    const json_t *output = json_object_get(root, "output");
    memset(signature, 0xff, sizeof signature);
    result r = bls_sign(signature, secret, message, message_len);
    if (json_is_null(output)) {
        assert_int_equal(r.code, E_INPUT);
        assert_memory_equal(signature, zero, sizeof zero);
        assert_fails(E_INPUT, bls_secret_check(secret));
        assert_fails(E_INPUT, bls_public_key(pubkey, secret));
        return;
    }
    assert_ok(r);
    (void)hex_bytes(expected, sizeof expected, json_string_value(output));
    if (memcmp(signature, expected, sizeof expected) != 0)
        fail_msg("%s: another signature", name);
    assert_ok(bls_public_key(pubkey, secret));
    assert_ok(bls_verify(pubkey, signature, message, message_len));
    message[0] ^= 1;
    assert_fails(E_AUTH, bls_verify(pubkey, signature, message, message_len));
}

static void ethereum_sign_cases(void **state)
{
    (void)state;
    assert_int_equal(vector_for_each("bls12-381-tests/sign", check_sign), 10);
}

static void check_verify(const char *name, const json_t *root)
{
    uint8_t pubkey[48], message[64], signature[96];
    (void)hex_bytes(pubkey, sizeof pubkey, json_member_text(input_of(root), "pubkey"));
    (void)hex_bytes(signature, sizeof signature, json_member_text(input_of(root), "signature"));
    size_t message_len = hex_bytes(message, sizeof message, json_member_text(input_of(root), "message"));
    int expected = json_is_true(json_object_get(root, "output")) ? E_NONE : E_AUTH;
    int got = bls_verify(pubkey, signature, message, message_len).code;
    if (got != expected)
        fail_msg("%s: %s", name, error_name(got));
}

static void ethereum_verify_cases(void **state)
{
    (void)state;
    assert_int_equal(vector_for_each("bls12-381-tests/verify", check_verify), 29);
}

/* The suite accepts infinity as an encoding; a public key of ours must not be it. */
static bool expected_valid(const char *name, const json_t *root)
{
    return json_is_true(json_object_get(root, "output")) && !strstr(name, "infinity");
}

static void check_deserialization_g1(const char *name, const json_t *root)
{
    const char *text = json_member_text(input_of(root), "pubkey");
    uint8_t pubkey[48];
    bool valid =
        !hex_decode(pubkey, sizeof pubkey, text, strlen(text)).code && !bls_pubkey_check(pubkey).code;
    if (valid != expected_valid(name, root))
        fail_msg("%s: %s", name, valid ? "accepted" : error_text());
}

static void ethereum_deserialization_g1_cases(void **state)
{
    (void)state;
    assert_int_equal(vector_for_each("bls12-381-tests/deserialization_G1", check_deserialization_g1), 13);
}

/* A signature is decoded inside bls_verify only: an undecodable one is refused as such, the valid
 * one gets as far as not matching. */
static void check_deserialization_g2(const char *name, const json_t *root)
{
    const char *text = json_member_text(input_of(root), "signature");
    uint8_t signature[96], pubkey[48], secret[32] = {[31] = 1};
    assert_ok(bls_public_key(pubkey, secret));
    if (hex_decode(signature, sizeof signature, text, strlen(text)).code) {
        assert_false(expected_valid(name, root));
        return;
    }
    assert_fails(E_AUTH, bls_verify(pubkey, signature, secret, sizeof secret));
    bool decoded = strstr(error_text(), "does not verify") != NULL;
    if (decoded != expected_valid(name, root))
        fail_msg("%s: %s", name, error_text());
}

static void ethereum_deserialization_g2_cases(void **state)
{
    (void)state;
    assert_int_equal(vector_for_each("bls12-381-tests/deserialization_G2", check_deserialization_g2), 15);
}

/* zkcrypto's file: the compressed points 0·G, 1·G, … 999·G, so public keys of small secrets. */
static void public_keys_are_the_generator_multiples(void **state)
{
    (void)state;
    char path[512];
    vector_path(path, sizeof path, "bls12-381-extra/noble-zkcrypto-g1_compressed_valid_test_vectors.dat");
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t expected[48], pubkey[48], secret[32] = {0};
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(fread(expected, 1, sizeof expected, file), sizeof expected);
        secret[30] = (uint8_t)(i >> 8);
        secret[31] = (uint8_t)i;
        if (i == 0) {
            assert_fails(E_INPUT, bls_public_key(pubkey, secret));
            assert_fails(E_INPUT, bls_pubkey_check(expected));
            continue;
        }
        assert_ok(bls_public_key(pubkey, secret));
        assert_memory_equal(pubkey, expected, sizeof expected);
    }
    (void)fclose(file);
}

static void secrets_outside_the_group_order_are_refused(void **state)
{
    (void)state;
    uint8_t secret[32], signature[96];
    static const char *const good[] = {"0000000000000000000000000000000000000000000000000000000000000001",
                                       "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000"};
    static const char *const bad[] = {"0000000000000000000000000000000000000000000000000000000000000000",
                                      "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001",
                                      "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000002",
                                      "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"};
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        (void)hex_bytes(secret, sizeof secret, good[i]);
        assert_ok(bls_secret_check(secret));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        (void)hex_bytes(secret, sizeof secret, bad[i]);
        assert_fails(E_INPUT, bls_secret_check(secret));
        assert_fails(E_INPUT, bls_sign(signature, secret, secret, sizeof secret));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ethereum_sign_cases),
        cmocka_unit_test(ethereum_verify_cases),
        cmocka_unit_test(ethereum_deserialization_g1_cases),
        cmocka_unit_test(ethereum_deserialization_g2_cases),
        cmocka_unit_test(public_keys_are_the_generator_multiples),
        cmocka_unit_test(secrets_outside_the_group_order_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
