/* test_mnemonic.c - lib/keystore/mnemonic.c and the password forms against Trezor's vectors in
 * twelve languages, the deposit tool's, and the published word list. */
#include "testing_json.h"

#include <openssl/evp.h>

#include "keystore/keystore.h"
#include "keystore/keystore_password.h"
#include "keystore/mnemonic_words.h"

static void the_word_list_is_the_published_one(void **state)
{
    (void)state;
    static char ours[MNEMONIC_NUM_WORDS * (MNEMONIC_WORD_MAX + 1)], theirs[sizeof ours];
    size_t length = 0;
    for (size_t i = 0; i < MNEMONIC_NUM_WORDS; i++)
        length += (size_t)snprintf(ours + length, sizeof ours - length, "%s\n", mnemonic_words[i]);
    uint8_t digest[32];
    char hex[65];
    assert_int_equal(EVP_Digest(ours, length, digest, NULL, EVP_sha256(), NULL), 1);
    hex_encode(hex, digest, sizeof digest);
    assert_string_equal(hex, "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda");

    char path[512];
    vector_path(path, sizeof path, "bip-39/english.txt");
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(theirs, 1, sizeof theirs, file), length);
    (void)fclose(file);
    assert_memory_equal(ours, theirs, length);
}

static void check_english(const json_t *one)
{
    uint8_t entropy[32];
    size_t entropy_len = hex_bytes(entropy, sizeof entropy, json_string_value(json_array_get(one, 0)));
    const char *expected = json_string_value(json_array_get(one, 1));
    AUTO(secret) mnemonic = {0};
    assert_ok(mnemonic_from_entropy(&mnemonic, entropy, entropy_len));
    assert_int_equal(mnemonic.length, strlen(expected));
    assert_string_equal((char *)mnemonic.data, expected);
    assert_ok(mnemonic_check((char *)mnemonic.data, mnemonic.length));
}

static void check_seed(const json_t *one)
{
    const char *words = json_string_value(json_array_get(one, 1));
    uint8_t expected[64];
    assert_int_equal(hex_bytes(expected, sizeof expected, json_string_value(json_array_get(one, 2))), 64);
    AUTO(secret) seed = {0};
    assert_ok(mnemonic_to_seed(&seed, words, strlen(words), "TREZOR", 6));
    assert_int_equal(seed.length, 64);
    assert_memory_equal(seed.data, expected, 64);
}

static size_t check_languages(const char *name)
{
    json_t *root = vector_json(name);
    const char *language;
    json_t *cases, *one;
    size_t i, checked = 0;
    json_object_foreach(root, language, cases)
    {
        json_array_foreach(cases, i, one)
        {
            check_seed(one);
            if (strcmp(language, "english") == 0)
                check_english(one);
            checked++;
        }
    }
    json_decref(root);
    return checked;
}

static void trezor_vectors_in_all_languages(void **state)
{
    (void)state;
    assert_int_equal(check_languages("bip-39/vectors.json"), 12 * 24);
}

static void deposit_tool_vectors_in_all_languages(void **state)
{
    (void)state;
    assert_true(check_languages("bip-39/ethstaker-mnemonic-multilang.json") >= 9 * 10);
}

#define ELEVEN "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon"

static void bad_mnemonics_are_refused_and_not_echoed(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "about",
                                      ELEVEN,
                                      ELEVEN " abandon", /* checksum */
                                      ELEVEN " about ",
                                      " " ELEVEN " about",
                                      ELEVEN "  about",
                                      ELEVEN "\tabout",
                                      ELEVEN " About",
                                      ELEVEN " abou",
                                      ELEVEN " aboutx",
                                      ELEVEN " abandonabandonabandon",
                                      ELEVEN " zzz",
                                      ELEVEN " about about",
                                      ELEVEN " " ELEVEN " " ELEVEN};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        if (mnemonic_check(bad[i], strlen(bad[i])).code != E_INPUT)
            fail_msg("accepted '%s'", bad[i]);
        assert_null(strstr(error_text(), "abo"));
    }
    assert_ok(mnemonic_check(ELEVEN " about", strlen(ELEVEN " about")));
    assert_fails(E_INPUT, mnemonic_check(ELEVEN " about\0x", strlen(ELEVEN " about") + 2));
    assert_fails(E_INPUT, mnemonic_check(ELEVEN " about\0", strlen(ELEVEN " about") + 1));
}

