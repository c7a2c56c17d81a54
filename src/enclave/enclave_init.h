/* enclave_init.h - what only PID 1 of a Nitro enclave has to do. */
#ifndef ENCLAVE_ENCLAVE_INIT_H
#define ENCLAVE_ENCLAVE_INIT_H

#include <sys/types.h>

#include "base/result.h"

/* Mounts /proc, /sys, /dev, /run and /tmp, brings up the loopback interface, tells the hypervisor's parent
 * that the enclave has booted (heartbeat), mixes NSM randomness into the kernel's pool, and lets nsm_user
 * open the NSM. Only PID 1 may call it. */
must_check result enclave_init(const char *nsm, uid_t nsm_user);

/* Ends the enclave: its machine reboots, which on Nitro terminates it. Does not return. */
_Noreturn void enclave_end(void);

#endif
