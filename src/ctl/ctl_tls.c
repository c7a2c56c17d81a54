/* ctl_tls.c - tls make: a P-256 key and a self-signed certificate that clients pin as their root.
 *
 * The names, the ten years and the CA flag are those of the system we replace, so a client's
 * configuration stays as it is. The key exists in this process and, encrypted, in the item. */
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "ctl_kms.h"

enum { SERIAL_LEN = 16, TEN_YEARS_S = 10 * 365 * 24 * 3600, NAME_LEN_MAX = 64 };

DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)
DEFINE_AUTO_POINTER(X509, X509_free)
DEFINE_AUTO_POINTER(PKCS12, PKCS12_free)
DEFINE_AUTO_POINTER(BIO, BIO_free_all)
DEFINE_AUTO_POINTER(X509_EXTENSION, X509_EXTENSION_free)
DEFINE_AUTO_POINTER(BIGNUM, BN_free)

struct options {
    struct ctl_kms_options kms;
    const char *name, *out;
    uint32_t secrets_fd;
    bool replace;
};

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.secrets_fd = CTL_NO_FD};
    const struct option table[] = {
        {"name", OPTION_TEXT, &o->name, "DNS name by which clients reach the signer", 0, 0},
        {"out", OPTION_TEXT, &o->out, "folder of items; tls/1.json and tls-cert.pem are written there", 0, 0},
        {"replace", OPTION_FLAG, &o->replace,
         "put a new key and certificate in the place of those in the folder (false)", 0, 0},
        {"secrets-fd", OPTION_U32, &o->secrets_fd,
         "for tests: descriptor that is given every secret made, one a line", 1, 1023},
        CTL_KMS_ROWS(o->kms),
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), "nitro-signer-ctl tls make [options]", 0, &none));
    TRY(ctl_require(call, o->name, "name"));
    TRY(ctl_require(call, o->out, "out"));
    /* The name becomes part of an extension's configuration text: no comma may change its meaning. */
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.";
    size_t length = strlen(o->name);
    call->is_usage_error = !(length > 0 && length <= NAME_LEN_MAX && strspn(o->name, allowed) == length);
    ENSURE(!call->is_usage_error, E_INPUT, "--name: must be a DNS name of at most %d characters",
           NAME_LEN_MAX);
    return RESULT_OK;
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
    char names[NAME_LEN_MAX + 96];
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

static must_check result write_files(const char *folder, const struct buffer *ciphertext_b64,
                                     const struct buffer *pem)
{
    char path[PATH_MAX];
    AUTO(buffer) item = {0};
    TRY(buffer_printf(&item, "{\n  \"key_id\": 1,\n  \"encrypted_tls_key_b64\": \"%s\",\n  \"cert_pem\": \"",
                      (const char *)ciphertext_b64->data));
    TRY(base64_append(&item, pem->data, pem->length));
    TRY(buffer_append_text(&item, "\"\n}\n"));
    (void)snprintf(path, sizeof path, "%s/tls/1.json",
                   folder); /* ctl_make_folder has checked the length of folder */
    TRY(file_write(path, item.data, item.length, 0644));
    (void)snprintf(path, sizeof path, "%s/tls-cert.pem", folder);
    return file_write(path, pem->data, pem->length, 0644);
}

/* The certificate is what clients pin, and the item the only copy of its key. */
static must_check result check_absent(const struct options *o)
{
    static const char *const names[] = {"tls/1.json", "tls-cert.pem"};
    struct stat status;
    for (size_t i = 0; i < ARRAY_LENGTH(names) && !o->replace; i++) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/%s", o->out, names[i]);
        ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--out: too long");
        ENSURE(lstat(path, &status) != 0 && errno == ENOENT, E_STATE,
               "%s is there already; --replace makes new ones in its place", path);
    }
    return RESULT_OK;
}

result ctl_tls_make(struct ctl_call *call)
{
    struct options o;
    AUTO(ctl_kms) kms = {0};
    AUTO(secret) password = {0};
    AUTO(secret) plaintext = {0};
    AUTO(buffer) pkcs12 = {0};
    AUTO(buffer) pem = {0};
    AUTO(buffer) ciphertext_b64 = {0};
    TRY(parse_options(&o, call));
    TRY(ctl_secrets_open());
    TRY(ctl_kms_open(&kms, call, &o.kms));
    TRY(ctl_make_folder(o.out, "tls"));
    TRY(check_absent(&o));

    AUTO_POINTER(EVP_PKEY) key = EVP_EC_gen("P-256");
    ENSURE(key, E_CRYPTO, "the key cannot be made");
    AUTO_POINTER(X509) certificate = NULL;
    TRY(make_certificate(&certificate, key, o.name));
    TRY(ctl_make_password(&password));
    if (o.secrets_fd != CTL_NO_FD)
        TRY(ctl_reveal((int)o.secrets_fd, "tls_password", (const char *)password.data));
    TRY(make_pkcs12(&pkcs12, key, certificate, &password));
    TRY(make_pem(&pem, certificate));
    TRY(ctl_plaintext(&plaintext, &(struct ctl_member){"tls_password_b64", password.data, password.length},
                      &(struct ctl_member){"tls_keystore_b64", pkcs12.data, pkcs12.length}));
    TRY(ctl_kms_encrypt(&kms, &ciphertext_b64, &plaintext));
    TRY(write_files(o.out, &ciphertext_b64, &pem));
    (void)printf("%s/tls-cert.pem\n", o.out);
    return RESULT_OK;
}
