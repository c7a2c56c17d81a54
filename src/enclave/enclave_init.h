/* enclave_init.h - what else only PID 1 of an enclave has to do; enclave_mounts.h is the first of it. */
#ifndef ENCLAVE_ENCLAVE_INIT_H
#define ENCLAVE_ENCLAVE_INIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "nitro/nitro_nsm.h"

/* Whether this PID 1 is a machine's and not a container's, whose kernel, clock and command line belong to
 * others. Needs /proc. */
bool enclave_init_is_machine(void);

/* The kernel's settings that close what nobody here uses. Only for a machine's PID 1. */
must_check result enclave_init_harden_kernel(void);

/* Brings up the loopback interface. */
must_check result enclave_init_network(void);

/* Mixes NSM randomness into the kernel's pool, as a machine's PID 1 also credited, and makes sure that the
 * pool is ready: before any key. */
must_check result enclave_init_entropy(const struct nsm *nsm, bool is_machine);

/* Tells the hypervisor's parent that the enclave has booted. */
must_check result enclave_init_heartbeat(uint32_t parent_cid);

/* Gives up the capabilities that are of no use any more: what is left starts, confines and ends children,
 * sets the clock, and ends the machine. */
must_check result enclave_init_drop_capabilities(void);

/* Ends the enclave: its machine reboots, which on Nitro terminates it. Does not return. */
_Noreturn void enclave_init_end(void);

#endif
