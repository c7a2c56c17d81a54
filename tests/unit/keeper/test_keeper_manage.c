/* test_keeper_manage.c - the key manager's walk: in which order files, records and the service change, and
 * what becomes of a request whose loader dies or whose store does not answer. The test is the front, the
 * loader and the courier. */
#include "keeper_courier.h"

#include <unistd.h>

#include "slashing/slashing_rules.h"

enum { ITEM_LEN = 48 + SLASHING_ENTRY_BYTES };

static uint8_t packet[IPC_PACKET_MAX];

static struct packer begin(void)
{
    return (struct packer){.data = packet, .capacity = sizeof packet};
}

static void boot(struct rig *rig, uint32_t count)
{
    rig->option = "--key-manager";
    courier_boot(&courier, rig, count);
}

static void ask(struct rig *rig, enum ipc_manage_action action, uint32_t key,
                const struct slashing_record *history, const uint8_t *genesis)
{
    uint8_t item[ITEM_LEN];
    struct packer p = begin();
    memcpy(item, rig_pubkey(key), 48);
    slashing_entry_encode(item + 48, &(struct slashing_entry){.record = *history});
    ipc_pack_manage(
        &p, &(struct ipc_manage){.action = action, .genesis = genesis, .items = item, .num_items = 1});
    rig_send(rig->front, &p);
}

static void take_manager(struct rig *rig, uint32_t served)
{
    rig_expect_state(rig, IPC_LOAD_STATE, served, 0);
    rig_expect(rig, rig->supervisor, IPC_MANAGER_START);
    fd_auto_close(&rig->loader);
    rig->loader = fd_take(&rig->descriptor);
}

/* MANAGE and KEYSTORE, up to the loader that has it. */
static void begin_import(struct rig *rig, uint32_t served, uint32_t key,
                         const struct slashing_record *history)
{
    uint8_t genesis[32];
    static const struct slashing_record none;
    struct ipc_keystore keystore;
    memset(genesis, 0x21, sizeof genesis);
    ask(rig, IPC_MANAGE_IMPORT, key, history ? history : &none, history ? genesis : NULL);
    take_manager(rig, served);
    struct packer p = begin();
    ipc_pack_keystore(&p, &(struct ipc_keystore){.index = 0,
                                                 .pubkey = rig_pubkey(key),
                                                 .password = {(const uint8_t *)"geheim", 6},
                                                 .json = {(const uint8_t *)"{}", 2}});
    rig_send(rig->front, &p);
    rig_expect(rig, rig->loader, IPC_KEYSTORE);
    assert_ok(ipc_take_keystore(&keystore, &rig->message));
    assert_memory_equal(keystore.pubkey, rig_pubkey(key), 48);
    rig_expect(rig, rig->loader, IPC_LOAD_END);
}

/* The loader has decrypted it. */
static void send_key(struct rig *rig, uint32_t key)
{
    uint8_t secret[32];
    struct packer p = begin();
    rig_secret(secret, key);
    ipc_begin(&p, IPC_KEY, 1);
    ipc_pack_loaded_key(&p, &(struct ipc_loaded_key){0, secret, rig_pubkey(key)});
    rig_send(rig->loader, &p);
    rig_loader_end(rig, 1, 0);
}

static void expect_files(struct rig *rig, enum ipc_manage_action action)
{
    struct ipc_files files;
    rig_expect(rig, rig->loader, IPC_FILES);
    assert_ok(ipc_take_files(&files, &rig->message));
    assert_int_equal(files.action, action);
    assert_int_equal(files.num_items, 1);
}

static void send_file_done(struct rig *rig, enum error_code error)
{
    struct packer p = begin();
    ipc_pack_file_done(&p, &(struct ipc_record_failed){0, error, {(const uint8_t *)"its why", 7}, NULL});
    rig_send(rig->loader, &p);
}

static void expect_keys(struct rig *rig, uint32_t count)
{
    struct ipc_keys keys;
    rig_expect(rig, rig->front, IPC_KEYS);
    assert_ok(ipc_take_keys(&keys, &rig->message));
    assert_int_equal(keys.num_keys, count);
    rig_expect(rig, rig->front, IPC_HEALTH);
}

