/* loader_sandbox.c - a seccomp filter that lists what is allowed, one system call and one reason
 * a line. What is not listed fails with EPERM: a libc update that tries a new call first and
 * falls back must not take the keys down. What only an intruder would call kills, so that the
 * load visibly fails. Rejected: the rules of base/process_sandbox.h, which do not look at arguments;
 * here clone must make threads and no processes, and openat must not write. clone3 fails with
 * ENOSYS, because its flags are behind a pointer where no filter sees them; glibc then uses clone. */
#include "loader_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>

#include "base/process_sandbox.h"

DEFINE_AUTO_POINTER(void, seccomp_release)

static const int allowed[] = {
    SCMP_SYS(read),              /* open files */
    SCMP_SYS(recvmsg),           /* packets from the keeper */
    SCMP_SYS(sendmsg),           /* packets to the keeper */
    SCMP_SYS(poll),              /* room for a packet */
    SCMP_SYS(write),             /* the log */
    SCMP_SYS(close),             /* descriptors */
    SCMP_SYS(futex),             /* locks */
    SCMP_SYS(brk),               /* heap */
    SCMP_SYS(mmap),              /* heap, scrypt's memory, thread stacks */
    SCMP_SYS(munmap),            /* the same */
    SCMP_SYS(mremap),            /* large realloc */
    SCMP_SYS(mprotect),          /* guard pages of thread stacks */
    SCMP_SYS(madvise),           /* stacks of ended threads */
    SCMP_SYS(getrandom),         /* blinding of RSA */
    SCMP_SYS(clock_gettime),     /* log, where the vDSO has none */
    SCMP_SYS(clock_nanosleep),   /* OpenSSL's random generator waiting */
    SCMP_SYS(getpid),            /* OpenSSL notices a fork by it */
    SCMP_SYS(gettid),            /* thread start */
    SCMP_SYS(rseq),              /* thread start */
    SCMP_SYS(set_robust_list),   /* thread start */
    SCMP_SYS(rt_sigprocmask),    /* thread start and end */
    SCMP_SYS(rt_sigaction),      /* the first thread start */
    SCMP_SYS(rt_sigreturn),      /* a signal that was handled */
    SCMP_SYS(restart_syscall),   /* a stopped and continued wait */
    SCMP_SYS(sched_yield),       /* locks */
    SCMP_SYS(sched_getaffinity), /* malloc counts processors for its arenas */
    SCMP_SYS(exit),              /* end of a thread */
    SCMP_SYS(exit_group),        /* end */
};

static const int allowed_for_files[] = {
    SCMP_SYS(newfstatat), /* sizes and kinds of files */
    SCMP_SYS(fstat),      /* the same */
    SCMP_SYS(getdents64), /* folders */
    SCMP_SYS(lseek),      /* folders */
    SCMP_SYS(fcntl),      /* opendir sets close-on-exec */
};

static const int allowed_for_managing[] = {
    SCMP_SYS(openat),    /* key configuration files, also new ones */
    SCMP_SYS(fsync),     /* they and their folder */
    SCMP_SYS(renameat),  /* an import becomes valid; a deletion begins */
    SCMP_SYS(renameat2), /* the same */
    SCMP_SYS(unlinkat),  /* what was deleted or is left over */
};

static const int allowed_for_proxies[] = {
    SCMP_SYS(mkdirat), /* folders of consensus keys */
};

static const int deadly[] = {
    SCMP_SYS(execve),            /* starting a program */
    SCMP_SYS(execveat),          /* the same */
    SCMP_SYS(ptrace),            /* another process's memory */
    SCMP_SYS(process_vm_readv),  /* the same */
    SCMP_SYS(process_vm_writev), /* the same */
    SCMP_SYS(bpf),               /* kernel code */
    SCMP_SYS(userfaultfd),       /* kernel exploits */
    SCMP_SYS(keyctl),            /* kernel exploits */
};

static must_check result add_list(scmp_filter_ctx filter, const int *calls, size_t num_calls, uint32_t action)
{
    for (size_t i = 0; i < num_calls; i++) {
        int call = 0;
        TRY(process_sandbox_native(&call, calls[i]));
        int failed = seccomp_rule_add(filter, action, call, 0);
        ENSURE(!failed, E_IO, "seccomp rule: %s", strerror(-failed));
    }
    return RESULT_OK;
}

/* Threads of this process, and no new process. */
static must_check result allow_threads(scmp_filter_ctx filter)
{
    int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    ENSURE(!failed, E_IO, "seccomp rule: %s", strerror(-failed));
    return RESULT_OK;
}

/* Opening, but neither for writing nor making a file. */
static must_check result allow_open_for_reading(scmp_filter_ctx filter)
{
    const unsigned writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
    int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));
    ENSURE(!failed, E_IO, "seccomp rule: %s", strerror(-failed));
    return add_list(filter, allowed_for_files, ARRAY_LENGTH(allowed_for_files), SCMP_ACT_ALLOW);
}

static must_check result build(scmp_filter_ctx filter, enum loader_sandbox mode)
{
    TRY(add_list(filter, deadly, ARRAY_LENGTH(deadly), SCMP_ACT_KILL_PROCESS));
    TRY(add_list(filter, allowed, ARRAY_LENGTH(allowed), SCMP_ACT_ALLOW));
    TRY(allow_threads(filter));
    switch (mode) {
    case LOADER_SANDBOX_RECORDS:
        return RESULT_OK;
    case LOADER_SANDBOX_FILES:
        return allow_open_for_reading(filter);
    case LOADER_SANDBOX_MANAGE:
        TRY(add_list(filter, allowed_for_files, ARRAY_LENGTH(allowed_for_files), SCMP_ACT_ALLOW));
        return add_list(filter, allowed_for_managing, ARRAY_LENGTH(allowed_for_managing), SCMP_ACT_ALLOW);
    case LOADER_SANDBOX_PROXY:
        TRY(add_list(filter, allowed_for_files, ARRAY_LENGTH(allowed_for_files), SCMP_ACT_ALLOW));
        TRY(add_list(filter, allowed_for_managing, ARRAY_LENGTH(allowed_for_managing), SCMP_ACT_ALLOW));
        return add_list(filter, allowed_for_proxies, ARRAY_LENGTH(allowed_for_proxies), SCMP_ACT_ALLOW);
    }
    FAIL(E_INTERNAL, "no such sandbox");
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#if !defined(UNDER_SANITIZER) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define UNDER_SANITIZER 1
#endif

result loader_sandbox_enter(enum loader_sandbox mode)
{
    AUTO_POINTER(void) filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    ENSURE(filter, E_MEMORY, "out of memory for the seccomp filter");
    TRY(build(filter, mode));
#ifndef UNDER_SANITIZER
    int failed = seccomp_load(filter);
    ENSURE(!failed, E_IO, "seccomp: %s", strerror(-failed));
#endif
    return RESULT_OK;
}
