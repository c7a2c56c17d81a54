/* test_slashing_limits.c - the limits beside the record, one by one; and then every record, order and limit
 * over epochs and slots 0 to 3, judged by a second statement of the rules.
 *
 * The judge knows no watermark. A record stands for all histories that it may be left of, and an order is
 * refused where one of them has a message that the specification calls slashable together with it. */
#include "testing.h"

#include "slashing/slashing_rules.h"

enum { HEIGHTS = 4 }; /* epochs and slots 0 to 3 */

enum root { ROOT_A, ROOT_B, ROOT_UNKNOWN, ROOT_KINDS };

static const uint8_t roots[2][32] = {{0xaa}, {0xbb}};

static struct eth2_order vote(uint64_t source, uint64_t target)
{
    return (struct eth2_order){.kind = ETH2_ORDER_ATTESTATION,
                               .of.attestation = {.source.epoch = source, .target.epoch = target}};
}

static struct eth2_order block(uint64_t slot)
{
    return (struct eth2_order){.kind = ETH2_ORDER_BLOCK, .of.header.slot = slot};
}

/* Limits of which each is absent or a height: index 0 is absent, i is the height i - 1. */
static struct slashing_limits make_limits(uint64_t high, uint64_t latest, uint64_t floor, uint64_t shift)
{
    struct slashing_limits limits = {
        .has_high_watermark = high > 0, .has_latest = latest > 0, .has_floor = floor > 0};
    /* Epochs and slots differ, so that one taken for the other shows. */
    limits.high_epoch = limits.high_slot = high ? high - 1 : 0;
    limits.latest_epoch = limits.latest_slot = latest ? latest - 1 : 0;
    limits.floor_epoch = limits.floor_slot = floor ? floor - 1 : 0;
    limits.high_slot += shift;
    limits.latest_slot += shift;
    limits.floor_slot += shift;
    return limits;
}

static enum slashing_verdict decide(const struct slashing_record *record,
                                    const struct slashing_limits *limits, struct eth2_order order,
                                    enum root root)
{
    struct slashing_record next;
    enum slashing_verdict verdict = slashing_decide(&next, record, limits, &order, roots[root]);
    if (verdict != SLASHING_ALLOW_NEW)
        assert_memory_equal(&next, record, sizeof next);
    return verdict;
}

static void at_the_high_watermark_even_a_repeat_is_refused(void **state)
{
    (void)state;
    struct slashing_record record = {.has_block = true, .block_slot = 9, .block_has_root = true};
    struct slashing_limits limits = {.has_high_watermark = true, .high_epoch = 5, .high_slot = 9};
    record.has_attestation = record.attestation_has_root = true;
    record.source_epoch = 3;
    record.target_epoch = 5;
    memcpy(record.block_root, roots[ROOT_A], 32);
    memcpy(record.attestation_root, roots[ROOT_A], 32);
    assert_int_equal(decide(&record, &limits, block(9), ROOT_A), SLASHING_REFUSE_HIGH_WATERMARK);
    assert_int_equal(decide(&record, &limits, block(UINT64_MAX), ROOT_A), SLASHING_REFUSE_HIGH_WATERMARK);
    assert_int_equal(decide(&record, &limits, block(8), ROOT_A), SLASHING_REFUSE_SLOT_BELOW);
    assert_int_equal(decide(&record, &limits, vote(3, 5), ROOT_A), SLASHING_REFUSE_HIGH_WATERMARK);
    assert_int_equal(decide(&record, &limits, vote(5, 5), ROOT_A), SLASHING_REFUSE_HIGH_WATERMARK);
    assert_int_equal(decide(&record, &limits, vote(6, 5), ROOT_A), SLASHING_REFUSE_SOURCE_AFTER_TARGET);
    assert_int_equal(decide(&record, &limits, vote(3, 4), ROOT_A), SLASHING_REFUSE_TARGET_BELOW);
    limits.high_epoch = 6;
    limits.high_slot = 10;
    assert_int_equal(decide(&record, &limits, block(9), ROOT_A), SLASHING_ALLOW_REPEAT);
    assert_int_equal(decide(&record, &limits, vote(3, 5), ROOT_A), SLASHING_ALLOW_REPEAT);
}

