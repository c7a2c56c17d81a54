/* bls_split.h - a scalar as four of a quarter of its length, for the endomorphism psi of G2: psi(P) = z * P,
 * z being the curve's parameter -0xd201000000010000. So n * P is the sum of part * psi^i(P), and the
 * multiples of one point serve all four. Without a branch or an address that depends on the scalar.
 */
#ifndef BLS_BLS_SPLIT_H
#define BLS_BLS_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "bls/bls_recode.h"

enum { BLS_SPLIT_PARTS = 4, BLS_SPLIT_PART_BITS = 64 };

/* Each part is odd and below |z|; modulo r the scalar is the sum of (negated ? -part : part) * z^i. */
struct bls_split {
    uint64_t parts[BLS_SPLIT_PARTS];
    uint64_t negated[BLS_SPLIT_PARTS]; /* all ones or 0 */
};

/* 32 big-endian bytes, which the caller has checked: 0 < scalar < r. */
void bls_split(struct bls_split *ret_split, const uint8_t scalar[static 32]);

/* How many digits of so many bits (4 to 6) a part has. */
static inline size_t bls_split_num_digits(unsigned bits)
{
    return (BLS_SPLIT_PART_BITS + bits - 1) / bits;
}

/* Digit number index of a part, from the lowest, its sign included: the sum of digit * 2^(bits * index) is
 * the part. Each digit is odd: multiple 2 * choice + 1, choice below 2^(bits - 1). */
struct bls_digit bls_split_digit(const struct bls_split *split, size_t part, unsigned bits, size_t index);

#endif
