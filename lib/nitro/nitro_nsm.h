/* nitro_nsm.h - the Nitro Security Module: /dev/nsm by ioctl, or the same CBOR bytes over a unix
 * SOCK_SEQPACKET socket (one request and one response a packet) to the development stand-in.
 * Requests and answers as aws-nitro-enclaves-nsm-api defines them. Target nitro_nsm: libcbor
 * only, no X.509, no JSON.
 */
#ifndef NITRO_NSM_H
#define NITRO_NSM_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/result.h"

/* The one request that /dev/nsm knows; what a sandbox has to let through. */
#define NSM_IOCTL 0xC0200A00UL

enum {
    NSM_REQUEST_MAX = 0x1000,
    NSM_RESPONSE_MAX = 0x3000,
    NSM_PCR_LEN = 48,
    NSM_PCR_COUNT = 32,
    NSM_USER_DATA_MAX = 512,
    NSM_NONCE_MAX = 512,
    NSM_PUBLIC_KEY_MAX = 1024
};

struct nsm {
    int fd; /* 0 or less when closed */
    bool is_device;
};

/* where: "/dev/nsm" (or another device path), or "unix:PATH". */
must_check result nsm_open(struct nsm *ret_nsm, const char *where);
void nsm_cleanup(struct nsm *n);

/* Every request below: E_STATE when a register is locked; E_INPUT when the NSM calls an argument wrong;
 * E_PEER when it fails, or answers what it should not; E_TIMEOUT; E_IO. */

/* A register's value, and whether it is locked against extension. */
must_check result nsm_describe_pcr(const struct nsm *n, uint8_t ret_value[static NSM_PCR_LEN],
                                   bool *ret_locked, uint16_t index);
/* new value = SHA-384(old || data). */
must_check result nsm_extend_pcr(const struct nsm *n, uint8_t ret_value[static NSM_PCR_LEN], uint16_t index,
                                 const uint8_t *data, size_t data_len);
must_check result nsm_lock_pcr(const struct nsm *n, uint16_t index);
/* Fills out with hardware randomness, in as many requests as it takes. */
must_check result nsm_get_random(const struct nsm *n, uint8_t *out, size_t out_len);
/* Appends the COSE_Sign1 bytes. Each of the three fields may be NULL with length 0 (null in CBOR);
 * at most 512, 512 and 1024 bytes. */
must_check result nsm_attest(const struct nsm *n, struct buffer *out, const uint8_t *user_data,
                             size_t user_data_len, const uint8_t *nonce, size_t nonce_len,
                             const uint8_t *public_key, size_t public_key_len);
/* The hypervisor's time, milliseconds since 1970 UTC, out of a document made for that; some devices only know
 * whole seconds. The device is believed, as for everything above: no signature is checked. */
must_check result nsm_time(const struct nsm *n, uint64_t *ret_ms);

#endif
