/* devcloud_pcrs.h - the platform configuration registers of one enclave.
 */
#ifndef DEVCLOUD_PCRS_H
#define DEVCLOUD_PCRS_H

#include <stdint.h>

#include "base/result.h"
#include "nitro/nitro_nsm.h"

struct devcloud_pcrs {
    uint8_t value[NSM_PCR_COUNT][NSM_PCR_LEN];
    uint32_t locked; /* bit i: register i */
};

/* What an enclave is and where it runs. */
struct devcloud_identity {
    uint8_t pcr0[NSM_PCR_LEN];
    const char *role_arn;    /* of the parent instance's role: PCR3 */
    const char *instance_id; /* of the parent instance: PCR4 */
};

/* value = SHA-384(value || data) */
must_check result devcloud_pcr_extend(uint8_t value[static NSM_PCR_LEN], const uint8_t *data,
                                      size_t data_len);

/* The registers as they are when an enclave's first process starts: 0 to 15 set and locked. PCR1 and PCR2
 * divide an image into kernel and application; there is no such division here and they stay zero. */
must_check result devcloud_pcrs_boot(struct devcloud_pcrs *ret_pcrs,
                                     const struct devcloud_identity *identity);

/* Both: E_NOT_FOUND when there is no such register, E_STATE when it is locked. */
must_check result devcloud_pcrs_extend(struct devcloud_pcrs *pcrs, uint16_t index, const uint8_t *data,
                                       size_t data_len);
must_check result devcloud_pcrs_lock(struct devcloud_pcrs *pcrs, uint16_t index);
/* Locks registers 0 to range - 1, locked ones again. E_NOT_FOUND when there are not that many. */
must_check result devcloud_pcrs_lock_range(struct devcloud_pcrs *pcrs, uint16_t range);
bool devcloud_pcrs_is_locked(const struct devcloud_pcrs *pcrs, unsigned index);

#endif
