/* loader_pool.c - threads that open records and keystores. scrypt is all of the time: half a
 * second and 256 MiB a key, so a queue under one lock is fast enough. Raw keys take a hundredth of a
 * millisecond each when many are opened together; a thread takes as many at once as stand one behind the
 * other. */
#include "loader_pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "loader_proxies.h"
#include "loader_record.h"
#include "loader_sealed.h"

enum { TOGETHER_THREADS = 4 };

/* Its pubkey member says whose it is, and must be there: the history was chosen by it. */
static must_check result open_keystore(struct loader_job *job)
{
    AUTO(keystore) key = {0};
    result r = keystore_decrypt(&key, (const char *)job->keystore.data, job->keystore.length,
                                job->password.data, job->password.length, LOADER_KDF_MEMORY_MAX);
    if (r.code)
        return error_prefix(r, "Failed to decrypt keystore");
    ENSURE(memcmp(key.pubkey, job->wanted_pubkey, BLS_PUBKEY_LEN) == 0, E_MISMATCH,
           "Failed to decrypt keystore: its pubkey is not that of its key");
    job->key = key;
    key = (struct keystore){0};
    return RESULT_OK;
}

/* The host says whose key a record is, and names failures by it. One that is another's would let it pass off
 * the key of one validator as that of another. */
static must_check result open_record(struct loader_job *job, EVP_PKEY *recipient_key)
{
    AUTO(keystore) key = {0};
    TRY(loader_record_open_key(&key, recipient_key, job->envelope.data, job->envelope.length));
    if (job->has_wanted_pubkey && memcmp(key.pubkey, job->wanted_pubkey, BLS_PUBKEY_LEN) != 0) {
        char text[2 * BLS_PUBKEY_LEN + 3];
        hex_encode_0x(text, key.pubkey, BLS_PUBKEY_LEN);
        FAIL(E_MISMATCH, "record: it has the key of %s, not of the public key it was handed in with", text);
    }
    job->key = key;
    key = (struct keystore){0};
    return RESULT_OK;
}

static must_check result run(struct loader_job *job, EVP_PKEY *recipient_key)
{
    switch (job->kind) {
    case LOADER_JOB_KEY_RECORD:
        return open_record(job, recipient_key);
    case LOADER_JOB_TLS_RECORD:
        return loader_record_open_tls(&job->tls, recipient_key, job->envelope.data, job->envelope.length);
    case LOADER_JOB_STORE_KEY_RECORD:
        return loader_record_open_store_key(&job->store_key, recipient_key, job->envelope.data,
                                            job->envelope.length);
    case LOADER_JOB_SEALED:
        return loader_sealed_open(job->sealed);
    case LOADER_JOB_SOURCE:
        return key_source_open(&job->key, job->source, LOADER_KDF_MEMORY_MAX);
    case LOADER_JOB_KEYSTORE:
        return open_keystore(job);
    case LOADER_JOB_PROXY:
        return loader_proxies_open(&job->key, job->proxy, job->proxy_password);
    case LOADER_JOB_OPENED:
        break;
    }
    FAIL(E_INTERNAL, "no such kind of job");
}

static void work(struct loader_job *job, EVP_PKEY *recipient_key)
{
    result r = run(job, recipient_key);
    job->error = r.code;
    if (r.code)
        (void)snprintf(job->text, sizeof job->text, "%s", error_text());
    buffer_cleanup(&job->envelope);
}

/* The next job of either sort that nobody has taken; NULL when there is none. Under the lock. */
static struct loader_job *next_job(struct loader_pool *pool, size_t *next, bool remote)
{
    while (*next < pool->num_jobs) {
        struct loader_job *job = pool->jobs[(*next)++];
        if (job->kind != LOADER_JOB_OPENED && job->remote == remote)
            return job;
    }
    return NULL;
}

/* Jobs that one thread does together: one, or raw keys. */
struct hand {
    struct loader_job *jobs[KEY_SOURCES_RAW_MAX];
    size_t num;
    bool together; /* counted in num_together */
};

