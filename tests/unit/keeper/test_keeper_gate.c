/* test_keeper_gate.c - the gate's own source over a store that fails, lags and lies on demand: what no real
 * SQLite can be brought to do from outside. */
#include "keeper_gate_rig.h"

static struct keeper *const k = &gate_keeper;
static size_t num_threads;

/* The threads that sign, and the clock. */
static struct {
    _Atomic int sign_code;
    _Atomic unsigned signatures, batches; /* by any thread */
    unsigned signatures_before_durable;
    uint64_t now_ms; /* what the clock says */
    unsigned clock_reads;
} fake;

uint64_t __wrap_clock_realtime_ms(void);
uint64_t __wrap_clock_realtime_ms(void)
{
    fake.clock_reads++;
    return fake.now_ms;
}

result __wrap_bls_batch_sign(struct bls_batch *batch, uint8_t *ret_signatures, const uint8_t *const *secrets,
                             size_t num_secrets, const uint8_t message[static 32]);
result __real_bls_batch_sign(struct bls_batch *batch, uint8_t *ret_signatures, const uint8_t *const *secrets,
                             size_t num_secrets, const uint8_t message[static 32]);

result __wrap_bls_batch_sign(struct bls_batch *batch, uint8_t *ret_signatures, const uint8_t *const *secrets,
                             size_t num_secrets, const uint8_t message[static 32])
{
    fake.signatures += (unsigned)num_secrets;
    fake.batches++;
    ENSURE(!fake.sign_code, (enum error_code)fake.sign_code, "told to fail");
    return __real_bls_batch_sign(batch, ret_signatures, secrets, num_secrets, message);
}

static void count_what_is_signed_already(void)
{
    fake.signatures_before_durable += fake.signatures;
}

static int setup(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    gate_open(num_threads);
    gate_store.on_advance = count_what_is_signed_already;
    return 0;
}

static struct slashing_record record_at(uint64_t slot)
{
    return (struct slashing_record){.has_block = true, .block_slot = slot};
}