static void the_far_future_begins_above_the_latest(void **state)
{
    (void)state;
    struct slashing_record record = {0};
    struct slashing_limits limits = {.has_latest = true, .latest_epoch = 7, .latest_slot = 255};
    assert_int_equal(decide(&record, &limits, vote(7, 7), ROOT_A), SLASHING_ALLOW_NEW);
    assert_int_equal(decide(&record, &limits, vote(7, 8), ROOT_A), SLASHING_REFUSE_FAR_FUTURE);
    assert_int_equal(decide(&record, &limits, block(255), ROOT_A), SLASHING_ALLOW_NEW);
    assert_int_equal(decide(&record, &limits, block(256), ROOT_A), SLASHING_REFUSE_FAR_FUTURE);
    assert_int_equal(decide(&record, &limits, block(UINT64_MAX), ROOT_A), SLASHING_REFUSE_FAR_FUTURE);
    limits.latest_epoch = limits.latest_slot = UINT64_MAX;
    assert_int_equal(decide(&record, &limits, block(UINT64_MAX), ROOT_A), SLASHING_ALLOW_NEW);
    assert_int_equal(decide(&record, &limits, vote(0, UINT64_MAX), ROOT_A), SLASHING_ALLOW_NEW);
}

static void the_floor_lets_repeats_pass(void **state)
{
    (void)state;
    struct slashing_record record = {.has_block = true, .block_slot = 9, .block_has_root = true};
    struct slashing_limits limits = {.has_floor = true, .floor_epoch = 5, .floor_slot = 10};
    record.has_attestation = record.attestation_has_root = true;
    record.source_epoch = 3;
    record.target_epoch = 4;
    memcpy(record.block_root, roots[ROOT_A], 32);
    memcpy(record.attestation_root, roots[ROOT_A], 32);
    assert_int_equal(decide(&record, &limits, block(9), ROOT_A), SLASHING_ALLOW_REPEAT);
    assert_int_equal(decide(&record, &limits, block(9), ROOT_B), SLASHING_REFUSE_SLOT_EQUAL);
    assert_int_equal(decide(&record, &limits, block(10), ROOT_A), SLASHING_REFUSE_BOOT_FLOOR);
    assert_int_equal(decide(&record, &limits, block(11), ROOT_A), SLASHING_ALLOW_NEW);
    assert_int_equal(decide(&record, &limits, vote(3, 4), ROOT_A), SLASHING_ALLOW_REPEAT);
    assert_int_equal(decide(&record, &limits, vote(3, 4), ROOT_B), SLASHING_REFUSE_TARGET_EQUAL);
    assert_int_equal(decide(&record, &limits, vote(3, 5), ROOT_A), SLASHING_REFUSE_BOOT_FLOOR);
    assert_int_equal(decide(&record, &limits, vote(3, 6), ROOT_A), SLASHING_ALLOW_NEW);
}

static void limits_touch_no_other_kind(void **state)
{
    (void)state;
    struct slashing_record record = {0};
    struct slashing_limits limits = {.has_high_watermark = true, .has_latest = true, .has_floor = true};
    limits.floor_epoch = limits.floor_slot = UINT64_MAX;
    for (int kind = ETH2_ORDER_RANDAO_REVEAL; kind < ETH2_ORDER_KIND_END; kind++) {
        if (kind == ETH2_ORDER_ATTESTATION || kind == ETH2_ORDER_BLOCK)
            continue;
        struct eth2_order order = {.kind = (enum eth2_order_kind)kind};
        assert_int_equal(decide(&record, &limits, order, ROOT_A), SLASHING_NOT_APPLICABLE);
    }
}

