/* test_keeper_late.c - the gate's own source and a clock that the test turns: what is late, and what has to
 * wait for what is due. */
#include "keeper_gate_rig.h"

static struct keeper *const k = &gate_keeper;

static struct {
    uint64_t monotonic_ns, advance_takes_ns;
} fake;

uint64_t __wrap_clock_monotonic_ns(void);
uint64_t __wrap_clock_monotonic_ns(void)
{
    return fake.monotonic_ns;
}

static void advance_takes_its_time(void)
{
    fake.monotonic_ns += fake.advance_takes_ns;
}

static int setup(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    gate_open(1);
    gate_store.on_advance = advance_takes_its_time;
    return 0;
}

/* Nobody waits for it any more: neither recorded nor signed. */
static void what_is_late_is_not_decided(void **state)
{
    (void)state;
    struct ipc_order orders[] = {gate_block(0, 5, 1), gate_block(1, 5, 1), gate_randao(2)};
    struct ipc_answer answers[3];
    orders[0].patience_ms = orders[2].patience_ms = 1000;
    fake.monotonic_ns = 999999999;
    gate_ask(answers, orders, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(answers[i].status, IPC_ANSWER_SIGNED);
    orders[0] = gate_block(0, 6, 1);
    orders[1] = gate_block(1, 6, 1);
    orders[0].patience_ms = 1000;
    fake.monotonic_ns = 1000000000;
    gate_ask(answers, orders, 3);
    assert_int_equal(answers[0].status, IPC_ANSWER_LATE);
    assert_int_equal(answers[1].status, IPC_ANSWER_SIGNED); /* said nothing */
    assert_int_equal(answers[2].status, IPC_ANSWER_LATE);
    assert_int_equal(gate_store.last_batch, 1);
}

/* Recorded in time, late by then: not signed. Whoever asks again gets the signature, of the same root and for
 * no other, without another record. */
static void what_was_recorded_and_is_late_can_be_asked_for_again(void **state)
{
    (void)state;
    struct ipc_order order = gate_vote(0, 1, 2), other = order;
    struct ipc_answer answer;
    order.patience_ms = 1000;
    fake.advance_takes_ns = 1000000000;
    gate_ask(&answer, &order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_LATE);
    assert_int_equal(gate_store.advances, 1);
    order.patience_ms = 0;
    other.order.of.attestation.beacon_block_root[0] ^= 1;
    gate_ask(&answer, &other, 1);
    assert_int_equal(answer.status, IPC_ANSWER_SLASHABLE);
    gate_ask(&answer, &order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_SIGNED);
    assert_int_equal(gate_store.advances, 1);
}

/* A client that is in a hurry does not wait for registrations, however many came before. */
static void a_storm_of_registrations_is_signed_after_what_is_due(void **state)
{
    (void)state;
    enum { STORM = 40 };
    struct ipc_order due[] = {gate_vote(0, 1, 2), gate_block(1, 5, 1), gate_randao(2)},
                     storm = gate_randao(0);
    gate_num_answers = 0;
    storm.order.kind = ETH2_ORDER_VALIDATOR_REGISTRATION;
    for (uint64_t i = 0; i < STORM; i++) {
        storm.id = i;
        storm.order.of.object.root[0] = (uint8_t)i;
        (void)keeper_orders_add(&k->orders, &storm, 0);
    }
    assert_true(keeper_sign(k));
    size_t before = gate_num_answers;
    assert_in_range(before, 1, STORM - 1);
    for (uint64_t i = 0; i < 3; i++) {
        due[i].id = STORM + i;
        (void)keeper_orders_add(&k->orders, &due[i], 0);
    }
    assert_true(keeper_sign(k)); /* the storm has not passed, and does not keep them from being decided */
    assert_int_equal(gate_num_answers, before + 3);
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(gate_answers[before + i].id, STORM, STORM + 2);
        assert_int_equal(gate_answers[before + i].status, IPC_ANSWER_SIGNED);
    }
    while (keeper_sign(k))
        ;
    assert_int_equal(gate_num_answers, STORM + 3);
}

/* It takes a while, so not while anybody waits. */
static void the_log_is_settled_when_nothing_waits(void **state)
{
    (void)state;
    struct ipc_order order = gate_randao(0);
    gate_num_answers = 0;
    (void)keeper_orders_add(&k->orders, &order, 0);
    keeper_store_probe(k);
    assert_int_equal(gate_store.settled, 0);
    while (keeper_sign(k))
        ;
    keeper_store_probe(k);
    assert_int_equal(gate_store.settled, 1);
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
    gate_close();
    return failed;
}
