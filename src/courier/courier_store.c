/* courier_store.c - see courier_store.h: the queues, and the threads that empty them.
 *
 * One mutex: it is held for a few copies, never across a call of the store or of the socket. Rejected: one
 * thread over libcurl's multi interface for all; PostgreSQL's library and the stores' own retries would have
 * to be taken apart into timers, and a store is a simple thing to test only while it waits. */
#include "courier_store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "slashing/slashing_codec.h"

typedef struct courier_store_job store_job;
DEFINE_AUTO_POINTER(store_job, courier_store_job_free)

void courier_store_job_free(struct courier_store_job *job)
{
    if (!job)
        return;
    free(job->enrolments);
    free(job->pubkeys);
    free(job);
}

result courier_store_advances_new(struct courier_store_advances *ret_advances, size_t capacity)
{
    struct courier_store_advances a = {.advances = calloc(capacity, sizeof *a.advances),
                                       .ids = calloc(capacity, sizeof *a.ids),
                                       .capacity = capacity};
    if (!a.advances || !a.ids) {
        courier_store_advances_free(&a);
        FAIL(E_MEMORY, "out of memory for advances");
    }
    *ret_advances = a;
    return RESULT_OK;
}

void courier_store_advances_free(struct courier_store_advances *advances)
{
    free(advances->advances);
    free(advances->ids);
    *advances = (struct courier_store_advances){0};
}

/* The oldest waiting advances become the worker's batch. */
static void take_batch(struct courier_store *store, struct courier_store_advances *batch)
{
    struct courier_store_advances *waiting = &store->waiting;
    size_t num = waiting->num < batch->capacity ? waiting->num : batch->capacity;
    for (size_t i = 0; i < num; i++) {
        size_t at = (waiting->first + i) % waiting->capacity;
        batch->advances[i] = waiting->advances[at];
        batch->ids[i] = waiting->ids[at];
    }
    waiting->first = (waiting->first + num) % waiting->capacity;
    waiting->num -= num;
    batch->num = num;
}

static struct courier_store_job *take_job(struct courier_store *store)
{
    struct courier_store_job *job = store->first_job;
    if (job) {
        store->first_job = job->next;
        if (!job->next)
            store->last_job = NULL;
        store->num_jobs--;
    }
    return job;
}

static must_check result run_next(struct courier_store_worker *worker, struct courier_store_job *job)
{
    if (!job)
        return courier_store_run_batch(worker);
    result r = courier_store_run_job(worker, job);
    courier_store_job_free(job);
    return r;
}

/* Questions go first: they are few, and an order's fate may hang on one. */
static void *work(void *worker_pointer)
{
    struct courier_store_worker *worker = worker_pointer;
    struct courier_store *store = worker->owner;
    (void)pthread_mutex_lock(&store->lock);
    for (;;) {
        while (!store->stopping && !store->first_job && store->waiting.num == 0)
            (void)pthread_cond_wait(&store->work, &store->lock);
        if (store->stopping)
            break;
        struct courier_store_job *job = take_job(store);
        if (!job)
            take_batch(store, &worker->batch);
        store->num_busy++;
        (void)pthread_mutex_unlock(&store->lock);
        if (run_next(worker, job).code) {
            log_error("store: %s", error_text());
            /* The keeper waits for an answer to each request, and its keys with it: none will come. */
            courier_outbox_break(store->outbox);
        }
        (void)pthread_mutex_lock(&store->lock);
        store->num_busy--;
    }
    (void)pthread_mutex_unlock(&store->lock);
    return NULL;
}

static must_check result start_worker(struct courier_store *store)
{
    struct courier_store_worker *worker = &store->workers[store->num_workers];
    worker->owner = store;
    TRY(courier_store_advances_new(&worker->batch, store->backend.batch_max));
    int code = pthread_create(&worker->thread, NULL, work, worker);
    if (code) {
        courier_store_advances_free(&worker->batch);
        FAIL(E_IO, "store thread: %s", strerror(code));
    }
    store->num_workers++;
    return RESULT_OK;
}

