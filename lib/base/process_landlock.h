/* process_landlock.h - the folders a process may still use, and the ports it may connect to, where the kernel
 * has Landlock (5.13 and later). Target process_sandbox.
 *
 * Seccomp decides what kinds of calls are left; it does not see paths. A process for which it leaves a call
 * with a path, or connections, says here which.
 */
#ifndef BASE_PROCESS_LANDLOCK_H
#define BASE_PROCESS_LANDLOCK_H

#include <stdint.h>

#include "base/result.h"

enum process_landlock_use {
    PROCESS_LANDLOCK_READ,  /* files, and what is in folders */
    PROCESS_LANDLOCK_WRITE, /* and make, write, rename and remove them, folders too */
    PROCESS_LANDLOCK_REMOVE_BESIDE /* remove files in the folder of this file, and nothing else */
};

struct process_landlock_path {
    const char *path; /* a folder and all below, or a file; NULL, or nothing there: gives nothing */
    enum process_landlock_use use;
};

/* The zero value allows nothing. */
struct process_landlock {
    const struct process_landlock_path *paths;
    size_t num_paths;
    bool connects_anywhere;
    bool abstract_sockets; /* those of processes outside can be connected to */
    const uint16_t *ports; /* of TCP, to connect to, from Linux 6.7 on; never to listen at */
    size_t num_ports;
};

#define PROCESS_LANDLOCK_MISSING                                                                             \
    "this kernel has no Landlock: this process is confined by the list of its system calls alone"

/* From here on this thread, those it makes and processes it starts can open, make, rename and remove only
 * what is allowed; descriptors that are open stay what they are. From Linux 6.12 on it can also neither
 * signal processes outside nor connect to their abstract sockets. ret_abi: the version of the kernel's
 * Landlock, 0 if there is none, and then nothing has changed, which the program should log. Of what a younger
 * version than the kernel's knows nothing is held back. After process_harden. */
must_check result process_landlock_enter(unsigned *ret_abi, const struct process_landlock *allowed);

#endif
