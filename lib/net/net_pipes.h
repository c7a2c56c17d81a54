/* net_pipes.h - a fixed number of pipes, through which splice(2) moves bytes from socket to socket. Target
 * net_relay.
 *
 * A pipe is held only while bytes are in it, so a few serve thousands of links. All are opened at once: two
 * descriptors each, which the owner of RLIMIT_NOFILE can count, and no call that a sandbox would have to
 * allow. For one thread.
 */
#ifndef NET_PIPES_H
#define NET_PIPES_H

#include <stddef.h>
#include <sys/queue.h>

#include "base/result.h"

/* What one holds; and how many a process should have. Together they stay far below the 64 MiB of pipes that
 * the kernel gives a user without privileges (/proc/sys/fs/pipe-user-pages-soft) before it makes them
 * smaller. */
enum { NET_PIPE_SIZE = 262144, NET_PIPES = 64 };

struct net_pipe {
    SLIST_ENTRY(net_pipe) entry;
    int out, in; /* what is written to in is read from out; neither blocks */
};

struct net_pipes;

/* Up to number pipes: fewer, or none, where the system gives no more of NET_PIPE_SIZE. */
must_check result net_pipes_new(struct net_pipes **ret_pipes, size_t number);
/* After every pipe was given back; NULL is fine. */
void net_pipes_free(struct net_pipes *pipes);

/* NULL when none is left, and for pipes NULL. Empty. */
struct net_pipe *net_pipes_take(struct net_pipes *pipes);
/* Empty again; net_pipe_drain sees to that. */
void net_pipes_give(struct net_pipes *pipes, struct net_pipe *pipe);
void net_pipe_drain(const struct net_pipe *pipe);

#endif
