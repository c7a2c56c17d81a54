/* enclave_mounts.h - the file system that the signer lives in: nothing can be written but three small folders
 * of memory, and no device is there but those that somebody needs.
 */
#ifndef ENCLAVE_ENCLAVE_MOUNTS_H
#define ENCLAVE_ENCLAVE_MOUNTS_H

#include <sys/types.h>

#include "base/result.h"

/* PID 1's first step: /proc, in which users see only their own processes; /dev, with null for all, nsm for
 * the keeper and what only PID 1 may open; /run, root's; /tmp, the keeper's. Standard streams that the kernel
 * did not open are opened. */
must_check result enclave_mounts_make(uid_t keeper);

/* From here on / and /dev are read-only; E_STATE when a file can be made in / all the same. */
must_check result enclave_mounts_close(void);

#endif
