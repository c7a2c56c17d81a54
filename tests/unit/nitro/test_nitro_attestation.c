/* test_nitro_attestation.c - real documents under AWS's root at their own time; synthetic ones
 * under a synthetic root; and every way to be wrong, each refused for its own reason. */
#include "testing.h"

#include <openssl/pem.h>
#include <openssl/sha.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "document_maker.h"
#include "nitro/nitro_attestation.h"

#define SYNTHETIC_TIME UINT64_C(1767225600000)

static struct attestation attestation;
static struct buffer valid, synthetic_root;
static EVP_PKEY *leaf_key, *instance_key;
static X509 *instance; /* the last issuer, path length 0 */

static void read_vector(struct buffer *out, const char *name)
{
    char path[512], full[256];
    (void)snprintf(full, sizeof full, "nitro/%s", name);
    vector_path(path, sizeof path, full);
    assert_ok(file_read(out, path, 65536));
}

static EVP_PKEY *read_key(const char *name)
{
    AUTO(buffer) pem = {0};
    read_vector(&pem, name);
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(key);
    return key;
}

static void read_pem_certificate(struct buffer *out_der, const char *name)
{
    AUTO(buffer) pem = {0};
    read_vector(&pem, name);
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    assert_non_null(certificate);
    uint8_t *der = NULL;
    int der_len = i2d_X509(certificate, &der);
    assert_ok(buffer_append(out_der, der, (size_t)der_len));
    OPENSSL_free(der);
    X509_free(certificate);
    BIO_free(bio);
}

static X509 *last_issuer(void)
{
    static struct cbor_tree outer, inner;
    assert_ok(cbor_read(&outer, valid.data, valid.length));
    const struct cbor_node *payload = cbor_sibling(cbor_sibling(cbor_child(&outer.nodes[0])));
    assert_ok(cbor_read(&inner, payload->bytes, payload->length));
    const struct cbor_node *bundle = cbor_member(&inner.nodes[0], "cabundle");
    const struct cbor_node *entry = cbor_child(bundle);
    for (uint64_t i = 1; i < bundle->number; i++)
        entry = cbor_sibling(entry);
    const uint8_t *at = entry->bytes;
    return d2i_X509(NULL, &at, (long)entry->length);
}

static int set_up(void **state)
{
    (void)state;
    read_vector(&valid, "SYNTHETIC/attdoc_valid.bin");
    read_pem_certificate(&synthetic_root, "SYNTHETIC/synthetic_root.pem");
    leaf_key = read_key("SYNTHETIC/synthetic_leaf_key.pem");
    instance_key = read_key("SYNTHETIC/synthetic_instance_key.pem");
    instance = last_issuer();
    return instance ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_cleanup(&valid);
    buffer_cleanup(&synthetic_root);
    EVP_PKEY_free(leaf_key);
    EVP_PKEY_free(instance_key);
    X509_free(instance);
    return 0;
}

static result verify_synthetic(const struct buffer *document)
{
    return attestation_verify(&attestation, document->data, document->length, synthetic_root.data,
                              synthetic_root.length, SYNTHETIC_TIME);
}

static void assert_hex(const uint8_t *bytes, size_t bytes_len, const char *expected)
{
    char hex[2 * ATTESTATION_FIELD_MAX + 1];
    hex_encode(hex, bytes, bytes_len);
    assert_string_equal(hex, expected);
}

static void the_pinned_root_is_aws_g1(void **state)
{
    (void)state;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    AUTO(buffer) published = {0};
    (void)SHA256(attestation_aws_root_g1, attestation_aws_root_g1_len, digest);
    assert_hex(digest, sizeof digest, "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b");
    read_pem_certificate(&published, "fortanix_rust-sgx/aws.crt");
    assert_int_equal(published.length, attestation_aws_root_g1_len);
    assert_memory_equal(published.data, attestation_aws_root_g1, published.length);
}

static const struct {
    const char *name;
    uint64_t timestamp_ms;
    const char *pcr0_start;
    size_t public_key_len, user_data_len, nonce_len;
} real[] = {
    {"marlinprotocol_NitroProver/attestation.bin", 1712732941701, "ea6ff0cc", 32, 42, 0},
    {"marlinprotocol_NitroProver/sample_attestation.bin", 1708930921439, "17bf8f04", 32, 42, 0},
    {"fortanix_rust-sgx/request_proper.bin", 1631182760215, "00000000", 0, 64, 16},
};