static must_check result start_workers(struct courier_store *store)
{
    ENSURE(store->backend.num_threads >= 1 && store->backend.num_threads <= COURIER_STORE_THREADS_MAX,
           E_INTERNAL, "%u store threads", store->backend.num_threads);
    TRY(courier_store_advances_new(&store->waiting, COURIER_STORE_ADVANCES_MAX));
    for (unsigned i = 0; i < store->backend.num_threads; i++)
        TRY(start_worker(store));
    return RESULT_OK;
}

result courier_store_start(struct courier_store **ret_store, const struct courier_store_backend *backend,
                           struct courier_outbox *outbox)
{
    struct courier_store *store = calloc(1, sizeof *store);
    ENSURE(store, E_MEMORY, "out of memory for the store's threads");
    store->backend = *backend;
    store->outbox = outbox;
    (void)pthread_mutex_init(&store->lock, NULL);
    (void)pthread_cond_init(&store->work, NULL);
    result r = start_workers(store);
    if (r.code) {
        courier_store_stop(store);
        return r;
    }
    *ret_store = store;
    return RESULT_OK;
}

bool courier_store_busy(struct courier_store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    bool busy = store->num_busy > 0;
    (void)pthread_mutex_unlock(&store->lock);
    return busy;
}

void courier_store_stop(struct courier_store *store)
{
    if (!store)
        return;
    (void)pthread_mutex_lock(&store->lock);
    store->stopping = true;
    (void)pthread_cond_broadcast(&store->work);
    (void)pthread_mutex_unlock(&store->lock);
    courier_outbox_close(store->outbox);
    for (unsigned i = 0; i < store->num_workers; i++) {
        (void)pthread_join(store->workers[i].thread, NULL);
        slashing_store_close(store->workers[i].store);
        courier_store_advances_free(&store->workers[i].batch);
    }
    for (struct courier_store_job *job = take_job(store); job; job = take_job(store))
        courier_store_job_free(job);
    courier_store_advances_free(&store->waiting);
    aws_credentials_cleanup(&store->credentials);
    (void)pthread_cond_destroy(&store->work);
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
}

result courier_store_authorise(struct courier_store *store, const struct aws_credentials *credentials)
{
    struct aws_credentials copy = {0};
    TRY(aws_credentials_copy(&copy, credentials));
    (void)pthread_mutex_lock(&store->lock);
    struct aws_credentials former = store->credentials;
    store->credentials = copy;
    store->credentials_version++;
    (void)pthread_mutex_unlock(&store->lock);
    aws_credentials_cleanup(&former);
    return RESULT_OK;
}

bool courier_store_take_head(struct courier_store *store, struct courier_store_head *ret_head)
{
    (void)pthread_mutex_lock(&store->lock);
    bool has_head = store->has_head;
    if (has_head)
        *ret_head = store->head;
    store->has_head = false;
    (void)pthread_mutex_unlock(&store->lock);
    return has_head;
}

/* Takes the job over. */
static must_check result enqueue_job(struct courier_store *store, struct courier_store_job *job_given)
{
    AUTO_POINTER(store_job) job = job_given;
    (void)pthread_mutex_lock(&store->lock);
    bool room = store->num_jobs < COURIER_STORE_REQUESTS_MAX;
    if (room) {
        if (store->last_job)
            store->last_job->next = job;
        else
            store->first_job = job;
        store->last_job = TAKE(job);
        store->num_jobs++;
        (void)pthread_cond_signal(&store->work);
    }
    (void)pthread_mutex_unlock(&store->lock);
    return room ? RESULT_OK : courier_store_refuse_job(store, job, "too many requests wait for the store");
}

static must_check result new_job(struct courier_store_job **ret_job, enum courier_store_job_kind kind,
                                 uint64_t id)
{
    struct courier_store_job *job = calloc(1, sizeof *job);
    ENSURE(job, E_MEMORY, "out of memory for a request to the store");
    job->kind = kind;
    job->id = id;
    *ret_job = job;
    return RESULT_OK;
}

result courier_store_read_head(struct courier_store *store, bool for_keeper)
{
    struct courier_store_job *job = NULL;
    TRY(new_job(&job, COURIER_STORE_HEAD, 0));
    job->for_keeper = for_keeper;
    return enqueue_job(store, job);
}

static must_check result take_head_wanted(struct courier_store *store, struct ipc_message *m)
{
    TRY(ipc_take_empty(m));
    return courier_store_read_head(store, true);
}

