/* net_http.c - connections and the server: see net_http.h.
 *
 * A connection is a small state machine over a libevent bufferevent:
 *
 *     IDLE -> HEAD -> BODY -> PENDING -> WRITING -> IDLE ...        or -> CLOSING
 *
 * The TLS handshake happens below, while the connection is IDLE. A connection that has not sent a whole
 * request yet is fresh: whoever opens thousands and says nothing pushes out others of that kind, not the kept
 * connections of clients that work.
 *
 * Who owns what is the whole point. A connection owns its bufferevent and, until BODY is over, its
 * request. In PENDING the request belongs to the handler and the two only point at each other; whichever goes
 * first clears the other's pointer, so a reply to a client that left finds no connection, and a connection
 * that closes leaves the request alone. All callbacks of bufferevents are deferred to the loop, so no call
 * made here can come back into this file before it returns.
 *
 * While a request is PENDING or its reply is being written nothing is read: a client cannot
 * queue up work, and what it pipelines waits in the kernel. Closing is done in two steps (end of output,
 * then read and drop until the client closes or two seconds pass): closing at once with unread input
 * would reset the connection and could destroy the reply on its way. */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "net/net_http_internal.h"

enum { READ_STEP = 16384, ACCEPT_PAUSE_US = 100000 };
enum { HANDSHAKE_SECONDS = 10, CLOSING_SECONDS = 2, CROWDED_SECONDS = 3 };

/* A body up to this size is not counted among all bodies: seven clients that begin ten mebibytes each and
 * stop must not turn away the requests of a kibibyte that matter. The number of connections bounds these. */
enum { SMALL_BODY = 16384 };

enum state { IDLE, HEAD, BODY, PENDING, WRITING, CLOSING };

struct net_http_connection {
    TAILQ_ENTRY(net_http_connection) link;
    TAILQ_ENTRY(net_http_connection) idle_link; /* while IDLE: in server->fresh or server->idle */
    struct net_http_server *server;
    struct bufferevent *stream;
    struct event *deadline;
    enum state state;
    struct net_http_request *request; /* BODY: owned; PENDING: the handler's */
    size_t body_bytes;                /* of request, counted in server->body_bytes; 0 while it is small */
    bool keep_alive;
    bool input_ended;
    bool handshaking;
    bool fresh;               /* no request of it was ever complete */
    struct sockaddr_in6 peer; /* or a sockaddr_in */
};

TAILQ_HEAD(connections, net_http_connection);

struct net_http_server {
    struct net_http_config config;
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *accept_again; /* pending: out of descriptors a moment ago */
    struct connections all, fresh, idle;
    size_t num_connections;
    size_t body_bytes;
    bool closing;
};

/* ---- closing and time ---- */

static void start_deadline(struct net_http_connection *c, uint32_t seconds)
{
    struct timeval time = {.tv_sec = (time_t)seconds};
    (void)event_add(c->deadline, &time);
}

/* To shake hands or to receive a request. With three quarters of all places taken a client that dribbles is
 * given little: else as many of them as there are places keep everybody out for half a minute at a time. */
static uint32_t patience(const struct net_http_server *server, uint32_t seconds)
{
    bool crowded = server->num_connections > server->config.max_connections / 4 * 3;
    return crowded && seconds > CROWDED_SECONDS ? CROWDED_SECONDS : seconds;
}

/* Accepts while there is room, or an idle connection that could make room. */
static void update_listening(struct net_http_server *server)
{
    if (!server->listener || server->closing)
        return;
    bool room = server->num_connections < server->config.max_connections || !TAILQ_EMPTY(&server->fresh) ||
                !TAILQ_EMPTY(&server->idle);
    if (room && !event_pending(server->accept_again, EV_TIMEOUT, NULL))
        (void)evconnlistener_enable(server->listener);
    else
        (void)evconnlistener_disable(server->listener);
}

static struct connections *idle_list(struct net_http_connection *c)
{
    return c->fresh ? &c->server->fresh : &c->server->idle;
}

static void set_state(struct net_http_connection *c, enum state state)
{
    if (c->state == IDLE)
        TAILQ_REMOVE(idle_list(c), c, idle_link);
    c->state = state;
    if (state == IDLE)
        TAILQ_INSERT_TAIL(idle_list(c), c, idle_link);
}

