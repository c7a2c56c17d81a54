/* net_address.c - see net_address.h.
 *
 * One parser, one way to bind and one way to connect for three families. The unix socket's
 * mode is set on the descriptor before bind, which Linux honours: chmod after bind would
 * leave a moment in which others may connect, and umask is process-wide. Rejected: a stale
 * socket file removed unseen - a live server's socket would be taken away from it. */
#include "net/net_address.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"

typedef struct addrinfo addrinfo;
DEFINE_AUTO_POINTER(addrinfo, freeaddrinfo)

static must_check result parse_number(uint32_t *ret_value, const char *text, uint32_t low, uint32_t high)
{
    uint64_t value;
    TRY(parse_u64(&value, text));
    ENSURE(value >= low && value <= high, E_INPUT, "must be from %u to %u", low, high);
    *ret_value = (uint32_t)value;
    return RESULT_OK;
}

static must_check result parse_tcp(struct net_address *address, const char *text)
{
    const char *colon = strrchr(text, ':');
    ENSURE(colon, E_INPUT, "tcp address: must be tcp:HOST:PORT");
    result r = parse_number(&address->port, colon + 1, 0, UINT16_MAX);
    if (r.code)
        return error_prefix(r, "tcp address: port");
    const char *host = text;
    size_t host_len = (size_t)(colon - text);
    bool brackets = host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']';
    if (brackets) {
        host++;
        host_len -= 2;
    }
    ENSURE(host_len > 0 && host_len < sizeof address->host, E_INPUT,
           "tcp address: host is empty or too long");
    ENSURE(brackets || !memchr(host, ':', host_len), E_INPUT,
           "tcp address: an IPv6 host must be in brackets");
    ENSURE(!memchr(host, '[', host_len) && !memchr(host, ']', host_len), E_INPUT,
           "tcp address: unbalanced brackets");
    address->family = NET_TCP;
    memcpy(address->host, host, host_len);
    return RESULT_OK;
}

static must_check result parse_unix(struct net_address *address, const char *path)
{
    ENSURE(path[0], E_INPUT, "unix address: path is empty");
    ENSURE(strlen(path) < sizeof((struct sockaddr_un *)0)->sun_path, E_INPUT,
           "unix address: path is longer than %zu bytes", sizeof((struct sockaddr_un *)0)->sun_path - 1);
    address->family = NET_UNIX;
    memcpy(address->host, path, strlen(path) + 1);
    return RESULT_OK;
}

static must_check result parse_vsock(struct net_address *address, const char *text)
{
    char cid[16] = {0};
    size_t cid_len = strcspn(text, ":");
    ENSURE(text[cid_len] == ':' && cid_len > 0 && cid_len < sizeof cid, E_INPUT,
           "vsock address: must be vsock:CID:PORT");
    memcpy(cid, text, cid_len);
    result r = RESULT_OK;
    if (strcmp(cid, "any") == 0)
        address->cid = VMADDR_CID_ANY;
    else
        r = parse_number(&address->cid, cid, 0, VMADDR_CID_ANY - 1);
    if (r.code)
        return error_prefix(r, "vsock address: CID");
    r = parse_number(&address->port, text + cid_len + 1, 1, VMADDR_PORT_ANY - 1);
    if (r.code)
        return error_prefix(r, "vsock address: port");
    address->family = NET_VSOCK;
    return RESULT_OK;
}

result net_address_parse(struct net_address *ret_address, const char *text)
{
    struct net_address address = {0};
    if (strncmp(text, "tcp:", 4) == 0)
        TRY(parse_tcp(&address, text + 4));
    else if (strncmp(text, "unix:", 5) == 0)
        TRY(parse_unix(&address, text + 5));
    else if (strncmp(text, "vsock:", 6) == 0)
        TRY(parse_vsock(&address, text + 6));
    else
        FAIL(E_INPUT, "address: must begin with tcp:, unix: or vsock:");
    *ret_address = address;
    return RESULT_OK;
}

void net_address_format(char *out, size_t out_capacity, const struct net_address *address)
{
    switch (address->family) {
    case NET_TCP: {
        bool v6 = strchr(address->host, ':') != NULL;
        (void)snprintf(out, out_capacity, "tcp:%s%s%s:%u", v6 ? "[" : "", address->host, v6 ? "]" : "",
                       address->port);
        return;
    }
    case NET_UNIX:
        (void)snprintf(out, out_capacity, "unix:%s", address->host);
        return;
    case NET_VSOCK:
        if (address->cid == VMADDR_CID_ANY)
            (void)snprintf(out, out_capacity, "vsock:any:%u", address->port);
        else
            (void)snprintf(out, out_capacity, "vsock:%u:%u", address->cid, address->port);
        return;
    }
}

