/* test_keeper_manage_file.c - the key manager over a file: requests of several keys, what each answer says,
 * and peers and libraries that do not do their part. The test is the front and the loader. */
#include "keeper_faults.h"
#include "keeper_manager.h"

#include <unistd.h>

#include "base/secret.h"
#include "slashing/slashing_rules.h"
#include "slashing/slashing_sqlite.h"

static const struct slashing_record nothing;
static const struct slashing_record vote_6_7 = {
    .has_attestation = true, .source_epoch = 6, .target_epoch = 7};

/* ---- the file, while no keeper has it ---- */

static void write_record(struct rig *rig, uint32_t key, const struct slashing_record *record)
{
    struct slashing_store *store = NULL;
    struct slashing_advance advance = {.next = *record};
    memcpy(advance.pubkey, rig_pubkey(key), 48);
    assert_ok(slashing_sqlite_open(&store, rig->store));
    assert_ok(slashing_store_advance(store, &advance, 1));
    assert_true(advance.done);
    slashing_store_close(store);
}

static struct slashing_record read_record(struct rig *rig, uint32_t key)
{
    struct slashing_store *store = NULL;
    struct slashing_record record = {0};
    assert_ok(slashing_sqlite_open(&store, rig->store));
    assert_ok(slashing_store_load(store, &record, rig_pubkey(key)));
    slashing_store_close(store);
    return record;
}

static void set_high_watermark(struct rig *rig, uint64_t epoch, uint64_t slot)
{
    struct slashing_store *store = NULL;
    struct slashing_head old, next;
    assert_ok(slashing_sqlite_open(&store, rig->store));
    assert_ok(slashing_store_head(store, &old));
    next = old;
    next.has_high_watermark = true;
    next.high_epoch = epoch;
    next.high_slot = slot;
    assert_ok(slashing_store_set_head(store, &old, &next, NULL, 0));
    slashing_store_close(store);
}

/* ---- what is signed ---- */

static void expect_unknown(struct rig *rig, uint32_t key)
{
    assert_int_equal(rig_sign_one(rig, rig_order(key, ETH2_ORDER_RANDAO_REVEAL)).status,
                     IPC_ANSWER_UNKNOWN_KEY);
}

static void expect_signed(struct rig *rig, struct eth2_order order)
{
    struct ipc_answer answer = rig_sign_one(rig, order);
    rig_assert_signed(rig, &answer, &order);
}

static void expect_serve(struct rig *rig, uint32_t served)
{
    rig_expect_state(rig, IPC_SERVE_STATE, served, 0);
}

/* MANAGE and keystores that end without a loader having any part in it. */
static void ask_import(struct rig *rig, uint32_t served, uint32_t first, uint32_t num,
                       const struct slashing_record *history, uint8_t genesis)
{
    uint8_t root[32];
    memset(root, genesis, sizeof root);
    manager_ask(rig, IPC_MANAGE_IMPORT, first, num, history, genesis ? root : NULL);
    rig_expect_state(rig, IPC_LOAD_STATE, served, 0);
    for (uint32_t i = 0; i < num; i++)
        manager_send_keystore(rig, i, first + i);
}

static void drop_loader(struct rig *rig)
{
    size_t length = 0;
    rig_expect(rig, rig->supervisor, IPC_MANAGER_START);
    fd_auto_close(&rig->loader);
    rig->loader = fd_take(&rig->descriptor);
    assert_fails(E_PEER, ipc_receive(rig->loader, rig->packet, &length, NULL));
}

/* ---- import ---- */

static void each_key_of_an_import_has_an_answer_of_its_own(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    manager_begin_import(rig, 1, 1, 3, &vote_6_7);
    manager_send_key(rig, 0, 1);
    manager_send_failure(rig, 1);
    manager_send_failure(rig, 77); /* of nothing that was asked for */
    manager_send_key(rig, 2, 3);
    rig_loader_end(rig, 2, 1);
    manager_expect_files(rig, IPC_MANAGE_IMPORT, 2);
    manager_send_file_done(rig, 0, E_NONE);
    rig_expect_silence(rig->front); /* before the last file */
    manager_send_file_done(rig, 2, E_IO);
    manager_expect_keys(rig, 2);
    (void)manager_expect(rig, 0, IPC_MANAGED_IMPORTED, "");
    (void)manager_expect(rig, 1, IPC_MANAGED_ERROR, "bad");
    (void)manager_expect(rig, 2, IPC_MANAGED_ERROR, "Error importing keystore: its why");
    expect_serve(rig, 2);
    assert_int_equal(rig_sign_one(rig, rig_vote(1, 6, 7, 1)).status, IPC_ANSWER_SLASHABLE);
    expect_signed(rig, rig_vote(1, 7, 8, 1));
    expect_unknown(rig, 2);
    expect_unknown(rig, 3);
    rig_stop(rig);
    assert_int_equal(read_record(rig, 1).target_epoch, 8);
    assert_int_equal(read_record(rig, 3).target_epoch, 7); /* recorded before its file was to become valid */
}

