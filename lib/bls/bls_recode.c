/* bls_recode.c - regular recoding (M. Joye, M. Tunstall, "Exponent recoding and regular exponentiation
 * algorithms", 2009): every digit is odd, none is zero, so every scalar takes the same additions.
 *
 * For an odd number n the digit at place i is 2v + 1 - 32, v being the five bits of n from 5i + 1 on; the
 * last one keeps its sign, n / 2^250 with the lowest bit set. What is even becomes r minus it, which is odd.
 */
#include "bls/bls_recode.h"

#include "base/secret.h"

enum { WORDS = 4, WORD_BITS = 64, TOP_SHIFT = BLS_RECODE_BITS * (BLS_RECODE_DIGITS - 1) };

static const uint64_t group_order[WORDS] = {0xffffffff00000001, 0x53bda402fffe5bfe, 0x3339d80809a1d805,
                                            0x73eda753299d7d48};

/* The compiler is not to know that a mask is all ones or none, lest it make a branch of it. */
static uint64_t hide(uint64_t mask)
{
    __asm__("" : "+r"(mask));
    return mask;
}

static uint64_t mask_if(uint64_t bit)
{
    return hide(0 - bit);
}

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
    uint64_t even = mask_if(~plain[0] & 1);
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
    uint64_t negated = mask_if(v >> (BLS_RECODE_BITS - 1) ^ 1);
    uint64_t choice = (v ^ negated) & (BLS_RECODE_CHOICES - 1);
    return (struct bls_digit){.choice = choice, .negated = negated};
}

void bls_recode_select(uint64_t *ret_entry, const uint64_t *entries, size_t entry_words, uint64_t choice)
{
    for (size_t i = 0; i < entry_words; i++)
        ret_entry[i] = 0;
    for (uint64_t at = 0; at < BLS_RECODE_CHOICES; at++) {
        uint64_t difference = at ^ choice;
        uint64_t same = mask_if(((difference - 1) & ~difference) >> (WORD_BITS - 1));
        for (size_t i = 0; i < entry_words; i++)
            ret_entry[i] |= entries[at * entry_words + i] & same;
    }
}
