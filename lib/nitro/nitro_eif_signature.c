/* nitro_eif_signature.c - the signature section, read and made.
 *
 * Its lists of integers have tens of thousands of items, more than the tree of lib/cbor holds, and their only
 * form is the one that serde's encoders write: so the frame is read by hand here, shortest heads only, and
 * lib/cbor reads the COSE_Sign1 inside. The signed payload is not read at all: it is made from PCR0 and
 * compared, so nothing but it can be accepted. */
#include "nitro/nitro_eif_signature.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "cbor/cbor.h"

enum {
    COORDINATE_MAX = 66, /* P-521 */
    PAYLOAD_MAX = 160,
    PROTECTED_MAX = 8,
    COSE_MAX = 512,
    DER_MAX = 160,           /* of a signature */
    CERTIFICATE_MAX = 15000, /* PEM, so that the list of its bytes fits into the section */
    COSE_TAG = 18,
    COSE_HEADER_ALGORITHM = 1
};

static const char certificate_key[] = "signing_certificate", signature_key[] = "signature";

DEFINE_AUTO_POINTER(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)
DEFINE_AUTO_POINTER(X509, X509_free)
DEFINE_AUTO_POINTER(BIO, BIO_free_all)
DEFINE_AUTO_POINTER(ECDSA_SIG, ECDSA_SIG_free)

/* RFC 8152 section 8.1, with the hash that goes with each curve. */
struct algorithm {
    const char *group;
    const EVP_MD *(*digest)(void);
    uint64_t identifier; /* COSE's is -1 - identifier */
    size_t coordinate_len;
};
static const struct algorithm algorithms[] = {
    {"prime256v1", EVP_sha256, 6, 32}, {"secp384r1", EVP_sha384, 34, 48}, {"secp521r1", EVP_sha512, 35, 66}};

static must_check result algorithm_of(const struct algorithm **ret_algorithm, const EVP_PKEY *key)
{
    char group[32] = "";
    bool is_curve = EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1;
    for (size_t i = 0; is_curve && i < ARRAY_LENGTH(algorithms); i++) {
        if (strcmp(group, algorithms[i].group) == 0) {
            *ret_algorithm = &algorithms[i];
            return RESULT_OK;
        }
    }
    FAIL(E_UNSUPPORTED, "EIF: the signing key must be on the curve P-256, P-384 or P-521");
}

result nitro_eif_certificate_read(X509 **ret_certificate, const uint8_t *pem, size_t pem_len)
{
    ENSURE(pem_len <= CERTIFICATE_MAX, E_TOO_LARGE, "EIF: the signing certificate has more than %d bytes",
           CERTIFICATE_MAX);
    ENSURE(pem_len > 0, E_INPUT, "EIF: the signing certificate is empty");
    AUTO_POINTER(BIO) bio = BIO_new_mem_buf(pem, (int)pem_len);
    ENSURE(bio, E_MEMORY, "out of memory");
    /* A certificate is not encrypted: the password only keeps OpenSSL from asking at the terminal. */
    char none[] = "";
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, none);
    ENSURE(certificate, E_INPUT, "EIF: the signing certificate is not a certificate in PEM");
    *ret_certificate = certificate;
    return RESULT_OK;
}

result nitro_eif_certificate_measure(uint8_t ret_pcr8[static NITRO_EIF_PCR_LEN], X509 *certificate)
{
    uint8_t *der = NULL;
    int der_len = i2d_X509(certificate, &der);
    ENSURE(der_len > 0, E_CRYPTO, "EIF: the signing certificate cannot be encoded");
    struct nitro_eif_part part = {der, (size_t)der_len};
    result r = nitro_eif_register(ret_pcr8, &part, 1);
    OPENSSL_free(der);
    return r;
}

static void pack_list(struct packer *p, const uint8_t *bytes, size_t bytes_len)
{
    cbor_pack_array(p, bytes_len);
    for (size_t i = 0; i < bytes_len; i++)
        cbor_pack_uint(p, bytes[i]);
}

