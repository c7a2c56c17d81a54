/* nitro_attestation.h - verifies an attestation document against a pinned root: strict CBOR,
 * COSE_Sign1 ES384, certificate chain, mandatory fields (nsm-api docs/attestation_process.md).
 * Target nitro_attestation. The caller decides on PCRs, nonce and freshness from the fields.
 */
#ifndef NITRO_ATTESTATION_H
#define NITRO_ATTESTATION_H

#include <stdint.h>

#include "base/result.h"

enum {
    ATTESTATION_DOCUMENT_MAX = 16384,
    ATTESTATION_FIELD_MAX = 1024, /* public_key, user_data, nonce */
    ATTESTATION_PCR_COUNT = 32,
    ATTESTATION_PCR_LEN = 48
};

struct attestation_field {
    bool present;
    uint8_t bytes[ATTESTATION_FIELD_MAX];
    size_t length;
};

struct attestation {
    char module_id[128];
    uint64_t timestamp_ms;
    uint32_t pcr_present; /* bit i: PCR i is in the document */
    uint8_t pcr[ATTESTATION_PCR_COUNT][ATTESTATION_PCR_LEN];
    struct attestation_field public_key, user_data, nonce;
};

/* Verifies the COSE signature by the leaf certificate, and the leaf's chain to the root through the
 * document's own bundle. root_der: the pinned root certificate (DER), e.g. AWS's G1; the bundle's copy of it
 * is never trusted. at_ms: the time, in milliseconds since 1970, at which certificates must be valid (usually
 * now; a stored document's own time in tests). E_INPUT or E_TOO_LARGE malformed; E_UNSUPPORTED another
 * algorithm than ES384; E_AUTH signature, chain, key usage or validity. */
must_check result attestation_verify(struct attestation *ret_attestation, const uint8_t *document,
                                     size_t document_len, const uint8_t *root_der, size_t root_der_len,
                                     uint64_t at_ms);

/* AWS's Nitro Enclaves root G1 (DER), SHA-256 641a0321...5b. */
extern const uint8_t attestation_aws_root_g1[];
extern const size_t attestation_aws_root_g1_len;

#endif
