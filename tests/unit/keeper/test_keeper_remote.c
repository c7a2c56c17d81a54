/* test_keeper_remote.c - a store across a network, while keys are in service: late, lost, forged and lying
 * answers. The test is the courier. */
#include "keeper_courier.h"

#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "slashing/slashing_rules.h"

static void only_what_is_recorded_is_signed(void **state)
{
    struct rig *rig = *state;
    struct ipc_order order;
    courier_boot(&courier, rig, 2);
    struct eth2_order vote = rig_vote(0, 1, 2, 1), other = rig_vote(0, 1, 3, 1),
                      randao = rig_order(0, ETH2_ORDER_RANDAO_REVEAL);
    struct ipc_answer answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    assert_int_equal(courier_row(&courier, 0)->entry.record.target_epoch, 2);
    assert_int_equal(courier_row(&courier, 0)->entry.stamp.generation, 7);
    assert_ok(slashing_seal_check_entry(&courier.seal, &courier_row(&courier, 0)->entry, rig_pubkey(0)));

    courier.advances = COURIER_KEEPS;
    courier_send_order(rig, &order, other);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    rig_expect_silence(rig->front);
    answer = rig_sign_one(rig, vote); /* repeats and what cannot be slashed do not wait */
    rig_assert_signed(rig, &answer, &vote);
    answer = rig_sign_one(rig, randao);
    rig_assert_signed(rig, &answer, &randao);
    courier_send_order(rig, &(struct ipc_order){0}, rig_vote(1, 1, 2, 1)); /* nor does another key */
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    assert_int_equal(courier.num_kept, 2);

    courier_answer_kept(&courier, rig, 0);
    answer = courier_take_answer(rig, &order);
    rig_assert_signed(rig, &answer, &other);
    rig_stop(rig);
}

static void a_conflict_is_decided_again(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 1);
    struct slashing_record theirs = courier_vote_record(3, 9);
    courier_write(&courier, 0, &theirs, 7);
    struct ipc_answer answer = courier_sign_one(&courier, rig, rig_vote(0, 3, 9, 1));
    assert_int_equal(answer.status, IPC_ANSWER_SLASHABLE);
    assert_int_equal(answer.verdict, SLASHING_REFUSE_TARGET_EQUAL);
    assert_int_equal(answer.recorded_target, 9);
    theirs = courier_vote_record(9, 11);
    courier_write(&courier, 0, &theirs, 7);
    struct eth2_order vote = rig_vote(0, 11, 12, 1);
    answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    assert_int_equal(courier.num_advances, 3);
    rig_stop(rig);
}

static void expect_refused_key(struct rig *rig)
{
    unsigned advances = courier.num_advances, loads = courier.num_loads;
    struct eth2_order randao = rig_order(0, ETH2_ORDER_RANDAO_REVEAL), vote = rig_vote(1, 1, 2, 1);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 500, 501, 1)).status, IPC_ANSWER_STORE);
    assert_int_equal(courier_sign_one(&courier, rig, rig_block(0, 5000, 1)).status, IPC_ANSWER_STORE);
    assert_int_equal(courier.num_advances, advances);
    assert_int_equal(courier.num_loads, loads);
    struct ipc_answer answer = courier_sign_one(&courier, rig, randao);
    rig_assert_signed(rig, &answer, &randao);
    answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    rig_stop(rig);
}

/* A genuine entry of yesterday. */
static void a_record_that_was_rolled_back_costs_its_key(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    struct slashing_enrolment before = *courier_row(&courier, 0);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 2, 3, 1)).status, IPC_ANSWER_SIGNED);
    *courier_row(&courier, 0) = before;
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 3, 4, 1)).status, IPC_ANSWER_STORE);
    expect_refused_key(rig);
}

static void a_record_of_an_earlier_generation_costs_its_key(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    struct slashing_record far = courier_vote_record(3, 9);
    courier_write(&courier, 0, &far, 6);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 9, 10, 1)).status, IPC_ANSWER_STORE);
    expect_refused_key(rig);
}

