/* fuzz_attestation_payload.c - what comes behind the signature of an attestation document: its certificates.
 *
 * An input is a payload; it is signed here with the key of a leaf below a root of the tests, else no mutated
 * input would come as far. What verifies has that key's certificate, and not under AWS's root. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "cbor/cbor.h"
#include "fuzz.h"
#include "nitro/nitro_attestation_parse.h"

enum { HALF = ATTESTATION_SIGNATURE_LEN / 2, AROUND_PAYLOAD = 128 };

static EVP_PKEY *leaf_key;
static uint8_t *root_der;
static size_t root_der_len;

static void read_keys(void)
{
    FILE *file = fopen(NS_FUZZ_FOLDER "/keys/attestation_leaf.pem", "r");
    PROMISE(file && (leaf_key = PEM_read_PrivateKey(file, NULL, NULL, NULL)));
    (void)fclose(file);
    file = fopen(NS_FUZZ_FOLDER "/keys/attestation_root.pem", "r");
    X509 *root = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    PROMISE(root);
    (void)fclose(file);
    int length = i2d_X509(root, &root_der);
    PROMISE(length > 0);
    root_der_len = (size_t)length;
    X509_free(root);
}

static void sign(uint8_t signature[static ATTESTATION_SIGNATURE_LEN], const struct packer *to_sign)
{
    uint8_t der[128];
    size_t der_len = sizeof der;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    PROMISE(context && EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, leaf_key) == 1 &&
            EVP_DigestSign(context, der, &der_len, to_sign->data, to_sign->length) == 1);
    EVP_MD_CTX_free(context);
    const uint8_t *at = der;
    ECDSA_SIG *ecdsa = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
    PROMISE(ecdsa && BN_bn2binpad(ECDSA_SIG_get0_r(ecdsa), signature, HALF) == HALF &&
            BN_bn2binpad(ECDSA_SIG_get0_s(ecdsa), signature + HALF, HALF) == HALF);
    ECDSA_SIG_free(ecdsa);
}

/* The document without its signature's bytes, which are zeros. */
static void write_document(struct packer *p, const uint8_t *payload, size_t payload_len,
                           const uint8_t *signature)
{
    static const uint8_t protected_header[] = {0xa1, 0x01, 0x38, 0x22};
    cbor_pack_array(p, 4);
    cbor_pack_bytes(p, protected_header, sizeof protected_header);
    cbor_pack_map(p, 0);
    cbor_pack_bytes(p, payload, payload_len);
    cbor_pack_bytes(p, signature, ATTESTATION_SIGNATURE_LEN);
    PROMISE(pack_end(p).code == 0);
}

static void write_to_sign(struct packer *p, const uint8_t *payload, size_t payload_len)
{
    static const uint8_t protected_header[] = {0xa1, 0x01, 0x38, 0x22};
    cbor_pack_array(p, 4);
    cbor_pack_text(p, "Signature1");
    cbor_pack_bytes(p, protected_header, sizeof protected_header);
    cbor_pack_bytes(p, NULL, 0);
    cbor_pack_bytes(p, payload, payload_len);
    PROMISE(pack_end(p).code == 0);
}

static void check_verified(const struct attestation_parts *parts, const struct packer *document)
{
    static struct attestation none;
    const uint8_t *at = parts->certificate.bytes;
    X509 *leaf = d2i_X509(NULL, &at, (long)parts->certificate.length);
    PROMISE(leaf && EVP_PKEY_eq(X509_get0_pubkey(leaf), leaf_key) == 1);
    X509_free(leaf);
    PROMISE(attestation_verify(&none, document->data, document->length, attestation_aws_root_g1,
                               attestation_aws_root_g1_len, parts->claims.timestamp_ms)
                .code == E_AUTH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct attestation_parts parts;
    static struct attestation verified;
    static uint8_t document[ATTESTATION_DOCUMENT_MAX], to_sign[ATTESTATION_DOCUMENT_MAX];
    uint8_t signature[ATTESTATION_SIGNATURE_LEN] = {0};
    if (!leaf_key)
        read_keys();
    if (size == 0 || size > sizeof document - sizeof signature - AROUND_PAYLOAD)
        return 0;
    struct packer p = {.data = document, .capacity = sizeof document};
    write_document(&p, data, size, signature);
    if (attestation_parse(&parts, p.data, p.length).code)
        return 0;
    uint64_t at_ms = parts.claims.timestamp_ms;
    PROMISE(attestation_verify(&verified, p.data, p.length, root_der, root_der_len, at_ms).code);

    struct packer s = {.data = to_sign, .capacity = sizeof to_sign};
    write_to_sign(&s, data, size);
    sign(signature, &s);
    memcpy(document + p.length - sizeof signature, signature, sizeof signature);
    if (attestation_verify(&verified, p.data, p.length, root_der, root_der_len, at_ms).code == 0)
        check_verified(&parts, &p);
    return 0;
}
