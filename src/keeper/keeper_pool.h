/* keeper_pool.h - several threads that sign, by fork and join: none of them holds a secret between two calls.
 *
 * The thread that opens the pool is one of them, and the only one that calls these functions. The others
 * sleep until there is work, with every signal blocked; they read what a job points to, write its signatures,
 * or public keys, and its outcome, and touch nothing else of the keeper's.
 */
#ifndef KEEPER_KEEPER_POOL_H
#define KEEPER_KEEPER_POOL_H

#include "bls/bls.h"

enum {
    KEEPER_THREADS_MAX = BLS_THREADS_MAX,
    KEEPER_JOBS_MAX = KEEPER_THREADS_MAX * BLS_BATCH_MAX, /* at once */
    KEEPER_AHEAD_MAX = 64,                                /* messages that wait to be hashed ahead */
    KEEPER_WHY_LEN = 128
};

/* Signatures of one message. */
struct keeper_job {
    uint8_t message[BLS_MESSAGE_LEN];
    const uint8_t *const *secrets; /* 1 to BLS_BATCH_MAX */
    uint8_t *signatures;           /* that many times 96 bytes; zeroed when it fails */
    size_t num;
    size_t num_alike; /* of this message, in all jobs: what its table is made for */
    result outcome;
    char why[KEEPER_WHY_LEN]; /* it failed */
    void *owner;              /* the caller's */
    /* With a base: not signatures, but the secrets' public keys. */
    const struct bls_fixed_base *base;
    uint8_t *pubkeys;
};

struct keeper_pool;

/* The processors this process may run on, at most KEEPER_THREADS_MAX and one for each MiB of a secure heap of
 * that size: a heap that is as large as may be locked is there for keys. */
uint32_t keeper_pool_default_threads(size_t heap_size);
/* Makes num_threads - 1 threads, each of which confines itself first (NULL: does not). Before the sandbox is
 * entered; the secure heap is open. */
must_check result keeper_pool_new(struct keeper_pool **ret_pool, size_t num_threads, result (*confine)(void));
/* Ends the threads, whatever they do ahead first. NULL is fine. */
void keeper_pool_free(struct keeper_pool *pool);
size_t keeper_pool_num_threads(const struct keeper_pool *pool);

/* How many of num signatures of a message one job should have, when no other message is to be signed. */
size_t keeper_pool_share(const struct keeper_pool *pool, size_t num);

/* Does the jobs, at most KEEPER_JOBS_MAX. done is called once for each, in this thread, as soon as it has
 * been done; all are done on return, and no thread knows of their secrets any more. */
void keeper_pool_sign(struct keeper_pool *pool, struct keeper_job *jobs, size_t num,
                      void done(void *context, struct keeper_job *job), void *context);

/* The public keys of at most KEEPER_PUBLIC_KEYS_MAX secrets, num times 48 bytes. As
 * bls_fixed_base_public_keys; a pool of NULL is this thread alone. */
enum { KEEPER_PUBLIC_KEYS_MAX = 512 };
must_check result keeper_pool_public_keys(struct keeper_pool *pool, const struct bls_fixed_base *base,
                                          uint8_t *ret_pubkeys, const uint8_t *const *secrets, size_t num);

/* Has another thread do what can be done of num signatures of a message without a secret, when it has nothing
 * better to do. Never waits. Nothing happens for a message that is known, without other threads, and when too
 * many wait already. */
void keeper_pool_hash_ahead(struct keeper_pool *pool, const uint8_t message[static BLS_MESSAGE_LEN],
                            size_t num);

#endif
