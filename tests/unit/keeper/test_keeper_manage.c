/* test_keeper_manage.c - the key manager's walk: in which order files, records and the service change, and
 * what becomes of a request whose loader dies or whose store does not answer. The test is the front, the
 * loader and the courier. */
#include "keeper_courier.h"
#include "keeper_manager.h"

#include <unistd.h>

#include "slashing/slashing_rules.h"

static void boot(struct rig *rig, uint32_t count)
{
    rig->option = "--key-manager";
    courier_boot(&courier, rig, count);
}

/* The loader has decrypted it. */
static void send_key(struct rig *rig, uint32_t key)
{
    manager_send_key(rig, 0, key);
    rig_loader_end(rig, 1, 0);
}

static struct slashing_record expect_managed(struct rig *rig, enum ipc_managed_status status, uint32_t served)
{
    struct slashing_record told = manager_expect(rig, 0, status, NULL);
    rig_expect_state(rig, IPC_SERVE_STATE, served, 0);
    return told;
}

static void expect_unknown(struct rig *rig, uint32_t key)
{
    assert_int_equal(courier_sign_one(&courier, rig, rig_order(key, ETH2_ORDER_RANDAO_REVEAL)).status,
                     IPC_ANSWER_UNKNOWN_KEY);
}

static bool has_row(uint32_t key)
{
    return courier_row(&courier, key) != NULL;
}

/* ---- import ---- */

static void a_history_is_durable_before_the_files_are_valid(void **state)
{
    struct rig *rig = *state;
    struct slashing_record history = courier_vote_record(6, 7);
    boot(rig, 1);
    manager_begin_import(rig, 1, 1, 1, &history);
    send_key(rig, 1);
    courier.advances = COURIER_KEEPS;
    while (courier.num_kept == 0)
        courier_serve(&courier, rig);
    rig_expect_silence(rig->loader);
    rig_expect_silence(rig->front);
    assert_true(!has_row(1) || !courier_row(&courier, 1)->entry.record.has_attestation);
    courier_answer_kept(&courier, rig, 0);
    manager_expect_files(rig, IPC_MANAGE_IMPORT, 1);
    assert_int_equal(courier_row(&courier, 1)->entry.record.target_epoch, 7);
    rig_expect_silence(rig->front); /* it serves once its files are valid */
    manager_send_file_done(rig, 0, E_NONE);
    manager_expect_keys(rig, 2);
    (void)expect_managed(rig, IPC_MANAGED_IMPORTED, 2);
    courier.advances = COURIER_HONEST;
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 6, 7, 1)).status, IPC_ANSWER_SLASHABLE);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 7, 8, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

/* The record stands above it, and stays: but Web3Signer may read the store too, and knows no records. */
static void a_history_that_is_older_than_the_record_is_told_to_the_store(void **state)
{
    struct rig *rig = *state;
    struct slashing_record history = courier_vote_record(6, 7), ours = courier_vote_record(8, 9);
    boot(rig, 1);
    unsigned before = courier.num_advances;
    courier_write(&courier, 1, &ours, 0);
    manager_begin_import(rig, 1, 1, 1, &history);
    send_key(rig, 1);
    courier_serve_until(&courier, rig, rig->loader);
    manager_expect_files(rig, IPC_MANAGE_IMPORT, 1);
    assert_int_equal(courier.num_advances, before + 1);
    assert_int_equal(courier.num_histories, 1);
    assert_int_equal(courier_row(&courier, 1)->entry.record.target_epoch, 9);
    manager_send_file_done(rig, 0, E_NONE);
    manager_expect_keys(rig, 2);
    (void)expect_managed(rig, IPC_MANAGED_IMPORTED, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 9, 10, 1)).status, IPC_ANSWER_SIGNED);
    assert_int_equal(courier.num_histories, 1);
    rig_stop(rig);
}

static void a_history_that_cannot_be_recorded_is_no_import(void **state)
{
    struct rig *rig = *state;
    struct slashing_record history = courier_vote_record(6, 7);
    boot(rig, 1);
    manager_begin_import(rig, 1, 1, 1, &history);
    courier.status = IPC_STORE_HEAD_FAILED;
    send_key(rig, 1);
    courier_serve_until(&courier, rig, rig->front);
    (void)expect_managed(rig, IPC_MANAGED_ERROR, 1);
    courier.status = IPC_STORE_HEAD_FOUND;
    expect_unknown(rig, 1);
    assert_int_equal(read(rig->loader, rig->packet, 1), 0); /* let go, and no file is valid */
    rig_stop(rig);
}

static void files_that_cannot_be_written_are_no_import(void **state)
{
    struct rig *rig = *state;
    boot(rig, 1);
    manager_begin_import(rig, 1, 1, 1, NULL);
    send_key(rig, 1);
    courier_serve_until(&courier, rig, rig->loader);
    manager_expect_files(rig, IPC_MANAGE_IMPORT, 1);
    manager_send_file_done(rig, 0, E_IO);
    (void)expect_managed(rig, IPC_MANAGED_ERROR, 1);
    expect_unknown(rig, 1);
    rig_stop(rig);
}