/* What is signed: {"register_index": 0, "register_value": PCR0}. */
static void pack_payload(struct packer *p, const uint8_t pcr0[static NITRO_EIF_PCR_LEN])
{
    cbor_pack_map(p, 2);
    cbor_pack_text(p, "register_index");
    cbor_pack_uint(p, 0);
    cbor_pack_text(p, "register_value");
    pack_list(p, pcr0, NITRO_EIF_PCR_LEN);
}

static void pack_protected(struct packer *p, const struct algorithm *algorithm)
{
    cbor_pack_map(p, 1);
    cbor_pack_uint(p, COSE_HEADER_ALGORITHM);
    cbor_pack_negative(p, algorithm->identifier);
}

/* The three parts of a COSE_Sign1 that depend on nothing but PCR0 and the algorithm. */
struct claim {
    uint8_t protected_bytes[PROTECTED_MAX], payload_bytes[PAYLOAD_MAX], signed_bytes[PAYLOAD_MAX + 32];
    struct packer protected, payload, to_be_signed; /* RFC 8152 section 4.4, no external data */
};

static must_check result make_claim(struct claim *claim, const struct algorithm *algorithm,
                                    const uint8_t pcr0[static NITRO_EIF_PCR_LEN])
{
    claim->protected =
        (struct packer){.data = claim->protected_bytes, .capacity = sizeof claim->protected_bytes};
    claim->payload = (struct packer){.data = claim->payload_bytes, .capacity = sizeof claim->payload_bytes};
    claim->to_be_signed =
        (struct packer){.data = claim->signed_bytes, .capacity = sizeof claim->signed_bytes};
    pack_protected(&claim->protected, algorithm);
    pack_payload(&claim->payload, pcr0);
    cbor_pack_array(&claim->to_be_signed, 4);
    cbor_pack_text(&claim->to_be_signed, "Signature1");
    cbor_pack_bytes(&claim->to_be_signed, claim->protected_bytes, claim->protected.length);
    cbor_pack_bytes(&claim->to_be_signed, (const uint8_t *)"", 0);
    cbor_pack_bytes(&claim->to_be_signed, claim->payload_bytes, claim->payload.length);
    TRY(pack_end(&claim->protected));
    TRY(pack_end(&claim->payload));
    return pack_end(&claim->to_be_signed);
}

/* r || s, each as long as the curve's order. */
static must_check result sign(uint8_t ret_signature[static 2 * COORDINATE_MAX],
                              const struct algorithm *algorithm, EVP_PKEY *key, const struct packer *text)
{
    uint8_t der[DER_MAX];
    size_t der_len = sizeof der;
    const uint8_t *at = der;
    AUTO_POINTER(EVP_MD_CTX) context = EVP_MD_CTX_new();
    bool is_signed = context && EVP_DigestSignInit(context, NULL, algorithm->digest(), NULL, key) == 1 &&
                     EVP_DigestSign(context, der, &der_len, text->data, text->length) == 1;
    ENSURE(is_signed, E_CRYPTO, "EIF: signing failed");
    AUTO_POINTER(ECDSA_SIG) pair = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
    int length = (int)algorithm->coordinate_len;
    bool is_split = pair && BN_bn2binpad(ECDSA_SIG_get0_r(pair), ret_signature, length) == length &&
                    BN_bn2binpad(ECDSA_SIG_get0_s(pair), ret_signature + length, length) == length;
    ENSURE(is_split, E_CRYPTO, "EIF: signing failed");
    return RESULT_OK;
}

static must_check result verify(const struct algorithm *algorithm, EVP_PKEY *key, const struct packer *text,
                                const struct cbor_node *signature)
{
    uint8_t *der = NULL;
    size_t half = algorithm->coordinate_len;
    ENSURE(signature->length == 2 * half, E_INPUT, "EIF: the signature has the wrong length");
    AUTO_POINTER(ECDSA_SIG) pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature->bytes, (int)half, NULL),
           *s = BN_bin2bn(signature->bytes + half, (int)half, NULL);
    if (!pair || !r || !s || ECDSA_SIG_set0(pair, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        FAIL(E_MEMORY, "out of memory");
    }
    int der_len = i2d_ECDSA_SIG(pair, &der);
    ENSURE(der_len > 0, E_MEMORY, "out of memory");
    AUTO_POINTER(EVP_MD_CTX) context = EVP_MD_CTX_new();
    bool is_valid = context && EVP_DigestVerifyInit(context, NULL, algorithm->digest(), NULL, key) == 1 &&
                    EVP_DigestVerify(context, der, (size_t)der_len, text->data, text->length) == 1;
    OPENSSL_free(der);
    ENSURE(is_valid, E_AUTH, "EIF: the signature is not of this image by this certificate's key");
    return RESULT_OK;
}

