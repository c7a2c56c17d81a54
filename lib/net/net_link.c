/* net_link.c - see net_link.h.
 *
 * A request of a kilobyte costs three system calls: the loop's, recv and send. Once a recv filled the buffer
 * its direction turns to splice(2), socket to pipe to socket, where loopback and network cards' pages change
 * hands without being copied, and back when little comes. A pipe is empty before anything is put in, so
 * that "would block" has one meaning. Rejected: bufferevents, which copy twice and ask how much there is
 * before each read (ioctl); io_uring, which saves calls but is a large piece of kernel to open to a process
 * that meets strangers, and is switched off on many hosts and in the containers of most (its own filter would
 * have to let it pass, and seccomp sees nothing of what is asked through a ring); edge-triggered events,
 * which save little, as the loop is told only of changes between flowing and blocked. */
#include "net/net_link.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 4 }; /* in one turn of the loop; then others have theirs */

static bool would_block(int error)
{
    return error == EAGAIN || error == EINTR;
}

/* Of a kind of socket that has none, by the filter of a container, by an old kernel: nothing was moved. */
static bool has_no_splice(int error)
{
    return error == EINVAL || error == EOPNOTSUPP || error == ENOSYS || error == EPERM || error == ESPIPE;
}

static void release(struct net_link *link, struct net_link_way *way)
{
    if (way->pipe) {
        if (way->waits > 0)
            net_pipe_drain(way->pipe);
        net_pipes_give(link->shared->pipes, way->pipe);
        way->pipe = NULL;
    }
    free(way->rest);
    way->rest = NULL;
    way->waits = 0;
}

/* ---- errors ---- */

/* It takes no more; what it sent is still there to be read. */
static void cannot_write(struct net_link *link, size_t to)
{
    link->sides[to].shut = true;
    link->sides[1 - to].ended = true;
    release(link, &link->ways[1 - to]);
}

/* It neither sends nor takes any more. */
static void cannot_read(struct net_link *link, size_t from)
{
    link->sides[from].ended = true;
    cannot_write(link, from);
}

/* ---- moving bytes ---- */

/* Keeps what the other side did not take. Without memory the link cannot go on. */
static void keep(struct net_link *link, size_t from, const unsigned char *bytes, size_t length)
{
    struct net_link_way *way = &link->ways[from];
    way->rest = malloc(length);
    if (!way->rest) {
        cannot_read(link, from);
        cannot_read(link, 1 - from);
        return;
    }
    memcpy(way->rest, bytes, length);
    way->rest_at = 0;
    way->waits = length;
}

static void send_rest(struct net_link *link, size_t from)
{
    struct net_link_way *way = &link->ways[from];
    ssize_t sent = send(link->sides[1 - from].fd, way->rest + way->rest_at, way->waits, 0);
    if (sent < 0) {
        if (!would_block(errno))
            cannot_write(link, 1 - from);
        return;
    }
    way->rest_at += (size_t)sent;
    way->waits -= (size_t)sent;
    link->shared->copied += (uint64_t)sent;
    if (way->waits == 0)
        release(link, way);
}

/* The pipe's bytes go on by copying: the socket that is to have them knows no splice. */
static void unload(struct net_link *link, size_t from)
{
    struct net_link_way *way = &link->ways[from];
    size_t length = way->waits;
    unsigned char *bytes = malloc(length);
    bool is_whole = bytes && read(way->pipe->out, bytes, length) == (ssize_t)length;
    way->waits = 0;
    way->must_copy = true;
    release(link, way);
    if (is_whole) {
        way->rest = bytes;
        way->rest_at = 0;
        way->waits = length;
        return;
    }
    free(bytes);
    cannot_read(link, from);
    cannot_read(link, 1 - from);
}

