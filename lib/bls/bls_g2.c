/* bls_g2.c - additions that share an inversion (Montgomery's trick), over blst's field operations.
 *
 * An affine addition divides once: n / d is n * conjugate(d) / norm(d), the norm being in the base field,
 * where the norms of all lanes are multiplied up, inverted together and taken apart again. -1 is no square in
 * that field, so no norm is 0 but that of 0. Whether a term is its own sum is found by masks, and then the
 * tangent takes the place of the secant. What the formulas cannot do, a sum at infinity, has a divisor of 0:
 * that makes the product of all 0, and is refused.
 *
 * Rejected: complete projective formulas, at more than twice the multiplications; Montgomery's trick with the
 * divisors themselves, at 15 % more time. */
#include "bls/bls_g2.h"

#include "base/secret.h"
#include "bls/bls_mask.h"

enum { WORDS = sizeof(blst_fp2) / sizeof(uint64_t) };

/* It never is 0: to branch on that tells nothing. */
static must_check __attribute__((noinline)) result check_product(const blst_fp *product)
{
    static const blst_fp zero;
    ENSURE(!secret_equal(product, &zero, sizeof zero), E_INTERNAL, "a sum of points that is infinity");
    return RESULT_OK;
}

/* slope / divisor, but for the division by the norm. The divisor is in scratch. */
static void begin_division(struct bls_g2_lane *lane)
{
    blst_fp *divisor = lane->scratch.fp;
    blst_fp_sqr(&lane->norm, &divisor[0]);
    blst_fp_sqr(&lane->product, &divisor[1]);
    blst_fp_add(&lane->norm, &lane->norm, &lane->product);
    blst_fp_cneg(&divisor[1], &divisor[1], true);
    blst_fp2_mul(&lane->slope, &lane->slope, &lane->scratch);
}

/* The line with this slope meets the curve in the negative of the new sum. */
static void end_addition(struct bls_g2_lane *lane, const blst_fp *inverse_norm)
{
    blst_fp2 *slope = &lane->slope, *x = &lane->scratch;
    blst_fp_mul(&slope->fp[0], &slope->fp[0], inverse_norm);
    blst_fp_mul(&slope->fp[1], &slope->fp[1], inverse_norm);
    blst_fp2_sqr(x, slope);
    blst_fp2_sub(x, x, &lane->sum.x);
    blst_fp2_sub(x, x, &lane->term.x);
    blst_fp2_sub(&lane->sum.x, &lane->sum.x, x);
    blst_fp2_mul(slope, slope, &lane->sum.x);
    blst_fp2_sub(&lane->sum.y, slope, &lane->sum.y);
    lane->sum.x = *x;
}

static must_check result add(struct bls_g2_lane *lanes, size_t num)
{
    blst_fp inverse, own;
    for (size_t i = 0; i < num; i++) {
        begin_division(&lanes[i]);
        if (i == 0)
            lanes[i].product = lanes[i].norm;
        else
            blst_fp_mul(&lanes[i].product, &lanes[i - 1].product, &lanes[i].norm);
    }
    TRY(check_product(&lanes[num - 1].product));
    blst_fp_inverse(&inverse, &lanes[num - 1].product);
    for (size_t i = num; i-- > 1;) {
        blst_fp_mul(&own, &inverse, &lanes[i - 1].product);
        blst_fp_mul(&inverse, &inverse, &lanes[i].norm);
        end_addition(&lanes[i], &own);
    }
    end_addition(&lanes[0], &inverse);
    return RESULT_OK;
}

static void take_secant(struct bls_g2_lane *lane)
{
    blst_fp2_sub(&lane->scratch, &lane->term.x, &lane->sum.x);
    blst_fp2_sub(&lane->slope, &lane->term.y, &lane->sum.y);
}

static uint64_t mask_if_zero(const blst_fp2 *a)
{
    const uint64_t *words = (const uint64_t *)a;
    uint64_t any = 0;
    for (size_t i = 0; i < WORDS; i++)
        any |= words[i];
    return bls_mask_if_zero(any);
}

static void take_if(blst_fp2 *value, const blst_fp2 *other, uint64_t mask)
{
    uint64_t *words = (uint64_t *)value;
    const uint64_t *other_words = (const uint64_t *)other;
    for (size_t i = 0; i < WORDS; i++)
        words[i] ^= (words[i] ^ other_words[i]) & mask;
}

static void take_secant_or_tangent(struct bls_g2_lane *lane)
{
    blst_fp2 tangent;
    take_secant(lane);
    uint64_t same = mask_if_zero(&lane->scratch) & mask_if_zero(&lane->slope);
    blst_fp2_add(&tangent, &lane->sum.y, &lane->sum.y);
    take_if(&lane->scratch, &tangent, same);
    blst_fp2_sqr(&tangent, &lane->sum.x);
    blst_fp2_mul_by_3(&tangent, &tangent);
    take_if(&lane->slope, &tangent, same);
}

result bls_g2_add(struct bls_g2_lane *lanes, size_t num)
{
    for (size_t i = 0; i < num; i++)
        take_secant(&lanes[i]);
    return add(lanes, num);
}

result bls_g2_add_or_double(struct bls_g2_lane *lanes, size_t num)
{
    for (size_t i = 0; i < num; i++)
        take_secant_or_tangent(&lanes[i]);
    return add(lanes, num);
}

/* psi(x, y) = (conjugate(x) / (1 + i)^((p - 1) / 3), conjugate(y) / (1 + i)^((p - 1) / 2)). The first
 * constant is one times i, so it is kept as an element of the base field; and psi twice takes its square and
 * -1. All in Montgomery's form, as blst has them. */
static const blst_fp x_factor = {{0x890dc9e4867545c3, 0x2af322533285a5d5, 0x50880866309b7e2c,
                                  0xa20d1b8c7e881024, 0x14e4f04fe2db9068, 0x14e56d3f1564853a}};
static const blst_fp x_factor_squared = {{0xcd03c9e48671f071, 0x5dab22461fcda5d2, 0x587042afd3851b95,
                                          0x8eb60ebe01bacb9e, 0x03f97d6e83d050d2, 0x18f0206554638741}};
static const blst_fp2 y_factor = {{{{0x3e2f585da55c9ad1, 0x4294213d86c18183, 0x382844c88b623732,
                                     0x92ad2afd19103e18, 0x1d794e4fac7cf0b9, 0x0bd592fc7d825ec8}},
                                   {{0x7bcfa7a25aa30fda, 0xdc17dec12a927e7c, 0x2f088dd86b4ebef1,
                                     0xd1ca2087da74d4a7, 0x2da2596696cebc1d, 0x0e2b7eedbbfd87d2}}}};

void bls_g2_psi(blst_p2_affine *ret_point, const blst_p2_affine *point)
{
    blst_p2_affine p = *point;
    blst_fp_mul(&ret_point->x.fp[0], &p.x.fp[1], &x_factor);
    blst_fp_mul(&ret_point->x.fp[1], &p.x.fp[0], &x_factor);
    blst_fp_cneg(&p.y.fp[1], &p.y.fp[1], true);
    blst_fp2_mul(&ret_point->y, &p.y, &y_factor);
}

void bls_g2_psi_twice(blst_p2_affine *ret_point, const blst_p2_affine *point)
{
    blst_fp_mul(&ret_point->x.fp[0], &point->x.fp[0], &x_factor_squared);
    blst_fp_mul(&ret_point->x.fp[1], &point->x.fp[1], &x_factor_squared);
    blst_fp2_cneg(&ret_point->y, &point->y, true);
}
