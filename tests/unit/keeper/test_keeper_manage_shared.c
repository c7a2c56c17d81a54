/* test_keeper_manage_shared.c - the key manager over a store that others write, too: records that must not be
 * believed, validators that it does not know, and no place or no courier for what is to be written. The test
 * is front, loader and courier. */
#include "keeper_courier.h"
#include "keeper_faults.h"
#include "keeper_manager.h"

static int managed(void **state, int failed)
{
    if (!failed)
        ((struct rig *)*state)->option = "--key-manager";
    return failed;
}

static int setup_sealed(void **state)
{
    return managed(state, faults_setup_sealed(state));
}

static int setup_plain(void **state)
{
    return managed(state, faults_setup_plain(state));
}

static void expect_signed(struct rig *rig, struct eth2_order order)
{
    struct ipc_answer answer = courier_sign_one(&courier, rig, order);
    rig_assert_signed(rig, &answer, &order);
}

static void expect_unknown(struct rig *rig, uint32_t key)
{
    assert_int_equal(courier_sign_one(&courier, rig, rig_order(key, ETH2_ORDER_RANDAO_REVEAL)).status,
                     IPC_ANSWER_UNKNOWN_KEY);
}

/* MANAGE to the end of the loader. */
static void import(struct rig *rig, uint32_t served, uint32_t first, uint32_t num,
                   const struct slashing_record *history)
{
    manager_begin_import(rig, served, first, num, history);
    for (uint32_t i = 0; i < num; i++)
        manager_send_key(rig, i, first + i);
    rig_loader_end(rig, num, 0);
}

static void delete_one(struct rig *rig, uint32_t served, uint32_t key, uint32_t left)
{
    manager_begin_deletion(rig, served, key, 1);
    manager_send_file_done(rig, 0, E_NONE);
    manager_expect_keys(rig, left);
    courier_serve_until(&courier, rig, rig->front);
}

/* A genuine record of yesterday takes the place of today's. */
static void roll_back(uint32_t key)
{
    struct slashing_record yesterday = courier_vote_record(0, 1);
    courier_write(&courier, key, &yesterday, courier.head.generation);
}

/* ---- records that must not be believed ---- */

static void what_is_deleted_with_a_record_of_yesterday_is_not_told_as_its_history(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    expect_signed(rig, rig_vote(1, 1, 2, 1));
    roll_back(1);
    delete_one(rig, 2, 1, 1);
    (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, "the record in the store was seen to be wrong");
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    expect_unknown(rig, 1);
    rig_stop(rig);
}

/* One that served before in this run, and comes back. With a second key beside it, that one is imported. */
static void what_has_a_record_of_yesterday_is_not_imported(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    expect_signed(rig, rig_vote(1, 1, 2, 1));
    delete_one(rig, 2, 1, 1);
    (void)manager_expect(rig, 0, IPC_MANAGED_DELETED, "");
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    for (uint32_t num = 1; num <= 2; num++) {
        roll_back(1);
        import(rig, 1, 1, num, NULL);
        if (num == 2) {
            courier_serve_until(&courier, rig, rig->loader);
            manager_expect_files(rig, IPC_MANAGE_IMPORT, 1);
            manager_send_file_done(rig, 1, E_NONE);
            manager_expect_keys(rig, 2);
        } else {
            courier_serve_until(&courier, rig, rig->front);
        }
        (void)manager_expect(rig, 0, IPC_MANAGED_ERROR,
                             "record in the slashing protection store was seen to be wrong");
        if (num == 2)
            (void)manager_expect(rig, 1, IPC_MANAGED_IMPORTED, "");
        rig_expect_state(rig, IPC_SERVE_STATE, num, 0);
        expect_unknown(rig, 1);
    }
    expect_signed(rig, rig_vote(2, 1, 2, 1));
    rig_stop(rig);
}

/* A key in service whose record is not believed: others are imported beside it. */
static void a_key_that_is_refused_does_not_keep_others_out(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 1);
    expect_signed(rig, rig_vote(0, 1, 2, 1));
    roll_back(0);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 2, 3, 1)).status, IPC_ANSWER_STORE);
    import(rig, 1, 1, 1, NULL);
    courier_serve_until(&courier, rig, rig->loader);
    manager_expect_files(rig, IPC_MANAGE_IMPORT, 1);
    manager_send_file_done(rig, 0, E_NONE);
    manager_expect_keys(rig, 2);
    (void)manager_expect(rig, 0, IPC_MANAGED_IMPORTED, "");
    rig_expect_state(rig, IPC_SERVE_STATE, 2, 0);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 3, 4, 1)).status, IPC_ANSWER_STORE);
    expect_signed(rig, rig_vote(1, 1, 2, 1));
    rig_stop(rig);
}

/* Nothing is enrolled for whom nobody ever signed. */
static void what_the_store_does_not_know_is_not_found(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 1);
    manager_begin_deletion(rig, 1, 3, 1);
    manager_send_file_done(rig, 0, E_NOT_FOUND);
    courier_serve_until(&courier, rig, rig->front);
    (void)manager_expect(rig, 0, IPC_MANAGED_NOT_FOUND, "");
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    assert_null(courier_row(&courier, 3));
    assert_int_equal(courier.head.num_validators, 1);
    rig_stop(rig);
}