static void send_pipe(struct net_link *link, size_t from)
{
    struct net_link_way *way = &link->ways[from];
    ssize_t sent = splice(way->pipe->out, NULL, link->sides[1 - from].fd, NULL, way->waits,
                          SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (sent > 0) {
        way->waits -= (size_t)sent;
        link->shared->spliced += (uint64_t)sent;
        if (way->waits == 0)
            release(link, way);
        return;
    }
    if (sent < 0 && would_block(errno))
        return;
    if (sent < 0 && has_no_splice(errno))
        unload(link, from);
    else
        cannot_write(link, 1 - from);
}

static void send_waiting(struct net_link *link, size_t from)
{
    if (link->ways[from].pipe)
        send_pipe(link, from);
    if (link->ways[from].rest)
        send_rest(link, from);
}

/* Both return whether there may be more to take at once. */
static bool copy(struct net_link *link, size_t from)
{
    struct net_link_shared *shared = link->shared;
    struct net_link_side *source = &link->sides[from];
    ssize_t got = recv(source->fd, shared->buffer, sizeof shared->buffer, 0);
    if (got == 0)
        source->ended = true;
    else if (got < 0 && !would_block(errno))
        cannot_read(link, from);
    if (got <= 0)
        return false;
    link->ways[from].is_bulk = (size_t)got == sizeof shared->buffer;
    ssize_t sent = send(link->sides[1 - from].fd, shared->buffer, (size_t)got, 0);
    if (sent < 0 && !would_block(errno)) {
        cannot_write(link, 1 - from);
        return false;
    }
    size_t done = sent > 0 ? (size_t)sent : 0;
    shared->copied += done;
    if (done < (size_t)got)
        keep(link, from, shared->buffer + done, (size_t)got - done);
    return link->ways[from].is_bulk;
}

static bool move(struct net_link *link, size_t from, struct net_pipe *pipe)
{
    struct net_link_way *way = &link->ways[from];
    ssize_t got =
        splice(link->sides[from].fd, NULL, pipe->in, NULL, NET_PIPE_SIZE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    int error = errno;
    if (got > 0) {
        way->pipe = pipe;
        way->waits = (size_t)got;
        way->is_bulk = got >= NET_LINK_BUFFER;
        send_waiting(link, from);
        return way->is_bulk;
    }
    net_pipes_give(link->shared->pipes, pipe);
    if (got == 0) {
        link->sides[from].ended = true;
    } else if (has_no_splice(error)) {
        way->must_copy = true;
        return true;
    } else if (!would_block(error)) {
        cannot_read(link, from);
    }
    return false;
}

static bool take_some(struct net_link *link, size_t from)
{
    const struct net_link_way *way = &link->ways[from];
    struct net_pipe *pipe = way->is_bulk && !way->must_copy ? net_pipes_take(link->shared->pipes) : NULL;
    return pipe ? move(link, from, pipe) : copy(link, from);
}

/* ---- waiting ---- */

/* Both return false without memory. */
static bool wait_to_read(struct net_link *link, size_t i, bool wanted)
{
    struct net_link_side *side = &link->sides[i];
    bool with_patience = link->sides[1 - i].ended;
    struct timeval patience = {.tv_sec = (time_t)link->shared->patience_seconds};
    bool ok = true;
    if (wanted && !(side->reads && side->reads_with_patience == with_patience))
        ok = event_add(&side->readable, with_patience ? &patience : NULL) == 0;
    else if (!wanted && side->reads)
        (void)event_del(&side->readable);
    side->reads = wanted;
    side->reads_with_patience = with_patience;
    return ok;
}

static bool wait_to_write(struct net_link *link, size_t i, bool wanted)
{
    struct net_link_side *side = &link->sides[i];
    struct timeval patience = {.tv_sec = (time_t)link->shared->patience_seconds};
    bool ok = true;
    if (wanted && !side->writes)
        ok = event_add(&side->writable, &patience) == 0;
    else if (!wanted && side->writes)
        (void)event_del(&side->writable);
    side->writes = wanted;
    return ok;
}

/* Passes ends on (what came before one has gone: a side is read only when nothing of it waits), and has the
 * loop wait for what can happen next. The link may be stopped afterwards. */
static void settle(struct net_link *link)
{
    for (size_t from = 0; from < 2; from++) {
        struct net_link_side *sink = &link->sides[1 - from];
        if (link->sides[from].ended && !sink->shut) {
            sink->shut = true;
            (void)shutdown(sink->fd, SHUT_WR);
        }
    }
    bool goes_on = !(link->sides[0].shut && link->sides[1].shut);
    for (size_t from = 0; from < 2 && goes_on; from++) {
        bool is_blocked = link->ways[from].waits > 0;
        goes_on = wait_to_read(link, from, !link->sides[from].ended && !is_blocked) &&
                  wait_to_write(link, 1 - from, is_blocked);
    }
    if (!goes_on)
        link->on_end(link->context);
}

static void run(struct net_link *link, size_t from)
{
    if (link->ways[from].waits > 0)
        send_waiting(link, from);
    for (int i = 0; i < ROUNDS && link->ways[from].waits == 0 && !link->sides[from].ended; i++) {
        if (!take_some(link, from))
            break;
    }
    settle(link);
}

/* Something happened on a side that concerns the way that begins at from. */
static void go_on(struct net_link_side *side, short what, size_t from)
{
    struct net_link *link = side->link;
    if (what & EV_TIMEOUT)
        link->on_end(link->context);
    else
        run(link, from);
}

static size_t number_of(const struct net_link_side *side)
{
    return side == &side->link->sides[0] ? 0 : 1;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    go_on(context, what, number_of(context));
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    go_on(context, what, 1 - number_of(context));
}

void net_link_start(struct net_link *link, struct net_link_shared *shared, const int fds[2],
                    void (*on_end)(void *context), void *context)
{
    memset(link, 0, sizeof *link);
    link->shared = shared;
    link->on_end = on_end;
    link->context = context;
    for (size_t i = 0; i < 2; i++) {
        struct net_link_side *side = &link->sides[i];
        side->link = link;
        side->fd = fds[i];
        (void)event_assign(&side->readable, shared->base, fds[i], EV_READ | EV_PERSIST, on_readable, side);
        (void)event_assign(&side->writable, shared->base, fds[i], EV_WRITE | EV_PERSIST, on_writable, side);
    }
    settle(link);
}

void net_link_stop(struct net_link *link)
{
    for (size_t i = 0; i < 2; i++) {
        (void)event_del(&link->sides[i].readable);
        (void)event_del(&link->sides[i].writable);
        (void)close(link->sides[i].fd);
        release(link, &link->ways[i]);
    }
}
