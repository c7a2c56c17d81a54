/* net_http_1.c - HTTP/1.1 on one connection, a small state machine:
 *
 *     IDLE -> HEAD -> BODY -> PENDING -> WRITING -> IDLE ...        or -> closing
 *
 * A request that the program refuses by its head goes from BODY to WRITING; a short body that is to come is
 * passed over before the next request, ahead of a long one the connection ends.
 *
 * The TLS handshake happens below, while the connection is IDLE.
 *
 * While a request is PENDING or its reply is being written nothing is read: a client cannot
 * queue up work, and what it pipelines waits in the kernel, or as far as it came with the request in the
 * stream, whose input is limited.
 *
 * Large replies that are not taken have a limit together: a new one that finds it reached ends the connection
 * that has waited longest. Whoever reads is not that one. Rejected: to refuse the new one; a hundred clients
 * that do not read would keep everybody from large replies. */
#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>

#include "net/net_http_internal.h"

static void set_state(struct net_http_connection *c, enum net_http_1_at state)
{
    c->one.at = state;
    net_http_connection_set_idle(c, state == IDLE);
}

/* The request leaves the connection: to be freed, or for ever with the handler. */
static struct net_http_request *release_request(struct net_http_connection *c)
{
    return net_http_exchange_release(&c->one.exchange);
}

/* ---- replies ---- */

static void hold_reply(struct net_http_connection *c, size_t bytes)
{
    struct net_http_server *server = c->server;
    if (c->one.reply_bytes > 0)
        TAILQ_REMOVE(&server->writing, c, late_link);
    server->reply_bytes += bytes - c->one.reply_bytes;
    c->one.reply_bytes = bytes;
    if (bytes > 0)
        TAILQ_INSERT_TAIL(&server->writing, c, late_link);
}

static void make_room(struct net_http_server *server, size_t bytes)
{
    struct net_http_connection *oldest;
    while (server->reply_bytes + bytes > NET_HTTP_REPLIES_MAX && (oldest = TAILQ_FIRST(&server->writing)))
        net_http_connection_free(oldest);
}

/* The reply is sent. */
static void begin_again(struct net_http_connection *c)
{
    if (!c->one.keep_alive || c->input_ended || c->server->closing) {
        net_http_connection_close(c);
        return;
    }
    hold_reply(c, 0);
    set_state(c, IDLE);
    net_http_connection_deadline(c, c->server->config.idle_timeout_seconds);
    net_stream_set_reading(c->stream, true);
}

static void on_written(struct net_http_connection *c)
{
    if (c->one.at == WRITING)
        begin_again(c);
}

static void send_reply(struct net_http_connection *c, const struct net_http_reply_form *form)
{
    if (c->input_ended || c->server->closing)
        c->one.keep_alive = false;
    set_state(c, WRITING);
    if (form->body_len > NET_HTTP_SMALL_BODY && !form->without_body) {
        make_room(c->server, form->body_len);
        hold_reply(c, form->body_len);
    }
    if (net_http_format_reply(net_stream_output(c->stream), form,
                              c->one.keep_alive ? c->server->config.idle_timeout_seconds : 0)
            .code) {
        net_http_connection_free(c);
        return;
    }
    if (net_stream_send(c->stream))
        begin_again(c);
    else
        net_http_connection_deadline(c, c->server->config.request_timeout_seconds);
}

static struct net_http_connection *connection_of(struct net_http_exchange *exchange)
{
    return (struct net_http_connection *)((char *)exchange -
                                          offsetof(struct net_http_connection, one.exchange));
}

/* Its request is refused before any of its body was looked at. A client that waits to be told to go on need
 * not send one. */
static void pass_over_body(struct net_http_connection *c)
{
    const struct net_http_head *head = &c->one.exchange.request->head;
    bool waits = head->expect_continue && head->content_length > 0;
    if (head->chunked || waits || head->content_length > NET_HTTP_SMALL_BODY)
        c->one.keep_alive = false;
    else
        c->one.skip = (size_t)head->content_length;
    net_stream_set_reading(c->stream, false);
}

static void reply(struct net_http_exchange *exchange, const struct net_http_reply_form *form)
{
    struct net_http_connection *c = connection_of(exchange);
    if (c->one.at == BODY)
        pass_over_body(c);
    net_http_tell_answered(c, release_request(c), form);
    send_reply(c, form);
}

/* Our own refusal of what the client sent; the rest of it is not looked at. */
static void refuse(struct net_http_connection *c, int status)
{
    char body[300];
    int body_len = snprintf(body, sizeof body, "{\"error\":\"%s\"}", error_text());
    struct net_http_reply_form form = {
        .status = status, .content_type = "application/json", .body = body, .body_len = (size_t)body_len};
    struct net_http_request *request = release_request(c);
    net_http_tell_answered(c, request, &form);
    net_http_request_free(request);
    c->one.keep_alive = false;
    net_stream_set_reading(c->stream, false);
    send_reply(c, &form);
}

static void crowd_out(struct net_http_exchange *exchange)
{
    refuse(connection_of(exchange), 503);
}

/* ---- requests ---- */

static void skip(struct net_http_connection *c, struct evbuffer *input)
{
    size_t ready = evbuffer_get_length(input), step = c->one.skip < ready ? c->one.skip : ready;
    (void)evbuffer_drain(input, step);
    c->one.skip -= step;
}