static void a_forged_record_costs_its_key(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    courier_row(&courier, 0)->entry.record = courier_vote_record(0, 1); /* edited, the seal left as it was */
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 9, 10, 1)).status, IPC_ANSWER_STORE);
    expect_refused_key(rig);
}

static void another_validators_record_costs_its_key(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    struct slashing_record far = courier_vote_record(3, 9);
    courier_write(&courier, 1, &far, 7);
    courier_row(&courier, 0)->entry = courier_row(&courier, 1)->entry;
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 9, 10, 1)).status, IPC_ANSWER_STORE);
    struct slashing_record none = {0};
    courier_write(&courier, 1, &none, 7);
    expect_refused_key(rig);
}

static void a_later_generation_ends_all_signing(void **state)
{
    struct rig *rig = *state;
    struct ipc_order pending;
    courier_boot(&courier, rig, 2);
    courier.advances = COURIER_KEEPS;
    courier_send_order(rig, &pending, rig_vote(1, 1, 2, 1)); /* done, but after the take-over was seen */
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    courier.advances = COURIER_HONEST;
    struct slashing_record same = {0};
    courier_write(&courier, 0, &same, 8);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_STORE);
    struct ipc_health health;
    rig_expect(rig, rig->front, IPC_HEALTH);
    assert_ok(ipc_take_health(&health, &rig->message));
    assert_false(health.store_ok);
    courier_answer_kept(&courier, rig, 0);
    assert_int_equal(courier_take_answer(rig, &pending).status, IPC_ANSWER_STORE);
    courier_expect_fenced(&courier, rig);
}

static void a_lost_advance_is_read_again(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 1);
    courier.num_loads = 0;
    courier.advances = COURIER_LOSES;
    struct eth2_order vote = rig_vote(0, 1, 2, 1);
    assert_int_equal(courier_sign_one(&courier, rig, vote).status, IPC_ANSWER_STORE);
    courier_expect_health(rig, false);
    courier.loads = COURIER_LOSES;
    assert_int_equal(courier_sign_one(&courier, rig, vote).status, IPC_ANSWER_STORE);
    courier.advances = courier.loads = COURIER_HONEST;
    struct ipc_answer answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    courier_expect_health(rig, true);
    assert_int_equal(courier.num_loads, 2);
    assert_int_equal(courier.num_advances, 2);
    rig_stop(rig);
}

/* Nobody asks for signatures while it is unhealthy: it asks the store itself, with a key that it believes. */
static void a_refused_key_does_not_keep_the_store_unhealthy(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    courier_row(&courier, 0)->entry.record = courier_vote_record(0, 1); /* forged */
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 9, 10, 1)).status, IPC_ANSWER_STORE);
    courier.advances = COURIER_LOSES;
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 1, 2, 1)).status, IPC_ANSWER_STORE);
    courier_expect_health(rig, false);
    courier.advances = COURIER_HONEST;
    courier_serve_until(&courier, rig, rig->front);
    courier_expect_health(rig, true);
    rig_stop(rig);
}

/* It was done, and the answer was lost. */
static void a_forgotten_advance_is_proven_before_it_is_signed(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 1);
    courier.advances = COURIER_FORGETS;
    struct eth2_order vote = rig_vote(0, 1, 2, 1);
    assert_int_equal(courier_sign_one(&courier, rig, vote).status, IPC_ANSWER_STORE);
    courier_expect_health(rig, false);
    courier.advances = COURIER_HONEST;
    struct ipc_answer answer = courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 2));
    assert_int_equal(answer.verdict, SLASHING_REFUSE_TARGET_EQUAL);
    assert_int_equal(courier.num_advances, 1);
    answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    courier_expect_health(rig, true);
    assert_int_equal(courier.num_advances, 2);
    answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    assert_int_equal(courier.num_advances, 2);
    rig_stop(rig);
}

