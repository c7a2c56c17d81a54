/* net_relay.c - see net_relay.h.
 *
 * A link connects here, and copies in net_link.c. Connecting is done by hand: libevent's own reports no
 * success for unix sockets, which connect at once, and tries one address of a name only. Names are resolved
 * for the relay, not for each connection: at once, then every minute, and the last good answer stands when
 * the resolver is away. One thread: a host gives most of its processors to the enclave, and one that relays
 * is not what signing waits for; more would each want listeners of their own (SO_REUSEPORT), which vsock has
 * not. */
#include "net/net_relay.h"

#include <errno.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net_link.h"

enum {
    MAX_ENDPOINTS = 8,
    ACCEPT_PAUSE_US = 100000,
    FULL_QUEUE_PAUSE_US = 5000,
    SEND_BUFFER = 262144,
    RECEIVE_BUFFER = 1048576, /* as far as net.core.rmem_max lets it */
    PATIENCE_SECONDS = 60,
    RESOLVE_SECONDS = 60,
    RESOLVE_AGAIN_SECONDS = 5
};

struct endpoint {
    struct sockaddr_storage address;
    socklen_t length;
};

struct link {
    TAILQ_ENTRY(link) entry;
    struct net_relay *relay;
    /* while connecting */
    int client, target;
    struct event *connecting;
    size_t endpoint; /* which one is tried */
    uint64_t deadline_ns;
    /* once connected */
    bool is_copying;
    struct net_link copying;
};

struct net_relay {
    struct event_base *base;
    struct net_relay_config config;
    struct evconnlistener *listener;
    struct event *accept_again, *resolve_again;
    TAILQ_HEAD(links, link) links;
    struct endpoint endpoints[MAX_ENDPOINTS];
    size_t num_endpoints;
    struct net_relay_counts counts;
    struct net_link_shared shared;
    bool closing;
};

static void update_listening(struct net_relay *relay)
{
    if (!relay->listener || relay->closing)
        return;
    bool listening = relay->counts.open < relay->config.max_connections &&
                     !event_pending(relay->accept_again, EV_TIMEOUT, NULL);
    if (listening && evconnlistener_enable(relay->listener) == 0)
        return;
    (void)evconnlistener_disable(relay->listener);
    /* The system has no memory for it now: nobody else would come back to it. */
    struct timeval pause = {.tv_usec = ACCEPT_PAUSE_US};
    if (listening)
        (void)event_add(relay->accept_again, &pause);
}

static void link_free(struct link *link)
{
    struct net_relay *relay = link->relay;
    if (link->is_copying)
        net_link_stop(&link->copying);
    if (link->connecting)
        event_free(link->connecting);
    fd_auto_close(&link->client);
    fd_auto_close(&link->target);
    TAILQ_REMOVE(&relay->links, link, entry);
    free(link);
    relay->counts.open--;
    update_listening(relay);
}

/* ---- connecting ---- */

static void on_link_end(void *context)
{
    link_free(context);
}

static void established(struct link *link)
{
    int fds[2] = {fd_take(&link->client), fd_take(&link->target)};
    link->is_copying = true;
    net_link_start(&link->copying, &link->relay->shared, fds, on_link_end, link);
}

static void set_tcp_options(int fd, int family)
{
    int one = 1, idle_seconds = 60, send_buffer = SEND_BUFFER, receive_buffer = RECEIVE_BUFFER;
    if (family != AF_INET && family != AF_INET6)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    /* Else the kernel lets them grow to megabytes: a thousand busy connections then take more than it has for
     * TCP, it drops what it received, and what is under way has left the processor's caches when it goes on.
     */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    /* A peer that vanished without a word is noticed within minutes. */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
}

static void on_connecting(evutil_socket_t fd, short what, void *context);

static bool wait_for(struct link *link, int fd, short events, uint64_t time_us)
{
    struct timeval time = {.tv_sec = (time_t)(time_us / 1000000),
                           .tv_usec = (suseconds_t)(time_us % 1000000)};
    if (link->connecting)
        event_free(link->connecting);
    link->connecting = event_new(link->relay->base, fd, events, on_connecting, link);
    return link->connecting && event_add(link->connecting, &time) == 0;
}

enum attempt { CONNECTED, WAITING, REFUSED };

static enum attempt attempt_connect(struct link *link)
{
    struct net_relay *relay = link->relay;
    const struct endpoint *to = &relay->endpoints[link->endpoint];
    uint64_t timeout_us = (uint64_t)relay->config.connect_timeout_seconds * 1000000;
    AUTO_FD fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return REFUSED;
    set_tcp_options(fd, to->address.ss_family);
    int code = connect(fd, (const struct sockaddr *)&to->address, to->length);
    if (code != 0 && errno == EAGAIN && clock_monotonic_ns() < link->deadline_ns)
        /* The queue of a unix socket is full; no event tells when it no longer is. */
        return wait_for(link, -1, 0, FULL_QUEUE_PAUSE_US) ? WAITING : REFUSED;
    if (code != 0 && errno != EINPROGRESS)
        return REFUSED;
    link->target = fd_take(&fd);
    if (code == 0)
        return CONNECTED;
    return wait_for(link, link->target, EV_WRITE, timeout_us) ? WAITING : REFUSED;
}

