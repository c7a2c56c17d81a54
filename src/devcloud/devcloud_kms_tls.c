/* devcloud_kms_tls.c - see devcloud_kms_tls.h.
 *
 * P-256 keys: made in a millisecond, so nothing has to be kept. Certificates begin a day ago, because the
 * machines that read them may disagree about the hour. */
#include "devcloud_kms_tls.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/file_io.h"
#include "base/secret.h"
#include "net/net_tls.h"

enum { VALID_BEFORE_SECONDS = 24 * 3600, VALID_AFTER_SECONDS = 365 * 24 * 3600, DER_MAX = 4096 };

DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)
DEFINE_AUTO_POINTER(X509, X509_free)
DEFINE_AUTO_POINTER(X509_EXTENSION, X509_EXTENSION_free)
DEFINE_AUTO_POINTER(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)
DEFINE_AUTO_POINTER(BIO, BIO_free_all)

struct extension {
    int nid;
    const char *value;
};

/* What a certificate is made from; an issuer of NULL makes it self-signed. */
struct certificate_plan {
    const char *common_name;
    EVP_PKEY *key;
    X509 *issuer;
    EVP_PKEY *issuer_key;
    const struct extension *extensions;
    size_t num_extensions;
};

static must_check result add_extensions(X509 *certificate, const struct certificate_plan *plan)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, plan->issuer ? plan->issuer : certificate, certificate, NULL, NULL, 0);
    for (size_t i = 0; i < plan->num_extensions; i++) {
        const struct extension *e = &plan->extensions[i];
        AUTO_POINTER(X509_EXTENSION) made = X509V3_EXT_conf_nid(NULL, &context, e->nid, e->value);
        ENSURE(made && X509_add_ext(certificate, made, -1) == 1, E_CRYPTO, "certificate extension %d",
               e->nid);
    }
    return RESULT_OK;
}

static must_check result set_names(X509 *certificate, const struct certificate_plan *plan)
{
    uint8_t serial[8];
    ENSURE(RAND_bytes(serial, sizeof serial) == 1, E_CRYPTO, "random bytes");
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof serial; i++)
        number = number << 8 | serial[i];
    X509_NAME *subject = X509_get_subject_name(certificate);
    bool worked =
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number >> 1 | 1) == 1 &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)plan->common_name, -1,
                                   -1, 0) == 1 &&
        X509_set_issuer_name(certificate, plan->issuer ? X509_get_subject_name(plan->issuer) : subject) == 1;
    ENSURE(worked, E_CRYPTO, "certificate names");
    return RESULT_OK;
}

static must_check result make_certificate(X509 **ret_certificate, const struct certificate_plan *plan)
{
    AUTO_POINTER(X509) certificate = X509_new();
    ENSURE(certificate, E_MEMORY, "out of memory for a certificate");
    bool worked = X509_set_version(certificate, X509_VERSION_3) == 1 &&
                  X509_gmtime_adj(X509_getm_notBefore(certificate), -VALID_BEFORE_SECONDS) &&
                  X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_AFTER_SECONDS) &&
                  X509_set_pubkey(certificate, plan->key) == 1;
    ENSURE(worked, E_CRYPTO, "certificate");
    TRY(set_names(certificate, plan));
    TRY(add_extensions(certificate, plan));
    ENSURE(X509_sign(certificate, plan->issuer_key, EVP_sha256()) > 0, E_CRYPTO, "signing a certificate");
    *ret_certificate = TAKE(certificate);
    return RESULT_OK;
}

static must_check result write_pem(const X509 *certificate, const char *path)
{
    AUTO_POINTER(BIO) memory = BIO_new(BIO_s_mem());
    ENSURE(memory && PEM_write_bio_X509(memory, certificate) == 1, E_CRYPTO, "encoding a certificate");
    char *pem = NULL;
    long length = BIO_get_mem_data(memory, &pem);
    return file_write(path, pem, (size_t)length, 0644);
}

/* As net_tls takes them: PKCS#8 and certificate in DER. */
static must_check result make_context(SSL_CTX **ret_context, EVP_PKEY *key, const X509 *certificate)
{
    AUTO_POINTER(PKCS8_PRIV_KEY_INFO) info = EVP_PKEY2PKCS8(key);
    ENSURE(info, E_CRYPTO, "encoding a key");
    uint8_t key_der[DER_MAX], certificate_der[DER_MAX];
    int key_len = i2d_PKCS8_PRIV_KEY_INFO(info, NULL), certificate_len = i2d_X509(certificate, NULL);
    ENSURE(key_len > 0 && key_len <= DER_MAX && certificate_len > 0 && certificate_len <= DER_MAX, E_CRYPTO,
           "encoding a key or certificate");
    unsigned char *key_end = key_der, *certificate_end = certificate_der;
    (void)i2d_PKCS8_PRIV_KEY_INFO(info, &key_end);
    (void)i2d_X509(certificate, &certificate_end);
    result r =
        net_tls_server_new(ret_context, key_der, (size_t)key_len, certificate_der, (size_t)certificate_len);
    secret_wipe(key_der, sizeof key_der);
    return r;
}

result devcloud_kms_tls_new(SSL_CTX **ret_context, const char *region, const char *ca_path)
{
    static const struct extension authority_extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
        {NID_key_usage, "critical,keyCertSign,cRLSign"},
        {NID_subject_key_identifier, "hash"}};
    char names[256];
    (void)snprintf(names, sizeof names, "DNS:kms.%s.amazonaws.com,DNS:localhost,IP:127.0.0.1", region);
    const struct extension server_extensions[] = {{NID_basic_constraints, "critical,CA:FALSE"},
                                                  {NID_key_usage, "critical,digitalSignature"},
                                                  {NID_ext_key_usage, "serverAuth"},
                                                  {NID_subject_key_identifier, "hash"},
                                                  {NID_authority_key_identifier, "keyid:always"},
                                                  {NID_subject_alt_name, names}};

    AUTO_POINTER(EVP_PKEY) authority_key = EVP_EC_gen("P-256");
    AUTO_POINTER(EVP_PKEY) server_key = EVP_EC_gen("P-256");
    AUTO_POINTER(X509) authority = NULL;
    AUTO_POINTER(X509) server = NULL;
    ENSURE(authority_key && server_key, E_CRYPTO, "making a key");
    const struct certificate_plan authority_plan = {.common_name = "nitro-signer devcloud KMS authority",
                                                    .key = authority_key,
                                                    .issuer_key = authority_key,
                                                    .extensions = authority_extensions,
                                                    .num_extensions = ARRAY_LENGTH(authority_extensions)};
    TRY(make_certificate(&authority, &authority_plan));
    const struct certificate_plan server_plan = {.common_name = "nitro-signer devcloud KMS",
                                                 .key = server_key,
                                                 .issuer = authority,
                                                 .issuer_key = authority_key,
                                                 .extensions = server_extensions,
                                                 .num_extensions = ARRAY_LENGTH(server_extensions)};
    TRY(make_certificate(&server, &server_plan));
    TRY(make_context(ret_context, server_key, server));
    return write_pem(authority, ca_path);
}