/* After a doubt the store shows an older record than memory has. */
static void a_read_that_forgets_costs_its_key(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    struct slashing_enrolment before = *courier_row(&courier, 0);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    courier.advances = COURIER_LOSES;
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 2, 3, 1)).status, IPC_ANSWER_STORE);
    courier_expect_health(rig, false);
    courier.advances = COURIER_HONEST;
    *courier_row(&courier, 0) = before;
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 2)).status, IPC_ANSWER_STORE);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 2)).status, IPC_ANSWER_STORE);
    rig_stop(rig);
}

/* That many answers, to any of these orders. */
static void take_some(struct rig *rig, struct ipc_answer *ret_answers, const struct ipc_order *orders,
                      uint32_t count)
{
    for (uint32_t taken = 0; taken < count; taken += rig->message.count) {
        rig_expect(rig, rig->front, IPC_SIGNED);
        for (uint32_t i = 0; i < rig->message.count; i++) {
            struct ipc_answer one;
            assert_ok(ipc_take_answer(&one, &rig->message.body));
            ret_answers[one.id - orders[0].id] = one;
        }
    }
}

/* Some were recorded, others not: that is a store that fails, whatever stands last. */
static void answers_that_come_together_are_judged_together(void **state)
{
    struct rig *rig = *state;
    struct ipc_order orders[2] = {0};
    struct ipc_answer answers[2];
    uint8_t bytes[1024];
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    courier_boot(&courier, rig, 2);
    courier.advances = COURIER_KEEPS;
    for (uint32_t i = 0; i < 2; i++) {
        courier_send_order(rig, &orders[i], rig_vote(i, 1, 2, 1));
        courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    }
    ipc_begin(&p, IPC_STORE_ADVANCED, 2);
    ipc_pack_store_advanced(&p, &(struct ipc_store_advanced){.id = courier_kept_id(&courier, 0),
                                                             .outcome = IPC_STORE_OPEN_OUTCOME});
    ipc_pack_store_advanced(
        &p, &(struct ipc_store_advanced){.id = courier_kept_id(&courier, 1), .outcome = IPC_STORE_DONE});
    rig_send(rig->courier, &p);
    take_some(rig, answers, orders, 2);
    assert_int_equal(answers[0].status, IPC_ANSWER_STORE);
    rig_assert_signed(rig, &answers[1], &orders[1].order);
    courier_expect_health(rig, false);
    rig_stop(rig);
}

/* Killed between the record and its answer. */
static void a_crash_leaves_the_record(void **state)
{
    struct rig *rig = *state;
    struct ipc_order order;
    courier_boot(&courier, rig, 2);
    courier.advances = COURIER_KEEPS;
    struct eth2_order vote = rig_vote(0, 1, 2, 1);
    courier_send_order(rig, &order, vote);
    if (!courier.is_sealed)
        courier_serve_one(&courier, rig, IPC_STORE_HEAD_SET);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    courier.advances = COURIER_HONEST;
    courier_answer_kept(&courier, rig, 0);
    rig_kill(rig);
    courier_boot(&courier, rig, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 2)).verdict,
                     SLASHING_REFUSE_TARGET_EQUAL);
    struct ipc_answer answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    rig_stop(rig);
}

/* One new block and one new vote share an advance; a second vote is held, and so is what comes while it is
 * sent. */
