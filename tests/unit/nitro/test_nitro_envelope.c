/* test_nitro_envelope.c - KMS envelopes: real ones from AWS, LocalStack's shape, our own, and
 * everything between them that must be refused. */
#include "testing.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "base/file_io.h"
#include "nitro/nitro_envelope.h"

#define EDGEBIT "nitro/edgebitio_nitro-enclaves-sdk-go/"

static EVP_PKEY *aws_key;   /* opens the real envelope */
static EVP_PKEY *other_key; /* opens nothing */
static struct buffer aws_envelope, aws_plaintext, aws_spki;

static void read_vector(struct buffer *out, const char *name)
{
    char path[512];
    vector_path(path, sizeof path, name);
    assert_ok(file_read(out, path, 65536));
}

static int set_up(void **state)
{
    (void)state;
    AUTO(buffer) pem = {0};
    read_vector(&pem, EDGEBIT "recipient_key_rsa2048.pem");
    read_vector(&aws_envelope, EDGEBIT "kms_ciphertext_for_recipient.ber");
    read_vector(&aws_plaintext, EDGEBIT "plaintext.bin");
    read_vector(&aws_spki, EDGEBIT "recipient_spki.der");
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
    aws_key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    other_key = EVP_RSA_gen(2048);
    return aws_key && other_key ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(aws_key);
    EVP_PKEY_free(other_key);
    buffer_cleanup(&aws_envelope);
    buffer_cleanup(&aws_plaintext);
    buffer_cleanup(&aws_spki);
    return 0;
}

static void assert_opens_to(const struct buffer *envelope, EVP_PKEY *key, const uint8_t *expected,
                            size_t expected_len)
{
    AUTO(secret) plaintext = {0};
    assert_ok(envelope_open(&plaintext, key, envelope->data, envelope->length));
    assert_int_equal(plaintext.length, expected_len);
    if (expected_len)
        assert_memory_equal(plaintext.data, expected, expected_len);
}

static void opens_the_real_envelope(void **state)
{
    (void)state;
    assert_opens_to(&aws_envelope, aws_key, aws_plaintext.data, aws_plaintext.length);
}

static void opens_localstack_shapes(void **state)
{
    (void)state;
    static const char *const names[] = {"localstack_layout_null_params.der", "localstack_layout_no_null.der"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char name[128];
        (void)snprintf(name, sizeof name, "nitro/SYNTHETIC/%s", names[i]);
        AUTO(buffer) envelope = {0};
        read_vector(&envelope, name);
        assert_opens_to(&envelope, aws_key, aws_plaintext.data, aws_plaintext.length);
        AUTO(secret) plaintext = {0};
        assert_fails(E_AUTH, envelope_open(&plaintext, other_key, envelope.data, envelope.length));
        assert_error_names("does not open");
        assert_null(plaintext.data);
    }
}

/* Nobody published the keys of these; that they are refused for the key, and for nothing earlier, shows that
 * they parse: both content forms and the version with an encryption context. */
static void reads_the_other_real_envelopes(void **state)
{
    (void)state;
    static const char *const names[] = {
        "nitro/RustCrypto_formats/kms_ciphertext_for_recipient_1.ber",
        "nitro/RustCrypto_formats/kms_ciphertext_for_recipient_2.ber",
        "nitro/RustCrypto_formats/kms_ciphertext_for_recipient_3.ber",
        "nitro/aws_aws-nitro-enclaves-sdk-c/input_ber.bin",
        "nitro/aws_aws-nitro-enclaves-sdk-c/input_ber_w_ctx.bin",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        AUTO(buffer) envelope = {0};
        AUTO(secret) plaintext = {0};
        read_vector(&envelope, names[i]);
        assert_fails(E_AUTH, envelope_open(&plaintext, aws_key, envelope.data, envelope.length));
        assert_error_names("another key");
    }
}

