/* bls_single.c - 4 parts of the secret (bls_split), 13 signed odd digits of 5 bits each, and 16 odd multiples
 * of the point. The 4 digits of a row become one point, all rows at once, in affine additions that share an
 * inversion; the rows are put together by 5 doublings and one addition each. That is a third less than blst's
 * multiplication takes, whose additions are of one point after another, and so in projective coordinates.
 *
 * Every digit is odd, so all secrets take the same steps; an entry is chosen by reading all. Affine additions
 * are incomplete, which is right because of this (u being |z|, r the order, near u^4):
 *  - the multiples: an odd number below 2^k is not 2^k;
 *  - of a row's digits, odd and below 32 in size, the first pair is a + b * z, |a| < u <= |b * z|, and
 *    |a| + |b * z| < 32 + 32u < r: the two are neither equal nor opposite modulo r. So for the second pair;
 *  - A + B * z^2 of both pairs: |A| < 32 + 32u < u^2, |B| >= u - 31, so |A| < |B * z^2|, and the sum of both
 * is below (32 + 32u) * (1 + u^2) < r. Between rows blst's addition is complete.
 *
 * Rejected: digits of 4 bits, which are as fast; tables of all four psi^i, for which 13 rows are too few;
 * affine doublings and additions of several messages' rows in common, since orders of one turn and thread are
 * few and the inversions are an eighth of the time. */
#include "bls/bls_single.h"

enum { ENTRIES = 1 << (BLS_SINGLE_BITS - 1), ENTRY_WORDS = sizeof(blst_p2_affine) / sizeof(uint64_t) };

_Static_assert((int)BLS_SINGLE_ROWS == (BLS_SPLIT_PART_BITS + BLS_SINGLE_BITS - 1) / BLS_SINGLE_BITS,
               "a row for each digit");
_Static_assert((int)BLS_SINGLE_LANES <= BLS_MULTIPLES_TOGETHER * BLS_SPLIT_PARTS, "lanes to work in");

/* 1, 3, ... 31 times the point: those there are, and 2, 4, 8, 16 more. */
static must_check result make_entries(blst_p2_affine ret_entries[static ENTRIES], struct bls_g2_lane *lanes,
                                      const blst_p2 *point)
{
    blst_p2 powers[BLS_SINGLE_BITS];
    blst_p2_affine affine[BLS_SINGLE_BITS];
    powers[0] = *point;
    for (size_t i = 1; i < BLS_SINGLE_BITS; i++)
        blst_p2_double(&powers[i], &powers[i - 1]);
    const blst_p2 *const one_array[] = {powers, NULL};
    blst_p2s_to_affine(affine, one_array, BLS_SINGLE_BITS);
    ret_entries[0] = affine[0];
    for (size_t num = 1, i = 1; num < ENTRIES; num *= 2, i++) {
        for (size_t at = 0; at < num; at++) {
            lanes[at].sum = ret_entries[at];
            lanes[at].term = affine[i];
        }
        TRY(bls_g2_add(lanes, num));
        for (size_t at = 0; at < num; at++)
            ret_entries[num + at] = lanes[at].sum;
    }
    return RESULT_OK;
}

static void choose(blst_p2_affine *ret_entry, const blst_p2_affine *entries, struct bls_digit digit)
{
    bls_recode_select((uint64_t *)ret_entry, (const uint64_t *)entries, ENTRY_WORDS,
                      (struct bls_choice){.number = digit.choice, .of = ENTRIES});
    blst_fp2_cneg(&ret_entry->y, &ret_entry->y, digit.negated & 1);
}

/* Of the four digits of row i, lanes[i].sum. */
static must_check result sum_rows(struct bls_g2_lane *lanes, const struct bls_split *split,
                                  const blst_p2_affine *entries)
{
    for (size_t row = 0; row < BLS_SINGLE_ROWS; row++) {
        for (size_t part = 0; part < BLS_SPLIT_PARTS; part += 2) {
            struct bls_g2_lane *lane = &lanes[2 * row + part / 2];
            choose(&lane->sum, entries, bls_split_digit(split, part, BLS_SINGLE_BITS, row));
            choose(&lane->term, entries, bls_split_digit(split, part + 1, BLS_SINGLE_BITS, row));
            bls_g2_psi(&lane->term, &lane->term);
        }
    }
    TRY(bls_g2_add(lanes, BLS_SINGLE_LANES));
    for (size_t row = 0; row < BLS_SINGLE_ROWS; row++) {
        lanes[row].sum = lanes[2 * row].sum;
        bls_g2_psi_twice(&lanes[row].term, &lanes[2 * row + 1].sum);
    }
    return bls_g2_add(lanes, BLS_SINGLE_ROWS);
}

result bls_single_take(struct bls_multiples_work *work, const blst_p2 *point,
                       const uint8_t secret[static BLS_SECRET_LEN])
{
    blst_p2_affine entries[ENTRIES];
    blst_p2 sum;
    ENSURE(!blst_p2_is_inf(point), E_INTERNAL, "a multiple of infinity");
    TRY(make_entries(entries, work->lanes, point));
    bls_split(&work->splits[0], secret);
    TRY(sum_rows(work->lanes, &work->splits[0], entries));
    blst_p2_from_affine(&sum, &work->lanes[BLS_SINGLE_ROWS - 1].sum);
    for (size_t row = BLS_SINGLE_ROWS - 1; row-- > 0;) {
        for (size_t bit = 0; bit < BLS_SINGLE_BITS; bit++)
            blst_p2_double(&sum, &sum);
        blst_p2_add_or_double_affine(&sum, &sum, &work->lanes[row].sum);
    }
    blst_p2_to_affine(&work->lanes[0].sum, &sum);
    return RESULT_OK;
}
