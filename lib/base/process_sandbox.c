/* process_sandbox.c - see process_sandbox.h.
 *
 * An allow-list, because the kernel grows calls faster than anybody reads of them. Unlisted calls
 * fail instead of killing: libraries probe (glibc's malloc and gmtime try to open files)
 * and go on without. Calls that only an intruder would make do kill, so that the supervisor notices.
 * No memory can be made executable: whoever takes a process over has its own code and no other. */
#include "base/process_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/process_landlock.h"

/* What libc, OpenSSL, the log and an orderly end need in every process. */
static const struct process_sandbox_rule common[] = {
    SANDBOX_ALLOW(brk, "heap"),
    SANDBOX_ALLOW_IF(mmap, 2, PROT_EXEC, 0, "heap"),
    SANDBOX_ALLOW(munmap, "heap"),
    SANDBOX_ALLOW(mremap, "heap"),
    SANDBOX_ALLOW_IF(mprotect, 2, PROT_EXEC, 0, "heap"),
    SANDBOX_ALLOW(madvise, "heap"),
    SANDBOX_ALLOW(futex, "locks, of OpenSSL and between threads"),
    SANDBOX_ALLOW(getrandom, "OpenSSL's random numbers"),
    SANDBOX_ALLOW(clock_gettime, "time, where it is no vDSO call"),
    SANDBOX_ALLOW(clock_nanosleep, "waiting inside libraries"),
    SANDBOX_ALLOW(gettimeofday, "time, where it is no vDSO call"),
    SANDBOX_ALLOW(getpid, "OpenSSL notices forks by it"),
    SANDBOX_ALLOW(gettid, "aborting with a message"),
    SANDBOX_ALLOW(rt_sigaction, "signals"),
    SANDBOX_ALLOW(rt_sigprocmask, "signals"),
    SANDBOX_ALLOW(rt_sigreturn, "signals"),
    SANDBOX_ALLOW(restart_syscall, "calls interrupted by a stop"),
    SANDBOX_ALLOW(poll, "waiting for a descriptor"),
    SANDBOX_ALLOW(read, "descriptors that are open already"),
    SANDBOX_ALLOW(write, "the log, and descriptors that are open already"),
    SANDBOX_ALLOW(close, "descriptors"),
    SANDBOX_ALLOW(fstat, "standard streams"),
    SANDBOX_ALLOW_IF(newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH, "standard streams, in newer libc"),
    SANDBOX_ALLOW(exit, "ending"),
    SANDBOX_ALLOW(exit_group, "ending"),
};