result net_socket_address(struct sockaddr_storage *ret_storage, socklen_t *ret_len,
                          const struct net_address *address)
{
    struct sockaddr_storage storage = {0};
    switch (address->family) {
    case NET_TCP:
        FAIL(E_UNSUPPORTED, "a tcp address has to be resolved");
    case NET_UNIX: {
        struct sockaddr_un *un = (struct sockaddr_un *)&storage;
        un->sun_family = AF_UNIX;
        size_t path_len = strlen(address->host);
        ENSURE(path_len < sizeof un->sun_path, E_INPUT, "unix address: path is too long");
        memcpy(un->sun_path, address->host, path_len);
        *ret_len = sizeof *un;
        break;
    }
    case NET_VSOCK: {
        struct sockaddr_vm *vm = (struct sockaddr_vm *)&storage;
        vm->svm_family = AF_VSOCK;
        vm->svm_cid = address->cid;
        vm->svm_port = address->port;
        *ret_len = sizeof *vm;
        break;
    }
    }
    *ret_storage = storage;
    return RESULT_OK;
}

static must_check result resolve(addrinfo **ret_list, const struct net_address *address, int flags)
{
    char port[8];
    (void)snprintf(port, sizeof port, "%u", address->port);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    int code = getaddrinfo(address->host, port, &hints, ret_list);
    ENSURE(code == 0, E_NOT_FOUND, "tcp host does not resolve: %s", gai_strerror(code));
    return RESULT_OK;
}

static must_check result stream_socket(int *ret_fd, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ENSURE(fd >= 0, E_IO, "socket: %s", strerror(errno));
    *ret_fd = fd;
    return RESULT_OK;
}

/* A request is two writes (head, body): with Nagle's algorithm the second waits 40 ms for an acknowledgement.
 */
static must_check result disable_delay(int fd)
{
    int one = 1;
    ENSURE(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0, E_IO, "TCP_NODELAY: %s",
           strerror(errno));
    return RESULT_OK;
}

static must_check result bind_tcp_at(int *ret_fd, const addrinfo *at)
{
    AUTO_FD fd = -1;
    TRY(stream_socket(&fd, at->ai_family));
    int one = 1;
    ENSURE(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0, E_IO, "SO_REUSEADDR: %s",
           strerror(errno));
    TRY(disable_delay(fd));
    ENSURE(bind(fd, at->ai_addr, at->ai_addrlen) == 0, E_IO, "bind: %s", strerror(errno));
    *ret_fd = fd_take(&fd);
    return RESULT_OK;
}

static must_check result bind_tcp(int *ret_fd, const struct net_address *address)
{
    AUTO_POINTER(addrinfo) list = NULL;
    TRY(resolve(&list, address, AI_PASSIVE));
    result r = error_set(E_NOT_FOUND, "tcp host has no address");
    for (const addrinfo *at = list; at && r.code; at = at->ai_next)
        r = bind_tcp_at(ret_fd, at);
    return r;
}

/* A socket file nobody answers at is left over from a process that was killed. */
static must_check result remove_stale_socket(const struct sockaddr_storage *storage, socklen_t length)
{
    const char *path = ((const struct sockaddr_un *)storage)->sun_path;
    struct stat status;
    if (lstat(path, &status) != 0)
        return RESULT_OK;
    ENSURE(S_ISSOCK(status.st_mode), E_STATE, "%s: exists and is not a socket", path);
    AUTO_FD probe = -1;
    TRY(stream_socket(&probe, AF_UNIX));
    bool refused = connect(probe, (const struct sockaddr *)storage, length) != 0 && errno == ECONNREFUSED;
    ENSURE(refused, E_STATE, "%s: another process listens there", path);
    ENSURE(unlink(path) == 0, E_IO, "%s: unlink: %s", path, strerror(errno));
    return RESULT_OK;
}

static must_check result bind_local(int *ret_fd, const struct net_address *address)
{
    struct sockaddr_storage storage;
    socklen_t length;
    TRY(net_socket_address(&storage, &length, address));
    AUTO_FD fd = -1;
    TRY(stream_socket(&fd, storage.ss_family));
    if (address->family == NET_UNIX) {
        TRY(remove_stale_socket(&storage, length));
        ENSURE(fchmod(fd, 0600) == 0, E_IO, "fchmod: %s", strerror(errno));
    }
    ENSURE(bind(fd, (const struct sockaddr *)&storage, length) == 0, E_IO, "bind: %s", strerror(errno));
    *ret_fd = fd_take(&fd);
    return RESULT_OK;
}

