/* nitro_attestation_parse.h - an attestation document taken apart, nothing in it believed yet. Internal to
 * nitro_attestation, and for devcloud.
 */
#ifndef NITRO_ATTESTATION_PARSE_H
#define NITRO_ATTESTATION_PARSE_H

#include "nitro/nitro_attestation.h"

enum { ATTESTATION_BUNDLE_MAX = 16, ATTESTATION_CERTIFICATE_MAX = 1024, ATTESTATION_SIGNATURE_LEN = 96 };

/* Bytes inside the document. */
struct attestation_view {
    const uint8_t *bytes;
    size_t length;
};

struct attestation_parts {
    struct attestation_view protected_header; /* encoded; holds ES384 and nothing else */
    struct attestation_view payload;          /* encoded */
    const uint8_t *signature;                 /* r || s */
    struct attestation_view certificate;      /* leaf, DER */
    struct attestation_view bundle[ATTESTATION_BUNDLE_MAX];
    size_t num_bundle;
    struct attestation claims;
};

/* The views point into document. E_INPUT, E_TOO_LARGE, E_UNSUPPORTED (algorithm). */
must_check result attestation_parse(struct attestation_parts *ret_parts, const uint8_t *document,
                                    size_t document_len);
/* The same for a payload without its COSE_Sign1. */
must_check result attestation_parse_payload(struct attestation *ret_claims, const uint8_t *payload,
                                            size_t payload_len);

#endif
