/* devcloud_unsigned.h - the attestation documents of QEMU's nitro-enclave machine, which nobody signs.
 *
 * They prove nothing: anyone can write one. The KMS takes them only when it was started with
 * --accept-unsigned-attestation, to boot images in tests; lib/nitro, which programs that are shipped use, has
 * no such way.
 */
#ifndef DEVCLOUD_UNSIGNED_H
#define DEVCLOUD_UNSIGNED_H

#include "nitro/nitro_attestation.h"

/* Reads the one form that QEMU 9.2 and later writes: protected header {1: -1}, no unprotected one, a
 * signature of 64 zero bytes. E_INPUT for every other, a signed document among them; E_TOO_LARGE. */
must_check result devcloud_unsigned_read(struct attestation *ret_attestation, const uint8_t *document,
                                         size_t document_len);

#endif
