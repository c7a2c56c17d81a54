/* test_keeper_late.c - the gate's own source and a clock that the test turns: what is late, and what has to
 * wait for what is due. */
#include "testing.h"

#include "keeper/keeper_sign.h"

enum { ANSWERS_MAX = 64 };

/* The store and the clock under the gate. */
static struct {
    unsigned advances, settled;
    size_t last_batch; /* advances in the latest transaction */
    uint64_t monotonic_ns, advance_takes_ns;
} fake;

uint64_t __wrap_clock_monotonic_ns(void);
uint64_t __wrap_clock_monotonic_ns(void)
{
    return fake.monotonic_ns;
}

result __wrap_slashing_store_advance(struct slashing_store *store, struct slashing_advance *advances,
                                     size_t num_advances);
result __wrap_slashing_store_load(struct slashing_store *store, struct slashing_record *ret_record,
                                  const uint8_t pubkey[static 48]);
result __wrap_slashing_store_lock_genesis(struct slashing_store *store, const uint8_t root[static 32]);

result __wrap_slashing_store_advance(struct slashing_store *store, struct slashing_advance *advances,
                                     size_t num_advances)
{
    (void)store;
    fake.advances++;
    fake.last_batch = num_advances;
    fake.monotonic_ns += fake.advance_takes_ns;
    for (size_t i = 0; i < num_advances; i++)
        advances[i].done = true;
    return RESULT_OK;
}

result __wrap_slashing_store_load(struct slashing_store *store, struct slashing_record *ret_record,
                                  const uint8_t pubkey[static 48])
{
    (void)store;
    (void)pubkey;
    *ret_record = (struct slashing_record){0};
    return RESULT_OK;
}

result __wrap_slashing_store_lock_genesis(struct slashing_store *store, const uint8_t root[static 32])
{
    (void)store;
    (void)root;
    return RESULT_OK;
}

void __wrap_slashing_sqlite_settle(struct slashing_store *store);
void __wrap_slashing_sqlite_settle(struct slashing_store *store)
{
    (void)store;
    fake.settled++;
}

static struct keeper k;
static uint8_t pubkeys[3][48];
static struct ipc_answer collected[ANSWERS_MAX];
static size_t num_collected;

/* In the place of the other parts of the keeper, which this program does without. */
void keeper_answer(struct keeper *keeper, struct keeper_order *order)
{
    assert_in_range(num_collected, 0, ANSWERS_MAX - 1);
    collected[num_collected++] = order->answer;
    keeper_orders_remove(&keeper->orders, order);
}

static int setup(void **state)
{
    static int anything;
    (void)state;
    memset(&fake, 0, sizeof fake);
    keeper_pool_free(k.pool);
    keeper_keys_free(k.keys);
    memset(&k, 0, sizeof k);
    assert_ok(keeper_pool_new(&k.pool, 1, NULL));
    k.store.ok = true;
    k.store.kind = POLICY_STORE_SQLITE;
    keeper_orders_open(&k.orders);
    keeper_requests_open(&k.requests);
    k.store.file = (struct slashing_store *)(void *)&anything; /* the fake never looks at it */
    assert_ok(eth2_network_by_name(&k.policy.network, "mainnet"));
    assert_ok(keeper_keys_new(&k.keys));
    for (uint8_t i = 0; i < 3; i++) {
        uint8_t secret[32] = {[31] = (uint8_t)(i + 1)};
        bool added = false;
        assert_ok(bls_public_key(pubkeys[i], secret));
        assert_ok(keeper_keys_add(k.keys, &added, secret, pubkeys[i]));
        assert_true(added);
    }
    return 0;
}

/* One batch through the gate, heard at 0. */
static void ask(struct ipc_answer *ret_answers, const struct ipc_order *orders, size_t num_orders)
{
    num_collected = 0;
    for (size_t i = 0; i < num_orders; i++) {
        struct ipc_order heard = orders[i];
        heard.id = i;
        keeper_orders_add(&k.orders, &heard, 0);
    }
    while (keeper_sign(&k))
        ;
    assert_int_equal(num_collected, num_orders);
    for (size_t i = 0; i < num_orders; i++)
        ret_answers[collected[i].id] = collected[i];
}

static struct ipc_order block(uint32_t key, uint64_t slot, uint8_t variety)
{
    struct ipc_order order = {
        .order = {.kind = ETH2_ORDER_BLOCK, .of.header = {.slot = slot, .body_root = {variety}}}};
    memcpy(order.order.pubkey, pubkeys[key], 48);
    return order;
}

