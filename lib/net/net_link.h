/* net_link.h - copies bytes both ways between two connected sockets. Target net_relay.
 *
 * net_relay.h says what a link does with ends, errors and patience. Where few bytes come at a time they are
 * copied through a buffer that all links share; where many come they go through a pipe without being copied.
 * An idle link holds two descriptors and no memory for bytes.
 */
#ifndef NET_LINK_H
#define NET_LINK_H

#include <event2/event_struct.h>
#include <stdint.h>

#include "base/result.h"
#include "net/net_pipes.h"

enum { NET_LINK_BUFFER = 65536 };

/* What the links of a relay have in common. */
struct net_link_shared {
    struct event_base *base;
    struct net_pipes *pipes; /* NULL: everything is copied */
    uint32_t patience_seconds;
    uint64_t copied, spliced;              /* bytes */
    unsigned char buffer[NET_LINK_BUFFER]; /* empty between the turns of the loop */
};

struct net_link_side {
    struct net_link *link;
    int fd;
    struct event readable, writable;
    bool reads, reads_with_patience, writes; /* what is waited for */
    bool ended;                              /* it sends no more, or nobody takes it */
    bool shut;                               /* we send it no more */
};

/* Bytes on their way from sides[i] to sides[1 - i]. */
struct net_link_way {
    struct net_pipe *pipe; /* holds what waits, or NULL */
    unsigned char *rest;   /* does so if there is no pipe; rest_at of it has gone */
    size_t rest_at;
    size_t waits;
    bool is_bulk;   /* as much came last as the buffer takes */
    bool must_copy; /* a socket knows no splice */
};

struct net_link {
    struct net_link_shared *shared;
    struct net_link_side sides[2];
    struct net_link_way ways[2];
    void (*on_end)(void *context); /* the link has to be stopped */
    void *context;
};

/* Begins to copy between sockets that do not block; they are the link's from here on. link stays where it is
 * until net_link_stop. */
void net_link_start(struct net_link *link, struct net_link_shared *shared, const int fds[2],
                    void (*on_end)(void *context), void *context);
/* Closes both sockets. */
void net_link_stop(struct net_link *link);

#endif
