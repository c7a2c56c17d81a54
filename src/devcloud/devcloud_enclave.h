/* devcloud_enclave.h - one enclave as its NSM sees it: registers, a module id, and an answer to every
 * request.
 */
#ifndef DEVCLOUD_ENCLAVE_H
#define DEVCLOUD_ENCLAVE_H

#include "devcloud_authority.h"
#include "devcloud_pcrs.h"

struct devcloud_enclave {
    struct devcloud_pcrs pcrs;
    char module_id[64]; /* INSTANCE-encXXXXXXXXXXXXXXXX */
};

/* E_INPUT: the instance id is too long. */
must_check result devcloud_enclave_boot(struct devcloud_enclave *ret_enclave,
                                        const struct devcloud_identity *identity);

/* Answers any bytes with one NSM answer; what is wrong with them becomes an error answer. */
void devcloud_enclave_answer(struct devcloud_enclave *e, uint8_t ret_answer[static NSM_RESPONSE_MAX],
                             size_t *ret_answer_len, struct devcloud_authority *authority,
                             const uint8_t *request, size_t request_len);

#endif
