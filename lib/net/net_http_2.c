/* net_http_2.c - HTTP/2 on one connection: frames are nghttp2's, limits and time are ours.
 *
 * What arrives goes into nghttp2, which calls back with heads and bodies; what it wants to send is taken from
 * it only while the output is empty, and no more than OUTPUT_MAX at a time. So a client that takes nothing
 * makes us hold no more than that, and reading stops when many frames wait. Nothing called from within
 * nghttp2 frees a connection or a session; whatever has to end, ends in flush or later.
 *
 * Against what has been done to other servers: streams that are opened and cancelled in a hurry (nghttp2
 * counts the cancellations; work in a handler counts until it is done), endless CONTINUATION and SETTINGS
 * (nghttp2), frames without a use (each takes from a purse that fills slowly), heads and trailers that grow
 * when unpacked (kept up to the limit of HTTP/1.1, borne up to eight times that), windows of one byte (a time
 * to take a reply), bodies that dribble (a time for each request), PRIORITY (not kept at all: RFC 9218's
 * setting is sent).
 *
 * Rejected: Upgrade: h2c, which needs both parsers on one connection; server push. */
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/net_http_2.h"

enum { OUTPUT_MAX = 65536, QUEUE_MAX = 256, WINDOW = 1048576, ACKS_MAX = 1000, ENDING_SECONDS = 2 };
enum { RESETS_MAX = 2 * NET_HTTP_2_STREAMS, RESETS_A_SECOND = 50, CONTINUATIONS_MAX = 4, SETTINGS_MAX = 32 };

/* Frames that carry nothing: so many at once, and so many a second; what a request may need is given back
 * with it, and DATA that are worth their frame are free. */
enum { FRAMES_MAX = 2000, FRAMES_A_SECOND = 100, FRAMES_A_REQUEST = 8, DATA_WORTH = 256, INVALID_FRAME = 20 };
enum { FRAME_HEAD = 9, UNREPORTED = 1024 }; /* bytes that are taken for one such frame */

DEFINE_AUTO_POINTER(nghttp2_session_callbacks, nghttp2_session_callbacks_del)
DEFINE_AUTO_POINTER(nghttp2_option, nghttp2_option_del)

/* ---- time ---- */

static const uint64_t second_ns = UINT64_C(1000000000);

uint64_t net_http_2_after(uint32_t seconds)
{
    return clock_monotonic_ns() + seconds * second_ns;
}

void net_http_2_alarm(struct net_http_2 *s, uint64_t at_ns)
{
    if (s->alarm_ns != 0 && s->alarm_ns <= at_ns)
        return;
    s->alarm_ns = at_ns;
    net_http_connection_alarm(s->c, at_ns);
}

/* ---- the purse ---- */

static bool pay(struct net_http_2 *s, uint32_t frames)
{
    uint64_t now = clock_monotonic_ns(), more = (now - s->counted_ns) * FRAMES_A_SECOND / second_ns;
    if (more > 0) {
        s->frames = more < FRAMES_MAX - s->frames ? s->frames + (uint32_t)more : FRAMES_MAX;
        s->counted_ns = now;
    }
    if (s->frames < frames)
        return false;
    s->frames -= frames;
    return true;
}

static void give_back(struct net_http_2 *s, uint32_t frames)
{
    s->frames = frames < FRAMES_MAX - s->frames ? s->frames + frames : FRAMES_MAX;
}