result net_bind(int *ret_fd, const struct net_address *address)
{
    result r = address->family == NET_TCP ? bind_tcp(ret_fd, address) : bind_local(ret_fd, address);
    if (!r.code)
        return r;
    char text[300];
    net_address_format(text, sizeof text, address);
    return error_prefix(r, "%s", text);
}

result net_listen(int *ret_fd, const struct net_address *address, int backlog)
{
    AUTO_FD fd = -1;
    TRY(net_bind(&fd, address));
    ENSURE(listen(fd, backlog) == 0, E_IO, "listen: %s", strerror(errno));
    *ret_fd = fd_take(&fd);
    return RESULT_OK;
}

static int milliseconds_left(uint64_t deadline_ns)
{
    uint64_t now = clock_monotonic_ns();
    return now >= deadline_ns ? 0 : (int)((deadline_ns - now + 999999) / 1000000);
}

static must_check result wait_connected(int fd, uint64_t deadline_ns)
{
    struct pollfd poll_for = {.fd = fd, .events = POLLOUT};
    int count;
    do {
        count = poll(&poll_for, 1, milliseconds_left(deadline_ns));
    } while (count < 0 && errno == EINTR);
    ENSURE(count >= 0, E_IO, "poll: %s", strerror(errno));
    ENSURE(count > 0, E_TIMEOUT, "connect: no answer in time");
    int error = 0;
    socklen_t length = sizeof error;
    ENSURE(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0, E_IO, "SO_ERROR: %s", strerror(errno));
    ENSURE(error == 0, error == ETIMEDOUT ? E_TIMEOUT : E_IO, "connect: %s", strerror(error));
    return RESULT_OK;
}

static must_check result connect_at(int *ret_fd, const struct sockaddr *at, socklen_t at_len,
                                    uint64_t deadline_ns)
{
    AUTO_FD fd = -1;
    TRY(stream_socket(&fd, at->sa_family));
    if (at->sa_family == AF_INET || at->sa_family == AF_INET6)
        TRY(disable_delay(fd));
    /* A unix server whose queue is full is EAGAIN, and poll cannot tell when there is room again. */
    while (connect(fd, at, at_len) != 0) {
        if (errno == EINPROGRESS || errno == EINTR) {
            TRY(wait_connected(fd, deadline_ns));
            break;
        }
        ENSURE(errno == EAGAIN, E_IO, "connect: %s", strerror(errno));
        ENSURE(milliseconds_left(deadline_ns) > 0, E_TIMEOUT, "connect: no answer in time");
        (void)poll(NULL, 0, 2);
    }
    *ret_fd = fd_take(&fd);
    return RESULT_OK;
}

static must_check result connect_tcp(int *ret_fd, const struct net_address *address, uint64_t deadline_ns)
{
    AUTO_POINTER(addrinfo) list = NULL;
    TRY(resolve(&list, address, 0));
    result r = error_set(E_NOT_FOUND, "tcp host has no address");
    for (const addrinfo *at = list; at && r.code; at = at->ai_next)
        r = connect_at(ret_fd, at->ai_addr, at->ai_addrlen, deadline_ns);
    return r;
}

static must_check result connect_any(int *ret_fd, const struct net_address *address, uint64_t deadline_ns)
{
    if (address->family == NET_TCP)
        return connect_tcp(ret_fd, address, deadline_ns);
    struct sockaddr_storage storage;
    socklen_t length;
    TRY(net_socket_address(&storage, &length, address));
    return connect_at(ret_fd, (const struct sockaddr *)&storage, length, deadline_ns);
}

result net_connect(int *ret_fd, const struct net_address *address, int timeout_ms)
{
    uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
    result r = connect_any(ret_fd, address, deadline_ns);
    if (!r.code)
        return r;
    char text[300];
    net_address_format(text, sizeof text, address);
    return error_prefix(r, "%s", text);
}

result net_local_port(uint32_t *ret_port, int fd)
{
    struct sockaddr_storage storage = {0};
    socklen_t length = sizeof storage;
    ENSURE(getsockname(fd, (struct sockaddr *)&storage, &length) == 0, E_IO, "getsockname: %s",
           strerror(errno));
    if (storage.ss_family == AF_INET)
        *ret_port = ntohs(((const struct sockaddr_in *)&storage)->sin_port);
    else if (storage.ss_family == AF_INET6)
        *ret_port = ntohs(((const struct sockaddr_in6 *)&storage)->sin6_port);
    else if (storage.ss_family == AF_VSOCK)
        *ret_port = ((const struct sockaddr_vm *)&storage)->svm_port;
    else
        FAIL(E_UNSUPPORTED, "a socket of this family has no port");
    return RESULT_OK;
}
