/* sandbox_expected.c - the documented set: one entry a process, in each way that it may run. A system call
 * that is added to a sandbox makes the test fail until it is written here too. */
#include "sandbox_expected.h"

#include "base/process_sandbox.h"
#include "courier/courier.h"
#include "fetcher/fetcher.h"
#include "front/front.h"
#include "interchange/interchange_sandbox.h"
#include "keeper/keeper_sandbox.h"
#include "loader/loader_modes.h"
#include "loader/loader_sandbox.h"
#include "proxy/proxy.h"

const char sandbox_common[] =
    "brk mmap(0) mmap(PROT_READ) mmap(PROT_READ|PROT_WRITE) mmap(PROT_WRITE) munmap mremap "
    "mprotect(0) mprotect(PROT_READ) mprotect(PROT_READ|PROT_WRITE) mprotect(PROT_WRITE) madvise futex "
    "getrandom clock_gettime clock_nanosleep gettimeofday getpid gettid tgkill(itself) "
    "rt_sigaction rt_sigprocmask rt_sigreturn restart_syscall "
    "poll read write close fstat newfstatat(AT_EMPTY_PATH) exit exit_group";

const char sandbox_deadly[] =
    "ptrace process_vm_readv process_vm_writev pidfd_getfd init_module finit_module delete_module kexec_load "
    "kexec_file_load mount umount2 pivot_root open_tree move_mount fsopen fsmount open_by_handle_at setns "
    "unshare bpf io_uring_setup userfaultfd perf_event_open add_key request_key keyctl";
const char sandbox_deadly_starting[] = "execve execveat";

#define THREADS "clone(CLONE_THREAD) set_robust_list rseq sched_getaffinity"
#define FLAGS "fcntl(F_GETFD) fcntl(F_SETFD) fcntl(F_GETFL) fcntl(F_SETFL)"
#define SQLITE                                                                                               \
    "pread64 pwrite64 lseek fsync fdatasync ftruncate fallocate stat newfstatat " FLAGS                      \
    " fcntl(F_GETLK) fcntl(F_SETLK) unlink geteuid"
#define INTERNET "socket(AF_INET) socket(AF_INET6)"
#define CURL                                                                                                 \
    "recvfrom sendto connect getsockopt setsockopt getsockname getpeername shutdown socketpair eventfd2 "    \
    "pipe2 readv writev " FLAGS
#define COURIER CURL " " THREADS " accept4 recvmsg sendmsg"
#define EVENTS "epoll_wait epoll_pwait epoll_ctl accept4 getsockname getsockopt setsockopt ioctl(FIONREAD) "
#define PROXY EVENTS FLAGS " socket(AF_UNIX) connect splice readv shutdown recvfrom sendto recvmsg sendmsg"
#define LOADER "recvmsg sendmsg sched_yield " THREADS
#define FOLDERS " newfstatat getdents64 lseek " FLAGS
#define MANAGING " openat fsync renameat renameat2 unlinkat"

static result keep(void)
{
    return keeper_sandbox_enter(NULL);
}

static result fetch_for_policy(void)
{
    return courier_sandbox_enter(&(struct courier_reach){.vsock = true});
}

static result ask_postgresql(void)
{
    return courier_sandbox_enter(&(struct courier_reach){.internet = true, .local = true});
}

static result ask_postgresql_with_certificates(void)
{
    return courier_sandbox_enter(
        &(struct courier_reach){.internet = true, .local = true, .files = {"/dev/null"}});
}

static result load_records(void)
{
    return loader_sandbox_enter(LOADER_SANDBOX_RECORDS, &(struct loader_settings){0});
}

static result load_files(void)
{
    return loader_sandbox_enter(LOADER_SANDBOX_FILES, &(struct loader_settings){0});
}

static result load_for_manager(void)
{
    return loader_sandbox_enter(LOADER_SANDBOX_MANAGE, &(struct loader_settings){0});
}

static result load_proxy_key(void)
{
    return loader_sandbox_enter(LOADER_SANDBOX_PROXY, &(struct loader_settings){0});
}

static result relay_on_machine(void)
{
    return proxy_enter_sandbox(&(struct proxy_reach){0});
}

static result relay_on_host(void)
{
    return proxy_enter_sandbox(&(struct proxy_reach){.internet = true, .vsock = true});
}

static result import_into_file(void)
{
    return interchange_sandbox_enter(INTERCHANGE_FILES, NULL);
}

static result import_into_database(void)
{
    return interchange_sandbox_enter(INTERCHANGE_CONNECTION, NULL);
}

static result import_into_table(void)
{
    return interchange_sandbox_enter(INTERCHANGE_CONNECTIONS, NULL);
}

static result supervise(void)
{
    return process_sandbox_forbid(true);
}

static result resolve(void)
{
    return process_sandbox_forbid(false);
}

const struct sandbox_expected sandbox_expected[] = {
    {"keeper", keep, false, SQLITE " ppoll recvmsg sendmsg socketpair sendto recvfrom shutdown ioctl(NSM)"},
    {"front", front_enter_sandbox, false,
     EVENTS FLAGS " listen readv writev recvfrom sendto recvmsg sendmsg shutdown"},
    {"loader of records", load_records, false, LOADER},
    {"loader of files", load_files, false, LOADER FOLDERS " openat(O_RDONLY) openat(O_PATH)"},
    {"loader for the key manager", load_for_manager, false, LOADER FOLDERS MANAGING},
    {"loader of a proxy key", load_proxy_key, false, LOADER FOLDERS MANAGING " mkdirat"},
    {"fetcher", fetcher_sandbox_enter, false, CURL " " THREADS " recvmsg sendmsg " INTERNET},
    {"courier of an enclave", fetch_for_policy, false, COURIER " socket(AF_VSOCK)"},
    {"courier, PostgreSQL", ask_postgresql, false, COURIER " socket(AF_UNIX) " INTERNET},
    {"courier, PostgreSQL with certificates", ask_postgresql_with_certificates, false,
     COURIER " socket(AF_UNIX) " INTERNET " newfstatat lseek openat(O_RDONLY) openat(O_PATH)"},
    {"proxy, unix sockets", relay_on_machine, false, PROXY},
    {"proxy", relay_on_host, false, PROXY " socket(AF_VSOCK) " INTERNET},
    {"interchange, SQLite", import_into_file, false, SQLITE},
    {"interchange, PostgreSQL", import_into_database, false,
     "lseek sendto recvfrom rt_sigpending getsockopt getpeername"},
    {"interchange, DynamoDB", import_into_table, false, CURL " lseek " INTERNET},
    {"supervisors and watchdog", supervise, true, "execve execveat"},
    {"resolver", resolve, true, ""},
};
const size_t sandbox_num_expected = ARRAY_LENGTH(sandbox_expected);