static struct ipc_order vote(uint32_t key, uint64_t source, uint64_t target)
{
    struct ipc_order order = {
        .order = {.kind = ETH2_ORDER_ATTESTATION,
                  .of.attestation = {.slot = target * 32, .source.epoch = source, .target.epoch = target}}};
    memcpy(order.order.pubkey, pubkeys[key], 48);
    return order;
}

static struct ipc_order randao(uint32_t key)
{
    struct ipc_order order = {.order = {.kind = ETH2_ORDER_RANDAO_REVEAL}};
    memcpy(order.order.pubkey, pubkeys[key], 48);
    return order;
}

/* Nobody waits for it any more: neither recorded nor signed. */
static void what_is_late_is_not_decided(void **state)
{
    (void)state;
    struct ipc_order orders[] = {block(0, 5, 1), block(1, 5, 1), randao(2)};
    struct ipc_answer answers[3];
    orders[0].patience_ms = orders[2].patience_ms = 1000;
    fake.monotonic_ns = 999999999;
    ask(answers, orders, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(answers[i].status, IPC_ANSWER_SIGNED);
    orders[0] = block(0, 6, 1);
    orders[1] = block(1, 6, 1);
    orders[0].patience_ms = 1000;
    fake.monotonic_ns = 1000000000;
    ask(answers, orders, 3);
    assert_int_equal(answers[0].status, IPC_ANSWER_LATE);
    assert_int_equal(answers[1].status, IPC_ANSWER_SIGNED); /* said nothing */
    assert_int_equal(answers[2].status, IPC_ANSWER_LATE);
    assert_int_equal(fake.last_batch, 1);
}

/* Recorded in time, late by then: not signed. Whoever asks again gets the signature, of the same root and for
 * no other, without another record. */
static void what_was_recorded_and_is_late_can_be_asked_for_again(void **state)
{
    (void)state;
    struct ipc_order order = vote(0, 1, 2), other = order;
    struct ipc_answer answer;
    order.patience_ms = 1000;
    fake.advance_takes_ns = 1000000000;
    ask(&answer, &order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_LATE);
    assert_int_equal(fake.advances, 1);
    order.patience_ms = 0;
    other.order.of.attestation.beacon_block_root[0] ^= 1;
    ask(&answer, &other, 1);
    assert_int_equal(answer.status, IPC_ANSWER_SLASHABLE);
    ask(&answer, &order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_SIGNED);
    assert_int_equal(fake.advances, 1);
}

/* A client that is in a hurry does not wait for registrations, however many came before. */
static void a_storm_of_registrations_is_signed_after_what_is_due(void **state)
{
    (void)state;
    enum { STORM = 40 };
    struct ipc_order due[] = {vote(0, 1, 2), block(1, 5, 1), randao(2)}, storm = randao(0);
    num_collected = 0;
    storm.order.kind = ETH2_ORDER_VALIDATOR_REGISTRATION;
    for (uint64_t i = 0; i < STORM; i++) {
        storm.id = i;
        storm.order.of.object.root[0] = (uint8_t)i;
        (void)keeper_orders_add(&k.orders, &storm, 0);
    }
    assert_true(keeper_sign(&k));
    size_t before = num_collected;
    assert_in_range(before, 1, STORM - 1);
    for (uint64_t i = 0; i < 3; i++) {
        due[i].id = STORM + i;
        (void)keeper_orders_add(&k.orders, &due[i], 0);
    }
    assert_true(keeper_sign(&k)); /* the storm has not passed, and does not keep them from being decided */
    assert_int_equal(num_collected, before + 3);
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(collected[before + i].id, STORM, STORM + 2);
        assert_int_equal(collected[before + i].status, IPC_ANSWER_SIGNED);
    }
    while (keeper_sign(&k))
        ;
    assert_int_equal(num_collected, STORM + 3);
}

/* It takes a while, so not while anybody waits. */
static void the_log_is_settled_when_nothing_waits(void **state)
{
    (void)state;
    struct ipc_order order = randao(0);
    num_collected = 0;
    (void)keeper_orders_add(&k.orders, &order, 0);
    keeper_store_probe(&k);
    assert_int_equal(fake.settled, 0);
    while (keeper_sign(&k))
        ;
    keeper_store_probe(&k);
    assert_int_equal(fake.settled, 1);
}

int main(void)
{
    if (secret_heap_open(2 << 20).code) {
        (void)fprintf(stderr, "%s\n", error_text());
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_late_is_not_decided, setup),
        cmocka_unit_test_setup(what_was_recorded_and_is_late_can_be_asked_for_again, setup),
        cmocka_unit_test_setup(a_storm_of_registrations_is_signed_after_what_is_due, setup),
        cmocka_unit_test_setup(the_log_is_settled_when_nothing_waits, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    keeper_pool_free(k.pool);
    keeper_keys_free(k.keys);
    return failed;
}
