/* keeper_pool.c - a list of jobs, taken one by one by whoever is free.
 *
 * One lock guards the list; a job is 0.1 ms of work at least, so that it is no bottleneck. The caller works
 * like the others and, between jobs of its own, takes what they have done: a thread that the system does not
 * run holds up nothing but the one job it has. One job is done by the caller; then, and for none, nobody is
 * woken.
 *
 * What is hashed ahead is copied into a ring: that work has no secret, belongs to no call and may go on after
 * it, and signing goes before it.
 *
 * The threads' stacks are small, of our own making, locked if that is permitted (the caller's stack is not),
 * with a page below that nothing may touch. A fault in any thread ends the process, as anywhere else.
 *
 * Rejected: an atomic index without a lock - the hand over of a finished list to the next one needs the same
 * care as a lock, and saves nothing that could be measured; threads that spin for the next turn's jobs, since
 * the front's processor is the same; leaving jobs to be finished after the call, while keys may change. */
#include "keeper_pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* 8 signatures of one message in a job cost a tenth more each than 32, 16 a fiftieth; and a thread has to be
 * woken. */
enum { SHARE_LEAST = 8, PUBLIC_KEYS_A_JOB = 128 /* which share an inversion */ };

/* Of the secure heap, which keys are to have: all threads together at most an eighth, of what each takes. */
enum { HEAP_SHARE = 8, HEAP_A_THREAD = 128 << 10 };

#if defined(__SANITIZE_ADDRESS__) ||                                                                         \
    defined(__SANITIZE_THREAD__) /* whose runtime keeps its own things there */
enum { STACK_SIZE = 4 << 20 };
#else
enum { STACK_SIZE = 128 << 10 };
#endif

struct ahead {
    uint8_t message[BLS_MESSAGE_LEN];
    size_t num;
};

struct worker {
    struct keeper_pool *pool;
    struct bls_batch *batch;
    pthread_t thread;
    void *stack;
    bool is_running;
};

struct keeper_pool {
    struct bls_messages *messages;
    size_t num_threads;
    struct worker workers[KEEPER_THREADS_MAX]; /* [0] is the caller */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    bool ends;
    bool is_awaited; /* the caller sleeps until a job is done */
    unsigned num_sleeping;
    size_t num_started; /* of the others */
    result (*confine)(void);
    bool is_unconfined; /* one of them */
    /* Jobs: */
    struct keeper_job *jobs;
    size_t num_jobs, num_begun, num_done;
    struct keeper_job *finished[KEEPER_JOBS_MAX]; /* num_done, in the order in which they were done */
    /* The ring: */
    struct ahead ahead[KEEPER_AHEAD_MAX];
    size_t first_ahead, num_ahead;
};

uint32_t keeper_pool_default_threads(size_t heap_size)
{
    cpu_set_t allowed;
    size_t num = 1, most = heap_size / HEAP_SHARE / HEAP_A_THREAD;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        num = (size_t)CPU_COUNT(&allowed);
    if (num > most)
        num = most > 0 ? most : 1;
    return num > KEEPER_THREADS_MAX ? KEEPER_THREADS_MAX : (uint32_t)num;
}

size_t keeper_pool_num_threads(const struct keeper_pool *pool)
{
    return pool->num_threads;
}

static void do_job(struct bls_batch *batch, struct keeper_job *job)
{
    job->outcome = RESULT_OK;
    if (job->base) {
        job->outcome = bls_fixed_base_public_keys(job->base, job->pubkeys, job->secrets, job->num);
        return;
    }
    if (job->num_alike > job->num)
        job->outcome = bls_batch_prepare(batch, job->message, job->num_alike);
    if (job->outcome.code)
        memset(job->signatures, 0, job->num * BLS_SIGNATURE_LEN);
    else
        job->outcome = bls_batch_sign(batch, job->signatures, job->secrets, job->num, job->message);
    if (job->outcome.code)
        (void)snprintf(job->why, sizeof job->why, "%s", error_text()); /* which is this thread's */
}

/* ---- the other threads; each with the lock, which is released for the work itself ---- */

/* False when there is none left. */
static bool do_next_job(struct keeper_pool *pool, struct bls_batch *batch)
{
    if (pool->num_begun == pool->num_jobs)
        return false;
    struct keeper_job *job = &pool->jobs[pool->num_begun++];
    (void)pthread_mutex_unlock(&pool->lock);
    do_job(batch, job);
    (void)pthread_mutex_lock(&pool->lock);
    pool->finished[pool->num_done++] = job;
    if (pool->is_awaited)
        (void)pthread_cond_signal(&pool->done);
    return true;
}