static void durable_comes_before_the_first_signature(void **state)
{
    (void)state;
    struct ipc_order orders[] = {gate_randao(0), gate_block(0, 1, 1), gate_block(1, 1, 1),
                                 gate_block(0, 2, 1), gate_randao(1)};
    struct ipc_answer answers[5];
    gate_ask(answers, orders, 5);
    assert_int_equal(gate_store.advances, 1);   /* one transaction for all, */
    assert_int_equal(gate_store.last_batch, 2); /* and one advance a key */
    assert_int_equal(fake.signatures, 5);
    assert_int_equal(fake.signatures_before_durable, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(answers[i].status, IPC_ANSWER_SIGNED);
}

static void nothing_to_record_asks_no_store(void **state)
{
    (void)state;
    struct ipc_order orders[] = {gate_randao(0), gate_block(0, 1, 1)};
    struct ipc_answer answers[2];
    gate_ask(answers, orders, 2);
    gate_ask(answers, orders, 2); /* the same again */
    assert_int_equal(gate_store.advances, 1);
    assert_int_equal(answers[1].status, IPC_ANSWER_SIGNED);
}

/* Somebody else has changed one record: that order is decided anew, the others are signed. */
static void a_lost_compare_and_set_costs_its_order_only(void **state)
{
    (void)state;
    struct ipc_order orders[] = {gate_block(0, 5, 1), gate_block(1, 5, 1), gate_block(0, 6, 1)};
    struct ipc_answer answers[3];
    assert_ok(keeper_local_know(k, keeper_keys_find(k->keys, gate_pubkeys[0])));
    assert_ok(keeper_local_know(k, keeper_keys_find(k->keys, gate_pubkeys[1])));
    gate_store.refused = 2;
    gate_store.stored = record_at(9);
    gate_ask(answers, orders, 3);
    assert_int_equal(answers[0].status, IPC_ANSWER_SIGNED);
    assert_int_equal(answers[1].status, IPC_ANSWER_SLASHABLE);
    assert_int_equal(answers[1].recorded_slot, 9);
    assert_int_equal(answers[2].status, IPC_ANSWER_SIGNED);
    assert_true(k->store.ok);

    struct ipc_order lower = gate_block(1, 8, 1), higher = gate_block(1, 10, 1);
    gate_ask(answers, &lower, 1);
    assert_int_equal(answers[0].status, IPC_ANSWER_SLASHABLE);
    assert_int_equal(answers[0].recorded_slot, 9);
    gate_ask(answers, &higher, 1);
    assert_int_equal(answers[0].status, IPC_ANSWER_SIGNED);
    assert_true(k->store.ok);
}

/* A record that changes whenever it is written: five attempts, then the client may try. */
static void attempts_are_bounded(void **state)
{
    (void)state;
    struct ipc_order order = gate_block(0, 100, 1);
    struct ipc_answer answer = {0};
    gate_hear(&order, 1);
    for (unsigned i = 1; i <= 5; i++) {
        assert_int_equal(gate_num_answers, 0);
        gate_store.refused = 1;
        gate_store.stored = record_at(i);
        (void)keeper_sign(k);
        assert_int_equal(gate_store.advances, i);
    }
    assert_int_equal(gate_num_answers, 1);
    assert_int_equal(gate_answers[0].status, IPC_ANSWER_STORE);
    assert_int_equal(fake.signatures, 0);
    gate_ask(&answer, &order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_SIGNED);
}

static void who_waited_longer_is_decided_first(void **state)
{
    (void)state;
    struct keeper_order_list waiting = TAILQ_HEAD_INITIALIZER(waiting);
    struct ipc_order orders[] = {gate_block(0, 5, 1), gate_block(0, 6, 1), gate_block(0, 7, 1)};
    gate_hear(orders, 3);
    keeper_orders_move(&k->orders, TAILQ_FIRST(&k->orders.ready), &waiting);
    keeper_orders_move(&k->orders, TAILQ_FIRST(&k->orders.ready), &waiting);
    keeper_orders_move_all_first(&k->orders.ready, &waiting);
    assert_true(TAILQ_EMPTY(&waiting));
    while (gate_num_answers < 3)
        (void)keeper_sign(k);
    for (size_t i = 0; i < 3; i++) {
        if (num_threads == 1)
            assert_int_equal(gate_answers[i].id, i);
        assert_int_equal(gate_answers[i].status, IPC_ANSWER_SIGNED); /* 7 before 5 would refuse 5 */
    }
}

/* A stream of either kind leaves half of the turns to the other. */
static void lone_orders_and_a_batch_take_turns(void **state)
{
    (void)state;
    static const uint64_t expected[] = {0, 5, 1, 6, 2, 7, 3, 4};
    gate_hear(NULL, 0);
    for (uint64_t i = 0; i < 8; i++) {
        struct ipc_order order = i < 5 ? gate_block(0, 1 + i, 1) : gate_block(1, 1 + i, 1);
        order.id = i;
        keeper_orders_add(&k->orders, &order, 0)->is_of_many = i < 5;
    }
    while (keeper_sign(k))
        ;
    assert_int_equal(gate_num_answers, 8);
    for (size_t i = 0; i < 8 && num_threads == 1; i++) /* several are done as they are */
        assert_int_equal(gate_answers[i].id, expected[i]);
    assert_int_equal(gate_store.advances, 1);
}

/* While a batch is being signed, who comes alone is decided and signed at once. */
static void a_lone_order_does_not_wait_for_a_batch(void **state)
{
    (void)state;
    enum { MANY = 300 };
    struct ipc_order lone = gate_block(1, 5, 1), one = gate_randao(0);
    gate_hear(NULL, 0);
    for (uint64_t i = 0; i < MANY; i++)
        keeper_orders_add(&k->orders, &one, 0)->is_of_many = true;
    assert_true(keeper_sign(k));
    assert_in_range(gate_num_answers, 1, MANY / 2);
    gate_num_answers = 0;
    lone.id = MANY;
    (void)keeper_orders_add(&k->orders, &lone, 0);
    assert_true(keeper_sign(k));
    size_t answered = 0;
    for (size_t i = 0; i < gate_num_answers; i++)
        answered += gate_answers[i].id == MANY && gate_answers[i].status == IPC_ANSWER_SIGNED;
    assert_int_equal(answered, 1);
    for (gate_num_answers = 0; k->orders.num_orders > 0; gate_num_answers = 0)
        (void)keeper_sign(k);
}

/* Neither yes nor no is no. */
static void only_done_is_signed(void **state)
{
    (void)state;
    struct ipc_order order = gate_block(0, 5, 1);
    struct ipc_answer answer;
    gate_store.silent = true;
    gate_ask(&answer, &order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_STORE);
    assert_int_equal(fake.signatures, 0);
    /* It may have been written all the same; found again it is proven by writing it once more. */
    gate_store.silent = false;
    struct slashing_record written = record_at(5);
    written.block_has_root = true;
    memcpy(written.block_root, answer.signing_root, 32);
    gate_store.stored = written;
    keeper_keys_find(k->keys, gate_pubkeys[0])->record_known = false;
    gate_ask(&answer, &order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_SIGNED);
    assert_int_equal(gate_store.advances, 2);
    gate_ask(&answer, &order, 1);
    assert_int_equal(gate_store.advances, 2);
}

/* Whatever went wrong before: what the durable record does not know of is not signed. */
static void the_last_question_is_the_record(void **state)
{
    (void)state;
    struct ipc_order order = gate_block(0, 5, 1);
    gate_hear(&order, 1);
    struct keeper_order *smuggled = TAILQ_FIRST(&k->orders.ready);
    keeper_orders_make_signable(&k->orders, smuggled);
    (void)keeper_sign(k);
    assert_int_equal(gate_num_answers, 1);
    assert_int_equal(gate_answers[0].status, IPC_ANSWER_STORE);
    assert_int_equal(fake.signatures, 0);
}

static void assert_nothing_is_signed(void)
{
    struct ipc_order orders[] = {gate_block(0, 100, 1), gate_randao(1)};
    struct ipc_answer answers[2];
    unsigned signatures = fake.signatures;
    gate_ask(answers, orders, 2);
    assert_int_equal(answers[0].status, IPC_ANSWER_STORE);
    assert_int_equal(answers[1].status, IPC_ANSWER_STORE);
    assert_int_equal(fake.signatures, signatures);
}

/* Found by the keeper itself: whoever is told that the signer is not healthy asks it for nothing. */
static void a_store_that_works_again_is_noticed_without_an_order(void **state)
{
    (void)state;
    struct ipc_order order = gate_block(0, 5, 1);
    struct ipc_answer answer;
    gate_store.advance_code = E_STORE;
    gate_ask(&answer, &order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_STORE);
    keeper_store_probe(k);
    assert_false(k->store.ok);
    gate_store.advance_code = E_NONE;
    keeper_store_probe(k);
    assert_true(k->store.ok);
    assert_int_equal(fake.signatures, 0);
    gate_ask(&answer, &order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_SIGNED);
}

static void a_store_that_cannot_be_read_is_broken(void **state)
{
    (void)state;
    struct ipc_order order = gate_block(0, 5, 1);
    struct ipc_answer answer;
    assert_ok(keeper_local_know(k, keeper_keys_find(k->keys, gate_pubkeys[0])));
    gate_store.advance_code = gate_store.load_code = E_STORE;
    gate_ask(&answer, &order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_STORE);
    assert_int_equal(fake.signatures, 0);
    assert_true(k->store.broken);
    gate_store.advance_code = gate_store.load_code = E_NONE;
    assert_nothing_is_signed();
}

/* A store rolled back under a running signer: memory remembers more. */
static void a_store_that_forgets_is_broken(void **state)
{
    (void)state;
    struct ipc_order orders[] = {gate_block(0, 5, 1), gate_block(0, 6, 1)};
    struct ipc_answer answer;
    gate_ask(&answer, &orders[0], 1);
    assert_int_equal(answer.status, IPC_ANSWER_SIGNED);
    gate_store.refused = 1;
    gate_store.stored = record_at(3);
    gate_ask(&answer, &orders[1], 1);
    assert_int_equal(answer.status, IPC_ANSWER_STORE);
    assert_true(k->store.broken);
    assert_nothing_is_signed();
}

/* A new key whose record cannot be read is not signed for, and nothing else suffers. */
static void an_unread_record_is_asked_for_again(void **state)
{
    (void)state;
    struct ipc_order orders[] = {gate_block(0, 5, 1), gate_randao(1)};
    struct ipc_answer answers[2];
    gate_store.load_code = E_STORE;
    gate_ask(answers, orders, 2);
    assert_int_equal(answers[0].status, IPC_ANSWER_STORE);
    assert_int_equal(answers[1].status, IPC_ANSWER_SIGNED);
    assert_false(k->store.ok || k->store.broken);
    gate_store.load_code = E_NONE;
    gate_store.stored = record_at(5);
    gate_ask(answers, orders, 1);
    assert_int_equal(answers[0].status, IPC_ANSWER_SLASHABLE);
}

static void expect_limit(const struct ipc_order *order, enum slashing_verdict verdict, uint64_t limit)
{
    struct ipc_answer answer;
    unsigned advances = gate_store.advances;
    gate_ask(&answer, order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_SLASHABLE);
    assert_int_equal(answer.verdict, verdict);
    assert_true(answer.has_limit);
    assert_int_equal(answer.limit, limit);
    assert_int_equal(gate_store.advances, advances);
}

static void expect_signed(const struct ipc_order *order)
{
    struct ipc_answer answer;
    gate_ask(&answer, order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_SIGNED);
    assert_false(answer.has_limit);
}

/* Epoch 100 of mainnet; two epochs ahead are permitted. */
static void the_clock_bounds_what_is_signed(void **state)
{
    (void)state;
    struct ipc_order orders[] = {gate_vote(0, 99, 102), gate_vote(0, 99, 103), gate_block(1, 103 * 32 - 1, 1),
                                 gate_block(1, 103 * 32, 1)};
    struct ipc_answer answers[2];
    k->policy.slashing_protection = k->policy.has_far_future = true;
    k->policy.far_future_epochs = 2;
    fake.now_ms = (k->policy.network.genesis_time + 100 * 384) * 1000;
    expect_limit(&orders[1], SLASHING_REFUSE_FAR_FUTURE, 102);
    expect_limit(&orders[3], SLASHING_REFUSE_FAR_FUTURE, 103 * 32 - 1);
    expect_signed(&orders[0]);
    expect_signed(&orders[2]);
    fake.now_ms += 384000;
    fake.clock_reads = 0;
    gate_ask(answers, (const struct ipc_order[]){orders[1], orders[3]}, 2);
    assert_int_equal(answers[0].status, IPC_ANSWER_SIGNED);
    assert_int_equal(answers[1].status, IPC_ANSWER_SIGNED);
    assert_int_equal(fake.clock_reads, 1);
}

static void the_floor_is_the_start(void **state)
{
    (void)state;
    struct ipc_order at_floor = gate_vote(0, 99, 100), above = gate_vote(0, 99, 101),
                     slot = gate_block(1, 3201, 1), after = gate_block(1, 3202, 1);
    k->policy.slashing_protection = k->policy.boot_floor = true;
    fake.now_ms = (k->policy.network.genesis_time + 3201 * 12) * 1000;
    keeper_limits_begin(&k->store.limits, &k->policy);
    fake.now_ms += 3600000;
    expect_limit(&at_floor, SLASHING_REFUSE_BOOT_FLOOR, 100);
    expect_limit(&slot, SLASHING_REFUSE_BOOT_FLOOR, 3201);
    expect_signed(&above);
    expect_signed(&above);
    expect_signed(&after);
}

static void expect_answer(const struct ipc_answer *answer, enum ipc_answer_status status, uint8_t key)
{
    uint8_t secret[32] = {[31] = (uint8_t)(key + 1)}, expected[96] = {0};
    if (status == IPC_ANSWER_SIGNED)
        assert_ok(bls_sign(expected, secret, answer->signing_root, 32));
    assert_int_equal(answer->status, status);
    assert_memory_equal(answer->signature, expected, 96);
}

/* Each is decided by itself; what is left of them shares a message. */
static void the_same_message_is_signed_together(void **state)
{
    (void)state;
    struct ipc_order orders[] = {gate_vote(0, 1, 2), gate_randao(0), gate_vote(1, 1, 2), gate_vote(2, 1, 2),
                                 gate_randao(2)};
    struct ipc_order later = gate_vote(1, 2, 3);
    struct ipc_answer answers[5];
    gate_ask(answers, &later, 1);
    fake.sign_code = E_INTERNAL;
    for (size_t i = 0; i < 2; i++) {
        enum ipc_answer_status status = i == 0 ? IPC_ANSWER_INTERNAL : IPC_ANSWER_SIGNED;
        fake.batches = fake.signatures = 0;
        gate_ask(answers, orders, 5);
        assert_int_equal(fake.batches, 2);
        assert_int_equal(fake.signatures, 4);
        for (uint8_t at = 0; at < 5; at++)
            expect_answer(&answers[at], at == 2 ? IPC_ANSWER_SLASHABLE : status, at < 2 ? 0 : 2);
        fake.sign_code = E_NONE;
    }
}

/* However they came to be signable. */
static void the_last_question_is_asked_of_each(void **state)
{
    (void)state;
    struct ipc_order orders[] = {gate_vote(0, 1, 2), gate_vote(1, 1, 2), gate_vote(2, 1, 2)};
    struct ipc_answer signed_before;
    struct keeper_order *order;
    gate_ask(&signed_before, orders, 1);
    orders[2].order.pubkey[0] ^= 1;
    gate_hear(orders, 3);
    while ((order = TAILQ_FIRST(&k->orders.ready))) {
        memcpy(order->answer.signing_root, signed_before.signing_root, 32);
        keeper_orders_make_signable(&k->orders, order);
    }
    (void)keeper_sign(k);
    assert_int_equal(gate_num_answers, 3);
    expect_answer(&gate_answers[0], IPC_ANSWER_STORE, 1);
    expect_answer(&gate_answers[1], IPC_ANSWER_UNKNOWN_KEY, 2);
    expect_answer(&gate_answers[2], IPC_ANSWER_SIGNED, 0);
}

static void the_high_watermark_is_told(void **state)
{
    (void)state;
    struct ipc_order at = gate_vote(0, 1, 7), below = gate_vote(0, 1, 6), slot = gate_block(1, 9, 1);
    k->store.limits = (struct slashing_limits){.has_high_watermark = true, .high_epoch = 7, .high_slot = 9};
    expect_limit(&at, SLASHING_REFUSE_HIGH_WATERMARK, 7);
    expect_limit(&slot, SLASHING_REFUSE_HIGH_WATERMARK, 9);
    expect_signed(&below);
}

int main(void)
{
    if (secret_heap_open(2 << 20).code) {
        (void)fprintf(stderr, "%s\n", error_text());
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_clock_bounds_what_is_signed, setup),
        cmocka_unit_test_setup(the_floor_is_the_start, setup),
        cmocka_unit_test_setup(the_high_watermark_is_told, setup),
        cmocka_unit_test_setup(durable_comes_before_the_first_signature, setup),
        cmocka_unit_test_setup(nothing_to_record_asks_no_store, setup),
        cmocka_unit_test_setup(a_lost_compare_and_set_costs_its_order_only, setup),
        cmocka_unit_test_setup(attempts_are_bounded, setup),
        cmocka_unit_test_setup(who_waited_longer_is_decided_first, setup),
        cmocka_unit_test_setup(lone_orders_and_a_batch_take_turns, setup),
        cmocka_unit_test_setup(a_lone_order_does_not_wait_for_a_batch, setup),
        cmocka_unit_test_setup(only_done_is_signed, setup),
        cmocka_unit_test_setup(the_last_question_is_the_record, setup),
        cmocka_unit_test_setup(the_same_message_is_signed_together, setup),
        cmocka_unit_test_setup(the_last_question_is_asked_of_each, setup),
        cmocka_unit_test_setup(a_store_that_works_again_is_noticed_without_an_order, setup),
        cmocka_unit_test_setup(a_store_that_cannot_be_read_is_broken, setup),
        cmocka_unit_test_setup(a_store_that_forgets_is_broken, setup),
        cmocka_unit_test_setup(an_unread_record_is_asked_for_again, setup),
    };
    int failed = 0; /* what is asked of one thread holds with several */
    for (num_threads = 1; num_threads <= 3; num_threads += 2)
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    gate_close();
    return failed;
}
