/* process_sandbox.h - the list of system calls a process may still make. Target process_sandbox.
 *
 * A program enters its sandbox once it has opened what it needs. Rules are one system call, perhaps with one
 * condition for an argument, and one reason a line. What every process of ours needs (memory, clocks, the
 * log, ending) is already there. What each process ends up with is written down once more, in
 * tests/unit/sandbox/sandbox_expected.c, and tried.
 */
#ifndef BASE_PROCESS_SANDBOX_H
#define BASE_PROCESS_SANDBOX_H

#include <seccomp.h>
#include <stdint.h>

#include "base/result.h"

struct process_sandbox_rule {
    int system_call; /* SCMP_SYS(name); of calls with an older and a younger form, x86_64's */
    const char *reason;
    unsigned argument;    /* number of the argument that is looked at */
    uint64_t mask, value; /* the call works if (argument & mask) == value */
};

/* Several rules of one call: it works if one of them says so. */
#define SANDBOX_ALLOW(name, reason)                                                                          \
    {                                                                                                        \
        SCMP_SYS(name), reason, 0, 0, 0                                                                      \
    }
#define SANDBOX_ALLOW_IF(name, argument, mask, value, reason)                                                \
    {                                                                                                        \
        SCMP_SYS(name), reason, argument, mask, value                                                        \
    }
/* Arguments that the kernel takes as 32 bits: what is above them does not count. */
#define SANDBOX_ALLOW_VALUE(name, argument, value, reason)                                                   \
    SANDBOX_ALLOW_IF(name, argument, UINT32_MAX, (uint32_t)(value), reason)
/* Opening what is there, to read it. */
#define SANDBOX_ALLOW_READING(reason)                                                                        \
    SANDBOX_ALLOW_IF(openat, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0, reason)
/* Threads of the same process; clone3, whose flags no filter sees, fails for everybody as if it were not
 * there, and libc then makes threads by clone. */
#define SANDBOX_ALLOW_THREADS                                                                                \
    SANDBOX_ALLOW_IF(clone, 0, CLONE_THREAD, CLONE_THREAD, "threads, and no processes"),                     \
        SANDBOX_ALLOW(set_robust_list, "threads"), SANDBOX_ALLOW(rseq, "threads"),                           \
        SANDBOX_ALLOW(sched_getaffinity, "threads: a stack's attributes, malloc's arenas")
/* Neither duplicates of a descriptor nor signals when something happens to it. */
#define SANDBOX_ALLOW_FLAGS(reason)                                                                          \
    SANDBOX_ALLOW_VALUE(fcntl, 1, F_GETFD, reason), SANDBOX_ALLOW_VALUE(fcntl, 1, F_SETFD, reason),          \
        SANDBOX_ALLOW_VALUE(fcntl, 1, F_GETFL, reason), SANDBOX_ALLOW_VALUE(fcntl, 1, F_SETFL, reason)
#define SANDBOX_ALLOW_LOCKS(reason)                                                                          \
    SANDBOX_ALLOW_VALUE(fcntl, 1, F_GETLK, reason), SANDBOX_ALLOW_VALUE(fcntl, 1, F_SETLK, reason)
/* Sockets to other machines, without those of packets, of the kernel's tables and of its ciphers. */
#define SANDBOX_ALLOW_INTERNET(reason)                                                                       \
    SANDBOX_ALLOW_VALUE(socket, 0, AF_INET, reason), SANDBOX_ALLOW_VALUE(socket, 0, AF_INET6, reason)
/* A SQLite store that is open: its files and those beside it, none opened anew. */
#define SANDBOX_ALLOW_SQLITE                                                                                 \
    SANDBOX_ALLOW(pread64, "SQLite: pages"), SANDBOX_ALLOW(pwrite64, "SQLite: pages"),                       \
        SANDBOX_ALLOW(lseek, "SQLite: pages"), SANDBOX_ALLOW(fsync, "SQLite: durable"),                      \
        SANDBOX_ALLOW(fdatasync, "SQLite: durable"), SANDBOX_ALLOW(ftruncate, "SQLite: the log's length"),   \
        SANDBOX_ALLOW(fallocate, "SQLite: room for the log"),                                                \
        SANDBOX_ALLOW(stat, "the store: are its files still the same"),                                      \
        SANDBOX_ALLOW(newfstatat, "the same, in newer libc"),                                                \
        SANDBOX_ALLOW_FLAGS("SQLite: its descriptors"), SANDBOX_ALLOW_LOCKS("SQLite: locks"),                \
        SANDBOX_ALLOW(unlink, "SQLite: its log, at a clean end"),                                            \
        SANDBOX_ALLOW(geteuid, "SQLite: whose file")

struct process_sandbox_list {
    const struct process_sandbox_rule *rules;
    size_t num_rules;
};

#define SANDBOX_LIST(rules)                                                                                  \
    {                                                                                                        \
        rules, ARRAY_LENGTH(rules)                                                                           \
    }

/* From here on: calls in the lists work; starting programs, tracing, loading kernel code and the like end the
 * process; every other call fails with EPERM. It holds every thread there is, and none can be made afterwards
 * but with SANDBOX_ALLOW_THREADS. This thread gives its capabilities up, if it is root's, but for
 * reading and writing anybody's files where a list allows openat, and looking into anybody's folders where
 * one allows stat. It cannot be undone. After process_harden. In builds with a sanitizer, whose runtime makes
 * calls of its own, and in those that write at their end what was covered, only the calls that end the
 * process are watched. */
must_check result process_sandbox_enter(const struct process_sandbox_list *lists, size_t num_lists);

/* For a process whose calls cannot be listed, because it starts programs (may_start) or has libc load modules
 * for names: tracing, loading kernel code, mounting and the like fail with EPERM, in all that it starts too.
 * Everything else works. After process_harden. */
must_check result process_sandbox_forbid(bool may_start);

/* For threads that a process has before it enters its sandbox, which holds them too but in what is each
 * thread's own: no capabilities, no paths, no ports. */
must_check result process_sandbox_thread(void);

/* The number of a call on this architecture: itself, or where there is no such call what libc makes
 * instead (64-bit ARM has ppoll and no poll). E_INTERNAL if neither is known: then a list of calls is wrong.
 */
must_check result process_sandbox_native(int *ret_system_call, int system_call);

#endif
