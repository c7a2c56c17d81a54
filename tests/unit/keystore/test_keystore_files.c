/* test_keystore_files.c - keystores of other programs, good and bad: the ERC, Web3Signer, Teku,
 * Lighthouse, Nimbus, ChainSafe, wealdtech, the deposit tool and Commit-Boost. */
#include "testing_json.h"

#include "base/secret.h"
#include "keystore/keystore.h"

enum { KDF_MEMORY_MAX = 300 << 20 };

/* The ERC's password before normalisation: mathematical Fraktur letters and a key. */
static const char erc_password[] = "𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑";
static const char erc_secret[] = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";

static result decrypt_text(struct keystore *ret_keystore, const char *text, const char *password)
{
    return keystore_decrypt(ret_keystore, text, strlen(text), (const uint8_t *)password, strlen(password),
                            KDF_MEMORY_MAX);
}

static result decrypt_value(struct keystore *ret_keystore, const json_t *value, const char *password)
{
    char *text = json_dumps(value, 0);
    result r = decrypt_text(ret_keystore, text, password);
    free(text);
    return r;
}

static void check_opens(const json_t *value, const char *password, const char *secret_hex)
{
    uint8_t secret[32], pubkey[48];
    (void)hex_bytes(secret, sizeof secret, secret_hex);
    assert_ok(bls_public_key(pubkey, secret));
    AUTO(keystore) opened = {0};
    assert_ok(decrypt_value(&opened, value, password));
    assert_int_equal(opened.secret.length, 32);
    assert_memory_equal(opened.secret.data, secret, 32);
    assert_memory_equal(opened.pubkey, pubkey, 48);
    const char *path = json_string_value(json_object_get(value, "path"));
    assert_string_equal(opened.path, path ? path : "");
}

static void check_vector_opens(const char *name, const char *password, const char *secret_hex)
{
    json_t *root = vector_json(name);
    const json_t *inner = json_object_get(root, "keystore");
    check_opens(inner ? inner : root, password, secret_hex);
    json_decref(root);
}

static void erc_vectors(void **state)
{
    (void)state;
    check_vector_opens("eip-2335/erc-2335-scrypt.json", erc_password, erc_secret);
    check_vector_opens("eip-2335/erc-2335-pbkdf2.json", erc_password, erc_secret);
    /* The normalised form is the same password. */
    check_vector_opens("eip-2335/erc-2335-pbkdf2.json", "testpassword🔑", erc_secret);
    check_vector_opens("eip-2335/erc-2335-pbkdf2.json", "test\x7fpassword🔑\r\n", erc_secret);
}

static void check_chainsafe(const char *name, const json_t *root)
{
    (void)name;
    check_opens(root, json_member_text(root, "password"), json_member_text(root, "secret"));
}

static void chainsafe_vectors(void **state)
{
    (void)state;
    assert_int_equal(vector_for_each("eip-2335/chainsafe-bls-keystore", check_chainsafe), 4);
}

static void good_files_of_web3signer_teku_and_the_deposit_tool(void **state)
{
    (void)state;
    check_vector_opens("eip-2335/web3signer/pbkdf2TestVector.json", erc_password, erc_secret);
    check_vector_opens("eip-2335/web3signer/scryptTestVector.json", erc_password, erc_secret);
    check_vector_opens("eip-2335/web3signer/scryptExtraFieldTestVector.json", erc_password, erc_secret);
    check_vector_opens("eip-2335/teku/scryptTestVectorWithMissingPathAndUUID.json", erc_password, erc_secret);
    check_vector_opens("eip-2335/ethstaker-deposit-cli/test0.json", erc_password, erc_secret);
    check_vector_opens("eip-2335/ethstaker-deposit-cli/test1.json", erc_password, erc_secret);
}

static void check_refused(const json_t *value, const char *member)
{
    AUTO(keystore) opened = {0};
    assert_fails(E_INPUT, decrypt_value(&opened, value, "testpassword"));
    assert_error_names(member);
    assert_null(opened.secret.data);
}

static void bad_files_of_web3signer_name_the_member(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"missingCrypto", "crypto:"},
        {"missingKdfSectionTestVector", "crypto.kdf.params:"},
        {"missingVersion", "version:"},
        {"unsupportedChecksumFunction", "crypto.checksum.function:"},
        {"unsupportedCipherFunction", "crypto.cipher.function:"},
        {"unsupportedDkLen", "crypto.kdf.params.dklen:"},
        {"unsupportedKdfFunction", "crypto.kdf.function:"},
        {"unsupportedPBKDF2Prf", "crypto.kdf.params.prf:"},
        {"v3TestVector", "version:"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char name[128];
        (void)snprintf(name, sizeof name, "eip-2335/web3signer/%s.json", cases[i][0]);
        json_t *root = vector_json(name);
        check_refused(root, cases[i][1]);
        json_decref(root);
    }
}