static void real_documents_verify_at_their_own_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(real); i++) {
        AUTO(buffer) document = {0};
        read_vector(&document, real[i].name);
        assert_ok(attestation_verify(&attestation, document.data, document.length, attestation_aws_root_g1,
                                     attestation_aws_root_g1_len, real[i].timestamp_ms));
        assert_int_equal(attestation.timestamp_ms, real[i].timestamp_ms);
        assert_true(strncmp(attestation.module_id, "i-", 2) == 0);
        assert_int_equal(attestation.pcr_present, 0xffff);
        assert_hex(attestation.pcr[0], 4, real[i].pcr0_start);
        assert_int_equal(attestation.public_key.length, real[i].public_key_len);
        assert_int_equal(attestation.public_key.present, real[i].public_key_len > 0);
        assert_int_equal(attestation.user_data.length, real[i].user_data_len);
        assert_int_equal(attestation.nonce.length, real[i].nonce_len);
        /* A leaf lives three hours; the same document a day later or earlier is worth nothing. */
        assert_fails(E_AUTH,
                     attestation_verify(&attestation, document.data, document.length, attestation_aws_root_g1,
                                        attestation_aws_root_g1_len, real[i].timestamp_ms + 86400000));
        assert_error_names("expired");
        assert_fails(E_AUTH,
                     attestation_verify(&attestation, document.data, document.length, attestation_aws_root_g1,
                                        attestation_aws_root_g1_len, real[i].timestamp_ms - 86400000));
        assert_error_names("not yet valid");
    }
}

static void tampered_real_documents_and_foreign_roots_are_refused(void **state)
{
    (void)state;
    static const char *const tampered[] = {"fortanix_rust-sgx/tampered_signature.bin",
                                           "fortanix_rust-sgx/tampered_certificate.bin"};
    for (size_t i = 0; i < ARRAY_LENGTH(tampered); i++) {
        AUTO(buffer) document = {0};
        read_vector(&document, tampered[i]);
        result r = attestation_verify(&attestation, document.data, document.length, attestation_aws_root_g1,
                                      attestation_aws_root_g1_len, real[2].timestamp_ms);
        if (r.code != E_AUTH && r.code != E_INPUT)
            fail_msg("%s: %s", tampered[i], error_name(r.code));
    }
    static const char *const roots[] = {"fortanix_rust-sgx/unknown_ca.crt", "SYNTHETIC/synthetic_root.pem"};
    AUTO(buffer) document = {0};
    read_vector(&document, real[2].name);
    for (size_t i = 0; i < ARRAY_LENGTH(roots); i++) {
        AUTO(buffer) root = {0};
        read_pem_certificate(&root, roots[i]);
        assert_fails(E_AUTH, attestation_verify(&attestation, document.data, document.length, root.data,
                                                root.length, real[2].timestamp_ms));
        assert_error_names("chain");
    }
    assert_fails(E_INPUT, attestation_verify(&attestation, document.data, document.length,
                                             attestation_aws_root_g1, 100, real[2].timestamp_ms));
    AUTO(buffer) tailed = {0};
    assert_ok(buffer_append(&tailed, attestation_aws_root_g1, attestation_aws_root_g1_len));
    assert_ok(attestation_verify(&attestation, document.data, document.length, tailed.data, tailed.length,
                                 real[2].timestamp_ms));
    assert_ok(buffer_append(&tailed, "", 1));
    assert_fails(E_INPUT, attestation_verify(&attestation, document.data, document.length, tailed.data,
                                             tailed.length, real[2].timestamp_ms));
    assert_error_names("root: not a certificate");
}

