/* process_sandbox.c - see process_sandbox.h.
 *
 * An allow-list, because the kernel grows calls faster than anybody reads of them. Unlisted calls
 * fail instead of killing: libraries probe (glibc's malloc and gmtime try to open files)
 * and go on without. Calls that only an intruder would make do kill, so that the supervisor notices. */
#include "base/process_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* What libc, OpenSSL, the log and an orderly end need in every process. */
static const struct process_sandbox_rule common[] = {
    {SCMP_SYS(brk), "heap"},
    {SCMP_SYS(mmap), "heap"},
    {SCMP_SYS(munmap), "heap"},
    {SCMP_SYS(mremap), "heap"},
    {SCMP_SYS(mprotect), "heap"},
    {SCMP_SYS(madvise), "heap"},
    {SCMP_SYS(futex), "locks, of OpenSSL and between threads"},
    {SCMP_SYS(getrandom), "OpenSSL's random numbers"},
    {SCMP_SYS(clock_gettime), "time, where it is no vDSO call"},
    {SCMP_SYS(clock_nanosleep), "waiting inside libraries"},
    {SCMP_SYS(gettimeofday), "time, where it is no vDSO call"},
    {SCMP_SYS(getpid), "OpenSSL notices forks by it"},
    {SCMP_SYS(gettid), "aborting with a message"},
    {SCMP_SYS(tgkill), "aborting with a message"},
    {SCMP_SYS(rt_sigaction), "signals"},
    {SCMP_SYS(rt_sigprocmask), "signals"},
    {SCMP_SYS(rt_sigreturn), "signals"},
    {SCMP_SYS(restart_syscall), "calls interrupted by a stop"},
    {SCMP_SYS(poll), "waiting for a descriptor"},
    {SCMP_SYS(read), "descriptors that are open already"},
    {SCMP_SYS(write), "the log, and descriptors that are open already"},
    {SCMP_SYS(close), "descriptors"},
    {SCMP_SYS(fstat), "standard streams"},
    {SCMP_SYS(newfstatat), "standard streams, in newer libc"},
    {SCMP_SYS(exit), "ending"},
    {SCMP_SYS(exit_group), "ending"},
};

static const int deadly[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(setns),
    SCMP_SYS(bpf),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(add_key),
    SCMP_SYS(keyctl),
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(NS_COVERAGE)
enum { HAS_SANITIZER = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
enum { HAS_SANITIZER = 1 };
#else
enum { HAS_SANITIZER = 0 };
#endif
#else
enum { HAS_SANITIZER = 0 };
#endif

/* libseccomp gives a call that this architecture lacks a number below zero. A rule for such a number
 * would be taken without a word and never match, so the calls made instead are named here. */
result process_sandbox_native(int *ret_system_call, int system_call)
{
    static const struct {
        int older, younger;
    } pairs[] = {
        {SCMP_SYS(poll), SCMP_SYS(ppoll)},
        {SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait)},
        {SCMP_SYS(stat), SCMP_SYS(newfstatat)},
        {SCMP_SYS(unlink), SCMP_SYS(unlinkat)},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(pairs) && system_call < 0; i++) {
        if (system_call == pairs[i].older)
            system_call = pairs[i].younger;
    }
    ENSURE(system_call >= 0, E_INTERNAL, "sandbox: system call %d is not known here", system_call);
    *ret_system_call = system_call;
    return RESULT_OK;
}

/* Opening is only ever for reading. */
static must_check result add(scmp_filter_ctx filter, uint32_t action, int listed)
{
    int system_call = 0;
    TRY(process_sandbox_native(&system_call, listed));
    const unsigned writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
    int code = system_call == SCMP_SYS(openat)
                   ? seccomp_rule_add(filter, action, system_call, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0))
                   : seccomp_rule_add(filter, action, system_call, 0);
    ENSURE(code == 0, E_IO, "sandbox: rule for system call %d: %s", system_call, strerror(-code));
    return RESULT_OK;
}

static must_check result build(scmp_filter_ctx filter, const struct process_sandbox_rule *rules,
                               size_t num_rules)
{
    for (size_t i = 0; i < ARRAY_LENGTH(deadly); i++) {
        /* The leak sanitizer stops the process's threads that way. */
        if (!HAS_SANITIZER || deadly[i] != SCMP_SYS(ptrace))
            TRY(add(filter, SCMP_ACT_KILL_PROCESS, deadly[i]));
    }
    if (HAS_SANITIZER)
        return RESULT_OK;
    for (size_t i = 0; i < ARRAY_LENGTH(common); i++)
        TRY(add(filter, SCMP_ACT_ALLOW, common[i].system_call));
    for (size_t i = 0; i < num_rules; i++)
        TRY(add(filter, SCMP_ACT_ALLOW, rules[i].system_call));
    return RESULT_OK;
}

result process_sandbox_enter(const struct process_sandbox_rule *rules, size_t num_rules)
{
    scmp_filter_ctx filter = seccomp_init(HAS_SANITIZER ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
    ENSURE(filter, E_MEMORY, "sandbox: no filter");
    /* Threads that were made before are held by it too; none can be made afterwards. */
    int synchronised = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    result r = synchronised == 0
                   ? build(filter, rules, num_rules)
                   : error_set(E_IO, "sandbox: not for all threads: %s", strerror(-synchronised));
    int code = r.code ? 0 : seccomp_load(filter);
    seccomp_release(filter);
    if (r.code)
        return r;
    ENSURE(code == 0, E_IO, "sandbox: the kernel refuses the filter: %s", strerror(-code));
    return RESULT_OK;
}