static void orders_of_one_key_share_an_advance_or_are_held(void **state)
{
    struct rig *rig = *state;
    struct ipc_order first[7] = {0}, *second = first + 4;
    struct ipc_answer answers[7];
    courier_boot(&courier, rig, 2);
    courier.advances = COURIER_KEEPS;
    first[0].order = rig_vote(0, 1, 2, 1);
    first[1].order = rig_vote(0, 2, 3, 1);
    first[2].order = rig_vote(0, 2, 3, 2); /* refused, if the one before it is true */
    first[3].order = rig_block(0, 77, 1);
    rig_send_orders(rig, first, 4);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    second[0].order = rig_vote(0, 2, 3, 3);
    second[1].order = rig_vote(0, 3, 4, 1);
    second[2].order = rig_block(0, 78, 1);
    rig_send_orders(rig, second, 3);
    rig_expect_silence(rig->front);
    rig_expect_silence(rig->courier);
    courier_answer_kept(&courier, rig, 0);
    assert_int_equal(courier.num_advances, 1);
    take_some(rig, answers, first, 2);
    rig_assert_signed(rig, &answers[0], &first[0].order);
    rig_assert_signed(rig, &answers[3], &first[3].order);

    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE); /* of those that were held */
    assert_int_equal(courier.num_kept, 2);
    courier_answer_kept(&courier, rig, 1);
    take_some(rig, answers, first, 4);
    rig_assert_signed(rig, &answers[1], &first[1].order);
    assert_int_equal(answers[2].verdict, SLASHING_REFUSE_TARGET_EQUAL);
    assert_int_equal(answers[4].verdict, SLASHING_REFUSE_TARGET_EQUAL);
    rig_assert_signed(rig, &answers[6], &second[2].order);

    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    courier_answer_kept(&courier, rig, 2);
    assert_int_equal(courier.num_advances, 3);
    answers[5] = courier_take_answer(rig, &second[1]);
    rig_assert_signed(rig, &answers[5], &second[1].order);
    rig_stop(rig);
}

/* Another signer of the same store had another vote for the first target, and the same for the second: the
 * store then holds exactly what this signer is about to write. */
static void the_same_marks_of_another_signer_prove_one_vote(void **state)
{
    struct rig *rig = *state;
    struct ipc_order orders[2] = {0};
    struct ipc_answer answers[2];
    courier_boot(&courier, rig, 1);
    if (!courier.is_sealed) /* the genesis root is locked first */
        assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 0, 1, 1)).status, IPC_ANSWER_SIGNED);
    courier.advances = COURIER_KEEPS;
    orders[0].order = rig_vote(0, 1, 2, 1);
    orders[1].order = rig_vote(0, 2, 3, 1);
    rig_send_orders(rig, orders, 2);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    struct slashing_record theirs = courier_vote_record(2, 3);
    theirs.attestation_has_root = true;
    assert_ok(eth2_order_signing_root(theirs.attestation_root, &rig->policy.network, &orders[1].order));
    courier_write(&courier, 0, &theirs, courier_row(&courier, 0)->entry.stamp.generation);
    courier.advances = COURIER_HONEST;
    courier_answer_kept(&courier, rig, 0);
    courier_serve_until(&courier, rig, rig->front);
    take_some(rig, answers, orders, 2);
    assert_int_equal(answers[0].status, IPC_ANSWER_SLASHABLE);
    assert_int_equal(answers[0].verdict, SLASHING_REFUSE_SOURCE_BELOW);
    rig_assert_signed(rig, &answers[1], &orders[1].order);
    rig_stop(rig);
}

static void answers_come_in_any_order(void **state)
{
    enum { KEYS = 8 };
    struct rig *rig = *state;
    struct ipc_order orders[KEYS] = {0};
    courier_boot(&courier, rig, KEYS);
    courier.advances = COURIER_KEEPS;
    for (uint32_t i = 0; i < KEYS; i++) {
        courier_send_order(rig, &orders[i], rig_vote(i, 1, 2, 1));
        courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    }
    for (uint32_t i = KEYS; i-- > 0;) {
        courier_answer_kept(&courier, rig, i);
        struct ipc_answer answer = courier_take_answer(rig, &orders[i]);
        rig_assert_signed(rig, &answer, &orders[i].order);
    }
    rig_stop(rig);
}

