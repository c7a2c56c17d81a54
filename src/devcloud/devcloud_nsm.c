/* devcloud_nsm.c - see devcloud_nsm.h.
 *
 * Each request is answered before the next is read, and an answer that does not fit the
 * peer's socket ends the connection: a peer that does not read cannot make us keep anything. */
#include "devcloud_nsm.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "devcloud_enclave.h"

enum { CONNECTIONS_MAX = 64, BACKLOG = 16, SOCKET_MODE_MASK = 0177 };

struct connection {
    struct devcloud_nsm *owner;
    struct connection *previous, *next;
    struct event *readable;
    int fd;
    struct devcloud_enclave enclave;
};

struct devcloud_nsm {
    struct devcloud_nsm_config config;
    struct event_base *base;
    struct event *acceptable;
    int fd;
    struct connection *first;
    size_t num_connections;
    struct sockaddr_un address;
};

static void close_connection(struct connection *c)
{
    if (c->previous)
        c->previous->next = c->next;
    else
        c->owner->first = c->next;
    if (c->next)
        c->next->previous = c->previous;
    c->owner->num_connections--;
    event_free(c->readable);
    (void)close(c->fd);
    free(c);
}

static void on_readable(int fd, short what, void *context)
{
    (void)what;
    struct connection *c = context;
    /* One byte more than the longest request, so that a longer one is seen to be that. */
    uint8_t request[NSM_REQUEST_MAX + 1], answer[NSM_RESPONSE_MAX];
    ssize_t count = recv(fd, request, sizeof request, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        close_connection(c);
        return;
    }
    size_t answer_len;
    devcloud_enclave_answer(&c->enclave, answer, &answer_len, c->owner->config.authority, request,
                            (size_t)count);
    if (send(fd, answer, answer_len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)answer_len) {
        log_warn("%s: a peer does not read its answers; closed", c->owner->config.path);
        close_connection(c);
    }
}

/* Takes the descriptor over only when it works. */
static must_check result add_connection(struct devcloud_nsm *n, int fd)
{
    ENSURE(n->num_connections < CONNECTIONS_MAX, E_TOO_LARGE, "more than %d connections", CONNECTIONS_MAX);
    struct devcloud_enclave enclave;
    TRY(devcloud_enclave_boot(&enclave, &n->config.identity));
    struct connection *c = calloc(1, sizeof *c);
    ENSURE(c, E_MEMORY, "out of memory for a connection");
    c->readable = event_new(n->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    if (!c->readable || event_add(c->readable, NULL) != 0) {
        if (c->readable)
            event_free(c->readable);
        free(c);
        FAIL(E_MEMORY, "out of memory for a connection");
    }
    c->owner = n;
    c->fd = fd;
    c->enclave = enclave;
    c->next = n->first;
    if (n->first)
        n->first->previous = c;
    n->first = c;
    n->num_connections++;
    return RESULT_OK;
}

static void on_acceptable(int listener, short what, void *context)
{
    (void)what;
    struct devcloud_nsm *n = context;
    AUTO_FD fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (add_connection(n, fd).code) {
        log_warn("%s: %s", n->config.path, error_text());
        return;
    }
    (void)fd_take(&fd);
}

static must_check result listen_at(int *ret_fd, const struct sockaddr_un *address)
{
    const char *path = address->sun_path;
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode))
        (void)unlink(path);
    AUTO_FD fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ENSURE(fd >= 0, E_IO, "%s: %s", path, strerror(errno));
    mode_t before = umask(SOCKET_MODE_MASK);
    int bound = bind(fd, (const struct sockaddr *)address, sizeof *address);
    int bind_errno = errno;
    (void)umask(before);
    ENSURE(bound == 0, E_IO, "%s: %s", path, strerror(bind_errno));
    ENSURE(listen(fd, BACKLOG) == 0, E_IO, "%s: %s", path, strerror(errno));
    *ret_fd = fd_take(&fd);
    return RESULT_OK;
}

static must_check result start(struct devcloud_nsm *n)
{
    const char *path = n->config.path;
    ENSURE(strlen(path) >= 1 && strlen(path) < sizeof n->address.sun_path, E_INPUT,
           "--nsm: path is empty or too long");
    n->address.sun_family = AF_UNIX;
    (void)snprintf(n->address.sun_path, sizeof n->address.sun_path, "%s", path);
    /* A wrong identity is said at start, not to the first enclave. */
    struct devcloud_enclave trial;
    TRY(devcloud_enclave_boot(&trial, &n->config.identity));
    TRY(listen_at(&n->fd, &n->address));
    n->acceptable = event_new(n->base, n->fd, EV_READ | EV_PERSIST, on_acceptable, n);
    ENSURE(n->acceptable && event_add(n->acceptable, NULL) == 0, E_MEMORY, "%s: cannot wait for connections",
           path);
    return RESULT_OK;
}

result devcloud_nsm_start(struct devcloud_nsm **ret_nsm, struct event_base *base,
                          const struct devcloud_nsm_config *config)
{
    struct devcloud_nsm *n = calloc(1, sizeof *n);
    ENSURE(n, E_MEMORY, "out of memory for an NSM");
    *n = (struct devcloud_nsm){.config = *config, .base = base, .fd = -1};
    result r = start(n);
    if (r.code) {
        devcloud_nsm_stop(n);
        return r;
    }
    *ret_nsm = n;
    return RESULT_OK;
}

void devcloud_nsm_stop(struct devcloud_nsm *n)
{
    if (!n)
        return;
    while (n->first)
        close_connection(n->first);
    if (n->acceptable)
        event_free(n->acceptable);
    if (n->fd >= 0) {
        (void)close(n->fd);
        (void)unlink(n->address.sun_path);
    }
    free(n);
}
