/* enclave_init.h - what only PID 1 of a Nitro enclave has to do. */
#ifndef ENCLAVE_ENCLAVE_INIT_H
#define ENCLAVE_ENCLAVE_INIT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/result.h"

/* Mounts /proc, /sys, /dev, /run and /tmp. The first step: all others need it. */
must_check result enclave_init_mount(void);

/* Whether this PID 1 is a machine's and not a container's, whose kernel, clock and command line belong to
 * others. Needs /proc. */
bool enclave_init_is_machine(void);

/* Brings up the loopback interface, tells the hypervisor's parent that the enclave has booted (heartbeat),
 * mixes NSM randomness into the kernel's pool, and lets nsm_user open the NSM. Only PID 1 may call it. */
must_check result enclave_init(const char *nsm, uid_t nsm_user, uint32_t parent_cid);

/* Ends the enclave: its machine reboots, which on Nitro terminates it. Does not return. */
_Noreturn void enclave_end(void);

#endif
