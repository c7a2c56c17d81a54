/* bls_multiples.c - 4 parts of each secret (bls_split), their digits' multiples out of one table, and at the
 * end P0 + psi(P1) + psi^2(P2) + psi^3(P3).
 *
 * Every digit is odd, so all secrets take the same additions; an entry is chosen by reading its whole row;
 * signs are applied by masks. Additions are affine and incomplete, which is right because of this:
 *  - within a part, rows are added from the lowest. The sum s of the digits below row i is odd, so not 0, and
 *    |s| < 2^(bits * i) <= |d|, d being what row i adds. So s is neither d nor -d; and |s| + |d| < 2^65 < r,
 *    so it is neither of them modulo r;
 *  - two parts a + b * u, u being |z|: both are odd and below u in size, so |a| < |b * u|, and |a| + |b * u|
 * < u + u^2 < r;
 *  - the halves L + H, |L| <= (u - 1) + (u - 1) * u < u^2 and H a multiple of u^2 that is not 0, so |L| <
 * |H|. L + H is n or -n, n being the odd number of 1 to r - 1 that was split: it is not 0 modulo r. H - L is
 *    +-(n - 2l), l being L with n's sign; it is odd, so it is no multiple of r but 0, r or -r, and not 0. If
 *    n - 2l = -r, l were above u^2. If n - 2l = r, n - l = (n + r) / 2 would be a multiple of u^2 and below
 * r, so at most u^2 * (u^2 - 1), and -l = r - (n - l) >= 1; with |l| < u^2 only n - l = u^2 * (u^2 - 1) is
 *    left, l = -1, n = r - 2. That is one number, it is n of the secrets 2 and r - 2, and there L = H: for
 *    them the last addition is one that can double.
 * A table of the multiples by psi^i would save three times psi of a secret, at four times the memory, which
 * then is no longer in the cache.
 *
 * Rejected: doublings between fewer rows, each of which costs what an addition does; adding in a tree, which
 * shares fewer inversions but needs every term at once. */
#include "bls/bls_multiples.h"

enum { ENTRY_WORDS = sizeof(blst_p2_affine) / sizeof(uint64_t), PARTS = BLS_SPLIT_PARTS };

/* 2^(bits * i) * point and twice that, for every row. */
static void make_first_two(blst_p2_affine *ret_points, const blst_p2 *point, unsigned bits)
{
    blst_p2 points[2 * BLS_MULTIPLES_ROWS_MAX];
    size_t num_rows = bls_split_num_digits(bits);
    points[0] = *point;
    blst_p2_double(&points[1], point);
    for (size_t i = 2; i < 2 * num_rows; i += 2) {
        points[i] = points[i - 1];
        for (unsigned bit = 1; bit < bits; bit++)
            blst_p2_double(&points[i], &points[i]);
        blst_p2_double(&points[i + 1], &points[i]);
    }
    const blst_p2 *const one_array[] = {points, NULL};
    blst_p2s_to_affine(ret_points, one_array, 2 * num_rows);
}

result bls_multiples_make(struct bls_multiples *ret_multiples, struct bls_multiples_work *work,
                          const blst_p2 *point, unsigned bits)
{
    blst_p2_affine first_two[2 * BLS_MULTIPLES_ROWS_MAX];
    size_t num_rows = bls_split_num_digits(bits), row_len = (size_t)1 << (bits - 1);
    struct bls_g2_lane *lanes = work->lanes;
    ENSURE(!blst_p2_is_inf(point), E_INTERNAL, "the multiples of infinity");
    make_first_two(first_two, point, bits);
    ret_multiples->bits = 0;
    for (size_t row = 0; row < num_rows; row++)
        ret_multiples->entries[row * row_len] = lanes[row].sum = first_two[2 * row];
    for (size_t at = 1; at < row_len; at++) {
        for (size_t row = 0; row < num_rows; row++)
            lanes[row].term = first_two[2 * row + 1];
        TRY(bls_g2_add(lanes, num_rows));
        for (size_t row = 0; row < num_rows; row++)
            ret_multiples->entries[row * row_len + at] = lanes[row].sum;
    }
    ret_multiples->bits = bits;
    return RESULT_OK;
}

static void choose(blst_p2_affine *ret_entry, const struct bls_multiples *m, size_t row,
                   struct bls_digit digit)
{
    size_t row_len = (size_t)1 << (m->bits - 1);
    bls_recode_select((uint64_t *)ret_entry, (const uint64_t *)(m->entries + row * row_len), ENTRY_WORDS,
                      (struct bls_choice){.number = digit.choice, .of = row_len});
    blst_fp2_cneg(&ret_entry->y, &ret_entry->y, digit.negated & 1);
}

/* Lane 4i + j: part j of secret i. */
static must_check result sum_parts(struct bls_multiples_work *w, const struct bls_multiples *m, size_t num)
{
    size_t num_lanes = num * PARTS;
    for (size_t row = 0; row < bls_split_num_digits(m->bits); row++) {
        for (size_t i = 0; i < num_lanes; i++) {
            struct bls_g2_lane *lane = &w->lanes[i];
            struct bls_digit digit = bls_split_digit(&w->splits[i / PARTS], i % PARTS, m->bits, row);
            choose(row == 0 ? &lane->sum : &lane->term, m, row, digit);
        }
        if (row > 0)
            TRY(bls_g2_add(w->lanes, num_lanes));
    }
    return RESULT_OK;
}

/* Of every two lanes one: the second becomes the first one's term, after an endomorphism. */
static void pair(struct bls_g2_lane *lanes, size_t num_pairs,
                 void endomorphism(blst_p2_affine *ret_point, const blst_p2_affine *point))
{
    for (size_t i = 0; i < num_pairs; i++) {
        lanes[i].sum = lanes[2 * i].sum;
        endomorphism(&lanes[i].term, &lanes[2 * i + 1].sum);
    }
}

result bls_multiples_take(struct bls_multiples_work *work, const struct bls_multiples *multiples,
                          const uint8_t *const *secrets, size_t num)
{
    for (size_t i = 0; i < num; i++)
        bls_split(&work->splits[i], secrets[i]);
    TRY(sum_parts(work, multiples, num));
    pair(work->lanes, 2 * num, bls_g2_psi);
    TRY(bls_g2_add(work->lanes, 2 * num));
    pair(work->lanes, num, bls_g2_psi_twice);
    return bls_g2_add_or_double(work->lanes, num);
}
