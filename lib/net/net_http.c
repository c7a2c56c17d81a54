/* net_http.c - connections and the server: see net_http.h.
 *
 * What is said on a connection is its transport's: net_http_1.c, net_http_2.c, or at the end net_http_closing
 * below. Here are accepting, the handshake, and time; who is closed to make room is net_http_room.c's.
 *
 * Who owns what is the whole point. A connection owns its stream and, until a request is complete, the
 * request, but for what the program refuses by its head. From then on it belongs to the handler, and the
 * request and its exchange only point at each other; whichever goes first clears the other's pointer, so a
 * reply to a client that left finds no connection, and a connection that closes leaves the request alone. No
 * function of a stream calls back before it returns.
 *
 * Closing is done in two steps (end of output, then read and drop until the client closes or two seconds
 * pass): closing at once with unread input would reset the connection and could destroy the reply on its way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <linux/vm_sockets.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net_http_internal.h"
#include "net/net_loop.h"

/* Of those that wait to be let in, so many a turn of the loop: connections that are there go on. */
enum { ACCEPTS_A_TURN = 16, ACCEPT_PAUSE_US = 100000 };
enum { HANDSHAKE_SECONDS = 10, CLOSING_SECONDS = 2, CROWDED_SECONDS = 3, LISTEN_SECONDS = 3600 };
/* So many more or fewer connections than the last time are worth a walk through the heap, after so long. */
enum { TIDY_FROM = 256, TIDY_SECONDS = 1 };

/* ---- closing and time ---- */

/* A timer that fires too early is cheaper than one that is set anew for each step of each request. */
void net_http_connection_alarm(struct net_http_connection *c, uint64_t at_ns)
{
    c->due_ns = at_ns;
    if (at_ns == 0 || (c->armed_ns != 0 && c->armed_ns <= at_ns))
        return;
    c->armed_ns = at_ns;
    net_loop_alarm(&c->deadline, at_ns);
}

void net_http_connection_deadline(struct net_http_connection *c, uint32_t seconds)
{
    net_http_connection_alarm(c, clock_monotonic_ns() + seconds * UINT64_C(1000000000));
}

/* With three quarters of all places taken a client that dribbles is given little: else as many of them as
 * there are places keep everybody out for half a minute at a time. */
uint32_t net_http_patience(const struct net_http_server *server, uint32_t seconds)
{
    bool crowded = server->num_connections > server->config.max_connections / 4 * 3;
    return crowded && seconds > CROWDED_SECONDS ? CROWDED_SECONDS : seconds;
}

/* The system has no memory for it now: nobody else would come back to it, and the server be deaf. */
static void listen_later(struct net_http_server *server)
{
    struct timeval pause = {.tv_usec = ACCEPT_PAUSE_US};
    server->listening = false;
    (void)event_add(server->accept_again, &pause);
}

void net_http_update_listening(struct net_http_server *server)
{
    if (!server->listener || server->closing)
        return;
    bool listening = net_http_has_room(server) && !server->accept_paused;
    if (listening == server->listening)
        return;
    server->listening = listening;
    if (!listening)
        (void)event_del(server->listener);
    else if (event_add(server->listener, NULL) != 0)
        listen_later(server);
}

/* ---- memory ---- */

static void on_tidy(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct net_http_server *server = context;
    server->tidied_connections = server->num_connections;
    (void)malloc_trim(0);
}

/* A storm of handshakes takes twice what its connections keep, and leaves holes of whole pages: malloc gives
 * none back by itself that has something behind it. */
static void tidy_later(struct net_http_server *server)
{
    struct timeval later = {.tv_sec = TIDY_SECONDS};
    size_t now = server->num_connections, before = server->tidied_connections;
    size_t changed = now > before ? now - before : before - now;
    if (changed >= TIDY_FROM && !evtimer_pending(&server->tidy, NULL))
        (void)evtimer_add(&server->tidy, &later);
}