static void a_history_of_another_network_is_no_import(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    expect_signed(rig, rig_vote(0, 1, 2, 1)); /* locks the store */
    ask_import(rig, 1, 1, 2, &vote_6_7, 0x22);
    for (uint32_t i = 0; i < 2; i++)
        (void)manager_expect(rig, i, IPC_MANAGED_OTHER_GENESIS, "another genesis validators root");
    expect_serve(rig, 1);
    expect_unknown(rig, 1);
    rig_stop(rig);
    assert_false(read_record(rig, 1).has_attestation);
}

static void a_key_that_serves_is_not_imported_again(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 2);
    ask_import(rig, 2, 0, 2, &vote_6_7, 0x21);
    drop_loader(rig);
    for (uint32_t i = 0; i < 2; i++)
        (void)manager_expect(rig, i, IPC_MANAGED_ERROR, "the key is there already");
    expect_serve(rig, 2);
    expect_signed(rig, rig_vote(0, 1, 2, 1)); /* and its history has not been merged */
    rig_stop(rig);
}

static void a_history_up_to_the_high_watermark_is_no_import(void **state)
{
    struct rig *rig = *state;
    static const struct slashing_record reaching[] = {
        {.has_block = true, .block_slot = 3200},
        {.has_attestation = true, .source_epoch = 100, .target_epoch = 99},
        {.has_attestation = true, .source_epoch = 99, .target_epoch = 100},
    };
    static const struct slashing_record below = {.has_block = true,
                                                 .block_slot = 3199,
                                                 .has_attestation = true,
                                                 .source_epoch = 98,
                                                 .target_epoch = 99};
    set_high_watermark(rig, 100, 3200);
    rig_boot(rig, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(reaching); i++) {
        ask_import(rig, 1, 1, 1, &reaching[i], 0x21);
        drop_loader(rig);
        (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, "its history reaches the high watermark");
        expect_serve(rig, 1);
    }
    manager_begin_import(rig, 1, 1, 1, &below);
    manager_send_failure(rig, 0);
    rig_loader_end(rig, 0, 1); /* no key at all */
    (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, "bad");
    expect_serve(rig, 1);
    rig_stop(rig);
}

/* Without histories there is nothing to record. */
static void without_a_store_keys_come_and_go(void **state)
{
    struct rig *rig = *state;
    rig->policy.slashing_protection = false;
    assert_ok(policy_set_store(&rig->policy, "none"));
    rig_boot(rig, 1);
    manager_begin_import(rig, 1, 1, 1, NULL);
    manager_send_key(rig, 0, 1);
    rig_loader_end(rig, 1, 0);
    manager_expect_files(rig, IPC_MANAGE_IMPORT, 1);
    manager_send_file_done(rig, 0, E_NONE);
    manager_expect_keys(rig, 2);
    (void)manager_expect(rig, 0, IPC_MANAGED_IMPORTED, "");
    expect_serve(rig, 2);
    expect_signed(rig, rig_vote(1, 1, 2, 1));
    rig_stop(rig);
}

/* ---- deletion ---- */

static void each_key_of_a_deletion_has_an_answer_of_its_own(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 2);
    manager_begin_deletion(rig, 2, 0, 3);
    manager_send_file_done(rig, 0, E_NONE);
    manager_send_file_done(rig, 1, E_IO);
    manager_send_file_done(rig, 2, E_NOT_FOUND);
    manager_expect_keys(rig, 1);
    (void)manager_expect(rig, 0, IPC_MANAGED_DELETED, "");
    (void)manager_expect(rig, 1, IPC_MANAGED_ERROR, "Error deleting keystore file: its why");
    (void)manager_expect(rig, 2, IPC_MANAGED_NOT_FOUND, "");
    expect_serve(rig, 1);
    expect_unknown(rig, 0);
    expect_signed(rig, rig_vote(1, 1, 2, 1));
    rig_stop(rig);
    assert_true(read_record(rig, 0).disabled);
    assert_false(read_record(rig, 1).disabled || read_record(rig, 2).disabled);
}