static must_check result take_head_set(struct courier_store *store, struct ipc_message *m)
{
    struct ipc_store_head_set set;
    AUTO_POINTER(store_job) job = NULL;
    TRY(ipc_take_store_head_set(&set, m));
    TRY(new_job(&job, COURIER_STORE_HEAD_SET, set.id));
    TRY(slashing_head_decode(&job->old_head, set.old));
    TRY(slashing_head_decode(&job->head, set.next));
    job->enrolments = calloc((size_t)set.num_enrolments + 1, sizeof *job->enrolments);
    ENSURE(job->enrolments, E_MEMORY, "out of memory for enrolments");
    job->num = set.num_enrolments;
    for (size_t i = 0; i < job->num; i++) {
        const uint8_t *named = set.enrolments + i * IPC_STORE_NAMED_ENTRY_LEN;
        memcpy(job->enrolments[i].pubkey, named, sizeof job->enrolments[i].pubkey);
        TRY(slashing_entry_decode(&job->enrolments[i].entry, named + sizeof job->enrolments[i].pubkey));
    }
    return enqueue_job(store, TAKE(job));
}

static must_check result take_load(struct courier_store *store, struct ipc_message *m)
{
    struct ipc_store_load load;
    AUTO_POINTER(store_job) job = NULL;
    TRY(ipc_take_store_load(&load, m));
    TRY(new_job(&job, COURIER_STORE_LOAD, load.id));
    job->num = load.num_keys;
    if (load.num_keys) {
        job->pubkeys = malloc(load.num_keys * sizeof *job->pubkeys);
        ENSURE(job->pubkeys, E_MEMORY, "out of memory for public keys");
        memcpy(job->pubkeys, load.pubkeys, load.num_keys * sizeof *job->pubkeys);
    }
    return enqueue_job(store, TAKE(job));
}

static must_check result decode_advance(struct slashing_advance *ret_advance,
                                        const struct ipc_store_advance *message)
{
    struct slashing_entry old, next;
    TRY(slashing_entry_decode(&old, message->old));
    TRY(slashing_entry_decode(&next, message->next));
    *ret_advance = (struct slashing_advance){.old = old.record,
                                             .next = next.record,
                                             .old_stamp = old.stamp,
                                             .next_stamp = next.stamp,
                                             .is_history = message->is_history};
    memcpy(ret_advance->pubkey, message->pubkey, sizeof ret_advance->pubkey);
    return RESULT_OK;
}

static bool enqueue_advance(struct courier_store *store, uint64_t id, const struct slashing_advance *advance)
{
    struct courier_store_advances *waiting = &store->waiting;
    (void)pthread_mutex_lock(&store->lock);
    bool room = waiting->num < waiting->capacity;
    if (room) {
        size_t at = (waiting->first + waiting->num++) % waiting->capacity;
        waiting->advances[at] = *advance;
        waiting->ids[at] = id;
    }
    (void)pthread_mutex_unlock(&store->lock);
    return room;
}

/* The thread is woken when the whole packet is there: it is one batch at least. */
static must_check result take_advances(struct courier_store *store, struct ipc_message *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        struct ipc_store_advance message;
        struct slashing_advance advance;
        TRY(ipc_take_store_advance(&message, &m->body));
        TRY(decode_advance(&advance, &message));
        if (!enqueue_advance(store, message.id, &advance))
            TRY(courier_store_refuse_advance(store, message.id));
    }
    (void)pthread_mutex_lock(&store->lock);
    (void)pthread_cond_signal(&store->work);
    (void)pthread_mutex_unlock(&store->lock);
    return RESULT_OK;
}

result courier_store_take(struct courier_store *store, struct ipc_message *m)
{
    if (m->type == IPC_STORE_HEAD_WANTED)
        return take_head_wanted(store, m);
    if (m->type == IPC_STORE_HEAD_SET)
        return take_head_set(store, m);
    if (m->type == IPC_STORE_LOAD)
        return take_load(store, m);
    ENSURE(m->type == IPC_STORE_ADVANCE, E_PEER, "message 0x%04x is not about the store", (unsigned)m->type);
    return take_advances(store, m);
}
