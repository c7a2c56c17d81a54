/* test_keeper_store.c - no signature without a durable record: kills, failing writes, files taken away. */
#include "keeper_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slashing/slashing_rules.h"

static void a_record_outlives_a_kill(void **state)
{
    struct rig *rig = *state;
    rig->policy.has_far_future = false; /* the largest slots are to come back as they went */
    rig_boot(rig, 2);
    struct eth2_order vote = rig_vote(0, 5, 6, 1), block = rig_block(1, UINT64_MAX - 1, 1);
    struct ipc_order orders[2] = {{.order = vote}, {.order = block}};
    struct ipc_answer answers[2];
    rig_sign(rig, answers, orders, 2);
    rig_assert_signed(rig, &answers[0], &vote);
    rig_assert_signed(rig, &answers[1], &block);
    rig_kill(rig);

    rig_boot(rig, 2);
    struct ipc_answer answer = rig_sign_one(rig, rig_vote(0, 5, 6, 2));
    assert_int_equal(answer.status, IPC_ANSWER_SLASHABLE);
    assert_int_equal(answer.verdict, SLASHING_REFUSE_TARGET_EQUAL);
    assert_int_equal(answer.recorded_target, 6);
    answer = rig_sign_one(rig, rig_block(1, UINT64_MAX - 1, 2));
    assert_int_equal(answer.verdict, SLASHING_REFUSE_SLOT_EQUAL);
    assert_int_equal(answer.recorded_slot, UINT64_MAX - 1);
    answer = rig_sign_one(rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    rig_stop(rig);
}

/* Killed while signing flows: whatever was answered with a signature is recorded. */
static void whatever_was_answered_is_recorded(void **state)
{
    struct rig *rig = *state;
    uint64_t answered = 0;
    for (int round = 0; round < 5; round++) {
        rig_boot(rig, 1);
        struct ipc_answer answer = rig_sign_one(rig, rig_vote(0, answered, answered, 7));
        if (answered)
            assert_int_equal(answer.verdict, SLASHING_REFUSE_TARGET_EQUAL);
        for (int i = 0; i < 20 + round; i++) {
            struct eth2_order vote = rig_vote(0, answered, answered + 1, 1);
            answer = rig_sign_one(rig, vote);
            rig_assert_signed(rig, &answer, &vote);
            answered++;
        }
        rig_kill(rig);
    }
}

static void expect_health(struct rig *rig, bool store_ok)
{
    struct ipc_health health;
    rig_expect(rig, rig->front, IPC_HEALTH);
    assert_ok(ipc_take_health(&health, &rig->message));
    assert_int_equal(health.store_ok, store_ok);
}

/* A batch with everything in it while the store cannot be written. */
static void sign_without_store(struct rig *rig)
{
    struct ipc_order orders[5] = {0};
    struct ipc_answer answers[5];
    static const uint8_t no_signature[96];
    orders[0].order = rig_vote(0, 1, 2, 1);
    orders[1].order = rig_vote(0, 1, 2, 1); /* rests on the first one */
    orders[2].order = rig_vote(0, 1, 2, 2); /* refused because of the first one, which then is not so */
    orders[3].order = rig_block(1, 5, 1);
    orders[4].order = rig_order(1, ETH2_ORDER_RANDAO_REVEAL);
    rig_sign(rig, answers, orders, 5);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(answers[i].status, IPC_ANSWER_STORE);
        assert_memory_equal(answers[i].signature, no_signature, 96);
    }
    rig_assert_signed(rig, &answers[4], &orders[4].order);
}

static void limit_file_size(struct rig *rig, rlim_t limit)
{
    struct rlimit both = {limit, RLIM_INFINITY};
    assert_int_equal(prlimit(rig->pid, RLIMIT_FSIZE, &both, NULL), 0);
}

/* The disk is full, as far as the keeper can see. */
static void a_write_that_fails_gives_no_signature(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 2);
    struct eth2_order vote = rig_vote(0, 0, 1, 1);
    struct ipc_answer answer = rig_sign_one(rig, vote); /* it also locks the genesis root */
    rig_assert_signed(rig, &answer, &vote);
    limit_file_size(rig, 1);
    sign_without_store(rig);
    expect_health(rig, false);
    answer = rig_sign_one(rig, vote); /* recorded before: needs no write */
    rig_assert_signed(rig, &answer, &vote);

    limit_file_size(rig, RLIM_INFINITY);
    struct eth2_order other = rig_vote(0, 1, 2, 2); /* what was not signed above is free still */
    answer = rig_sign_one(rig, other);
    rig_assert_signed(rig, &answer, &other);
    expect_health(rig, true);
    assert_int_equal(rig_sign_one(rig, rig_vote(0, 1, 2, 1)).verdict, SLASHING_REFUSE_TARGET_EQUAL);
    rig_stop(rig);
}

/* Nobody asks for a signature, and the keeper asks the disk by itself: every two seconds, and by a write. */
static void a_disk_that_stays_full_is_not_said_to_work_again(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 2);
    struct eth2_order vote = rig_vote(0, 0, 1, 1);
    struct ipc_answer answer = rig_sign_one(rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    limit_file_size(rig, 1);
    sign_without_store(rig);
    expect_health(rig, false);
    assert_false(rig_is_readable(rig->front, 3000));
    limit_file_size(rig, RLIM_INFINITY);
    expect_health(rig, true);
    rig_stop(rig);
}