static void a_loader_that_dies_fails_the_import(void **state)
{
    struct rig *rig = *state;
    boot(rig, 1);
    manager_begin_import(rig, 1, 1, 1, NULL);
    fd_auto_close(&rig->loader);
    (void)expect_managed(rig, IPC_MANAGED_ERROR, 1);
    expect_unknown(rig, 1);
    manager_begin_import(rig, 1, 1, 1, NULL);
    send_key(rig, 1);
    courier_serve_until(&courier, rig, rig->loader);
    fd_auto_close(&rig->loader);
    (void)expect_managed(rig, IPC_MANAGED_ERROR, 1);
    expect_unknown(rig, 1);
    rig_stop(rig);
}

static void a_key_of_somebody_else_is_no_import(void **state)
{
    struct rig *rig = *state;
    boot(rig, 1);
    manager_begin_import(rig, 1, 1, 1, NULL);
    manager_send_key(rig, 0, 2); /* the keeper closes the channel at this: to say more could fail */
    (void)expect_managed(rig, IPC_MANAGED_ERROR, 1);
    expect_unknown(rig, 2);
    rig_stop(rig);
}

/* ---- deletion ---- */

static void files_go_then_the_key_then_it_is_disabled(void **state)
{
    struct rig *rig = *state;
    boot(rig, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    manager_begin_deletion(rig, 2, 1, 1);
    rig_expect_silence(rig->front);
    rig_expect_silence(rig->courier);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 2, 3, 1)).status, IPC_ANSWER_SIGNED);
    courier.advances = COURIER_KEEPS;
    manager_send_file_done(rig, 0, E_NONE);
    manager_expect_keys(rig, 1);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    courier_serve_one(&courier, rig, IPC_STORE_LOAD);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    expect_unknown(rig, 1);
    rig_expect_silence(rig->front);
    courier_answer_kept(&courier, rig, 0);
    struct slashing_record told = expect_managed(rig, IPC_MANAGED_DELETED, 1);
    assert_int_equal(told.target_epoch, 3); /* nothing signed is missing */
    assert_true(courier_row(&courier, 1)->entry.record.disabled);
    assert_true(!has_row(0) || !courier_row(&courier, 0)->entry.record.disabled);
    rig_stop(rig);
}

static void files_that_cannot_be_removed_leave_the_key_as_it_is(void **state)
{
    struct rig *rig = *state;
    boot(rig, 2);
    manager_begin_deletion(rig, 2, 1, 1);
    manager_send_file_done(rig, 0, E_IO);
    courier_serve_until(&courier, rig, rig->front);
    (void)expect_managed(rig, IPC_MANAGED_ERROR, 2);
    assert_false(courier_row(&courier, 1)->entry.record.disabled);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

static void a_store_that_does_not_answer_leaves_a_deleted_key_out_of_service(void **state)
{
    struct rig *rig = *state;
    boot(rig, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    manager_begin_deletion(rig, 2, 1, 1);
    courier.status = IPC_STORE_HEAD_FAILED;
    manager_send_file_done(rig, 0, E_NONE);
    manager_expect_keys(rig, 1);
    courier_serve_until(&courier, rig, rig->front);
    (void)expect_managed(rig, IPC_MANAGED_ERROR, 1);
    courier.status = IPC_STORE_HEAD_FOUND;
    expect_unknown(rig, 1);
    assert_false(courier_row(&courier, 1)->entry.record.disabled);
    manager_begin_deletion(rig, 1, 1, 1); /* asked for again, it becomes disabled */
    manager_send_file_done(rig, 0, E_NOT_FOUND);
    courier_serve_until(&courier, rig, rig->front);
    assert_int_equal(expect_managed(rig, IPC_MANAGED_NOT_ACTIVE, 1).target_epoch, 2);
    assert_true(courier_row(&courier, 1)->entry.record.disabled);
    rig_stop(rig);
}

static void without_the_option_there_is_no_key_manager(void **state)
{
    struct rig *rig = *state;
    static const struct slashing_record none;
    courier_boot(&courier, rig, 1);
    manager_ask(rig, IPC_MANAGE_DELETE, 0, 1, &none, NULL);
    rig_expect_end(rig, 1);
}

static void a_reload_beside_a_request_breaks_the_channel(void **state)
{
    struct rig *rig = *state;
    boot(rig, 2);
    manager_begin_deletion(rig, 2, 1, 1);
    uint8_t packet[16];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_empty(&p, IPC_RELOAD);
    rig_send(rig->front, &p);
    rig_expect_end(rig, 1);
}

int main(void)
{
#define SEALED(function) cmocka_unit_test_setup_teardown(function, courier_setup_sealed, courier_teardown)
#define PLAIN(function) cmocka_unit_test_setup_teardown(function, courier_setup_plain, courier_teardown)
    const struct CMUnitTest tests[] = {
        SEALED(a_history_is_durable_before_the_files_are_valid),
        PLAIN(a_history_is_durable_before_the_files_are_valid),
        PLAIN(a_history_that_is_older_than_the_record_is_told_to_the_store),
        SEALED(a_history_that_cannot_be_recorded_is_no_import),
        SEALED(files_that_cannot_be_written_are_no_import),
        SEALED(a_loader_that_dies_fails_the_import),
        SEALED(a_key_of_somebody_else_is_no_import),
        SEALED(files_go_then_the_key_then_it_is_disabled),
        PLAIN(files_go_then_the_key_then_it_is_disabled),
        SEALED(files_that_cannot_be_removed_leave_the_key_as_it_is),
        SEALED(a_store_that_does_not_answer_leaves_a_deleted_key_out_of_service),
        SEALED(without_the_option_there_is_no_key_manager),
        SEALED(a_reload_beside_a_request_breaks_the_channel),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