static void connect_on(struct link *link)
{
    struct net_relay *relay = link->relay;
    for (; link->endpoint < relay->num_endpoints; link->endpoint++) {
        switch (attempt_connect(link)) {
        case CONNECTED:
            established(link);
            return;
        case WAITING:
            return;
        case REFUSED:
            fd_auto_close(&link->target);
            break;
        }
    }
    relay->counts.connect_failures++;
    link_free(link);
}

static void on_connecting(evutil_socket_t fd, short what, void *context)
{
    struct link *link = context;
    if (fd >= 0) {
        int error = ETIMEDOUT;
        socklen_t length = sizeof error;
        if (what & EV_WRITE && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0) {
            established(link);
            return;
        }
        fd_auto_close(&link->target);
        link->endpoint++;
    }
    connect_on(link);
}

/* ---- accepting ---- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *context)
{
    (void)listener;
    (void)length;
    struct net_relay *relay = context;
    struct link *link = calloc(1, sizeof *link);
    if (!link) {
        (void)evutil_closesocket(fd);
        return;
    }
    link->relay = relay;
    link->client = fd;
    link->target = -1;
    link->deadline_ns = clock_monotonic_ns() + (uint64_t)relay->config.connect_timeout_seconds * 1000000000;
    TAILQ_INSERT_TAIL(&relay->links, link, entry);
    relay->counts.accepted++;
    relay->counts.open++;
    set_tcp_options(fd, address->sa_family);
    connect_on(link);
    update_listening(relay);
}

/* Out of descriptors: the queue stays readable, so without a pause the loop would spin. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    (void)listener;
    struct net_relay *relay = context;
    struct timeval pause = {.tv_usec = ACCEPT_PAUSE_US};
    (void)event_add(relay->accept_again, &pause);
    update_listening(relay);
}

static void on_accept_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    update_listening(context);
}

/* ---- the target's addresses ---- */

static void on_resolved(int error, struct evutil_addrinfo *list, void *context)
{
    struct net_relay *relay = context;
    if (error == EVUTIL_EAI_CANCEL)
        return;
    struct timeval again = {.tv_sec = error ? RESOLVE_AGAIN_SECONDS : RESOLVE_SECONDS};
    (void)event_add(relay->resolve_again, &again);
    if (error)
        return;
    size_t count = 0;
    for (const struct evutil_addrinfo *at = list; at && count < MAX_ENDPOINTS; at = at->ai_next) {
        struct endpoint *endpoint = &relay->endpoints[count++];
        memcpy(&endpoint->address, at->ai_addr, at->ai_addrlen);
        endpoint->length = at->ai_addrlen;
    }
    relay->num_endpoints = count;
    evutil_freeaddrinfo(list);
}

static void resolve(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct net_relay *relay = context;
    char port[8];
    (void)snprintf(port, sizeof port, "%u", relay->config.target.port);
    struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_protocol = IPPROTO_TCP,
                                    .ai_flags = EVUTIL_AI_ADDRCONFIG};
    (void)evdns_getaddrinfo(relay->config.dns, relay->config.target.host, port, &hints, on_resolved, relay);
}

static must_check result find_target(struct net_relay *relay)
{
    const struct net_address *target = &relay->config.target;
    if (target->family == NET_TCP) {
        ENSURE(relay->config.dns, E_INTERNAL, "a tcp target needs a resolver");
        resolve(-1, 0, relay);
        return RESULT_OK;
    }
    relay->num_endpoints = 1;
    return net_socket_address(&relay->endpoints[0].address, &relay->endpoints[0].length, target);
}

result net_relay_new(struct net_relay **ret_relay, struct event_base *base,
                     const struct net_relay_config *config, int listener)
{
    struct net_relay *relay = calloc(1, sizeof *relay);
    ENSURE(relay, E_MEMORY, "out of memory");
    relay->base = base;
    relay->config = *config;
    relay->shared.base = base;
    relay->shared.pipes = config->pipes;
    relay->shared.patience_seconds = config->patience_seconds ? config->patience_seconds : PATIENCE_SECONDS;
    TAILQ_INIT(&relay->links);
    relay->accept_again = evtimer_new(base, on_accept_again, relay);
    relay->resolve_again = evtimer_new(base, resolve, relay);
    result r = RESULT_OK;
    if (!relay->accept_again || !relay->resolve_again)
        r = error_set(E_MEMORY, "out of memory");
    if (!r.code)
        r = find_target(relay);
    if (!r.code) {
        relay->listener = evconnlistener_new(base, on_accept, relay,
                                             LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listener);
        if (!relay->listener)
            r = error_set(E_MEMORY, "cannot watch the listening socket");
    }
    if (r.code) {
        net_relay_free(relay);
        return r;
    }
    evconnlistener_set_error_cb(relay->listener, on_accept_error);
    *ret_relay = relay;
    return RESULT_OK;
}

void net_relay_free(struct net_relay *relay)
{
    if (!relay)
        return;
    relay->closing = true;
    if (relay->listener)
        evconnlistener_free(relay->listener);
    while (!TAILQ_EMPTY(&relay->links))
        link_free(TAILQ_FIRST(&relay->links));
    if (relay->accept_again)
        event_free(relay->accept_again);
    if (relay->resolve_again)
        event_free(relay->resolve_again);
    free(relay);
}

void net_relay_count(struct net_relay_counts *ret_counts, const struct net_relay *relay)
{
    *ret_counts = relay->counts;
    ret_counts->copied = relay->shared.copied;
    ret_counts->spliced = relay->shared.spliced;
}