static const int deadly[] = {
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(open_tree),
    SCMP_SYS(move_mount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(bpf),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
};

static const int starting[] = {SCMP_SYS(execve), SCMP_SYS(execveat)};

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

static must_check result add(scmp_filter_ctx filter, uint32_t action, const struct process_sandbox_rule *rule)
{
    int system_call = 0;
    TRY(process_sandbox_native(&system_call, rule->system_call));
    int code = rule->mask
                   ? seccomp_rule_add(filter, action, system_call, 1,
                                      SCMP_CMP64(rule->argument, SCMP_CMP_MASKED_EQ, rule->mask, rule->value))
                   : seccomp_rule_add(filter, action, system_call, 0);
    ENSURE(code == 0, E_IO, "sandbox: rule for system call %d: %s", system_call, strerror(-code));
    return RESULT_OK;
}

static must_check result add_calls(scmp_filter_ctx filter, uint32_t action, const int *calls,
                                   size_t num_calls)
{
    for (size_t i = 0; i < num_calls; i++) {
        const struct process_sandbox_rule rule = {.system_call = calls[i]};
        /* The leak sanitizer stops the process's threads that way. */
        if (!HAS_SANITIZER || calls[i] != SCMP_SYS(ptrace))
            TRY(add(filter, action, &rule));
    }
    return RESULT_OK;
}

static must_check result add_list(scmp_filter_ctx filter, const struct process_sandbox_list *list)
{
    for (size_t i = 0; i < list->num_rules; i++)
        TRY(add(filter, SCMP_ACT_ALLOW, &list->rules[i]));
    return RESULT_OK;
}

static must_check result build(scmp_filter_ctx filter, const struct process_sandbox_list *lists,
                               size_t num_lists)
{
    TRY(add_calls(filter, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_LENGTH(deadly)));
    TRY(add_calls(filter, SCMP_ACT_KILL_PROCESS, starting, ARRAY_LENGTH(starting)));
    if (HAS_SANITIZER)
        return RESULT_OK;
    const struct process_sandbox_rule own_signals =
        SANDBOX_ALLOW_VALUE(tgkill, 0, getpid(), "aborting with a message");
    const struct process_sandbox_rule clone3 = SANDBOX_ALLOW(clone3, "see SANDBOX_ALLOW_THREADS");
    const struct process_sandbox_list commons = SANDBOX_LIST(common);
    TRY(add(filter, SCMP_ACT_ALLOW, &own_signals));
    TRY(add(filter, SCMP_ACT_ERRNO(ENOSYS), &clone3));
    TRY(add_list(filter, &commons));
    for (size_t i = 0; i < num_lists; i++)
        TRY(add_list(filter, &lists[i]));
    return RESULT_OK;
}

/* A signer that root started can do without what makes root more than others. Files that are opened later
 * may be anybody's, and so may folders of files that are looked at. */
static must_check result drop_capabilities(uint32_t kept)
{
    if (HAS_SANITIZER) /* the leak sanitizer's */
        return RESULT_OK;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    ENSURE(syscall(SYS_capget, &header, data) == 0, E_IO, "capabilities: %s", strerror(errno));
    kept &= data[0].permitted;
    memset(data, 0, sizeof data);
    data[0].permitted = data[0].effective = kept;
    ENSURE(syscall(SYS_capset, &header, data) == 0, E_IO, "capabilities: %s", strerror(errno));
    return RESULT_OK;
}

static uint32_t needed_capabilities(const struct process_sandbox_list *lists, size_t num_lists)
{
    uint32_t needed = 0;
    for (size_t i = 0; i < num_lists; i++) {
        for (size_t j = 0; j < lists[i].num_rules; j++) {
            int system_call = lists[i].rules[j].system_call;
            if (system_call == SCMP_SYS(openat))
                needed |= CAP_TO_MASK(CAP_DAC_OVERRIDE) | CAP_TO_MASK(CAP_DAC_READ_SEARCH);
            if (system_call == SCMP_SYS(stat))
                needed |= CAP_TO_MASK(CAP_DAC_READ_SEARCH);
        }
    }
    return needed;
}

static must_check result set(scmp_filter_ctx filter, enum scmp_filter_attr attribute, uint32_t value)
{
    int code = seccomp_attr_set(filter, attribute, value);
    ENSURE(code == 0, E_IO, "sandbox: attribute %d: %s", (int)attribute, strerror(-code));
    return RESULT_OK;
}

static must_check result load(scmp_filter_ctx filter)
{
    int code = seccomp_load(filter);
    ENSURE(code == 0, E_IO, "sandbox: the kernel refuses the filter: %s", strerror(-code));
    return RESULT_OK;
}

DEFINE_AUTO_POINTER(void, seccomp_release)

result process_sandbox_enter(const struct process_sandbox_list *lists, size_t num_lists)
{
    AUTO_POINTER(void) filter = seccomp_init(HAS_SANITIZER ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
    ENSURE(filter, E_MEMORY, "sandbox: no filter");
    /* Threads that were made before are held by it too. */
    TRY(set(filter, SCMP_FLTATR_CTL_TSYNC, 1));
    /* 32-bit calls: libseccomp's default ends the thread alone, and leaves the others to wait for it. */
    TRY(set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
    TRY(build(filter, lists, num_lists));
    TRY(drop_capabilities(needed_capabilities(lists, num_lists)));
    return load(filter);
}

result process_sandbox_forbid(bool may_start)
{
    AUTO_POINTER(void) filter = seccomp_init(SCMP_ACT_ALLOW);
    ENSURE(filter, E_MEMORY, "sandbox: no filter");
    TRY(add_calls(filter, SCMP_ACT_ERRNO(EPERM), deadly, ARRAY_LENGTH(deadly)));
    if (!may_start)
        TRY(add_calls(filter, SCMP_ACT_ERRNO(EPERM), starting, ARRAY_LENGTH(starting)));
    return load(filter);
}

result process_sandbox_thread(void)
{
    unsigned abi;
    const struct process_landlock nothing = {0};
    TRY(process_landlock_enter(&abi, &nothing));
    return drop_capabilities(0);
}
