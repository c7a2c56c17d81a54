/* test_keystore.c - lib/keystore: what it writes it reads again, every member of a keystore is
 * checked, limits hold, and nothing stays in the secure heap. */
#include "testing_json.h"

#include <openssl/crypto.h>

#include "base/secret.h"
#include "keystore/keystore.h"

enum { KDF_MEMORY_MAX = 300 << 20 };

static const uint8_t secret[32] = {0x25, 0x29, 0x5f, 0x0d, 0x1d, 0x59, 0x2a, 0x90, 0xb3, 0x33, 0xe2,
                                   0x6e, 0x85, 0x14, 0x97, 0x08, 0x20, 0x8e, 0x9f, 0x8e, 0x8b, 0xc1,
                                   0x8f, 0x6c, 0x77, 0xbd, 0x62, 0xf8, 0xad, 0x7a, 0x68, 0x66};

static result decrypt(struct keystore *ret_keystore, const struct buffer *json, const char *password)
{
    return keystore_decrypt(ret_keystore, (const char *)json->data, json->length, (const uint8_t *)password,
                            strlen(password), KDF_MEMORY_MAX);
}

static void encrypt(struct buffer *out, const char *password, enum keystore_kdf kdf, uint32_t cost)
{
    assert_ok(keystore_encrypt(out, secret, "m/12381/3600/7/0/0", (const uint8_t *)password, strlen(password),
                               kdf, cost));
}

static void check_round_trip(enum keystore_kdf kdf, uint32_t cost)
{
    AUTO(buffer) json = {0};
    AUTO(keystore) opened = {0};
    encrypt(&json, "p\xc3\xa4ss\n", kdf, cost);
    assert_ok(decrypt(&opened, &json, "pa\xcc\x88ss")); /* the decomposed spelling, without newline */
    assert_memory_equal(opened.secret.data, secret, 32);
    assert_string_equal(opened.path, "m/12381/3600/7/0/0");
    assert_true(CRYPTO_secure_allocated(opened.secret.data));
    AUTO(keystore) other = {0};
    assert_fails(E_AUTH, decrypt(&other, &json, "pass"));
    assert_error_names("password");
    assert_null(other.secret.data);
}

static void what_is_encrypted_decrypts(void **state)
{
    (void)state;
    check_round_trip(KEYSTORE_SCRYPT, 1);
    check_round_trip(KEYSTORE_SCRYPT, 10);
    check_round_trip(KEYSTORE_PBKDF2, 1);
    check_round_trip(KEYSTORE_PBKDF2, 1000);
}