/* The source stores wallets' seeds as well as keys and has no version around its crypto object. */
static void check_wealdtech(const json_t *one)
{
    const char *name = json_member_text(one, "name");
    json_t *document = json_pack("{s:i,s:O}", "version", 4, "crypto", json_object_get(one, "crypto"));
    AUTO(keystore) opened = {0};
    result r = decrypt_value(&opened, document, json_member_text(one, "passphrase"));
    json_decref(document);
    if (strcmp(name, "Good") == 0 || strcmp(name, "GoodNorm") == 0) {
        uint8_t secret[32];
        (void)hex_bytes(secret, sizeof secret, json_member_text(one, "secret"));
        assert_ok(r);
        assert_memory_equal(opened.secret.data, secret, 32);
        return;
    }
    /* GoodAltNorm strips combining marks, which the ERC does not; SCrypt holds 64 bytes, not a key. */
    int expected =
        strcmp(name, "InvalidChecksum") == 0 || strcmp(name, "GoodAltNorm") == 0 ? E_AUTH : E_INPUT;
    if (r.code != expected)
        fail_msg("%s: %s", name, error_name(r.code));
}

static void wealdtech_decrypt_cases(void **state)
{
    (void)state;
    json_t *root = vector_json("eip-2335/wealdtech-keystorev4-decrypt.json");
    const json_t *cases = json_object_get(root, "cases");
    assert_int_equal(json_array_size(cases), 16);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_wealdtech(json_array_get(cases, i));
    json_decref(root);
}

static void lighthouse_reference_keystores(void **state)
{
    (void)state;
    json_t *root = vector_json("keystores/lighthouse-eip2335.json");
    const json_t *keystores = json_object_get(root, "keystores");
    assert_int_equal(json_array_size(keystores), 2);
    for (size_t i = 0; i < 2; i++)
        check_opens(json_array_get(keystores, i), json_member_text(root, "password"),
                    json_member_text(root, "secret"));
    json_decref(root);
}

/* Lighthouse refuses members it does not know, a kdf.message that is not empty and a missing pubkey;
 * Web3Signer, which we replace, takes them: such files decrypt, or fail on the password only. */
static int expected_of_lighthouse_case(const char *test)
{
    static const char *const refused[] = {"bad_version",       "kdf_function",    "missing_scrypt_param",
                                          "checksum_function", "cipher_function", "missing_cipher_param",
                                          "missing_version",   "pbkdf2_bad_hmac", "pbkdf2_missing_parameter",
                                          "scrypt_zero_n",     "scrypt_zero_p",   "scrypt_zero_r",
                                          "scrypt_zero_dklen", "pbkdf2_zero_c",   "pbkdf2_zero_dken"};
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        if (strcmp(test, refused[i]) == 0)
            return E_INPUT;
    }
    return strcmp(test, "json_bad_checksum") == 0 ? E_AUTH : E_NONE;
}

static void check_lighthouse_cases(const char *name, size_t num_cases)
{
    json_t *root = vector_json(name);
    const json_t *cases = json_object_get(root, "cases");
    assert_int_equal(json_array_size(cases), num_cases);
    for (size_t i = 0; i < num_cases; i++) {
        const json_t *one = json_array_get(cases, i);
        AUTO(keystore) opened = {0};
        result r = decrypt_text(&opened, json_member_text(one, "json_text"), "testpassword");
        if (r.code != expected_of_lighthouse_case(json_member_text(one, "test")))
            fail_msg("%s: %s (%s)", json_member_text(one, "test"), error_name(r.code), error_text());
    }
    json_decref(root);
}

static void lighthouse_parameter_cases(void **state)
{
    (void)state;
    check_lighthouse_cases("keystores/lighthouse-keystore-params-cases.json", 8);
}

static void lighthouse_json_cases(void **state)
{
    (void)state;
    check_lighthouse_cases("keystores/lighthouse-keystore-json-cases.json", 25);
}

