/* process.h - starting children with an exact set of descriptors, for the two supervisors
 * (nitro-signer, nitro-signer-enclave) and the watchdog.
 */
#ifndef PROCESS_PROCESS_H
#define PROCESS_PROCESS_H

#include <sys/types.h>

#include "base/result.h"

/* Where a sibling executable is: beside the running one (/proc/self/exe). out holds 4096 bytes. */
must_check result process_sibling_path(char out[static 4096], const char *name);

/* fork + exec. child_fds[i] becomes descriptor 3 + i of the child; 0, 1, 2 are inherited; every other descriptor is
 * closed; the signal mask is cleared; the child is killed (SIGKILL) when the parent dies. argv ends with NULL. */
must_check result process_start(pid_t *ret_pid, const char *path, char *const argv[], const int *child_fds, size_t num_child_fds);

/* A pair of connected SOCK_SEQPACKET sockets, close-on-exec. */
must_check result process_socketpair(int ret_pair[static 2]);

#endif
