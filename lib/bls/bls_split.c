/* bls_split.c - base |z| and signed odd parts.
 *
 * u = |z| = 0xd201000000010000 is even, and r = u^4 - u^2 + 1, so an odd n below r (bls_recode: the scalar or
 * r minus it) has four digits a0, ... a3 in base u, and a0 is odd. Every even one of a1, a2, a3 becomes odd
 * by adding 1, which the one below it makes good by losing u: that one stays odd, now between -u and 0. So no
 * part is zero, each is below u in size, the last is positive, and the sum of parts * u^i is n exactly, not
 * only modulo r. The signs of z's odd powers are the parts' in the end, and so is that of r minus the scalar.
 *
 * Divisions by u are two words by one after N. Moeller and T. Granlund, "Improved division by invariant
 * integers" (2011), the correction by a mask: the processor's own division takes a time that depends on the
 * operands. The second correction that they have is never due for this divisor: before the first one the rest
 * is less than 2^64 - u + k * u / 2^64, k being 2^128 - (2^64 + reciprocal) * u, and that is 0.39 u.
 * Rejected: rounding to the closest vector of the lattice, which gives no shorter parts here. */
#include "bls/bls_split.h"

#include "base/secret.h"
#include "bls/bls_mask.h"

__extension__ typedef unsigned __int128 uint128;

static const uint64_t base = 0xd201000000010000;
static const uint64_t reciprocal = 0x381204ca56cd56b5; /* floor((2^128 - 1) / base) - 2^64 */

/* The quotient of *remainder * 2^64 + low; *remainder is less than base, before and after. */
static uint64_t divide(uint64_t *remainder, uint64_t low)
{
    uint128 estimate = (uint128)reciprocal * *remainder + ((uint128)*remainder << 64 | low);
    uint64_t quotient = (uint64_t)(estimate >> 64) + 1;
    uint64_t rest = low - quotient * base;
    uint64_t too_large = bls_mask_if_below((uint64_t)estimate, rest);
    quotient += too_large; /* a mask added is 1 less */
    rest += base & too_large;
    *remainder = rest;
    return quotient;
}

/* From the lowest part up: the one above still is as the division left it. */
static void make_odd(struct bls_split *split, size_t index, uint64_t negated)
{
    uint64_t odd = split->parts[index] | 1, borrowed = 0;
    if (index + 1 < BLS_SPLIT_PARTS)
        borrowed = bls_mask_if(~split->parts[index + 1] & 1);
    split->parts[index] = (odd & ~borrowed) | ((base - odd) & borrowed);
    split->negated[index] =
        negated ^ borrowed ^ (0 - (uint64_t)(index & 1)); /* odd powers of z are negative */
}

void bls_split(struct bls_split *ret_split, const uint8_t scalar[static 32])
{
    enum { LAST = BLS_SPLIT_PARTS - 1 };
    struct bls_recoded number;
    bls_recode(&number, scalar);
    for (size_t i = 0; i < LAST; i++) {
        uint64_t remainder = number.words[LAST - i]; /* less than base: the quotient is a word shorter */
        for (size_t at = LAST - i; at-- > 0;)
            number.words[at] = divide(&remainder, number.words[at]);
        ret_split->parts[i] = remainder;
    }
    ret_split->parts[LAST] = number.words[0];
    for (size_t i = 0; i < BLS_SPLIT_PARTS; i++)
        make_odd(ret_split, i, number.negated);
    secret_wipe(&number, sizeof number);
}

struct bls_digit bls_split_digit(const struct bls_split *split, size_t part, unsigned bits, size_t index)
{
    uint64_t value = split->parts[part], negated = split->negated[part];
    if (index + 1 == bls_split_num_digits(bits))
        return (struct bls_digit){.choice = value >> (bits * index + 1), .negated = negated};
    uint64_t v = value >> (bits * index + 1) & ((UINT64_C(1) << bits) - 1);
    /* 2v + 1 - 2^bits, as in bls_recode.c. */
    uint64_t below = bls_mask_if(v >> (bits - 1) ^ 1);
    uint64_t choice = (v ^ below) & ((UINT64_C(1) << (bits - 1)) - 1);
    return (struct bls_digit){.choice = choice, .negated = negated ^ below};
}
