/* test_eth2_order_memory.c - a root that is remembered is the one that would be computed: contents that
 * differ in a single byte, and orders of every kind in random order. */
#include "testing.h"

#include "eth2/eth2_order.h"

enum { ROUNDS = 200000, POOL = 60 };

static struct eth2_network networks[2];
static struct eth2_order_memory memory;

static int setup(void **state)
{
    (void)state;
    memset(&memory, 0, sizeof memory);
    assert_ok(eth2_network_by_name(&networks[0], "mainnet"));
    assert_ok(eth2_network_by_name(&networks[1], "hoodi"));
    return 0;
}

static void fill(void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)rand();
}

/* Of an epoch that the current version is for. */
static struct eth2_order base_of(enum eth2_order_kind kind)
{
    struct eth2_order order = {.kind = kind, .fork_info.epoch = 100};
    fill(order.pubkey, sizeof order.pubkey);
    fill(order.fork_info.previous_version, ETH2_VERSION_LEN);
    fill(order.fork_info.current_version, ETH2_VERSION_LEN);
    fill(order.fork_info.genesis_validators_root, ETH2_ROOT_LEN);
    fill(&order.of, sizeof order.of);
    if (kind == ETH2_ORDER_ATTESTATION)
        order.of.attestation.target.epoch = 101;
    else if (kind == ETH2_ORDER_BLOCK)
        order.of.header.slot = 101 * 32;
    else
        order.of.object.epoch = 101;
    return order;
}

static void expect_same(const struct eth2_network *network, const struct eth2_order *order,
                        uint8_t ret_root[static 32])
{
    uint8_t recalled[32];
    assert_ok(eth2_order_signing_root(ret_root, network, order));
    assert_ok(eth2_order_recall_root(recalled, &memory, network, order));
    assert_memory_equal(recalled, ret_root, 32);
}

/* The order with one byte of that part changed, right after the order itself. */
static void change_each_byte(struct eth2_order *order, void *part, size_t length, bool is_always_signed)
{
    uint8_t root[32], other[32];
    for (size_t i = 0; i < length; i++) {
        expect_same(&networks[0], order, root);
        ((uint8_t *)part)[i] ^= 1;
        expect_same(&networks[0], order, other);
        if (is_always_signed)
            assert_memory_not_equal(other, root, 32);
        ((uint8_t *)part)[i] ^= 1;
        expect_same(&networks[0], order, root);
    }
}

static void a_single_byte_makes_another_root(void **state)
{
    (void)state;
    srand(3);
    for (int kind = ETH2_ORDER_BLOCK; kind < ETH2_ORDER_KIND_END; kind++) {
        struct eth2_order order = base_of((enum eth2_order_kind)kind);
        bool is_attestation = kind == ETH2_ORDER_ATTESTATION;
        change_each_byte(&order, &order.of, sizeof order.of, is_attestation);
        change_each_byte(&order, order.fork_info.genesis_validators_root, ETH2_ROOT_LEN, is_attestation);
        change_each_byte(&order, order.fork_info.current_version, ETH2_VERSION_LEN, is_attestation);
        change_each_byte(&order, order.fork_info.previous_version, ETH2_VERSION_LEN, false);
        change_each_byte(&order, &order.fork_info.epoch, sizeof order.fork_info.epoch, false);
    }
}

/* Before the fork the previous version counts, and no other. */
static void the_version_is_the_one_of_the_epoch(void **state)
{
    (void)state;
    struct eth2_order order = base_of(ETH2_ORDER_ATTESTATION);
    uint8_t after[32], before[32];
    expect_same(&networks[0], &order, after);
    order.fork_info.epoch = 102;
    expect_same(&networks[0], &order, before);
    assert_memory_not_equal(before, after, 32);
    change_each_byte(&order, order.fork_info.previous_version, ETH2_VERSION_LEN, true);
}

/* Whose key it is, and what the client computed, is in no root. */
static void all_validators_of_a_slot_are_one_computation(void **state)
{
    (void)state;
    struct eth2_order order = base_of(ETH2_ORDER_ATTESTATION);
    uint8_t root[32], first[32];
    expect_same(&networks[0], &order, first);
    for (int i = 0; i < 1000; i++) {
        fill(order.pubkey, sizeof order.pubkey);
        fill(order.client_root, sizeof order.client_root);
        order.has_client_root = i % 2;
        expect_same(&networks[0], &order, root);
        assert_memory_equal(root, first, 32);
    }
    assert_int_equal(memory.num_attestations, 1);
    assert_int_equal(memory.num_domains, 1);
}

static void kinds_that_do_not_exist_are_not_remembered(void **state)
{
    (void)state;
    struct eth2_order order = base_of(ETH2_ORDER_KIND_END);
    uint8_t root[32];
    assert_fails(E_INPUT, eth2_order_recall_root(root, &memory, &networks[0], &order));
    assert_int_equal(memory.num_domains, 0);
}

/* More contents than are kept, of two networks, many of them near each other. */
static void in_any_order(void **state)
{
    (void)state;
    static struct eth2_order pool[POOL];
    uint8_t root[32];
    srand(5);
    for (size_t i = 0; i < POOL; i++) {
        int kind = i < POOL / 2 ? ETH2_ORDER_ATTESTATION : 1 + rand() % (ETH2_ORDER_KIND_END - 1);
        pool[i] = i % 3 == 0 || i >= POOL / 2 ? base_of((enum eth2_order_kind)kind) : pool[i - 1];
        if (i % 3 == 1)
            pool[i].fork_info.genesis_validators_root[rand() % 32] ^= 1;
        if (i % 3 == 2 && pool[i].kind == ETH2_ORDER_ATTESTATION)
            pool[i].of.attestation.target.root[rand() % 32] ^= 1;
    }
    for (int i = 0; i < ROUNDS / 10; i++) {
        int near = rand() % POOL; /* a few at a time are asked for again and again */
        for (int j = 0; j < 10; j++)
            expect_same(&networks[rand() % 2], &pool[(near + rand() % 6) % POOL], root);
    }
    assert_in_range(memory.num_attestations, 100, ROUNDS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_single_byte_makes_another_root, setup),
        cmocka_unit_test_setup(the_version_is_the_one_of_the_epoch, setup),
        cmocka_unit_test_setup(all_validators_of_a_slot_are_one_computation, setup),
        cmocka_unit_test_setup(kinds_that_do_not_exist_are_not_remembered, setup),
        cmocka_unit_test_setup(in_any_order, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
