/* test_keeper_faults_reload.c - reloads whose keys cannot be disabled, or not now, and stores that are lost
 * while files are read or messages sent. The test is front, courier and loader. */
#include "keeper_courier.h"
#include "keeper_faults.h"
#include "keeper_manager.h"

#include "base/secret.h"
#include "slashing/slashing_rules.h"
#include "slashing/slashing_sqlite.h"

static uint8_t packet[IPC_PACKET_MAX];

static void ask_reload(struct rig *rig, uint32_t served)
{
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_empty(&p, IPC_RELOAD);
    rig_send(rig->front, &p);
    rig_expect_state(rig, IPC_LOAD_STATE, served, 0);
    rig_take_loader(rig);
}

static void reload(struct rig *rig, uint32_t served, uint32_t first, uint32_t count,
                   const struct ipc_counts *counts)
{
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ask_reload(rig, served);
    rig_load_keys(rig, first, count);
    ipc_pack_loader_end(&p, &(struct ipc_loader_end){.keys = count, .counts = *counts});
    rig_send(rig->loader, &p);
}

static const struct ipc_counts uncounted;

static struct ipc_load_result take_reloaded(struct rig *rig)
{
    struct ipc_load_result answer;
    rig_expect(rig, rig->front, IPC_RELOADED);
    assert_ok(ipc_take_reloaded(&answer, &rig->message));
    return answer;
}

static void expect_reloaded(struct rig *rig, uint32_t count)
{
    manager_expect_keys(rig, count);
    assert_true(take_reloaded(rig).ok);
    rig_expect_state(rig, IPC_SERVE_STATE, count, 0);
}

static void expect_not_reloaded(struct rig *rig, const char *part)
{
    struct ipc_load_result answer = take_reloaded(rig);
    assert_false(answer.ok);
    if (!memmem(answer.text.data, answer.text.length, part, strlen(part)))
        fail_msg("expected \"%s\", got \"%.*s\"", part, (int)answer.text.length,
                 (const char *)answer.text.data);
}

static void expect_signed(struct rig *rig, struct eth2_order order)
{
    struct ipc_answer answer = rig_sign_one(rig, order);
    rig_assert_signed(rig, &answer, &order);
}

static bool is_disabled(struct rig *rig, uint32_t key)
{
    struct slashing_store *store = NULL;
    struct slashing_record record = {0};
    assert_ok(slashing_sqlite_open(&store, rig->store));
    assert_ok(slashing_store_load(store, &record, rig_pubkey(key)));
    slashing_store_close(store);
    return record.disabled;
}

/* ---- a file ---- */

static void what_cannot_be_disabled_stays_in_service(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 2);
    faults_fail(FAULT_keeper_store_disable, 1);
    reload(rig, 2, 1, 1, &uncounted);
    expect_not_reloaded(rig, "keeper_store_disable fails");
    assert_true(faults_stop(FAULT_keeper_store_disable));
    rig_expect_state(rig, IPC_SERVE_STATE, 2, 0);
    expect_signed(rig, rig_vote(0, 1, 2, 1));
    rig_stop(rig);
    assert_false(is_disabled(rig, 0));
}

/* A file that cannot be written for a while, or no place for a request: the reload waits, and is not answered
 * before the key is disabled. */
static void a_reload_waits_until_what_is_gone_is_disabled(void **state)
{
    struct rig *rig = *state;
    static const enum fault faults[] = {FAULT_slashing_store_advance, FAULT_keeper_requests_new};
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        rig_boot(rig, 2);
        faults_fail_all(faults[i]);
        reload(rig, 2, 1, 1, &uncounted);
        if (faults[i] == FAULT_slashing_store_advance)
            courier_expect_health(rig, false);
        faults_await(faults[i]);
        rig_expect_silence(rig->front);
        assert_true(faults_stop(faults[i]));
        struct ipc_order order = {.order = rig_order(1, ETH2_ORDER_RANDAO_REVEAL)};
        rig_send_orders(rig, &order, 1);        /* anything that wakes it */
        for (bool is_done = false; !is_done;) { /* beside its answer, and that the store works again */
            rig_receive(rig, rig->front);
            is_done = rig->message.type == IPC_RELOADED;
        }
        rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
        rig_stop(rig);
        assert_true(is_disabled(rig, 0));
        assert_false(is_disabled(rig, 1));
        (void)remove(rig->store);
    }
}