static void teku_interop_keys(void **state)
{
    (void)state;
    json_t *root = vector_json("keystores/teku-interop-keys.json");
    const json_t *keystores = json_object_get(root, "keystores");
    assert_int_equal(json_array_size(keystores), 40);
    for (size_t i = 0; i < json_array_size(keystores); i++) {
        const json_t *one = json_array_get(keystores, i);
        check_opens(json_object_get(one, "keystore"), json_member_text(one, "password"),
                    json_member_text(one, "secret"));
    }
    json_decref(root);
}

static void nimbus_signing_node_keystores(void **state)
{
    (void)state;
    json_t *root = vector_json("keystores/nimbus-signing-node.json");
    assert_int_equal(json_array_size(root), 4);
    for (size_t i = 0; i < json_array_size(root); i++) {
        const json_t *one = json_array_get(root, i);
        const char *secret = json_string_value(json_object_get(one, "secret"));
        if (secret) {
            check_opens(json_object_get(one, "keystore"), json_member_text(one, "password"), secret);
            continue;
        }
        /* The last one's secret is not published, its public key is. */
        AUTO(keystore) opened = {0};
        assert_ok(
            decrypt_value(&opened, json_object_get(one, "keystore"), json_member_text(one, "password")));
        uint8_t pubkey[48];
        (void)hex_bytes(pubkey, sizeof pubkey, json_member_text(one, "pubkey"));
        assert_memory_equal(opened.pubkey, pubkey, 48);
    }
    json_decref(root);
}

static void nimbus_keystores_and_what_is_none(void **state)
{
    (void)state;
    json_t *root = vector_json("keystores/nimbus-test-keystore.json");
    char password[64] = {0};
    (void)hex_bytes((uint8_t *)password, sizeof password - 1, json_member_text(root, "password_hex"));
    const json_t *vectors = json_object_get(root, "vectors");
    check_opens(json_object_get(vectors, "pbkdf2Vector"), password, json_member_text(root, "secret"));
    check_opens(json_object_get(vectors, "pbkdf2Vector2"), password, json_member_text(root, "secret"));
    check_opens(json_object_get(vectors, "scryptVector"), password, json_member_text(root, "secret"));
    check_refused(json_object_get(vectors, "pbkdf2NetVector"), "version:");
    check_refused(json_object_get(vectors, "scryptNetVector"), "version:");
    AUTO(keystore) opened = {0};
    assert_fails(E_AUTH, decrypt_value(&opened, json_object_get(vectors, "prysmKeystore"), password));
    json_decref(root);
}

/* Hex with 0x in front, as another program writes it. */
static void nimbus_import_bodies(void **state)
{
    (void)state;
    json_t *root = vector_json("keystores/nimbus-keymanager-import-bodies.json");
    const json_t *body = json_object_get(json_array_get(json_object_get(root, "vectors"), 1), "body");
    const json_t *keystores = json_object_get(body, "keystores");
    assert_int_equal(json_array_size(keystores), 2);
    for (size_t i = 0; i < 2; i++) {
        /* These look like hex but are the passwords as they stand. */
        const char *password = json_string_value(json_array_get(json_object_get(body, "passwords"), i));
        AUTO(keystore) opened = {0};
        assert_ok(decrypt_text(&opened, json_string_value(json_array_get(keystores, i)), password));
    }
    json_decref(root);
}

static void web3signer_acceptance_keystores(void **state)
{
    (void)state;
    static const char *const names[] = {"keystores/web3signer-bls_keystore.json",
                                        "keystores/web3signer-bls_keystore_2.json"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        json_t *root = vector_json(names[i]);
        check_opens(json_object_get(root, "keystore"), json_member_text(root, "password"),
                    json_member_text(root, "secret"));
        json_decref(root);
    }
}

int main(void)
{
    if (secret_heap_open(65536).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(erc_vectors),
        cmocka_unit_test(chainsafe_vectors),
        cmocka_unit_test(good_files_of_web3signer_teku_and_the_deposit_tool),
        cmocka_unit_test(bad_files_of_web3signer_name_the_member),
        cmocka_unit_test(wealdtech_decrypt_cases),
        cmocka_unit_test(lighthouse_reference_keystores),
        cmocka_unit_test(lighthouse_parameter_cases),
        cmocka_unit_test(lighthouse_json_cases),
        cmocka_unit_test(teku_interop_keys),
        cmocka_unit_test(nimbus_signing_node_keystores),
        cmocka_unit_test(nimbus_keystores_and_what_is_none),
        cmocka_unit_test(nimbus_import_bodies),
        cmocka_unit_test(web3signer_acceptance_keystores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
