/* net_stream.c - see net_stream.h.
 *
 * Made for few system calls: a request costs one read and one write, and no change of what epoll watches.
 *
 * - Answers are written where they are made, not when epoll has said that the socket is writable.
 * - Reading that is switched off is not told to epoll before something comes; a client that waits for its
 *   answer sends nothing, so it mostly is on again by then. Who does send finds it off, and what it sends, or
 *   its end, stays in the kernel.
 * - OpenSSL reads ahead: head and body of a record, and of several that came together, in one call. What it
 *   then holds epoll does not know of, so whoever stops before it is drained has to come back by itself.
 *
 * Each time an event calls it a stream reads its socket once, and it comes back by a timer, which others'
 * sockets go before. Else who sends without end would be the only one who is served: libevent runs what a
 * callback makes active before it looks at sockets again, and OpenSSL reads on behind KeyUpdates, and behind
 * the hellos of TLS 1.2 that ask for a renegotiation, as long as there are any.
 *
 * Rejected: libevent's bufferevents, which switch writing on and off around each answer and never look at
 * what OpenSSL has read ahead. */
#include "net/net_stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Records that one stream writes in a turn, before others get theirs. */
enum { RECORD_MAX = 16384, RECORDS_A_TURN = 4 };

/* A handshake takes two or three steps, one of them a signature: without a bound thousands of new connections
 * would be one turn of half a second. */
enum { STEPS_A_TURN = 16 };

struct net_stream {
    SSL *tls;
    struct net_stream_common *common;
    const struct net_stream_events *events;
    void *context;
    struct evbuffer *input, *output;
    struct event readable, writable, later;
    unsigned long error;
    int descriptor;
    bool shaking;  /* the handshake is not done */
    bool reading;  /* what comes is wanted */
    bool watching; /* readable is with epoll */
    bool blocked;  /* writable is with epoll */
    bool ended;    /* nothing more comes */
    bool failed;   /* nothing more goes out */
    bool told;     /* the owner knows that it has ended */
    bool fed;      /* has read its socket since the loop called */
    bool busy;     /* a callback runs */
    bool freed;    /* in it */
};

/* ---- callbacks ---- */

/* False if that was the end of it. */
static bool call(struct net_stream *stream, void (*function)(void *context))
{
    stream->busy = true;
    function(stream->context);
    stream->busy = false;
    if (!stream->freed)
        return true;
    free(stream);
    return false;
}

static void watch(struct net_stream *stream, bool watching)
{
    if (stream->watching == watching)
        return;
    stream->watching = watching;
    (void)(watching ? event_add(&stream->readable, NULL) : event_del(&stream->readable));
}

static void block(struct net_stream *stream, bool blocked)
{
    if (stream->blocked == blocked)
        return;
    stream->blocked = blocked;
    (void)(blocked ? event_add(&stream->writable, NULL) : event_del(&stream->writable));
}

/* Runs on_later in the next turn. */
static void come_back(struct net_stream *stream)
{
    struct timeval at_once = {0};
    (void)event_add(&stream->later, &at_once);
}

static void tell_end(struct net_stream *stream)
{
    watch(stream, false);
    if (stream->failed)
        block(stream, false);
    if (stream->told && !stream->failed)
        return;
    stream->told = true;
    stream->busy = true;
    stream->events->ended(stream->context, stream->failed);
    stream->busy = false;
    if (stream->freed)
        free(stream);
}

/* Notes what OpenSSL says of a call that did not do what it should. */
static void note_failure(struct net_stream *stream, int returned)
{
    switch (SSL_get_error(stream->tls, returned)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_ZERO_RETURN:
        stream->ended = true;
        break;
    default:
        stream->error = ERR_peek_last_error();
        stream->failed = stream->ended = true;
    }
    ERR_clear_error();
}

/* ---- reading ---- */

/* How many bytes came. */
static size_t read_plain(struct net_stream *stream, uint8_t *out, size_t out_len)
{
    ssize_t n = recv(stream->descriptor, out, out_len, 0);
    if (n > 0)
        return (size_t)n;
    stream->ended = n == 0 || (errno != EAGAIN && errno != EINTR);
    stream->failed = n != 0 && stream->ended;
    return 0;
}

static size_t read_tls(struct net_stream *stream, uint8_t *out, size_t out_len)
{
    size_t n = 0, step;
    while (n < out_len) {
        ERR_clear_error();
        int returned = SSL_read_ex(stream->tls, out + n, out_len - n, &step);
        if (returned != 1) {
            note_failure(stream, returned);
            return n;
        }
        n += step;
        if (!SSL_has_pending(stream->tls))
            return n;
    }
    return n;
}

