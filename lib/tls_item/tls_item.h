/* tls_item.h - the signer's TLS key as an item of the TLS table holds it: a self-signed certificate that
 * clients pin as their root, and, for KMS to encrypt, {"tls_password_b64","tls_keystore_b64"} with a PKCS#12
 * file of key and certificate.
 *
 * Names, validity and extensions are those of the system we replace, so a client's configuration stays as it
 * is.
 */
#ifndef TLS_ITEM_TLS_ITEM_H
#define TLS_ITEM_TLS_ITEM_H

#include <openssl/evp.h>

#include "base/buffer.h"
#include "base/secret.h"

enum { TLS_ITEM_NAME_MAX = 64 /* a common name has no room for more */ };

struct tls_item {
    struct secret plaintext; /* JSON */
    struct buffer pem;       /* the certificate */
};
void tls_item_cleanup(struct tls_item *item);

/* Whether text can be a DNS name of at most TLS_ITEM_NAME_MAX characters. */
bool tls_item_name_valid(const char *text);

/* For ten years, for name, localhost and 127.0.0.1. key is P-256 and borrowed; password protects the PKCS#12
 * file (a text without NUL). E_INPUT for a name that tls_item_name_valid does not like. */
must_check result tls_item_make(struct tls_item *ret_item, EVP_PKEY *key, const char *name,
                                const struct secret *password);

/* Whether pem begins with a certificate. E_INPUT. */
must_check result tls_item_certificate_check(const struct buffer *pem);

/* Whether a plaintext is one of those: E_INPUT names the member; E_AUTH when the password does not open the
 * file; E_MISMATCH when the file has no key, or its certificate is not the one in pem. jansson's allocator
 * must wipe. */
must_check result tls_item_check(const struct secret *plaintext, const struct buffer *pem);

#endif