static void synthetic_documents_verify(void **state)
{
    (void)state;
    assert_ok(verify_synthetic(&valid));
    assert_string_equal(attestation.module_id, "i-0123456789abcdef0-enc0123456789abcdef");
    assert_hex(
        attestation.pcr[0], 48,
        "d831a2b05a1736067884012dce78473d89b2248975e4a2e12d2d115cb56696b64090e5bcf87556dd513f8aafa2f5a7cb");
    assert_hex(
        attestation.pcr[4], 48,
        "d6432900ac1c343cb40286898792c55e962aef0cc35c4910c0c286145b51af19e782cb21cc31a042671d7dfbd398251c");
    assert_int_equal(attestation.public_key.length, 294);
    assert_int_equal(attestation.user_data.length, 19);
    assert_memory_equal(attestation.user_data.bytes, "synthetic-user-data", 19);
    static const char *const also[] = {"SYNTHETIC/attdoc_valid_tag18.bin", "SYNTHETIC/attdoc_nulls.bin",
                                       "SYNTHETIC/attdoc_debug_zero_pcrs.bin"};
    for (size_t i = 0; i < ARRAY_LENGTH(also); i++) {
        AUTO(buffer) document = {0};
        read_vector(&document, also[i]);
        assert_ok(verify_synthetic(&document));
    }
    AUTO(buffer) nulls = {0};
    read_vector(&nulls, "SYNTHETIC/attdoc_nulls.bin");
    assert_ok(verify_synthetic(&nulls));
    assert_false(attestation.public_key.present || attestation.user_data.present ||
                 attestation.nonce.present);
}

static void bad_synthetic_documents_are_refused_for_their_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int code;
        const char *names;
    } cases[] = {
        {"SYNTHETIC/attdoc_bad_signature.bin", E_AUTH, "bad signature"},
        {"SYNTHETIC/attdoc_expired_leaf.bin", E_AUTH, "expired (certificate 0"},
        {"SYNTHETIC/attdoc_empty_cabundle.bin", E_INPUT, "cabundle"},
        {"SYNTHETIC/attdoc_trailing_byte.bin", E_INPUT, "behind the message"},
        {"SYNTHETIC/attdoc_qemu_layout_unsigned.bin", E_UNSUPPORTED, "ES384"},
        {"awslabs_aws-nitro-enclaves-cose/es256.cose_sign1.bin", E_UNSUPPORTED, "ES384"},
        {"awslabs_aws-nitro-enclaves-cose/es512.cose_sign1.bin", E_UNSUPPORTED, "ES384"},
        {"awslabs_aws-nitro-enclaves-cose/es384.cose_sign1.bin", E_INPUT, "payload"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(buffer) document = {0};
        read_vector(&document, cases[i].name);
        result r = verify_synthetic(&document);
        if (r.code != cases[i].code || !strstr(error_text(), cases[i].names))
            fail_msg("%s: %s (%s)", cases[i].name, error_name(r.code), error_text());
    }
    AUTO(buffer) huge = {0};
    assert_ok(buffer_reserve(&huge, ATTESTATION_DOCUMENT_MAX + 1));
    memset(huge.data, 0, ATTESTATION_DOCUMENT_MAX + 1);
    huge.length = ATTESTATION_DOCUMENT_MAX + 1;
    assert_fails(E_TOO_LARGE, verify_synthetic(&huge));
    huge.length = 0;
    assert_fails(E_TOO_LARGE, verify_synthetic(&huge));
}

static void every_changed_byte_and_every_truncation_is_refused(void **state)
{
    (void)state;
    memset(&attestation, 0x5a, sizeof attestation);
    static struct attestation before;
    before = attestation;
    for (size_t i = 0; i < valid.length; i++) {
        AUTO(buffer) changed = {0};
        assert_ok(buffer_append(&changed, valid.data, valid.length));
        changed.data[i] ^= (uint8_t)(1u << (i % 8));
        if (verify_synthetic(&changed).code == E_NONE)
            fail_msg("accepted with byte %zu changed", i);
    }
    for (size_t length = 0; length < valid.length;
         length += length < 100 || length > valid.length - 100 ? 1 : 7) {
        uint8_t *copy = malloc(length ? length : 1);
        assert_non_null(copy);
        memcpy(copy, valid.data, length);
        struct buffer cut = {.data = copy, .length = length};
        if (verify_synthetic(&cut).code == E_NONE)
            fail_msg("accepted when cut at %zu", length);
        free(copy);
    }
    assert_memory_equal(&attestation, &before, sizeof before);
}

