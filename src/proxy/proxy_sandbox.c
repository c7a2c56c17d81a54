/* proxy_sandbox.c - a relay needs sockets, of the kinds that its targets are of, and nothing else: no file is
 * opened after this point. */
#include <fcntl.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/process_landlock.h"
#include "base/process_sandbox.h"
#include "proxy.h"

result proxy_enter_sandbox(const struct proxy_reach *reach)
{
    static const struct process_sandbox_rule rules[] = {
        SANDBOX_ALLOW(epoll_wait, "the event loop"),
        SANDBOX_ALLOW(epoll_pwait, "the event loop, in newer libc"),
        SANDBOX_ALLOW(epoll_ctl, "the event loop"),
        SANDBOX_ALLOW(accept4, "clients"),
        SANDBOX_ALLOW_VALUE(socket, 0, AF_UNIX, "targets; the service manager"),
        SANDBOX_ALLOW(connect, "targets and name servers"),
        SANDBOX_ALLOW(getsockopt, "whether a connection came about"),
        SANDBOX_ALLOW(setsockopt, "no delay, and noticing peers that vanished"),
        SANDBOX_ALLOW(getsockname, "whether IPv4 or IPv6 is in use here"),
        SANDBOX_ALLOW_FLAGS("sockets do not block"),
        SANDBOX_ALLOW_VALUE(ioctl, 1, FIONREAD, "libevent asks how much of the log can be read"),
        SANDBOX_ALLOW(splice, "relaying"),
        SANDBOX_ALLOW(readv, "the enclave's log"),
        SANDBOX_ALLOW(shutdown, "passing on an end"),
        SANDBOX_ALLOW(recvfrom, "relaying; name servers; libevent's own wake-up"),
        SANDBOX_ALLOW(sendto, "relaying; name servers; libevent's own wake-up; the service manager"),
        SANDBOX_ALLOW(recvmsg, "name servers"),
        SANDBOX_ALLOW(sendmsg, "name servers"),
    };
    static const struct process_sandbox_rule internet_rules[] = {
        SANDBOX_ALLOW_INTERNET("targets and name servers")};
    static const struct process_sandbox_rule vsock_rules[] = {
        SANDBOX_ALLOW_VALUE(socket, 0, AF_VSOCK, "targets")};
    /* The service manager's socket may be an abstract one. */
    const struct process_landlock allowed = {
        .ports = reach->ports, .num_ports = reach->num_ports, .abstract_sockets = true};
    unsigned abi = 0;
    TRY(process_landlock_enter(&abi, &allowed));
    if (!abi)
        log_info("%s", PROCESS_LANDLOCK_MISSING);
    struct process_sandbox_list lists[3] = {SANDBOX_LIST(rules)};
    size_t num_lists = 1;
    if (reach->internet)
        lists[num_lists++] = (struct process_sandbox_list)SANDBOX_LIST(internet_rules);
    if (reach->vsock)
        lists[num_lists++] = (struct process_sandbox_list)SANDBOX_LIST(vsock_rules);
    return process_sandbox_enter(lists, num_lists);
}