static bool is_raw(const struct loader_job *job)
{
    return job->kind == LOADER_JOB_SOURCE && job->source->kind == KEY_SOURCE_RAW;
}

/* To open some together takes 64 KiB of the secure heap for a while, of which a pool of many threads shall
 * not need all. Under the lock. */
static void take_more(struct loader_pool *pool, struct hand *hand)
{
    hand->together = pool->base && pool->num_together < TOGETHER_THREADS && is_raw(hand->jobs[0]);
    pool->num_together += hand->together;
    while (hand->together && hand->num < KEY_SOURCES_RAW_MAX && pool->next < pool->num_jobs &&
           is_raw(pool->jobs[pool->next]))
        hand->jobs[hand->num++] = pool->jobs[pool->next++];
}

/* False when the pool stops. */
static bool take_jobs(struct loader_pool *pool, struct hand *hand)
{
    struct loader_job *job = NULL;
    (void)pthread_mutex_lock(&pool->lock);
    while (!pool->stopping && !(job = next_job(pool, &pool->next, false)))
        (void)pthread_cond_wait(&pool->added, &pool->lock);
    *hand = (struct hand){.jobs = {job}, .num = job ? 1 : 0};
    if (job)
        take_more(pool, hand);
    (void)pthread_mutex_unlock(&pool->lock);
    return job;
}

struct loader_job *loader_pool_take_remote(struct loader_pool *pool, bool wait)
{
    struct loader_job *job = NULL;
    (void)pthread_mutex_lock(&pool->lock);
    while (!pool->no_more_remote && !(job = next_job(pool, &pool->next_remote, true)) && wait)
        (void)pthread_cond_wait(&pool->added, &pool->lock);
    (void)pthread_mutex_unlock(&pool->lock);
    return job;
}

void loader_pool_stop_remote(struct loader_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    pool->no_more_remote = true;
    (void)pthread_cond_broadcast(&pool->added);
    (void)pthread_mutex_unlock(&pool->lock);
}

bool loader_pool_remote_stopped(struct loader_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    bool stopped = pool->no_more_remote;
    (void)pthread_mutex_unlock(&pool->lock);
    return stopped;
}

void loader_pool_finish(struct loader_pool *pool, struct loader_job *job)
{
    (void)pthread_mutex_lock(&pool->lock);
    job->done = true;
    (void)pthread_cond_broadcast(&pool->finished);
    (void)pthread_mutex_unlock(&pool->lock);
}

static must_check result open_together(const struct hand *hand, const struct bls_fixed_base *base)
{
    const struct key_source *sources[KEY_SOURCES_RAW_MAX];
    struct keystore keys[KEY_SOURCES_RAW_MAX];
    for (size_t i = 0; i < hand->num; i++)
        sources[i] = hand->jobs[i]->source;
    TRY(key_sources_open_raw(keys, sources, hand->num, base));
    for (size_t i = 0; i < hand->num; i++)
        hand->jobs[i]->key = keys[i];
    return RESULT_OK;
}

/* One that is no key, and what is wrong with it, is found when each is opened by itself. */
static void work_all(const struct loader_pool *pool, const struct hand *hand)
{
    if (hand->together && hand->num > 1 && !open_together(hand, pool->base).code)
        return;
    for (size_t i = 0; i < hand->num; i++)
        work(hand->jobs[i], pool->recipient_key);
}

static void put_down(struct loader_pool *pool, const struct hand *hand)
{
    (void)pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < hand->num; i++)
        hand->jobs[i]->done = true;
    pool->num_together -= hand->together;
    (void)pthread_cond_broadcast(&pool->finished);
    (void)pthread_mutex_unlock(&pool->lock);
}

static void *worker(void *argument)
{
    struct loader_pool *pool = argument;
    struct hand hand;
    while (take_jobs(pool, &hand)) {
        work_all(pool, &hand);
        put_down(pool, &hand);
    }
    return NULL;
}