static void refuses_another_key(void **state)
{
    (void)state;
    AUTO(secret) plaintext = {0};
    assert_fails(E_AUTH, envelope_open(&plaintext, other_key, aws_envelope.data, aws_envelope.length));
    assert_error_names("another key");
    EVP_PKEY *elliptic = EVP_EC_gen("P-256");
    assert_fails(E_INPUT, envelope_open(&plaintext, elliptic, aws_envelope.data, aws_envelope.length));
    EVP_PKEY_free(elliptic);
}

static void refuses_every_truncation_and_a_tail(void **state)
{
    (void)state;
    for (size_t length = 0; length < aws_envelope.length; length++) {
        /* A copy of exactly this size, so that a read past it is seen by the sanitizer. */
        uint8_t *copy = malloc(length ? length : 1);
        assert_non_null(copy);
        memcpy(copy, aws_envelope.data, length);
        AUTO(secret) plaintext = {0};
        if (envelope_open(&plaintext, aws_key, copy, length).code == E_NONE)
            fail_msg("%zu bytes of %zu were accepted", length, aws_envelope.length);
        free(copy);
    }
    AUTO(buffer) longer = {0};
    AUTO(secret) plaintext = {0};
    assert_ok(buffer_append(&longer, aws_envelope.data, aws_envelope.length));
    assert_ok(buffer_append(&longer, "", 1));
    assert_fails(E_INPUT, envelope_open(&plaintext, aws_key, longer.data, longer.length));
}

/* The format protects nothing but the content key: a changed byte of the initialisation vector or the content
 * may decrypt to something else, and a few header bytes mean nothing (version numbers). Anywhere else a
 * changed byte must be refused, and the true plaintext must never come out with a changed key or identifier.
 */
static void survives_every_bit_flip(void **state)
{
    (void)state;
    enum { KEY_ID_AT = 33, ENCRYPTED_KEY_END = 387, IV_AT = 415 };
    for (size_t i = 0; i < aws_envelope.length; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            AUTO(buffer) changed = {0};
            AUTO(secret) plaintext = {0};
            assert_ok(buffer_append(&changed, aws_envelope.data, aws_envelope.length));
            changed.data[i] ^= (uint8_t)(1u << bit);
            result r = envelope_open(&plaintext, aws_key, changed.data, changed.length);
            if (i >= KEY_ID_AT && i < ENCRYPTED_KEY_END)
                assert_true(r.code == E_AUTH || r.code == E_UNSUPPORTED || r.code == E_INPUT);
            if (r.code == E_NONE && i >= IV_AT && i < IV_AT + 16)
                assert_memory_not_equal(plaintext.data, aws_plaintext.data, aws_plaintext.length);
        }
    }
}

/* Byte offsets of the real envelope, see facts of the layout: OAEP's hash, MGF1's hash, the cipher. */
static void refuses_other_algorithms(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
        const char *names;
    } cases[] = {
        {77, 0x01, "OAEP"},       /* rsaEncryption: PKCS#1 v1.5 */
        {94, 0x02, "OAEP"},       /* OAEP hash SHA-384 */
        {124, 0x02, "OAEP"},      /* MGF1 hash SHA-384 */
        {412, 0x16, "AES-256"},   /* AES-192-CBC */
        {412, 0x2b, "encryption"} /* AES-256-OFB */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(buffer) changed = {0};
        AUTO(secret) plaintext = {0};
        assert_ok(buffer_append(&changed, aws_envelope.data, aws_envelope.length));
        changed.data[cases[i].offset] = cases[i].value;
        assert_fails(E_UNSUPPORTED, envelope_open(&plaintext, aws_key, changed.data, changed.length));
        assert_error_names(cases[i].names);
    }
}

/* The last block is padding of 16 bytes; a changed byte of the block before it makes that 17. */
static void refuses_wrong_padding(void **state)
{
    (void)state;
    enum { CONTENT_AT = 435, BLOCK = 16 };
    AUTO(buffer) changed = {0};
    AUTO(secret) plaintext = {0};
    assert_ok(buffer_append(&changed, aws_envelope.data, aws_envelope.length));
    changed.data[CONTENT_AT + 2 * BLOCK - 1] ^= 1;
    assert_fails(E_AUTH, envelope_open(&plaintext, aws_key, changed.data, changed.length));
    assert_error_names("does not decrypt");
    assert_null(plaintext.data);
}

