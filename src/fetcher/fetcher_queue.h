/* fetcher_queue.h - the requests that wait, and the threads that work on them. */
#ifndef FETCHER_FETCHER_QUEUE_H
#define FETCHER_FETCHER_QUEUE_H

#include "fetcher.h"

enum { FETCHER_THREADS = 16 };

struct fetcher_queue;

/* Starts the threads; fetcher and queue stay until the process ends. */
must_check result fetcher_queue_start(struct fetcher_queue **ret_queue, struct fetcher *fetcher);

/* Copies a request into the secure heap. E_PEER when more than IPC_FETCHES_MAX wait: the loader does not ask
 * for more at a time. */
must_check result fetcher_queue_add(struct fetcher_queue *queue, const struct ipc_fetch *fetch);

#endif