static void two_encryptions_share_nothing_random(void **state)
{
    (void)state;
    AUTO(buffer) a = {0}, b = {0};
    encrypt(&a, "x", KEYSTORE_PBKDF2, 1);
    encrypt(&b, "x", KEYSTORE_PBKDF2, 1);
    json_t *first = json_loads((char *)a.data, JSON_REJECT_DUPLICATES, NULL);
    json_t *second = json_loads((char *)b.data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(first);
    assert_non_null(second);
    assert_string_not_equal(json_member_text(first, "uuid"), json_member_text(second, "uuid"));
    const char *uuid = json_member_text(first, "uuid");
    assert_int_equal(strlen(uuid), 36);
    assert_true(uuid[14] == '4' && strchr("89ab", uuid[19]));
    static const char *const parts[] = {"kdf", "cipher"};
    static const char *const members[] = {"salt", "iv"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *one =
            json_object_get(json_object_get(json_object_get(first, "crypto"), parts[i]), "params");
        const json_t *two =
            json_object_get(json_object_get(json_object_get(second, "crypto"), parts[i]), "params");
        assert_string_not_equal(json_member_text(one, members[i]), json_member_text(two, members[i]));
    }
    json_decref(first);
    json_decref(second);
}

static void costs_and_secrets_out_of_range_are_refused(void **state)
{
    (void)state;
    AUTO(buffer) out = {0};
    static const uint8_t zero[32] = {0}, password[] = "x";
    assert_fails(E_INPUT, keystore_encrypt(&out, secret, "", password, 1, KEYSTORE_SCRYPT, 0));
    assert_fails(E_INPUT, keystore_encrypt(&out, secret, "", password, 1, KEYSTORE_SCRYPT, 23));
    assert_fails(E_INPUT, keystore_encrypt(&out, secret, "", password, 1, KEYSTORE_PBKDF2, 0));
    assert_fails(E_INPUT, keystore_encrypt(&out, zero, "", password, 1, KEYSTORE_PBKDF2, 1));
    assert_fails(E_INPUT, keystore_encrypt(&out, secret, "", (const uint8_t *)"\xff", 1, KEYSTORE_PBKDF2, 1));
    assert_int_equal(out.length, 0);
}

/* Replaces the value at a dotted path (or removes it for NULL) and expects the refusal to name it. */
static void check_changed(const char *json, const char *dotted, json_t *value, int expected)
{
    json_t *root = json_loads(json, 0, NULL), *object = root;
    char path[128];
    (void)snprintf(path, sizeof path, "%s", dotted);
    char *name = path, *dot;
    while ((dot = strchr(name, '.'))) {
        *dot = 0;
        object = json_object_get(object, name);
        name = dot + 1;
    }
    if (value)
        (void)json_object_set_new(object, name, value);
    else
        (void)json_object_del(object, name);
    char *text = json_dumps(root, 0);
    json_decref(root);
    AUTO(keystore) opened = {0};
    result r = keystore_decrypt(&opened, text, strlen(text), (const uint8_t *)"x", 1, KDF_MEMORY_MAX);
    free(text);
    if (r.code != expected)
        fail_msg("%s: %s (%s)", dotted, error_name(r.code), error_text());
    if (expected == E_INPUT && !strstr(error_text(), dotted))
        fail_msg("%s is not named in: %s", dotted, error_text());
}

static void every_missing_or_mistyped_member_is_named(void **state)
{
    (void)state;
    static const char *const members[] = {"crypto",
                                          "crypto.kdf",
                                          "crypto.kdf.function",
                                          "crypto.kdf.message",
                                          "crypto.kdf.params",
                                          "crypto.kdf.params.dklen",
                                          "crypto.kdf.params.n",
                                          "crypto.kdf.params.r",
                                          "crypto.kdf.params.p",
                                          "crypto.kdf.params.salt",
                                          "crypto.checksum",
                                          "crypto.checksum.function",
                                          "crypto.checksum.params",
                                          "crypto.checksum.message",
                                          "crypto.cipher",
                                          "crypto.cipher.function",
                                          "crypto.cipher.params",
                                          "crypto.cipher.params.iv",
                                          "crypto.cipher.message",
                                          "version"};
    AUTO(buffer) json = {0};
    encrypt(&json, "x", KEYSTORE_SCRYPT, 4);
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        check_changed((char *)json.data, members[i], NULL, E_INPUT);
        check_changed((char *)json.data, members[i], json_true(), E_INPUT);
        check_changed((char *)json.data, members[i], json_null(), E_INPUT);
        check_changed((char *)json.data, members[i], json_array(), E_INPUT);
        check_changed((char *)json.data, members[i], json_integer(-1), E_INPUT);
    }
    static const char *const optional[] = {"pubkey", "path"};
    for (size_t i = 0; i < ARRAY_LENGTH(optional); i++) {
        check_changed((char *)json.data, optional[i], NULL, E_NONE);
        check_changed((char *)json.data, optional[i], json_integer(1), E_INPUT);
    }
}

static json_t *text_of(char character, size_t length)
{
    static char text[4096];
    memset(text, character, length);
    text[length] = 0;
    return json_string(text);
}