static struct slashing_record expect_managed(struct rig *rig, enum ipc_managed_status status, uint32_t served)
{
    struct ipc_managed managed;
    struct slashing_entry entry;
    rig_expect(rig, rig->front, IPC_MANAGED);
    assert_ok(ipc_take_managed(&managed, &rig->message));
    assert_int_equal(managed.status, status);
    assert_ok(slashing_entry_decode(&entry, managed.entry));
    rig_expect_state(rig, IPC_SERVE_STATE, served, 0);
    return entry.record;
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
    begin_import(rig, 1, 1, &history);
    send_key(rig, 1);
    courier.advances = COURIER_KEEPS;
    while (courier.num_kept == 0)
        courier_serve(&courier, rig);
    rig_expect_silence(rig->loader);
    rig_expect_silence(rig->front);
    assert_true(!has_row(1) || !courier_row(&courier, 1)->entry.record.has_attestation);
    courier_answer_kept(&courier, rig, 0);
    expect_files(rig, IPC_MANAGE_IMPORT);
    assert_int_equal(courier_row(&courier, 1)->entry.record.target_epoch, 7);
    rig_expect_silence(rig->front); /* it serves once its files are valid */
    send_file_done(rig, E_NONE);
    expect_keys(rig, 2);
    (void)expect_managed(rig, IPC_MANAGED_IMPORTED, 2);
    courier.advances = COURIER_HONEST;
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 6, 7, 1)).status, IPC_ANSWER_SLASHABLE);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 7, 8, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

static void a_history_that_cannot_be_recorded_is_no_import(void **state)
{
    struct rig *rig = *state;
    struct slashing_record history = courier_vote_record(6, 7);
    boot(rig, 1);
    begin_import(rig, 1, 1, &history);
    courier.status = IPC_STORE_HEAD_FAILED;
    send_key(rig, 1);
    courier_serve_until(&courier, rig, rig->front);
    (void)expect_managed(rig, IPC_MANAGED_ERROR, 1);
    courier.status = IPC_STORE_HEAD_FOUND;
    expect_unknown(rig, 1);
    assert_int_equal(read(rig->loader, packet, 1), 0); /* let go, and no file is valid */
    rig_stop(rig);
}

static void files_that_cannot_be_written_are_no_import(void **state)
{
    struct rig *rig = *state;
    boot(rig, 1);
    begin_import(rig, 1, 1, NULL);
    send_key(rig, 1);
    courier_serve_until(&courier, rig, rig->loader);
    expect_files(rig, IPC_MANAGE_IMPORT);
    send_file_done(rig, E_IO);
    (void)expect_managed(rig, IPC_MANAGED_ERROR, 1);
    expect_unknown(rig, 1);
    rig_stop(rig);
}

static void a_loader_that_dies_fails_the_import(void **state)
{
    struct rig *rig = *state;
    boot(rig, 1);
    begin_import(rig, 1, 1, NULL);
    fd_auto_close(&rig->loader);
    (void)expect_managed(rig, IPC_MANAGED_ERROR, 1);
    expect_unknown(rig, 1);
    begin_import(rig, 1, 1, NULL);
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
    begin_import(rig, 1, 1, NULL);
    send_key(rig, 2);
    (void)expect_managed(rig, IPC_MANAGED_ERROR, 1);
    expect_unknown(rig, 2);
    rig_stop(rig);
}

/* ---- deletion ---- */

static void begin_deletion(struct rig *rig, uint32_t served, uint32_t key)
{
    static const struct slashing_record none;
    ask(rig, IPC_MANAGE_DELETE, key, &none, NULL);
    take_manager(rig, served);
    expect_files(rig, IPC_MANAGE_DELETE);
}

static void files_go_then_the_key_then_it_is_disabled(void **state)
{
    struct rig *rig = *state;
    boot(rig, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    begin_deletion(rig, 2, 1);
    rig_expect_silence(rig->front);
    rig_expect_silence(rig->courier);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 2, 3, 1)).status, IPC_ANSWER_SIGNED);
    courier.advances = COURIER_KEEPS;
    send_file_done(rig, E_NONE);
    expect_keys(rig, 1);
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
    begin_deletion(rig, 2, 1);
    send_file_done(rig, E_IO);
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
    begin_deletion(rig, 2, 1);
    courier.status = IPC_STORE_HEAD_FAILED;
    send_file_done(rig, E_NONE);
    expect_keys(rig, 1);
    courier_serve_until(&courier, rig, rig->front);
    (void)expect_managed(rig, IPC_MANAGED_ERROR, 1);
    courier.status = IPC_STORE_HEAD_FOUND;
    expect_unknown(rig, 1);
    assert_false(courier_row(&courier, 1)->entry.record.disabled);
    begin_deletion(rig, 1, 1); /* asked for again, it becomes disabled */
    send_file_done(rig, E_NOT_FOUND);
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
    ask(rig, IPC_MANAGE_DELETE, 0, &none, NULL);
    rig_expect_end(rig, 1);
}

static void a_reload_beside_a_request_breaks_the_channel(void **state)
{
    struct rig *rig = *state;
    boot(rig, 2);
    begin_deletion(rig, 2, 1);
    struct packer p = begin();
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
