/* test_keeper_manage_faults.c - imports and deletions that fail at their end, when files are valid or gone
 * already: what serves is what served, or what is left of it, and the answer says so. The test is the front
 * and the loader. */
#include "keeper_faults.h"
#include "keeper_manager.h"

#include "base/secret.h"
#include "slashing/slashing_sqlite.h"

static const struct slashing_record vote_6_7 = {
    .has_attestation = true, .source_epoch = 6, .target_epoch = 7};

static void expect_signed(struct rig *rig, uint32_t key)
{
    struct eth2_order order = rig_order(key, ETH2_ORDER_RANDAO_REVEAL);
    struct ipc_answer answer = rig_sign_one(rig, order);
    rig_assert_signed(rig, &answer, &order);
}

static void expect_unknown(struct rig *rig, uint32_t key)
{
    assert_int_equal(rig_sign_one(rig, rig_order(key, ETH2_ORDER_RANDAO_REVEAL)).status,
                     IPC_ANSWER_UNKNOWN_KEY);
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

struct row {
    enum fault fault;
    int number;
    bool serves; /* the key that is to be deleted, afterwards */
    const char *text;
};

/* Of key 1 beside the one that serves, up to its files. */
static void begin_import(struct rig *rig, const struct slashing_record *history)
{
    manager_begin_import(rig, 1, 1, 1, history);
    manager_send_key(rig, 0, 1);
    rig_loader_end(rig, 1, 0);
    manager_expect_files(rig, IPC_MANAGE_IMPORT, 1);
}

static void import(struct rig *rig, const struct slashing_record *history)
{
    begin_import(rig, history);
    manager_send_file_done(rig, 0, E_NONE);
    manager_expect_keys(rig, 2);
    (void)manager_expect(rig, 0, IPC_MANAGED_IMPORTED, "");
    rig_expect_state(rig, IPC_SERVE_STATE, 2, 0);
}

/* Each left things as they were. */
static void expect_no_import(struct rig *rig, const struct row *row)
{
    (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, row->text);
    assert_true(faults_stop(row->fault));
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    expect_unknown(rig, 1);
    expect_signed(rig, 0);
}

/* ---- imports ---- */

static void a_keystore_that_cannot_be_passed_on_is_its_own_failure(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    faults_fail(FAULT_secret_new, 2); /* the first is a place for the keys that serve */
    manager_ask(rig, IPC_MANAGE_IMPORT, 1, 2, &vote_6_7, (const uint8_t[32]){0x21});
    manager_take_loader(rig, 1);
    manager_send_keystore(rig, 0, 1);
    manager_send_keystore(rig, 1, 2);
    struct ipc_keystore keystore;
    rig_expect(rig, rig->loader, IPC_KEYSTORE);
    assert_true(faults_stop(FAULT_secret_new));
    assert_ok(ipc_take_keystore(&keystore, &rig->message));
    assert_int_equal(keystore.index, 1);
    rig_expect(rig, rig->loader, IPC_LOAD_END);
    manager_send_key(rig, 1, 2);
    rig_loader_end(rig, 1, 0);
    manager_expect_files(rig, IPC_MANAGE_IMPORT, 1);
    manager_send_file_done(rig, 1, E_NONE);
    manager_expect_keys(rig, 2);
    (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, "secret_new fails");
    (void)manager_expect(rig, 1, IPC_MANAGED_IMPORTED, "");
    rig_expect_state(rig, IPC_SERVE_STATE, 2, 0);
    expect_unknown(rig, 1);
    expect_signed(rig, 2);
    rig_stop(rig);
}

static void a_key_that_cannot_be_taken_is_no_import(void **state)
{
    struct rig *rig = *state;
    static const struct row rows[] = {
        {FAULT_bls_public_key, 1, false, "bls_public_key fails"},
        {FAULT_ipc_take_loaded_key, 1, false, "ipc_take_loaded_key fails"},
    };
    rig_boot(rig, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        manager_begin_import(rig, 1, 1, 1, &vote_6_7);
        faults_fail(rows[i].fault, rows[i].number);
        manager_send_key(rig, 0, 1);
        expect_no_import(rig, &rows[i]);
    }
    rig_stop(rig);
}

/* Its history is recorded and its files are valid: the next start has it. */
static void an_import_that_cannot_serve_says_so(void **state)
{
    struct rig *rig = *state;
    static const struct row rows[] = {
        {FAULT_keeper_keys_new, 1, false, "keeper_keys_new fails"},
        {FAULT_keeper_keys_add_some, 1, false, "keeper_keys_add_some fails"},
    };
    rig_boot(rig, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        begin_import(rig, &vote_6_7);
        faults_fail(rows[i].fault, rows[i].number);
        manager_send_file_done(rig, 0, E_NONE);
        expect_no_import(rig, &rows[i]);
    }
    rig_stop(rig);
}

/* Nothing is to be recorded: a history of any network is as good as none. Below the high watermark there may
 * be blocks only. */
static void without_a_store_histories_are_of_no_network(void **state)
{
    struct rig *rig = *state;
    rig->policy.slashing_protection = false;
    assert_ok(policy_set_store(&rig->policy, "none"));
    rig_boot(rig, 1);
    import(rig, &vote_6_7);
    expect_signed(rig, 1);
    rig_stop(rig);
}

static void a_block_below_the_high_watermark_is_a_history(void **state)
{
    struct rig *rig = *state;
    static const struct slashing_record below = {.has_block = true, .block_slot = 3199};
    struct slashing_store *store = NULL;
    struct slashing_head old, next;
    assert_ok(slashing_sqlite_open(&store, rig->store));
    assert_ok(slashing_store_head(store, &old));
    next = old;
    next.has_high_watermark = true;
    next.high_epoch = 100;
    next.high_slot = 3200;
    assert_ok(slashing_store_set_head(store, &old, &next, NULL, 0));
    slashing_store_close(store);
    rig_boot(rig, 1);
    import(rig, &below);
    assert_int_equal(rig_sign_one(rig, rig_block(1, 3199, 1)).status, IPC_ANSWER_SLASHABLE);
    rig_stop(rig);
}

/* ---- deletions: the files are gone ---- */

static void a_deletion_that_fails_says_so(void **state)
{
    struct rig *rig = *state;
    static const struct row rows[] = {
        /* the sets that are made: what serves on, */
        {FAULT_keeper_keys_new, 1, true, "keeper_keys_new fails"},
        {FAULT_keeper_keys_add_some, 1, true, "keeper_keys_add_some fails"},
        /* what is remembered of keys that served, */
        {FAULT_keeper_keys_remember, 1, true, "keeper_keys_remember fails"},
        /* and what is to be disabled */
        {FAULT_keeper_keys_new, 2, false, "keeper_keys_new fails"},
        {FAULT_keeper_keys_remember, 2, false, "keeper_keys_remember fails"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        rig_boot(rig, 2);
        manager_begin_deletion(rig, 2, 1, 1);
        faults_fail(rows[i].fault, rows[i].number);
        manager_send_file_done(rig, 0, E_NONE);
        if (!rows[i].serves)
            manager_expect_keys(rig, 1);
        (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, rows[i].text);
        assert_true(faults_stop(rows[i].fault));
        rig_expect_state(rig, IPC_SERVE_STATE, rows[i].serves ? 2 : 1, 0);
        expect_signed(rig, 0);
        if (rows[i].serves)
            expect_signed(rig, 1);
        else
            expect_unknown(rig, 1);
        rig_stop(rig);
        assert_false(is_disabled(rig, 1)); /* and asking again does that */
    }
}

int main(void)
{
#define FILE_TEST(function) cmocka_unit_test_setup_teardown(function, faults_setup_managed, faults_teardown)
    const struct CMUnitTest tests[] = {
        FILE_TEST(a_keystore_that_cannot_be_passed_on_is_its_own_failure),
        FILE_TEST(a_key_that_cannot_be_taken_is_no_import),
        FILE_TEST(an_import_that_cannot_serve_says_so),
        FILE_TEST(without_a_store_histories_are_of_no_network),
        FILE_TEST(a_block_below_the_high_watermark_is_a_history),
        FILE_TEST(a_deletion_that_fails_says_so),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
