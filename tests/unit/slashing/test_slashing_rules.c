/* test_slashing_rules.c - each branch of the decision, then a search for a pair of allowed messages that
 * would be slashable. */
#include "testing.h"

#include "slashing/slashing_rules.h"

static const uint8_t root_a[32] = {0xaa}, root_b[32] = {0xbb};
static const struct slashing_limits no_limits;

static struct eth2_order vote(uint64_t source, uint64_t target)
{
    return (struct eth2_order){.kind = ETH2_ORDER_ATTESTATION,
                               .of.attestation = {.source.epoch = source, .target.epoch = target}};
}

static struct eth2_order block(uint64_t slot)
{
    return (struct eth2_order){.kind = ETH2_ORDER_BLOCK, .of.header.slot = slot};
}

/* Decides and keeps the next record, as the keeper does. */
static enum slashing_verdict sign(struct slashing_record *record, struct eth2_order order,
                                  const uint8_t root[static 32])
{
    struct slashing_record next, before = *record;
    enum slashing_verdict verdict = slashing_decide(&next, record, &no_limits, &order, root);
    if (verdict != SLASHING_ALLOW_NEW)
        assert_memory_equal(&next, &before, sizeof next);
    assert_memory_equal(record, &before, sizeof before);
    *record = next;
    return verdict;
}

static void blocks_only_go_up(void **state)
{
    (void)state;
    struct slashing_record record = {0};
    assert_int_equal(sign(&record, block(0), root_a), SLASHING_ALLOW_NEW);
    assert_int_equal(sign(&record, block(0), root_a), SLASHING_ALLOW_REPEAT);
    assert_int_equal(sign(&record, block(0), root_b), SLASHING_REFUSE_SLOT_EQUAL);
    assert_int_equal(sign(&record, block(7), root_b), SLASHING_ALLOW_NEW);
    assert_int_equal(record.block_slot, 7);
    assert_memory_equal(record.block_root, root_b, 32);
    assert_int_equal(sign(&record, block(6), root_a), SLASHING_REFUSE_SLOT_BELOW);
    assert_int_equal(sign(&record, block(0), root_a), SLASHING_REFUSE_SLOT_BELOW);
    assert_int_equal(sign(&record, block(UINT64_MAX), root_a), SLASHING_ALLOW_NEW);
    assert_int_equal(sign(&record, block(UINT64_MAX - 1), root_a), SLASHING_REFUSE_SLOT_BELOW);
    assert_false(record.has_attestation);
}

static void votes_only_go_up(void **state)
{
    (void)state;
    struct slashing_record record = {0};
    assert_int_equal(sign(&record, vote(1, 0), root_a), SLASHING_REFUSE_SOURCE_AFTER_TARGET);
    assert_int_equal(sign(&record, vote(0, 0), root_a), SLASHING_ALLOW_NEW);
    assert_int_equal(sign(&record, vote(0, 0), root_a), SLASHING_ALLOW_REPEAT);
    assert_int_equal(sign(&record, vote(0, 0), root_b), SLASHING_REFUSE_TARGET_EQUAL);
    assert_int_equal(sign(&record, vote(5, 6), root_a), SLASHING_ALLOW_NEW);
    assert_int_equal(sign(&record, vote(4, 7), root_a), SLASHING_REFUSE_SOURCE_BELOW);
    assert_int_equal(sign(&record, vote(5, 5), root_a), SLASHING_REFUSE_TARGET_BELOW);
    assert_int_equal(sign(&record, vote(6, 6), root_a), SLASHING_REFUSE_TARGET_EQUAL);
    assert_int_equal(sign(&record, vote(5, 6), root_b), SLASHING_REFUSE_TARGET_EQUAL);
    assert_int_equal(sign(&record, vote(5, 7), root_b), SLASHING_ALLOW_NEW);
    assert_int_equal(sign(&record, vote(7, 6), root_b), SLASHING_REFUSE_SOURCE_AFTER_TARGET);
    assert_int_equal(record.source_epoch, 5);
    assert_int_equal(record.target_epoch, 7);
    assert_memory_equal(record.attestation_root, root_b, 32);
    assert_false(record.has_block);
}

static void a_height_without_root_conflicts_with_everything(void **state)
{
    (void)state;
    struct slashing_record record = {
        .has_block = true, .block_slot = 9, .has_attestation = true, .source_epoch = 2, .target_epoch = 3};
    static const uint8_t zero[32];
    assert_int_equal(sign(&record, block(9), zero), SLASHING_REFUSE_SLOT_EQUAL);
    assert_int_equal(sign(&record, vote(2, 3), zero), SLASHING_REFUSE_TARGET_EQUAL);
    assert_int_equal(sign(&record, block(10), zero), SLASHING_ALLOW_NEW);
    assert_int_equal(sign(&record, vote(2, 4), zero), SLASHING_ALLOW_NEW);
}

static void a_disabled_validator_signs_nothing_slashable(void **state)
{
    (void)state;
    struct slashing_record record = {.disabled = true};
    assert_int_equal(sign(&record, block(1), root_a), SLASHING_REFUSE_DISABLED);
    assert_int_equal(sign(&record, vote(1, 2), root_a), SLASHING_REFUSE_DISABLED);
    struct eth2_order randao = {.kind = ETH2_ORDER_RANDAO_REVEAL};
    assert_int_equal(sign(&record, randao, root_a), SLASHING_NOT_APPLICABLE);
}

