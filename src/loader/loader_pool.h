/* loader_pool.h - jobs worked on by a fixed number of threads, handed back in the order in which
 * they were added: so that of two equal keys it is always the first that counts. At most
 * num_threads key derivations run at once, which bounds the memory they take. Raw keys that stand one behind
 * the other are opened together: their public keys are most of the work, and cheaper in numbers. */
#ifndef LOADER_POOL_H
#define LOADER_POOL_H

#include <openssl/evp.h>
#include <pthread.h>

#include "base/buffer.h"
#include "ipc/ipc.h"
#include "keystore/key_sources.h"
#include "keystore/keystore.h"
#include "loader_tls.h"

enum { LOADER_JOBS_MAX = KEY_SOURCES_MAX, LOADER_THREADS_MAX = 64, LOADER_TEXT_MAX = 255 };

struct loader_proxy_file;
struct loader_sealed;

enum loader_job_kind {
    LOADER_JOB_KEY_RECORD,
    LOADER_JOB_TLS_RECORD,
    LOADER_JOB_STORE_KEY_RECORD,
    LOADER_JOB_SEALED, /* many keys, as they came in one message */
    LOADER_JOB_SOURCE,
    LOADER_JOB_KEYSTORE,
    LOADER_JOB_PROXY,
    LOADER_JOB_OPENED /* done when it is added */
};

struct loader_job {
    uint32_t index; /* of the record or item, as reported */
    enum loader_job_kind kind;
    struct buffer envelope;          /* records */
    const struct key_source *source; /* LOADER_JOB_SOURCE; borrowed */
    enum ipc_source counted_as;      /* LOADER_JOB_SOURCE, LOADER_JOB_OPENED */
    bool remote;                     /* no work of the pool's threads: loader_pool_take_remote */
    struct buffer keystore;          /* LOADER_JOB_KEYSTORE: kept until the pool ends, as the password is */
    struct secret password;
    const struct loader_proxy_file *proxy; /* LOADER_JOB_PROXY; borrowed, as its password */
    const struct secret *proxy_password;
    bool has_wanted_pubkey;
    uint8_t wanted_pubkey[BLS_PUBKEY_LEN]; /* whose key it was handed in as, or zero */

    /* The outcome. error is a code of result.h; text says why when it is not E_NONE. */
    int error;
    char text[LOADER_TEXT_MAX + 1];
    struct keystore key;
    struct loader_tls tls;
    struct secret store_key;
    struct loader_sealed *sealed; /* LOADER_JOB_SEALED; error is of all of them */
    bool done;                    /* under the pool's lock */
};

struct loader_pool {
    pthread_mutex_t lock;
    pthread_cond_t added, finished;
    struct loader_job **jobs;
    size_t num_jobs, capacity;
    size_t next, next_remote; /* to be looked at by the pool's threads, and by who takes remote ones */
    pthread_t threads[LOADER_THREADS_MAX];
    size_t num_threads;
    EVP_PKEY *recipient_key;     /* borrowed; NULL in files mode */
    struct bls_fixed_base *base; /* of raw keys that are opened together, or NULL */
    size_t num_together;         /* threads that open some together */
    bool open, stopping, no_more_remote;
};
void loader_pool_cleanup(struct loader_pool *pool);

must_check result loader_pool_open(struct loader_pool *pool, EVP_PKEY *recipient_key, size_t num_threads);

/* Raw keys will come in numbers, and may be opened many at once. */
must_check result loader_pool_expect_many(struct loader_pool *pool);

/* Takes over what the job owns, also when it fails. E_TOO_LARGE over LOADER_JOBS_MAX. */
must_check result loader_pool_add(struct loader_pool *pool, struct loader_job *job);

/* The next remote job; NULL when there is none, or, if it is to wait for one, when there will be none.
 * Whoever takes one finishes it. */
struct loader_job *loader_pool_take_remote(struct loader_pool *pool, bool wait);
void loader_pool_finish(struct loader_pool *pool, struct loader_job *job);
/* No remote job is to be taken any more: wakes who waits for one. */
void loader_pool_stop_remote(struct loader_pool *pool);
bool loader_pool_remote_stopped(struct loader_pool *pool);

/* The job of that number once it is done; it stays the pool's. */
struct loader_job *loader_pool_wait(struct loader_pool *pool, size_t number);

#endif
