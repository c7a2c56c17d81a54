/* slashing_rules.h - the decision: a pure function of the last record and the order.
 *
 * EIP-3076, "minimal" conditions (watermarks), with one allowance: signing the same signing
 * root at the height of the record again is not a new message and is allowed.
 */
#ifndef SLASHING_RULES_H
#define SLASHING_RULES_H

#include <stdint.h>

#include "base/result.h"
#include "eth2/eth2_order.h"

/* What is remembered of one validator. A height that has no root (an import without signing_root, or folded
 * from several rows) conflicts with everything at that height. */
struct slashing_record {
    bool disabled; /* the key was deleted: nothing slashable is signed for it; no import changes that */
    bool has_block;
    uint64_t block_slot;
    bool block_has_root;
    uint8_t block_root[32];
    bool has_attestation;
    uint64_t source_epoch; /* highest signed source, and ... */
    uint64_t target_epoch; /* ... highest signed target */
    bool attestation_has_root;
    uint8_t attestation_root[32]; /* of the vote at (source_epoch, target_epoch) */
};

enum slashing_verdict {
    SLASHING_ALLOW_NEW,      /* allowed, and *ret_next must be durable before signing */
    SLASHING_ALLOW_REPEAT,   /* allowed, nothing to record */
    SLASHING_NOT_APPLICABLE, /* a kind that cannot be slashed */
    SLASHING_REFUSE_DISABLED,
    SLASHING_REFUSE_SOURCE_AFTER_TARGET,
    SLASHING_REFUSE_SOURCE_BELOW,   /* source epoch below the highest signed source */
    SLASHING_REFUSE_TARGET_BELOW,   /* target epoch below the highest signed target */
    SLASHING_REFUSE_TARGET_EQUAL,   /* another vote at the same target: a double vote */
    SLASHING_REFUSE_SLOT_BELOW,     /* block slot below the highest signed slot */
    SLASHING_REFUSE_SLOT_EQUAL,     /* another block at the same slot: a double proposal */
    SLASHING_REFUSE_GENESIS_ROOT,   /* of another network than the store is locked to */
    SLASHING_REFUSE_HIGH_WATERMARK, /* an epoch or slot at or above the operator's high watermark */
    SLASHING_REFUSE_FAR_FUTURE,     /* target epoch or slot later than the clock permits */
    SLASHING_REFUSE_BOOT_FLOOR      /* new, and at or below the epoch or slot of the start */
};
enum { SLASHING_REFUSE_FIRST = SLASHING_REFUSE_DISABLED, SLASHING_REFUSE_LAST = SLASHING_REFUSE_BOOT_FLOOR };

/* What holds for all validators of a signer, beside their records. All zero: nothing. */
struct slashing_limits {
    bool has_high_watermark; /* of the store, as Web3Signer's: refused at or above, even a repeat */
    uint64_t high_epoch, high_slot;
    bool has_latest; /* of the clock: refused above, even a repeat */
    uint64_t latest_epoch, latest_slot;
    bool has_floor; /* of the start: refused at or below, but for a repeat */
    uint64_t floor_epoch, floor_slot;
};

/* ALLOW_NEW, ALLOW_REPEAT and NOT_APPLICABLE. */
bool slashing_allows(enum slashing_verdict verdict);
/* "double_vote" and so on: lower-case code for bodies, logs and metrics. */
const char *slashing_verdict_name(enum slashing_verdict verdict);

/* Decides; *ret_next is the record after the order (the old one when nothing changes). Where several reasons
 * refuse, the first of this order is told: disabled, source after target, high watermark, far future, the
 * record (below before equal, source before target), boot floor. */
enum slashing_verdict slashing_decide(struct slashing_record *ret_next, const struct slashing_record *record,
                                      const struct slashing_limits *limits, const struct eth2_order *order,
                                      const uint8_t signing_root[static 32]);

/* The height of the limit that a refusal rests on: an epoch for an attestation, a slot for a block. False for
 * a verdict that rests on none. */
bool slashing_limit_height(uint64_t *ret_height, enum slashing_verdict verdict,
                           const struct slashing_limits *limits, enum eth2_order_kind kind);

/* Whether later refuses everything that earlier refuses: a record read from a store must cover the one that
 * was last known of it. */
bool slashing_covers(const struct slashing_record *later, const struct slashing_record *earlier);

#endif
