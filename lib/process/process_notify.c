/* process_notify.c - one datagram, without waiting.
 *
 * Rejected: libsystemd's sd_notify, which waits until there is room in the manager's socket. A manager that
 * stopped reading would stop a watchdog or a signer after some ten notices. */
#include "process/process_notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/options.h"
#include "base/result.h"

static bool notify_address(struct sockaddr_un *ret_address, socklen_t *ret_length)
{
    const char *name = getenv("NOTIFY_SOCKET");
    if (!name || (name[0] != '/' && name[0] != '@') || !name[1])
        return false;
    size_t length = strlen(name);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (length >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = 0; /* an abstract name has no NUL behind it: the length tells where it ends */
    *ret_address = address;
    *ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '/'));
    return true;
}

void process_notify(const char *format, ...)
{
    struct sockaddr_un address;
    socklen_t length;
    if (!notify_address(&address, &length))
        return;
    char text[PROCESS_NOTICE_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    AUTO_FD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&address,
                     length);
}

uint64_t process_watchdog_us(void)
{
    const char *interval = getenv("WATCHDOG_USEC"), *owner = getenv("WATCHDOG_PID");
    uint64_t us = 0, pid = 0;
    if (!interval || parse_u64(&us, interval).code)
        return 0;
    if (owner && (parse_u64(&pid, owner).code || pid != (uint64_t)getpid()))
        return 0;
    return us;
}
