/* nitro_envelope.c - opens KMS's CiphertextForRecipient with OpenSSL's CMS.
 *
 * AWS writes BER with indefinite lengths and constructed strings, which OpenSSL reads and
 * most DER parsers do not. The pieces of CMS_decrypt() are called one by one, for two
 * reasons. With a wrong key CMS_decrypt() goes on with a random content key, so that one
 * attempt in 256 "succeeds" with garbage; CMS_RecipientInfo_decrypt() on its own fails
 * plainly. And CMS_decrypt() copies the plaintext through a buffer on the stack; reading the
 * cipher filter ourselves puts it straight into the secure heap. Rejected: a BER parser of our
 * own - a hostile host chooses these bytes, and OpenSSL's has been fuzzed for years. */
#include "nitro/nitro_envelope.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <string.h>

DEFINE_AUTO_POINTER(CMS_ContentInfo, CMS_ContentInfo_free)
DEFINE_AUTO_POINTER(BIO, BIO_free_all)

/* OPENSSL_free is a macro; this is what the clean-up attribute can call. */
static void release_openssl_bytes(uint8_t **bytes)
{
    OPENSSL_free(*bytes);
}
#define AUTO_OPENSSL_BYTES __attribute__((cleanup(release_openssl_bytes))) uint8_t *

/* RSAES-OAEP with SHA-256 and MGF1 with SHA-256: the only key encryption we asked KMS for, so
 * the whole AlgorithmIdentifier is compared. KMS writes the NULL parameters of SHA-256, some
 * emulators leave them out. */
static const uint8_t OAEP_SHA256[] = {
    0x30, 0x3c, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07, 0x30, 0x2f, 0xa0,
    0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30,
    0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00};
static const uint8_t OAEP_SHA256_NO_NULL[] = {
    0x30, 0x38, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07, 0x30, 0x2b,
    0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
    0xa1, 0x1a, 0x30, 0x18, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
    0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01};

static bool same_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static must_check result parse(CMS_ContentInfo **ret_cms, size_t *ret_content_len, const uint8_t *bytes,
                               size_t bytes_len)
{
    ENSURE(bytes_len >= 1 && bytes_len <= ENVELOPE_MAX, E_INPUT, "envelope: must be 1 to %d bytes",
           ENVELOPE_MAX);
    const uint8_t *at = bytes;
    AUTO_POINTER(CMS_ContentInfo) cms = d2i_CMS_ContentInfo(NULL, &at, (long)bytes_len);
    ENSURE(cms, E_INPUT, "envelope: not a CMS ContentInfo");
    ENSURE(at == bytes + bytes_len, E_INPUT, "envelope: bytes behind the end");
    ENSURE(OBJ_obj2nid(CMS_get0_type(cms)) == NID_pkcs7_enveloped, E_UNSUPPORTED,
           "envelope: not EnvelopedData");
    const ASN1_OBJECT *content_type = CMS_get0_eContentType(cms);
    ENSURE(content_type && OBJ_obj2nid(content_type) == NID_pkcs7_data, E_UNSUPPORTED,
           "envelope: content is not data");
    ASN1_OCTET_STRING **content = CMS_get0_content(cms);
    ENSURE(content && *content && ASN1_STRING_length(*content) > 0, E_INPUT, "envelope: no content");
    *ret_content_len = (size_t)ASN1_STRING_length(*content);
    *ret_cms = TAKE(cms);
    return RESULT_OK;
}

/* KMS names the key by SHA-256 over its whole SubjectPublicKeyInfo, unlike X.509's usual SHA-1 over the key
 * bits. An issuer and serial number (emulators) name no key of ours; then only the decryption decides. */
static must_check result check_recipient_id(CMS_RecipientInfo *recipient, EVP_PKEY *key)
{
    ASN1_OCTET_STRING *key_id = NULL;
    X509_NAME *issuer = NULL;
    ASN1_INTEGER *serial = NULL;
    ENSURE(CMS_RecipientInfo_ktri_get0_signer_id(recipient, &key_id, &issuer, &serial) == 1, E_INPUT,
           "envelope: no recipient identifier");
    if (!key_id)
        return RESULT_OK;
    AUTO_OPENSSL_BYTES spki = NULL;
    int spki_len = i2d_PUBKEY(key, &spki);
    ENSURE(spki_len > 0, E_CRYPTO, "envelope: cannot encode the recipient key");
    uint8_t digest[SHA256_DIGEST_LENGTH];
    ENSURE(SHA256(spki, (size_t)spki_len, digest), E_CRYPTO, "envelope: SHA-256 failed");
    ENSURE(
        same_bytes(ASN1_STRING_get0_data(key_id), (size_t)ASN1_STRING_length(key_id), digest, sizeof digest),
        E_AUTH, "envelope: sealed for another key");
    return RESULT_OK;
}

