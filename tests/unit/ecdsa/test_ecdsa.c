/* test_ecdsa.c - known nonces of RFC 6979 on secp256k1, OpenSSL as a second opinion, keys that are none. */
#include "testing.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/hex.h"
#include "ecdsa/ecdsa.h"

static const uint8_t one[32] = {[31] = 1};

static void known_signatures(void **state)
{
    (void)state;
    /* Widely published, among others in the tests of Bitcoin's wallets. */
    static const struct {
        const char *message, *signature;
    } cases[] = {{"Satoshi Nakamoto", "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
                                      "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"},
                 {"All those moments will be lost in time, like tears in rain. Time to die...",
                  "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b"
                  "547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21"}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint8_t signature[ECDSA_SIGNATURE_LEN];
        char text[2 * ECDSA_SIGNATURE_LEN + 1];
        assert_ok(ecdsa_sign(signature, one, (const uint8_t *)cases[i].message, strlen(cases[i].message)));
        hex_encode(text, signature, sizeof signature);
        assert_string_equal(text, cases[i].signature);
    }
}

static void public_keys(void **state)
{
    (void)state;
    static const uint8_t secret[32] = {0x8f, 0x2a, 0x55, 0x94, 0x90, 0x38, 0xa9, 0x61, 0x0f, 0x50, 0xfb,
                                       0x23, 0xb5, 0x88, 0x3a, 0xf3, 0xb4, 0xec, 0xb3, 0xc3, 0xbb, 0x79,
                                       0x2c, 0xbc, 0xef, 0xbd, 0x15, 0x42, 0xc6, 0x92, 0xbe, 0x63};
    uint8_t pubkey[ECDSA_PUBKEY_LEN], point[ECDSA_POINT_LEN];
    char text[2 * ECDSA_POINT_LEN + 1];
    assert_ok(ecdsa_public_key(pubkey, secret));
    hex_encode(text, pubkey, sizeof pubkey);
    /* The proxy of Web3Signer's and Commit-Boost's own tests. */
    assert_string_equal(text, "0209b02f8a5fddd222ade4ea4528faefc399623af3f736be3c44f03e2df22fb792");
    assert_ok(ecdsa_public_point(point, one));
    hex_encode(text, point, sizeof point);
    assert_string_equal(text, "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
                              "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8");
}

/* Asked of OpenSSL. */
static bool verifies(const uint8_t *pubkey, const uint8_t *signature, const uint8_t *message, size_t length)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    assert_true(OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "secp256k1", 0));
    assert_true(OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, pubkey, ECDSA_PUBKEY_LEN));
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    ECDSA_SIG *both = ECDSA_SIG_new();
    assert_true(ECDSA_SIG_set0(both, BN_bin2bn(signature, 32, NULL), BN_bin2bn(signature + 32, 32, NULL)));
    uint8_t *der = NULL;
    int der_len = i2d_ECDSA_SIG(both, &der);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(digest, NULL, EVP_sha256(), NULL, key), 1);
    bool good = EVP_DigestVerify(digest, der, (size_t)der_len, message, length) == 1;
    EVP_MD_CTX_free(digest);
    OPENSSL_free(der);
    ECDSA_SIG_free(both);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    return good;
}

static void openssl_verifies_what_new_keys_sign(void **state)
{
    (void)state;
    uint8_t message[100] = {0}, before[32] = {0};
    for (uint8_t i = 0; i < 50; i++) {
        struct secret secret = {0};
        uint8_t pubkey[ECDSA_PUBKEY_LEN], signature[ECDSA_SIGNATURE_LEN], again[ECDSA_SIGNATURE_LEN];
        assert_ok(ecdsa_generate(&secret));
        assert_int_equal(secret.length, ECDSA_SECRET_LEN);
        assert_memory_not_equal(secret.data, before, sizeof before);
        memcpy(before, secret.data, sizeof before);
        assert_ok(ecdsa_public_key(pubkey, secret.data));
        message[i] = i;
        assert_ok(ecdsa_sign(signature, secret.data, message, i));
        assert_ok(ecdsa_sign(again, secret.data, message, i));
        assert_memory_equal(signature, again, sizeof signature);
        assert_true(signature[32] < 0x80);
        assert_true(verifies(pubkey, signature, message, i));
        message[99] ^= 1;
        assert_false(verifies(pubkey, signature, message, sizeof message));
        secret_cleanup(&secret);
    }
}

static void what_is_no_secret_key(void **state)
{
    (void)state;
    uint8_t order[32], zero[32] = {0}, out[ECDSA_SIGNATURE_LEN];
    static const uint8_t untouched[ECDSA_PUBKEY_LEN];
    const char *text = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    assert_ok(hex_decode(order, sizeof order, text, strlen(text)));
    const uint8_t *const none[] = {zero, order};
    for (size_t i = 0; i < ARRAY_LENGTH(none); i++) {
        memset(out, 0, sizeof out);
        assert_fails(E_INPUT, ecdsa_public_key(out, none[i]));
        assert_memory_equal(out, untouched, sizeof untouched);
        assert_fails(E_INPUT, ecdsa_public_point(out, none[i]));
        memset(out, 0xff, sizeof out);
        assert_fails(E_INPUT, ecdsa_sign(out, none[i], one, sizeof one));
        assert_memory_equal(out, untouched, sizeof untouched);
    }
    order[31]--;
    assert_ok(ecdsa_public_key(out, order));
}

int main(void)
{
    assert_ok(secret_heap_open(1 << 16));
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_signatures),
        cmocka_unit_test(public_keys),
        cmocka_unit_test(openssl_verifies_what_new_keys_sign),
        cmocka_unit_test(what_is_no_secret_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
