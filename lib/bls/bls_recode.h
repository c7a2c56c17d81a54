/* bls_recode.h - a scalar as signed odd digits, and a digit's multiple out of a table, both without a branch
 * or an address that depends on the scalar; for the files of this room that multiply one point by many
 * secrets.
 */
#ifndef BLS_BLS_RECODE_H
#define BLS_BLS_RECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

enum {
    BLS_RECODE_BITS = 5,
    BLS_RECODE_DIGITS = 51,     /* 51 x 5 bits: the 255 of the group order */
    BLS_RECODE_CHOICES = 16,    /* 1, 3, ... 31 */
    BLS_RECODE_CHUNK_WORDS = 12 /* of an entry: what fits the registers while all entries are read */
};

/* An odd number of 1..r-1, little-endian words: the scalar itself or, if that is even, r minus it. */
struct bls_recoded {
    uint64_t words[4];
    uint64_t negated; /* all ones if it is r minus the scalar, else 0 */
};

struct bls_digit {
    uint64_t choice;  /* 0..15: the multiple 2 * choice + 1 */
    uint64_t negated; /* all ones or 0 */
};

/* 32 big-endian bytes, which the caller has checked: 0 < scalar < r. */
void bls_recode(struct bls_recoded *ret_recoded, const uint8_t scalar[static 32]);

/* Digit number index, from the lowest; sum of digit x 32^index is the recoded number. The last is positive.
 */
struct bls_digit bls_recode_digit(const struct bls_recoded *recoded, size_t index);

struct bls_choice {
    uint64_t number; /* secret */
    uint64_t of;     /* how many entries there are */
};

/* Copies an entry, each of them entry_words long (a multiple of BLS_RECODE_CHUNK_WORDS); reads all. */
void bls_recode_select(uint64_t *ret_entry, const uint64_t *entries, size_t entry_words,
                       struct bls_choice choice);

#endif