static void job_cleanup(struct loader_job *job)
{
    buffer_cleanup(&job->envelope);
    keystore_cleanup(&job->key);
    loader_tls_cleanup(&job->tls);
    secret_cleanup(&job->store_key);
    loader_sealed_free(job->sealed);
    buffer_cleanup(&job->keystore);
    secret_cleanup(&job->password);
}

void loader_pool_cleanup(struct loader_pool *pool)
{
    if (!pool->open)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    (void)pthread_cond_broadcast(&pool->added);
    (void)pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->num_threads; i++)
        (void)pthread_join(pool->threads[i], NULL);
    for (size_t i = 0; i < pool->num_jobs; i++) {
        job_cleanup(pool->jobs[i]);
        free(pool->jobs[i]);
    }
    free(pool->jobs);
    bls_fixed_base_free(pool->base);
    (void)pthread_cond_destroy(&pool->finished);
    (void)pthread_cond_destroy(&pool->added);
    (void)pthread_mutex_destroy(&pool->lock);
    *pool = (struct loader_pool){0};
}

result loader_pool_open(struct loader_pool *pool, EVP_PKEY *recipient_key, size_t num_threads)
{
    *pool = (struct loader_pool){.recipient_key = recipient_key};
    ENSURE(pthread_mutex_init(&pool->lock, NULL) == 0 && pthread_cond_init(&pool->added, NULL) == 0 &&
               pthread_cond_init(&pool->finished, NULL) == 0,
           E_MEMORY, "cannot make a lock");
    pool->open = true;
    while (pool->num_threads < num_threads && pool->num_threads < LOADER_THREADS_MAX) {
        int failed = pthread_create(&pool->threads[pool->num_threads], NULL, worker, pool);
        ENSURE(!failed, E_IO, "cannot start a thread: %s", strerror(failed));
        pool->num_threads++;
    }
    return RESULT_OK;
}

result loader_pool_expect_many(struct loader_pool *pool)
{
    struct bls_fixed_base *base;
    TRY(bls_fixed_base_new(&base));
    (void)pthread_mutex_lock(&pool->lock);
    pool->base = base;
    (void)pthread_mutex_unlock(&pool->lock);
    return RESULT_OK;
}

static must_check result append(struct loader_pool *pool, struct loader_job *job)
{
    ENSURE(pool->num_jobs < LOADER_JOBS_MAX, E_TOO_LARGE, "more than %d keys in one load", LOADER_JOBS_MAX);
    if (pool->num_jobs == pool->capacity) {
        size_t capacity = pool->capacity ? 2 * pool->capacity : 64;
        struct loader_job **jobs = realloc(pool->jobs, capacity * sizeof(struct loader_job *));
        ENSURE(jobs, E_MEMORY, "out of memory for jobs");
        pool->jobs = jobs;
        pool->capacity = capacity;
    }
    pool->jobs[pool->num_jobs++] = job;
    return RESULT_OK;
}

result loader_pool_add(struct loader_pool *pool, struct loader_job *job)
{
    struct loader_job *own = malloc(sizeof *own);
    if (!own) {
        job_cleanup(job);
        FAIL(E_MEMORY, "out of memory for a job");
    }
    *own = *job;
    own->done = own->kind == LOADER_JOB_OPENED;
    *job = (struct loader_job){0};
    (void)pthread_mutex_lock(&pool->lock);
    result r = append(pool, own);
    (void)pthread_cond_broadcast(&pool->added); /* waited for by threads of two sorts */
    (void)pthread_mutex_unlock(&pool->lock);
    if (r.code) {
        job_cleanup(own);
        free(own);
    }
    return r;
}

struct loader_job *loader_pool_wait(struct loader_pool *pool, size_t number)
{
    (void)pthread_mutex_lock(&pool->lock);
    struct loader_job *job = pool->jobs[number];
    while (!job->done)
        (void)pthread_cond_wait(&pool->finished, &pool->lock);
    (void)pthread_mutex_unlock(&pool->lock);
    return job;
}
