/* document_maker.c - see document_maker.h. Independent of lib/nitro on purpose: only CBOR and
 * OpenSSL, so that a mistake of the verifier is not repeated here. */
#include "document_maker.h"

#include <openssl/ec.h>
#include <openssl/x509v3.h>

#include "testing.h"

static void add_extension(X509 *certificate, int nid, const char *value)
{
    if (!value)
        return;
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

X509 *make_certificate(EVP_PKEY *subject_key, const char *subject_name, X509 *issuer, EVP_PKEY *issuer_key,
                       const struct certificate_shape *shape)
{
    X509 *certificate = X509_new();
    assert_non_null(certificate);
    assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 77), 1);
    assert_int_equal(ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), "20200101000000Z"), 1);
    assert_int_equal(ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), "20490101000000Z"), 1);
    X509_NAME *name = X509_get_subject_name(certificate);
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)subject_name, -1, -1, 0), 1);
    assert_int_equal(X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : name), 1);
    assert_int_equal(X509_set_pubkey(certificate, subject_key), 1);
    add_extension(certificate, NID_basic_constraints, shape->basic_constraints);
    add_extension(certificate, NID_key_usage, shape->key_usage);
    assert_true(X509_sign(certificate, issuer_key, EVP_sha384()) > 0);
    return certificate;
}

static void copy_node(struct packer *p, const struct cbor_node *node)
{
    switch (node->kind) {
    case CBOR_KIND_UINT:
        cbor_pack_uint(p, node->number);
        return;
    case CBOR_KIND_NEGATIVE:
        cbor_pack_negative(p, node->number);
        return;
    case CBOR_KIND_BYTES:
        cbor_pack_bytes(p, node->bytes, node->length);
        return;
    case CBOR_KIND_TEXT: {
        char text[128];
        (void)snprintf(text, sizeof text, "%.*s", (int)node->length, (const char *)node->bytes);
        cbor_pack_text(p, text);
        return;
    }
    case CBOR_KIND_ARRAY:
    case CBOR_KIND_MAP:
        if (node->kind == CBOR_KIND_MAP)
            cbor_pack_map(p, node->number);
        else
            cbor_pack_array(p, node->number);
        for (const struct cbor_node *at = cbor_child(node); at < cbor_sibling(node); at = cbor_sibling(at))
            copy_node(p, at);
        return;
    case CBOR_KIND_NULL:
        cbor_pack_null(p);
        return;
    case CBOR_KIND_BOOL:
        cbor_pack_bool(p, node->number == 1);
        return;
    case CBOR_KIND_TAG:
        fail_msg("a tag in a payload");
    }
}

static void edit_payload(struct packer *p, const struct cbor_node *payload, payload_editor *edit,
                         const void *context)
{
    cbor_pack_map(p, payload->number);
    const struct cbor_node *name = cbor_child(payload);
    for (uint64_t i = 0; i < payload->number; i++) {
        const struct cbor_node *value = cbor_sibling(name);
        char text[32];
        (void)snprintf(text, sizeof text, "%.*s", (int)name->length, (const char *)name->bytes);
        if (!edit || !edit(p, text, context)) {
            cbor_pack_text(p, text);
            copy_node(p, value);
        }
        name = cbor_sibling(value);
    }
    assert_ok(pack_end(p));
}

static void sign(uint8_t *signature, size_t half, EVP_PKEY *key, const struct packer *payload)
{
    static uint8_t bytes[20000];
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    pack_bytes(&p, "\x84\x6aSignature1\x44\xa1\x01\x38\x22\x40", 18);
    cbor_pack_bytes(&p, payload->data, payload->length);
    uint8_t der[160];
    size_t der_len = sizeof der;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, der, &der_len, p.data, p.length), 1);
    EVP_MD_CTX_free(context);
    const uint8_t *at = der;
    ECDSA_SIG *ecdsa = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(ecdsa), signature, (int)half), (int)half);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(ecdsa), signature + half, (int)half), (int)half);
    ECDSA_SIG_free(ecdsa);
}

void make_document(struct buffer *out, const struct buffer *valid, EVP_PKEY *key, payload_editor *edit,
                   const void *context)
{
    static struct cbor_tree outer, inner;
    static uint8_t bytes[16000], document[20000];
    assert_ok(cbor_read(&outer, valid->data, valid->length));
    const struct cbor_node *payload = cbor_sibling(cbor_sibling(cbor_child(&outer.nodes[0])));
    assert_ok(cbor_read(&inner, payload->bytes, payload->length));
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    edit_payload(&p, &inner.nodes[0], edit, context);

    uint8_t signature[132];
    size_t half = EVP_PKEY_get_bits(key) == 384 ? 48 : 32;
    sign(signature, half, key, &p);
    struct packer d = {.data = document, .capacity = sizeof document};
    pack_bytes(&d, "\x84\x44\xa1\x01\x38\x22\xa0", 7);
    cbor_pack_bytes(&d, p.data, p.length);
    if (half == 32) /* the field has one length; a smaller curve's numbers get zeros in front */
        memmove(signature + 64, signature + 32, 32), memmove(signature + 16, signature, 32),
            memset(signature, 0, 16), memset(signature + 48, 0, 16);
    cbor_pack_bytes(&d, signature, 96);
    assert_ok(pack_end(&d));
    out->length = 0;
    assert_ok(buffer_append(out, d.data, d.length));
}