static must_check result append_section(struct buffer *out, X509 *certificate, const struct packer *cose)
{
    static const uint8_t frame[] = {0x81, 0xa2}; /* a list of one map of two */
    uint8_t space[NITRO_EIF_SIGNATURE_MAX];
    struct packer section = {.data = space, .capacity = sizeof space};
    char *pem;
    AUTO_POINTER(BIO) bio = BIO_new(BIO_s_mem());
    ENSURE(bio && PEM_write_bio_X509(bio, certificate) == 1, E_MEMORY, "out of memory");
    long pem_len = BIO_get_mem_data(bio, &pem);
    pack_bytes(&section, frame, sizeof frame);
    cbor_pack_text(&section, certificate_key);
    pack_list(&section, (const uint8_t *)pem, (size_t)pem_len);
    cbor_pack_text(&section, signature_key);
    pack_list(&section, cose->data, cose->length);
    ENSURE(!pack_end(&section).code, E_TOO_LARGE, "EIF: the signing certificate is too large");
    return buffer_append(out, section.data, section.length);
}

result nitro_eif_signature_make(struct buffer *out_section, const uint8_t pcr0[static NITRO_EIF_PCR_LEN],
                                X509 *certificate, EVP_PKEY *key)
{
    struct claim claim;
    const struct algorithm *algorithm;
    uint8_t signature[2 * COORDINATE_MAX], space[COSE_MAX];
    struct packer cose = {.data = space, .capacity = sizeof space};
    TRY(algorithm_of(&algorithm, key));
    ENSURE(X509_check_private_key(certificate, key) == 1, E_MISMATCH,
           "EIF: the private key is not the certificate's");
    TRY(make_claim(&claim, algorithm, pcr0));
    TRY(sign(signature, algorithm, key, &claim.to_be_signed));
    cbor_pack_array(&cose, 4);
    cbor_pack_bytes(&cose, claim.protected.data, claim.protected.length);
    cbor_pack_map(&cose, 0);
    cbor_pack_bytes(&cose, claim.payload.data, claim.payload.length);
    cbor_pack_bytes(&cose, signature, 2 * algorithm->coordinate_len);
    TRY(pack_end(&cose));
    return append_section(out_section, certificate, &cose);
}

/* The head of an item of this major type, in its shortest form. */
static must_check result read_head(uint64_t *ret_value, struct cursor *c, unsigned major)
{
    static const char malformed[] = "EIF: the signature section is malformed";
    uint8_t first;
    result r = cursor_u8(c, &first);
    ENSURE(!r.code && first >> 5 == major && (first & 31) <= 25, E_INPUT, "%s", malformed);
    unsigned following = (first & 31) < 24 ? 0 : (first & 31) == 24 ? 1 : 2; /* longer ones cannot fit */
    uint64_t value = following ? 0 : first & 31;
    for (unsigned i = 0; i < following; i++) {
        uint8_t byte;
        r = cursor_u8(c, &byte);
        ENSURE(!r.code, E_INPUT, "%s", malformed);
        value = value << 8 | byte;
    }
    ENSURE(following == 0 || value >= (following == 1 ? 24 : 256), E_INPUT, "%s", malformed);
    *ret_value = value;
    return RESULT_OK;
}

