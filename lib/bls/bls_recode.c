/* bls_recode.c - regular recoding (M. Joye, M. Tunstall, "Exponent recoding and regular exponentiation
 * algorithms", 2009): every digit is odd, none is zero, so every scalar takes the same additions.
 *
 * For an odd number n the digit at place i is 2v + 1 - 32, v being the five bits of n from 5i + 1 on; the
 * last one keeps its sign, n / 2^250 with the lowest bit set. What is even becomes r minus it, which is odd.
 */
#include "bls/bls_recode.h"

#include "base/secret.h"
#include "bls/bls_mask.h"

enum { WORDS = 4, WORD_BITS = 64, TOP_SHIFT = BLS_RECODE_BITS * (BLS_RECODE_DIGITS - 1) };

static const uint64_t group_order[WORDS] = {0xffffffff00000001, 0x53bda402fffe5bfe, 0x3339d80809a1d805,
                                            0x73eda753299d7d48};

static void load(uint64_t words[static WORDS], const uint8_t scalar[static 32])
{
    for (size_t i = 0; i < WORDS; i++) {
        words[i] = 0;
        for (size_t j = 0; j < 8; j++)
            words[i] = words[i] << 8 | scalar[(WORDS - 1 - i) * 8 + j];
    }
}

void bls_recode(struct bls_recoded *ret_recoded, const uint8_t scalar[static 32])
{
    uint64_t plain[WORDS], borrow = 0;
    load(plain, scalar);
    uint64_t even = bls_mask_if(~plain[0] & 1);
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t difference = group_order[i] - plain[i];
        uint64_t below = (uint64_t)(group_order[i] < plain[i]) | (uint64_t)(difference < borrow);
        ret_recoded->words[i] = (plain[i] & ~even) | ((difference - borrow) & even);
        borrow = below;
    }
    ret_recoded->negated = even;
    secret_wipe(plain, sizeof plain);
}

/* Some bits from place at on; places behind the last are zero. at is no secret. */
static uint64_t bits_at(const struct bls_recoded *recoded, size_t at)
{
    size_t word = at / WORD_BITS, shift = at % WORD_BITS;
    uint64_t value = recoded->words[word] >> shift;
    if (shift > WORD_BITS - BLS_RECODE_BITS && word + 1 < WORDS)
        value |= recoded->words[word + 1] << (WORD_BITS - shift);
    return value & ((1 << BLS_RECODE_BITS) - 1);
}

struct bls_digit bls_recode_digit(const struct bls_recoded *recoded, size_t index)
{
    if (index == BLS_RECODE_DIGITS - 1)
        return (struct bls_digit){.choice = bits_at(recoded, TOP_SHIFT) >> 1};
    uint64_t v = bits_at(recoded, BLS_RECODE_BITS * index + 1);
    /* 2v + 1 - 32 is negative below 16; its size is then 31 - 2v, choice 15 - v, else choice v - 16. */
    uint64_t negated = bls_mask_if(v >> (BLS_RECODE_BITS - 1) ^ 1);
    uint64_t choice = (v ^ negated) & (BLS_RECODE_CHOICES - 1);
    return (struct bls_digit){.choice = choice, .negated = negated};
}

/* Every processor we are built for has registers of this size. */
typedef uint64_t vector __attribute__((vector_size(16), aligned(8), may_alias));
_Static_assert(BLS_RECODE_CHUNK_WORDS * sizeof(uint64_t) == 6 * sizeof(vector), "the vectors of a chunk");

static void select_chunk(uint64_t *ret_chunk, const uint64_t *entries, size_t entry_words,
                         struct bls_choice choice)
{
    vector *chunk = (vector *)ret_chunk;
    vector a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, f = {0}; /* an array would not be in registers */
    for (uint64_t at = 0; at < choice.of; at++) {
        const vector *entry = (const vector *)(entries + at * entry_words);
        uint64_t is_it = bls_mask_if_zero(at ^ choice.number);
        vector mask = {is_it, is_it};
        a |= entry[0] & mask;
        b |= entry[1] & mask;
        c |= entry[2] & mask;
        d |= entry[3] & mask;
        e |= entry[4] & mask;
        f |= entry[5] & mask;
    }
    chunk[0] = a;
    chunk[1] = b;
    chunk[2] = c;
    chunk[3] = d;
    chunk[4] = e;
    chunk[5] = f;
}

void bls_recode_select(uint64_t *ret_entry, const uint64_t *entries, size_t entry_words,
                       struct bls_choice choice)
{
    for (size_t at = 0; at < entry_words; at += BLS_RECODE_CHUNK_WORDS)
        select_chunk(ret_entry + at, entries + at, entry_words, choice);
}
