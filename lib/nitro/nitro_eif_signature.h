/* nitro_eif_signature.h - the signature section of an enclave image: a certificate, and a COSE_Sign1 of PCR0
 * by its key.
 *
 * The section is a CBOR array of one map {signing_certificate, signature}, each a list of integers below 256,
 * as serde writes bytes: the PEM text of the certificate, and the COSE_Sign1, ES256, ES384 or ES512 by the
 * curve of the key. Nothing vouches for the certificate but PCR8, which is its measurement. Its dates are not
 * looked at: building must not depend on the clock, and the hypervisor checks them when it starts an image.
 * Target nitro_eif. */
#ifndef NITRO_EIF_SIGNATURE_H
#define NITRO_EIF_SIGNATURE_H

#include <openssl/x509.h>

#include "nitro/nitro_eif.h"

/* The first certificate of a PEM text, which the caller frees. E_INPUT */
must_check result nitro_eif_certificate_read(X509 **ret_certificate, const uint8_t *pem, size_t pem_len);
/* PCR8 */
must_check result nitro_eif_certificate_measure(uint8_t ret_pcr8[static NITRO_EIF_PCR_LEN],
                                                X509 *certificate);

/* Appends a section that signs pcr0. Each signature differs, as ECDSA's do; no measurement covers it.
 * E_UNSUPPORTED for a key on another curve than P-256, P-384 and P-521; E_MISMATCH when the key is not the
 * certificate's. */
must_check result nitro_eif_signature_make(struct buffer *out_section,
                                           const uint8_t pcr0[static NITRO_EIF_PCR_LEN], X509 *certificate,
                                           EVP_PKEY *key);

/* Reads the section and verifies that its certificate's key signed pcr0. *ret_certificate is the caller's to
 * free. E_INPUT malformed, E_UNSUPPORTED another algorithm or more than one signature, E_AUTH not a signature
 * of pcr0 by that key. */
must_check result nitro_eif_signature_verify(X509 **ret_certificate, const struct nitro_eif_part *section,
                                             const uint8_t pcr0[static NITRO_EIF_PCR_LEN]);

#endif
