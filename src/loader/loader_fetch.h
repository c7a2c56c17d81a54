/* loader_fetch.h - keys that other servers have, by way of the fetcher: the loader can open no socket. */
#ifndef LOADER_FETCH_H
#define LOADER_FETCH_H

#include "ipc/ipc_fetch.h"
#include "loader_pool.h"
#include "loader_progress.h"
#include "loader_report.h"

struct loader_fetch {
    int socket;
    struct loader_pool *pool; /* borrowed */
    pthread_t thread;
    bool open, running;
    struct secret packet;
    struct loader_job *under_way[IPC_FETCHES_MAX]; /* by the number that the fetcher answers with */
    size_t num_under_way;
    int broken;     /* an error code: the fetcher cannot be asked any more */
    char text[256]; /* and why */
};
void loader_fetch_cleanup(struct loader_fetch *fetch);

/* Starts a thread that finishes the pool's remote jobs, many at a time. To be cleaned up before the pool. */
must_check result loader_fetch_start(struct loader_fetch *fetch, struct loader_pool *pool, int socket);

/* Asks for all secrets that the fetcher's options name, one key a line, and reports what comes. Every remote
 * job of the pool must be done. What cannot be had is reported as a failure; an error ends the load. */
must_check result loader_fetch_all(struct loader_fetch *fetch, struct loader_report *report,
                                   struct loader_progress *progress);

#endif
