/* test_keeper_head.c - the head of a store across a network while keys are in service: the genesis lock, the
 * look from time to time; and a courier that says what nobody asked. The test is the courier. */
#include "keeper_courier.h"

#include "slashing/slashing_rules.h"

static void expect_breach(struct rig *rig, const struct packer *p)
{
    courier_boot(&courier, rig, 1);
    rig_send(rig->courier, p);
    rig_expect_end(rig, 1);
}

static void a_head_that_nobody_asked_for_ends_the_keeper(void **state)
{
    uint8_t packet[2048], head[SLASHING_HEAD_BYTES] = {0};
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_store_head(&p, &(struct ipc_store_head){.status = IPC_STORE_HEAD_NONE, .head = head});
    expect_breach(*state, &p);
}

static void a_head_set_that_nobody_asked_for_ends_the_keeper(void **state)
{
    uint8_t packet[64];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_store_head_is_set(&p, &(struct ipc_store_head_is_set){.id = 1, .outcome = IPC_STORE_DONE});
    expect_breach(*state, &p);
}

static void entries_that_nobody_asked_for_end_the_keeper(void **state)
{
    uint8_t packet[64];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_store_entries(&p, &(struct ipc_store_entries){.id = 1, .status = IPC_STORE_LAST});
    expect_breach(*state, &p);
}

static void stand_alone_a_courier_may_only_answer(void **state)
{
    uint8_t packet[64];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_load_begin(&p, false);
    expect_breach(*state, &p);
    p = (struct packer){.data = packet, .capacity = sizeof packet};
    ipc_pack_attest(&p, &(struct ipc_attest){.purpose = IPC_ATTEST_RECIPIENT});
    expect_breach(*state, &p);
}

/* Stand-alone, a policy that pins no identity needs no key: the seals then find mistakes. */
static void without_an_identity_the_key_is_zero(void **state)
{
    struct rig *rig = *state;
    struct secret key = {0};
    uint8_t zero[32] = {0};
    rig->policy.has_store_identity = false;
    memset(rig->policy.store_identity, 0, 32);
    slashing_seal_cleanup(&courier.seal);
    assert_ok(secret_copy(&key, zero, sizeof zero));
    assert_ok(slashing_seal_open(&courier.seal, &key, (const uint8_t *)"a store's own id"));
    courier_seal_head(&courier);
    rig_boot_to_load(rig);
    rig_load_keys(rig, 0, 2);
    rig_loader_end(rig, 2, 0);
    courier_serve_until(&courier, rig, rig->front);
    rig_begin_to_serve(rig, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    assert_ok(slashing_seal_check_entry(&courier.seal, &courier_row(&courier, 0)->entry, rig_pubkey(0)));
    rig_kill(rig);
    courier.head.num_validators++; /* a mistake */
    rig_boot_to_load(rig);
    courier_serve_one(&courier, rig, IPC_STORE_OPEN); /* before the end: it is asked anew for the start */
    rig_loader_end(rig, 0, 0);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    rig_expect_end(rig, 1);
}

/* ---- without seals ---- */

static void the_first_slashable_order_locks_the_genesis(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    struct eth2_order vote = rig_vote(0, 1, 2, 1), other = rig_vote(1, 1, 2, 1);
    other.fork_info.genesis_validators_root[0] ^= 1;
    courier.head_sets = COURIER_LOSES;
    assert_int_equal(courier_sign_one(&courier, rig, vote).status, IPC_ANSWER_STORE);
    courier_expect_health(rig, false);
    courier.head_sets = COURIER_HONEST;
    struct ipc_order order;
    courier_send_order(rig, &order, vote);
    courier_serve_until(&courier, rig, rig->front);
    courier_expect_health(rig, true); /* the root is set, the order not yet recorded */
    courier_serve_until(&courier, rig, rig->front);
    struct ipc_answer answer = courier_take_answer(rig, &order);
    rig_assert_signed(rig, &answer, &vote);
    assert_true(courier.head.has_genesis);
    assert_int_equal(courier.head.genesis_validators_root[0], 0x21);
    answer = courier_sign_one(&courier, rig, other);
    assert_int_equal(answer.verdict, SLASHING_REFUSE_GENESIS_ROOT);
    assert_int_equal(courier.num_head_sets, 2);
    rig_stop(rig);
}

static void another_may_lock_the_genesis_first(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    courier.head.has_genesis = true;
    memset(courier.head.genesis_validators_root, 0x55, 32);
    struct ipc_answer answer = courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1));
    assert_int_equal(answer.verdict, SLASHING_REFUSE_GENESIS_ROOT);
    rig_stop(rig);
}