/* Of 2048 last words, one in 2^4 fits eleven given ones: the checksum has 4 bits. */
static void exactly_the_checksum_decides(void **state)
{
    (void)state;
    size_t accepted = 0;
    for (size_t i = 0; i < MNEMONIC_NUM_WORDS; i++) {
        char text[256];
        int length = snprintf(text, sizeof text, ELEVEN " %s", mnemonic_words[i]);
        accepted += mnemonic_check(text, (size_t)length).code == E_NONE;
    }
    assert_int_equal(accepted, 128);
}

static void entropy_of_other_lengths_is_refused(void **state)
{
    (void)state;
    uint8_t entropy[64] = {0};
    for (size_t length = 0; length <= 64; length++) {
        bool good = length == 16 || length == 20 || length == 24 || length == 28 || length == 32;
        AUTO(secret) mnemonic = {0};
        assert_int_equal(mnemonic_from_entropy(&mnemonic, entropy, length).code, good ? E_NONE : E_INPUT);
    }
}

static void password_normalisation_cases(void **state)
{
    (void)state;
    json_t *root = vector_json("eip-2335/password-normalisation.json");
    const json_t *cases = json_object_get(root, "cases");
    assert_int_equal(json_array_size(cases), 11);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        uint8_t input[256], expected[256];
        size_t input_len = hex_bytes(input, sizeof input, json_member_text(one, "input_hex"));
        size_t expected_len = hex_bytes(expected, sizeof expected, json_member_text(one, "output_hex"));
        AUTO(secret) normal = {0};
        assert_ok(keystore_password_normalize(&normal, input, input_len));
        assert_int_equal(normal.length, expected_len);
        assert_memory_equal(normal.data, expected, expected_len);
    }
    json_decref(root);
}

static void check_normal(const char *input, const char *expected)
{
    AUTO(secret) normal = {0};
    assert_ok(keystore_password_normalize(&normal, (const uint8_t *)input, strlen(input)));
    assert_string_equal((char *)normal.data, expected);
}

static void controls_go_and_marks_are_ordered(void **state)
{
    (void)state;
    check_normal("pass\xc2\x80\xc2\x85\xc2\x9fword\r\n", "password"); /* C1 */
    check_normal("\xc2\xa0", " ");                                    /* no-break space is no control */
    check_normal("\xe2\x80\xa8", "\xe2\x80\xa8");                     /* nor is the line separator */
    check_normal("e\xcc\x81\xcc\xa3", "e\xcc\xa3\xcc\x81");           /* canonical order of combining marks */
    check_normal("\xef\xac\x81", "fi");                               /* compatibility ligature */
    check_normal("\xed\x95\x9c", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab"); /* Hangul, algorithmic */
}

static void passwords_that_are_not_utf8_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\xff", "\xc3", "a\x80", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"};
    AUTO(secret) normal = {0};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        if (keystore_password_normalize(&normal, (const uint8_t *)bad[i], strlen(bad[i])).code != E_INPUT)
            fail_msg("accepted bad UTF-8 number %zu", i);
    }
    uint8_t large[KEYSTORE_PASSWORD_MAX + 1];
    memset(large, 'x', sizeof large);
    assert_fails(E_TOO_LARGE, keystore_password_normalize(&normal, large, sizeof large));
    assert_ok(keystore_password_normalize(&normal, large, KEYSTORE_PASSWORD_MAX));
}

int main(void)
{
    if (secret_heap_open(65536).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_word_list_is_the_published_one),
        cmocka_unit_test(trezor_vectors_in_all_languages),
        cmocka_unit_test(deposit_tool_vectors_in_all_languages),
        cmocka_unit_test(bad_mnemonics_are_refused_and_not_echoed),
        cmocka_unit_test(exactly_the_checksum_decides),
        cmocka_unit_test(entropy_of_other_lengths_is_refused),
        cmocka_unit_test(password_normalisation_cases),
        cmocka_unit_test(controls_go_and_marks_are_ordered),
        cmocka_unit_test(passwords_that_are_not_utf8_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