/* ---- the end of a connection ---- */

static void say_goodbye(struct net_http_connection *c)
{
    if (c->transport->goodbye)
        c->transport->goodbye(c);
    net_stream_say_end(c->stream);
}

void net_http_connection_free(struct net_http_connection *c)
{
    struct net_http_server *server = c->server;
    c->transport->part(c);
    net_http_connection_leave(c);
    tidy_later(server);
    server->num_http2 -= c->counted_http2;
    (void)event_del(&c->deadline);
    net_stream_free(c->stream);
    free(c);
    net_http_update_listening(server);
}

/* ---- the transport of a connection that is closing ---- */

static void drop_input(struct net_http_connection *c)
{
    struct evbuffer *input = net_stream_input(c->stream);
    (void)evbuffer_drain(input, evbuffer_get_length(input));
}

static void do_nothing(struct net_http_connection *c)
{
    (void)c;
}

static bool waits_for_nothing(struct net_http_connection *c)
{
    (void)c;
    return false;
}

static const struct net_http_transport net_http_closing = {.read = drop_input,
                                                           .written = do_nothing,
                                                           .waits = waits_for_nothing,
                                                           .late = net_http_connection_free,
                                                           .part = do_nothing};

void net_http_connection_close(struct net_http_connection *c)
{
    c->transport->part(c);
    c->transport = &net_http_closing;
    net_http_connection_set_idle(c, false);
    net_stream_end_output(c->stream);
    if (c->input_ended) {
        net_http_connection_free(c);
        return;
    }
    net_http_connection_deadline(c, CLOSING_SECONDS);
    drop_input(c);
    net_stream_set_reading(c->stream, true);
}

/* ---- events ---- */

static void on_read(void *context)
{
    struct net_http_connection *c = context;
    c->transport->read(c);
}

static void on_written(void *context)
{
    struct net_http_connection *c = context;
    c->transport->written(c);
}

/* Until the first request is begun: what a client that only connects may cost. */
static void start_fresh_deadline(struct net_http_connection *c)
{
    const struct net_http_config *config = &c->server->config;
    net_http_connection_deadline(c, config->idle_timeout_seconds < config->request_timeout_seconds
                                        ? config->idle_timeout_seconds
                                        : config->request_timeout_seconds);
}

void net_http_client(char ret_text[static NET_HTTP_CLIENT_MAX], const struct net_http_connection *c)
{
    char host[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&c->peer;
    const struct sockaddr_vm *vsock = (const struct sockaddr_vm *)&c->peer;
    ret_text[0] = 0;
    if (c->peer.sin6_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host))
        (void)snprintf(ret_text, NET_HTTP_CLIENT_MAX, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
    if (c->peer.sin6_family == AF_INET6 && inet_ntop(AF_INET6, &c->peer.sin6_addr, host, sizeof host))
        (void)snprintf(ret_text, NET_HTTP_CLIENT_MAX, "[%s]:%u", host, (unsigned)ntohs(c->peer.sin6_port));
    if (c->peer.sin6_family == AF_VSOCK)
        (void)snprintf(ret_text, NET_HTTP_CLIENT_MAX, "vsock:%u:%u", vsock->svm_cid, vsock->svm_port);
}

void net_http_tell_answered(const struct net_http_connection *c, struct net_http_request *request,
                            const struct net_http_reply_form *form)
{
    const struct net_http_config *config = &c->server->config;
    struct net_http_answer answer = {.request = request, .connection = c};
    if (!config->answered)
        return;
    if (form) {
        answer.status = form->status;
        answer.body = form->body;
        answer.body_len = form->body_len;
    }
    config->answered(config->context, &answer);
}

static void tell_refused(struct net_http_connection *c)
{
    const struct net_http_config *config = &c->server->config;
    unsigned long code = net_stream_error(c->stream);
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    char client[NET_HTTP_CLIENT_MAX];
    if (!reason || !config->refused)
        return;
    net_http_client(client, c);
    config->refused(config->context, net_stream_tls(c->stream), reason, client);
}

static void on_connected(void *context)
{
    struct net_http_connection *c = context;
    c->handshaking = false;
    start_fresh_deadline(c);
    if (net_tls_chose_http2(net_stream_tls(c->stream)))
        net_http_2_start(c);
}

static void on_ended(void *context, bool failed)
{
    struct net_http_connection *c = context;
    if (c->handshaking)
        tell_refused(c);
    if (!failed && c->transport->waits(c))
        c->input_ended = true;
    else
        net_http_connection_free(c);
}

static const struct net_stream_events stream_events = {
    .connected = on_connected, .read = on_read, .written = on_written, .ended = on_ended};

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct net_http_connection *c = context;
    c->armed_ns = 0;
    if (c->due_ns == 0)
        return;
    if (c->due_ns > clock_monotonic_ns()) {
        net_http_connection_alarm(c, c->due_ns);
        return;
    }
    c->due_ns = 0;
    if (c->idle && c->transport == &net_http_1)
        net_stream_say_end(c->stream);
    c->transport->late(c);
}

