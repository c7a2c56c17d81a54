/* nitro_nsm_transport.c - carries one request to the NSM and brings its answer.
 *
 * On Nitro that is one ioctl. In development the same bytes go over a SOCK_SEQPACKET socket,
 * whose packets keep requests and answers apart without any framing of ours. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "nitro/nitro_nsm_transport.h"

/* The driver's interface (linux/nsm.h since 6.8; written out because build machines have older headers). */
struct nsm_message {
    uint64_t request_address;
    uint64_t request_len;
    uint64_t response_address;
    uint64_t response_len; /* capacity in, length out */
};
_Static_assert(NSM_IOCTL == _IOWR(0x0A, 0, struct nsm_message), "the argument's size is part of it");

/* The driver gives the device 120 s; the development stand-in answers at once or is dead. */
enum { SOCKET_TIMEOUT_SECONDS = 10 };

static must_check result open_device(struct nsm *ret_nsm, const char *path)
{
    AUTO_FD fd = open(path, O_RDWR | O_CLOEXEC);
    ENSURE(fd >= 0, E_IO, "%s: %s", path, strerror(errno));
    ENSURE(fd > 0, E_IO, "%s: standard input is closed", path); /* 0 means closed in struct nsm */
    *ret_nsm = (struct nsm){.fd = fd_take(&fd), .is_device = true};
    return RESULT_OK;
}

static must_check result open_socket(struct nsm *ret_nsm, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ENSURE(strlen(path) >= 1 && strlen(path) < sizeof address.sun_path, E_INPUT,
           "NSM socket: path is empty or too long");
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    AUTO_FD fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ENSURE(fd > 0, E_IO, "NSM socket: %s", strerror(errno));
    struct timeval timeout = {.tv_sec = SOCKET_TIMEOUT_SECONDS};
    ENSURE(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0 &&
               setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0,
           E_IO, "NSM socket: %s", strerror(errno));
    ENSURE(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0, E_IO, "%s: %s", path,
           strerror(errno));
    *ret_nsm = (struct nsm){.fd = fd_take(&fd), .is_device = false};
    return RESULT_OK;
}

result nsm_open(struct nsm *ret_nsm, const char *where)
{
    static const char prefix[] = "unix:";
    if (strncmp(where, prefix, sizeof prefix - 1) == 0)
        return open_socket(ret_nsm, where + sizeof prefix - 1);
    ENSURE(where[0] == '/', E_INPUT, "NSM: must be a device path or unix:PATH");
    return open_device(ret_nsm, where);
}

void nsm_cleanup(struct nsm *n)
{
    if (n->fd > 0)
        (void)close(n->fd);
    *n = (struct nsm){.fd = -1};
}

static must_check result transact_device(int fd, uint8_t *ret_response, size_t *ret_response_len,
                                         const uint8_t *request, size_t request_len)
{
    struct nsm_message message = {
        .request_address = (uint64_t)(uintptr_t)request,
        .request_len = request_len,
        .response_address = (uint64_t)(uintptr_t)ret_response,
        .response_len = NSM_RESPONSE_MAX, /* less would cut the answer silently */
    };
    int status;
    do
        status = ioctl(fd, NSM_IOCTL, &message);
    while (status != 0 && errno == EINTR);
    ENSURE(status == 0, errno == ETIMEDOUT ? E_TIMEOUT : E_IO, "NSM: %s", strerror(errno));
    ENSURE(message.response_len <= NSM_RESPONSE_MAX, E_PEER, "NSM: answer of impossible length");
    *ret_response_len = (size_t)message.response_len;
    return RESULT_OK;
}

/* Answers carry nothing that tells whose they are: one that waits already, or that comes after we gave up,
 * would be taken for that of the next request. Then nothing more is asked. */
static must_check result give_up(int fd, enum error_code code, const char *why)
{
    (void)shutdown(fd, SHUT_RDWR);
    FAIL(code, "NSM socket: %s", why);
}

static must_check result transact_socket(int fd, uint8_t *ret_response, size_t *ret_response_len,
                                         const uint8_t *request, size_t request_len)
{
    ssize_t count = recv(fd, ret_response, 1, MSG_DONTWAIT);
    if (count > 0)
        return give_up(fd, E_PEER, "an answer came without a request");
    do
        count = send(fd, request, request_len, MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    ENSURE(count >= 0, errno == EAGAIN ? E_TIMEOUT : E_IO, "NSM socket: %s", strerror(errno));
    do
        count = recv(fd, ret_response, NSM_RESPONSE_MAX, MSG_TRUNC);
    while (count < 0 && errno == EINTR);
    if (count < 0 && errno == EAGAIN)
        return give_up(fd, E_TIMEOUT, "no answer");
    ENSURE(count >= 0, E_IO, "NSM socket: %s", strerror(errno));
    ENSURE(count > 0, E_PEER, "NSM socket: closed");
    ENSURE(count <= NSM_RESPONSE_MAX, E_PEER, "NSM socket: answer is too long");
    *ret_response_len = (size_t)count;
    return RESULT_OK;
}

result nsm_transact(const struct nsm *n, uint8_t ret_response[static NSM_RESPONSE_MAX],
                    size_t *ret_response_len, const uint8_t *request, size_t request_len)
{
    ENSURE(n->fd > 0, E_INTERNAL, "NSM: not open");
    ENSURE(request_len >= 1 && request_len <= NSM_REQUEST_MAX, E_TOO_LARGE, "NSM: request is over %d bytes",
           NSM_REQUEST_MAX);
    if (n->is_device)
        return transact_device(n->fd, ret_response, ret_response_len, request, request_len);
    return transact_socket(n->fd, ret_response, ret_response_len, request, request_len);
}