static void seals_what_it_opens(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 15, 16, 17, 32, 111, 112, 500, 983, 984, 999, 1000, 2000, 4096};
    static uint8_t text[4096];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7 + 1);
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        AUTO(buffer) envelope = {0};
        assert_ok(envelope_seal(&envelope, aws_spki.data, aws_spki.length, text, lengths[i]));
        assert_opens_to(&envelope, aws_key, text, lengths[i]);
    }
    AUTO(buffer) none = {0};
    static uint8_t huge[ENVELOPE_MAX];
    assert_fails(E_TOO_LARGE, envelope_seal(&none, aws_spki.data, aws_spki.length, huge, sizeof huge));
    assert_fails(E_TOO_LARGE, envelope_seal(&none, aws_spki.data, aws_spki.length, huge, sizeof huge - 400));
    assert_int_equal(none.length, 0);
}

/* Same length and, outside the three random fields, the same bytes as the real one. */
static void seals_in_exactly_the_layout_of_kms(void **state)
{
    (void)state;
    AUTO(buffer) ours = {0};
    assert_ok(envelope_seal(&ours, aws_spki.data, aws_spki.length, aws_plaintext.data, aws_plaintext.length));
    assert_int_equal(ours.length, aws_envelope.length);
    memcpy(ours.data + 131, aws_envelope.data + 131, 256); /* encrypted key */
    memcpy(ours.data + 415, aws_envelope.data + 415, 16);  /* initialisation vector */
    memcpy(ours.data + 435, aws_envelope.data + 435, 48);  /* content */
    assert_memory_equal(ours.data, aws_envelope.data, aws_envelope.length);
}

static void seals_for_larger_keys(void **state)
{
    (void)state;
    static const unsigned bits[] = {3072, 4096};
    for (size_t i = 0; i < ARRAY_LENGTH(bits); i++) {
        EVP_PKEY *key = EVP_RSA_gen(bits[i]);
        assert_non_null(key);
        uint8_t *spki = NULL;
        int spki_len = i2d_PUBKEY(key, &spki);
        AUTO(buffer) envelope = {0};
        assert_ok(envelope_seal(&envelope, spki, (size_t)spki_len, (const uint8_t *)"text", 4));
        assert_opens_to(&envelope, key, (const uint8_t *)"text", 4);
        OPENSSL_free(spki);
        EVP_PKEY_free(key);
    }
}

static void refuses_bad_recipient_keys(void **state)
{
    (void)state;
    AUTO(buffer) out = {0};
    EVP_PKEY *small = EVP_RSA_gen(1024), *elliptic = EVP_EC_gen("P-384");
    uint8_t *small_spki = NULL, *elliptic_spki = NULL;
    int small_len = i2d_PUBKEY(small, &small_spki), elliptic_len = i2d_PUBKEY(elliptic, &elliptic_spki);
    assert_fails(E_UNSUPPORTED, envelope_seal(&out, small_spki, (size_t)small_len, (const uint8_t *)"", 0));
    assert_fails(E_UNSUPPORTED,
                 envelope_seal(&out, elliptic_spki, (size_t)elliptic_len, (const uint8_t *)"", 0));
    assert_fails(E_INPUT, envelope_seal(&out, aws_spki.data, aws_spki.length - 1, (const uint8_t *)"", 0));
    assert_fails(E_INPUT,
                 envelope_seal(&out, (const uint8_t *)"raw 19 byte key ...", 19, (const uint8_t *)"", 0));
    AUTO(buffer) longer = {0};
    assert_ok(buffer_append(&longer, aws_spki.data, aws_spki.length));
    assert_ok(buffer_append(&longer, "", 1));
    assert_fails(E_INPUT, envelope_seal(&out, longer.data, longer.length, (const uint8_t *)"", 0));
    OPENSSL_free(small_spki);
    OPENSSL_free(elliptic_spki);
    EVP_PKEY_free(small);
    EVP_PKEY_free(elliptic);
}

