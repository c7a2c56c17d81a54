/* devcloud_document.h - writes and signs an attestation document.
 */
#ifndef DEVCLOUD_DOCUMENT_H
#define DEVCLOUD_DOCUMENT_H

#include "devcloud_authority.h"
#include "devcloud_nsm_message.h"

struct devcloud_document {
    const char *module_id;
    uint64_t timestamp_ms;
    const struct devcloud_pcrs *pcrs; /* only the locked ones appear */
    const struct devcloud_nsm_request *request;
};

/* An untagged COSE_Sign1 in the member order of AWS's documents. */
must_check result devcloud_document_sign(const struct devcloud_document *d,
                                         uint8_t ret_bytes[static NSM_RESPONSE_MAX], size_t *ret_len,
                                         const struct devcloud_authority *authority);

#endif
