/* devcloud_kms_tls.c - see devcloud_kms_tls.h.
 *
 * P-256 keys: made in a millisecond. The authority is kept nevertheless: an enclave image for tests has it on
 * its measured command line, and the key policy that names that measurement is read at a later start.
 * Certificates begin a day ago, because the machines that read them may disagree about the hour. */
#include "devcloud_kms_tls.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/file_io.h"
#include "base/secret.h"
#include "net/net_tls.h"

enum {
    VALID_BEFORE_SECONDS = 24 * 3600,
    VALID_AFTER_SECONDS = 365 * 24 * 3600,
    DER_MAX = 4096,
    PATH_SIZE = 4096
};

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

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
};

static void authority_cleanup(struct authority *a)
{
    EVP_PKEY_free(a->key);
    X509_free(a->certificate);
}

/* The key first: an authority without its key would only be made anew. */
static must_check result keep_authority(const struct authority *a, const char *key_path, const char *path)
{
    AUTO_POINTER(BIO) secret = BIO_new(BIO_s_secmem());
    AUTO_POINTER(BIO) memory = BIO_new(BIO_s_mem());
    ENSURE(secret && PEM_write_bio_PrivateKey(secret, a->key, NULL, NULL, 0, NULL, NULL) == 1, E_CRYPTO,
           "encoding a key");
    ENSURE(memory && PEM_write_bio_X509(memory, a->certificate) == 1, E_CRYPTO, "encoding a certificate");
    char *pem = NULL;
    long length = BIO_get_mem_data(secret, &pem);
    TRY(file_write(key_path, pem, (size_t)length, 0600));
    length = BIO_get_mem_data(memory, &pem);
    return file_write(path, pem, (size_t)length, 0644);
}

/* E_NOT_FOUND: there is none, or none that is still valid. */
static must_check result open_authority(struct authority *ret_authority, const char *key_path,
                                        const char *path)
{
    AUTO(authority) found = {0};
    AUTO_POINTER(BIO) key = BIO_new_file(key_path, "r");
    AUTO_POINTER(BIO) certificate = BIO_new_file(path, "r");
    if (key && certificate) {
        found.key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
        found.certificate = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
    }
    bool usable = found.key && found.certificate &&
                  X509_check_private_key(found.certificate, found.key) == 1 &&
                  X509_cmp_current_time(X509_get0_notAfter(found.certificate)) > 0;
    ERR_clear_error();
    ENSURE(usable, E_NOT_FOUND, "no authority is kept");
    *ret_authority = found;
    found = (struct authority){0};
    return RESULT_OK;
}

static must_check result make_authority(struct authority *ret_authority)
{
    static const struct extension extensions[] = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                                  {NID_key_usage, "critical,keyCertSign,cRLSign"},
                                                  {NID_subject_key_identifier, "hash"}};
    AUTO(authority) made = {.key = EVP_EC_gen("P-256")};
    ENSURE(made.key, E_CRYPTO, "making a key");
    const struct certificate_plan plan = {.common_name = "nitro-signer devcloud KMS authority",
                                          .key = made.key,
                                          .issuer_key = made.key,
                                          .extensions = extensions,
                                          .num_extensions = ARRAY_LENGTH(extensions)};
    TRY(make_certificate(&made.certificate, &plan));
    *ret_authority = made;
    made = (struct authority){0};
    return RESULT_OK;
}

static must_check result get_authority(struct authority *ret_authority, const char *state_dir)
{
    char key_path[PATH_SIZE], path[PATH_SIZE];
    (void)snprintf(key_path, sizeof key_path, "%s/kms-ca-key.pem", state_dir);
    (void)snprintf(path, sizeof path, "%s/kms-ca.pem", state_dir);
    result r = open_authority(ret_authority, key_path, path);
    if (r.code != E_NOT_FOUND)
        return r;
    TRY(make_authority(ret_authority));
    return keep_authority(ret_authority, key_path, path);
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

result devcloud_kms_tls_new(SSL_CTX **ret_context, const char *region, const char *state_dir)
{
    char names[256];
    (void)snprintf(names, sizeof names, "DNS:kms.%s.amazonaws.com,DNS:localhost,IP:127.0.0.1", region);
    const struct extension server_extensions[] = {{NID_basic_constraints, "critical,CA:FALSE"},
                                                  {NID_key_usage, "critical,digitalSignature"},
                                                  {NID_ext_key_usage, "serverAuth"},
                                                  {NID_subject_key_identifier, "hash"},
                                                  {NID_authority_key_identifier, "keyid:always"},
                                                  {NID_subject_alt_name, names}};

    AUTO(authority) authority = {0};
    AUTO_POINTER(EVP_PKEY) server_key = EVP_EC_gen("P-256");
    AUTO_POINTER(X509) server = NULL;
    ENSURE(server_key, E_CRYPTO, "making a key");
    TRY(get_authority(&authority, state_dir));
    const struct certificate_plan server_plan = {.common_name = "nitro-signer devcloud KMS",
                                                 .key = server_key,
                                                 .issuer = authority.certificate,
                                                 .issuer_key = authority.key,
                                                 .extensions = server_extensions,
                                                 .num_extensions = ARRAY_LENGTH(server_extensions)};
    TRY(make_certificate(&server, &server_plan));
    return make_context(ret_context, server_key, server);
}