/* The request leaves the connection: to be freed, or for ever with the handler. */
static struct net_http_request *release_request(struct net_http_connection *c)
{
    struct net_http_request *request = c->request;
    if (request)
        request->connection = NULL;
    c->request = NULL;
    c->server->body_bytes -= c->body_bytes;
    c->body_bytes = 0;
    return request;
}

static void send_tls_close(struct net_http_connection *c)
{
    SSL *tls = bufferevent_openssl_get_ssl(c->stream);
    if (tls && SSL_is_init_finished(tls))
        (void)SSL_shutdown(tls);
    /* What is left in OpenSSL's queue would be taken for an error of the next connection. */
    ERR_clear_error();
}

static void connection_free(struct net_http_connection *c)
{
    struct net_http_server *server = c->server;
    bool pending = c->state == PENDING;
    struct net_http_request *request = release_request(c);
    if (!pending)
        net_http_request_free(request);
    set_state(c, CLOSING);
    TAILQ_REMOVE(&server->all, c, link);
    server->num_connections--;
    event_free(c->deadline);
    bufferevent_free(c->stream);
    free(c);
    update_listening(server);
}

static void start_closing(struct net_http_connection *c)
{
    set_state(c, CLOSING);
    send_tls_close(c);
    (void)shutdown(bufferevent_getfd(c->stream), SHUT_WR);
    if (c->input_ended) {
        connection_free(c);
        return;
    }
    start_deadline(c, CLOSING_SECONDS);
    struct evbuffer *input = bufferevent_get_input(c->stream);
    (void)evbuffer_drain(input, evbuffer_get_length(input));
    (void)bufferevent_enable(c->stream, EV_READ);
}

/* ---- replies ---- */

static void send_reply(struct net_http_connection *c, struct net_http_reply_form *form)
{
    if (c->input_ended || c->server->closing)
        c->keep_alive = false;
    form->keep_alive_seconds = c->keep_alive ? c->server->config.idle_timeout_seconds : 0;
    set_state(c, WRITING);
    if (net_http_format_reply(bufferevent_get_output(c->stream), form).code) {
        connection_free(c);
        return;
    }
    start_deadline(c, c->server->config.request_timeout_seconds);
    (void)bufferevent_enable(c->stream, EV_WRITE);
}

void net_http_connection_reply(struct net_http_connection *c, struct net_http_reply_form *form)
{
    (void)release_request(c);
    send_reply(c, form);
}

/* Our own refusal of what the client sent; the rest of it is not looked at. */
static void refuse(struct net_http_connection *c, int status)
{
    char body[300];
    int body_len = snprintf(body, sizeof body, "{\"error\":\"%s\"}", error_text());
    net_http_request_free(release_request(c));
    c->keep_alive = false;
    (void)bufferevent_disable(c->stream, EV_READ);
    struct net_http_reply_form form = {
        .status = status, .content_type = "application/json", .body = body, .body_len = (size_t)body_len};
    send_reply(c, &form);
}

/* ---- requests ---- */

static bool step_idle(struct net_http_connection *c, struct evbuffer *input)
{
    /* An empty line before a request is an old client's way to end the body before (RFC 9112 2.2). */
    char start[2];
    while (evbuffer_copyout(input, start, sizeof start) == sizeof start && memcmp(start, "\r\n", 2) == 0)
        (void)evbuffer_drain(input, sizeof start);
    size_t ready = evbuffer_get_length(input);
    if (ready == 0 || (ready == 1 && evbuffer_copyout(input, start, 1) == 1 && start[0] == '\r'))
        return false;
    set_state(c, HEAD);
    start_deadline(c, patience(c->server, c->server->config.request_timeout_seconds));
    update_listening(c->server);
    return true;
}