static void the_genesis_lock_needs_the_store_too(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 2);
    limit_file_size(rig, 1);
    sign_without_store(rig);
    expect_health(rig, false);
    limit_file_size(rig, RLIM_INFINITY);
    struct eth2_order vote = rig_vote(0, 1, 2, 3);
    struct ipc_answer answer = rig_sign_one(rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    rig_stop(rig);
}

/* A backup put over the file of a running signer. */
static void a_file_that_was_replaced_gives_no_signature(void **state)
{
    struct rig *rig = *state;
    char kept[128];
    (void)snprintf(kept, sizeof kept, "%s.kept", rig->store);
    rig_boot(rig, 2);
    struct eth2_order vote = rig_vote(0, 0, 1, 1);
    struct ipc_answer answer = rig_sign_one(rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    assert_int_equal(rename(rig->store, kept), 0);
    int other = open(rig->store, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(other >= 0);
    (void)close(other);
    sign_without_store(rig);
    expect_health(rig, false);
    /* The first attempt did reach the file that is gone: that makes nobody's second attempt a repetition. */
    for (int round = 0; round < 2; round++) {
        assert_int_equal(rig_sign_one(rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_STORE);
        assert_int_equal(rig_sign_one(rig, rig_block(1, 5, 1)).status, IPC_ANSWER_STORE);
    }
    answer = rig_sign_one(rig, vote); /* signed and recorded before */
    assert_int_equal(answer.status, IPC_ANSWER_SLASHABLE);

    assert_int_equal(rename(kept, rig->store), 0); /* put back: the signer goes on */
    struct eth2_order block = rig_block(1, 5, 1);
    answer = rig_sign_one(rig, block);
    rig_assert_signed(rig, &answer, &block);
    rig_kill(rig);
    rig_boot(rig, 2);
    assert_int_equal(rig_sign_one(rig, rig_block(1, 5, 2)).verdict, SLASHING_REFUSE_SLOT_EQUAL);
    rig_stop(rig);
}

static void one_store_has_one_keeper(void **state)
{
    struct rig *rig = *state, second = *rig;
    rig_boot(rig, 1);
    rig_start(&second, "standalone", NULL);
    static uint8_t packet[IPC_PACKET_MAX];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_bytes_message(&p, IPC_POLICY,
                           (struct ipc_bytes){rig->policy_text.data, (uint32_t)rig->policy_text.length});
    rig_send(second.supervisor, &p);
    rig_expect_end(&second, 1);
    struct eth2_order vote = rig_vote(0, 0, 1, 1);
    struct ipc_answer answer = rig_sign_one(rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    rig_stop(rig);
    struct stat status;
    assert_int_equal(stat(rig->store, &status), 0);
    assert_int_equal(status.st_mode & 077, 0); /* nobody else's to read or write */
}

static void the_first_network_locks_the_store(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    struct eth2_order vote = rig_vote(0, 0, 1, 1), other = rig_vote(0, 1, 2, 1);
    other.fork_info.genesis_validators_root[0] ^= 1;
    struct ipc_answer answer = rig_sign_one(rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    for (int round = 0; round < 2; round++) {
        answer = rig_sign_one(rig, other);
        assert_int_equal(answer.status, IPC_ANSWER_SLASHABLE);
        assert_int_equal(answer.verdict, SLASHING_REFUSE_GENESIS_ROOT);
        assert_int_equal(answer.recorded_target, 1);
        rig_stop(rig);
        rig_boot(rig, 1); /* the lock is in the file */
    }
    rig_stop(rig);
    /* A policy of another network does not get this store. */
    rig->policy.has_genesis_validators_root = true;
    memset(rig->policy.genesis_validators_root, 9, 32);
    rig_start(rig, "standalone", NULL);
    struct packer p = {.data = rig->packet, .capacity = sizeof rig->packet};
    AUTO(buffer) text = {0};
    assert_ok(policy_format(&text, &rig->policy));
    ipc_pack_bytes_message(&p, IPC_POLICY, (struct ipc_bytes){text.data, (uint32_t)text.length});
    rig_send(rig->supervisor, &p);
    rig_expect_end(rig, 1);
}

static void protection_can_be_off_stand_alone(void **state)
{
    struct rig *rig = *state;
    struct stat status;
    rig->policy.slashing_protection = false;
    assert_ok(policy_set_store(&rig->policy, "none"));
    rig_boot(rig, 1);
    for (uint8_t variety = 0; variety < 3; variety++) {
        struct eth2_order vote = rig_vote(0, 5, 6, variety);
        struct ipc_answer answer = rig_sign_one(rig, vote);
        rig_assert_signed(rig, &answer, &vote);
    }
    assert_int_not_equal(stat(rig->store, &status), 0);
    rig_stop(rig);
}

int main(void)
{
#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_record_outlives_a_kill),
        RIG_TEST(whatever_was_answered_is_recorded),
        RIG_TEST(a_write_that_fails_gives_no_signature),
        RIG_TEST(a_disk_that_stays_full_is_not_said_to_work_again),
        RIG_TEST(the_genesis_lock_needs_the_store_too),
        RIG_TEST(a_file_that_was_replaced_gives_no_signature),
        RIG_TEST(one_store_has_one_keeper),
        RIG_TEST(the_first_network_locks_the_store),
        RIG_TEST(protection_can_be_off_stand_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
