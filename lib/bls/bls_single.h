/* bls_single.h - one point of G2 times one secret.
 */
#ifndef BLS_BLS_SINGLE_H
#define BLS_BLS_SINGLE_H

#include "bls/bls.h"
#include "bls/bls_multiples.h"

enum { BLS_SINGLE_BITS = 5, BLS_SINGLE_ROWS = 13, BLS_SINGLE_LANES = 2 * BLS_SINGLE_ROWS };

/* secret * point becomes work->lanes[0].sum; BLS_SINGLE_LANES of its lanes are used. The secret has been
 * checked, the point is of the group G2 and not infinity. What is left on the stack is for the caller to wipe
 * (secret_wipe_stack). */
must_check result bls_single_take(struct bls_multiples_work *work, const blst_p2 *point,
                                  const uint8_t secret[static BLS_SECRET_LEN]);

#endif
