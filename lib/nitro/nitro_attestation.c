/* nitro_attestation.c - believes a document only after its chain and its signature.
 *
 * Only the pinned root is trusted; the document's own bundle is material for building the
 * chain. X509_V_FLAG_X509_STRICT is off because AWS's short-lived certificates carry no
 * key identifiers; what strictness would add and matters here (CA and key-usage flags, the
 * leaf's curve) is checked by hand. The signature comes before the chain because it covers the
 * bundle: of a document changed on its way nothing but the leaf is looked at. No revocation lists, as AWS
 * prescribes: the leaf lives three hours. */
#include "nitro/nitro_attestation.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/secret.h"
#include "cbor/cbor.h"
#include "nitro/nitro_attestation_parse.h"

/* 192 bits of security, which is what P-384 with SHA-384 gives. */
enum { SECURITY_LEVEL = 4, SIGNATURE_HALF = ATTESTATION_SIGNATURE_LEN / 2, P384_DER_SIGNATURE_MAX = 104 };

typedef STACK_OF(X509) certificate_stack;

static void release_certificates(certificate_stack *stack)
{
    sk_X509_pop_free(stack, X509_free);
}

DEFINE_AUTO_POINTER(X509, X509_free)
DEFINE_AUTO_POINTER(X509_STORE, X509_STORE_free)
DEFINE_AUTO_POINTER(X509_STORE_CTX, X509_STORE_CTX_free)
DEFINE_AUTO_POINTER(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_AUTO_POINTER(ECDSA_SIG, ECDSA_SIG_free)
DEFINE_AUTO_POINTER(BIGNUM, BN_free)
DEFINE_AUTO_POINTER(certificate_stack, release_certificates)

static must_check result read_certificate(X509 **ret_certificate, const uint8_t *der, size_t der_len,
                                          const char *name)
{
    const uint8_t *at = der;
    AUTO_POINTER(X509) certificate = d2i_X509(NULL, &at, (long)der_len);
    ENSURE(certificate && at == der + der_len, E_INPUT, "attestation %s: not a certificate", name);
    *ret_certificate = TAKE(certificate);
    return RESULT_OK;
}

static must_check result read_bundle(certificate_stack **ret_bundle, const struct attestation_parts *parts)
{
    AUTO_POINTER(certificate_stack) bundle = sk_X509_new_null();
    ENSURE(bundle, E_MEMORY, "attestation: out of memory");
    for (size_t i = 0; i < parts->num_bundle; i++) {
        AUTO_POINTER(X509) certificate = NULL;
        TRY(read_certificate(&certificate, parts->bundle[i].bytes, parts->bundle[i].length, "cabundle"));
        ENSURE(sk_X509_push(bundle, certificate) > 0, E_MEMORY, "attestation: out of memory");
        certificate = NULL; /* the stack's now */
    }
    *ret_bundle = TAKE(bundle);
    return RESULT_OK;
}

/* OpenSSL, without a purpose, does not look at these: a leaf may sign and not issue, with a key on P-384. */
static must_check result check_leaf(X509 *leaf)
{
    uint32_t flags = X509_get_extension_flags(leaf);
    ENSURE(!(flags & EXFLAG_INVALID) && (flags & EXFLAG_BCONS) && !(flags & EXFLAG_CA), E_AUTH,
           "attestation certificate: must be CA:FALSE");
    ENSURE((flags & EXFLAG_KUSAGE) && (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE), E_AUTH,
           "attestation certificate: may not sign");
    char curve[32] = "";
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    ENSURE(key && EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) == 1 &&
               strcmp(curve, "secp384r1") == 0,
           E_AUTH, "attestation certificate: key is not on P-384");
    return RESULT_OK;
}

static must_check result check_issuers(certificate_stack *chain)
{
    for (int i = 1; i < sk_X509_num(chain); i++) {
        X509 *issuer = sk_X509_value(chain, i);
        uint32_t flags = X509_get_extension_flags(issuer);
        ENSURE((flags & EXFLAG_CA) && (flags & EXFLAG_KUSAGE) &&
                   (X509_get_key_usage(issuer) & KU_KEY_CERT_SIGN),
               E_AUTH, "attestation chain: an issuer may not issue certificates");
    }
    return RESULT_OK;
}

