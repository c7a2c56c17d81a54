/* slashing_fold.h - two histories of one validator in one record. */
#ifndef SLASHING_SLASHING_FOLD_H
#define SLASHING_SLASHING_FOLD_H

#include "slashing/slashing_rules.h"

/* Both histories in one record: each watermark is the higher of the two. A root is kept only while it is
 * certainly that of the single message at the watermark. Disabled if either is. */
void slashing_merge(struct slashing_record *ret_merged, const struct slashing_record *a,
                    const struct slashing_record *b);

#endif
