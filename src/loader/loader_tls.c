/* loader_tls.c - PKCS#12 by OpenSSL, with the checks it leaves to its caller.
 *
 * A file without a MAC is refused, and the MAC is verified before any bag is opened, so that the
 * iteration counts inside, which cost time, are those of somebody who knows the password. The
 * chain is put into the order TLS wants: PKCS#12 has none. */
#include "loader_tls.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "ipc/ipc.h"

enum { MAC_ITERATIONS_MAX = 5000000, CHAIN_MAX = 8 };

DEFINE_AUTO_POINTER(PKCS12, PKCS12_free)
DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)
DEFINE_AUTO_POINTER(X509, X509_free)
DEFINE_AUTO_POINTER(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)

typedef STACK_OF(X509) certificate_list;
static void certificate_list_free(certificate_list *list)
{
    sk_X509_pop_free(list, X509_free);
}
DEFINE_AUTO_POINTER(certificate_list, certificate_list_free)

void loader_tls_cleanup(struct loader_tls *tls)
{
    secret_cleanup(&tls->private_key);
    buffer_cleanup(&tls->certificates);
}

static must_check result check_mac(PKCS12 *file, const struct secret *password)
{
    ENSURE(PKCS12_mac_present(file), E_AUTH, "has no integrity protection (MAC)");
    const ASN1_INTEGER *iterations = NULL;
    PKCS12_get0_mac(NULL, NULL, NULL, &iterations, file);
    long count = iterations ? ASN1_INTEGER_get(iterations) : 1;
    ENSURE(count >= 1 && count <= MAC_ITERATIONS_MAX, E_INPUT, "its MAC wants more than %d iterations",
           MAC_ITERATIONS_MAX);
    /* An empty password has two encodings; writers differ. */
    bool verified = PKCS12_verify_mac(file, (const char *)password->data, (int)password->length) == 1 ||
                    (password->length == 0 && PKCS12_verify_mac(file, NULL, 0) == 1);
    ENSURE(verified, E_AUTH, "the password is wrong");
    return RESULT_OK;
}

static must_check result parse(PKCS12 **ret_file, const uint8_t *pkcs12, size_t pkcs12_len)
{
    ENSURE(pkcs12_len <= LOADER_PKCS12_MAX, E_TOO_LARGE, "is larger than %d bytes", LOADER_PKCS12_MAX);
    const uint8_t *at = pkcs12;
    AUTO_POINTER(PKCS12) file = d2i_PKCS12(NULL, &at, (long)pkcs12_len);
    ENSURE(file && at == pkcs12 + pkcs12_len, E_INPUT, "is not a PKCS#12 file");
    *ret_file = TAKE(file);
    return RESULT_OK;
}

static must_check result encode_key(struct secret *ret_key, EVP_PKEY *key)
{
    AUTO_POINTER(PKCS8_PRIV_KEY_INFO) info = EVP_PKEY2PKCS8(key);
    int length = info ? i2d_PKCS8_PRIV_KEY_INFO(info, NULL) : 0;
    ENSURE(length > 0, E_CRYPTO, "its private key cannot be encoded");
    TRY(secret_new(ret_key, (size_t)length));
    uint8_t *at = ret_key->data;
    (void)i2d_PKCS8_PRIV_KEY_INFO(info, &at);
    return RESULT_OK;
}

static must_check result append_certificate(struct buffer *out, X509 *certificate)
{
    int length = i2d_X509(certificate, NULL);
    ENSURE(length > 0, E_CRYPTO, "a certificate cannot be encoded");
    TRY(buffer_reserve(out, (size_t)length));
    uint8_t *at = out->data + out->length;
    (void)i2d_X509(certificate, &at);
    out->length += (size_t)length;
    return RESULT_OK;
}

/* The certificate of the list that issued this one; NULL when there is none, or it is its own. */
static X509 *find_issuer(X509 *certificate, certificate_list *list)
{
    if (X509_self_signed(certificate, 0) == 1)
        return NULL;
    for (int i = 0; i < sk_X509_num(list); i++) {
        if (X509_check_issued(sk_X509_value(list, i), certificate) == X509_V_OK)
            return sk_X509_value(list, i);
    }
    return NULL;
}

static must_check result encode_chain(struct buffer *out, X509 *leaf, certificate_list *list)
{
    X509 *certificate = leaf;
    for (int depth = 0; certificate && depth < CHAIN_MAX; depth++) {
        TRY(append_certificate(out, certificate));
        certificate = find_issuer(certificate, list);
    }
    return RESULT_OK;
}

/* Here, where it is parsed already, so that the keeper, which attests it, parses no certificate. */
static must_check result digest_public_key(uint8_t ret_digest[static LOADER_DIGEST_LEN], X509 *leaf)
{
    unsigned char *spki = NULL;
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &spki);
    ENSURE(length > 0, E_CRYPTO, "its public key cannot be encoded");
    int done = EVP_Digest(spki, (size_t)length, ret_digest, NULL, EVP_sha256(), NULL);
    OPENSSL_free(spki);
    ENSURE(done == 1, E_CRYPTO, "SHA-256 failed");
    return RESULT_OK;
}

static must_check result open_parsed(struct loader_tls *ret_tls, PKCS12 *file, const struct secret *password)
{
    AUTO_POINTER(EVP_PKEY) key = NULL;
    AUTO_POINTER(X509) leaf = NULL;
    AUTO_POINTER(certificate_list) list = NULL;
    TRY(check_mac(file, password));
    ENSURE(PKCS12_parse(file, (const char *)password->data, &key, &leaf, &list) == 1, E_UNSUPPORTED,
           "cannot be decrypted; it may use an algorithm that is too old");
    ENSURE(key, E_INPUT, "has no private key");
    ENSURE(leaf, E_MISMATCH, "has no certificate for its private key");
    AUTO(loader_tls) tls = {0};
    TRY(encode_key(&tls.private_key, key));
    TRY(encode_chain(&tls.certificates, leaf, list));
    TRY(digest_public_key(tls.spki_digest, leaf));
    ENSURE(tls.private_key.length + tls.certificates.length <= IPC_TLS_MAX, E_TOO_LARGE,
           "key and certificates are larger than %d bytes", IPC_TLS_MAX);
    *ret_tls = tls;
    tls = (struct loader_tls){0};
    return RESULT_OK;
}

result loader_tls_open(struct loader_tls *ret_tls, const uint8_t *pkcs12, size_t pkcs12_len,
                       const struct secret *password)
{
    AUTO_POINTER(PKCS12) file = NULL;
    result r = memchr(password->data, 0, password->length) ? error_set(E_INPUT, "the password has a NUL byte")
                                                           : parse(&file, pkcs12, pkcs12_len);
    if (!r.code)
        r = open_parsed(ret_tls, file, password);
    ERR_clear_error();
    return r;
}
