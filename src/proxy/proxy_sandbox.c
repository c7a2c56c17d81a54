/* proxy_sandbox.c - a relay needs sockets and nothing else: no file is opened after this point. */
#include "base/process_sandbox.h"
#include "proxy.h"

result proxy_enter_sandbox(void)
{
    static const struct process_sandbox_rule rules[] = {
        {SCMP_SYS(epoll_wait), "the event loop"},
        {SCMP_SYS(epoll_pwait), "the event loop, in newer libc"},
        {SCMP_SYS(epoll_ctl), "the event loop"},
        {SCMP_SYS(accept4), "clients"},
        {SCMP_SYS(socket), "targets and name servers"},
        {SCMP_SYS(connect), "targets and name servers"},
        {SCMP_SYS(getsockopt), "whether a connection came about"},
        {SCMP_SYS(setsockopt), "no delay, and noticing peers that vanished"},
        {SCMP_SYS(getsockname), "whether IPv4 or IPv6 is in use here"},
        {SCMP_SYS(fcntl), "sockets do not block"},
        {SCMP_SYS(ioctl), "libevent asks how much of the log can be read"},
        {SCMP_SYS(splice), "relaying"},
        {SCMP_SYS(readv), "the enclave's log"},
        {SCMP_SYS(shutdown), "passing on an end"},
        {SCMP_SYS(recvfrom), "relaying; name servers; libevent's own wake-up"},
        {SCMP_SYS(sendto), "relaying; name servers; libevent's own wake-up; the service manager"},
        {SCMP_SYS(recvmsg), "name servers"},
        {SCMP_SYS(sendmsg), "name servers"},
    };
    return process_sandbox_enter(rules, ARRAY_LENGTH(rules));
}