bool net_http_reserve_http2(struct net_http_connection *c)
{
    if (!c->counted_http2 && c->server->num_http2 < c->server->config.max_http2) {
        c->counted_http2 = true;
        c->server->num_http2++;
    }
    return c->counted_http2;
}

static bool reserve_http2(struct net_tls_http2 *http2)
{
    return net_http_reserve_http2(
        (struct net_http_connection *)((char *)http2 - offsetof(struct net_http_connection, http2)));
}

static bool connection_new(struct net_http_server *server, int fd, const struct sockaddr *address,
                           size_t address_len)
{
    struct net_http_connection *c = calloc(1, sizeof *c);
    if (!c ||
        net_stream_new(&c->stream, server->base, fd, server->config.tls, &server->common, &stream_events, c)
            .code) {
        free(c);
        return false;
    }
    (void)evtimer_assign(&c->deadline, server->base, on_deadline, c);
    c->server = server;
    c->transport = &net_http_1;
    c->handshaking = server->config.tls != NULL;
    c->maybe_http2 = !server->config.tls;
    c->http2.reserve = reserve_http2;
    if (server->config.tls)
        net_tls_offer_http2(net_stream_tls(c->stream), &c->http2);
    if (address_len <= sizeof c->peer)
        memcpy(&c->peer, address, address_len);
    net_http_connection_enter(c);
    tidy_later(server);
    if (c->handshaking)
        net_http_connection_deadline(c, net_http_patience(server, HANDSHAKE_SECONDS));
    else
        start_fresh_deadline(c);
    return true;
}

/* A last word is for those that wait for nothing: it would come in the midst of a reply. */
static bool make_room(struct net_http_server *server)
{
    struct net_http_connection *c = net_http_first_to_go(server);
    if (!c)
        return false;
    if (c->idle)
        say_goodbye(c);
    net_http_connection_free(c);
    return true;
}

/* Out of descriptors: the queue stays readable, so without a pause the loop would spin. */
static void pause_accepting(struct net_http_server *server)
{
    struct timeval pause = {.tv_usec = ACCEPT_PAUSE_US};
    server->accept_paused = event_add(server->accept_again, &pause) == 0;
    (void)make_room(server);
}