static void an_order_does_not_wait_for_ever(void **state)
{
    struct rig *rig = *state;
    struct ipc_order orders[2];
    struct ipc_answer answers[2];
    courier_boot(&courier, rig, 1);
    courier.advances = COURIER_KEEPS;
    uint64_t began = clock_monotonic_ns();
    struct eth2_order vote = rig_vote(0, 1, 2, 1);
    courier_send_order(rig, &orders[0], vote);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    courier_send_order(rig, &orders[1], rig_vote(0, 2, 3, 1)); /* is held */
    take_some(rig, answers, orders, 2);
    assert_int_equal(answers[0].status, IPC_ANSWER_STORE);
    assert_int_equal(answers[1].status, IPC_ANSWER_STORE);
    uint64_t waited = clock_monotonic_ns() - began;
    assert_in_range(waited, UINT64_C(4900000000), UINT64_C(9000000000));

    /* Its advance was still under way. When it is done nobody is answered, but it counts. */
    courier.advances = COURIER_HONEST;
    courier_answer_kept(&courier, rig, 0);
    struct ipc_answer answer = courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 2));
    assert_int_equal(answer.verdict, SLASHING_REFUSE_TARGET_EQUAL);
    answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    assert_int_equal(courier.num_advances, 1);
    rig_stop(rig);
}

static uint64_t keep_one(struct rig *rig, struct ipc_order *ret_order)
{
    courier_boot(&courier, rig, 1);
    courier.advances = COURIER_KEEPS;
    courier_send_order(rig, ret_order, rig_vote(0, 1, 2, 1));
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    return courier_kept_id(&courier, 0);
}

static void an_answer_to_nothing_ends_the_keeper(void **state)
{
    struct rig *rig = *state;
    struct ipc_order order;
    uint64_t id = keep_one(rig, &order);
    courier_send_advanced(rig, &(struct ipc_store_advanced){.id = id + 1, .outcome = IPC_STORE_DONE});
    rig_expect_end(rig, 1);
}

static void a_second_answer_ends_the_keeper(void **state)
{
    struct rig *rig = *state;
    struct ipc_order order;
    uint64_t id = keep_one(rig, &order);
    courier_answer_kept(&courier, rig, 0);
    assert_int_equal(courier_take_answer(rig, &order).status, IPC_ANSWER_SIGNED);
    courier_send_advanced(rig, &(struct ipc_store_advanced){.id = id, .outcome = IPC_STORE_DONE});
    rig_expect_end(rig, 1);
}

/* A courier that records nothing and says done: within this run nothing slashable is signed. */
static void a_lying_courier_gets_nothing_slashable(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 1);
    courier.advances = COURIER_LIES;
    struct eth2_order vote = rig_vote(0, 5, 6, 1);
    struct ipc_answer answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 5, 6, 2)).verdict,
                     SLASHING_REFUSE_TARGET_EQUAL);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 4, 7, 2)).verdict,
                     SLASHING_REFUSE_SOURCE_BELOW);
    courier.advances = COURIER_LOSES; /* now it says that it does not know, and shows the old record */
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 6, 7, 1)).status, IPC_ANSWER_STORE);
    courier_expect_health(rig, false);
    courier.advances = COURIER_LIES;
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 5, 6, 2)).status, IPC_ANSWER_STORE);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 5, 6, 2)).status, IPC_ANSWER_STORE);
    rig_stop(rig);
}

static void twenty_thousand_orders_at_once(void **state)
{
    enum { ORDERS = 20000, KEYS = 2500 };
    static struct ipc_order orders[ORDERS];
    struct rig *rig = *state;
    uint32_t sent = 0, taken = 0, num_signed = 0;
    uint64_t first_id = 0;
    courier_boot(&courier, rig, KEYS);
    for (uint32_t i = 0; i < ORDERS; i++)
        orders[i].order = rig_vote(i % KEYS, i / KEYS, i / KEYS + 1, 1);
    while (taken < ORDERS) {
        struct pollfd polls[] = {
            {.fd = rig->courier, .events = POLLIN},
            {.fd = rig->front, .events = (short)(sent < ORDERS ? POLLIN | POLLOUT : POLLIN)}};
        assert_true(poll(polls, 2, 20000) > 0);
        if (polls[0].revents & POLLIN)
            courier_serve(&courier, rig); /* on a slow machine also a look at the head */
        if (polls[1].revents & POLLIN) {
            rig_expect(rig, rig->front, IPC_SIGNED);
            for (uint32_t i = 0; i < rig->message.count; i++, taken++) {
                struct ipc_answer answer;
                assert_ok(ipc_take_answer(&answer, &rig->message.body));
                num_signed += answer.status == IPC_ANSWER_SIGNED;
                assert_true(answer.status == IPC_ANSWER_SIGNED || answer.status == IPC_ANSWER_STORE);
                assert_in_range(answer.id, first_id, first_id + ORDERS - 1);
            }
        } else if (polls[1].revents & POLLOUT) {
            rig_send_orders(rig, orders + sent, 125);
            first_id = orders[0].id;
            sent += 125;
        }
    }
    assert_true(num_signed > ORDERS / 10); /* a slow machine may run into deadlines */
    assert_in_range(courier.num_advances, 1, ORDERS);
    rig_stop(rig);
}