static bool step_idle(struct net_http_connection *c, struct evbuffer *input)
{
    skip(c, input);
    /* An empty line before a request is an old client's way to end the body before (RFC 9112 2.2). */
    char start[2];
    while (evbuffer_copyout(input, start, sizeof start) == sizeof start && memcmp(start, "\r\n", 2) == 0) {
        (void)evbuffer_drain(input, sizeof start);
        c->maybe_http2 = false; /* whose preface comes first of all */
    }
    size_t ready = evbuffer_get_length(input);
    if (ready == 0 || (ready == 1 && evbuffer_copyout(input, start, 1) == 1 && start[0] == '\r'))
        return false;
    set_state(c, HEAD);
    net_http_connection_deadline(c, net_http_patience(c->server, c->server->config.request_timeout_seconds));
    return true;
}

static must_check result new_request(struct net_http_connection *c, struct net_http_head *head)
{
    struct net_http_request *request;
    TRY(net_http_request_new(&request, head));
    c->one.exchange = (struct net_http_exchange){.request = request, .reply = reply, .crowd_out = crowd_out};
    request->exchange = &c->one.exchange;
    request->body.chunked = request->head.chunked;
    request->body.left = request->head.content_length;
    return RESULT_OK;
}

/* Whether the input begins with as much as is there of HTTP/2's preface; *ret_whole if that is all of it. */
static bool is_preface(bool *ret_whole, const char *bytes, size_t bytes_len)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    *ret_whole = bytes_len >= sizeof preface - 1;
    return memcmp(bytes, preface, *ret_whole ? sizeof preface - 1 : bytes_len) == 0;
}

/* A client that knows that we speak HTTP/2 begins with its preface. false while that may still be so, and
 * when it was. */
static bool is_http1(struct net_http_connection *c, const char *bytes, size_t bytes_len)
{
    bool whole;
    c->maybe_http2 = is_preface(&whole, bytes, bytes_len);
    if (!c->maybe_http2)
        return true;
    if (!whole)
        return false;
    if (!net_http_reserve_http2(c))
        return true;
    net_http_2_start(c);
    return false;
}

static void say_continue(struct net_http_connection *c)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (evbuffer_add(net_stream_output(c->stream), line, sizeof line - 1) == 0)
        (void)net_stream_send(c->stream);
}

/* Whether the program lets the body in; begun: some of it has come. */
static bool begin_body(struct net_http_connection *c, bool begun)
{
    struct net_http_request *request = c->one.exchange.request;
    const struct net_http_head *head = &request->head;
    c->one.keep_alive = head->keep_alive;
    set_state(c, BODY);
    if (head->content_length > c->server->config.max_body)
        return true; /* the next step says so */
    if (!net_http_connection_admits(c, request))
        return false;
    bool body_to_come = head->chunked || head->content_length > 0;
    if (head->expect_continue && body_to_come && !begun)
        say_continue(c);
    return true;
}

static bool step_head(struct net_http_connection *c, struct evbuffer *input)
{
    size_t ready = evbuffer_get_length(input), head_len = 0;
    if (ready > NET_HTTP_HEAD_MAX + 1)
        ready = NET_HTTP_HEAD_MAX + 1;
    const char *bytes = (const char *)evbuffer_pullup(input, (ev_ssize_t)ready);
    if (!bytes) {
        net_http_connection_free(c);
        return false;
    }
    if (c->maybe_http2 && !is_http1(c, bytes, ready))
        return false;
    int status = 500;
    result r = net_http_head_length(&head_len, &status, bytes, ready);
    if (!r.code && head_len == 0)
        return false;
    AUTO(net_http_head) head = {0};
    if (!r.code)
        r = net_http_head_parse(&head, &status, bytes, head_len);
    if (!r.code) {
        r = new_request(c, &head);
        status = 503;
    }
    if (r.code) {
        refuse(c, status);
        return false;
    }
    (void)evbuffer_drain(input, head_len);
    return begin_body(c, evbuffer_get_length(input) > 0);
}

/* The handler may reply before it returns, and that may be the end of this connection. */
static void dispatch(struct net_http_connection *c)
{
    struct net_http_config *config = &c->server->config;
    struct net_http_request *request = c->one.exchange.request;
    set_state(c, PENDING);
    net_http_connection_alarm(c, 0);
    net_stream_set_reading(c->stream, false);
    net_http_body_is_whole(request);
    config->handler(config->context, request);
}

static void step_body(struct net_http_connection *c, struct evbuffer *input)
{
    struct net_http_server *server = c->server;
    struct net_http_request *request = c->one.exchange.request;
    struct evbuffer *bytes = request->bytes;
    bool done = false;
    int status = 500;
    result r = net_http_body_take(&request->body, &done, &status, bytes, input, server->config.max_body);
    if (!r.code) {
        r = net_http_body_count(server, request);
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

static void on_read(struct net_http_connection *c)
{
    struct evbuffer *input = net_stream_input(c->stream);
    if (c->one.at == IDLE && !step_idle(c, input))
        return;
    if (c->one.at == HEAD && !step_head(c, input))
        return;
    if (c->one.at == BODY)
        step_body(c, input);
}

/* A client may end its output behind the request and still wait for the reply. */
static bool waits(struct net_http_connection *c)
{
    return c->one.at == PENDING || c->one.at == WRITING;
}

static void part(struct net_http_connection *c)
{
    bool pending = c->one.at == PENDING;
    struct net_http_request *request = release_request(c);
    hold_reply(c, 0);
    if (pending && request)
        net_http_tell_answered(c, request, NULL);
    if (!pending)
        net_http_request_free(request);
}

const struct net_http_transport net_http_1 = {
    .read = on_read, .written = on_written, .waits = waits, .late = net_http_connection_free, .part = part};