static bool do_next_ahead(struct keeper_pool *pool, struct bls_batch *batch)
{
    if (!pool->num_ahead)
        return false;
    struct ahead next = pool->ahead[pool->first_ahead];
    pool->first_ahead = (pool->first_ahead + 1) % KEEPER_AHEAD_MAX;
    pool->num_ahead--;
    (void)pthread_mutex_unlock(&pool->lock);
    /* Whatever keeps it from being done is met again, and told, when the message is signed. */
    result ignored = bls_batch_prepare(batch, next.message, next.num);
    (void)ignored;
    (void)pthread_mutex_lock(&pool->lock);
    return true;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct keeper_pool *pool = worker->pool;
    bool is_confined = !pool->confine || !pool->confine().code;
    (void)pthread_mutex_lock(&pool->lock);
    pool->is_unconfined = pool->is_unconfined || !is_confined;
    pool->num_started++;
    (void)pthread_cond_signal(&pool->done);
    while (!pool->ends) {
        if (do_next_job(pool, worker->batch) || do_next_ahead(pool, worker->batch))
            continue;
        pool->num_sleeping++;
        (void)pthread_cond_wait(&pool->work, &pool->lock);
        pool->num_sleeping--;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* ---- the caller ---- */

static void wake(struct keeper_pool *pool, size_t num)
{
    for (size_t i = 0; i < num && i < pool->num_sleeping; i++)
        (void)pthread_cond_signal(&pool->work);
}

/* With the lock. False: all are done and taken. */
static bool take_part(struct keeper_pool *pool, size_t *num_taken,
                      void done(void *context, struct keeper_job *job), void *context)
{
    while (*num_taken < pool->num_done) {
        struct keeper_job *job = pool->finished[(*num_taken)++];
        (void)pthread_mutex_unlock(&pool->lock);
        done(context, job);
        (void)pthread_mutex_lock(&pool->lock);
    }
    if (*num_taken == pool->num_jobs)
        return false;
    if (!do_next_job(pool, pool->workers[0].batch)) {
        pool->is_awaited = true;
        while (*num_taken == pool->num_done)
            (void)pthread_cond_wait(&pool->done, &pool->lock);
        pool->is_awaited = false;
    }
    return true;
}

void keeper_pool_sign(struct keeper_pool *pool, struct keeper_job *jobs, size_t num,
                      void done(void *context, struct keeper_job *job), void *context)
{
    size_t num_taken = 0;
    if (num <= 1 || pool->num_threads == 1) {
        for (size_t i = 0; i < num; i++) {
            do_job(pool->workers[0].batch, &jobs[i]);
            done(context, &jobs[i]);
        }
        return;
    }
    (void)pthread_mutex_lock(&pool->lock);
    pool->jobs = jobs;
    pool->num_jobs = num;
    pool->num_begun = pool->num_done = 0;
    wake(pool, num - 1);
    while (take_part(pool, &num_taken, done, context))
        ;
    pool->jobs = NULL;
    pool->num_jobs = pool->num_begun = pool->num_done = 0;
    (void)pthread_mutex_unlock(&pool->lock);
}

size_t keeper_pool_share(const struct keeper_pool *pool, size_t num)
{
    size_t num_shares = num / SHARE_LEAST;
    if (num_shares > pool->num_threads)
        num_shares = pool->num_threads;
    if (num_shares < 1)
        num_shares = 1;
    size_t share = (num + num_shares - 1) / num_shares;
    return share < BLS_BATCH_MAX ? share : BLS_BATCH_MAX;
}

static void note_failure(void *context, struct keeper_job *job)
{
    bool *has_failed = context;
    *has_failed = *has_failed || job->outcome.code;
}

/* What has failed is done again by this thread alone: the outcome, and the memory that is needed, are then
 * those of one thread. */
result keeper_pool_public_keys(struct keeper_pool *pool, const struct bls_fixed_base *base,
                               uint8_t *ret_pubkeys, const uint8_t *const *secrets, size_t num)
{
    struct keeper_job jobs[KEEPER_PUBLIC_KEYS_MAX / PUBLIC_KEYS_A_JOB] = {0};
    size_t num_jobs = 0;
    bool has_failed = false;
    ENSURE(num <= KEEPER_PUBLIC_KEYS_MAX, E_INTERNAL, "%zu public keys at once", num);
    for (size_t done = 0; pool && done < num; done += jobs[num_jobs++].num)
        jobs[num_jobs] =
            (struct keeper_job){.base = base,
                                .secrets = secrets + done,
                                .pubkeys = ret_pubkeys + done * BLS_PUBKEY_LEN,
                                .num = num - done < PUBLIC_KEYS_A_JOB ? num - done : PUBLIC_KEYS_A_JOB};
    if (num_jobs > 1)
        keeper_pool_sign(pool, jobs, num_jobs, note_failure, &has_failed);
    if (num_jobs > 1 && !has_failed)
        return RESULT_OK;
    return bls_fixed_base_public_keys(base, ret_pubkeys, secrets, num);
}

void keeper_pool_hash_ahead(struct keeper_pool *pool, const uint8_t message[static BLS_MESSAGE_LEN],
                            size_t num)
{
    if (pool->num_threads == 1 || bls_messages_know(pool->messages, message))
        return;
    (void)pthread_mutex_lock(&pool->lock);
    if (pool->num_ahead < KEEPER_AHEAD_MAX) {
        struct ahead *last = &pool->ahead[(pool->first_ahead + pool->num_ahead++) % KEEPER_AHEAD_MAX];
        memcpy(last->message, message, BLS_MESSAGE_LEN);
        last->num = num;
        wake(pool, 1);
    }
    (void)pthread_mutex_unlock(&pool->lock);
}

/* ---- start and end ---- */

static must_check result make_stack(struct worker *worker)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *stack = mmap(NULL, page + STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    ENSURE(stack != MAP_FAILED, E_MEMORY, "a thread's stack: %s", strerror(errno));
    worker->stack = stack;
    uint8_t *usable = (uint8_t *)stack + page;
    ENSURE(mprotect(usable, STACK_SIZE, PROT_READ | PROT_WRITE) == 0 &&
               madvise(usable, STACK_SIZE, MADV_DONTDUMP) == 0,
           E_MEMORY, "a thread's stack: %s", strerror(errno));
    (void)mlock2(usable, STACK_SIZE, MLOCK_ONFAULT);
    return RESULT_OK;
}

static must_check result start_thread(struct worker *worker)
{
    pthread_attr_t attributes;
    TRY(make_stack(worker));
    int code = pthread_attr_init(&attributes);
    if (code == 0) {
        code =
            pthread_attr_setstack(&attributes, (uint8_t *)worker->stack + sysconf(_SC_PAGESIZE), STACK_SIZE);
        if (code == 0)
            code = pthread_create(&worker->thread, &attributes, work, worker);
        (void)pthread_attr_destroy(&attributes);
    }
    ENSURE(code == 0, E_MEMORY, "a thread for signing cannot be made: %s; --signing-threads asks for fewer",
           strerror(code));
    worker->is_running = true;
    return RESULT_OK;
}

/* A thread's first calls are the C library's (rseq, set_robust_list): no sandbox lets them through. */
static void wait_until_started(struct keeper_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    while (pool->num_started < pool->num_threads - 1)
        (void)pthread_cond_wait(&pool->done, &pool->lock);
    (void)pthread_mutex_unlock(&pool->lock);
}

static must_check result start_threads(struct keeper_pool *pool, size_t num_threads)
{
    TRY(bls_messages_new(&pool->messages));
    for (size_t i = 0; i < num_threads; i++) {
        pool->workers[i].pool = pool;
        TRY(bls_batch_new(&pool->workers[i].batch, pool->messages));
    }
    pool->num_threads = num_threads;
    sigset_t all, before;
    (void)sigfillset(&all);
    ENSURE(pthread_sigmask(SIG_SETMASK, &all, &before) == 0, E_INTERNAL, "signals cannot be blocked");
    result r = RESULT_OK;
    for (size_t i = 1; i < num_threads && !r.code; i++)
        r = start_thread(&pool->workers[i]);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    TRY(r);
    wait_until_started(pool);
    ENSURE(!pool->is_unconfined, E_IO, "a thread for signing cannot be confined");
    return RESULT_OK;
}

result keeper_pool_new(struct keeper_pool **ret_pool, size_t num_threads, result (*confine)(void))
{
    ENSURE(num_threads >= 1 && num_threads <= KEEPER_THREADS_MAX, E_INTERNAL, "%zu threads", num_threads);
    struct keeper_pool *pool = calloc(1, sizeof *pool);
    ENSURE(pool, E_MEMORY, "out of memory");
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->work, NULL);
    (void)pthread_cond_init(&pool->done, NULL);
    pool->confine = confine;
    result r = start_threads(pool, num_threads);
    if (r.code)
        keeper_pool_free(pool);
    else
        *ret_pool = pool;
    return r;
}

void keeper_pool_free(struct keeper_pool *pool)
{
    if (!pool)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    pool->ends = true;
    (void)pthread_cond_broadcast(&pool->work);
    (void)pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < KEEPER_THREADS_MAX; i++) {
        struct worker *worker = &pool->workers[i];
        if (worker->is_running)
            (void)pthread_join(worker->thread, NULL);
        if (worker->stack)
            (void)munmap(worker->stack, (size_t)sysconf(_SC_PAGESIZE) + STACK_SIZE);
        bls_batch_free(worker->batch);
    }
    bls_messages_free(pool->messages);
    (void)pthread_cond_destroy(&pool->done);
    (void)pthread_cond_destroy(&pool->work);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}