/* Replaces one member's value by ready bytes, or drops the pair in favour of another one. */
struct replacement {
    const char *name;
    const char *value; /* encoded */
    size_t value_len;
};

static bool replace_member(struct packer *p, const char *name, const void *context)
{
    const struct replacement *r = context;
    if (strcmp(name, r->name) != 0)
        return false;
    if (r->value) {
        cbor_pack_text(p, name);
        pack_bytes(p, r->value, r->value_len);
    } else {
        cbor_pack_text(p, "unknown");
        cbor_pack_null(p);
    }
    return true;
}

#define ENCODED(bytes) (bytes), sizeof(bytes) - 1

static void every_member_is_checked(void **state)
{
    (void)state;
    static const char pcr_47[] = "\xa1\x00\x58\x2f"
                                 "01234567890123456789012345678901234567890123456";
    static const char pcr_32[] = "\xa1\x18\x20\x58\x30"
                                 "012345678901234567890123456789012345678901234567";
    static const struct replacement wrong[] = {
        {"module_id", NULL, 0},
        {"module_id", ENCODED("\x60")},
        {"module_id", ENCODED("\x41\x61")},
        {"module_id", ENCODED("\x62\x61\x0a")},
        {"digest", NULL, 0},
        {"digest", ENCODED("\x66SHA256")},
        {"digest", ENCODED("\x46SHA384")},
        {"timestamp", NULL, 0},
        {"timestamp", ENCODED("\x00")},
        {"timestamp", ENCODED("\x20")},
        {"timestamp", ENCODED("\x61\x31")},
        {"pcrs", NULL, 0},
        {"pcrs", ENCODED("\xa0")},
        {"pcrs", ENCODED("\x80")},
        {"pcrs", ENCODED(pcr_47)},
        {"pcrs", ENCODED(pcr_32)},
        {"pcrs", ENCODED("\xa1\x00\x00")},
        {"certificate", NULL, 0},
        {"certificate", ENCODED("\x40")},
        {"certificate", ENCODED("\x41\x30")},
        {"certificate", ENCODED("\xf6")},
        {"cabundle", NULL, 0},
        {"cabundle", ENCODED("\xf6")},
        {"cabundle", ENCODED("\x81\x40")},
        {"cabundle", ENCODED("\x81\x00")},
        {"public_key", ENCODED("\x40")},
        {"public_key", ENCODED("\x61\x61")},
        {"nonce", ENCODED("\x00")},
        {"user_data", ENCODED("\xa0")},
        {"cabundle", ENCODED("\x81\x41\x30")},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        AUTO(buffer) document = {0};
        make_document(&document, &valid, leaf_key, replace_member, &wrong[i]);
        result r = verify_synthetic(&document);
        if (r.code != E_INPUT || !strstr(error_text(), wrong[i].name))
            fail_msg("case %zu, %s: %s (%s)", i, wrong[i].name, error_name(r.code), error_text());
    }
}

static void fields_have_their_limits(void **state)
{
    (void)state;
    static const char *const names[] = {"public_key", "user_data", "nonce"};
    static char value[3 + 1025];
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        AUTO(buffer) document = {0};
        memcpy(value, "\x59\x04\x00", 3);
        struct replacement full = {names[i], value, 3 + 1024};
        make_document(&document, &valid, leaf_key, replace_member, &full);
        assert_ok(verify_synthetic(&document));
        memcpy(value, "\x59\x04\x01", 3);
        struct replacement over = {names[i], value, 3 + 1025};
        make_document(&document, &valid, leaf_key, replace_member, &over);
        assert_fails(E_INPUT, verify_synthetic(&document));
        assert_error_names(names[i]);
        struct replacement absent = {names[i], NULL, 0};
        make_document(&document, &valid, leaf_key, replace_member, &absent);
        assert_ok(verify_synthetic(&document));
    }
    const struct replacement empty = {"nonce", "\x40", 1};
    AUTO(buffer) document = {0};
    make_document(&document, &valid, leaf_key, replace_member, &empty);
    assert_ok(verify_synthetic(&document));
    assert_true(attestation.nonce.present && attestation.nonce.length == 0);
}

