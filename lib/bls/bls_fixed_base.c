/* bls_fixed_base.c - public keys of many secrets at once: multiples of G1's generator out of a table.
 *
 * The table has, for each of 51 digits of five bits, the 16 odd multiples 1, 3, ... 31 of 32^i times the
 * generator. A public key is the sum of one entry of each row (or its negative), 50 additions in affine
 * coordinates. An affine addition divides once; Montgomery's trick makes one inversion of those of a whole
 * batch, so that an addition is six multiplications. The result is affine already and needs no division of
 * its own.
 *
 * Constant time: every digit is odd, so every secret takes the same additions; an entry is chosen by reading
 * its whole row; signs are applied by masks; field operations and the inversion are blst's, which are
 * constant time. The incomplete formula for P + Q is wrong only for P = Q, P = -Q and infinity, and none of
 * these occurs: rows are added from the lowest. The sum s of the rows below i is odd, so it is not 0, and |s|
 * < 32^i <= |d|, d being what row i adds; hence s + d and s - d are not 0, and below the last row |s| + |d| <
 * 2^251 < r, so they are not 0 modulo r either. In the last row d = t * 2^250, 0 < t < 30, and s + d is the
 * recoded number n, 0 < n < r. There d - s = 2d - n < 28 * 2^250 < r for t <= 27 and, for t = 29, 2d - n > 58
 * * 2^250 - r > r, and below 2r; so d - s is no multiple of r. Should it happen all the same, the product of
 * the divisors is 0, which is found: E_INTERNAL.
 *
 * Rejected: blst's own Pippenger, whose time depends on the scalars; complete projective formulas, at twice
 * the multiplications; a random combination of all keys and one check of it, which needs every public key
 * decompressed and its group checked, more than what it saves. */
#include <blst.h>
#include <stdlib.h>
#include <string.h>

#include "bls/bls.h"
#include "bls/bls_recode.h"

enum {
    BATCH = 128, /* an inversion costs as much as fifty multiplications */
    ENTRY_WORDS = sizeof(blst_p1_affine) / sizeof(uint64_t)
};

struct bls_fixed_base {
    blst_p1_affine rows[BLS_RECODE_DIGITS][BLS_RECODE_CHOICES];
};

/* One batch at work. All of it tells of the secrets: it lives in the secure heap. */
struct work {
    struct bls_recoded secrets[BATCH];
    blst_p1_affine sums[BATCH], terms[BATCH];
    blst_fp divisors[BATCH], products[BATCH]; /* products[i]: of divisors 0..i */
};

void bls_fixed_base_free(struct bls_fixed_base *base)
{
    free(base);
}

result bls_fixed_base_new(struct bls_fixed_base **ret_base)
{
    enum { ENTRIES = BLS_RECODE_DIGITS * BLS_RECODE_CHOICES };
    struct bls_fixed_base *base = malloc(sizeof *base);
    blst_p1 *points = malloc(ENTRIES * sizeof *points);
    if (!base || !points) {
        free(base);
        free(points);
        FAIL(E_MEMORY, "out of memory for a table of points");
    }
    blst_p1 first = *blst_p1_generator(), twice;
    for (size_t i = 0; i < ENTRIES; i++) {
        if (i % BLS_RECODE_CHOICES == 0) {
            for (int bit = 0; bit < BLS_RECODE_BITS && i > 0; bit++)
                blst_p1_double(&first, &first);
            blst_p1_double(&twice, &first);
            points[i] = first;
        } else {
            blst_p1_add_or_double(&points[i], &points[i - 1], &twice);
        }
    }
    const blst_p1 *const one_array[] = {points, NULL};
    blst_p1s_to_affine(base->rows[0], one_array, ENTRIES);
    free(points);
    *ret_base = base;
    return RESULT_OK;
}

static void take_term(blst_p1_affine *ret_term, const struct bls_fixed_base *base,
                      const struct bls_recoded *secret, size_t row)
{
    struct bls_digit digit = bls_recode_digit(secret, row);
    bls_recode_select((uint64_t *)ret_term, (const uint64_t *)base->rows[row], ENTRY_WORDS,
                      (struct bls_choice){.number = digit.choice, .of = BLS_RECODE_CHOICES});
    blst_fp_cneg(&ret_term->y, &ret_term->y, digit.negated & 1);
}

