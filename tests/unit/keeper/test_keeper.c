/* test_keeper.c - the keeper at its work: loading, signing every kind, refusing. */
#include "keeper_rig.h"

#include <signal.h>

#include "slashing/slashing_rules.h"

static void it_signs_every_kind(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 3);
    struct ipc_order orders[ETH2_ORDER_KIND_END] = {0};
    struct ipc_answer answers[ETH2_ORDER_KIND_END];
    uint32_t count = 0;
    for (int kind = 1; kind < ETH2_ORDER_KIND_END; kind++, count++) {
        orders[count].order = rig_order(count % 3, (enum eth2_order_kind)kind);
        if (kind == ETH2_ORDER_VALIDATOR_REGISTRATION)
            orders[count].order.fork_info = (struct eth2_fork_info){0};
    }
    orders[ETH2_ORDER_BLOCK - 1].order = rig_block(0, 77, 1);
    orders[ETH2_ORDER_ATTESTATION - 1].order = rig_vote(1, 2, 3, 1);
    rig_sign(rig, answers, orders, count);
    for (uint32_t i = 0; i < count; i++)
        rig_assert_signed(rig, &answers[i], &orders[i].order);
    rig_stop(rig);
}

static void keys_travel_in_chunks(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 2500);
    for (uint32_t key = 0; key < 2500; key += 833) {
        struct eth2_order order = rig_order(key, ETH2_ORDER_RANDAO_REVEAL);
        struct ipc_answer answer = rig_sign_one(rig, order);
        rig_assert_signed(rig, &answer, &order);
    }
    rig_stop(rig);
}

static void no_keys_are_keys_too(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 0);
    struct ipc_answer answer = rig_sign_one(rig, rig_vote(0, 1, 2, 0));
    assert_int_equal(answer.status, IPC_ANSWER_UNKNOWN_KEY);
    rig_stop(rig);
}

static void a_root_of_the_client_is_compared(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    struct eth2_order order = rig_vote(0, 1, 2, 0);
    uint8_t root[32];
    assert_ok(eth2_order_signing_root(root, &rig->policy.network, &order));
    order.has_client_root = true;
    memcpy(order.client_root, root, 32);
    order.client_root[31] ^= 1;
    struct ipc_answer answer = rig_sign_one(rig, order);
    assert_int_equal(answer.status, IPC_ANSWER_ROOT_DIFFERS);
    assert_memory_equal(answer.signing_root, root, 32);
    /* Nothing was recorded of it: a lower vote is still allowed. */
    struct eth2_order lower = rig_vote(0, 0, 1, 0);
    answer = rig_sign_one(rig, lower);
    rig_assert_signed(rig, &answer, &lower);
    order.client_root[31] ^= 1;
    answer = rig_sign_one(rig, order);
    rig_assert_signed(rig, &answer, &order);
    /* The root is judged before the key is looked for. */
    order.client_root[0] ^= 1;
    memcpy(order.pubkey, rig_pubkey(9), 48);
    assert_int_equal(rig_sign_one(rig, order).status, IPC_ANSWER_ROOT_DIFFERS);
    rig_stop(rig);
}

static void slashable_orders_are_refused_with_heights(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 2);
    struct eth2_order vote = rig_vote(0, 5, 6, 1), block = rig_block(0, 200, 1);
    struct ipc_answer answer = rig_sign_one(rig, vote), first = answer;
    rig_assert_signed(rig, &answer, &vote);
    answer = rig_sign_one(rig, block);
    rig_assert_signed(rig, &answer, &block);

    static const struct {
        uint64_t source, target;
        enum slashing_verdict verdict;
    } votes[] = {{5, 6, SLASHING_REFUSE_TARGET_EQUAL},
                 {4, 7, SLASHING_REFUSE_SOURCE_BELOW},
                 {5, 5, SLASHING_REFUSE_TARGET_BELOW},
                 {8, 7, SLASHING_REFUSE_SOURCE_AFTER_TARGET}};
    for (size_t i = 0; i < ARRAY_LENGTH(votes); i++) {
        answer = rig_sign_one(rig, rig_vote(0, votes[i].source, votes[i].target, 2));
        assert_int_equal(answer.status, IPC_ANSWER_SLASHABLE);
        assert_int_equal(answer.verdict, votes[i].verdict);
        assert_true(answer.has_recorded_block && answer.has_recorded_attestation);
        assert_int_equal(answer.recorded_slot, 200);
        assert_int_equal(answer.recorded_source, 5);
        assert_int_equal(answer.recorded_target, 6);
    }
    assert_int_equal(rig_sign_one(rig, rig_block(0, 200, 2)).verdict, SLASHING_REFUSE_SLOT_EQUAL);
    assert_int_equal(rig_sign_one(rig, rig_block(0, 199, 2)).verdict, SLASHING_REFUSE_SLOT_BELOW);

    answer = rig_sign_one(rig, vote); /* the very same again */
    rig_assert_signed(rig, &answer, &vote);
    assert_memory_equal(answer.signature, first.signature, 96);
    answer = rig_sign_one(rig, block);
    rig_assert_signed(rig, &answer, &block);
    struct eth2_order other_key = rig_vote(1, 5, 6, 2);
    answer = rig_sign_one(rig, other_key);
    rig_assert_signed(rig, &answer, &other_key);
    rig_stop(rig);
}

