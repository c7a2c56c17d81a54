/* fetcher_sandbox.c - the system calls that are left to the fetcher, one line and one reason each.
 *
 * Entered before the first request is read and before threads are made, which inherit it. It is a process
 * that reaches the network with other people's credentials: no file can be opened, so a server that took it
 * over could not read the key files beside it. */
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/process_landlock.h"
#include "base/process_sandbox.h"
#include "fetcher.h"

static const struct process_sandbox_rule rules[] = {
    SANDBOX_ALLOW(recvmsg, "packets from the loader"),
    SANDBOX_ALLOW(sendmsg, "packets to the loader"),
    SANDBOX_ALLOW(recvfrom, "libcurl, the resolver"),
    SANDBOX_ALLOW(sendto, "libcurl, the resolver"),
    SANDBOX_ALLOW_INTERNET("libcurl"),
    SANDBOX_ALLOW(connect, "libcurl"),
    SANDBOX_ALLOW(getsockopt, "libcurl: whether a connect has worked"),
    SANDBOX_ALLOW(setsockopt, "libcurl: no delay"),
    SANDBOX_ALLOW(getsockname, "libcurl: for its messages"),
    SANDBOX_ALLOW(getpeername, "libcurl: for its messages"),
    SANDBOX_ALLOW(shutdown, "libcurl: ends a connection"),
    SANDBOX_ALLOW(socketpair, "libcurl: wakes its own poll"),
    SANDBOX_ALLOW(eventfd2, "libcurl: wakes its own poll, newer"),
    SANDBOX_ALLOW(pipe2, "libcurl: wakes its own poll, where there is no socketpair"),
    SANDBOX_ALLOW_FLAGS("libcurl: non-blocking"),
    SANDBOX_ALLOW(readv, "OpenSSL's sockets"),
    SANDBOX_ALLOW(writev, "OpenSSL's sockets"),
    SANDBOX_ALLOW_THREADS,
};

result fetcher_sandbox_enter(void)
{
    const struct process_sandbox_list list = SANDBOX_LIST(rules);
    unsigned abi = 0;
    TRY(process_landlock_enter(&abi, &(struct process_landlock){.connects_anywhere = true}));
    if (!abi)
        log_info("%s", PROCESS_LANDLOCK_MISSING);
    return process_sandbox_enter(&list, 1);
}
