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
    SLASHING_REFUSE_SOURCE_BELOW, /* source epoch below the highest signed source */
    SLASHING_REFUSE_TARGET_BELOW, /* target epoch below the highest signed target */
    SLASHING_REFUSE_TARGET_EQUAL, /* another vote at the same target: a double vote */
    SLASHING_REFUSE_SLOT_BELOW,   /* block slot below the highest signed slot */
    SLASHING_REFUSE_SLOT_EQUAL,   /* another block at the same slot: a double proposal */
    SLASHING_REFUSE_GENESIS_ROOT  /* of another network than the store is locked to */
};

/* ALLOW_NEW, ALLOW_REPEAT and NOT_APPLICABLE. */
bool slashing_allows(enum slashing_verdict verdict);
/* "double_vote" and so on: lower-case code for bodies, logs and metrics. */
const char *slashing_verdict_name(enum slashing_verdict verdict);

/* Decides; *ret_next is the record after the order (the old one when nothing changes). */
enum slashing_verdict slashing_decide(struct slashing_record *ret_next, const struct slashing_record *record,
                                      const struct eth2_order *order, const uint8_t signing_root[static 32]);

/* Whether later refuses everything that earlier refuses: a record read from a store must cover the one that
 * was last known of it. */
bool slashing_covers(const struct slashing_record *later, const struct slashing_record *earlier);

#endif
