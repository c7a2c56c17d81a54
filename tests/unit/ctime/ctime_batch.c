/* ctime_batch.c - run under valgrind: a branch or an address that depends on a secret key is an error there.
 * ctime.supp names the branches that may: each is on what is public by then, or never otherwise. */
#include <pthread.h>
#include <stdio.h>
#include <valgrind/memcheck.h>

#include "bls/bls.h"

enum { THREADS = 2 };

static uint8_t secrets[BLS_BATCH_MAX][BLS_SECRET_LEN];

struct signer {
    struct bls_batch *batch;
    pthread_t thread;
    result outcome;
    uint8_t signatures[BLS_BATCH_MAX][BLS_SIGNATURE_LEN];
};

/* Without a table, with one of digits of 5 bits, and then of 6. */
static void *sign(void *argument)
{
    static const uint8_t message[BLS_MESSAGE_LEN] = {1};
    static const size_t sizes[] = {1, 3, BLS_BATCH_MAX, BLS_BATCH_MAX, BLS_BATCH_MAX, BLS_BATCH_MAX};
    struct signer *s = argument;
    const uint8_t *list[BLS_BATCH_MAX];
    for (size_t i = 0; i < BLS_BATCH_MAX; i++)
        list[i] = secrets[i];
    for (size_t i = 0; i < ARRAY_LENGTH(sizes) && !s->outcome.code; i++)
        s->outcome = bls_batch_sign(s->batch, s->signatures[0], list, sizes[i], message);
    return NULL;
}

int main(void)
{
    static struct signer signers[THREADS];
    struct bls_messages *messages = NULL;
    for (size_t i = 0; i < BLS_BATCH_MAX; i++)
        for (size_t j = 1; j < BLS_SECRET_LEN; j++)
            secrets[i][j] = (uint8_t)(i * 37 + j * j * 11 + 1);
    result r = secret_heap_open(1 << 20);
    if (!r.code)
        r = bls_messages_new(&messages);
    for (size_t i = 0; i < THREADS && !r.code; i++)
        r = bls_batch_new(&signers[i].batch, messages);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(secrets, sizeof secrets);
    size_t num = 0;
    while (num < THREADS && !r.code && pthread_create(&signers[num].thread, NULL, sign, &signers[num]) == 0)
        num++;
    for (size_t i = 0; i < num; i++) {
        (void)pthread_join(signers[i].thread, NULL);
        (void)VALGRIND_MAKE_MEM_DEFINED(signers[i].signatures, sizeof signers[i].signatures);
        (void)printf("%d %02x\n", signers[i].outcome.code, signers[i].signatures[BLS_BATCH_MAX - 1][0]);
        r = signers[i].outcome.code ? signers[i].outcome : r;
    }
    for (size_t i = 0; i < THREADS; i++)
        bls_batch_free(signers[i].batch);
    bls_messages_free(messages);
    return r.code != 0 || num != THREADS;
}
