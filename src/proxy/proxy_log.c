/* proxy_log.c - the enclave's log comes in over a connection and goes out on standard error, a line at a
 * time.
 *
 * What arrives is not trusted: a line is cut into pieces of 2 KiB, and each is marked as the enclave's
 * (proxy_log_line.c), so nothing in it can look like a line of ours. A standard error that does not take a
 * line loses it. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "proxy.h"
#include "proxy_log_line.h"

enum { MAX_WRITERS = 16 };

struct writer {
    TAILQ_ENTRY(writer) link;
    struct proxy_log *log;
    struct bufferevent *stream;
};

struct proxy_log {
    struct event_base *base;
    struct evconnlistener *listener;
    TAILQ_HEAD(writers, writer) writers;
    size_t num_writers;
};

static void writer_free(struct writer *writer)
{
    struct proxy_log *log = writer->log;
    TAILQ_REMOVE(&log->writers, writer, link);
    bufferevent_free(writer->stream);
    free(writer);
    if (log->num_writers-- == MAX_WRITERS)
        (void)evconnlistener_enable(log->listener);
}

static void print_line(const char *text, size_t length)
{
    char line[PROXY_LOG_OUT_MAX];
    size_t line_len = proxy_log_line(line, log_format_in_force(), text, length);
    /* Lost when the reader does not keep up: relays must not wait for a log. Standard error is not made
     * non-blocking for that, since others share it; a pipe that polls writable has room for PIPE_BUF bytes.
     */
    _Static_assert(sizeof line <= PIPE_BUF, "one line may block");
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT))
        return;
    ssize_t written = write(STDERR_FILENO, line, line_len);
    (void)written;
}

/* One line or piece of at most PROXY_LOG_IN_MAX bytes; at_end takes what has no newline too. False if there
 * is none. */
static bool take_line(struct evbuffer *input, bool at_end)
{
    char text[PROXY_LOG_IN_MAX];
    size_t ready = evbuffer_get_length(input);
    struct evbuffer_ptr newline = evbuffer_search_eol(input, NULL, NULL, EVBUFFER_EOL_LF);
    bool whole = newline.pos >= 0 && newline.pos <= PROXY_LOG_IN_MAX;
    if (!whole && ready < PROXY_LOG_IN_MAX && !(at_end && ready > 0))
        return false;
    size_t length = whole ? (size_t)newline.pos : ready < PROXY_LOG_IN_MAX ? ready : PROXY_LOG_IN_MAX;
    (void)evbuffer_remove(input, text, length);
    if (whole)
        (void)evbuffer_drain(input, 1);
    print_line(text, length);
    return true;
}

static void on_read(struct bufferevent *stream, void *context)
{
    (void)context;
    struct evbuffer *input = bufferevent_get_input(stream);
    while (take_line(input, false))
        continue;
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
    (void)what;
    struct evbuffer *input = bufferevent_get_input(stream);
    while (take_line(input, true))
        continue;
    writer_free(context);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *context)
{
    (void)address;
    (void)length;
    struct proxy_log *log = context;
    struct writer *writer = calloc(1, sizeof *writer);
    struct bufferevent *stream =
        writer ? bufferevent_socket_new(log->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
               : NULL;
    if (!stream) {
        free(writer);
        (void)evutil_closesocket(fd);
        return;
    }
    writer->log = log;
    writer->stream = stream;
    TAILQ_INSERT_TAIL(&log->writers, writer, link);
    bufferevent_setcb(stream, on_read, NULL, on_event, writer);
    bufferevent_setwatermark(stream, EV_READ, 0, 4 * PROXY_LOG_IN_MAX);
    (void)bufferevent_enable(stream, EV_READ);
    if (++log->num_writers == MAX_WRITERS)
        (void)evconnlistener_disable(listener);
}

result proxy_log_new(struct proxy_log **ret_log, struct event_base *base, int listener)
{
    struct proxy_log *log = calloc(1, sizeof *log);
    ENSURE(log, E_MEMORY, "out of memory");
    log->base = base;
    TAILQ_INIT(&log->writers);
    log->listener =
        evconnlistener_new(base, on_accept, log, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listener);
    if (!log->listener) {
        free(log);
        FAIL(E_MEMORY, "cannot watch the log's socket");
    }
    *ret_log = log;
    return RESULT_OK;
}

void proxy_log_free(struct proxy_log *log)
{
    if (!log)
        return;
    evconnlistener_free(log->listener);
    log->listener = NULL;
    while (!TAILQ_EMPTY(&log->writers)) {
        struct writer *writer = TAILQ_FIRST(&log->writers);
        TAILQ_REMOVE(&log->writers, writer, link);
        bufferevent_free(writer->stream);
        free(writer);
    }
    free(log);
}