/* False when there is no more to accept now. */
static bool accept_one(struct net_http_server *server)
{
    struct sockaddr_storage address = {0};
    socklen_t address_len = sizeof address;
    int fd =
        accept4(server->listener_fd, (struct sockaddr *)&address, &address_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
        return true;
    if (fd < 0 && errno != EAGAIN)
        pause_accepting(server);
    if (fd < 0)
        return false;
    bool room = server->num_connections < server->config.max_connections || make_room(server);
    if (!room || !connection_new(server, fd, (struct sockaddr *)&address, address_len))
        (void)close(fd);
    return true;
}

static void on_accept(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct net_http_server *server = context;
    bool more = true;
    for (int i = 0; i < ACCEPTS_A_TURN && more && server->listening; i++) {
        more = accept_one(server);
        net_http_update_listening(server);
    }
}

/* The timer is always set, be it for long: to set it sooner then takes no memory. */
static bool keep_again(struct net_http_server *server)
{
    struct timeval long_time = {.tv_sec = LISTEN_SECONDS};
    return event_add(server->accept_again, &long_time) == 0;
}

static void on_accept_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct net_http_server *server = context;
    server->accept_paused = false;
    (void)keep_again(server); /* in the place it had */
    net_http_update_listening(server);
}

/* ---- the server ---- */

static void set_default(uint32_t *value, uint32_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

result net_http_server_new(struct net_http_server **ret_server, struct event_base *base,
                           const struct net_http_config *config)
{
    struct net_http_server *server = calloc(1, sizeof *server);
    ENSURE(server, E_MEMORY, "out of memory");
    server->base = base;
    server->config = *config;
    net_stream_common_open(&server->common, base);
    set_default(&server->config.max_connections, 4096);
    set_default(&server->config.idle_timeout_seconds, 30);
    set_default(&server->config.request_timeout_seconds, 30);
    set_default(&server->config.max_body, 10 * 1024 * 1024);
    set_default(&server->config.max_bodies, 64 * 1024 * 1024);
    if (server->config.max_bodies < server->config.max_body)
        server->config.max_bodies = server->config.max_body;
    TAILQ_INIT(&server->all);
    TAILQ_INIT(&server->fresh);
    TAILQ_INIT(&server->idle);
    TAILQ_INIT(&server->writing);
    TAILQ_INIT(&server->arriving);
    TAILQ_INIT(&server->whole);
    server->accept_again = evtimer_new(base, on_accept_again, server);
    if (!server->accept_again) {
        free(server);
        FAIL(E_MEMORY, "out of memory");
    }
    (void)evtimer_assign(&server->tidy, base, on_tidy, server);
    if (config->tls)
        (void)SSL_CTX_up_ref(config->tls);
    *ret_server = server;
    return RESULT_OK;
}

result net_http_server_accept(struct net_http_server *server, int listener)
{
    ENSURE(!server->listener, E_STATE, "this server has its listening socket");
    ENSURE(keep_again(server), E_MEMORY, "cannot watch the listening socket");
    server->listener = event_new(server->base, listener, EV_READ | EV_PERSIST, on_accept, server);
    ENSURE(server->listener, E_MEMORY, "cannot watch the listening socket");
    server->listener_fd = listener;
    /* What it accepts inherits this. Without it the first reply of a TLS 1.3 client waits 40 ms, for the
     * acknowledgement of the ticket sent before it. */
    int one = 1;
    (void)setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    net_http_update_listening(server);
    return RESULT_OK;
}

void net_http_server_set_tls(struct net_http_server *server, SSL_CTX *tls)
{
    if (!server->config.tls || SSL_CTX_up_ref(tls) != 1)
        return;
    SSL_CTX_free(server->config.tls);
    server->config.tls = tls;
}

void net_http_server_free(struct net_http_server *server)
{
    if (!server)
        return;
    server->closing = true;
    if (server->listener) {
        event_free(server->listener);
        (void)close(server->listener_fd);
    }
    while (!TAILQ_EMPTY(&server->all)) {
        if (TAILQ_FIRST(&server->all)->two)
            say_goodbye(TAILQ_FIRST(&server->all));
        net_http_connection_free(TAILQ_FIRST(&server->all));
    }
    net_http_bodies_leave(server);
    event_free(server->accept_again);
    (void)evtimer_del(&server->tidy);
    net_stream_common_close(&server->common);
    SSL_CTX_free(server->config.tls);
    free(server);
}

size_t net_http_server_connections(const struct net_http_server *server)
{
    return server->num_connections;
}