/* Whatever the store has of a key, its owner gets it with the answer; and it signs nowhere any more. */
static void a_key_that_does_not_serve_is_disabled_if_the_store_knows_it(void **state)
{
    struct rig *rig = *state;
    static const struct slashing_record disabled = {.disabled = true};
    static const struct slashing_record block = {.has_block = true, .block_slot = 9};
    write_record(rig, 1, &block);
    write_record(rig, 2, &vote_6_7);
    write_record(rig, 3, &disabled);
    rig_boot(rig, 1);
    manager_begin_deletion(rig, 1, 1, 4);
    for (uint32_t i = 0; i < 4; i++)
        manager_send_file_done(rig, i, E_NOT_FOUND);
    assert_int_equal(manager_expect(rig, 0, IPC_MANAGED_NOT_ACTIVE, "").block_slot, 9);
    assert_int_equal(manager_expect(rig, 1, IPC_MANAGED_NOT_ACTIVE, "").target_epoch, 7);
    assert_true(manager_expect(rig, 2, IPC_MANAGED_NOT_ACTIVE, "").disabled);
    (void)manager_expect(rig, 3, IPC_MANAGED_NOT_FOUND, "");
    expect_serve(rig, 1);
    rig_stop(rig);
    for (uint32_t key = 1; key <= 3; key++)
        assert_true(read_record(rig, key).disabled);
    assert_false(read_record(rig, 4).disabled);
}

/* ---- loaders that break the rules ---- */

/* The load fails, and with it what the loader had to say: nothing of it serves. */
static void expect_failed_import(struct rig *rig, const char *part)
{
    (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, part);
    (void)manager_expect(rig, 1, IPC_MANAGED_ERROR, NULL);
    expect_serve(rig, 1);
    expect_unknown(rig, 1);
    expect_unknown(rig, 2);
}

static void a_loader_that_breaks_the_rules_imports_nothing(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    static const char *const expected[] = {"a key that was not asked for",
                                           "another key than was asked for",
                                           "bad",
                                           "a key came twice",
                                           "counts 1 keys and 1 failures of 2 keystores",
                                           "counts 0 keys and 1 failures of 2 keystores",
                                           "a file that was not asked for"};
    for (size_t attack = 0; attack < ARRAY_LENGTH(expected); attack++) {
        manager_begin_import(rig, 1, 1, 2, &vote_6_7);
        switch (attack) {
        case 0:
            manager_send_key(rig, 2, 1);
            break;
        case 1:
            manager_send_key(rig, 0, 2);
            break;
        case 2: /* one that could not be decrypted */
            manager_send_failure(rig, 0);
            manager_send_key(rig, 0, 1);
            break;
        case 3:
            manager_send_key(rig, 0, 1);
            manager_send_key(rig, 0, 1);
            break;
        case 4:
            rig_loader_end(rig, 1, 1);
            break;
        case 5:
            rig_loader_end(rig, 0, 1);
            break;
        default:
            manager_send_file_done(rig, 0, E_NONE);
            break;
        }
        expect_failed_import(rig, expected[attack]);
    }
    rig_stop(rig);
    assert_false(read_record(rig, 1).has_attestation);
}

static void a_loader_that_lies_about_files_imports_nothing(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    manager_begin_import(rig, 1, 1, 2, &vote_6_7);
    manager_send_key(rig, 0, 1);
    manager_send_key(rig, 1, 2);
    rig_loader_end(rig, 2, 0);
    manager_expect_files(rig, IPC_MANAGE_IMPORT, 2);
    manager_send_file_done(rig, 2, E_NONE);
    expect_failed_import(rig, "a file that was not asked for");
    manager_begin_deletion(rig, 1, 0, 1);
    manager_send_key(rig, 0, 1); /* a deletion brings no key */
    (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, "Error exporting slashing data: loader: a key that");
    expect_serve(rig, 1);
    expect_signed(rig, rig_vote(0, 1, 2, 1));
    rig_stop(rig);
}

/* ---- fronts that break the rules: the signer ends ---- */