static void of_conflicting_orders_in_a_batch_one_is_signed(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 2);
    struct ipc_order orders[8] = {0};
    struct ipc_answer answers[8];
    orders[0].order = rig_vote(0, 1, 2, 1);
    orders[1].order = rig_vote(0, 1, 2, 2); /* double vote */
    orders[2].order = rig_vote(0, 1, 2, 1); /* the same again */
    orders[3].order = rig_vote(0, 0, 3, 1); /* surrounds */
    orders[4].order = rig_vote(0, 2, 3, 1); /* the next, in the same batch */
    orders[5].order = rig_block(0, 64, 1);
    orders[6].order = rig_block(0, 64, 2); /* double proposal */
    orders[7].order = rig_block(1, 64, 2); /* of another validator */
    rig_sign(rig, answers, orders, 8);
    static const bool wanted[8] = {true, false, true, false, true, true, false, true};
    for (int i = 0; i < 8; i++) {
        if (wanted[i])
            rig_assert_signed(rig, &answers[i], &orders[i].order);
        else
            assert_int_equal(answers[i].status, IPC_ANSWER_SLASHABLE);
    }
    rig_stop(rig);
}

static void a_full_batch_is_answered_in_order(void **state)
{
    struct rig *rig = *state;
    static struct ipc_order orders[IPC_BATCH_MAX];
    static struct ipc_answer answers[IPC_BATCH_MAX];
    rig_boot(rig, IPC_BATCH_MAX);
    for (uint32_t i = 0; i < IPC_BATCH_MAX; i++)
        orders[i].order = rig_vote(i, 3, 4, (uint8_t)i);
    rig_sign(rig, answers, orders, IPC_BATCH_MAX);
    for (uint32_t i = 0; i < IPC_BATCH_MAX; i++)
        rig_assert_signed(rig, &answers[i], &orders[i].order);
    for (uint32_t i = 0; i < IPC_BATCH_MAX; i++)
        orders[i].order = rig_vote(i, 3, 4, (uint8_t)(i + 1));
    rig_sign(rig, answers, orders, IPC_BATCH_MAX);
    for (uint32_t i = 0; i < IPC_BATCH_MAX; i++)
        assert_int_equal(answers[i].verdict, SLASHING_REFUSE_TARGET_EQUAL);
    rig_stop(rig);
}

/* Answers queue up while we do not read; none is lost and none waits for us. */
static void a_front_that_reads_late_gets_everything(void **state)
{
    struct rig *rig = *state;
    static uint8_t packet[IPC_PACKET_MAX];
    enum { ROUNDS = 40 };
    rig_boot(rig, 1);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct packer p = {.data = packet, .capacity = sizeof packet};
        ipc_begin(&p, IPC_SIGN, IPC_BATCH_MAX);
        for (uint32_t i = 0; i < IPC_BATCH_MAX; i++) {
            struct ipc_order order = {.id = round * 1000 + i,
                                      .order = rig_vote(2000, 1, 2, 1)}; /* unknown key */
            ipc_pack_order(&p, &order);
        }
        rig_send(rig->front, &p);
    }
    for (uint32_t taken = 0; taken < ROUNDS * IPC_BATCH_MAX;) {
        rig_expect(rig, rig->front, IPC_SIGNED);
        for (uint32_t i = 0; i < rig->message.count; i++, taken++) {
            struct ipc_answer answer;
            assert_ok(ipc_take_answer(&answer, &rig->message.body));
            assert_int_equal(answer.id, taken / IPC_BATCH_MAX * 1000 + taken % IPC_BATCH_MAX);
            assert_int_equal(answer.status, IPC_ANSWER_UNKNOWN_KEY);
        }
    }
    rig_stop(rig);
}

