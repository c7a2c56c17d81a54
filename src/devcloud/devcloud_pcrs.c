/* devcloud_pcrs.c - see devcloud_pcrs.h. */
#include "devcloud_pcrs.h"

#include <openssl/evp.h>
#include <string.h>

DEFINE_AUTO_POINTER(EVP_MD_CTX, EVP_MD_CTX_free)

enum { BOOT_LOCKED = 16 };

result devcloud_pcr_extend(uint8_t value[static NSM_PCR_LEN], const uint8_t *data, size_t data_len)
{
    AUTO_POINTER(EVP_MD_CTX) digest = EVP_MD_CTX_new();
    ENSURE(digest && EVP_DigestInit_ex2(digest, EVP_sha384(), NULL) == 1 &&
               EVP_DigestUpdate(digest, value, NSM_PCR_LEN) == 1 &&
               EVP_DigestUpdate(digest, data, data_len) == 1 && EVP_DigestFinal_ex(digest, value, NULL) == 1,
           E_CRYPTO, "SHA-384 failed");
    return RESULT_OK;
}

static must_check result extend_text(uint8_t *value, const char *text)
{
    return devcloud_pcr_extend(value, (const uint8_t *)text, strlen(text));
}

result devcloud_pcrs_boot(struct devcloud_pcrs *ret_pcrs, const struct devcloud_identity *identity)
{
    struct devcloud_pcrs pcrs = {0};
    memcpy(pcrs.value[0], identity->pcr0, NSM_PCR_LEN);
    TRY(extend_text(pcrs.value[3], identity->role_arn));
    TRY(extend_text(pcrs.value[4], identity->instance_id));
    TRY(devcloud_pcrs_lock_range(&pcrs, BOOT_LOCKED));
    *ret_pcrs = pcrs;
    return RESULT_OK;
}

static must_check result check_open(const struct devcloud_pcrs *pcrs, uint16_t index)
{
    ENSURE(index < NSM_PCR_COUNT, E_NOT_FOUND, "no such register");
    ENSURE(!devcloud_pcrs_is_locked(pcrs, index), E_STATE, "register is locked");
    return RESULT_OK;
}

result devcloud_pcrs_extend(struct devcloud_pcrs *pcrs, uint16_t index, const uint8_t *data, size_t data_len)
{
    TRY(check_open(pcrs, index));
    return devcloud_pcr_extend(pcrs->value[index], data, data_len);
}

result devcloud_pcrs_lock(struct devcloud_pcrs *pcrs, uint16_t index)
{
    TRY(check_open(pcrs, index));
    pcrs->locked |= UINT32_C(1) << index;
    return RESULT_OK;
}

result devcloud_pcrs_lock_range(struct devcloud_pcrs *pcrs, uint16_t range)
{
    ENSURE(range <= NSM_PCR_COUNT, E_NOT_FOUND, "no such register");
    for (unsigned i = 0; i < range; i++)
        pcrs->locked |= UINT32_C(1) << i;
    return RESULT_OK;
}

bool devcloud_pcrs_is_locked(const struct devcloud_pcrs *pcrs, unsigned index)
{
    return (pcrs->locked >> index & 1) != 0;
}
