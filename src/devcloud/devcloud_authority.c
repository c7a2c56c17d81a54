/* devcloud_authority.c - see devcloud_authority.h.
 *
 * Certificates have the shape of AWS's: P-384 and SHA-384 throughout, issuers with path
 * lengths and no key identifiers, a leaf of three hours that many documents share. AWS has
 * three issuers between root and leaf; one shows the same code, and the verifier does not
 * count. */
#include "devcloud_authority.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file_io.h"
#include "base/secret.h"

DEFINE_AUTO_POINTER(X509, X509_free)
DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)
DEFINE_AUTO_POINTER(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_AUTO_POINTER(ECDSA_SIG, ECDSA_SIG_free)
DEFINE_AUTO_POINTER(X509_EXTENSION, X509_EXTENSION_free)

enum {
    PATH_LEN = 4096,
    KEY_FILE_MAX = 1024,
    SIGNATURE_HALF = DEVCLOUD_SIGNATURE_LEN / 2,
    DER_SIGNATURE_MAX = 104
};

/* Seconds. */
#define BACKDATED (-60)
#define LEAF_LIFE (3 * 3600)
#define ISSUER_LIFE (20 * 86400)
#define ROOT_LIFE (30L * 365 * 86400)
#define RENEW_AFTER_MS UINT64_C(7200000)

struct shape {
    const char *common_name, *basic_constraints, *key_usage;
    long life; /* seconds */
};
static const struct shape ROOT = {"devcloud.nitro-enclaves", "critical,CA:TRUE",
                                  "critical,keyCertSign,cRLSign", ROOT_LIFE};
static const struct shape ISSUER = {"issuer.devcloud.nitro-enclaves", "critical,CA:TRUE,pathlen:0",
                                    "critical,keyCertSign", ISSUER_LIFE};
static const struct shape LEAF = {"enclave.devcloud", "critical,CA:FALSE", "digitalSignature,nonRepudiation",
                                  LEAF_LIFE};

static must_check result add_extension(X509 *certificate, int nid, const char *value)
{
    AUTO_POINTER(X509_EXTENSION) extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    ENSURE(extension && X509_add_ext(certificate, extension, -1) == 1, E_CRYPTO,
           "certificate: cannot add an extension");
    return RESULT_OK;
}

static must_check result set_identity(X509 *certificate, const struct shape *shape, X509 *issuer,
                                      EVP_PKEY *key)
{
    int64_t serial;
    ENSURE(RAND_bytes((uint8_t *)&serial, sizeof serial) == 1, E_CRYPTO, "certificate: no randomness");
    X509_NAME *name = X509_get_subject_name(certificate);
    ENSURE(X509_set_version(certificate, X509_VERSION_3) == 1 &&
               ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), serial & INT64_MAX) == 1 &&
               X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const uint8_t *)"nitro-signer devcloud",
                                          -1, -1, 0) == 1 &&
               X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)shape->common_name, -1,
                                          -1, 0) == 1 &&
               X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : name) == 1 &&
               X509_gmtime_adj(X509_getm_notBefore(certificate), BACKDATED) &&
               X509_gmtime_adj(X509_getm_notAfter(certificate), shape->life) &&
               X509_set_pubkey(certificate, key) == 1,
           E_CRYPTO, "certificate: cannot fill in");
    return RESULT_OK;
}

/* issuer NULL: self-signed. */
static must_check result make_certificate(X509 **ret_certificate, const struct shape *shape, EVP_PKEY *key,
                                          X509 *issuer, EVP_PKEY *issuer_key)
{
    AUTO_POINTER(X509) certificate = X509_new();
    ENSURE(certificate, E_MEMORY, "certificate: out of memory");
    TRY(set_identity(certificate, shape, issuer, key));
    TRY(add_extension(certificate, NID_basic_constraints, shape->basic_constraints));
    TRY(add_extension(certificate, NID_key_usage, shape->key_usage));
    ENSURE(X509_sign(certificate, issuer_key, EVP_sha384()) > 0, E_CRYPTO, "certificate: cannot sign");
    *ret_certificate = TAKE(certificate);
    return RESULT_OK;
}

static must_check result encode(struct devcloud_certificate *ret_der, X509 *certificate)
{
    int length = i2d_X509(certificate, NULL);
    ENSURE(length > 0 && length <= DEVCLOUD_CERTIFICATE_MAX, E_CRYPTO, "certificate: cannot encode");
    uint8_t *at = ret_der->der;
    ret_der->length = (size_t)i2d_X509(certificate, &at);
    return RESULT_OK;
}

static must_check result new_key(EVP_PKEY **ret_key)
{
    *ret_key = EVP_EC_gen("P-384");
    ENSURE(*ret_key, E_CRYPTO, "cannot make a P-384 key");
    return RESULT_OK;
}

static must_check result store_key(const char *path, EVP_PKEY *key)
{
    int length = i2d_PrivateKey(key, NULL);
    ENSURE(length > 0 && length <= KEY_FILE_MAX, E_CRYPTO, "%s: cannot encode", path);
    AUTO(secret) der = {0};
    TRY(secret_new(&der, (size_t)length));
    uint8_t *at = der.data;
    ENSURE(i2d_PrivateKey(key, &at) == length, E_CRYPTO, "%s: cannot encode", path);
    return file_write(path, der.data, der.length, 0600);
}