/* The first source has lost its keys, and the second has not: whose was the missing one? And a list of other
 * sources than before is no reason to fail. */
static void keys_of_the_first_source_are_not_disabled_either(void **state)
{
    struct rig *rig = *state;
    static const struct ipc_counts before = {2,
                                             {{IPC_SOURCE_CONFIG_FILES, 1, 0}, {IPC_SOURCE_KEYSTORES, 2, 0}}},
                                   lost = {2,
                                           {{IPC_SOURCE_CONFIG_FILES, 0, 0}, {IPC_SOURCE_KEYSTORES, 1, 0}}},
                                   fewer = {1, {{IPC_SOURCE_CONFIG_FILES, 2, 0}}};
    rig_boot(rig, 3);
    reload(rig, 3, 0, 3, &before);
    expect_reloaded(rig, 3);
    reload(rig, 3, 1, 1, &lost);
    expect_reloaded(rig, 1);
    reload(rig, 1, 0, 3, &before);
    expect_reloaded(rig, 3);
    for (uint32_t key = 0; key < 3; key++)
        expect_signed(rig, rig_vote(key, 1, 2, 1));
    reload(rig, 3, 0, 2, &fewer);
    expect_reloaded(rig, 2);
    assert_int_equal(rig_sign_one(rig, rig_order(2, ETH2_ORDER_RANDAO_REVEAL)).status,
                     IPC_ANSWER_UNKNOWN_KEY);
    expect_signed(rig, rig_vote(0, 2, 3, 1));
    rig_stop(rig);
}

/* Lost while the loader reads: nothing of what it brings is looked at. */
static void a_store_that_is_lost_meanwhile_ends_the_reload(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    expect_signed(rig, rig_vote(0, 0, 1, 1));
    ask_reload(rig, 1);
    faults_fail(FAULT_slashing_store_advance, 1);
    faults_fail(FAULT_slashing_store_load, 1);
    assert_int_equal(rig_sign_one(rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_STORE);
    rig_expect_state(rig, IPC_FAILED_STATE, 1, 0);
    expect_not_reloaded(rig, "nothing is signed any more");
    courier_expect_health(rig, false);
    assert_int_equal(rig_sign_one(rig, rig_order(0, ETH2_ORDER_RANDAO_REVEAL)).status, IPC_ANSWER_STORE);
    rig_stop(rig);
}

/* ---- a store across a network ---- */

/* What it says of that key is not believed, so nothing can be written over it: it leaves the service as it
 * is. */
static void a_key_that_is_refused_leaves_without_being_disabled(void **state)
{
    struct rig *rig = *state;
    struct slashing_record yesterday = courier_vote_record(0, 1);
    courier_boot(&courier, rig, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    courier_write(&courier, 0, &yesterday, courier.head.generation);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 2, 3, 1)).status, IPC_ANSWER_STORE);
    unsigned advances = courier.num_advances;
    reload(rig, 2, 1, 1, &uncounted);
    courier_serve_until(&courier, rig, rig->front);
    expect_reloaded(rig, 1);
    assert_int_equal(courier.num_advances, advances);
    assert_false(courier_row(&courier, 0)->entry.record.disabled);
    rig_stop(rig);
}

/* A courier that is lost with the first packet gets no second one. */
static void a_lost_courier_is_sent_nothing_more(void **state)
{
    struct rig *rig = *state;
    enum { MANY = IPC_STORE_ADVANCES_MAX + 40 };
    static struct ipc_order orders[MANY];
    courier_boot(&courier, rig, MANY);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status,
                     IPC_ANSWER_SIGNED); /* locks */
    for (uint32_t i = 0; i < MANY; i++)
        orders[i] = (struct ipc_order){.order = rig_vote(i, 2, 3, 1)};
    faults_fail(FAULT_ipc_send_now, 1);
    rig_send_many(rig, orders, MANY, false);
    size_t length = 0;
    assert_fails(E_PEER, ipc_receive(rig->courier, packet, &length, NULL));
    rig_expect_end(rig, 1);
    assert_true(faults_stop(FAULT_ipc_send_now));
}