static void a_front_that_breaks_the_rules_ends_it(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[1024], items[2][IPC_STORE_NAMED_ENTRY_LEN] = {{1}, {1}};
    static const char *const rules[] = {"one key twice", "flags of a record", "no keystore was announced",
                                        "another index", "another key",       "one keystore too many"};
    for (size_t attack = 0; attack < ARRAY_LENGTH(rules); attack++) {
        struct packer p = {.data = packet, .capacity = sizeof packet};
        struct ipc_manage manage = {.action = IPC_MANAGE_DELETE, .items = items[0], .num_items = 1};
        rig_boot(rig, 1);
        switch (attack) {
        case 0:
            manage.num_items = 2;
            ipc_pack_manage(&p, &manage);
            rig_send(rig->front, &p);
            break;
        case 1:
            memset(items[0] + 48, 0xff, IPC_STORE_ENTRY_LEN);
            ipc_pack_manage(&p, &manage);
            rig_send(rig->front, &p);
            break;
        case 2:
            manager_begin_deletion(rig, 1, 0, 1);
            manager_send_keystore(rig, 0, 0);
            break;
        case 3:
            manager_ask(rig, IPC_MANAGE_IMPORT, 1, 2, &nothing, NULL);
            manager_take_loader(rig, 1);
            manager_send_keystore(rig, 1, 2);
            break;
        case 4:
            manager_ask(rig, IPC_MANAGE_IMPORT, 1, 1, &nothing, NULL);
            manager_take_loader(rig, 1);
            manager_send_keystore(rig, 0, 2);
            break;
        default:
            manager_begin_import(rig, 1, 1, 1, NULL);
            manager_send_keystore(rig, 0, 1);
            break;
        }
        rig_expect_end(rig, 1);
    }
}

/* ---- a store that is lost on the way ---- */

static void lose_the_store(struct rig *rig)
{
    faults_fail(FAULT_slashing_store_advance, 1);
    faults_fail(FAULT_slashing_store_load, 1); /* nor can it be read what became of it */
    assert_int_equal(rig_sign_one(rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_STORE);
    rig_expect_state(rig, IPC_FAILED_STATE, 1, 0);
    rig_expect(rig, rig->front, IPC_HEALTH);
    assert_true(faults_stop(FAULT_slashing_store_load));
}

static void a_lost_store_ends_an_import(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    expect_signed(rig, rig_vote(0, 0, 1, 1));
    manager_ask(rig, IPC_MANAGE_IMPORT, 1, 1, &nothing, NULL);
    manager_take_loader(rig, 1);
    lose_the_store(rig);
    manager_send_keystore(rig, 0, 1);
    rig_expect(rig, rig->loader, IPC_KEYSTORE);
    rig_expect(rig, rig->loader, IPC_LOAD_END);
    manager_send_key(rig, 0, 1); /* not in this state */
    (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, "not permitted in state");
}

static void a_lost_store_permits_no_change(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    expect_signed(rig, rig_vote(0, 0, 1, 1));
    lose_the_store(rig);
    manager_ask(rig, IPC_MANAGE_DELETE, 0, 1, &nothing, NULL);
    (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, "nothing can be changed any more");
    manager_ask(rig, IPC_MANAGE_IMPORT, 1, 2, &nothing, NULL);
    manager_send_keystore(rig, 0, 1);
    manager_send_keystore(rig, 1, 2);
    (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, "nothing can be changed any more");
    (void)manager_expect(rig, 1, IPC_MANAGED_ERROR, "nothing can be changed any more");
    assert_int_equal(rig_sign_one(rig, rig_order(0, ETH2_ORDER_RANDAO_REVEAL)).status, IPC_ANSWER_STORE);
    manager_send_keystore(rig, 0, 1); /* nobody waits for it */
    rig_expect_end(rig, 1);
}

/* The state does not say that a request is under way: what is asked beside it ends the signer all the same.
 */
static void beside_a_request_nothing_else_is_asked_of_a_lost_store(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[16];
    for (int round = 0; round < 2; round++) {
        rig_boot(rig, 1);
        expect_signed(rig, rig_vote(0, 2, 3 + (uint64_t)round, 1));
        manager_ask(rig, IPC_MANAGE_IMPORT, 1, 1, &nothing, NULL);
        manager_take_loader(rig, 1);
        faults_fail(FAULT_slashing_store_advance, 1);
        faults_fail(FAULT_slashing_store_load, 1);
        assert_int_equal(rig_sign_one(rig, rig_vote(0, 8, 9 + (uint64_t)round, 1)).status, IPC_ANSWER_STORE);
        rig_expect_state(rig, IPC_FAILED_STATE, 1, 0);
        struct packer p = {.data = packet, .capacity = sizeof packet};
        ipc_pack_empty(&p, IPC_RELOAD);
        if (round == 0)
            rig_send(rig->front, &p);
        else
            manager_ask(rig, IPC_MANAGE_DELETE, 0, 1, &nothing, NULL);
        rig_expect_end(rig, 1);
    }
}

/* ---- libraries and the system ---- */

static const struct {
    enum fault fault;
    int number;
    const char *text;
} import_faults[] = {
    {FAULT_secret_new, 1, "secret_new fails"}, /* the keystore on its way */
    {FAULT_keeper_keys_new, 1, "keeper_keys_new fails"},
    {FAULT_keeper_keys_add_all, 1, "keeper_keys_add_all fails"},
    {FAULT_socketpair, 1, "no socket pair"},
};

static void an_import_that_cannot_begin_leaves_things_as_they_were(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(import_faults); i++) {
        faults_fail(import_faults[i].fault, import_faults[i].number);
        ask_import(rig, 1, 1, 1, &vote_6_7, 0x21);
        (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, import_faults[i].text);
        assert_true(faults_stop(import_faults[i].fault));
        if (import_faults[i].fault != FAULT_socketpair)
            drop_loader(rig);
        expect_serve(rig, 1);
        expect_unknown(rig, 1);
    }
    rig_stop(rig);
    assert_false(read_record(rig, 1).has_attestation);
}