static must_check result make_root(struct devcloud_authority *a, const char *key_path, const char *root_path)
{
    TRY(new_key(&a->root_key));
    TRY(make_certificate(&a->root, &ROOT, a->root_key, NULL, a->root_key));
    TRY(encode(&a->root_der, a->root));
    TRY(store_key(key_path, a->root_key));
    return file_write(root_path, a->root_der.der, a->root_der.length, 0644);
}

static must_check result read_root(struct devcloud_authority *a, const char *key_path, const char *root_path)
{
    AUTO(secret) key = {0};
    AUTO(buffer) root = {0};
    TRY(secret_read_file(&key, key_path, KEY_FILE_MAX));
    TRY(file_read(&root, root_path, DEVCLOUD_CERTIFICATE_MAX));
    const uint8_t *at = key.data;
    a->root_key = d2i_AutoPrivateKey(NULL, &at, (long)key.length);
    ENSURE(a->root_key && at == key.data + key.length, E_INPUT, "%s: not a private key", key_path);
    at = root.data;
    a->root = d2i_X509(NULL, &at, (long)root.length);
    ENSURE(a->root && at == root.data + root.length, E_INPUT, "%s: not a certificate", root_path);
    ENSURE(X509_check_private_key(a->root, a->root_key) == 1, E_INPUT, "%s: of another key than %s",
           root_path, key_path);
    return encode(&a->root_der, a->root);
}

static must_check result open_root(struct devcloud_authority *a, const char *state_dir)
{
    char key_path[PATH_LEN], root_path[PATH_LEN];
    int length = snprintf(key_path, sizeof key_path, "%s/nsm-root-key.der", state_dir);
    (void)snprintf(root_path, sizeof root_path, "%s/nsm-root.der", state_dir);
    ENSURE(length > 0 && (size_t)length < sizeof key_path, E_INPUT, "state folder: name is too long");
    if (access(key_path, F_OK) == 0 && access(root_path, F_OK) == 0)
        return read_root(a, key_path, root_path);
    return make_root(a, key_path, root_path);
}

result devcloud_authority_open(struct devcloud_authority *ret_authority, const char *state_dir)
{
    AUTO(devcloud_authority) a = {0};
    result r = open_root(&a, state_dir);
    if (!r.code)
        r = devcloud_authority_renew(&a, clock_realtime_ms());
    ERR_clear_error();
    TRY(r);
    *ret_authority = a;
    a = (struct devcloud_authority){0};
    return RESULT_OK;
}

result devcloud_authority_renew(struct devcloud_authority *a, uint64_t now_ms)
{
    if (a->leaf_key && now_ms < a->renew_at_ms)
        return RESULT_OK;
    AUTO_POINTER(EVP_PKEY) issuer_key = NULL;
    AUTO_POINTER(EVP_PKEY) leaf_key = NULL;
    AUTO_POINTER(X509) issuer = NULL;
    AUTO_POINTER(X509) leaf = NULL;
    TRY(new_key(&issuer_key));
    TRY(new_key(&leaf_key));
    TRY(make_certificate(&issuer, &ISSUER, issuer_key, a->root, a->root_key));
    TRY(make_certificate(&leaf, &LEAF, leaf_key, issuer, issuer_key));
    TRY(encode(&a->issuer_der, issuer));
    TRY(encode(&a->leaf_der, leaf));
    EVP_PKEY_free(a->leaf_key);
    a->leaf_key = TAKE(leaf_key);
    a->renew_at_ms = now_ms + RENEW_AFTER_MS;
    return RESULT_OK;
}

result devcloud_authority_sign(const struct devcloud_authority *a,
                               uint8_t ret_signature[static DEVCLOUD_SIGNATURE_LEN], const uint8_t *bytes,
                               size_t bytes_len)
{
    uint8_t der[DER_SIGNATURE_MAX];
    size_t der_len = sizeof der;
    AUTO_POINTER(EVP_MD_CTX) context = EVP_MD_CTX_new();
    ENSURE(context && EVP_DigestSignInit(context, NULL, EVP_sha384(), NULL, a->leaf_key) == 1 &&
               EVP_DigestSign(context, der, &der_len, bytes, bytes_len) == 1,
           E_CRYPTO, "document: cannot sign");
    const uint8_t *at = der;
    AUTO_POINTER(ECDSA_SIG) ecdsa = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
    ENSURE(ecdsa && BN_bn2binpad(ECDSA_SIG_get0_r(ecdsa), ret_signature, SIGNATURE_HALF) == SIGNATURE_HALF &&
               BN_bn2binpad(ECDSA_SIG_get0_s(ecdsa), ret_signature + SIGNATURE_HALF, SIGNATURE_HALF) ==
                   SIGNATURE_HALF,
           E_CRYPTO, "document: cannot encode the signature");
    return RESULT_OK;
}

void devcloud_authority_cleanup(struct devcloud_authority *a)
{
    EVP_PKEY_free(a->root_key);
    EVP_PKEY_free(a->leaf_key);
    X509_free(a->root);
    *a = (struct devcloud_authority){0};
}