static void other_kinds_are_not_judged(void **state)
{
    (void)state;
    struct slashing_record record = {.has_block = true, .block_slot = 9};
    for (int kind = ETH2_ORDER_RANDAO_REVEAL; kind < ETH2_ORDER_KIND_END; kind++) {
        struct eth2_order order = {.kind = (enum eth2_order_kind)kind};
        assert_int_equal(sign(&record, order, root_a), SLASHING_NOT_APPLICABLE);
    }
    struct eth2_order none = {.kind = ETH2_ORDER_KIND_END};
    assert_false(slashing_allows(sign(&record, none, root_a)));
}

static void verdicts_have_names_and_sides(void **state)
{
    (void)state;
    for (int v = SLASHING_ALLOW_NEW; v <= SLASHING_REFUSE_LAST; v++) {
        assert_string_not_equal(slashing_verdict_name((enum slashing_verdict)v), "unknown");
        for (int other = SLASHING_ALLOW_NEW; other < v; other++)
            assert_string_not_equal(slashing_verdict_name((enum slashing_verdict)v),
                                    slashing_verdict_name((enum slashing_verdict)other));
        assert_int_equal(slashing_allows((enum slashing_verdict)v), v <= SLASHING_NOT_APPLICABLE);
    }
}

/* The definition of the specification, is_slashable_attestation_data, as the judge over random runs. */
static void no_run_signs_two_conflicting_votes(void **state)
{
    (void)state;
    srandom(3076);
    for (int run = 0; run < 300; run++) {
        struct slashing_record record = {0};
        struct {
            uint64_t source, target;
            uint8_t root;
        } done[60];
        size_t num_done = 0;
        for (int i = 0; i < 60; i++) {
            uint64_t source = (uint64_t)random() % 12, target = (uint64_t)random() % 12;
            uint8_t root[32] = {(uint8_t)(random() % 2), (uint8_t)source, (uint8_t)target};
            if (!slashing_allows(sign(&record, vote(source, target), root)))
                continue;
            for (size_t j = 0; j < num_done; j++) {
                assert_false(done[j].target == target &&
                             (done[j].root != root[0] || done[j].source != source));
                assert_false(done[j].source < source && target < done[j].target);
                assert_false(source < done[j].source && done[j].target < target);
            }
            done[num_done].source = source;
            done[num_done].target = target;
            done[num_done++].root = root[0];
        }
        assert_true(num_done > 0);
    }
}

static struct slashing_record random_record(void)
{
    struct slashing_record r = {.disabled = random() % 8 == 0};
    r.has_block = random() % 4 != 0;
    r.block_slot = r.has_block ? (uint64_t)random() % 3 : 0;
    r.block_has_root = r.has_block && random() % 3 != 0;
    r.block_root[0] = r.block_has_root && random() % 2;
    r.has_attestation = random() % 4 != 0;
    r.source_epoch = r.has_attestation ? (uint64_t)random() % 3 : 0;
    r.target_epoch = r.has_attestation ? (uint64_t)random() % 3 : 0;
    r.attestation_has_root = r.has_attestation && random() % 3 != 0;
    r.attestation_root[0] = r.attestation_has_root && random() % 2;
    return r;
}

/* Every order there is over small numbers, put to both records. */
static bool refuses_all_that(const struct slashing_record *later, const struct slashing_record *earlier)
{
    struct slashing_record next;
    for (uint8_t root = 0; root < 2; root++) {
        uint8_t signing_root[32] = {root};
        for (uint64_t a = 0; a < 5; a++) {
            struct eth2_order order = block(a);
            if (slashing_allows(slashing_decide(&next, later, &no_limits, &order, signing_root)) &&
                !slashing_allows(slashing_decide(&next, earlier, &no_limits, &order, signing_root)))
                return false;
            for (uint64_t b = 0; b < 5; b++) {
                order = vote(a, b);
                if (slashing_allows(slashing_decide(&next, later, &no_limits, &order, signing_root)) &&
                    !slashing_allows(slashing_decide(&next, earlier, &no_limits, &order, signing_root)))
                    return false;
            }
        }
    }
    return true;
}

static void covering_means_refusing_as_much(void **state)
{
    (void)state;
    srandom(17);
    int covering = 0;
    for (int round = 0; round < 50000; round++) {
        struct slashing_record a = random_record(), b = random_record(), next;
        if (slashing_covers(&a, &b)) {
            covering++;
            assert_true(refuses_all_that(&a, &b));
        }
        assert_true(slashing_covers(&a, &a));
        struct eth2_order order =
            round % 2 ? block((uint64_t)random() % 4) : vote((uint64_t)random() % 4, (uint64_t)random() % 4);
        (void)slashing_decide(&next, &a, &no_limits, &order, root_a);
        assert_true(slashing_covers(&next, &a));
    }
    assert_true(covering > 100);
    struct slashing_record low = {.has_block = true, .block_slot = 3},
                           high = {.has_block = true, .block_slot = 4};
    assert_false(slashing_covers(&low, &high));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_only_go_up),
        cmocka_unit_test(votes_only_go_up),
        cmocka_unit_test(a_height_without_root_conflicts_with_everything),
        cmocka_unit_test(a_disabled_validator_signs_nothing_slashable),
        cmocka_unit_test(other_kinds_are_not_judged),
        cmocka_unit_test(verdicts_have_names_and_sides),
        cmocka_unit_test(covering_means_refusing_as_much),
        cmocka_unit_test(no_run_signs_two_conflicting_votes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