/* A leaf, and if wanted one more issuer in front of it. */
struct chain {
    X509 *leaf;
    X509 *extra;
};

static bool replace_chain(struct packer *p, const char *name, const void *context)
{
    const struct chain *c = context;
    uint8_t *der = NULL;
    if (strcmp(name, "certificate") == 0) {
        int der_len = i2d_X509(c->leaf, &der);
        cbor_pack_text(p, name);
        cbor_pack_bytes(p, der, (size_t)der_len);
        OPENSSL_free(der);
        return true;
    }
    if (strcmp(name, "cabundle") != 0 || !c->extra)
        return false;
    /* The valid bundle again, read from the document, and one more. */
    static struct cbor_tree outer, inner;
    assert_ok(cbor_read(&outer, valid.data, valid.length));
    const struct cbor_node *payload = cbor_sibling(cbor_sibling(cbor_child(&outer.nodes[0])));
    assert_ok(cbor_read(&inner, payload->bytes, payload->length));
    const struct cbor_node *bundle = cbor_member(&inner.nodes[0], "cabundle");
    cbor_pack_text(p, name);
    cbor_pack_array(p, bundle->number + 1);
    const struct cbor_node *entry = cbor_child(bundle);
    for (uint64_t i = 0; i < bundle->number; i++, entry = cbor_sibling(entry))
        cbor_pack_bytes(p, entry->bytes, entry->length);
    int der_len = i2d_X509(c->extra, &der);
    cbor_pack_bytes(p, der, (size_t)der_len);
    OPENSSL_free(der);
    return true;
}

