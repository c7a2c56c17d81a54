/* courier_sandbox.c - the system calls that are left to the courier, one line and one reason each.
 *
 * Entered before the first byte from outside is read, and before threads are made, which inherit it.
 * No file can be opened, nothing bound or listened on. It is the process that may reach the network. */
#include "base/process_sandbox.h"
#include "courier.h"

static const struct process_sandbox_rule rules[] = {
    {SCMP_SYS(accept4), "control: a peer"},
    {SCMP_SYS(recvfrom), "control, and libcurl"},
    {SCMP_SYS(sendto), "control, and libcurl"},
    {SCMP_SYS(recvmsg), "packets from the keeper"},
    {SCMP_SYS(sendmsg), "packets to the keeper"},
    {SCMP_SYS(socket), "to the proxy, and libpq"},
    {SCMP_SYS(connect), "to the proxy, and libpq"},
    {SCMP_SYS(getsockopt), "whether a connect has worked"},
    {SCMP_SYS(setsockopt), "libcurl: no delay"},
    {SCMP_SYS(getsockname), "libcurl: for its messages"},
    {SCMP_SYS(getpeername), "libcurl: for its messages"},
    {SCMP_SYS(shutdown), "libcurl: ends a connection"},
    {SCMP_SYS(socketpair), "libcurl: wakes its own poll"},
    {SCMP_SYS(eventfd2), "libcurl: wakes its own poll, newer"},
    {SCMP_SYS(pipe2), "libcurl: wakes its own poll, where there is no socketpair"},
    {SCMP_SYS(fcntl), "libcurl: non-blocking"},
    {SCMP_SYS(readv), "OpenSSL's sockets"},
    {SCMP_SYS(writev), "OpenSSL's sockets"},
    {SCMP_SYS(clone3), "threads"},
    {SCMP_SYS(clone), "threads, older libc"},
    {SCMP_SYS(set_robust_list), "threads"},
    {SCMP_SYS(rseq), "threads"},
    {SCMP_SYS(sched_getaffinity), "threads: a stack's attributes"},
    /* The last ones, only if files may be read. */
    {SCMP_SYS(openat), "libpq: certificates"},
    {SCMP_SYS(lseek), "libpq: certificates"},
};
enum { NUM_FILE_RULES = 2 };

result courier_sandbox_enter(bool may_read_files)
{
    return process_sandbox_enter(rules, ARRAY_LENGTH(rules) - (may_read_files ? 0 : NUM_FILE_RULES));
}
