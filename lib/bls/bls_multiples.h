/* bls_multiples.h - one point of G2 times many secrets: a table of the point's odd multiples, and the sums.
 */
#ifndef BLS_BLS_MULTIPLES_H
#define BLS_BLS_MULTIPLES_H

#include "bls/bls_g2.h"
#include "bls/bls_split.h"

enum {
    BLS_MULTIPLES_ROWS_MAX = 16, /* digits of 4 bits; of 6 there are 11 */
    BLS_MULTIPLES_ENTRIES_MAX = 11 * 32,
    BLS_MULTIPLES_TOGETHER = 32 /* secrets */
};

/* For each digit i the odd multiples of 2^(bits * i) * point. It is no secret. */
struct bls_multiples {
    unsigned bits; /* 0: not made yet */
    blst_p2_affine entries[BLS_MULTIPLES_ENTRIES_MAX];
};

/* What is worked with. It tells of the secrets: it lives in the secure heap, and its user wipes it. */
struct bls_multiples_work {
    struct bls_split splits[BLS_MULTIPLES_TOGETHER];
    struct bls_g2_lane lanes[BLS_MULTIPLES_TOGETHER * BLS_SPLIT_PARTS];
};

/* Of a point of the group G2, with digits of 4 to 6 bits. E_INTERNAL if that is infinity. */
must_check result bls_multiples_make(struct bls_multiples *ret_multiples, struct bls_multiples_work *work,
                                     const blst_p2 *point, unsigned bits);

/* secrets[i] * point becomes work->lanes[i].sum. Every secret has been checked; num is 1 to
 * BLS_MULTIPLES_TOGETHER. */
must_check result bls_multiples_take(struct bls_multiples_work *work, const struct bls_multiples *multiples,
                                     const uint8_t *const *secrets, size_t num);

#endif