static void leaves_must_be_what_they_should(void **state)
{
    (void)state;
    static const struct {
        const char *curve;
        struct certificate_shape shape;
        const char *names; /* NULL: accepted */
    } cases[] = {
        {"P-384", {"critical,CA:FALSE", "digitalSignature,nonRepudiation"}, NULL},
        {"P-384", {"critical,CA:FALSE", "digitalSignature"}, NULL},
        {"P-256", {"critical,CA:FALSE", "digitalSignature"}, "P-384"},
        {"P-384", {"critical,CA:TRUE", "digitalSignature,keyCertSign"}, "CA:FALSE"},
        {"P-384", {NULL, "digitalSignature"}, "CA:FALSE"},
        {"P-384", {"critical,CA:FALSE", NULL}, "may not sign"},
        {"P-384", {"critical,CA:FALSE", "keyAgreement"}, "may not sign"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(buffer) document = {0};
        EVP_PKEY *key = EVP_EC_gen(cases[i].curve);
        struct chain chain = {.leaf = make_certificate(key, "leaf", instance, instance_key, &cases[i].shape)};
        make_document(&document, &valid, key, replace_chain, &chain);
        result r = verify_synthetic(&document);
        if (r.code != (cases[i].names ? E_AUTH : E_NONE) ||
            (cases[i].names && !strstr(error_text(), cases[i].names)))
            fail_msg("case %zu: %s (%s)", i, error_name(r.code), error_text());
        X509_free(chain.leaf);
        EVP_PKEY_free(key);
    }
}

/* One more issuer below the instance certificate is over its path length of 0, and an issuer that may not
 * issue is none; a self-made chain that only looks the same ends at an unknown root. */
static void issuers_must_be_what_they_should(void **state)
{
    (void)state;
    static const struct certificate_shape leaf_shape = {"critical,CA:FALSE", "digitalSignature"};
    static const struct certificate_shape shapes[] = {{"critical,CA:TRUE", "critical,keyCertSign"},
                                                      {"critical,CA:FALSE", "critical,keyCertSign"},
                                                      {NULL, NULL}};
    EVP_PKEY *issuer_key = EVP_EC_gen("P-384"), *key = EVP_EC_gen("P-384");
    for (size_t i = 0; i < ARRAY_LENGTH(shapes); i++) {
        AUTO(buffer) document = {0};
        struct chain chain = {.extra =
                                  make_certificate(issuer_key, "extra", instance, instance_key, &shapes[i])};
        chain.leaf = make_certificate(key, "leaf", chain.extra, issuer_key, &leaf_shape);
        make_document(&document, &valid, key, replace_chain, &chain);
        assert_fails(E_AUTH, verify_synthetic(&document));
        assert_error_names(i == 0 ? "path length" : "chain");
        X509_free(chain.leaf);
        X509_free(chain.extra);
    }
    AUTO(buffer) document = {0};
    struct chain forged = {.leaf = make_certificate(key, "leaf", instance, issuer_key, &leaf_shape)};
    make_document(&document, &valid, key, replace_chain, &forged);
    assert_fails(E_AUTH, verify_synthetic(&document));
    assert_error_names("chain");
    X509_free(forged.leaf);
    EVP_PKEY_free(issuer_key);
    EVP_PKEY_free(key);
}

/* The bundle brings its own root: it must not become an anchor. */
static void a_root_in_the_bundle_is_not_trusted(void **state)
{
    (void)state;
    static const struct certificate_shape root_shape = {"critical,CA:TRUE", "critical,keyCertSign"};
    static const struct certificate_shape leaf_shape = {"critical,CA:FALSE", "digitalSignature"};
    EVP_PKEY *root_key = EVP_EC_gen("P-384"), *key = EVP_EC_gen("P-384");
    struct chain chain = {.extra = make_certificate(root_key, "own root", NULL, root_key, &root_shape)};
    chain.leaf = make_certificate(key, "leaf", chain.extra, root_key, &leaf_shape);
    AUTO(buffer) document = {0};
    make_document(&document, &valid, key, replace_chain, &chain);
    assert_fails(E_AUTH, verify_synthetic(&document));
    assert_error_names("self-signed");
    X509_free(chain.leaf);
    X509_free(chain.extra);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(key);
}

/* Below a root of our own, so that nothing but the issuer's key usage decides. */
static void issuers_must_say_that_they_issue(void **state)
{
    (void)state;
    static const struct certificate_shape root_shape = {"critical,CA:TRUE", "critical,keyCertSign"};
    static const struct certificate_shape leaf_shape = {"critical,CA:FALSE", "digitalSignature"};
    static const struct {
        struct certificate_shape shape;
        int code;
    } cases[] = {{{"critical,CA:TRUE", "critical,keyCertSign"}, E_NONE},
                 {{"critical,CA:TRUE", NULL}, E_AUTH},
                 {{"critical,CA:TRUE", "critical,digitalSignature"}, E_AUTH}};
    EVP_PKEY *root_key = EVP_EC_gen("P-384"), *issuer_key = EVP_EC_gen("P-384"), *key = EVP_EC_gen("P-384");
    X509 *root = make_certificate(root_key, "own root", NULL, root_key, &root_shape);
    uint8_t *root_der = NULL;
    int root_der_len = i2d_X509(root, &root_der);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(buffer) document = {0};
        struct chain chain = {.extra =
                                  make_certificate(issuer_key, "issuer", root, root_key, &cases[i].shape)};
        chain.leaf = make_certificate(key, "leaf", chain.extra, issuer_key, &leaf_shape);
        make_document(&document, &valid, key, replace_chain, &chain);
        assert_fails(cases[i].code, attestation_verify(&attestation, document.data, document.length, root_der,
                                                       (size_t)root_der_len, SYNTHETIC_TIME));
        X509_free(chain.leaf);
        X509_free(chain.extra);
    }
    OPENSSL_free(root_der);
    X509_free(root);
    EVP_PKEY_free(root_key);
    EVP_PKEY_free(issuer_key);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pinned_root_is_aws_g1),
        cmocka_unit_test(real_documents_verify_at_their_own_time),
        cmocka_unit_test(tampered_real_documents_and_foreign_roots_are_refused),
        cmocka_unit_test(synthetic_documents_verify),
        cmocka_unit_test(bad_synthetic_documents_are_refused_for_their_reason),
        cmocka_unit_test(every_changed_byte_and_every_truncation_is_refused),
        cmocka_unit_test(every_member_is_checked),
        cmocka_unit_test(fields_have_their_limits),
        cmocka_unit_test(leaves_must_be_what_they_should),
        cmocka_unit_test(issuers_must_be_what_they_should),
        cmocka_unit_test(a_root_in_the_bundle_is_not_trusted),
        cmocka_unit_test(issuers_must_say_that_they_issue),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
