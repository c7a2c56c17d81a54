/* bls_g2.h - many additions in G2 at once, in affine coordinates and in constant time; and the endomorphism.
 * What they leave on the stack is for the caller to wipe (secret_wipe_stack).
 */
#ifndef BLS_BLS_G2_H
#define BLS_BLS_G2_H

#include <blst.h>

#include "base/result.h"

/* One addition: sum += term. The rest is what is left of the way there. */
struct bls_g2_lane {
    blst_p2_affine sum, term;
    blst_fp2 slope, scratch;
    blst_fp norm, product;
};

/* Adds in every lane, num being at least 1. No point may be infinity, no term may be its sum or minus that:
 * E_INTERNAL, and no sum is to be used. */
must_check result bls_g2_add(struct bls_g2_lane *lanes, size_t num);
/* The same where a term may be its sum. */
must_check result bls_g2_add_or_double(struct bls_g2_lane *lanes, size_t num);

/* psi(point), which is z * point; and psi twice. The results may be their arguments. */
void bls_g2_psi(blst_p2_affine *ret_point, const blst_p2_affine *point);
void bls_g2_psi_twice(blst_p2_affine *ret_point, const blst_p2_affine *point);

#endif
