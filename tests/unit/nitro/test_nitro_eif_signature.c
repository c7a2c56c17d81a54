/* test_nitro_eif_signature.c - signing with each curve and back; every flipped bit and every truncation of
 * the section refused. */
#include "testing.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "nitro/nitro_eif_signature.h"

static const uint8_t pcr0[NITRO_EIF_PCR_LEN] = {0x17, 0x18, 0xff, 0};

static EVP_PKEY *new_key(const char *curve)
{
    EVP_PKEY *key = EVP_EC_gen(curve);
    assert_non_null(key);
    return key;
}

static X509 *new_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                                (const unsigned char *)"signer", -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(certificate, X509_get_subject_name(certificate)), 1);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

static void make(struct buffer *out, const char *curve)
{
    EVP_PKEY *key = new_key(curve);
    X509 *certificate = new_certificate(key);
    assert_ok(nitro_eif_signature_make(out, pcr0, certificate, key));
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static result verify(const uint8_t *bytes, size_t bytes_len)
{
    X509 *certificate = NULL;
    struct nitro_eif_part part = {bytes, bytes_len};
    result r = nitro_eif_signature_verify(&certificate, &part, pcr0);
    X509_free(certificate);
    return r;
}

static void test_each_curve(void **state)
{
    (void)state;
    static const char *const curves[] = {"P-256", "P-384", "P-521"};
    for (size_t i = 0; i < ARRAY_LENGTH(curves); i++) {
        AUTO(buffer) section = {0};
        uint8_t other[NITRO_EIF_PCR_LEN] = {1};
        X509 *certificate = NULL;
        make(&section, curves[i]);
        assert_ok(verify(section.data, section.length));
        struct nitro_eif_part part = {section.data, section.length};
        assert_fails(E_AUTH, nitro_eif_signature_verify(&certificate, &part, other));
    }
}

static void test_other_keys_are_refused(void **state)
{
    (void)state;
    AUTO(buffer) section = {0};
    EVP_PKEY *key = new_key("P-384"), *other = new_key("P-384"), *koblitz = new_key("secp256k1"),
             *rsa = EVP_RSA_gen(2048);
    X509 *certificate = new_certificate(key), *of_koblitz = new_certificate(koblitz),
         *of_rsa = new_certificate(rsa);
    assert_fails(E_MISMATCH, nitro_eif_signature_make(&section, pcr0, certificate, other));
    assert_fails(E_UNSUPPORTED, nitro_eif_signature_make(&section, pcr0, of_koblitz, koblitz));
    assert_fails(E_UNSUPPORTED, nitro_eif_signature_make(&section, pcr0, of_rsa, rsa));
    assert_int_equal(section.length, 0);
    X509_free(certificate);
    X509_free(of_koblitz);
    X509_free(of_rsa);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    EVP_PKEY_free(koblitz);
    EVP_PKEY_free(rsa);
}

/* A certificate has bits that no signature of ours covers, such as its own signature's; those are in PCR8.
 * What leaves PCR8 as it was is white space and the like around the base64. */
static void test_flipped_bits(void **state)
{
    (void)state;
    AUTO(buffer) section = {0};
    uint8_t before[NITRO_EIF_PCR_LEN], after[NITRO_EIF_PCR_LEN];
    X509 *certificate = NULL;
    size_t others = 0;
    make(&section, "P-256");
    struct nitro_eif_part part = {section.data, section.length};
    assert_ok(nitro_eif_signature_verify(&certificate, &part, pcr0));
    assert_ok(nitro_eif_certificate_measure(before, certificate));
    X509_free(certificate);
    /* From the second list on, no bit is free. */
    const uint8_t *second = memmem(section.data, section.length, "isignature", 10);
    assert_non_null(second);
    for (size_t at = 0; at < section.length; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            section.data[at] ^= (uint8_t)(1U << bit);
            certificate = NULL;
            result r = nitro_eif_signature_verify(&certificate, &part, pcr0);
            assert_true(r.code != 0 || section.data + at < second);
            if (!r.code)
                assert_ok(nitro_eif_certificate_measure(after, certificate));
            if (!r.code && memcmp(before, after, sizeof before) != 0)
                others++;
            X509_free(certificate);
            section.data[at] ^= (uint8_t)(1U << bit);
        }
    }
    assert_true(others > 0);
    assert_ok(verify(section.data, section.length));
}

static void test_truncations_and_more_bytes(void **state)
{
    (void)state;
    AUTO(buffer) section = {0};
    make(&section, "P-256");
    for (size_t cut = 0; cut < section.length; cut++) {
        uint8_t *bytes = malloc(cut ? cut : 1);
        memcpy(bytes, section.data, cut);
        assert_fails(E_INPUT, verify(bytes, cut));
        free(bytes);
    }
    assert_ok(buffer_append(&section, "", 1));
    assert_fails(E_INPUT, verify(section.data, section.length));
}

static void test_certificates_too_long(void **state)
{
    (void)state;
    static uint8_t pem[15001];
    X509 *certificate = NULL;
    assert_fails(E_TOO_LARGE, nitro_eif_certificate_read(&certificate, pem, sizeof pem));
    assert_fails(E_INPUT, nitro_eif_certificate_read(&certificate, pem, sizeof pem - 1));
    assert_null(certificate);
}

static void test_other_frames(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        int code;
    } frames[] = {
        {"\x80", 1, E_UNSUPPORTED},                                            /* no signature */
        {"\x82", 1, E_UNSUPPORTED},                                            /* two */
        {"\xd2\x81", 2, E_INPUT},                                              /* a tag */
        {"\x9f", 1, E_INPUT},                                                  /* open-ended */
        {"\x98\x01\xa2", 3, E_INPUT},                                          /* 1 in two bytes */
        {"\x81\xa1", 2, E_INPUT},                                              /* one member */
        {"\x81\xa2\x69signature", 12, E_INPUT},                                /* the other first */
        {"\x81\xa2\x73signing_certificate\x99\xff\xff", 25, E_INPUT},          /* longer than there is */
        {"\x81\xa2\x73signing_certificate\x9b\0\0\0\0\0\0\0\0", 31, E_INPUT},  /* a length of 8 bytes */
        {"\x81\xa2\x73signing_certificate\x81\x19\x01\0", 26, E_INPUT},        /* 256 is no byte */
        {"\x81\xa2\x73signing_certificate\x81\x18\x17", 25, E_INPUT},          /* 23 in two bytes */
        {"\x81\xa2\x73signing_certificate\x41\x18", 24, E_INPUT},              /* a byte string */
        {"\x81\xa2\x73signing_certificate\x80\x69signature\x80", 34, E_INPUT}, /* both empty */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(frames); i++) {
        uint8_t *bytes = malloc(frames[i].length);
        memcpy(bytes, frames[i].bytes, frames[i].length);
        assert_fails(frames[i].code, verify(bytes, frames[i].length));
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_curve),   cmocka_unit_test(test_other_keys_are_refused),
        cmocka_unit_test(test_flipped_bits), cmocka_unit_test(test_truncations_and_more_bytes),
        cmocka_unit_test(test_other_frames), cmocka_unit_test(test_certificates_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