/* To OpenSSL it looks as if the socket had no more; if it has, epoll says so in the next turn. */
static long on_socket(BIO *socket, int operation, const char *bytes, size_t bytes_len, int more, long larger,
                      int returned, size_t *processed)
{
    (void)bytes;
    (void)bytes_len;
    (void)more;
    (void)larger;
    (void)processed;
    struct net_stream *stream = (struct net_stream *)BIO_get_callback_arg(socket);
    if (operation != BIO_CB_READ)
        return returned;
    if (stream->fed) {
        BIO_set_retry_read(socket);
        return -1;
    }
    stream->fed = true;
    return returned;
}

/* OpenSSL may hold more of what was read ahead, which nobody else would tell us. */
static bool has_more(const struct net_stream *stream)
{
    return stream->tls && !stream->ended && SSL_has_pending(stream->tls);
}

static void read_some(struct net_stream *stream)
{
    uint8_t *bytes = stream->common->arriving;
    size_t room = NET_STREAM_INPUT_MAX - evbuffer_get_length(stream->input), n = 0;
    if (room > 0 && !stream->ended)
        n = stream->tls ? read_tls(stream, bytes, room) : read_plain(stream, bytes, room);
    bool full = n == room;
    if (n > 0 && evbuffer_add(stream->input, bytes, n) != 0)
        stream->failed = stream->ended = true;
    explicit_bzero(bytes, n);
    bool any = evbuffer_get_length(stream->input) > 0;
    if (any && !stream->failed && !call(stream, stream->events->read))
        return;
    if (stream->ended)
        tell_end(stream);
    else if (full && stream->reading && has_more(stream))
        come_back(stream);
}

/* ---- the handshake ---- */

static void on_turn(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct net_stream_common *common = context;
    common->steps = 0;
}

void net_stream_common_open(struct net_stream_common *common, struct event_base *base)
{
    common->steps = 0;
    (void)event_assign(&common->turn, base, -1, 0, on_turn, common);
}

void net_stream_common_close(struct net_stream_common *common)
{
    (void)event_del(&common->turn);
}

/* The event is run behind all that the loop has found; who is refused until then is found again after it. */
static bool may_step(struct net_stream_common *common)
{
    if (common->steps == STEPS_A_TURN)
        return false;
    if (common->steps++ == 0)
        event_active(&common->turn, 0, 0);
    return true;
}

/* False if that was the end of it. */
static bool shake(struct net_stream *stream)
{
    ERR_clear_error();
    int returned = SSL_do_handshake(stream->tls);
    if (returned == 1) {
        stream->shaking = false;
        block(stream, false);
        return call(stream, stream->events->connected);
    }
    bool wants_write = SSL_get_error(stream->tls, returned) == SSL_ERROR_WANT_WRITE;
    block(stream, wants_write);
    if (!wants_write)
        note_failure(stream, returned);
    if (!stream->ended)
        return true;
    stream->failed = true;
    tell_end(stream);
    return false;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct net_stream *stream = context;
    if (!stream->reading) {
        watch(stream, false);
        return;
    }
    stream->fed = false;
    if (stream->shaking && !may_step(stream->common))
        return;
    if (stream->shaking && (!shake(stream) || stream->shaking || !has_more(stream)))
        return;
    if (stream->reading)
        read_some(stream);
}

static void on_later(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct net_stream *stream = context;
    stream->fed = false;
    if (stream->failed)
        tell_end(stream);
    else if (stream->reading && !stream->shaking)
        read_some(stream);
}

void net_stream_set_reading(struct net_stream *stream, bool reading)
{
    bool again = reading && !stream->reading;
    stream->reading = reading;
    if (!again || stream->told)
        return;
    watch(stream, true);
    if (evbuffer_get_length(stream->input) > 0 || has_more(stream))
        come_back(stream);
}

/* ---- writing ---- */

/* Whether some was written; with neither that nor a failure the socket takes no more now. */
static bool write_tls(struct net_stream *stream, size_t length)
{
    size_t step = length < RECORD_MAX ? length : RECORD_MAX, n = 0;
    const unsigned char *bytes = evbuffer_pullup(stream->output, (ev_ssize_t)step);
    ERR_clear_error();
    int returned = bytes ? SSL_write_ex(stream->tls, bytes, step, &n) : 0;
    if (returned == 1) {
        (void)evbuffer_drain(stream->output, n);
        return true;
    }
    stream->failed = !bytes || SSL_get_error(stream->tls, returned) != SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    return false;
}

