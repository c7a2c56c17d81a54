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
    int system_call; /* SCMP_SYS(name) */
    const char *reason;
};

/* From here on: calls in rules work (openat for reading only); starting programs, tracing, loading kernel
 * code and the like end the process; every other call fails with EPERM. It cannot be undone. After
 * process_harden. In builds with a sanitizer, whose runtime makes calls of its own, only the calls that end
 * the process are watched. */
must_check result process_sandbox_enter(const struct process_sandbox_rule *rules, size_t num_rules);

#endif
