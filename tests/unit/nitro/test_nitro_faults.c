/* test_nitro_faults.c - every call that this room makes of libraries, and of buffers, fails in turn: nothing
 * is accepted, opened, sealed or measured that is not whole, and on a refusal the outputs are as they were.
 */
#include "testing.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "base/file_io.h"
#include "faults.h"
#include "nitro/nitro_attestation.h"
#include "nitro/nitro_cpio.h"
#include "nitro/nitro_eif_signature.h"
#include "nitro/nitro_envelope.h"
#include "nitro/nitro_sealed.h"

#define EDGEBIT "nitro/edgebitio_nitro-enclaves-sdk-go/"
#define SYNTHETIC_TIME UINT64_C(1767225600000)

/* What some functions give when they fail. By the second value they claim to have done what they have not. */
static long nothing_done, ecdsa_length = -1, algorithms_given, cms_content;
#include "nitro_faults.def"

static const uint8_t untouched[256] = {0x5a, 0x5a, 0x5a};

static void read_vector(struct buffer *out, const char *name)
{
    char path[512];
    vector_path(path, sizeof path, name);
    assert_ok(file_read(out, path, 65536));
}

static EVP_PKEY *read_private_key(const char *name)
{
    AUTO(buffer) pem = {0};
    read_vector(&pem, name);
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(key);
    return key;
}

/* ---- envelopes ---- */

static void open_with_faults(EVP_PKEY *key, const struct buffer *envelope)
{
    for (struct faults f = {0}; faults_again(&f);) {
        AUTO(secret) plaintext = {0};
        faults_begin(&f);
        result r = envelope_open(&plaintext, key, envelope->data, envelope->length);
        faults_end(&f);
        /* The type of the content may be read past without harm; a cipher's status is all that ends a
         * content. */
        assert_fault(&f, r);
        assert_true(!r.code == (plaintext.data != NULL));
    }
}

static void an_envelope_opens_whole_or_not(void **state)
{
    (void)state;
    AUTO(buffer) envelope = {0};
    EVP_PKEY *key = read_private_key(EDGEBIT "recipient_key_rsa2048.pem");
    read_vector(&envelope, EDGEBIT "kms_ciphertext_for_recipient.ber");
    open_with_faults(key, &envelope);
    ASN1_OCTET_STRING *no_content = NULL, *empty_content = ASN1_OCTET_STRING_new();
    cms_content = (long)(uintptr_t)&no_content;
    algorithms_given = 1;
    open_with_faults(key, &envelope);
    cms_content = (long)(uintptr_t)&empty_content;
    open_with_faults(key, &envelope);
    ASN1_OCTET_STRING_free(empty_content);
    cms_content = algorithms_given = 0;
    EVP_PKEY_free(key);
}

static void an_envelope_is_sealed_whole_or_not(void **state)
{
    (void)state;
    AUTO(buffer) spki = {0};
    read_vector(&spki, EDGEBIT "recipient_spki.der");
    for (struct faults f = {0}; faults_again(&f);) {
        AUTO(buffer) out = {0};
        faults_begin(&f);
        result r = envelope_seal(&out, spki.data, spki.length, (const uint8_t *)"text", 4);
        faults_end(&f);
        assert_fault(&f, r);
        assert_true(!r.code == (out.length > 0));
    }
}

/* ---- keys under a data key ---- */

static result seal_and_open(uint8_t ret_blob[static NITRO_SEALED_LEN], uint8_t ret_opened[static 32],
                            const struct secret *data_key)
{
    static const uint8_t pubkey[NITRO_SEALED_PUBKEY_LEN] = {1}, secret[NITRO_SEALED_SECRET_LEN] = {2};
    AUTO(nitro_sealed) sealer = {0};
    AUTO(nitro_sealed) opener = {0};
    TRY(nitro_sealed_begin(&sealer, data_key, "uuid", true));
    TRY(nitro_sealed_seal(&sealer, ret_blob, secret, pubkey));
    TRY(nitro_sealed_begin(&opener, data_key, "uuid", false));
    return nitro_sealed_open(&opener, ret_opened, ret_blob);
}