static must_check result check_key_encryption(CMS_RecipientInfo *recipient)
{
    X509_ALGOR *algorithm = NULL;
    ENSURE(CMS_RecipientInfo_ktri_get0_algs(recipient, NULL, NULL, &algorithm) == 1 && algorithm, E_INPUT,
           "envelope: no key encryption algorithm");
    AUTO_OPENSSL_BYTES der = NULL;
    int der_len = i2d_X509_ALGOR(algorithm, &der);
    ENSURE(der_len > 0, E_CRYPTO, "envelope: cannot encode the key encryption algorithm");
    ENSURE(same_bytes(der, (size_t)der_len, OAEP_SHA256, sizeof OAEP_SHA256) ||
               same_bytes(der, (size_t)der_len, OAEP_SHA256_NO_NULL, sizeof OAEP_SHA256_NO_NULL),
           E_UNSUPPORTED, "envelope: key encryption is not RSAES-OAEP with SHA-256");
    return RESULT_OK;
}

static must_check result find_recipient(CMS_RecipientInfo **ret_recipient, CMS_ContentInfo *cms,
                                        EVP_PKEY *key)
{
    STACK_OF(CMS_RecipientInfo) *recipients = CMS_get0_RecipientInfos(cms);
    ENSURE(recipients && sk_CMS_RecipientInfo_num(recipients) == 1, E_INPUT,
           "envelope: must have one recipient");
    CMS_RecipientInfo *recipient = sk_CMS_RecipientInfo_value(recipients, 0);
    ENSURE(CMS_RecipientInfo_type(recipient) == CMS_RECIPINFO_TRANS, E_UNSUPPORTED,
           "envelope: recipient is not key transport");
    TRY(check_recipient_id(recipient, key));
    TRY(check_key_encryption(recipient));
    *ret_recipient = recipient;
    return RESULT_OK;
}

/* Recovers the content key; OpenSSL keeps it inside cms and wipes it when the filter takes it over. */
static must_check result unwrap_content_key(CMS_ContentInfo *cms, CMS_RecipientInfo *recipient, EVP_PKEY *key)
{
    ENSURE(EVP_PKEY_up_ref(key) == 1, E_CRYPTO, "envelope: cannot share the recipient key");
    if (CMS_RecipientInfo_set0_pkey(recipient, key) != 1) {
        EVP_PKEY_free(key);
        FAIL(E_CRYPTO, "envelope: cannot use the recipient key");
    }
    ENSURE(CMS_RecipientInfo_decrypt(cms, recipient) == 1, E_AUTH, "envelope: the key does not open it");
    return RESULT_OK;
}

static must_check result decrypt_content(struct secret *ret_plaintext, CMS_ContentInfo *cms,
                                         size_t content_len)
{
    AUTO_POINTER(BIO) content = CMS_dataInit(cms, NULL);
    ENSURE(content, E_UNSUPPORTED, "envelope: unknown content encryption");
    EVP_CIPHER_CTX *cipher = NULL;
    ENSURE(BIO_method_type(content) == BIO_TYPE_CIPHER && BIO_get_cipher_ctx(content, &cipher) > 0 &&
               EVP_CIPHER_CTX_get_nid(cipher) == NID_aes_256_cbc,
           E_UNSUPPORTED, "envelope: content encryption is not AES-256-CBC");

    AUTO(secret) plaintext = {0};
    TRY(secret_new(&plaintext, content_len));
    size_t length = 0;
    for (int count;
         (count = BIO_read(content, plaintext.data + length, (int)(plaintext.length - length))) != 0;
         length += (size_t)count)
        ENSURE(count > 0, E_AUTH, ENVELOPE_UNREADABLE);
    /* That it ended is no proof: the padding may be wrong. */
    ENSURE(BIO_get_cipher_status(content) == 1, E_AUTH, ENVELOPE_UNREADABLE);
    secret_truncate(&plaintext, length);
    *ret_plaintext = plaintext;
    plaintext = (struct secret){0};
    return RESULT_OK;
}

static must_check result open_parsed(struct secret *ret_plaintext, EVP_PKEY *key, const uint8_t *bytes,
                                     size_t bytes_len)
{
    ENSURE(EVP_PKEY_is_a(key, "RSA"), E_INPUT, "envelope: the recipient key is not RSA");
    AUTO_POINTER(CMS_ContentInfo) cms = NULL;
    CMS_RecipientInfo *recipient = NULL;
    size_t content_len = 0;
    TRY(parse(&cms, &content_len, bytes, bytes_len));
    TRY(find_recipient(&recipient, cms, key));
    TRY(unwrap_content_key(cms, recipient, key));
    return decrypt_content(ret_plaintext, cms, content_len);
}

result envelope_open(struct secret *ret_plaintext, EVP_PKEY *recipient_key, const uint8_t *cms,
                     size_t cms_len)
{
    result r = open_parsed(ret_plaintext, recipient_key, cms, cms_len);
    /* OpenSSL's queue is per thread and shared with TLS: leave nothing in it. */
    ERR_clear_error();
    return r;
}