static void only_the_three_name_a_height(void **state)
{
    (void)state;
    struct slashing_limits limits = {.high_epoch = 1,
                                     .high_slot = 2,
                                     .latest_epoch = 3,
                                     .latest_slot = 4,
                                     .floor_epoch = 5,
                                     .floor_slot = 6};
    for (int v = SLASHING_ALLOW_NEW; v <= SLASHING_REFUSE_LAST; v++) {
        uint64_t epoch = 77, slot = 77;
        enum slashing_verdict verdict = (enum slashing_verdict)v;
        bool is_limit = v >= SLASHING_REFUSE_HIGH_WATERMARK;
        assert_int_equal(slashing_limit_height(&epoch, verdict, &limits, ETH2_ORDER_ATTESTATION), is_limit);
        assert_int_equal(slashing_limit_height(&slot, verdict, &limits, ETH2_ORDER_BLOCK), is_limit);
        uint64_t expected = 2 * (uint64_t)(v - SLASHING_REFUSE_HIGH_WATERMARK) + 1;
        assert_int_equal(epoch, is_limit ? expected : 77);
        assert_int_equal(slot, is_limit ? expected + 1 : 77);
    }
}

/* ---- the judge ---- */

struct message {
    uint64_t source, target; /* a block's slot is its target */
    enum root root;
};

/* is_slashable_attestation_data, either way round; for blocks, with every source 0, the rule of proposals. An
 * unknown root may be any. */
static bool conflict(struct message a, struct message b)
{
    bool same = a.source == b.source && a.root == b.root && a.root != ROOT_UNKNOWN;
    return (a.target == b.target && !same) || (a.source < b.source && b.target < a.target) ||
           (b.source < a.source && a.target < b.target);
}

/* Whether a history that left this mark can contain the message. At the mark's target with a known root there
 * is that one message only; everything below may have been signed, with any root. */
static bool may_have_been_signed(struct message mark, struct message m)
{
    if (m.source > mark.source || m.target > mark.target || m.source > m.target)
        return false;
    if (m.target == mark.target && mark.root != ROOT_UNKNOWN)
        return m.source == mark.source && m.root == mark.root;
    return m.root == ROOT_UNKNOWN;
}

static bool is_slashable_with_some_history(struct message mark, struct message asked)
{
    for (uint64_t source = 0; source < HEIGHTS; source++) {
        for (uint64_t target = 0; target < HEIGHTS; target++) {
            for (enum root root = ROOT_A; root < ROOT_KINDS; root++) {
                struct message m = {source, target, root};
                if (may_have_been_signed(mark, m) && conflict(m, asked))
                    return true;
            }
        }
    }
    return false;
}

/* One question: what is known, what is asked, at which limits (index 0: none). */
struct question {
    bool disabled, has_mark, is_block;
    struct message mark, asked;
    uint64_t high, latest, floor;
};

static bool is_record_verdict(enum slashing_verdict verdict)
{
    return verdict >= SLASHING_REFUSE_SOURCE_BELOW && verdict <= SLASHING_REFUSE_SLOT_EQUAL;
}

/* Each reason by itself, in the order in which they are told. */
static bool is_expected(const struct question *q, enum slashing_verdict verdict)
{
    struct message a = q->asked;
    bool conflicts = q->has_mark && is_slashable_with_some_history(q->mark, a);
    bool repeats = q->has_mark && !conflicts && q->mark.target == a.target;
    if (q->disabled)
        return verdict == SLASHING_REFUSE_DISABLED;
    if (a.source > a.target)
        return verdict == SLASHING_REFUSE_SOURCE_AFTER_TARGET;
    if (q->high > 0 && !(a.target < q->high - 1))
        return verdict == SLASHING_REFUSE_HIGH_WATERMARK;
    if (q->latest > 0 && a.target > q->latest - 1)
        return verdict == SLASHING_REFUSE_FAR_FUTURE;
    if (conflicts)
        return is_record_verdict(verdict);
    if (repeats)
        return verdict == SLASHING_ALLOW_REPEAT;
    if (q->floor > 0 && a.target < q->floor)
        return verdict == SLASHING_REFUSE_BOOT_FLOOR;
    return verdict == SLASHING_ALLOW_NEW;
}

static unsigned long seen[SLASHING_REFUSE_LAST + 1];

