/* fetcher_queue.c - see fetcher_queue.h.
 *
 * A thread keeps its connection for the next request, so a thousand keys of one server take sixteen
 * handshakes. Rejected: one thread and libcurl's multi interface, which would have to be taught two services'
 * ways of logging in; sixteen threads that wait cost nothing. */
#include "fetcher_queue.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "fetcher_aws.h"
#include "fetcher_vault.h"

struct request {
    struct ipc_fetch fetch; /* its texts point into texts, each with a NUL behind it */
    struct secret texts;
};

static void request_cleanup(struct request *request)
{
    secret_cleanup(&request->texts);
}

struct fetcher_queue {
    pthread_mutex_t lock;
    pthread_cond_t added;
    struct request requests[IPC_FETCHES_MAX]; /* a ring */
    size_t first, num;
    struct fetcher *fetcher;
};

static must_check result copy_request(struct request *ret_request, const struct ipc_fetch *fetch)
{
    struct request request = {.fetch = *fetch};
    size_t length = 0;
    for (size_t i = 0; i < IPC_FETCH_TEXTS; i++)
        length += fetch->texts[i].length + 1;
    TRY(secret_new(&request.texts, length));
    uint8_t *at = request.texts.data;
    for (size_t i = 0; i < IPC_FETCH_TEXTS; i++) {
        memcpy(at, fetch->texts[i].data, fetch->texts[i].length);
        request.fetch.texts[i].data = at;
        at += fetch->texts[i].length + 1;
    }
    *ret_request = request;
    return RESULT_OK;
}

result fetcher_queue_add(struct fetcher_queue *queue, const struct ipc_fetch *fetch)
{
    AUTO(request) request = {0};
    TRY(copy_request(&request, fetch));
    (void)pthread_mutex_lock(&queue->lock);
    bool full = queue->num == IPC_FETCHES_MAX;
    if (!full) {
        queue->requests[(queue->first + queue->num++) % IPC_FETCHES_MAX] = request;
        request = (struct request){0};
        (void)pthread_cond_signal(&queue->added);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    ENSURE(!full, E_PEER, "more than %d requests at once", IPC_FETCHES_MAX);
    return RESULT_OK;
}

static void take(struct fetcher_queue *queue, struct request *ret_request)
{
    (void)pthread_mutex_lock(&queue->lock);
    while (queue->num == 0)
        (void)pthread_cond_wait(&queue->added, &queue->lock);
    struct request *first = &queue->requests[queue->first];
    *ret_request = *first;
    *first = (struct request){0};
    queue->first = (queue->first + 1) % IPC_FETCHES_MAX;
    queue->num--;
    (void)pthread_mutex_unlock(&queue->lock);
}

struct worker {
    struct fetcher_aws aws;
    struct fetcher_vault vault;
};

static must_check result serve(struct worker *worker, struct fetcher *fetcher, const struct ipc_fetch *fetch)
{
    switch (fetch->kind) {
    case IPC_FETCH_AWS:
        return fetcher_aws_fetch(fetcher, &worker->aws, fetch);
    case IPC_FETCH_VAULT:
        return fetcher_vault_fetch(fetcher, &worker->vault, fetch);
    case IPC_FETCH_AWS_ALL:
        return fetcher_aws_fetch_all(fetcher, fetch);
    }
    FAIL(E_INTERNAL, "no such kind of request");
}

/* Until the process ends, with the loader's channel or over a failure that is our own. */
static void *work(void *pointer)
{
    struct fetcher_queue *queue = pointer;
    struct worker worker = {0};
    for (;;) {
        AUTO(request) request = {0};
        take(queue, &request);
        result r = serve(&worker, queue->fetcher, &request.fetch);
        if (r.code && r.code != E_PEER)
            log_error("%s", error_text());
        if (r.code)
            _exit(r.code == E_PEER ? 0 : 1);
    }
    return NULL;
}

result fetcher_queue_start(struct fetcher_queue **ret_queue, struct fetcher *fetcher)
{
    struct fetcher_queue *queue = calloc(1, sizeof *queue);
    ENSURE(queue, E_MEMORY, "out of memory for requests");
    queue->fetcher = fetcher;
    bool ok = pthread_mutex_init(&queue->lock, NULL) == 0 && pthread_cond_init(&queue->added, NULL) == 0;
    for (size_t i = 0; ok && i < FETCHER_THREADS; i++) {
        pthread_t thread;
        ok = pthread_create(&thread, NULL, work, queue) == 0 && pthread_detach(thread) == 0;
    }
    *ret_queue = queue;
    ENSURE(ok, E_IO, "cannot start the threads");
    return RESULT_OK;
}
