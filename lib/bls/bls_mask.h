/* bls_mask.h - choices without branches: a mask is all ones (yes) or 0 (no). */
#ifndef BLS_BLS_MASK_H
#define BLS_BLS_MASK_H

#include <stdint.h>

/* The compiler is not to know that it is one of the two, lest it make a branch of it. */
static inline uint64_t bls_mask_hide(uint64_t mask)
{
    __asm__("" : "+r"(mask));
    return mask;
}

/* bit is 0 or 1. */
static inline uint64_t bls_mask_if(uint64_t bit)
{
    return bls_mask_hide(0 - bit);
}

static inline uint64_t bls_mask_if_zero(uint64_t value)
{
    return bls_mask_if((~value & (value - 1)) >> 63);
}

static inline uint64_t bls_mask_if_below(uint64_t a, uint64_t b)
{
    return bls_mask_if(((~a & b) | ((~a | b) & (a - b))) >> 63);
}

#endif