/* ---- what nghttp2 tells ---- */

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *frame, void *context)
{
    (void)session;
    struct net_http_2 *s = context;
    s->unreported -= (int64_t)(FRAME_HEAD + frame->length);
    bool useful = frame->type == NGHTTP2_HEADERS || frame->type == NGHTTP2_CONTINUATION ||
                  (frame->type == NGHTTP2_DATA && frame->length >= DATA_WORTH);
    return useful || pay(s, 1) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* nghttp2 does not report frames of types it does not know, or for streams that are gone. */
static bool pay_unreported(struct net_http_2 *s, size_t bytes)
{
    s->unreported += (int64_t)bytes;
    if (s->unreported < UNREPORTED)
        return true;
    uint32_t frames = (uint32_t)(s->unreported / UNREPORTED);
    s->unreported %= UNREPORTED;
    return pay(s, frames);
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int reason, void *context)
{
    (void)session;
    (void)frame;
    (void)reason;
    return pay(context, INVALID_FRAME) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Ends one stream from within a callback. */
static int reset(nghttp2_session *session, int32_t id, uint32_t reason)
{
    (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, reason);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static bool is_request(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct net_http_2 *s = context;
    s->dropped = 0;
    if (!is_request(frame))
        return 0;
    struct net_http_2_stream *stream = net_http_2_stream_new(s, frame->hd.stream_id);
    if (!stream)
        return pay(s, 1) ? reset(session, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM)
                         : NGHTTP2_ERR_CALLBACK_FAILURE;
    (void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
    return 0;
}

/* Not for nothing: nghttp2 looks at each byte of a field that came as one. */
static int drop_field(struct net_http_2 *s, const nghttp2_vec *name, const nghttp2_vec *value)
{
    s->dropped += name->len + value->len + NET_HTTP_2_AROUND_FIELD;
    return s->dropped <= NET_HTTP_2_LIST_MAX ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Trailers are read and dropped, as over HTTP/1.1. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *context)
{
    (void)flags;
    struct net_http_2_stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    nghttp2_vec name_bytes = nghttp2_rcbuf_get_buf(name), value_bytes = nghttp2_rcbuf_get_buf(value);
    if (!stream || stream->at != RECEIVING_HEAD)
        return drop_field(context, &name_bytes, &value_bytes);
    result r = net_http_2_fields_add(&stream->fields, &name_bytes, &value_bytes);
    if (r.code == E_TOO_LARGE)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return r.code ? reset(session, frame->hd.stream_id, NGHTTP2_PROTOCOL_ERROR) : 0;
}

/* nghttp2 would drop such a field and go on. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                             nghttp2_rcbuf *value, uint8_t flags, void *context)
{
    (void)name;
    (void)value;
    (void)flags;
    return pay(context, INVALID_FRAME) ? reset(session, frame->hd.stream_id, NGHTTP2_PROTOCOL_ERROR)
                                       : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t data_len,
                   void *context)
{
    (void)flags;
    (void)context;
    struct net_http_2_stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (stream)
        net_http_2_stream_take(stream, data, data_len);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct net_http_2_stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!stream || !carries)
        return 0;
    bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (last)
        give_back(context, FRAMES_A_REQUEST);
    if (is_request(frame))
        net_http_2_stream_begin(stream, !last);
    else if (last)
        net_http_2_stream_dispatch(stream);
    return 0;
}

/* A reply to a request that is not wanted whole: the client need not send the rest (RFC 9113 8.1). */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    (void)context;
    struct net_http_2_stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool carries = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (stream && carries && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && !stream->received)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t reason, void *context)
{
    (void)reason;
    (void)context;
    struct net_http_2_stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (!stream)
        return 0;
    stream->open = false;
    stream->exchange.is_cancelled = true;
    if (stream->at != WAITING)
        net_http_2_stream_free(stream);
    return 0;
}

/* ---- sending ---- */

static size_t output_length(const struct net_http_2 *s)
{
    return evbuffer_get_length(net_stream_output(s->c->stream));
}

/* Nobody half-closes a connection of HTTP/2: who ends the output is gone, and its place is wanted. */
static bool waits(struct net_http_connection *c)
{
    (void)c;
    return false;
}

static must_check result fill_output(struct net_http_2 *s)
{
    struct evbuffer *output = net_stream_output(s->c->stream);
    const uint8_t *bytes;
    ssize_t bytes_len;
    do {
        bytes_len = nghttp2_session_mem_send(s->session, &bytes);
        ENSURE(bytes_len >= 0 && evbuffer_add(output, bytes, (size_t)bytes_len) == 0, E_MEMORY,
               "out of memory");
    } while (bytes_len > 0 && evbuffer_get_length(output) < OUTPUT_MAX);
    return RESULT_OK;
}

/* *ret_done: there is nothing to send any more. */
static must_check result send_output(struct net_http_2 *s, bool *ret_done)
{
    *ret_done = false;
    if (output_length(s) > 0)
        return RESULT_OK;
    TRY(fill_output(s));
    *ret_done = output_length(s) == 0;
    if (*ret_done)
        return RESULT_OK;
    if (net_stream_send(s->c->stream)) {
        *ret_done = !nghttp2_session_want_write(s->session);
        struct timeval at_once = {0};
        if (!*ret_done)
            (void)event_add(s->flush, &at_once); /* others' turn first */
        return RESULT_OK;
    }
    s->output_ns = net_http_2_after(s->c->server->config.request_timeout_seconds);
    net_http_2_alarm(s, s->output_ns);
    return RESULT_OK;
}

static void update_reading(struct net_http_2 *s)
{
    s->reading = !s->ending &&
                 (output_length(s) == 0 || nghttp2_session_get_outbound_queue_size(s->session) <= QUEUE_MAX);
    net_stream_set_reading(s->c->stream, s->reading); /* and what came before it stopped is told again */
}

static void update_idle(struct net_http_2 *s)
{
    struct net_http_connection *c = s->c;
    bool idle = s->num_streams == 0 && !s->ending;
    if (idle == c->idle)
        return;
    if (idle && !c->fresh)
        s->idle_ns = net_http_2_after(c->server->config.idle_timeout_seconds);
    if (idle)
        net_http_2_alarm(s, s->idle_ns);
    net_http_connection_set_idle(c, idle);
}

/* May be the end of the connection. */
static void flush(struct net_http_connection *c)
{
    struct net_http_2 *s = c->two;
    bool done;
    if (send_output(s, &done).code) {
        net_http_connection_free(c);
        return;
    }
    bool over =
        s->ending || (!nghttp2_session_want_read(s->session) && !nghttp2_session_want_write(s->session));
    if (done && over) {
        net_http_connection_close(c);
    } else {
        update_reading(s);
        update_idle(s);
    }
}

/* Says why in GOAWAY; no more is read. */
static void end_session(struct net_http_2 *s, uint32_t reason)
{
    (void)nghttp2_session_terminate_session(s->session, reason);
    s->ending = true;
    s->alarm_ns = 0;
    net_http_2_alarm(s, net_http_2_after(ENDING_SECONDS));
    flush(s->c);
}

/* ---- the transport ---- */

static uint32_t reason_of(ssize_t code)
{
    return code == NGHTTP2_ERR_CALLBACK_FAILURE || code == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM
           : code == NGHTTP2_ERR_NOMEM                                         ? NGHTTP2_INTERNAL_ERROR
                                                                               : NGHTTP2_PROTOCOL_ERROR;
}

static void on_read(struct net_http_connection *c)
{
    struct net_http_2 *s = c->two;
    struct evbuffer *input = net_stream_input(c->stream);
    struct evbuffer_iovec piece;
    while (s->reading && evbuffer_peek(input, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
        ssize_t taken = nghttp2_session_mem_recv(s->session, piece.iov_base, piece.iov_len);
        bool paid = pay_unreported(s, piece.iov_len);
        if (taken < 0 || !paid) {
            end_session(s, taken < 0 ? reason_of(taken) : NGHTTP2_ENHANCE_YOUR_CALM);
            return;
        }
        (void)evbuffer_drain(input, piece.iov_len);
    }
    flush(c);
}

/* Input too may have been left: behind the preface, or when reading stopped. */
static void on_flush(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    on_read(context);
}

/* Whether a stream's time is over; a late request is cancelled, a late reply ends the connection. */
static bool end_late_streams(struct net_http_2 *s, uint64_t now)
{
    struct net_http_2_stream *stream;
    TAILQ_FOREACH(stream, &s->streams, link)
    {
        if (stream->deadline_ns == 0)
            continue;
        if (stream->deadline_ns > now) {
            net_http_2_alarm(s, stream->deadline_ns);
            continue;
        }
        if (stream->at != RECEIVING_BODY)
            return true;
        stream->deadline_ns = 0;
        (void)nghttp2_submit_rst_stream(s->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    }
    return false;
}

static void on_late(struct net_http_connection *c)
{
    struct net_http_2 *s = c->two;
    uint64_t now = clock_monotonic_ns();
    bool stalled = output_length(s) > 0 && s->output_ns <= now;
    s->alarm_ns = 0;
    if (s->ending || stalled) {
        net_http_connection_free(c);
    } else if (end_late_streams(s, now)) {
        end_session(s, NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (c->idle && s->idle_ns <= now) {
        end_session(s, NGHTTP2_NO_ERROR);
    } else {
        if (output_length(s) > 0)
            net_http_2_alarm(s, s->output_ns);
        if (c->idle)
            net_http_2_alarm(s, s->idle_ns);
        flush(c);
    }
}

static void part(struct net_http_connection *c)
{
    struct net_http_2 *s = c->two;
    struct net_http_2_stream *stream;
    nghttp2_session_del(s->session);
    while ((stream = TAILQ_FIRST(&s->streams)))
        net_http_2_stream_free(stream);
    event_free(s->flush);
    c->two = NULL;
    free(s);
}

/* For the connection goes now; only where nothing is under way that it would cut into. */
static void say_goodbye(struct net_http_connection *c)
{
    struct net_http_2 *s = c->two;
    const uint8_t *bytes;
    if (output_length(s) > 0 || nghttp2_session_terminate_session(s->session, NGHTTP2_NO_ERROR) != 0)
        return;
    ssize_t bytes_len = nghttp2_session_mem_send(s->session, &bytes);
    if (bytes_len > 0 && evbuffer_add(net_stream_output(c->stream), bytes, (size_t)bytes_len) == 0)
        (void)net_stream_send(c->stream);
}

const struct net_http_transport net_http_2 = {
    .read = on_read, .written = flush, .waits = waits, .late = on_late, .goodbye = say_goodbye, .part = part};

/* ---- its beginning ---- */

static void set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

static must_check result open_session(struct net_http_2 *s)
{
    AUTO_POINTER(nghttp2_session_callbacks) callbacks = NULL;
    AUTO_POINTER(nghttp2_option) option = NULL;
    ENSURE(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0, E_MEMORY,
           "out of memory");
    set_callbacks(callbacks);
    nghttp2_option_set_max_outbound_ack(option, ACKS_MAX);
    nghttp2_option_set_max_settings(option, SETTINGS_MAX);
    nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
    nghttp2_option_set_stream_reset_rate_limit(option, RESETS_MAX, RESETS_A_SECOND);
    nghttp2_option_set_no_closed_streams(option, 1);
    ENSURE(nghttp2_session_server_new2(&s->session, callbacks, s, option) == 0, E_MEMORY, "out of memory");
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, NET_HTTP_2_STREAMS},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, NET_HTTP_HEAD_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
    ENSURE(nghttp2_submit_settings(s->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LENGTH(settings)) == 0 &&
               nghttp2_session_set_local_window_size(s->session, NGHTTP2_FLAG_NONE, 0, WINDOW) == 0,
           E_MEMORY, "out of memory");
    return RESULT_OK;
}

void net_http_2_start(struct net_http_connection *c)
{
    struct net_http_server *server = c->server;
    struct net_http_2 *s = calloc(1, sizeof *s);
    struct event *event = s ? event_new(server->base, -1, 0, on_flush, c) : NULL;
    if (!event) {
        free(s);
        net_http_connection_free(c);
        return;
    }
    const struct net_http_config *config = &server->config;
    *s = (struct net_http_2){.c = c, .flush = event, .reading = true, .frames = FRAMES_MAX};
    TAILQ_INIT(&s->streams);
    s->counted_ns = clock_monotonic_ns();
    s->idle_ns = net_http_2_after(config->idle_timeout_seconds < config->request_timeout_seconds
                                      ? config->idle_timeout_seconds
                                      : config->request_timeout_seconds);
    c->two = s;
    c->transport = &net_http_2;
    if (open_session(s).code) {
        net_http_connection_free(c);
        return;
    }
    net_http_connection_alarm(c, 0);
    net_http_connection_set_idle(c, true);
    net_http_2_alarm(s, s->idle_ns);
    event_active(s->flush, 0, 0);
}
