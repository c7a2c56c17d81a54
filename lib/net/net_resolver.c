/* net_resolver.c - see net_resolver.h.
 *
 * One question, one answer, each a packet of its own: a number that ties them together, and a name or an
 * address. Rejected: resolving once before the sandbox is entered; the addresses of AWS's endpoints change
 * within hours, and a database's at its next fail-over. Rejected too: the files and sockets of glibc's
 * resolver in the sandbox. */
#include "net/net_resolver.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process_sandbox.h"

enum { ANSWER_MS = 8000, CONNECT_MS = 1000, TRIES_MAX = 4, TEXT_MAX = 256 };

struct message {
    uint64_t number;
    uint32_t port, zero;
    char text[TEXT_MAX]; /* the host to resolve, or its address; "" when there is none */
};

struct net_resolver {
    int socket;
    pthread_mutex_t lock;
    uint64_t number; /* of the latest question */
};

static bool format(char out[static TEXT_MAX], const struct addrinfo *info)
{
    return getnameinfo(info->ai_addr, info->ai_addrlen, out, TEXT_MAX, NULL, 0, NI_NUMERICHOST) == 0;
}

static bool somebody_listens(const char *host, uint32_t port)
{
    struct net_address address = {.family = NET_TCP, .port = port};
    AUTO_FD fd = -1;
    (void)snprintf(address.host, sizeof address.host, "%s", host);
    return !net_connect(&fd, &address, CONNECT_MS).code;
}

/* The first address that accepts a connection, else the first. */
static void resolve(char out[static TEXT_MAX], const char *host, uint32_t port)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    int tries = TRIES_MAX;
    out[0] = 0;
    if (getaddrinfo(host, NULL, &wanted, &found) != 0)
        return;
    for (const struct addrinfo *at = found; at && tries-- > 0; at = at->ai_next) {
        if (format(out, at) && somebody_listens(out, port))
            break;
        if (!format(out, found))
            out[0] = 0;
    }
    freeaddrinfo(found);
}

static _Noreturn void answer_until_closed(int socket)
{
    struct message m;
    while (recv(socket, &m, sizeof m, 0) == sizeof m) {
        char host[TEXT_MAX];
        m.text[TEXT_MAX - 1] = 0;
        memcpy(host, m.text, sizeof host);
        memset(m.text, 0, sizeof m.text);
        resolve(m.text, host, m.port);
        if (send(socket, &m, sizeof m, MSG_NOSIGNAL) != sizeof m)
            break;
    }
    _exit(0);
}

/* Of its parent's descriptors it keeps none but its own. */
static _Noreturn void run_child(int socket)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || dup2(socket, 3) < 0 || close_range(4, ~0U, 0) != 0 ||
        process_sandbox_forbid(false).code)
        _exit(1);
    answer_until_closed(3);
}

result net_resolver_start(struct net_resolver **ret_resolver)
{
    int pair[2];
    ENSURE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, E_IO, "socketpair: %s",
           strerror(errno));
    AUTO_FD ours = pair[0];
    AUTO_FD theirs = pair[1];
    struct net_resolver *resolver = calloc(1, sizeof *resolver);
    ENSURE(resolver, E_MEMORY, "out of memory for the resolver");
    pid_t pid = fork();
    if (pid == 0)
        run_child(theirs);
    if (pid < 0) {
        free(resolver);
        FAIL(E_IO, "fork: %s", strerror(errno));
    }
    (void)pthread_mutex_init(&resolver->lock, NULL);
    resolver->socket = fd_take(&ours);
    *ret_resolver = resolver;
    return RESULT_OK;
}

void net_resolver_stop(struct net_resolver *resolver)
{
    if (!resolver)
        return;
    (void)close(resolver->socket);
    (void)pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}

/* An answer to an earlier question, which came too late, is passed over. */
static must_check result await(struct net_resolver *resolver, struct message *ret_answer, uint64_t number)
{
    uint64_t deadline = clock_monotonic_ns() + ANSWER_MS * UINT64_C(1000000);
    for (uint64_t now = clock_monotonic_ns(); now < deadline; now = clock_monotonic_ns()) {
        struct pollfd wait = {.fd = resolver->socket, .events = POLLIN};
        int n = poll(&wait, 1, (int)((deadline - now) / 1000000) + 1);
        ENSURE(n >= 0 || errno == EINTR, E_IO, "poll: %s", strerror(errno));
        if (n <= 0)
            continue;
        ENSURE(recv(resolver->socket, ret_answer, sizeof *ret_answer, 0) == sizeof *ret_answer, E_PEER,
               "the resolver has ended");
        if (ret_answer->number == number)
            return RESULT_OK;
    }
    FAIL(E_TIMEOUT, "the resolver does not answer");
}

static must_check result exchange(struct net_resolver *resolver, struct message *m)
{
    m->number = ++resolver->number;
    ENSURE(send(resolver->socket, m, sizeof *m, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof *m, E_PEER,
           "the resolver is behind, or has ended");
    return await(resolver, m, m->number);
}

result net_resolver_ask(struct net_resolver *resolver, struct net_address *ret_address, const char *host,
                        uint32_t port)
{
    struct net_address address = {.family = NET_TCP, .port = port};
    struct message m = {.port = port};
    ENSURE(strlen(host) < sizeof m.text, E_INPUT, "the host's name is too long");
    memcpy(m.text, host, strlen(host) + 1);
    (void)pthread_mutex_lock(&resolver->lock);
    result r = exchange(resolver, &m);
    (void)pthread_mutex_unlock(&resolver->lock);
    TRY(r);
    m.text[TEXT_MAX - 1] = 0;
    ENSURE(m.text[0], E_NOT_FOUND, "the name %.200s does not resolve", host);
    (void)snprintf(address.host, sizeof address.host, "%s", m.text);
    *ret_address = address;
    return RESULT_OK;
}
