/* process_sandbox.h - the list of system calls a process may still make. Target process_sandbox.
 *
 * A program enters its sandbox once it has opened what it needs. Rules are one system call and one
 * reason a line. What every process of ours needs (memory, clocks, the log, ending) is
 * already there.
 */
#ifndef BASE_PROCESS_SANDBOX_H
#define BASE_PROCESS_SANDBOX_H

#include <seccomp.h>

#include "base/result.h"

struct process_sandbox_rule {
    int system_call; /* SCMP_SYS(name); of calls with an older and a younger form, x86_64's */
    const char *reason;
};

/* From here on: calls in rules work (openat for reading only); starting programs, tracing, loading kernel
 * code and the like end the process; every other call fails with EPERM. It holds every thread there is, and
 * none can be made afterwards. It cannot be undone. After process_harden. In builds with a sanitizer, whose
 * runtime makes calls of its own, and in those that write at their end what was covered, only the calls that
 * end the process are watched. */
must_check result process_sandbox_enter(const struct process_sandbox_rule *rules, size_t num_rules);

/* The number of a call on this architecture: itself, or where there is no such call what libc makes
 * instead (64-bit ARM has ppoll and no poll). E_INTERNAL if neither is known: then a list of calls is wrong.
 */
must_check result process_sandbox_native(int *ret_system_call, int system_call);

#endif
