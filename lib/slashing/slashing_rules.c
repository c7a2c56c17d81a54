/* slashing_rules.c - EIP-3076's minimal conditions as a pure function.
 *
 * Two watermarks a validator instead of its history: the highest block slot, and the highest
 * source and target epochs. Nothing at or below a watermark is signed again, but for the very
 * message that stands at it. Beside the record stand limits that are the same for all validators: the
 * operator's high watermark, the clock, and the start. Rejected: the complete conditions over all signed
 * messages, which allow a few votes more that no honest client asks for, and cost a growing database. */
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
    case SLASHING_REFUSE_HIGH_WATERMARK:
        return "at_or_above_high_watermark";
    case SLASHING_REFUSE_FAR_FUTURE:
        return "far_future";
    case SLASHING_REFUSE_BOOT_FLOOR:
        return "at_or_below_boot_floor";
    }
    return "unknown";
}

static enum slashing_verdict decide_block(struct slashing_record *next, const struct slashing_limits *limits,
                                          uint64_t slot, const uint8_t signing_root[static 32])
{
    if (next->disabled)
        return SLASHING_REFUSE_DISABLED;
    if (limits->has_high_watermark && slot >= limits->high_slot)
        return SLASHING_REFUSE_HIGH_WATERMARK;
    if (limits->has_latest && slot > limits->latest_slot)
        return SLASHING_REFUSE_FAR_FUTURE;
    if (next->has_block && slot < next->block_slot)
        return SLASHING_REFUSE_SLOT_BELOW;
    if (next->has_block && slot == next->block_slot) {
        bool same = next->block_has_root && memcmp(next->block_root, signing_root, 32) == 0;
        return same ? SLASHING_ALLOW_REPEAT : SLASHING_REFUSE_SLOT_EQUAL;
    }
    if (limits->has_floor && slot <= limits->floor_slot)
        return SLASHING_REFUSE_BOOT_FLOOR;
    next->has_block = true;
    next->block_slot = slot;
    next->block_has_root = true;
    memcpy(next->block_root, signing_root, 32);
    return SLASHING_ALLOW_NEW;
}

/* Whatever the record is. */
static enum slashing_verdict check_vote(const struct slashing_limits *limits, uint64_t source,
                                        uint64_t target)
{
    if (source > target)
        return SLASHING_REFUSE_SOURCE_AFTER_TARGET;
    if (limits->has_high_watermark && (source >= limits->high_epoch || target >= limits->high_epoch))
        return SLASHING_REFUSE_HIGH_WATERMARK;
    if (limits->has_latest && target > limits->latest_epoch)
        return SLASHING_REFUSE_FAR_FUTURE;
    return SLASHING_ALLOW_NEW;
}

/* Against the vote at the watermarks, and those below it that may exist. */
static enum slashing_verdict compare_vote(const struct slashing_record *record, uint64_t source,
                                          uint64_t target, const uint8_t signing_root[static 32])
{
    if (!record->has_attestation)
        return SLASHING_ALLOW_NEW;
    if (source < record->source_epoch)
        return SLASHING_REFUSE_SOURCE_BELOW;
    if (target < record->target_epoch)
        return SLASHING_REFUSE_TARGET_BELOW;
    if (target > record->target_epoch)
        return SLASHING_ALLOW_NEW;
    bool same = record->attestation_has_root && source == record->source_epoch &&
                memcmp(record->attestation_root, signing_root, 32) == 0;
    return same ? SLASHING_ALLOW_REPEAT : SLASHING_REFUSE_TARGET_EQUAL;
}

static enum slashing_verdict decide_attestation(struct slashing_record *next,
                                                const struct slashing_limits *limits,
                                                const struct eth2_attestation_data *vote,
                                                const uint8_t signing_root[static 32])
{
    if (next->disabled)
        return SLASHING_REFUSE_DISABLED;
    uint64_t source = vote->source.epoch, target = vote->target.epoch;
    enum slashing_verdict verdict = check_vote(limits, source, target);
    if (verdict == SLASHING_ALLOW_NEW)
        verdict = compare_vote(next, source, target, signing_root);
    if (verdict != SLASHING_ALLOW_NEW)
        return verdict;
    if (limits->has_floor && target <= limits->floor_epoch)
        return SLASHING_REFUSE_BOOT_FLOOR;
    next->has_attestation = true;
    next->source_epoch = source;
    next->target_epoch = target;
    next->attestation_has_root = true;
    memcpy(next->attestation_root, signing_root, 32);
    return SLASHING_ALLOW_NEW;
}

