/* tls_item_read.c - whether a plaintext is what a signer can load. For those who may decrypt it, in
 * development; the enclave's own reader is src/loader/loader_tls.c. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <string.h>

#include "base/base64.h"
#include "tls_item/tls_item.h"
#include "json/json.h"

enum { PLAINTEXT_MAX = 4096, VALUES_MAX = 16 };

DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)
DEFINE_AUTO_POINTER(X509, X509_free)
DEFINE_AUTO_POINTER(PKCS12, PKCS12_free)
DEFINE_AUTO_POINTER(BIO, BIO_free_all)

static must_check result take_member(struct secret *ret_bytes, const struct json_view *view, const char *name)
{
    const char *text = NULL;
    size_t text_len = 0, length = 0;
    AUTO(secret) bytes = {0};
    TRY(json_get_text(&text, &text_len, view, name));
    TRY(secret_new(&bytes, BASE64_DECODED_MAX(text_len)));
    result r = base64_decode(bytes.data, &length, bytes.length, text, text_len);
    if (!r.code && length == 0)
        r = error_set(E_INPUT, "must not be empty");
    if (r.code)
        return json_blame(r, view, name);
    secret_truncate(&bytes, length);
    bytes.data[length] = 0;
    *ret_bytes = bytes;
    bytes = (struct secret){0};
    return RESULT_OK;
}

static must_check result open_pkcs12(X509 **ret_certificate, const struct secret *file,
                                     const struct secret *password)
{
    const unsigned char *at = file->data;
    AUTO_POINTER(PKCS12) pkcs12 = d2i_PKCS12(NULL, &at, (long)file->length);
    AUTO_POINTER(EVP_PKEY) key = NULL;
    ENSURE(pkcs12 && at == file->data + file->length, E_INPUT, "tls_keystore_b64: must be a PKCS#12 file");
    /* The password is a text: none of its bytes may be passed over. */
    ENSURE(strlen((const char *)password->data) == password->length, E_INPUT,
           "tls_password_b64: must have no NUL byte");
    int opened = PKCS12_parse(pkcs12, (const char *)password->data, &key, ret_certificate, NULL);
    ENSURE(opened == 1, E_AUTH, "tls_password_b64: does not open tls_keystore_b64");
    ENSURE(key && *ret_certificate, E_MISMATCH, "tls_keystore_b64: must have a key and its certificate");
    return RESULT_OK;
}

static must_check result read_certificate(X509 **ret_certificate, const struct buffer *pem)
{
    AUTO_POINTER(BIO) bio = BIO_new_mem_buf(pem->data, (int)pem->length);
    ENSURE(bio, E_MEMORY, "out of memory for a certificate");
    *ret_certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    ERR_clear_error();
    ENSURE(*ret_certificate, E_INPUT, "cert_pem: must be a certificate");
    return RESULT_OK;
}

result tls_item_certificate_check(const struct buffer *pem)
{
    AUTO_POINTER(X509) certificate = NULL;
    return read_certificate(&certificate, pem);
}

static must_check result check_certificate(X509 *certificate, const struct buffer *pem)
{
    AUTO_POINTER(X509) stored = NULL;
    TRY(read_certificate(&stored, pem));
    ENSURE(X509_cmp(stored, certificate) == 0, E_MISMATCH, "cert_pem: is not the one in tls_keystore_b64");
    return RESULT_OK;
}

static must_check result check(const struct secret *plaintext, const struct buffer *pem)
{
    AUTO_POINTER(json_t) root = NULL;
    AUTO_POINTER(X509) certificate = NULL;
    AUTO(secret) password = {0};
    AUTO(secret) file = {0};
    struct json_view view;
    TRY(json_read(&root, (const char *)plaintext->data, plaintext->length, PLAINTEXT_MAX, VALUES_MAX));
    TRY(json_view_root(&view, root));
    TRY(take_member(&password, &view, "tls_password_b64"));
    TRY(take_member(&file, &view, "tls_keystore_b64"));
    TRY(open_pkcs12(&certificate, &file, &password));
    return check_certificate(certificate, pem);
}

result tls_item_check(const struct secret *plaintext, const struct buffer *pem)
{
    result r = check(plaintext, pem);
    ERR_clear_error();
    return r;
}
