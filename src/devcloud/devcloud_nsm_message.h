/* devcloud_nsm_message.h - the NSM's requests, read, and its answers, written, as aws-nitro-enclaves-nsm-api
 * has them.
 */
#ifndef DEVCLOUD_NSM_MESSAGE_H
#define DEVCLOUD_NSM_MESSAGE_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/result.h"
#include "devcloud_pcrs.h"

enum devcloud_nsm_command {
    DEVCLOUD_DESCRIBE_PCR,
    DEVCLOUD_EXTEND_PCR,
    DEVCLOUD_LOCK_PCR,
    DEVCLOUD_LOCK_PCRS,
    DEVCLOUD_DESCRIBE_NSM,
    DEVCLOUD_ATTESTATION,
    DEVCLOUD_GET_RANDOM
};

/* Bytes inside the request; absent where it has null. */
struct devcloud_nsm_bytes {
    bool present;
    const uint8_t *bytes;
    size_t length;
};

struct devcloud_nsm_request {
    enum devcloud_nsm_command command;
    uint16_t index; /* or range, for LockPCRs */
    struct devcloud_nsm_bytes data, user_data, nonce, public_key;
};

/* Stricter than AWS's device: exactly the members that AWS's library sends. E_UNSUPPORTED no such command,
 * E_INPUT a member is wrong, E_TOO_LARGE a field is over its limit. */
must_check result devcloud_nsm_parse(struct devcloud_nsm_request *ret_request, const uint8_t *bytes,
                                     size_t bytes_len);

void devcloud_nsm_pack_describe_pcr(struct packer *p, const struct devcloud_pcrs *pcrs, uint16_t index);
void devcloud_nsm_pack_extend_pcr(struct packer *p, const struct devcloud_pcrs *pcrs, uint16_t index);
void devcloud_nsm_pack_describe_nsm(struct packer *p, const struct devcloud_pcrs *pcrs,
                                    const char *module_id);
void devcloud_nsm_pack_attestation(struct packer *p, const uint8_t *document, size_t document_len);
void devcloud_nsm_pack_random(struct packer *p, const uint8_t *random, size_t random_len);
/* Only the command's name. */
void devcloud_nsm_pack_done(struct packer *p, enum devcloud_nsm_command command);
/* {"Error": name} for a failed result of this program. */
void devcloud_nsm_pack_error(struct packer *p, result failed);

#endif