/* Many keys at once: few packets. */
static void what_piles_up_goes_out_together(void **state)
{
    enum { KEYS = 480 };
    static struct ipc_order orders[KEYS];
    static struct ipc_answer answers[KEYS];
    struct rig *rig = *state;
    courier_boot(&courier, rig, KEYS);
    for (uint32_t i = 0; i < KEYS; i++)
        orders[i].order = rig_vote(i, 1, 2, 1);
    for (uint32_t i = 0; i < KEYS; i += 160)
        rig_send_orders(rig, orders + i, 160);
    for (uint32_t taken = 0; taken < KEYS;) {
        courier_serve_until(&courier, rig, rig->front);
        rig_expect(rig, rig->front, IPC_SIGNED);
        for (uint32_t i = 0; i < rig->message.count; i++, taken++) {
            struct ipc_answer one;
            assert_ok(ipc_take_answer(&one, &rig->message.body));
            answers[one.id - orders[0].id] = one;
        }
    }
    for (uint32_t i = 0; i < KEYS; i += 37)
        rig_assert_signed(rig, &answers[i], &orders[i].order);
    assert_int_equal(courier.num_advances, KEYS);
    assert_in_range(courier.num_packets, 3, 12);
    rig_stop(rig);
}

int main(void)
{
#define SEALED(function) cmocka_unit_test_setup_teardown(function, courier_setup_sealed, courier_teardown)
#define PLAIN(function) cmocka_unit_test_setup_teardown(function, courier_setup_plain, courier_teardown)
    const struct CMUnitTest tests[] = {
        SEALED(only_what_is_recorded_is_signed),
        SEALED(a_conflict_is_decided_again),
        SEALED(a_record_that_was_rolled_back_costs_its_key),
        SEALED(a_record_of_an_earlier_generation_costs_its_key),
        SEALED(a_forged_record_costs_its_key),
        SEALED(another_validators_record_costs_its_key),
        SEALED(a_later_generation_ends_all_signing),
        SEALED(a_lost_advance_is_read_again),
        SEALED(a_refused_key_does_not_keep_the_store_unhealthy),
        SEALED(a_forgotten_advance_is_proven_before_it_is_signed),
        SEALED(a_read_that_forgets_costs_its_key),
        SEALED(a_crash_leaves_the_record),
        PLAIN(a_crash_leaves_the_record),
        SEALED(orders_of_one_key_share_an_advance_or_are_held),
        SEALED(the_same_marks_of_another_signer_prove_one_vote),
        PLAIN(the_same_marks_of_another_signer_prove_one_vote),
        SEALED(answers_come_in_any_order),
        SEALED(answers_that_come_together_are_judged_together),
        SEALED(an_order_does_not_wait_for_ever),
        SEALED(an_answer_to_nothing_ends_the_keeper),
        SEALED(a_second_answer_ends_the_keeper),
        SEALED(a_lying_courier_gets_nothing_slashable),
        PLAIN(a_lying_courier_gets_nothing_slashable),
        SEALED(what_piles_up_goes_out_together),
        SEALED(twenty_thousand_orders_at_once),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