static void a_key_is_sealed_and_opened_whole_or_not(void **state)
{
    (void)state;
    AUTO(secret) data_key = {0};
    assert_ok(secret_new(&data_key, NITRO_SEALED_DATA_KEY_LEN));
    unsigned num_sealed = 0;
    for (nothing_done = 0; nothing_done < 2; nothing_done++) {
        for (struct faults f = {0}; faults_again(&f);) {
            uint8_t blob[NITRO_SEALED_LEN] = {0}, opened[32] = {0};
            faults_begin(&f);
            result r = seal_and_open(blob, opened, &data_key);
            faults_end(&f);
            if (nothing_done == 0 || !f.function || strcmp(f.function, "EVP_CipherUpdate") != 0)
                assert_fault(&f, r);
            /* What is authenticated beside the key may be left out only by both ends at once: then opening
             * fails. */
            assert_true(!r.code || !f.function || error_text()[0]);
            assert_int_equal(opened[0], r.code ? 0 : 2);
            num_sealed += blob[0] == 1;
        }
    }
    nothing_done = 0;
    assert_true(num_sealed > 2);
}

/* ---- attestation ---- */

static void a_document_is_believed_whole_or_not(void **state)
{
    (void)state;
    static struct attestation claims;
    AUTO(buffer) document = {0};
    AUTO(buffer) pem = {0};
    uint8_t *root = NULL;
    read_vector(&document, "nitro/SYNTHETIC/attdoc_valid.bin");
    read_vector(&pem, "nitro/SYNTHETIC/synthetic_root.pem");
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    int root_len = i2d_X509(certificate, &root);
    assert_true(root_len > 0);
    for (ecdsa_length = -1; ecdsa_length < 2000; ecdsa_length += 1000) {
        for (struct faults f = {0}; faults_again(&f);) {
            memcpy(&claims, untouched, sizeof untouched);
            faults_begin(&f);
            result r = attestation_verify(&claims, document.data, document.length, root, (size_t)root_len,
                                          SYNTHETIC_TIME);
            faults_end(&f);
            /* Without issuers to look at there would be none that may not issue: the chain was verified
             * before. */
            if (!f.function || strcmp(f.function, "OPENSSL_sk_num") != 0)
                assert_fault(&f, r);
            if (r.code)
                assert_memory_equal(&claims, untouched, sizeof untouched);
        }
    }
    ecdsa_length = -1;
    X509_free(certificate);
    BIO_free(bio);
    OPENSSL_free(root);
}

/* ---- images ---- */

