/* courier_store.h - a store across a network, asked by a few threads on the keeper's behalf (PROTOCOL.ipc
 * section 4). The main thread hands messages in and never waits; answers go to the outbox as they come.
 *
 * Advances that arrive while all threads are at work pile up, and the next free thread takes all of them, or
 * as many as the store likes, as one batch. */
#ifndef COURIER_COURIER_STORE_H
#define COURIER_COURIER_STORE_H

#include "aws/aws_credentials.h"
#include "courier_outbox.h"
#include "ipc/ipc.h"
#include "ipc/ipc_store.h"
#include "slashing/slashing_store.h"

/* What waits beyond these is answered as if the store could not be asked. */
enum { COURIER_STORE_THREADS_MAX = 8, COURIER_STORE_REQUESTS_MAX = 256, COURIER_STORE_ADVANCES_MAX = 16384 };

/* Which store, and how it likes to be asked. All of it outlives the threads. */
struct courier_store_backend {
    const char *name; /* for the log, at the beginning of a sentence; the store's errors say the rest */
    /* Called in a thread, again after a failure: each thread has a store of its own. */
    result (*open)(void *context, struct slashing_store **ret_store);
    /* Called in the same thread, before the first use and whenever there are new ones; NULL: needs none. */
    result (*authorise)(struct slashing_store *store, const struct aws_credentials *credentials);
    /* After a failure open is called anew, from time to time: the store may have another address by then. */
    bool reopen;
    void *context;
    unsigned num_threads;
    size_t batch_max; /* advances at once */
};

/* What the latest question for the head came to. */
struct courier_store_head {
    enum ipc_store_head_status status;
    struct slashing_head head; /* FOUND */
    char text[IPC_TEXT_MAX + 1];
};

struct courier_store;

must_check result courier_store_start(struct courier_store **ret_store,
                                      const struct courier_store_backend *backend,
                                      struct courier_outbox *outbox);
/* A thread is in the middle of something: courier_store_stop would have to wait for it. */
bool courier_store_busy(struct courier_store *store);
/* Ends the threads and closes what they have open; closes the outbox. store may be NULL. */
void courier_store_stop(struct courier_store *store);

/* From the next job of each thread on. */
must_check result courier_store_authorise(struct courier_store *store,
                                          const struct aws_credentials *credentials);
/* STORE_HEAD_WANTED, STORE_HEAD_SET, STORE_LOAD, STORE_ADVANCE. A failure means that the keeper speaks
 * nonsense, or that memory is gone. */
must_check result courier_store_take(struct courier_store *store, struct ipc_message *m);
/* Reads the head for the courier's own use, and for the keeper (STORE_HEAD) if so wished. */
must_check result courier_store_read_head(struct courier_store *store, bool for_keeper);
/* The latest one, once: false when none was read since the last time. The outbox's descriptor becomes
 * readable when one has been. */
bool courier_store_take_head(struct courier_store *store, struct courier_store_head *ret_head);

#endif
