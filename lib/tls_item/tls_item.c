/* tls_item.c - making a certificate and a PKCS#12 file.
 *
 * The extensions are written as configuration texts, which OpenSSL reads; that is why a name may not have a
 * comma. Rejected: a certificate authority of our own with a server certificate below it, because clients
 * pin the one file that they were always given. */
#include "tls_item/tls_item.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "json/json_secret.h"

enum { SERIAL_LEN = 16, TEN_YEARS_S = 10 * 365 * 24 * 3600 };

DEFINE_AUTO_POINTER(X509, X509_free)
DEFINE_AUTO_POINTER(PKCS12, PKCS12_free)
DEFINE_AUTO_POINTER(BIO, BIO_free_all)
DEFINE_AUTO_POINTER(X509_EXTENSION, X509_EXTENSION_free)
DEFINE_AUTO_POINTER(BIGNUM, BN_free)

void tls_item_cleanup(struct tls_item *item)
{
    secret_cleanup(&item->plaintext);
    buffer_cleanup(&item->pem);
}

bool tls_item_name_valid(const char *text)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.";
    size_t length = strlen(text);
    return length > 0 && length <= TLS_ITEM_NAME_MAX && strspn(text, allowed) == length;
}

static must_check result add_extension(X509 *certificate, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    AUTO_POINTER(X509_EXTENSION) extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    ENSURE(extension && X509_add_ext(certificate, extension, -1) == 1, E_CRYPTO,
           "extension %s cannot be made", OBJ_nid2sn(kind));
    return RESULT_OK;
}

static must_check result add_extensions(X509 *certificate, const char *name)
{
    char names[TLS_ITEM_NAME_MAX + 96];
    (void)snprintf(names, sizeof names, "DNS:%s,DNS:localhost,DNS:127.0.0.1,IP:127.0.0.1", name);
    TRY(add_extension(certificate, NID_subject_alt_name, names));
    TRY(add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
    TRY(add_extension(certificate, NID_key_usage, "critical,digitalSignature,keyCertSign"));
    TRY(add_extension(certificate, NID_ext_key_usage, "serverAuth"));
    return add_extension(certificate, NID_subject_key_identifier, "hash");
}

static must_check result set_serial(X509 *certificate)
{
    uint8_t bytes[SERIAL_LEN];
    ENSURE(RAND_bytes(bytes, sizeof bytes) == 1, E_CRYPTO, "no randomness");
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, and always of the same length */
    AUTO_POINTER(BIGNUM) number = BN_bin2bn(bytes, sizeof bytes, NULL);
    ENSURE(number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)), E_CRYPTO,
           "serial number failed");
    return RESULT_OK;
}

static must_check result make_certificate(X509 **ret_certificate, EVP_PKEY *key, const char *name)
{
    AUTO_POINTER(X509) certificate = X509_new();
    ENSURE(certificate && X509_set_version(certificate, X509_VERSION_3) == 1, E_CRYPTO, "certificate failed");
    TRY(set_serial(certificate));
    X509_NAME *subject = X509_get_subject_name(certificate);
    bool filled = X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
                  X509_gmtime_adj(X509_getm_notAfter(certificate), TEN_YEARS_S) &&
                  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
                                             0) == 1 &&
                  X509_set_issuer_name(certificate, subject) == 1 && X509_set_pubkey(certificate, key) == 1;
    ENSURE(filled, E_CRYPTO, "certificate failed");
    TRY(add_extensions(certificate, name));
    ENSURE(X509_sign(certificate, key, EVP_sha256()) > 0, E_CRYPTO, "certificate cannot be signed");
    *ret_certificate = TAKE(certificate);
    return RESULT_OK;
}

static must_check result take_bio(struct buffer *out, BIO *bio)
{
    const char *bytes;
    long length = BIO_get_mem_data(bio, &bytes);
    ENSURE(length > 0, E_CRYPTO, "nothing was written");
    return buffer_append(out, bytes, (size_t)length);
}

/* The PKCS#12 file: its contents are encrypted, so it needs no secure heap. */
static must_check result make_pkcs12(struct buffer *out, EVP_PKEY *key, X509 *certificate,
                                     const struct secret *password)
{
    AUTO_POINTER(PKCS12)
    file = PKCS12_create((const char *)password->data, "signer", key, certificate, NULL, 0, 0, 0, 0, 0);
    AUTO_POINTER(BIO) bio = BIO_new(BIO_s_mem());
    ENSURE(file && bio && i2d_PKCS12_bio(bio, file) == 1, E_CRYPTO, "PKCS#12 failed");
    return take_bio(out, bio);
}

static must_check result make_pem(struct buffer *out, X509 *certificate)
{
    AUTO_POINTER(BIO) bio = BIO_new(BIO_s_mem());
    ENSURE(bio && PEM_write_bio_X509(bio, certificate) == 1, E_CRYPTO, "PEM failed");
    return take_bio(out, bio);
}

result tls_item_make(struct tls_item *ret_item, EVP_PKEY *key, const char *name,
                     const struct secret *password)
{
    AUTO(tls_item) item = {0};
    AUTO(buffer) pkcs12 = {0};
    AUTO_POINTER(X509) certificate = NULL;
    ENSURE(tls_item_name_valid(name), E_INPUT, "must be a DNS name of at most %d characters",
           TLS_ITEM_NAME_MAX);
    TRY(make_certificate(&certificate, key, name));
    TRY(make_pkcs12(&pkcs12, key, certificate, password));
    TRY(make_pem(&item.pem, certificate));
    TRY(json_secret_pair(&item.plaintext,
                         &(struct json_secret_member){"tls_password_b64", password->data, password->length},
                         &(struct json_secret_member){"tls_keystore_b64", pkcs12.data, pkcs12.length}));
    *ret_item = item;
    item = (struct tls_item){0};
    return RESULT_OK;
}