static must_check result check_chain(X509 *leaf, certificate_stack *bundle, X509 *root, uint64_t at_ms)
{
    AUTO_POINTER(X509_STORE) store = X509_STORE_new();
    AUTO_POINTER(X509_STORE_CTX) context = X509_STORE_CTX_new();
    ENSURE(store && context && X509_STORE_add_cert(store, root) == 1 &&
               X509_STORE_CTX_init(context, store, leaf, bundle) == 1,
           E_CRYPTO, "attestation chain: cannot start verification");
    X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(parameters, (time_t)(at_ms / 1000));
    X509_VERIFY_PARAM_set_depth(parameters, ATTESTATION_BUNDLE_MAX);
    X509_VERIFY_PARAM_set_auth_level(parameters, SECURITY_LEVEL);
    ENSURE(X509_verify_cert(context) == 1, E_AUTH, "attestation chain: %s (certificate %d from the leaf)",
           X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)),
           X509_STORE_CTX_get_error_depth(context));
    return check_issuers(X509_STORE_CTX_get0_chain(context));
}

/* r || s as COSE has it, to the DER that OpenSSL verifies. */
static must_check result signature_to_der(uint8_t der[static P384_DER_SIGNATURE_MAX], size_t *ret_der_len,
                                          const uint8_t *signature)
{
    AUTO_POINTER(ECDSA_SIG) ecdsa = ECDSA_SIG_new();
    AUTO_POINTER(BIGNUM) r = BN_bin2bn(signature, SIGNATURE_HALF, NULL);
    AUTO_POINTER(BIGNUM) s = BN_bin2bn(signature + SIGNATURE_HALF, SIGNATURE_HALF, NULL);
    ENSURE(ecdsa && r && s && ECDSA_SIG_set0(ecdsa, r, s) == 1, E_MEMORY, "attestation: out of memory");
    r = NULL; /* both are the signature's now */
    s = NULL;
    int der_len = i2d_ECDSA_SIG(ecdsa, NULL);
    ENSURE(der_len > 0 && der_len <= P384_DER_SIGNATURE_MAX, E_CRYPTO,
           "attestation signature: cannot encode");
    uint8_t *at = der;
    *ret_der_len = (size_t)i2d_ECDSA_SIG(ecdsa, &at);
    return RESULT_OK;
}

/* RFC 8152 section 4.4: the signed bytes are the array ["Signature1", protected, external (empty), payload].
 */
static must_check result check_signature(const struct attestation_parts *parts, X509 *leaf)
{
    uint8_t bytes[ATTESTATION_DOCUMENT_MAX + 128];
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    cbor_pack_array(&p, 4);
    cbor_pack_text(&p, "Signature1");
    cbor_pack_bytes(&p, parts->protected_header.bytes, parts->protected_header.length);
    cbor_pack_bytes(&p, NULL, 0);
    cbor_pack_bytes(&p, parts->payload.bytes, parts->payload.length);
    TRY(pack_end(&p));

    uint8_t der[P384_DER_SIGNATURE_MAX];
    size_t der_len = 0;
    TRY(signature_to_der(der, &der_len, parts->signature));
    AUTO_POINTER(EVP_MD_CTX) context = EVP_MD_CTX_new();
    ENSURE(context && EVP_DigestVerifyInit(context, NULL, EVP_sha384(), NULL, X509_get0_pubkey(leaf)) == 1,
           E_CRYPTO, "attestation signature: cannot start verification");
    ENSURE(EVP_DigestVerify(context, der, der_len, p.data, p.length) == 1, E_AUTH,
           "attestation: bad signature");
    return RESULT_OK;
}

static must_check result verify(const struct attestation_parts *parts, const uint8_t *root_der,
                                size_t root_der_len, uint64_t at_ms)
{
    AUTO_POINTER(X509) root = NULL;
    AUTO_POINTER(X509) leaf = NULL;
    AUTO_POINTER(certificate_stack) bundle = NULL;
    TRY(read_certificate(&root, root_der, root_der_len, "root"));
    TRY(read_certificate(&leaf, parts->certificate.bytes, parts->certificate.length, "certificate"));
    TRY(check_leaf(leaf));
    TRY(check_signature(parts, leaf));
    TRY(read_bundle(&bundle, parts));
    return check_chain(leaf, bundle, root, at_ms);
}

result attestation_verify(struct attestation *ret_attestation, const uint8_t *document, size_t document_len,
                          const uint8_t *root_der, size_t root_der_len, uint64_t at_ms)
{
    struct attestation_parts parts;
    TRY(attestation_parse(&parts, document, document_len));
    result r = verify(&parts, root_der, root_der_len, at_ms);
    ERR_clear_error();
    TRY(r);
    *ret_attestation = parts.claims;
    return RESULT_OK;
}