/* Nor is it asked for records. */
static void a_lost_courier_is_asked_nothing_more(void **state)
{
    struct rig *rig = *state;
    struct ipc_order orders[2] = {{.order = rig_vote(0, 2, 3, 1)}, {.order = rig_vote(1, 2, 3, 1)}};
    courier_boot(&courier, rig, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 0, 1, 1)).status, IPC_ANSWER_SIGNED);
    courier.advances = COURIER_LOSES;
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_STORE);
    courier.advances = COURIER_HONEST;
    courier_expect_health(rig, false);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    courier_expect_health(rig, true);
    faults_fail(FAULT_ipc_send_now, 1); /* key 0 has to be read, key 1 to be written */
    rig_send_orders(rig, orders, 2);
    size_t length = 0;
    assert_fails(E_PEER, ipc_receive(rig->courier, packet, &length, NULL));
    rig_expect_end(rig, 1);
    assert_true(faults_stop(FAULT_ipc_send_now));
}

/* ---- starts ---- */

static void a_store_whose_own_key_takes_memory(void **state)
{
    struct rig *rig = *state;
    rig->policy.has_store_identity = false; /* then one of zeros will do */
    rig_boot_to_load(rig);
    rig_load_keys(rig, 0, 1);
    courier_serve_one(&courier, rig, IPC_STORE_OPEN);
    rig_loader_end(rig, 1, 0);
    rig_expect(rig, rig->courier, IPC_STORE_HEAD_WANTED);
    faults_fail(FAULT_secret_new, 1);
    uint8_t bytes[SLASHING_HEAD_BYTES];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    slashing_head_encode(bytes, &courier.head);
    ipc_pack_store_head(&p, &(struct ipc_store_head){.status = IPC_STORE_HEAD_FOUND, .head = bytes});
    rig_send(rig->courier, &p);
    rig_expect_end(rig, 1);
    assert_true(faults_stop(FAULT_secret_new));
}

/* What was just set is looked at as if it had been read. */
static void a_head_that_was_set_is_looked_at_again(void **state)
{
    struct rig *rig = *state;
    rig->policy.single_mode = true;
    rig_begin_log(rig);
    courier_boot_to_start(&courier, rig, 1);
    rig_end_log();
    courier_serve_one(&courier, rig, IPC_STORE_OPEN);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    courier.head_sets = COURIER_KEEPS;
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_SET);
    faults_fail(FAULT_slashing_seal_identity, 1);
    courier_answer_kept(&courier, rig, 0);
    rig_expect_end(rig, 1);
    assert_true(faults_stop(FAULT_slashing_seal_identity));
    rig_expect_logged(rig, "slashing protection store: slashing_seal_identity fails");
}

int main(void)
{
#define FILE_TEST(function) cmocka_unit_test_setup_teardown(function, faults_setup, faults_teardown)
#define PLAIN(function) cmocka_unit_test_setup_teardown(function, faults_setup_plain, faults_teardown_courier)
#define SEALED(function)                                                                                     \
    cmocka_unit_test_setup_teardown(function, faults_setup_sealed, faults_teardown_courier)
    const struct CMUnitTest tests[] = {
        FILE_TEST(what_cannot_be_disabled_stays_in_service),
        FILE_TEST(a_reload_waits_until_what_is_gone_is_disabled),
        FILE_TEST(keys_of_the_first_source_are_not_disabled_either),
        FILE_TEST(a_store_that_is_lost_meanwhile_ends_the_reload),
        SEALED(a_key_that_is_refused_leaves_without_being_disabled),
        SEALED(a_lost_courier_is_sent_nothing_more),
        PLAIN(a_lost_courier_is_asked_nothing_more),
        SEALED(a_store_whose_own_key_takes_memory),
        SEALED(a_head_that_was_set_is_looked_at_again),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
