/* document_maker.h - makes attestation documents of any wrong kind for tests: takes a valid one apart and
 * signs it again with parts exchanged. Failures end the test.
 */
#ifndef TESTS_DOCUMENT_MAKER_H
#define TESTS_DOCUMENT_MAKER_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/buffer.h"
#include "cbor/cbor.h"

/* Extensions as openssl's configuration writes them; NULL leaves one out. */
struct certificate_shape {
    const char *basic_constraints;
    const char *key_usage;
};

X509 *make_certificate(EVP_PKEY *subject_key, const char *subject_name, X509 *issuer, EVP_PKEY *issuer_key,
                       const struct certificate_shape *shape);

/* Called for each member of the payload: writes name and value if it wants to change or drop them and returns
 * true. */
typedef bool payload_editor(struct packer *p, const char *name, const void *context);

/* Rebuilds the payload of the valid document with the editor, and signs it with key. */
void make_document(struct buffer *out, const struct buffer *valid, EVP_PKEY *key, payload_editor *edit,
                   const void *context);

#endif
