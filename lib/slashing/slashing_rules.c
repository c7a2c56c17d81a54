/* slashing_rules.c - EIP-3076's minimal conditions as a pure function.
 *
 * Two watermarks a validator instead of its history: the highest block slot, and the highest
 * source and target epochs. Nothing at or below a watermark is signed again, but for the very
 * message that stands at it. Rejected: the complete conditions over all signed messages, which
 * allow a few votes more that no honest client asks for, and cost a growing database. */
#include "slashing/slashing_rules.h"

#include <string.h>

bool slashing_allows(enum slashing_verdict verdict)
{
    return verdict == SLASHING_ALLOW_NEW || verdict == SLASHING_ALLOW_REPEAT ||
           verdict == SLASHING_NOT_APPLICABLE;
}

const char *slashing_verdict_name(enum slashing_verdict verdict)
{
    switch (verdict) {
    case SLASHING_ALLOW_NEW:
        return "allowed";
    case SLASHING_ALLOW_REPEAT:
        return "allowed_repeat";
    case SLASHING_NOT_APPLICABLE:
        return "not_applicable";
    case SLASHING_REFUSE_DISABLED:
        return "validator_disabled";
    case SLASHING_REFUSE_SOURCE_AFTER_TARGET:
        return "source_after_target";
    case SLASHING_REFUSE_SOURCE_BELOW:
        return "source_below_watermark";
    case SLASHING_REFUSE_TARGET_BELOW:
        return "target_below_watermark";
    case SLASHING_REFUSE_TARGET_EQUAL:
        return "double_vote";
    case SLASHING_REFUSE_SLOT_BELOW:
        return "slot_below_watermark";
    case SLASHING_REFUSE_SLOT_EQUAL:
        return "double_proposal";
    case SLASHING_REFUSE_GENESIS_ROOT:
        return "genesis_validators_root_differs";
    }
    return "unknown";
}

static enum slashing_verdict decide_block(struct slashing_record *next, uint64_t slot,
                                          const uint8_t signing_root[static 32])
{
    if (next->has_block && slot < next->block_slot)
        return SLASHING_REFUSE_SLOT_BELOW;
    if (next->has_block && slot == next->block_slot) {
        bool same = next->block_has_root && memcmp(next->block_root, signing_root, 32) == 0;
        return same ? SLASHING_ALLOW_REPEAT : SLASHING_REFUSE_SLOT_EQUAL;
    }
    next->has_block = true;
    next->block_slot = slot;
    next->block_has_root = true;
    memcpy(next->block_root, signing_root, 32);
    return SLASHING_ALLOW_NEW;
}

static enum slashing_verdict decide_attestation(struct slashing_record *next, uint64_t source,
                                                uint64_t target, const uint8_t signing_root[static 32])
{
    if (source > target)
        return SLASHING_REFUSE_SOURCE_AFTER_TARGET;
    if (next->has_attestation && source < next->source_epoch)
        return SLASHING_REFUSE_SOURCE_BELOW;
    if (next->has_attestation && target < next->target_epoch)
        return SLASHING_REFUSE_TARGET_BELOW;
    if (next->has_attestation && target == next->target_epoch) {
        bool same = next->attestation_has_root && source == next->source_epoch &&
                    memcmp(next->attestation_root, signing_root, 32) == 0;
        return same ? SLASHING_ALLOW_REPEAT : SLASHING_REFUSE_TARGET_EQUAL;
    }
    next->has_attestation = true;
    next->source_epoch = source;
    next->target_epoch = target;
    next->attestation_has_root = true;
    memcpy(next->attestation_root, signing_root, 32);
    return SLASHING_ALLOW_NEW;
}

static enum slashing_verdict decide(struct slashing_record *next, const struct eth2_order *order,
                                    const uint8_t signing_root[static 32])
{
    switch (order->kind) {
    case ETH2_ORDER_BLOCK:
        return next->disabled ? SLASHING_REFUSE_DISABLED
                              : decide_block(next, order->of.header.slot, signing_root);
    case ETH2_ORDER_ATTESTATION:
        return next->disabled ? SLASHING_REFUSE_DISABLED
                              : decide_attestation(next, order->of.attestation.source.epoch,
                                                   order->of.attestation.target.epoch, signing_root);
    case ETH2_ORDER_RANDAO_REVEAL:
    case ETH2_ORDER_DEPOSIT:
    case ETH2_ORDER_VOLUNTARY_EXIT:
    case ETH2_ORDER_AGGREGATION_SLOT:
    case ETH2_ORDER_AGGREGATE_AND_PROOF:
    case ETH2_ORDER_SYNC_COMMITTEE_MESSAGE:
    case ETH2_ORDER_SYNC_COMMITTEE_SELECTION_PROOF:
    case ETH2_ORDER_SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF:
    case ETH2_ORDER_VALIDATOR_REGISTRATION:
        return SLASHING_NOT_APPLICABLE;
    case ETH2_ORDER_KIND_END:
        break;
    }
    return SLASHING_REFUSE_DISABLED; /* no such kind: nothing may be signed under it */
}

enum slashing_verdict slashing_decide(struct slashing_record *ret_next, const struct slashing_record *record,
                                      const struct eth2_order *order, const uint8_t signing_root[static 32])
{
    struct slashing_record next = *record;
    enum slashing_verdict verdict = decide(&next, order, signing_root);
    *ret_next = next; /* each refusal leaves it as the record was */
    return verdict;
}

static bool covers_block(const struct slashing_record *later, const struct slashing_record *earlier)
{
    if (!earlier->has_block)
        return true;
    if (!later->has_block || later->block_slot < earlier->block_slot)
        return false;
    if (later->block_slot > earlier->block_slot || !later->block_has_root)
        return true;
    return earlier->block_has_root && memcmp(later->block_root, earlier->block_root, 32) == 0;
}

static bool covers_attestation(const struct slashing_record *later, const struct slashing_record *earlier)
{
    if (!earlier->has_attestation)
        return true;
    if (!later->has_attestation || later->source_epoch < earlier->source_epoch ||
        later->target_epoch < earlier->target_epoch)
        return false;
    if (later->target_epoch > earlier->target_epoch || !later->attestation_has_root)
        return true;
    return earlier->attestation_has_root && later->source_epoch == earlier->source_epoch &&
           memcmp(later->attestation_root, earlier->attestation_root, 32) == 0;
}

bool slashing_covers(const struct slashing_record *later, const struct slashing_record *earlier)
{
    return (later->disabled || !earlier->disabled) && covers_block(later, earlier) &&
           covers_attestation(later, earlier);
}
