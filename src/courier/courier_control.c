/* courier_control.c - see courier_control.h.
 *
 * A connection is read only while it has no request under way and no reply waiting, so a peer that does not
 * read costs one message and one reply. With all places taken the one that has been quiet longest makes room;
 * a host whose watchdog died with its connections half open can always come back. */
#include "courier_control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "courier_request.h"
#include "net/net_frame.h"

enum { READ_LEN = 65536 };

struct connection {
    int fd;      /* -1: free */
    uint64_t id; /* never used twice */
    struct net_frame_parser parser;
    struct buffer out;
    bool waiting;    /* a request is under way */
    bool read_ended; /* the peer sends no more; what it asked is still answered */
    uint64_t active_ns;
};

struct courier_control {
    int listener;
    courier_message_handler *handler;
    void *context;
    uint64_t next_id;
    struct connection connections[COURIER_CONNECTIONS_MAX];
};

static void close_connection(struct connection *c)
{
    if (c->fd < 0)
        return;
    (void)close(c->fd);
    net_frame_parser_cleanup(&c->parser);
    buffer_cleanup(&c->out);
    *c = (struct connection){.fd = -1};
}

result courier_control_new(struct courier_control **ret_control, int listener,
                           courier_message_handler *handler, void *context)
{
    struct courier_control *control = calloc(1, sizeof *control);
    ENSURE(control, E_MEMORY, "out of memory for the control port");
    *control =
        (struct courier_control){.listener = listener, .handler = handler, .context = context, .next_id = 1};
    for (size_t i = 0; i < COURIER_CONNECTIONS_MAX; i++)
        control->connections[i].fd = -1;
    *ret_control = control;
    return RESULT_OK;
}

void courier_control_free(struct courier_control *control)
{
    for (size_t i = 0; i < COURIER_CONNECTIONS_MAX; i++)
        close_connection(&control->connections[i]);
    free(control);
}

size_t courier_control_poll(const struct courier_control *control, struct pollfd *polls)
{
    polls[0] = (struct pollfd){.fd = control->listener, .events = POLLIN};
    for (size_t i = 0; i < COURIER_CONNECTIONS_MAX; i++) {
        const struct connection *c = &control->connections[i];
        short events = 0;
        if (c->out.length)
            events = POLLOUT;
        else if (!c->waiting && !c->read_ended)
            events = POLLIN;
        polls[i + 1] = (struct pollfd){.fd = c->fd, .events = events};
    }
    return COURIER_CONNECTIONS_MAX + 1;
}

/* A free place, made if need be by closing the quietest connection that waits for nothing. */
static struct connection *find_place(struct courier_control *control)
{
    struct connection *quietest = NULL;
    for (size_t i = 0; i < COURIER_CONNECTIONS_MAX; i++) {
        struct connection *c = &control->connections[i];
        if (c->fd < 0)
            return c;
        if (!c->waiting && (!quietest || c->active_ns < quietest->active_ns))
            quietest = c;
    }
    if (quietest)
        close_connection(quietest);
    return quietest;
}

static void accept_connection(struct courier_control *control)
{
    int fd = accept4(control->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return; /* the peer has gone again */
    struct connection *place = find_place(control);
    if (!place) { /* each of the others has a request under way */
        (void)close(fd);
        return;
    }
    *place = (struct connection){.fd = fd, .id = control->next_id++, .active_ns = clock_monotonic_ns()};
    place->parser.max_length = COURIER_MESSAGE_MAX;
}

static size_t held_by_all(const struct courier_control *control)
{
    size_t sum = 0;
    for (size_t i = 0; i < COURIER_CONNECTIONS_MAX; i++)
        sum += control->connections[i].parser.held.length;
    return sum;
}

/* The message may hold credentials; the parser's buffer is ours to wipe. One that has grown for thousands of
 * keys is let go: the watchdog's connection stays open for months. */
static void wipe_message(struct connection *c, size_t length)
{
    secret_wipe(c->parser.held.data + c->parser.taken - length, length);
    if (c->parser.held.capacity > 2 * READ_LEN && c->parser.taken == c->parser.held.length)
        net_frame_parser_cleanup(&c->parser);
}

/* Hands on messages until one is under way; false when the stream has turned out to be unusable. */
static must_check result take_messages(struct courier_control *control, struct connection *c,
                                       bool *ret_usable)
{
    *ret_usable = true;
    while (c->fd >= 0 && !c->waiting && !c->out.length) {
        bool have = false;
        const uint8_t *message = NULL;
        size_t length = 0;
        result r = net_frame_next(&c->parser, &have, &message, &length);
        if (r.code) {
            log_warn("control: %s; connection closed", error_text());
            *ret_usable = false;
            return RESULT_OK;
        }
        if (!have)
            return RESULT_OK;
        c->waiting = true;
        r = control->handler(control->context, c->id, (const char *)message, length);
        wipe_message(c, length);
        TRY(r);
    }
    return RESULT_OK;
}

static bool receive(struct courier_control *control, struct connection *c)
{
    uint8_t bytes[READ_LEN];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0) {
        c->read_ended = true;
        return c->waiting || c->out.length > 0;
    }
    bool kept = held_by_all(control) + (size_t)n <= COURIER_HELD_MAX &&
                !net_frame_feed(&c->parser, bytes, (size_t)n).code;
    if (!kept)
        log_warn("control: too much is held of messages that are not whole; connection closed");
    secret_wipe(bytes, (size_t)n);
    c->active_ns = clock_monotonic_ns();
    return kept;
}

static bool flush(struct connection *c)
{
    ssize_t n = send(c->fd, c->out.data, c->out.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    buffer_consume(&c->out, (size_t)n);
    c->active_ns = clock_monotonic_ns();
    return !(c->read_ended && !c->waiting && !c->out.length);
}

static must_check result serve_connection(struct courier_control *control, struct connection *c, short events)
{
    bool usable = !(events & (POLLERR | POLLNVAL)) && !(events & POLLHUP && !(events & POLLIN));
    if (usable && events & POLLOUT)
        usable = flush(c);
    if (usable && events & POLLIN)
        usable = receive(control, c);
    if (usable)
        TRY(take_messages(control, c, &usable));
    if (!usable)
        close_connection(c);
    return RESULT_OK;
}

result courier_control_serve(struct courier_control *control, const struct pollfd *polls)
{
    for (size_t i = 0; i < COURIER_CONNECTIONS_MAX; i++) {
        struct connection *c = &control->connections[i];
        if (c->fd >= 0 && polls[i + 1].fd == c->fd && polls[i + 1].revents)
            TRY(serve_connection(control, c, polls[i + 1].revents));
    }
    if (polls[0].revents & POLLIN)
        accept_connection(control);
    return RESULT_OK;
}

result courier_control_reply(struct courier_control *control, uint64_t connection, int status,
                             const struct buffer *body)
{
    AUTO(buffer) text = {0};
    TRY(buffer_printf(&text, "{\"status\":%d,\"body\":%s}", status, (const char *)body->data));
    uint8_t header[NET_FRAME_HEADER_LEN];
    net_frame_header(header, (uint32_t)text.length);
    for (size_t i = 0; i < COURIER_CONNECTIONS_MAX; i++) {
        struct connection *c = &control->connections[i];
        if (c->fd < 0 || c->id != connection)
            continue;
        c->waiting = false;
        TRY(buffer_append(&c->out, header, sizeof header));
        return buffer_append(&c->out, text.data, text.length);
    }
    return RESULT_OK;
}