static X509 *certificate_of(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

static void a_signature_of_an_image_is_made_and_believed_whole_or_not(void **state)
{
    (void)state;
    static const uint8_t pcr0[NITRO_EIF_PCR_LEN] = {1};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificate_of(key);
    AUTO(buffer) section = {0};
    for (struct faults f = {0}; faults_again(&f);) {
        AUTO(buffer) out = {0};
        faults_begin(&f);
        result r = nitro_eif_signature_make(&out, pcr0, certificate, key);
        faults_end(&f);
        /* BIO_ctrl only says where the text is: without it the certificate is missing, and what is made is
         * not believed below. */
        if (!f.function || strcmp(f.function, "BIO_ctrl") != 0)
            assert_fault(&f, r);
        assert_true(!r.code || out.length == 0);
        if (!f.function && section.length == 0)
            assert_ok(buffer_append(&section, out.data, out.length));
    }
    struct nitro_eif_part part = {section.data, section.length};
    for (struct faults f = {0}; faults_again(&f);) {
        X509 *found = NULL;
        faults_begin(&f);
        result r = nitro_eif_signature_verify(&found, &part, pcr0);
        faults_end(&f);
        assert_fault(&f, r);
        assert_true(!r.code == (found != NULL));
        X509_free(found);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void an_image_is_written_and_measured_whole_or_not(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "a section";
    const struct nitro_eif_part part = {bytes, sizeof bytes - 1};
    const struct nitro_eif eif = {.kernel = part,
                                  .cmdline = part,
                                  .metadata = part,
                                  .ramdisks = {part, part},
                                  .num_ramdisks = 2,
                                  .signature = part};
    for (struct faults f = {0}; faults_again(&f);) {
        struct nitro_eif_measurements m;
        memcpy(&m, untouched, sizeof m);
        faults_begin(&f);
        result r = nitro_eif_measure(&m, &eif);
        faults_end(&f);
        assert_fault(&f, r);
        assert_true(!r.code || memcmp(&m, untouched, sizeof m) == 0);
    }
    AUTO(buffer) whole = {0};
    assert_ok(nitro_eif_write(&whole, &eif));
    for (struct faults f = {0}; faults_again(&f);) {
        AUTO(buffer) out = {0};
        struct nitro_eif again = {.num_ramdisks = 77};
        faults_begin(&f);
        result r = nitro_eif_write(&out, &eif);
        faults_end(&f);
        assert_fault(&f, r);
        assert_true(!r.code == (out.length == whole.length));
        if (r.code) /* what there is of it is no image */
            assert_int_not_equal(nitro_eif_read(&again, out.data, out.length).code, E_NONE);
        if (r.code)
            assert_int_equal(again.num_ramdisks, 77);
    }
    for (struct faults f = {0}; faults_again(&f);) {
        struct nitro_eif again = {.num_ramdisks = 77};
        faults_begin(&f);
        result r = nitro_eif_read(&again, whole.data, whole.length);
        faults_end(&f);
        assert_fault(&f, r);
        assert_int_equal(again.num_ramdisks, r.code ? 77 : 2);
    }
}

static void a_certificate_is_measured_or_not(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = certificate_of(key);
    for (struct faults f = {0}; faults_again(&f);) {
        uint8_t pcr8[NITRO_EIF_PCR_LEN];
        memcpy(pcr8, untouched, sizeof pcr8);
        faults_begin(&f);
        result r = nitro_eif_certificate_measure(pcr8, certificate);
        faults_end(&f);
        assert_fault(&f, r);
        assert_true(!r.code == (memcmp(pcr8, untouched, sizeof pcr8) != 0));
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static result make_ramdisk(struct buffer *out, const char *folder)
{
    static const char text[] =
        NITRO_CPIO_MANIFEST_HEAD "file 0755 init source\nsymlink l t\ndirectory 0755 d\n";
    AUTO(nitro_cpio_manifest) manifest = {0};
    TRY(nitro_cpio_manifest_read(&manifest, text, sizeof text - 1));
    return nitro_cpio_write(out, &manifest, folder);
}

static void a_ramdisk_is_written_whole_or_not(void **state)
{
    (void)state;
    char folder[] = "/tmp/ns-faults-XXXXXX", path[64];
    AUTO(buffer) whole = {0};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/source", folder);
    assert_ok(file_write(path, "hello", 5, 0600));
    assert_ok(make_ramdisk(&whole, folder));
    for (struct faults f = {0}; faults_again(&f);) {
        AUTO(buffer) out = {0};
        faults_begin(&f);
        result r = make_ramdisk(&out, folder);
        faults_end(&f);
        assert_fault(&f, r);
        if (!r.code)
            assert_memory_equal(out.data, whole.data, whole.length);
        assert_true(r.code ? out.length < whole.length : out.length == whole.length);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    if (secret_heap_open(131072).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_opens_whole_or_not),
        cmocka_unit_test(an_envelope_is_sealed_whole_or_not),
        cmocka_unit_test(a_key_is_sealed_and_opened_whole_or_not),
        cmocka_unit_test(a_document_is_believed_whole_or_not),
        cmocka_unit_test(a_signature_of_an_image_is_made_and_believed_whole_or_not),
        cmocka_unit_test(an_image_is_written_and_measured_whole_or_not),
        cmocka_unit_test(a_certificate_is_measured_or_not),
        cmocka_unit_test(a_ramdisk_is_written_whole_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
