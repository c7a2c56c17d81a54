/* devcloud_authority.h - who signs this cloud's attestation documents: a root of its own, kept in the state
 * folder so that what was pinned stays true over a restart, and below it an issuer and a leaf, made in memory
 * and renewed.
 */
#ifndef DEVCLOUD_AUTHORITY_H
#define DEVCLOUD_AUTHORITY_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>

#include "base/result.h"

enum { DEVCLOUD_CERTIFICATE_MAX = 1024, DEVCLOUD_SIGNATURE_LEN = 96 };

struct devcloud_certificate {
    uint8_t der[DEVCLOUD_CERTIFICATE_MAX];
    size_t length;
};

struct devcloud_authority {
    EVP_PKEY *root_key, *leaf_key;
    X509 *root;
    struct devcloud_certificate root_der, issuer_der, leaf_der;
    uint64_t renew_at_ms;
};

/* Reads DIR/nsm-root-key.der (PKCS#8, 0600) and DIR/nsm-root.der, or makes both. E_INPUT when they do not
 * belong together. */
must_check result devcloud_authority_open(struct devcloud_authority *ret_authority, const char *state_dir);
/* Makes issuer and leaf anew when the leaf's three hours are nearly over. */
must_check result devcloud_authority_renew(struct devcloud_authority *a, uint64_t now_ms);
/* ECDSA P-384 with SHA-384 by the leaf key; r || s. */
must_check result devcloud_authority_sign(const struct devcloud_authority *a,
                                          uint8_t ret_signature[static DEVCLOUD_SIGNATURE_LEN],
                                          const uint8_t *bytes, size_t bytes_len);
void devcloud_authority_cleanup(struct devcloud_authority *a);

#endif
