/* fetcher_sandbox.c - the system calls that are left to the fetcher, one line and one reason each.
 *
 * Entered before the first request is read and before threads are made, which inherit it. It is a process
 * that reaches the network with other people's credentials: no file can be opened, so a server that took it
 * over could not read the key files beside it. */
#include "base/process_sandbox.h"
#include "fetcher.h"

static const struct process_sandbox_rule rules[] = {
    {SCMP_SYS(recvmsg), "packets from the loader"},
    {SCMP_SYS(sendmsg), "packets to the loader"},
    {SCMP_SYS(recvfrom), "libcurl, the resolver"},
    {SCMP_SYS(sendto), "libcurl, the resolver"},
    {SCMP_SYS(socket), "libcurl"},
    {SCMP_SYS(connect), "libcurl"},
    {SCMP_SYS(getsockopt), "libcurl: whether a connect has worked"},
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
};

result fetcher_sandbox_enter(void)
{
    return process_sandbox_enter(rules, ARRAY_LENGTH(rules));
}
