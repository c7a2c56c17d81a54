/* slashing_fold.c - many signed messages become one record.
 *
 * A row of an interchange file is itself a record of one message, so folding a file and merging
 * it into the store are the same operation. Rejected: taking the root of the row with the highest
 * target only - where a lower target had the higher source, no message stands at the watermark. */
#include <string.h>

#include "slashing/slashing_fold.h"

static void merge_block(struct slashing_record *merged, const struct slashing_record *b)
{
    if (!b->has_block || (merged->has_block && b->block_slot < merged->block_slot))
        return;
    bool same_slot = merged->has_block && b->block_slot == merged->block_slot;
    bool same_root = merged->block_has_root && memcmp(merged->block_root, b->block_root, 32) == 0;
    merged->has_block = true;
    merged->block_slot = b->block_slot;
    merged->block_has_root = b->block_has_root && (!same_slot || same_root);
    memcpy(merged->block_root, b->block_root, 32);
}

/* Whether r's own root is that of the only message at these watermarks: other has nothing at that target. */
static bool decides_root(const struct slashing_record *r, const struct slashing_record *other,
                         uint64_t source, uint64_t target)
{
    return r->attestation_has_root && r->source_epoch == source && r->target_epoch == target &&
           other->target_epoch < target;
}

static bool same_vote(const struct slashing_record *a, const struct slashing_record *b)
{
    return a->attestation_has_root && b->attestation_has_root && a->source_epoch == b->source_epoch &&
           a->target_epoch == b->target_epoch && memcmp(a->attestation_root, b->attestation_root, 32) == 0;
}

static void merge_attestation(struct slashing_record *merged, const struct slashing_record *b)
{
    if (!b->has_attestation)
        return;
    struct slashing_record a = merged->has_attestation ? *merged : *b;
    uint64_t source = a.source_epoch > b->source_epoch ? a.source_epoch : b->source_epoch;
    uint64_t target = a.target_epoch > b->target_epoch ? a.target_epoch : b->target_epoch;
    bool from_b = same_vote(&a, b) || decides_root(b, &a, source, target);
    merged->has_attestation = true;
    merged->source_epoch = source;
    merged->target_epoch = target;
    merged->attestation_has_root = from_b || decides_root(&a, b, source, target);
    memcpy(merged->attestation_root, from_b ? b->attestation_root : a.attestation_root, 32);
}

/* A root that is not known is zero, so that equal records are equal bytes. */
static void clear_unknown_roots(struct slashing_record *r)
{
    if (!r->block_has_root)
        memset(r->block_root, 0, 32);
    if (!r->attestation_has_root)
        memset(r->attestation_root, 0, 32);
}

void slashing_merge(struct slashing_record *ret_merged, const struct slashing_record *a,
                    const struct slashing_record *b)
{
    struct slashing_record merged = *a;
    merged.disabled = a->disabled || b->disabled;
    merge_block(&merged, b);
    merge_attestation(&merged, b);
    clear_unknown_roots(&merged);
    *ret_merged = merged;
}
