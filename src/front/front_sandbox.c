/* front_sandbox.c - what the front may still ask the kernel for, and how many descriptors it may hold.
 *
 * No file is opened, no socket made or connected after this point: a front that was taken over can talk to
 * its clients and to the keeper, and to nobody else. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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
        {SCMP_SYS(epoll_wait), "the event loop"},
        {SCMP_SYS(epoll_pwait), "the event loop, in newer libc"},
        {SCMP_SYS(epoll_ctl), "the event loop"},
        {SCMP_SYS(listen), "clients are let in when the keeper says so"},
        {SCMP_SYS(getsockname), "the port is told to the keeper"},
        {SCMP_SYS(accept4), "clients"},
        {SCMP_SYS(fcntl), "accepted sockets do not block"},
        {SCMP_SYS(ioctl), "libevent asks how much can be read"},
        {SCMP_SYS(setsockopt), "libevent's options on listening sockets"},
        {SCMP_SYS(getsockopt), "libevent asks for a socket's error"},
        {SCMP_SYS(readv), "requests"},
        {SCMP_SYS(writev), "replies"},
        {SCMP_SYS(recvfrom), "requests; libevent's own wake-up"},
        {SCMP_SYS(sendto), "replies; libevent's own wake-up"},
        {SCMP_SYS(recvmsg), "the keeper"},
        {SCMP_SYS(sendmsg), "the keeper"},
        {SCMP_SYS(shutdown), "closing in two steps"},
    };
    return process_sandbox_enter(rules, ARRAY_LENGTH(rules));
}
