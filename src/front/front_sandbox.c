/* front_sandbox.c - what the front may still ask the kernel for, and how many descriptors it may hold.
 *
 * No file is opened, no socket made or connected after this point: a front that was taken over can talk to
 * its clients and to the keeper, and to nobody else. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process_landlock.h"
#include "base/process_sandbox.h"
#include "front.h"

/* An idle TLS connection costs 16 KiB of memory and one in the handshake three times that
 * (tests/integration/test_front_many.py prints it); together they may have an eighth of the machine's. */
enum { MAX_CONNECTIONS = 24000, OTHER_DESCRIPTORS = 32, CONNECTION_BYTES = 20480, SHARE = 8 };

static rlim_t affordable_connections(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_len = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page_len <= 0)
        return OTHER_DESCRIPTORS;
    rlim_t affordable = (rlim_t)pages * (rlim_t)page_len / SHARE / CONNECTION_BYTES;
    return affordable < MAX_CONNECTIONS ? affordable : MAX_CONNECTIONS;
}

result front_raise_descriptor_limit(uint32_t *ret_connections)
{
    struct rlimit limit;
    ENSURE(getrlimit(RLIMIT_NOFILE, &limit) == 0, E_IO, "RLIMIT_NOFILE: %s", strerror(errno));
    rlim_t wanted = affordable_connections() + OTHER_DESCRIPTORS;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    limit.rlim_max = limit.rlim_cur;
    ENSURE(limit.rlim_cur >= 2 * OTHER_DESCRIPTORS, E_IO, "RLIMIT_NOFILE: only %llu descriptors",
           (unsigned long long)limit.rlim_cur);
    ENSURE(setrlimit(RLIMIT_NOFILE, &limit) == 0, E_IO, "RLIMIT_NOFILE: %s", strerror(errno));
    *ret_connections = (uint32_t)limit.rlim_cur - OTHER_DESCRIPTORS;
    return RESULT_OK;
}

result front_enter_sandbox(void)
{
    static const struct process_sandbox_rule rules[] = {
        SANDBOX_ALLOW(epoll_wait, "the event loop"),
        SANDBOX_ALLOW(epoll_pwait, "the event loop, in newer libc"),
        SANDBOX_ALLOW(epoll_ctl, "the event loop"),
        SANDBOX_ALLOW(listen, "clients are let in when the keeper says so"),
        SANDBOX_ALLOW(getsockname, "the port is told to the keeper"),
        SANDBOX_ALLOW(accept4, "clients"),
        SANDBOX_ALLOW_FLAGS("accepted sockets do not block"),
        SANDBOX_ALLOW_VALUE(ioctl, 1, FIONREAD, "libevent asks how much can be read"),
        SANDBOX_ALLOW(setsockopt, "libevent's options on listening sockets"),
        SANDBOX_ALLOW(getsockopt, "libevent asks for a socket's error"),
        SANDBOX_ALLOW(readv, "requests"),
        SANDBOX_ALLOW(writev, "replies"),
        SANDBOX_ALLOW(recvfrom, "requests; libevent's own wake-up"),
        SANDBOX_ALLOW(sendto, "replies; libevent's own wake-up"),
        SANDBOX_ALLOW(recvmsg, "the keeper"),
        SANDBOX_ALLOW(sendmsg, "the keeper"),
        SANDBOX_ALLOW(shutdown, "closing in two steps"),
    };
    const struct process_sandbox_list list = SANDBOX_LIST(rules);
    unsigned abi = 0;
    TRY(process_landlock_enter(&abi, &(struct process_landlock){0}));
    if (!abi)
        log_info("%s", PROCESS_LANDLOCK_MISSING);
    return process_sandbox_enter(&list, 1);
}