/* A member of the map: its key, and a list of bytes that is appended to out. */
static must_check result read_list(struct buffer *out, struct cursor *c, const char *key)
{
    uint64_t length, value;
    const uint8_t *text;
    TRY(read_head(&length, c, 3));
    ENSURE(length == strlen(key) && length <= c->left, E_INPUT,
           "EIF: the signature section has another member than %s", key);
    TRY(cursor_view(c, &text, (size_t)length));
    ENSURE(memcmp(text, key, (size_t)length) == 0, E_INPUT,
           "EIF: the signature section has another member than %s", key);
    TRY(read_head(&length, c, 4));
    for (uint64_t i = 0; i < length; i++) {
        TRY(read_head(&value, c, 0));
        ENSURE(value <= UINT8_MAX, E_INPUT, "EIF: %s is not a list of bytes", key);
        TRY(buffer_append(out, &(uint8_t){(uint8_t)value}, 1));
    }
    return RESULT_OK;
}

static must_check result read_section(struct buffer *out_certificate, struct buffer *out_cose,
                                      const struct nitro_eif_part *section)
{
    struct cursor c = {section->bytes, section->length};
    uint64_t count;
    TRY(read_head(&count, &c, 4));
    ENSURE(count == 1, E_UNSUPPORTED, "EIF: the signature section must hold one signature");
    TRY(read_head(&count, &c, 5));
    ENSURE(count == 2, E_INPUT, "EIF: the signature section is malformed");
    TRY(read_list(out_certificate, &c, certificate_key));
    TRY(read_list(out_cose, &c, signature_key));
    ENSURE(c.left == 0, E_INPUT, "EIF: bytes behind the signature");
    return RESULT_OK;
}

static bool has_bytes(const struct cbor_node *node, const struct packer *expected)
{
    return node->kind == CBOR_KIND_BYTES && node->length == expected->length &&
           memcmp(node->bytes, expected->data, expected->length) == 0;
}

/* The signature of a COSE_Sign1 that says what claim says. */
static must_check result read_cose(const struct cbor_node **ret_signature, const struct cbor_tree *tree,
                                   const struct claim *claim)
{
    const struct cbor_node *sign1 = &tree->nodes[0];
    if (sign1->kind == CBOR_KIND_TAG && sign1->number == COSE_TAG)
        sign1 = cbor_child(sign1);
    ENSURE(sign1->kind == CBOR_KIND_ARRAY && sign1->number == 4, E_INPUT,
           "EIF: the signature is not a COSE_Sign1");
    const struct cbor_node *protected = cbor_child(sign1), *unprotected = cbor_sibling(protected);
    const struct cbor_node *payload = cbor_sibling(unprotected), *signature = cbor_sibling(payload);
    ENSURE(has_bytes(protected, &claim->protected), E_UNSUPPORTED,
           "EIF: the algorithm of the signature is not that of the certificate's key");
    ENSURE(unprotected->kind == CBOR_KIND_MAP && unprotected->number == 0, E_INPUT,
           "EIF: the signature has unprotected headers");
    ENSURE(has_bytes(payload, &claim->payload), E_AUTH, "EIF: the signature is of another PCR0");
    ENSURE(signature->kind == CBOR_KIND_BYTES, E_INPUT, "EIF: the signature is not a COSE_Sign1");
    *ret_signature = signature;
    return RESULT_OK;
}

result nitro_eif_signature_verify(X509 **ret_certificate, const struct nitro_eif_part *section,
                                  const uint8_t pcr0[static NITRO_EIF_PCR_LEN])
{
    AUTO(buffer) pem = {0};
    AUTO(buffer) cose = {0};
    AUTO_POINTER(X509) certificate = NULL;
    struct claim claim;
    struct cbor_tree tree;
    const struct algorithm *algorithm;
    const struct cbor_node *signature;
    TRY(read_section(&pem, &cose, section));
    TRY(nitro_eif_certificate_read(&certificate, pem.data, pem.length));
    AUTO_POINTER(EVP_PKEY) key = X509_get_pubkey(certificate);
    ENSURE(key, E_INPUT, "EIF: the signing certificate has no usable key");
    TRY(algorithm_of(&algorithm, key));
    TRY(make_claim(&claim, algorithm, pcr0));
    TRY(cbor_read(&tree, cose.data, cose.length));
    TRY(read_cose(&signature, &tree, &claim));
    TRY(verify(algorithm, key, &claim.to_be_signed, signature));
    *ret_certificate = TAKE(certificate);
    return RESULT_OK;
}
