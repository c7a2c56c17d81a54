/* loader_tls.h - the server's TLS key and certificates out of a PKCS#12 file. */
#ifndef LOADER_TLS_H
#define LOADER_TLS_H

#include "base/buffer.h"
#include "base/secret.h"

enum { LOADER_PKCS12_MAX = 65000, LOADER_DIGEST_LEN = 32 };

struct loader_tls {
    struct secret private_key; /* PKCS#8 DER */
    struct buffer
        certificates; /* DER, leaf first, then each its predecessor's issuer, as far as the file goes */
    uint8_t spki_digest[LOADER_DIGEST_LEN]; /* SHA-256 of the leaf's SubjectPublicKeyInfo */
};
void loader_tls_cleanup(struct loader_tls *tls);

/* E_INPUT not a PKCS#12 file, E_AUTH wrong password or no integrity protection, E_MISMATCH the key is not
 * the certificate's, E_UNSUPPORTED encrypted in a way this OpenSSL does not have, E_TOO_LARGE for one
 * message. */
must_check result loader_tls_open(struct loader_tls *ret_tls, const uint8_t *pkcs12, size_t pkcs12_len,
                                  const struct secret *password);

#endif
