/* test_wallet.c - the format's own test vectors, there and back, and what is no wallet. */
#include "testing.h"

#include "base/hex.h"
#include "wallet/wallet_file.h"

enum { ENOUGH = 256 << 20 };

/* Of the Web3 Secret Storage definition. */
#define PBKDF2_PARAMS                                                                                        \
    "{\"c\":262144,\"dklen\":32,\"prf\":\"hmac-sha256\","                                                    \
    "\"salt\":\"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd\"}"
#define PBKDF2_CRYPTO                                                                                        \
    "{\"cipher\":\"aes-128-ctr\",\"cipherparams\":{\"iv\":\"6087dab2f9fdbbfaddc31a909735c1e6\"},"            \
    "\"ciphertext\":\"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46\","                   \
    "\"kdf\":\"pbkdf2\",\"kdfparams\":" PBKDF2_PARAMS ","                                                    \
    "\"mac\":\"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2\"}"
#define PBKDF2_WALLET                                                                                        \
    "{\"crypto\":" PBKDF2_CRYPTO ",\"id\":\"3198bc9c-6672-5ab3-d995-4942343ae5b6\",\"version\":3}"
/* Made by eth-keyfile, for the same secret and password. */
#define SCRYPT_WALLET                                                                                        \
    "{\"address\":\"008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b\",\"Crypto\":{\"cipher\":\"aes-128-ctr\","      \
    "\"cipherparams\":{\"iv\":\"e7d102ce862ebdbedf092b5c785afa89\"},"                                        \
    "\"ciphertext\":\"2714a1c1c5eaa32852bea5d2fb194027ad8d5a5058f9e1f55a9481c08b020458\","                   \
    "\"kdf\":\"scrypt\",\"kdfparams\":{\"dklen\":32,\"n\":16384,\"r\":8,\"p\":1,"                            \
    "\"salt\":\"5b469b03410e29301e0f9948e3a8695a\"},"                                                        \
    "\"mac\":\"7dd8c4fcdbd716369338e3795b650140faa4ed9426930500ca9e18ff65a64d5f\"},"                         \
    "\"id\":\"fe804de6-8011-4459-b5f6-f68a256b6983\",\"version\":3}"
static const char password[] = "testpassword";
static const char secret_text[] = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

static result open_text(struct wallet *ret_wallet, const char *json, const char *with)
{
    return wallet_decrypt(ret_wallet, json, strlen(json), (const uint8_t *)with, strlen(with), ENOUGH);
}

static void published_wallets(void **state)
{
    (void)state;
    static const char *const wallets[] = {PBKDF2_WALLET, SCRYPT_WALLET};
    for (size_t i = 0; i < ARRAY_LENGTH(wallets); i++) {
        struct wallet wallet = {0};
        char text[2 * ECDSA_SECRET_LEN + 1];
        assert_ok(open_text(&wallet, wallets[i], password));
        hex_encode(text, wallet.secret.data, wallet.secret.length);
        assert_string_equal(text, secret_text);
        wallet_cleanup(&wallet);
        assert_fails(E_AUTH, open_text(&wallet, wallets[i], "testpassworD"));
        assert_fails(E_AUTH, open_text(&wallet, wallets[i], "testpassword\n"));
        assert_fails(E_AUTH, open_text(&wallet, wallets[i], ""));
        assert_null(wallet.secret.data);
    }
}

static void there_and_back(void **state)
{
    (void)state;
    struct secret secret = {0};
    assert_ok(ecdsa_generate(&secret));
    struct buffer one = {0}, two = {0};
    assert_ok(wallet_encrypt(&one, secret.data, (const uint8_t *)"p\xc3\xa4\n", 4, 4));
    assert_ok(wallet_encrypt(&two, secret.data, (const uint8_t *)"p\xc3\xa4\n", 4, 4));
    assert_int_equal(one.length, two.length);
    assert_memory_not_equal(one.data, two.data, one.length); /* salt, iv and id are random */
    struct wallet wallet = {0};
    uint8_t pubkey[ECDSA_PUBKEY_LEN];
    assert_ok(ecdsa_public_key(pubkey, secret.data));
    assert_ok(wallet_decrypt(&wallet, (const char *)one.data, one.length, (const uint8_t *)"p\xc3\xa4\n", 4,
                             ENOUGH));
    assert_memory_equal(wallet.secret.data, secret.data, ECDSA_SECRET_LEN);
    assert_memory_equal(wallet.pubkey, pubkey, sizeof pubkey);
    wallet_cleanup(&wallet);
    buffer_cleanup(&one);
    buffer_cleanup(&two);
    assert_fails(E_INPUT, wallet_encrypt(&one, secret.data, NULL, 0, 0));
    assert_fails(E_INPUT, wallet_encrypt(&one, secret.data, NULL, 0, 23));
    secret_cleanup(&secret);
}

static void an_address_that_is_anothers(void **state)
{
    (void)state;
    struct wallet wallet = {0};
    assert_fails(
        E_MISMATCH,
        open_text(&wallet,
                  "{\"address\":\"0x008aeeda4d805471df9b2a5b0f38a0c3bcba786a\",\"crypto\":" PBKDF2_CRYPTO
                  ",\"version\":3}",
                  password));
    assert_fails(
        E_INPUT,
        open_text(&wallet, "{\"address\":\"00\",\"crypto\":" PBKDF2_CRYPTO ",\"version\":3}", password));
}