static bool write_plain(struct net_stream *stream)
{
    int n = evbuffer_write_atmost(stream->output, stream->descriptor, RECORD_MAX * RECORDS_A_TURN);
    stream->failed = n < 0 && errno != EAGAIN && errno != EINTR;
    return n > 0;
}

static void write_some(struct net_stream *stream)
{
    size_t left = evbuffer_get_length(stream->output);
    for (int i = 0; i < RECORDS_A_TURN && left > 0 && !stream->failed; i++) {
        if (!(stream->tls ? write_tls(stream, left) : write_plain(stream)))
            break;
        left = evbuffer_get_length(stream->output);
    }
    block(stream, left > 0 && !stream->failed);
}

bool net_stream_send(struct net_stream *stream)
{
    if (stream->failed)
        return false; /* its owner is told, or will be */
    write_some(stream);
    if (stream->failed)
        come_back(stream);
    return !stream->failed && !stream->blocked;
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct net_stream *stream = context;
    if (stream->shaking) {
        if (shake(stream) && !stream->shaking && has_more(stream))
            come_back(stream);
        return;
    }
    write_some(stream);
    if (stream->failed)
        tell_end(stream);
    else if (!stream->blocked)
        (void)call(stream, stream->events->written);
}

void net_stream_say_end(struct net_stream *stream)
{
    if (stream->tls && !stream->shaking && !stream->failed)
        (void)SSL_shutdown(stream->tls);
    /* What is left in OpenSSL's queue would be taken for an error of the next connection. */
    ERR_clear_error();
}

void net_stream_end_output(struct net_stream *stream)
{
    net_stream_say_end(stream);
    (void)shutdown(stream->descriptor, SHUT_WR);
}

/* ---- life ---- */

static void release(struct net_stream *stream)
{
    if (stream->input)
        evbuffer_free(stream->input);
    if (stream->output)
        evbuffer_free(stream->output);
    SSL_free(stream->tls);
}

static must_check result open_stream(struct net_stream *stream, SSL_CTX *tls)
{
    stream->input = evbuffer_new();
    stream->output = evbuffer_new();
    ENSURE(stream->input && stream->output, E_MEMORY, "out of memory");
    if (tls) {
        stream->tls = SSL_new(tls);
        ENSURE(stream->tls && SSL_set_fd(stream->tls, stream->descriptor) == 1, E_MEMORY, "out of memory");
        BIO_set_callback_ex(SSL_get_rbio(stream->tls), on_socket);
        BIO_set_callback_arg(SSL_get_rbio(stream->tls), (char *)stream);
        SSL_set_accept_state(stream->tls);
        SSL_set_read_ahead(stream->tls, 1);
        (void)SSL_set_mode(stream->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        stream->shaking = true;
    }
    ENSURE(event_add(&stream->readable, NULL) == 0, E_MEMORY, "cannot watch a connection");
    stream->reading = stream->watching = true;
    return RESULT_OK;
}

result net_stream_new(struct net_stream **ret_stream, struct event_base *base, int descriptor, SSL_CTX *tls,
                      struct net_stream_common *common, const struct net_stream_events *events, void *context)
{
    struct net_stream *stream = calloc(1, sizeof *stream);
    ENSURE(stream, E_MEMORY, "out of memory");
    stream->descriptor = descriptor;
    stream->common = common;
    stream->events = events;
    stream->context = context;
    (void)event_assign(&stream->readable, base, descriptor, EV_READ | EV_PERSIST, on_readable, stream);
    (void)event_assign(&stream->writable, base, descriptor, EV_WRITE | EV_PERSIST, on_writable, stream);
    (void)event_assign(&stream->later, base, -1, 0, on_later, stream);
    result r = open_stream(stream, tls);
    if (r.code) {
        release(stream);
        free(stream);
        return r;
    }
    *ret_stream = stream;
    return RESULT_OK;
}

void net_stream_free(struct net_stream *stream)
{
    watch(stream, false);
    block(stream, false);
    (void)event_del(&stream->later);
    release(stream);
    (void)close(stream->descriptor);
    if (stream->busy)
        stream->freed = true;
    else
        free(stream);
}

struct evbuffer *net_stream_input(const struct net_stream *stream)
{
    return stream->input;
}

struct evbuffer *net_stream_output(const struct net_stream *stream)
{
    return stream->output;
}

SSL *net_stream_tls(const struct net_stream *stream)
{
    return stream->tls;
}

unsigned long net_stream_error(const struct net_stream *stream)
{
    return stream->error;
}