static void values_out_of_bounds_are_named(void **state)
{
    (void)state;
    AUTO(buffer) json = {0};
    encrypt(&json, "x", KEYSTORE_SCRYPT, 4);
    const char *text = (const char *)json.data;
    check_changed(text, "crypto.kdf.params.n", json_integer(0), E_INPUT);
    check_changed(text, "crypto.kdf.params.n", json_integer(1), E_INPUT);
    check_changed(text, "crypto.kdf.params.n", json_integer(12), E_INPUT);
    check_changed(text, "crypto.kdf.params.n", json_integer(1 << 20), E_INPUT); /* 1 GiB */
    check_changed(text, "crypto.kdf.params.n", json_integer(1ll << 40), E_INPUT);
    check_changed(text, "crypto.kdf.params.r", json_integer(0), E_INPUT);
    check_changed(text, "crypto.kdf.params.r", json_integer(1 << 20), E_INPUT);
    check_changed(text, "crypto.kdf.params.p", json_integer(0), E_INPUT);
    check_changed(text, "crypto.kdf.params.p", json_integer(1 << 20), E_INPUT);
    check_changed(text, "crypto.kdf.params.dklen", json_integer(31), E_INPUT);
    check_changed(text, "crypto.kdf.params.dklen", json_integer(64), E_NONE);
    check_changed(text, "crypto.kdf.params.salt", text_of('a', 258), E_INPUT);
    check_changed(text, "crypto.kdf.params.salt", text_of('g', 64), E_INPUT);
    check_changed(text, "crypto.cipher.params.iv", text_of('a', 14), E_INPUT);
    check_changed(text, "crypto.cipher.params.iv", text_of('a', 34), E_INPUT);
    check_changed(text, "crypto.cipher.message", text_of('a', 62), E_INPUT);
    check_changed(text, "crypto.cipher.message", text_of('a', 66), E_INPUT);
    check_changed(text, "crypto.checksum.message", text_of('a', 62), E_INPUT);
    check_changed(text, "path", text_of('m', 128), E_INPUT);
    check_changed(text, "pubkey", text_of('a', 94), E_INPUT);
    check_changed(text, "version", json_integer(3), E_INPUT);
    check_changed(text, "crypto.checksum.message", text_of('a', 64), E_AUTH);
    check_changed(text, "crypto.kdf.params.salt", text_of('a', 64), E_AUTH);
    check_changed(text, "pubkey", text_of('a', 96), E_MISMATCH);
}

static void a_pbkdf2_cost_without_bound_is_refused(void **state)
{
    (void)state;
    AUTO(buffer) json = {0};
    encrypt(&json, "x", KEYSTORE_PBKDF2, 1);
    check_changed((char *)json.data, "crypto.kdf.params.c", json_integer(0), E_INPUT);
    check_changed((char *)json.data, "crypto.kdf.params.c", json_integer(1 << 30), E_INPUT);
    check_changed((char *)json.data, "crypto.kdf.params.prf", json_string("hmac-sha512"), E_INPUT);
}

static void malformed_documents_are_refused(void **state)
{
    (void)state;
    AUTO(buffer) json = {0};
    encrypt(&json, "x", KEYSTORE_PBKDF2, 1);
    AUTO(keystore) opened = {0};
    for (size_t length = 0; length < json.length; length++) {
        struct buffer cut = {.data = json.data, .length = length};
        assert_fails(E_INPUT, decrypt(&opened, &cut, "x"));
    }
    assert_ok(buffer_append_text(&json, "{}"));
    assert_fails(E_INPUT, decrypt(&opened, &json, "x"));
    AUTO(buffer) large = {0};
    assert_ok(buffer_reserve(&large, 20000));
    memset(large.data, ' ', 20000);
    large.length = 20000;
    assert_fails(E_TOO_LARGE, decrypt(&opened, &large, "x"));
    assert_null(opened.secret.data);
}

static void the_secure_heap_is_as_it_was(void **state)
{
    (void)state;
    size_t before = CRYPTO_secure_used();
    AUTO(buffer) json = {0};
    AUTO(keystore) opened = {0};
    encrypt(&json, "x", KEYSTORE_SCRYPT, 4);
    assert_int_equal(CRYPTO_secure_used(), before);
    assert_fails(E_AUTH, decrypt(&opened, &json, "y"));
    assert_int_equal(CRYPTO_secure_used(), before);
    assert_ok(decrypt(&opened, &json, "x"));
    keystore_cleanup(&opened);
    assert_int_equal(CRYPTO_secure_used(), before);
}

int main(void)
{
    if (secret_heap_open(65536).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encrypted_decrypts),
        cmocka_unit_test(two_encryptions_share_nothing_random),
        cmocka_unit_test(costs_and_secrets_out_of_range_are_refused),
        cmocka_unit_test(every_missing_or_mistyped_member_is_named),
        cmocka_unit_test(values_out_of_bounds_are_named),
        cmocka_unit_test(a_pbkdf2_cost_without_bound_is_refused),
        cmocka_unit_test(malformed_documents_are_refused),
        cmocka_unit_test(the_secure_heap_is_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