static const struct {
    const char *what, *from, *to;
} faults[] = {
    {"version", "\"version\":3", "\"version\":4"},
    {"version", "\"version\":3", "\"version\":\"x\""},
    {"crypto", "\"crypto\":", "\"crypt\":"},
    {"cipher", "aes-128-ctr", "aes-256-ctr"},
    {"cipherparams", "\"cipherparams\"", "\"cipher_params\""},
    {"iv", "6087dab2f9fdbbfaddc31a909735c1e6", "6087dab2f9fdbbfaddc31a909735c1"},
    {"ciphertext", "5318b4d5bcd28de6", "5318b4d5bcd28d"},
    {"kdf", "\"pbkdf2\"", "\"argon2\""},
    {"kdfparams", "\"kdfparams\"", "\"kdfparam\""},
    {"kdfparams.c", "262144", "0"},
    {"kdfparams.c", "262144", "8388609"},
    {"kdfparams.dklen", "\"dklen\":32", "\"dklen\":31"},
    {"kdfparams.prf", "hmac-sha256", "hmac-sha512"},
    {"kdfparams.salt", "ae3cd4e7013836a3", "ae3cd4e7013836a"},
    {"mac", "517ead924a9d0dc3", "517ead924a9d0dzz"},
    {"JSON", "\"version\":3}", "\"version\":3}}"},
};

static void replace(char *out, size_t capacity, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    (void)snprintf(out, capacity, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void what_is_no_wallet(void **state)
{
    (void)state;
    struct wallet_file file;
    char text[1024];
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        replace(text, sizeof text, PBKDF2_WALLET, faults[i].from, faults[i].to);
        result r = wallet_file_parse(&file, text, strlen(text), ENOUGH);
        if (r.code != E_INPUT || !strstr(error_text(), faults[i].what))
            fail_msg("%s to %s: %s (%s)", faults[i].from, faults[i].to, error_text(), error_name(r.code));
    }
}

static void work_and_memory_are_bounded(void **state)
{
    (void)state;
    static const char *const params[][2] = {
        {"16384", "16383"},          {"16384", "2147483648"},        {"\"p\":1", "\"p\":4097"},
        {"\"r\":8", "\"r\":0"},      {"\"r\":8", "\"r\":1025"},      {"\"n\":16384", "\"n\":1"},
        {"\"p\":1", "\"p\":\"-1\""}, {"\"n\":16384", "\"m\":16384"}, {"16384,\"r\":8", "65536,\"r\":1"}};
    struct wallet_file file;
    char text[1024];
    assert_ok(wallet_file_parse(&file, SCRYPT_WALLET, strlen(SCRYPT_WALLET), ENOUGH));
    assert_int_equal(file.n, 16384);
    assert_fails(E_INPUT, wallet_file_parse(&file, SCRYPT_WALLET, strlen(SCRYPT_WALLET), (16 << 20) - 1));
    for (size_t i = 0; i < ARRAY_LENGTH(params); i++) {
        replace(text, sizeof text, SCRYPT_WALLET, params[i][0], params[i][1]);
        assert_fails(E_INPUT, wallet_file_parse(&file, text, strlen(text), ENOUGH));
        assert_error_names("kdfparams");
    }
}

/* Short texts are published; those around the borders of a block are pycryptodome's. */
static void keccak(void **state)
{
    (void)state;
    static const struct {
        size_t length;
        const char *hash;
    } cases[] = {{0, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"},
                 {135, "cbdfd9dee5faad3818d6b06f95a219fd290b0e1706f6a82e5a595b9ce9faca62"},
                 {136, "7ce759f1ab7f9ce437719970c26b0a66ff11fe3e38e17df89cf5d29c7d7f807e"},
                 {137, "ac73d4fae68b8453f764007c1a20ce95994187861f0c3227a3a8e99a73a3b1db"},
                 {271, "7c974895b2a88303ff2dc6b58f438ceb0b298cac91099ac0539cc0f477506191"},
                 {272, "fdf2ec49e749960d3c8521a0219af8d03e30e2b3bf19bd16150ee0eaf133d66e"},
                 {300, "a679e749a6af300c36e7ff2255d220864eab27b382f9cfdc5aa4d13563ba36ff"}};
    uint8_t bytes[300], hash[32];
    char text[65];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        for (size_t cut = 0; cut <= cases[i].length; cut += cases[i].length ? cases[i].length : 1) {
            wallet_keccak(hash, bytes, cut, bytes + cut, cases[i].length - cut);
            hex_encode(text, hash, sizeof hash);
            assert_string_equal(text, cases[i].hash);
        }
    }
    wallet_keccak(hash, (const uint8_t *)"a", 1, (const uint8_t *)"bc", 2);
    hex_encode(text, hash, sizeof hash);
    assert_string_equal(text, "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
}

int main(void)
{
    assert_ok(secret_heap_open(1 << 16));
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_wallets),           cmocka_unit_test(there_and_back),
        cmocka_unit_test(an_address_that_is_anothers), cmocka_unit_test(what_is_no_wallet),
        cmocka_unit_test(work_and_memory_are_bounded), cmocka_unit_test(keccak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
