/* courier_sandbox.c - the system calls that are left to the courier, one line and one reason each.
 *
 * Entered before the first byte from outside is read, and before the KMS thread is made, which inherits it.
 * No file can be opened, nothing bound or listened on. It is the process that may reach the network. */
#include "base/process_sandbox.h"
#include "courier.h"

static const struct process_sandbox_rule rules[] = {
    {SCMP_SYS(accept4), "control: a peer"},
    {SCMP_SYS(recvfrom), "control, and libcurl"},
    {SCMP_SYS(sendto), "control, and libcurl"},
    {SCMP_SYS(recvmsg), "packets from the keeper"},
    {SCMP_SYS(sendmsg), "packets to the keeper"},
    {SCMP_SYS(socket), "to the proxy"},
    {SCMP_SYS(connect), "to the proxy"},
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
    {SCMP_SYS(clone3), "the KMS thread"},
    {SCMP_SYS(clone), "the KMS thread, older libc"},
    {SCMP_SYS(set_robust_list), "the KMS thread"},
    {SCMP_SYS(rseq), "the KMS thread"},
    {SCMP_SYS(sched_getaffinity), "the KMS thread: its stack's attributes"},
};

result courier_sandbox_enter(void)
{
    return process_sandbox_enter(rules, ARRAY_LENGTH(rules));
}