/* Since the head was last looked at. */
static void a_store_that_was_locked_to_another_network_takes_no_history(void **state)
{
    struct rig *rig = *state;
    struct slashing_record history = courier_vote_record(6, 7);
    courier.head.has_genesis = false;
    courier_boot(&courier, rig, 1);
    courier.head.has_genesis = true;
    memset(courier.head.genesis_validators_root, 0x55, 32);
    import(rig, 1, 1, 2, &history);
    courier_serve_until(&courier, rig, rig->front);
    for (uint32_t i = 0; i < 2; i++)
        (void)manager_expect(rig, i, IPC_MANAGED_OTHER_GENESIS, "another genesis validators root");
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    expect_unknown(rig, 1);
    assert_int_equal(courier.num_advances, 0);
    rig_stop(rig);
}

/* ---- no place, no courier ---- */

static void serve_up_to_the_claims(struct rig *rig)
{
    courier.advances = COURIER_KEEPS;
    while (courier.num_kept == 0)
        courier_serve(&courier, rig);
}

static void without_a_place_a_history_is_not_recorded(void **state)
{
    struct rig *rig = *state;
    struct slashing_record history = courier_vote_record(6, 7);
    courier_boot(&courier, rig, 1);
    import(rig, 1, 1, 2, &history);
    faults_fail_all(FAULT_keeper_requests_new);
    courier_serve_until(&courier, rig, rig->front);
    for (uint32_t i = 0; i < 2; i++)
        (void)manager_expect(rig, i, IPC_MANAGED_ERROR, "too many writes are under way");
    assert_true(faults_stop(FAULT_keeper_requests_new));
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    expect_unknown(rig, 1);
    assert_int_equal(courier.num_advances, 0);
    import(rig, 1, 1, 2, &history);
    faults_fail(FAULT_keeper_requests_new, 2); /* the second waits for the first */
    courier_serve_until(&courier, rig, rig->loader);
    assert_true(faults_stop(FAULT_keeper_requests_new));
    manager_expect_files(rig, IPC_MANAGE_IMPORT, 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(courier_row(&courier, 1 + i)->entry.record.target_epoch, 7);
    rig_stop(rig);
}

static void pack_conflict(struct packer *p, uint64_t id, const struct slashing_entry *found)
{
    static uint8_t bytes[SLASHING_ENTRY_BYTES];
    slashing_entry_encode(bytes, found);
    ipc_pack_store_advanced(
        p, &(struct ipc_store_advanced){.id = id, .outcome = IPC_STORE_CONFLICT, .found = bytes});
}

/* Answers the first claim, which has to be written anew: somebody wrote a vote of 3 meanwhile. */
static void answer_claim(struct rig *rig, uint32_t num_answers)
{
    static uint8_t packet[1024];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    struct slashing_entry found = {.record = courier_vote_record(2, 3)};
    ipc_begin(&p, IPC_STORE_ADVANCED, num_answers);
    pack_conflict(&p, courier_kept_id(&courier, 0), &found);
    if (num_answers == 2)
        pack_conflict(&p, 12345678, &found);
    rig_send(rig->courier, &p);
}

static void without_a_place_for_a_second_attempt_there_is_no_import(void **state)
{
    struct rig *rig = *state;
    struct slashing_record history = courier_vote_record(6, 7);
    courier_boot(&courier, rig, 1);
    import(rig, 1, 1, 1, &history);
    serve_up_to_the_claims(rig);
    faults_fail(FAULT_keeper_requests_new, 1);
    answer_claim(rig, 1);
    (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, "too many writes are under way");
    assert_true(faults_stop(FAULT_keeper_requests_new));
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    expect_unknown(rig, 1);
    rig_stop(rig);
}

/* A courier that cannot be sent the second attempt, and has lost its way beside: the first reason is the one
 * that is told. */
static void a_courier_is_lost_once(void **state)
{
    struct rig *rig = *state;
    struct slashing_record history = courier_vote_record(6, 7);
    rig->log_level = "warn";
    rig_begin_log(rig);
    courier_boot(&courier, rig, 1);
    rig_end_log();
    import(rig, 1, 1, 1, &history);
    serve_up_to_the_claims(rig);
    faults_fail(FAULT_ipc_send_now, 1);
    answer_claim(rig, 2);
    rig_expect_end(rig, 1);
    rig_expect_logged(rig, "courier: ipc_send_now fails");
    rig_expect_not_logged(rig, "an answer to an advance that is not under way");
}

int main(void)
{
#define SEALED(function) cmocka_unit_test_setup_teardown(function, setup_sealed, faults_teardown_courier)
#define PLAIN(function) cmocka_unit_test_setup_teardown(function, setup_plain, faults_teardown_courier)
    const struct CMUnitTest tests[] = {
        SEALED(what_is_deleted_with_a_record_of_yesterday_is_not_told_as_its_history),
        PLAIN(what_is_deleted_with_a_record_of_yesterday_is_not_told_as_its_history),
        SEALED(what_has_a_record_of_yesterday_is_not_imported),
        PLAIN(what_has_a_record_of_yesterday_is_not_imported),
        SEALED(a_key_that_is_refused_does_not_keep_others_out),
        SEALED(what_the_store_does_not_know_is_not_found),
        PLAIN(a_store_that_was_locked_to_another_network_takes_no_history),
        SEALED(without_a_place_a_history_is_not_recorded),
        PLAIN(without_a_place_for_a_second_attempt_there_is_no_import),
        PLAIN(a_courier_is_lost_once),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
