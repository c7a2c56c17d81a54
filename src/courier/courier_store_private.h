/* courier_store_private.h - what courier_store.c (queues, threads) and courier_store_work.c (a thread's work)
 * share. */
#ifndef COURIER_COURIER_STORE_PRIVATE_H
#define COURIER_COURIER_STORE_PRIVATE_H

#include <pthread.h>

#include "courier_store.h"

enum courier_store_job_kind { COURIER_STORE_HEAD, COURIER_STORE_HEAD_SET, COURIER_STORE_LOAD };

/* All but advances. Only the members of its kind are filled in. */
struct courier_store_job {
    struct courier_store_job *next;
    enum courier_store_job_kind kind;
    uint64_t id;
    bool for_keeper;                       /* HEAD */
    struct slashing_head old_head, head;   /* HEAD_SET */
    struct slashing_enrolment *enrolments; /* HEAD_SET */
    uint8_t (*pubkeys)[48];                /* LOAD; NULL: all */
    size_t num;                            /* enrolments, or public keys */
};

void courier_store_job_free(struct courier_store_job *job);

/* A ring, and the array a thread works on (first 0 then). */
struct courier_store_advances {
    struct slashing_advance *advances;
    uint64_t *ids;
    size_t first, num, capacity;
};

must_check result courier_store_advances_new(struct courier_store_advances *ret_advances, size_t capacity);
void courier_store_advances_free(struct courier_store_advances *advances);

struct courier_store_worker {
    struct courier_store *owner;
    pthread_t thread;
    struct slashing_store *store; /* NULL: not open */
    uint64_t opened_ns;
    unsigned authorised; /* version of the credentials it has */
    struct courier_store_advances batch;
};

struct courier_store {
    struct courier_store_backend backend;
    struct courier_outbox *outbox;
    struct courier_store_worker workers[COURIER_STORE_THREADS_MAX];
    unsigned num_workers;

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t work;
    bool stopping;
    unsigned num_busy;
    struct courier_store_job *first_job, *last_job;
    size_t num_jobs;
    struct courier_store_advances waiting;
    struct aws_credentials credentials;
    unsigned credentials_version; /* 0: none yet */
    bool failing;                 /* the latest use of the store came to nothing, and that has been logged */
    bool has_head;                /* and nobody took it yet */
    struct courier_store_head head;
};

/* courier_store_work.c, for the threads. A failure means that answers cannot be made: memory is gone. */
must_check result courier_store_run_job(struct courier_store_worker *worker,
                                        const struct courier_store_job *job);
must_check result courier_store_run_batch(struct courier_store_worker *worker);
/* The answers of a store that was not asked; text says why. */
must_check result courier_store_refuse_job(struct courier_store *store, const struct courier_store_job *job,
                                           const char *text);
must_check result courier_store_refuse_advance(struct courier_store *store, uint64_t id);

#endif
