/* net_http_2_stream.c - one stream of HTTP/2: a request, its handler's answer, and what both may cost.
 *
 *     RECEIVING_HEAD -> RECEIVING_BODY -> WAITING -> SENDING        or, refused, -> SENDING at once
 *
 * A stream that the client cancels while a handler works on it stays, and counts, until the handler has
 * answered: a client that opens and cancels as fast as it can gets no more work done for it than one that
 * waits (the attack called rapid reset).
 *
 * What streams hold is counted: a fixed cost, the head, a small body, the reply. Each connection may hold as
 * much as one of HTTP/1.1 without asking; more has a limit a connection and one that all of them share. With
 * a quarter of that taken there is none for connections of which no request was ever admitted: these cannot
 * take the rest. One reply of a connection that has nothing else passes it, up to a second limit. Bodies that
 * are not small are counted with those of HTTP/1.1. */
#include "net/net_http_2.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { STREAM_COST = 4096, FREE_HELD = NET_HTTP_SMALL_BODY };
enum { SESSION_HELD_MAX = 8 * 1024 * 1024, SERVER_HELD_MAX = 64 * 1024 * 1024, SESSION_LARGE_BODIES = 2 };
enum { FRESH_HELD_MAX = SERVER_HELD_MAX / 4 };

/* ---- what it costs ---- */

static size_t beyond_free(size_t held)
{
    return held > FREE_HELD ? held - FREE_HELD : 0;
}

static void hold(struct net_http_2_stream *stream, size_t bytes)
{
    struct net_http_2 *session = stream->session;
    struct net_http_server *server = session->c->server;
    server->held -= beyond_free(session->held);
    session->held = session->held - stream->held + bytes;
    stream->held = bytes;
    server->held += beyond_free(session->held);
}

static bool holds_too_much(const struct net_http_2 *session)
{
    size_t most = session->c->fresh ? FRESH_HELD_MAX : SERVER_HELD_MAX;
    return beyond_free(session->held) > 0 &&
           (session->held > SESSION_HELD_MAX || session->c->server->held > most);
}

static void hold_large(struct net_http_2_stream *stream, size_t bytes)
{
    stream->session->body_bytes += bytes - stream->large;
    stream->large = bytes;
}

/* Of the request as it is now. */
static must_check result hold_request(struct net_http_2_stream *stream, int *ret_status)
{
    const struct net_http_2 *session = stream->session;
    struct net_http_server *server = session->c->server;
    size_t length = evbuffer_get_length(stream->exchange.request->bytes);
    bool small = length <= NET_HTTP_SMALL_BODY;
    hold(stream, STREAM_COST + stream->fields.bytes + (small ? length : 0));
    hold_large(stream, small ? 0 : length);
    bool too_much = small ? length > 0 && holds_too_much(session)
                          : session->body_bytes / SESSION_LARGE_BODIES > server->config.max_body;
    ACCEPT_IF(!too_much, 503, "too many request bodies at once");
    *ret_status = 503;
    return net_http_body_count(server, stream->exchange.request);
}

/* ---- its life ---- */

struct net_http_2_stream *net_http_2_stream_new(struct net_http_2 *session, int32_t id)
{
    struct net_http_connection *c = session->c;
    if (session->num_streams == NET_HTTP_2_STREAMS)
        return NULL;
    struct net_http_2_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->session = session;
    stream->id = id;
    stream->open = true;
    TAILQ_INSERT_TAIL(&session->streams, stream, link);
    session->num_streams++;
    hold(stream, STREAM_COST);
    if (holds_too_much(session)) {
        net_http_2_stream_free(stream);
        return NULL;
    }
    net_http_connection_set_idle(c, false);
    stream->deadline_ns =
        net_http_2_after(net_http_patience(c->server, c->server->config.request_timeout_seconds));
    net_http_2_alarm(session, stream->deadline_ns);
    return stream;
}

/* The request leaves the stream: to be freed, or for ever with the handler. */
static struct net_http_request *release_request(struct net_http_2_stream *stream)
{
    hold_large(stream, 0);
    return net_http_exchange_release(&stream->exchange);
}