static off_t log_size(const struct rig *rig)
{
    char path[sizeof rig->store + 8];
    struct stat status;
    (void)snprintf(path, sizeof path, "%s-wal", rig->store);
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

/* Packets that wait while the keeper is busy (here: stopped) cost one commit. The store's log grows by the
 * pages of each transaction, so one transaction for all shows in its size. */
static void what_piled_up_is_one_transaction(void **state)
{
    struct rig *rig = *state;
    enum { PACKETS = 24 };
    struct ipc_order orders[PACKETS] = {0};
    struct ipc_answer answers[PACKETS];
    rig_boot(rig, PACKETS);
    for (uint32_t i = 0; i < PACKETS; i++)
        orders[i].order = rig_vote(i, 1, 2, 1);
    off_t before = log_size(rig);
    rig_sign(rig, answers, orders, PACKETS);
    off_t together = log_size(rig) - before;

    assert_int_equal(kill(rig->pid, SIGSTOP), 0);
    for (uint32_t i = 0; i < PACKETS; i++) {
        orders[i].order = rig_vote(i, 2, 3, 1);
        rig_send_orders(rig, &orders[i], 1);
    }
    assert_int_equal(kill(rig->pid, SIGCONT), 0);
    rig_take_answers(rig, answers, orders, PACKETS);
    for (uint32_t i = 0; i < PACKETS; i++)
        rig_assert_signed(rig, &answers[i], &orders[i].order);
    assert_in_range(log_size(rig) - before - together, 1, 2 * together);
    rig_stop(rig);
}

/* The second part comes late: nothing of the first is decided before. The log grows as by one transaction. */
static void a_batch_in_parts_is_one_transaction(void **state)
{
    struct rig *rig = *state;
    enum { KEYS = 24, FIRST = 10 };
    struct ipc_order orders[KEYS] = {0};
    struct ipc_answer answers[KEYS];
    off_t grown[3];
    rig_boot(rig, KEYS);
    for (uint64_t target = 1; target <= 3; target++) {
        off_t before = log_size(rig);
        for (uint32_t i = 0; i < KEYS; i++)
            orders[i].order = rig_vote(i, target - 1, target, 1);
        for (uint32_t i = 0; i < KEYS; i++)
            orders[i].order.of.attestation = orders[0].order.of.attestation;
        if (target == 2) {
            rig_send_orders(rig, orders, KEYS);
        } else {
            rig_send_many(rig, orders, FIRST, true);
            rig_expect_silence(rig->front);
            assert_int_equal(log_size(rig), before);
            rig_send_many(rig, orders + FIRST, KEYS - FIRST, false);
        }
        rig_take_answers(rig, answers, orders, KEYS);
        for (uint32_t i = 0; i < KEYS; i++)
            rig_assert_signed(rig, &answers[i], &orders[i].order);
        grown[target - 1] = log_size(rig) - before;
    }
    assert_int_equal(grown[2], grown[1]);
    rig_stop(rig);
}

/* A front that never says the rest: no order is forgotten, and the next batch is served. */
static void the_rest_of_a_batch_that_never_comes(void **state)
{
    struct rig *rig = *state;
    struct ipc_order orders[3] = {
        {.order = rig_vote(0, 1, 2, 1)}, {.order = rig_vote(1, 1, 2, 1)}, {.order = rig_vote(2, 1, 2, 1)}};
    struct ipc_answer answers[3];
    rig_boot(rig, 3);
    rig_send_many(rig, orders, 2, true);
    rig_send_orders(rig, orders + 2, 1);
    rig_expect_silence(rig->front);
    rig_take_answers(rig, answers, orders, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(answers[i].status, IPC_ANSWER_STORE); /* not decided in time */
    rig_send_many(rig, orders, 3, false);
    rig_take_answers(rig, answers, orders, 3);
    for (int i = 0; i < 3; i++)
        rig_assert_signed(rig, &answers[i], &orders[i].order);
    rig_stop(rig);
}

/* Where no rest could come any more, what is there is decided. */
static void a_batch_never_fills_the_keeper(void **state)
{
    struct rig *rig = *state;
    enum { PARTS = 20 };
    static struct ipc_order orders[PARTS * IPC_SIGN_KEYS_MAX];
    struct ipc_answer answer;
    rig_boot(rig, 1);
    for (uint32_t i = 0; i < ARRAY_LENGTH(orders); i++) {
        orders[i].order = rig_vote(0, 1, 2, 1);
        memset(orders[i].order.pubkey, 7, 48); /* unknown */
    }
    for (uint32_t i = 0; i < PARTS; i++)
        rig_send_many(rig, orders + (size_t)i * IPC_SIGN_KEYS_MAX, IPC_SIGN_KEYS_MAX, i + 1 < PARTS);
    for (uint32_t taken = 0; taken < ARRAY_LENGTH(orders); taken += rig->message.count) {
        rig_expect(rig, rig->front, IPC_SIGNED);
        assert_ok(ipc_take_answer(&answer, &rig->message.body));
        assert_int_equal(answer.status, IPC_ANSWER_UNKNOWN_KEY);
    }
    rig_stop(rig);
}

static void a_duplicate_key_is_kept_once(void **state)
{
    struct rig *rig = *state;
    struct ipc_keys keys;
    rig_boot_to_load(rig);
    rig_load_keys(rig, 0, 3);
    rig_load_keys(rig, 1, 1);
    uint8_t packet[128];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_record_failed(
        &p, &(struct ipc_record_failed){7, E_AUTH, {(const uint8_t *)"wrong password", 14}, NULL});
    rig_send(rig->loader, &p);
    rig_loader_end(rig, 4, 1);
    rig_expect(rig, rig->front, IPC_SETTINGS);
    rig_expect(rig, rig->front, IPC_KEYS);
    assert_ok(ipc_take_keys(&keys, &rig->message));
    assert_int_equal(keys.num_keys, 3);
    struct ipc_health health;
    rig_expect(rig, rig->front, IPC_HEALTH);
    assert_ok(ipc_take_health(&health, &rig->message));
    assert_true(health.keys == 3 && health.failed == 1);
    rig_stop(rig);
}

static void tls_material_reaches_the_front_unchanged(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[128], sent[128];
    struct ipc_tls tls = {{(const uint8_t *)"private", 7}, {(const uint8_t *)"certificates", 12}, {7}},
                   received;
    rig_boot_to_load(rig);
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_tls(&p, &tls);
    rig_send(rig->loader, &p);
    memcpy(sent, packet, p.length);
    rig_loader_end(rig, 0, 0);
    rig_expect(rig, rig->front, IPC_SETTINGS);
    rig_expect(rig, rig->front, IPC_TLS);
    assert_memory_equal(rig->packet, sent, p.length);
    assert_ok(ipc_take_tls(&received, &rig->message));
    rig_stop(rig);
}

static void the_supervisor_may_leave(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    fd_auto_close(&rig->supervisor);
    rig_expect_end(rig, 0);
    rig_boot(rig, 1);
    fd_auto_close(&rig->front);
    rig_expect_end(rig, 1);
}

int main(void)
{
#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        RIG_TEST(it_signs_every_kind),
        RIG_TEST(keys_travel_in_chunks),
        RIG_TEST(no_keys_are_keys_too),
        RIG_TEST(a_root_of_the_client_is_compared),
        RIG_TEST(slashable_orders_are_refused_with_heights),
        RIG_TEST(of_conflicting_orders_in_a_batch_one_is_signed),
        RIG_TEST(a_full_batch_is_answered_in_order),
        RIG_TEST(a_batch_in_parts_is_one_transaction),
        RIG_TEST(the_rest_of_a_batch_that_never_comes),
        RIG_TEST(a_batch_never_fills_the_keeper),
        RIG_TEST(what_piled_up_is_one_transaction),
        RIG_TEST(a_front_that_reads_late_gets_everything),
        RIG_TEST(a_duplicate_key_is_kept_once),
        RIG_TEST(tls_material_reaches_the_front_unchanged),
        RIG_TEST(the_supervisor_may_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