/* Slots are put 10 higher than epochs, so that a slot's limit taken for an epoch's would show. */
enum { SLOT_SHIFT = 10 };

static void put(const struct question *q)
{
    struct slashing_record record = {.disabled = q->disabled};
    struct slashing_limits limits = make_limits(q->high, q->latest, q->floor, SLOT_SHIFT);
    if (q->has_mark && q->is_block) {
        record.has_block = true;
        record.block_slot = q->mark.target + SLOT_SHIFT;
        record.block_has_root = q->mark.root != ROOT_UNKNOWN;
        memcpy(record.block_root, roots[q->mark.root == ROOT_B], 32);
    } else if (q->has_mark) {
        record.has_attestation = true;
        record.source_epoch = q->mark.source;
        record.target_epoch = q->mark.target;
        record.attestation_has_root = q->mark.root != ROOT_UNKNOWN;
        memcpy(record.attestation_root, roots[q->mark.root == ROOT_B], 32);
    }
    struct eth2_order order =
        q->is_block ? block(q->asked.target + SLOT_SHIFT) : vote(q->asked.source, q->asked.target);
    enum slashing_verdict verdict = decide(&record, &limits, order, q->asked.root);
    seen[verdict]++;
    if (!is_expected(q, verdict))
        fail_msg("%s %d (%d,%d,%d), asked (%d,%d,%d), limits %d %d %d, disabled %d: %s",
                 q->is_block ? "block" : "vote", q->has_mark, (int)q->mark.source, (int)q->mark.target,
                 (int)q->mark.root, (int)q->asked.source, (int)q->asked.target, (int)q->asked.root,
                 (int)q->high - 1, (int)q->latest - 1, (int)q->floor - 1, q->disabled,
                 slashing_verdict_name(verdict));
}

static void put_with_all_limits(struct question q)
{
    for (int disabled = 0; disabled < 2; disabled++) {
        q.disabled = disabled;
        for (q.high = 0; q.high <= HEIGHTS + 1; q.high++)
            for (q.latest = 0; q.latest <= HEIGHTS; q.latest++)
                for (q.floor = 0; q.floor <= HEIGHTS; q.floor++)
                    put(&q);
    }
}

static void ask_everything(struct question q)
{
    uint64_t sources = q.is_block ? 1 : HEIGHTS;
    for (q.asked.source = 0; q.asked.source < sources; q.asked.source++)
        for (q.asked.target = 0; q.asked.target < HEIGHTS; q.asked.target++)
            for (q.asked.root = ROOT_A; q.asked.root < ROOT_UNKNOWN; q.asked.root++)
                put_with_all_limits(q);
}

/* A mark whose source is above its target is left of no history; nothing makes one. */
static void every_order_against_every_record_and_limit(void **state)
{
    (void)state;
    for (int is_block = 0; is_block < 2; is_block++) {
        struct question q = {.is_block = is_block};
        ask_everything(q);
        q.has_mark = true;
        for (q.mark.target = 0; q.mark.target < HEIGHTS; q.mark.target++) {
            for (q.mark.source = 0; q.mark.source <= (is_block ? 0 : q.mark.target); q.mark.source++)
                for (q.mark.root = ROOT_A; q.mark.root < ROOT_KINDS; q.mark.root++)
                    ask_everything(q);
        }
    }
    for (int v = SLASHING_ALLOW_NEW; v <= SLASHING_REFUSE_LAST; v++) {
        bool possible = v != SLASHING_NOT_APPLICABLE && v != SLASHING_REFUSE_GENESIS_ROOT;
        print_message("%lu %s\n", seen[v], slashing_verdict_name((enum slashing_verdict)v));
        assert_int_equal(seen[v] > 0, possible);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_the_high_watermark_even_a_repeat_is_refused),
        cmocka_unit_test(the_far_future_begins_above_the_latest),
        cmocka_unit_test(the_floor_lets_repeats_pass),
        cmocka_unit_test(limits_touch_no_other_kind),
        cmocka_unit_test(only_the_three_name_a_height),
        cmocka_unit_test(every_order_against_every_record_and_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