void net_http_2_stream_free(struct net_http_2_stream *stream)
{
    bool waiting = stream->at == WAITING;
    struct net_http_request *request = release_request(stream);
    if (waiting && request)
        net_http_tell_answered(stream->session->c, request, NULL);
    if (!waiting)
        net_http_request_free(request);
    hold(stream, 0);
    net_http_2_fields_cleanup(&stream->fields);
    buffer_cleanup(&stream->body);
    TAILQ_REMOVE(&stream->session->streams, stream, link);
    stream->session->num_streams--;
    free(stream);
}

/* ---- replies ---- */

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t out_len, uint32_t *flags,
                         nghttp2_data_source *source, void *context)
{
    (void)session;
    (void)id;
    (void)context;
    struct net_http_2_stream *stream = source->ptr;
    size_t left = stream->body.length - stream->sent, step = left < out_len ? left : out_len;
    if (step > 0)
        memcpy(out, stream->body.data + stream->sent, step);
    stream->sent += step;
    if (step == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)step;
}

/* nghttp2 copies names and values before it returns, and writes names in lower case. */
static nghttp2_nv pair(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .namelen = strlen(name),
                        .value = (uint8_t *)(uintptr_t)value,
                        .valuelen = strlen(value)};
}

static int submit(struct net_http_2_stream *stream, const struct net_http_reply_form *form)
{
    char status[16], length[24];
    const char *name, *value;
    nghttp2_nv pairs[3 + NET_HTTP_REPLY_HEADERS_MAX];
    size_t num_pairs = 0;
    (void)snprintf(status, sizeof status, "%d", form->status);
    (void)snprintf(length, sizeof length, "%zu", form->body_len);
    pairs[num_pairs++] = pair(":status", status);
    if (form->content_type)
        pairs[num_pairs++] = pair("content-type", form->content_type);
    if (form->status != 204)
        pairs[num_pairs++] = pair("content-length", length);
    for (size_t at = 0;
         num_pairs < ARRAY_LENGTH(pairs) && net_http_next_header(&name, &value, form->headers, &at);)
        pairs[num_pairs++] = pair(name, value);
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_body};
    return nghttp2_submit_response(stream->session->session, stream->id, pairs, num_pairs,
                                   stream->body.length > 0 ? &provider : NULL);
}

static must_check result prepare(struct net_http_2_stream *stream, const struct net_http_reply_form *form)
{
    struct net_http_2 *session = stream->session;
    size_t body_len = form->without_body ? 0 : form->body_len;
    hold(stream, STREAM_COST + body_len);
    /* As over HTTP/1.1, where one reply a connection may wait to be taken. */
    bool is_alone = session->num_streams == 1 && session->c->server->held <= NET_HTTP_REPLIES_MAX;
    ENSURE(!holds_too_much(session) || is_alone, E_TOO_LARGE, "too many replies wait");
    TRY(buffer_append(&stream->body, form->body, body_len));
    ENSURE(submit(stream, form) == 0, E_MEMORY, "out of memory");
    return RESULT_OK;
}

static void send_reply(struct net_http_2_stream *stream, const struct net_http_reply_form *form)
{
    struct net_http_2 *session = stream->session;
    stream->at = SENDING;
    stream->deadline_ns = net_http_2_after(session->c->server->config.request_timeout_seconds);
    net_http_2_alarm(session, stream->deadline_ns);
    if (prepare(stream, form).code)
        (void)nghttp2_submit_rst_stream(session->session, NGHTTP2_FLAG_NONE, stream->id,
                                        NGHTTP2_ENHANCE_YOUR_CALM);
    event_active(session->flush, 0, 0);
}

static struct net_http_2_stream *stream_of(struct net_http_exchange *exchange)
{
    return (struct net_http_2_stream *)((char *)exchange - offsetof(struct net_http_2_stream, exchange));
}

static void reply(struct net_http_exchange *exchange, const struct net_http_reply_form *form)
{
    struct net_http_2_stream *stream = stream_of(exchange);
    net_http_tell_answered(stream->session->c, release_request(stream), form);
    if (stream->open) {
        send_reply(stream, form);
        return;
    }
    event_active(stream->session->flush, 0, 0);
    net_http_2_stream_free(stream);
}