/* sums[i] += terms[i], with 1 / divisors[i] for 1 / (x2 - x1). */
static void add_term(blst_p1_affine *sum, const blst_p1_affine *term, const blst_fp *inverse)
{
    blst_fp slope, x, y;
    blst_fp_sub(&slope, &term->y, &sum->y);
    blst_fp_mul(&slope, &slope, inverse);
    blst_fp_sqr(&x, &slope);
    blst_fp_sub(&x, &x, &sum->x);
    blst_fp_sub(&x, &x, &term->x);
    blst_fp_sub(&y, &sum->x, &x);
    blst_fp_mul(&y, &y, &slope);
    blst_fp_sub(&sum->y, &y, &sum->y);
    sum->x = x;
}

/* It never is 0: to branch on that tells nothing. */
static must_check __attribute__((noinline)) result check_product(const blst_fp *product)
{
    static const blst_fp zero;
    ENSURE(!secret_equal(product, &zero, sizeof zero), E_INTERNAL, "an addition of points that are the same");
    return RESULT_OK;
}

static must_check result add_row(struct work *w, const struct bls_fixed_base *base, size_t row, size_t num)
{
    blst_fp inverse, next;
    for (size_t i = 0; i < num; i++) {
        take_term(&w->terms[i], base, &w->secrets[i], row);
        blst_fp_sub(&w->divisors[i], &w->terms[i].x, &w->sums[i].x);
        if (i == 0)
            w->products[i] = w->divisors[i];
        else
            blst_fp_mul(&w->products[i], &w->products[i - 1], &w->divisors[i]);
    }
    TRY(check_product(&w->products[num - 1]));
    blst_fp_inverse(&inverse, &w->products[num - 1]);
    for (size_t i = num; i-- > 0;) {
        blst_fp own = inverse;
        if (i > 0)
            blst_fp_mul(&own, &inverse, &w->products[i - 1]);
        blst_fp_mul(&next, &inverse, &w->divisors[i]);
        inverse = next;
        add_term(&w->sums[i], &w->terms[i], &own);
    }
    return RESULT_OK;
}

/* With a stack frame of its own, which its caller can wipe. */
static must_check __attribute__((noinline)) result multiply(struct work *w, uint8_t *ret_pubkeys,
                                                            const struct bls_fixed_base *base,
                                                            const uint8_t *const *secrets, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        bls_recode(&w->secrets[i], secrets[i]);
        take_term(&w->sums[i], base, &w->secrets[i], 0);
    }
    for (size_t row = 1; row < BLS_RECODE_DIGITS; row++)
        TRY(add_row(w, base, row, num));
    for (size_t i = 0; i < num; i++) {
        blst_fp_cneg(&w->sums[i].y, &w->sums[i].y, w->secrets[i].negated & 1);
        blst_p1_affine_compress(ret_pubkeys + i * BLS_PUBKEY_LEN, &w->sums[i]);
    }
    return RESULT_OK;
}

/* Keys computed this way end where slashing protection begins: one of each batch is computed again by blst
 * alone, so that a fault of the table or of this file does not go unseen. */
static must_check result check_one(const uint8_t *pubkey, const uint8_t *secret)
{
    uint8_t expected[BLS_PUBKEY_LEN];
    TRY(bls_public_key(expected, secret));
    ENSURE(memcmp(expected, pubkey, sizeof expected) == 0, E_INTERNAL, "two ways to one public key differ");
    return RESULT_OK;
}

result bls_fixed_base_public_keys(const struct bls_fixed_base *base, uint8_t *ret_pubkeys,
                                  const uint8_t *const *secrets, size_t num_secrets)
{
    AUTO(secret) work = {0};
    for (size_t i = 0; i < num_secrets; i++)
        TRY(bls_secret_check(secrets[i]));
    TRY(secret_new(&work, sizeof(struct work)));
    for (size_t done = 0, num = 0; done < num_secrets; done += num) {
        num = num_secrets - done < BATCH ? num_secrets - done : BATCH;
        uint8_t *pubkeys = ret_pubkeys + done * BLS_PUBKEY_LEN;
        result r = multiply((struct work *)(void *)work.data, pubkeys, base, secrets + done, num);
        if (!r.code)
            r = check_one(pubkeys, secrets[done]);
        secret_wipe_stack(); /* a secret's last digits, and what blst keeps there */
        TRY(r);
    }
    return RESULT_OK;
}