static const struct {
    enum fault fault;
    int number;
    bool is_bent;
    const char *text;
} record_faults[] = {
    {FAULT_calloc, 1, false, "out of memory for 2 keys"},
    {FAULT_slashing_store_load, 1, false, "slashing protection store: slashing_store_load fails"},
    {FAULT_slashing_store_lock_genesis, 1, false, "slashing_store_lock_genesis fails"},
    {FAULT_slashing_store_advance, 1, false, "slashing protection store: slashing_store_advance fails"},
    {FAULT_slashing_store_advance, 1, true, "slashing protection store: a record is not as it was"},
};

static void an_import_whose_history_is_not_recorded_serves_nothing(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(record_faults); i++) {
        manager_begin_import(rig, 1, 1, 1, &vote_6_7);
        manager_send_key(rig, 0, 1);
        if (record_faults[i].is_bent)
            faults_bend(record_faults[i].fault, record_faults[i].number, E_NONE);
        else
            faults_fail(record_faults[i].fault, record_faults[i].number);
        rig_loader_end(rig, 1, 0);
        if (record_faults[i].fault == FAULT_slashing_store_lock_genesis)
            rig_expect(rig, rig->front, IPC_MANAGED);
        else
            (void)manager_expect(rig, 0, IPC_MANAGED_ERROR, record_faults[i].text);
        assert_true(faults_stop(record_faults[i].fault));
        expect_serve(rig, 1);
        if (record_faults[i].fault == FAULT_slashing_store_lock_genesis)
            rig_expect(rig, rig->front, IPC_HEALTH);
        expect_unknown(rig, 1);
    }
    rig_stop(rig);
    assert_false(read_record(rig, 1).has_attestation);
}

int main(void)
{
#define FILE_TEST(function) cmocka_unit_test_setup_teardown(function, faults_setup_managed, faults_teardown)
    const struct CMUnitTest tests[] = {
        FILE_TEST(each_key_of_an_import_has_an_answer_of_its_own),
        FILE_TEST(a_history_of_another_network_is_no_import),
        FILE_TEST(a_key_that_serves_is_not_imported_again),
        FILE_TEST(a_history_up_to_the_high_watermark_is_no_import),
        FILE_TEST(without_a_store_keys_come_and_go),
        FILE_TEST(each_key_of_a_deletion_has_an_answer_of_its_own),
        FILE_TEST(a_key_that_does_not_serve_is_disabled_if_the_store_knows_it),
        FILE_TEST(a_loader_that_breaks_the_rules_imports_nothing),
        FILE_TEST(a_loader_that_lies_about_files_imports_nothing),
        FILE_TEST(a_front_that_breaks_the_rules_ends_it),
        FILE_TEST(a_lost_store_ends_an_import),
        FILE_TEST(a_lost_store_permits_no_change),
        FILE_TEST(beside_a_request_nothing_else_is_asked_of_a_lost_store),
        FILE_TEST(an_import_that_cannot_begin_leaves_things_as_they_were),
        FILE_TEST(an_import_whose_history_is_not_recorded_serves_nothing),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