static bool step_head(struct net_http_connection *c, struct evbuffer *input)
{
    size_t ready = evbuffer_get_length(input), head_len = 0;
    if (ready > NET_HTTP_HEAD_MAX + 1)
        ready = NET_HTTP_HEAD_MAX + 1;
    const char *bytes = (const char *)evbuffer_pullup(input, (ev_ssize_t)ready);
    if (!bytes) {
        connection_free(c);
        return false;
    }
    int status = 500;
    result r = net_http_head_length(&head_len, &status, bytes, ready);
    if (!r.code && head_len == 0)
        return false;
    AUTO(net_http_head) head = {0};
    if (!r.code)
        r = net_http_head_parse(&head, &status, bytes, head_len);
    if (!r.code) {
        r = net_http_request_new(&c->request, &head);
        status = 503;
    }
    if (r.code) {
        refuse(c, status);
        return false;
    }
    (void)evbuffer_drain(input, head_len);
    c->keep_alive = c->request->head.keep_alive;
    set_state(c, BODY);
    bool body_to_come = c->request->head.chunked || c->request->head.content_length > 0;
    bool too_long = c->request->head.content_length > c->server->config.max_body; /* the next step says so */
    if (c->request->head.expect_continue && body_to_come && !too_long && evbuffer_get_length(input) == 0)
        (void)bufferevent_write(c->stream, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    return true;
}

/* The handler may reply before it returns, and that may be the end of this connection. */
static void dispatch(struct net_http_connection *c)
{
    struct net_http_config *config = &c->server->config;
    set_state(c, PENDING);
    c->fresh = false;
    (void)event_del(c->deadline);
    (void)bufferevent_disable(c->stream, EV_READ);
    c->request->connection = c;
    config->handler(config->context, c->request);
}

static void step_body(struct net_http_connection *c, struct evbuffer *input)
{
    struct net_http_server *server = c->server;
    struct evbuffer *bytes = c->request->bytes;
    bool done = false;
    int status = 500;
    result r = net_http_body_take(&c->request->body, &done, &status, bytes, input, server->config.max_body);
    size_t length = evbuffer_get_length(bytes), counted = length > SMALL_BODY ? length : 0;
    server->body_bytes += counted - c->body_bytes;
    c->body_bytes = counted;
    if (!r.code && counted > 0 && server->body_bytes > server->config.max_bodies) {
        r = error_set(E_TOO_LARGE, "too many request bodies at once");
        status = 503;
    }
    if (!r.code && done && evbuffer_add(bytes, "", 1) != 0) {
        r = error_set(E_MEMORY, "out of memory");
        status = 503;
    }
    if (r.code)
        refuse(c, status);
    else if (done)
        dispatch(c);
}

static void run(struct net_http_connection *c)
{
    struct evbuffer *input = bufferevent_get_input(c->stream);
    if (c->state == CLOSING)
        (void)evbuffer_drain(input, evbuffer_get_length(input));
    if (c->state == IDLE && !step_idle(c, input))
        return;
    if (c->state == HEAD && !step_head(c, input))
        return;
    if (c->state == BODY)
        step_body(c, input);
}

/* ---- events ---- */

static void on_read(struct bufferevent *stream, void *context)
{
    (void)stream;
    run(context);
}

static void on_written(struct bufferevent *stream, void *context)
{
    struct net_http_connection *c = context;
    if (c->state != WRITING || evbuffer_get_length(bufferevent_get_output(stream)) > 0)
        return;
    if (!c->keep_alive || c->input_ended || c->server->closing) {
        start_closing(c);
        return;
    }
    set_state(c, IDLE);
    start_deadline(c, c->server->config.idle_timeout_seconds);
    update_listening(c->server);
    (void)bufferevent_enable(stream, EV_READ);
    run(c);
}

/* Until the first request is begun: what a client that only connects may cost. */
static void start_fresh_deadline(struct net_http_connection *c)
{
    const struct net_http_config *config = &c->server->config;
    start_deadline(c, config->idle_timeout_seconds < config->request_timeout_seconds
                          ? config->idle_timeout_seconds
                          : config->request_timeout_seconds);
}

static void tell_refused(struct net_http_connection *c)
{
    const struct net_http_config *config = &c->server->config;
    unsigned long code = bufferevent_get_openssl_error(c->stream);
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    char host[INET6_ADDRSTRLEN] = "", client[INET6_ADDRSTRLEN + 16] = "";
    if (!reason || !config->refused)
        return;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&c->peer;
    if (c->peer.sin6_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host))
        (void)snprintf(client, sizeof client, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
    if (c->peer.sin6_family == AF_INET6 && inet_ntop(AF_INET6, &c->peer.sin6_addr, host, sizeof host))
        (void)snprintf(client, sizeof client, "[%s]:%u", host, (unsigned)ntohs(c->peer.sin6_port));
    config->refused(config->context, bufferevent_openssl_get_ssl(c->stream), reason, client);
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
    (void)stream;
    struct net_http_connection *c = context;
    if (what & BEV_EVENT_CONNECTED) { /* the end of the handshake; libevent tells it before any input */
        c->handshaking = false;
        start_fresh_deadline(c);
        return;
    }
    if (c->handshaking && (what & BEV_EVENT_ERROR))
        tell_refused(c);
    /* A client may end its output behind the request and still wait for the reply. */
    if ((what & BEV_EVENT_EOF) && (c->state == PENDING || c->state == WRITING))
        c->input_ended = true;
    else
        connection_free(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct net_http_connection *c = context;
    if (c->state == IDLE)
        send_tls_close(c);
    connection_free(c);
}

static struct bufferevent *make_stream(struct net_http_server *server, evutil_socket_t fd)
{
    int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
    if (!server->config.tls)
        return bufferevent_socket_new(server->base, fd, options);
    SSL *tls = SSL_new(server->config.tls);
    if (!tls)
        return NULL;
    struct bufferevent *stream =
        bufferevent_openssl_socket_new(server->base, fd, tls, BUFFEREVENT_SSL_ACCEPTING, options);
    if (!stream)
        SSL_free(tls);
    else
        bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
    return stream;
}

static bool connection_new(struct net_http_server *server, evutil_socket_t fd, const struct sockaddr *address,
                           size_t address_len)
{
    struct net_http_connection *c = calloc(1, sizeof *c);
    struct event *deadline = c ? evtimer_new(server->base, on_deadline, c) : NULL;
    struct bufferevent *stream = deadline ? make_stream(server, fd) : NULL;
    if (!stream) {
        if (deadline)
            event_free(deadline);
        free(c);
        return false;
    }
    c->server = server;
    c->stream = stream;
    c->deadline = deadline;
    c->state = IDLE;
    c->fresh = true;
    c->handshaking = server->config.tls != NULL;
    /* Else the first reply of a TLS 1.3 client waits 40 ms, for the acknowledgement of the tickets sent
     * before it. */
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (address_len <= sizeof c->peer)
        memcpy(&c->peer, address, address_len);
    TAILQ_INSERT_TAIL(&server->all, c, link);
    TAILQ_INSERT_TAIL(&server->fresh, c, idle_link);
    server->num_connections++;
    bufferevent_setcb(stream, on_read, on_written, on_event, c);
    bufferevent_setwatermark(stream, EV_READ, 0, READ_STEP);
    if (c->handshaking)
        start_deadline(c, patience(server, HANDSHAKE_SECONDS));
    else
        start_fresh_deadline(c);
    (void)bufferevent_enable(stream, EV_READ | EV_WRITE);
    return true;
}

/* Whoever has shown that it asks for signatures goes last. */
static bool make_room(struct net_http_server *server)
{
    struct net_http_connection *c = TAILQ_FIRST(&server->fresh);
    if (!c)
        c = TAILQ_FIRST(&server->idle);
    if (!c)
        return false;
    send_tls_close(c);
    connection_free(c);
    return true;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *context)
{
    (void)listener;
    struct net_http_server *server = context;
    bool room = server->num_connections < server->config.max_connections || make_room(server);
    if (!room || !connection_new(server, fd, address, (size_t)length))
        (void)evutil_closesocket(fd);
    update_listening(server);
}

/* Out of descriptors: the queue stays readable, so without a pause the loop would spin. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    (void)listener;
    struct net_http_server *server = context;
    struct timeval pause = {.tv_usec = ACCEPT_PAUSE_US};
    (void)event_add(server->accept_again, &pause);
    (void)make_room(server);
    update_listening(server);
}

static void on_accept_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    update_listening(context);
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
    server->accept_again = evtimer_new(base, on_accept_again, server);
    if (!server->accept_again) {
        free(server);
        FAIL(E_MEMORY, "out of memory");
    }
    if (config->tls)
        (void)SSL_CTX_up_ref(config->tls);
    *ret_server = server;
    return RESULT_OK;
}

result net_http_server_accept(struct net_http_server *server, int listener)
{
    ENSURE(!server->listener, E_STATE, "this server has its listening socket");
    /* backlog 0: the socket listens already. */
    server->listener = evconnlistener_new(server->base, on_accept, server,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listener);
    ENSURE(server->listener, E_MEMORY, "cannot watch the listening socket");
    evconnlistener_set_error_cb(server->listener, on_accept_error);
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
    if (server->listener)
        evconnlistener_free(server->listener);
    while (!TAILQ_EMPTY(&server->all))
        connection_free(TAILQ_FIRST(&server->all));
    event_free(server->accept_again);
    SSL_CTX_free(server->config.tls);
    free(server);
}

size_t net_http_server_connections(const struct net_http_server *server)
{
    return server->num_connections;
}