static void records_of_a_plain_store_are_known_at_the_start(void **state)
{
    struct rig *rig = *state;
    struct slashing_record theirs = courier_vote_record(3, 9);
    courier_write(&courier, 1, &theirs, 0);
    courier_boot(&courier, rig, 3);
    assert_int_equal(courier.num_loads, 1);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 3, 9, 1)).verdict,
                     SLASHING_REFUSE_TARGET_EQUAL);
    struct eth2_order vote = rig_vote(2, 3, 9, 1);
    struct ipc_answer answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    rig_kill(rig); /* between two runs */
    courier_boot(&courier, rig, 3);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(2, 3, 9, 2)).verdict,
                     SLASHING_REFUSE_TARGET_EQUAL);
    rig_stop(rig);
}

/* ---- the look from time to time; with a store that fails, every two seconds ---- */

static void fail_once(struct rig *rig)
{
    courier_boot(&courier, rig, 2);
    courier.advances = COURIER_LOSES;
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_STORE);
    courier_expect_health(rig, false);
    courier.advances = COURIER_HONEST;
    courier.num_heads = 0;
}

static void the_head_is_looked_at(void **state)
{
    struct rig *rig = *state;
    fail_once(rig);
    courier.head.has_high_watermark = true;
    courier.head.high_epoch = 40;
    courier.head.high_slot = 1280;
    courier_seal_head(&courier);
    courier_serve_until(&courier, rig, rig->front); /* health comes back by itself */
    courier_expect_health(rig, true);
    assert_int_equal(courier.num_heads, 1);
    struct ipc_answer answer = courier_sign_one(&courier, rig, rig_vote(0, 39, 40, 1));
    assert_int_equal(answer.verdict, SLASHING_REFUSE_HIGH_WATERMARK);
    assert_int_equal(answer.limit, 40);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 38, 39, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

static void a_head_of_a_later_generation_ends_all_signing(void **state)
{
    struct rig *rig = *state;
    fail_once(rig);
    courier.head.generation++;
    courier_seal_head(&courier);
    courier_serve_until(&courier, rig, rig->supervisor);
    courier_expect_fenced(&courier, rig);
}

static void a_head_that_was_rolled_back_ends_all_signing(void **state)
{
    struct rig *rig = *state;
    fail_once(rig);
    courier.head.num_validators--;
    courier_seal_head(&courier);
    courier_serve_until(&courier, rig, rig->supervisor);
    courier_expect_fenced(&courier, rig);
}

int main(void)
{
#define SEALED(function) cmocka_unit_test_setup_teardown(function, courier_setup_sealed, courier_teardown)
#define PLAIN(function) cmocka_unit_test_setup_teardown(function, courier_setup_plain, courier_teardown)
    const struct CMUnitTest tests[] = {
        SEALED(a_head_that_nobody_asked_for_ends_the_keeper),
        SEALED(a_head_set_that_nobody_asked_for_ends_the_keeper),
        SEALED(entries_that_nobody_asked_for_end_the_keeper),
        SEALED(stand_alone_a_courier_may_only_answer),
        SEALED(without_an_identity_the_key_is_zero),
        PLAIN(the_first_slashable_order_locks_the_genesis),
        PLAIN(another_may_lock_the_genesis_first),
        PLAIN(records_of_a_plain_store_are_known_at_the_start),
        SEALED(the_head_is_looked_at),
        SEALED(a_head_of_a_later_generation_ends_all_signing),
        SEALED(a_head_that_was_rolled_back_ends_all_signing),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