static enum slashing_verdict decide(struct slashing_record *next, const struct slashing_limits *limits,
                                    const struct eth2_order *order, const uint8_t signing_root[static 32])
{
    switch (order->kind) {
    case ETH2_ORDER_BLOCK:
        return decide_block(next, limits, order->of.header.slot, signing_root);
    case ETH2_ORDER_ATTESTATION:
        return decide_attestation(next, limits, &order->of.attestation, signing_root);
    case ETH2_ORDER_RANDAO_REVEAL:
    case ETH2_ORDER_DEPOSIT:
    case ETH2_ORDER_VOLUNTARY_EXIT:
    case ETH2_ORDER_AGGREGATION_SLOT:
    case ETH2_ORDER_AGGREGATE_AND_PROOF:
    case ETH2_ORDER_SYNC_COMMITTEE_MESSAGE:
    case ETH2_ORDER_SYNC_COMMITTEE_SELECTION_PROOF:
    case ETH2_ORDER_SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF:
    case ETH2_ORDER_VALIDATOR_REGISTRATION:
    case ETH2_ORDER_BLS_TO_EXECUTION_CHANGE:
    case ETH2_ORDER_PROPOSER_PREFERENCES:
    case ETH2_ORDER_BUILDER_REQUEST_AUTH:
    case ETH2_ORDER_INCLUSION_LIST: /* a second one makes the network ignore both */
        return SLASHING_NOT_APPLICABLE;
    /* Gloas has no slashing for these either. A proposer slashing is still two block headers, an attester
     * slashing still two votes; a block commits to one bid, so that signing several bids or envelopes for a
     * slot can cost the builder its bid and no stake. Of a member's payload attestations for a slot the
     * network takes the first: an honest one signs one, but two are evidence of nothing that the
     * specification punishes. */
    case ETH2_ORDER_EXECUTION_PAYLOAD_BID:
    case ETH2_ORDER_EXECUTION_PAYLOAD_ENVELOPE:
    case ETH2_ORDER_PAYLOAD_ATTESTATION_MESSAGE:
        return SLASHING_NOT_APPLICABLE;
    case ETH2_ORDER_KIND_END:
        break;
    }
    return SLASHING_REFUSE_DISABLED; /* no such kind: nothing may be signed under it */
}

enum slashing_verdict slashing_decide(struct slashing_record *ret_next, const struct slashing_record *record,
                                      const struct slashing_limits *limits, const struct eth2_order *order,
                                      const uint8_t signing_root[static 32])
{
    struct slashing_record next = *record;
    enum slashing_verdict verdict = decide(&next, limits, order, signing_root);
    *ret_next = next; /* each refusal leaves it as the record was */
    return verdict;
}

bool slashing_limit_height(uint64_t *ret_height, enum slashing_verdict verdict,
                           const struct slashing_limits *limits, enum eth2_order_kind kind)
{
    bool is_vote = kind == ETH2_ORDER_ATTESTATION;
    switch (verdict) {
    case SLASHING_REFUSE_HIGH_WATERMARK:
        *ret_height = is_vote ? limits->high_epoch : limits->high_slot;
        return true;
    case SLASHING_REFUSE_FAR_FUTURE:
        *ret_height = is_vote ? limits->latest_epoch : limits->latest_slot;
        return true;
    case SLASHING_REFUSE_BOOT_FLOOR:
        *ret_height = is_vote ? limits->floor_epoch : limits->floor_slot;
        return true;
    case SLASHING_ALLOW_NEW:
    case SLASHING_ALLOW_REPEAT:
    case SLASHING_NOT_APPLICABLE:
    case SLASHING_REFUSE_DISABLED:
    case SLASHING_REFUSE_SOURCE_AFTER_TARGET:
    case SLASHING_REFUSE_SOURCE_BELOW:
    case SLASHING_REFUSE_TARGET_BELOW:
    case SLASHING_REFUSE_TARGET_EQUAL:
    case SLASHING_REFUSE_SLOT_BELOW:
    case SLASHING_REFUSE_SLOT_EQUAL:
    case SLASHING_REFUSE_GENESIS_ROOT:
        break;
    }
    return false;
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