/* A public key with a modulus of that many bits, of which nobody knows the factors. */
static EVP_PKEY *large_key(int bits)
{
    EVP_PKEY *key = NULL;
    BIGNUM *modulus = BN_new(), *exponent = BN_new();
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_int_equal(BN_rand(modulus, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
    assert_int_equal(BN_set_word(exponent, 65537), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent), 1);
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters), 1);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

static void refuses_lengths_beyond_its_limits(void **state)
{
    (void)state;
    static const uint8_t zeros[ENVELOPE_MAX + 1];
    AUTO(buffer) out = {0};
    AUTO(secret) plaintext = {0};
    static const size_t lengths[] = {0, ENVELOPE_MAX + 1};
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        assert_fails(E_INPUT, envelope_open(&plaintext, aws_key, zeros, lengths[i]));
        assert_error_names("must be 1 to");
    }
    assert_fails(E_INPUT, envelope_seal(&out, aws_spki.data, 0, zeros, 4));
    assert_error_names("must be 1 to 1024");
    assert_fails(E_INPUT, envelope_seal(&out, zeros, 1025, zeros, 4));
    assert_error_names("must be 1 to 1024");
    EVP_PKEY *largest = large_key(4096), *larger = large_key(4104);
    uint8_t *largest_spki = NULL, *larger_spki = NULL;
    int largest_len = i2d_PUBKEY(largest, &largest_spki), larger_len = i2d_PUBKEY(larger, &larger_spki);
    assert_fails(E_UNSUPPORTED, envelope_seal(&out, larger_spki, (size_t)larger_len, zeros, 4));
    assert_error_names("RSA-2048 to 4096");
    assert_int_equal(out.length, 0);
    assert_null(plaintext.data);
    assert_ok(envelope_seal(&out, largest_spki, (size_t)largest_len, zeros, 4));
    OPENSSL_free(largest_spki);
    OPENSSL_free(larger_spki);
    EVP_PKEY_free(largest);
    EVP_PKEY_free(larger);
}

/* An independent reader: the openssl command line. */
static void the_openssl_tool_opens_ours(void **state)
{
    (void)state;
    char key_path[512], envelope_path[] = "/tmp/test_nitro_envelope.XXXXXX", command[1200];
    vector_path(key_path, sizeof key_path, EDGEBIT "recipient_key_rsa2048.pem");
    int fd = mkstemp(envelope_path);
    assert_true(fd >= 0);
    AUTO(buffer) envelope = {0};
    assert_ok(
        envelope_seal(&envelope, aws_spki.data, aws_spki.length, (const uint8_t *)"seen by a stranger", 18));
    assert_ok(file_write_full(fd, envelope.data, envelope.length));
    (void)close(fd);
    (void)snprintf(command, sizeof command, "openssl cms -decrypt -inform DER -in %s -inkey %s",
                   envelope_path, key_path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char text[64] = {0};
    assert_int_equal(fread(text, 1, sizeof text - 1, pipe), 18);
    assert_int_equal(pclose(pipe), 0);
    (void)unlink(envelope_path);
    assert_string_equal(text, "seen by a stranger");
}

int main(void)
{
    if (secret_heap_open(131072).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_the_real_envelope),
        cmocka_unit_test(opens_localstack_shapes),
        cmocka_unit_test(reads_the_other_real_envelopes),
        cmocka_unit_test(refuses_another_key),
        cmocka_unit_test(refuses_every_truncation_and_a_tail),
        cmocka_unit_test(survives_every_bit_flip),
        cmocka_unit_test(refuses_other_algorithms),
        cmocka_unit_test(refuses_wrong_padding),
        cmocka_unit_test(seals_what_it_opens),
        cmocka_unit_test(seals_in_exactly_the_layout_of_kms),
        cmocka_unit_test(seals_for_larger_keys),
        cmocka_unit_test(refuses_bad_recipient_keys),
        cmocka_unit_test(refuses_lengths_beyond_its_limits),
        cmocka_unit_test(the_openssl_tool_opens_ours),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
