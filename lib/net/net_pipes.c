/* net_pipes.c - see net_pipes.h. */
#include "net/net_pipes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct net_pipes {
    SLIST_HEAD(free_pipes, net_pipe) free;
    struct net_pipe all[];
};

static bool open_pipe(struct net_pipe *ret_pipe)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    if (fcntl(ends[1], F_SETPIPE_SZ, NET_PIPE_SIZE) < NET_PIPE_SIZE) {
        /* One of a page or two, which a user gets who has many: copying is faster. */
        (void)close(ends[0]);
        (void)close(ends[1]);
        return false;
    }
    ret_pipe->out = ends[0];
    ret_pipe->in = ends[1];
    return true;
}

result net_pipes_new(struct net_pipes **ret_pipes, size_t number)
{
    struct net_pipes *pipes = calloc(1, sizeof *pipes + number * sizeof pipes->all[0]);
    ENSURE(pipes, E_MEMORY, "out of memory");
    SLIST_INIT(&pipes->free);
    for (size_t i = 0; i < number && open_pipe(&pipes->all[i]); i++)
        SLIST_INSERT_HEAD(&pipes->free, &pipes->all[i], entry);
    *ret_pipes = pipes;
    return RESULT_OK;
}

void net_pipes_free(struct net_pipes *pipes)
{
    struct net_pipe *pipe;
    while ((pipe = net_pipes_take(pipes))) {
        (void)close(pipe->in);
        (void)close(pipe->out);
    }
    free(pipes);
}

struct net_pipe *net_pipes_take(struct net_pipes *pipes)
{
    if (!pipes || SLIST_EMPTY(&pipes->free))
        return NULL;
    struct net_pipe *pipe = SLIST_FIRST(&pipes->free);
    SLIST_REMOVE_HEAD(&pipes->free, entry);
    return pipe;
}

void net_pipes_give(struct net_pipes *pipes, struct net_pipe *pipe)
{
    SLIST_INSERT_HEAD(&pipes->free, pipe, entry);
}

void net_pipe_drain(const struct net_pipe *pipe)
{
    char waste[4096];
    while (read(pipe->out, waste, sizeof waste) > 0)
        continue;
}
