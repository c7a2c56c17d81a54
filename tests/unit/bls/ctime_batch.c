/* ctime_batch.c - run under valgrind: a branch or an address that depends on a secret key is an error there.
 * ctime.supp names the branches that may: each is on what is public by then, or never otherwise. */
#include <stdio.h>
#include <valgrind/memcheck.h>

#include "bls/bls.h"

/* With a table of digits of 5 bits, and then of 6. */
int main(void)
{
    static const uint8_t message[BLS_MESSAGE_LEN] = {1};
    static uint8_t secrets[BLS_BATCH_MAX][BLS_SECRET_LEN], signatures[BLS_BATCH_MAX][BLS_SIGNATURE_LEN];
    const uint8_t *list[BLS_BATCH_MAX];
    struct bls_batch *batch = NULL;
    for (size_t i = 0; i < BLS_BATCH_MAX; i++) {
        for (size_t j = 1; j < BLS_SECRET_LEN; j++)
            secrets[i][j] = (uint8_t)(i * 37 + j * j * 11 + 1);
        list[i] = secrets[i];
    }
    result r = secret_heap_open(1 << 20);
    if (!r.code)
        r = bls_batch_new(&batch);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(secrets, sizeof secrets);
    for (size_t i = 0; i < 6 && !r.code; i++)
        r = bls_batch_sign(batch, signatures[0], list, i == 0 ? 3 : BLS_BATCH_MAX, message);
    (void)VALGRIND_MAKE_MEM_DEFINED(signatures, sizeof signatures);
    (void)printf("%d %02x\n", r.code, signatures[BLS_BATCH_MAX - 1][0]);
    bls_batch_free(batch);
    return r.code != 0;
}
