/* ctime_fixed_base.c - run under valgrind: a branch or an address that depends on a secret key is an error
 * there. ctime.supp names the branches that may: each is on what is public by then, or never otherwise. */
#include <stdio.h>
#include <valgrind/memcheck.h>

#include "bls/bls.h"

enum { NUM = 130 };

int main(void)
{
    static uint8_t secrets[NUM][BLS_SECRET_LEN], pubkeys[NUM][BLS_PUBKEY_LEN];
    const uint8_t *list[NUM];
    struct bls_fixed_base *base = NULL;
    for (size_t i = 0; i < NUM; i++) {
        for (size_t j = 1; j < BLS_SECRET_LEN; j++)
            secrets[i][j] = (uint8_t)(i * 37 + j * j * 11 + 1);
        list[i] = secrets[i];
    }
    result r = secret_heap_open(1 << 20);
    if (!r.code)
        r = bls_fixed_base_new(&base);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(secrets, sizeof secrets);
    if (!r.code)
        r = bls_fixed_base_public_keys(base, pubkeys[0], list, NUM);
    (void)VALGRIND_MAKE_MEM_DEFINED(pubkeys, sizeof pubkeys);
    (void)printf("%d %02x\n", r.code, pubkeys[NUM - 1][0]);
    bls_fixed_base_free(base);
    return r.code != 0;
}
