/* watchdog_scrape.c - see watchdog_scrape.h.
 *
 * HTTP/1.0 and the end of the connection: an answer is all that came, and its head says how long it must be.
 * Whoever asks again after a while ends a request that hangs, so that there is one connection at most and no
 * timer here. Rejected: libcurl, whose handles would be turned by this loop, for one request of two lines. */
#include "watchdog_scrape.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "watchdog_loopback.h"

enum { ANSWER_MAX = 512 * 1024, PIECE = 16384 };

struct watchdog_scrape {
    struct event_base *base;
    struct sockaddr_storage where;
    socklen_t where_len;
    struct bufferevent *stream; /* NULL: nothing is asked */
    struct buffer answer;
    watchdog_on_scraped on_scraped;
    void *context;
};

result watchdog_scrape_open(struct watchdog_scrape **ret_scrape, struct event_base *base,
                            const struct net_address *address, watchdog_on_scraped on_scraped, void *context)
{
    struct sockaddr_storage where;
    socklen_t where_len;
    TRY(watchdog_loopback_socket(&where, &where_len, address));
    struct watchdog_scrape *s = calloc(1, sizeof *s);
    ENSURE(s, E_MEMORY, "no memory for a connection");
    s->base = base;
    s->where = where;
    s->where_len = where_len;
    s->on_scraped = on_scraped;
    s->context = context;
    *ret_scrape = s;
    return RESULT_OK;
}

void watchdog_scrape_drop(struct watchdog_scrape *s)
{
    if (s->stream)
        bufferevent_free(s->stream);
    s->stream = NULL;
    buffer_cleanup(&s->answer);
}

void watchdog_scrape_close(struct watchdog_scrape *s)
{
    if (!s)
        return;
    watchdog_scrape_drop(s);
    free(s);
}

/* r: of the request; with success the answer is read. */
static void finish(struct watchdog_scrape *s, result r)
{
    struct watchdog_figures figures;
    const char *body = NULL;
    size_t length = 0;
    if (!r.code)
        r = watchdog_figures_body(&body, &length, (const char *)s->answer.data, s->answer.length);
    if (!r.code)
        r = watchdog_figures_read(&figures, body, length);
    watchdog_scrape_drop(s);
    s->on_scraped(s->context, r.code ? NULL : &figures);
}

static must_check result take(struct watchdog_scrape *s)
{
    uint8_t piece[PIECE];
    struct evbuffer *input = bufferevent_get_input(s->stream);
    while (evbuffer_get_length(input) > 0) {
        int length = evbuffer_remove(input, piece, sizeof piece);
        ENSURE(length > 0, E_PEER, "nothing to read");
        ENSURE(s->answer.length + (size_t)length <= ANSWER_MAX, E_TOO_LARGE, "longer than %d bytes",
               ANSWER_MAX);
        TRY(buffer_append(&s->answer, piece, (size_t)length));
    }
    return RESULT_OK;
}

static void on_read(struct bufferevent *stream, void *context)
{
    (void)stream;
    struct watchdog_scrape *s = context;
    result r = take(s);
    if (r.code)
        finish(s, r);
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
    (void)stream;
    struct watchdog_scrape *s = context;
    if (what & BEV_EVENT_ERROR)
        finish(s, error_set(E_PEER, "the connection broke"));
    else if (what & BEV_EVENT_EOF)
        finish(s, take(s));
}

static must_check result begin(struct watchdog_scrape *s)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n";
    AUTO_FD fd = socket(s->where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ENSURE(fd >= 0, E_IO, "socket: %s", strerror(errno));
    s->stream = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    ENSURE(s->stream, E_MEMORY, "no memory for a connection");
    (void)fd_take(&fd);
    bufferevent_setcb(s->stream, on_read, NULL, on_event, s);
    ENSURE(bufferevent_write(s->stream, request, sizeof request - 1) == 0 &&
               bufferevent_enable(s->stream, EV_READ | EV_WRITE) == 0,
           E_MEMORY, "no memory for a request");
    ENSURE(bufferevent_socket_connect(s->stream, (struct sockaddr *)&s->where, (int)s->where_len) == 0, E_IO,
           "connect: %s", strerror(errno));
    return RESULT_OK;
}

void watchdog_scrape_ask(struct watchdog_scrape *s)
{
    if (s->stream) {
        finish(s, error_set(E_TIMEOUT, "no answer in time"));
        return;
    }
    result r = begin(s);
    if (r.code)
        finish(s, r);
}