/* Our own refusal of what the client sent; the rest of it is not looked at. */
static void refuse(struct net_http_2_stream *stream, int status)
{
    char body[300];
    int body_len = snprintf(body, sizeof body, "{\"error\":\"%s\"}", error_text());
    struct net_http_request *request = release_request(stream);
    struct net_http_reply_form form = {
        .status = status, .content_type = "application/json", .body = body, .body_len = (size_t)body_len};
    net_http_tell_answered(stream->session->c, request, &form);
    net_http_request_free(request);
    send_reply(stream, &form);
}

static void crowd_out(struct net_http_exchange *exchange)
{
    refuse(stream_of(exchange), 503);
}

/* ---- requests ---- */

static must_check result begin(struct net_http_2_stream *stream, int *ret_status)
{
    const struct net_http_config *config = &stream->session->c->server->config;
    AUTO(net_http_head) head = {0};
    TRY(net_http_2_fields_end(&head, ret_status, &stream->fields));
    ACCEPT_IF(head.content_length <= config->max_body, 413, "request body: longer than %u bytes",
              config->max_body);
    *ret_status = 503;
    struct net_http_request *request;
    TRY(net_http_request_new(&request, &head));
    stream->exchange = (struct net_http_exchange){.request = request, .reply = reply, .crowd_out = crowd_out};
    request->exchange = &stream->exchange;
    TRY(hold_request(stream, ret_status));
    return RESULT_OK;
}

static void say_continue(const struct net_http_2_stream *stream)
{
    nghttp2_nv go_on = pair(":status", "100");
    (void)nghttp2_submit_headers(stream->session->session, NGHTTP2_FLAG_NONE, stream->id, NULL, &go_on, 1,
                                 NULL);
}

void net_http_2_stream_begin(struct net_http_2_stream *stream, bool more)
{
    int status = 500;
    stream->at = RECEIVING_BODY;
    stream->received = !more;
    result r = begin(stream, &status);
    size_t bytes = stream->fields.bytes;
    net_http_2_fields_cleanup(&stream->fields);
    stream->fields.bytes = bytes; /* the head that was made of them is as long */
    if (r.code) {
        refuse(stream, status);
        return;
    }
    if (!net_http_connection_admits(stream->session->c, stream->exchange.request))
        return;
    const struct net_http_head *head = &stream->exchange.request->head;
    if (!more)
        net_http_2_stream_dispatch(stream);
    else if (head->expect_continue && head->content_length > 0)
        say_continue(stream);
}

static must_check result take(struct net_http_2_stream *stream, int *ret_status, const uint8_t *data,
                              size_t data_len)
{
    struct evbuffer *bytes = stream->exchange.request->bytes;
    size_t max = stream->session->c->server->config.max_body;
    ACCEPT_IF(data_len <= max - evbuffer_get_length(bytes), 413, "request body: longer than %zu bytes", max);
    ACCEPT_IF(evbuffer_add(bytes, data, data_len) == 0, 503, "out of memory");
    return hold_request(stream, ret_status);
}

void net_http_2_stream_take(struct net_http_2_stream *stream, const uint8_t *data, size_t data_len)
{
    int status = 500;
    if (stream->at == RECEIVING_BODY && take(stream, &status, data, data_len).code)
        refuse(stream, status);
}

void net_http_2_stream_dispatch(struct net_http_2_stream *stream)
{
    const struct net_http_config *config = &stream->session->c->server->config;
    struct net_http_request *request = stream->exchange.request;
    stream->received = true;
    if (stream->at != RECEIVING_BODY)
        return;
    result r = evbuffer_add(request->bytes, "", 1) == 0 ? RESULT_OK : error_set(E_MEMORY, "out of memory");
    if (r.code) {
        refuse(stream, 503);
        return;
    }
    stream->at = WAITING;
    stream->deadline_ns = 0;
    net_http_body_is_whole(request);
    config->handler(config->context, request);
}
