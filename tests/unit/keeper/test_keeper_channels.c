/* test_keeper_channels.c - peers that do not read what they are sent, or cannot be sent it: the keeper never
 * waits for one, keeps so much and no more, and what was kept arrives whole and in order. */
#include "keeper_cloud.h"
#include "keeper_faults.h"
#include "keeper_manager.h"

#include <sys/socket.h>

static uint8_t packet[IPC_PACKET_MAX];

/* ---- packets with secrets ---- */

enum { KEYSTORES = 200, JSON_LEN = 15000 };

static void send_large_keystore(struct rig *rig, uint32_t index, uint32_t key)
{
    static uint8_t json[JSON_LEN];
    memset(json, (int)('a' + index % 26), sizeof json);
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_keystore(&p, &(struct ipc_keystore){.index = index,
                                                 .pubkey = rig_pubkey(key),
                                                 .password = {(const uint8_t *)"geheim", 6},
                                                 .json = {json, sizeof json}});
    rig_send(rig->front, &p);
}

static void begin_large_import(struct rig *rig, uint32_t num)
{
    static const struct slashing_record none;
    manager_ask(rig, IPC_MANAGE_IMPORT, 1, num, &none, NULL);
    manager_take_loader(rig, 1);
}

/* More than a socket holds, for a loader that reads at the end. */
static void keystores_wait_for_a_slow_loader(void **state)
{
    struct rig *rig = *state;
    struct ipc_keystore keystore;
    rig_boot(rig, 1);
    begin_large_import(rig, KEYSTORES);
    for (uint32_t i = 0; i < KEYSTORES; i++)
        send_large_keystore(rig, i, 1 + i);
    assert_int_equal(rig_sign_one(rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    for (uint32_t i = 0; i < KEYSTORES; i++) {
        rig_expect(rig, rig->loader, IPC_KEYSTORE);
        assert_ok(ipc_take_keystore(&keystore, &rig->message));
        assert_int_equal(keystore.index, i);
        assert_memory_equal(keystore.pubkey, rig_pubkey(1 + i), 48);
        assert_int_equal(keystore.json.length, JSON_LEN);
        assert_int_equal(keystore.json.data[JSON_LEN - 1], 'a' + i % 26);
    }
    rig_expect(rig, rig->loader, IPC_LOAD_END);
    rig_stop(rig);
}

/* Up to where the next keystore has to wait. */
static uint32_t fill_loader(struct rig *rig)
{
    uint32_t sent = 0;
    begin_large_import(rig, KEYSTORES);
    for (; sent < KEYSTORES / 2; sent++)
        send_large_keystore(rig, sent, 1 + sent);
    assert_int_equal(rig_sign_one(rig, rig_order(0, ETH2_ORDER_RANDAO_REVEAL)).status, IPC_ANSWER_SIGNED);
    return sent;
}

static void finish_in_vain(struct rig *rig, uint32_t sent, const char *part)
{
    for (; sent < KEYSTORES; sent++)
        send_large_keystore(rig, sent, 1 + sent);
    for (uint32_t i = 0; i < KEYSTORES; i++)
        (void)manager_expect(rig, i, IPC_MANAGED_ERROR, part);
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    assert_int_equal(rig_sign_one(rig, rig_order(1, ETH2_ORDER_RANDAO_REVEAL)).status,
                     IPC_ANSWER_UNKNOWN_KEY);
}

/* What waits is wiped with the channel, and the import has failed. */
static void what_cannot_be_kept_or_sent_fails_the_import(void **state)
{
    struct rig *rig = *state;
    static const struct {
        enum fault fault;
        const char *text;
    } faults[] = {{FAULT_secret_copy, "loader: secret_copy fails"}, {FAULT_calloc, "loader: out of memory"}};
    rig_boot(rig, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        uint32_t sent = fill_loader(rig);
        faults_fail(faults[i].fault, 1);
        finish_in_vain(rig, sent, faults[i].text);
        assert_true(faults_stop(faults[i].fault));
    }
    uint32_t sent = fill_loader(rig);
    faults_fail(FAULT_ipc_send_now, 1); /* of what waits, once the loader reads again */
    size_t length = 0;
    while (!ipc_receive(rig->loader, packet, &length, NULL).code)
        ;
    finish_in_vain(rig, sent, "loader: ipc_send_now fails");
    assert_true(faults_stop(FAULT_ipc_send_now));
    sent = fill_loader(rig);
    fd_auto_close(&rig->loader);
    finish_in_vain(rig, sent, "loader: ");
    rig_stop(rig);
}

/* ---- limits ---- */

static void flood_front(struct rig *rig)
{
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_begin(&p, IPC_KEY_INFO, IPC_KEY_INFOS_MAX);
    for (uint32_t i = 0; i < IPC_KEY_INFOS_MAX; i++)
        ipc_pack_key_info(&p, &(struct ipc_key_info){rig_pubkey(0), true, {NULL, 0}});
    assert_ok(pack_end(&p));
    for (size_t sent = 0; sent < 80 << 20; sent += p.length)
        if (send(rig->loader, packet, p.length, MSG_NOSIGNAL) < 0)
            return;
    fail_msg("what the front does not read is kept without a limit");
}

/* 64 MiB; the log says what it was. */
static void bytes_that_nobody_reads_end_the_signer(void **state)
{
    struct rig *rig = *state;
    rig_boot_to_load(rig);
    flood_front(rig);
    rig_expect_end(rig, 1);
}

static void packets_that_nobody_reads_end_the_signer(void **state)
{
    struct rig *rig = *state;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    cloud_start(rig);
    ipc_pack_empty(&p, IPC_STATUS_WANTED);
    for (int sent = 0; sent < 10000; sent++) {
        if (send(rig->courier, packet, p.length, MSG_NOSIGNAL) < 0) {
            rig_expect_end(rig, 1);
            return;
        }
    }
    fail_msg("what the courier does not read is kept without a limit");
}

/* ---- a loader that does not read holds back the courier's records, not the keeper's answers to it ---- */

static void answers_reach_a_courier_that_is_not_heard(void **state)
{
    struct rig *rig = *state;
    static uint8_t record[IPC_RECORD_MAX + 64], envelope[IPC_RECORD_MAX];
    enum { WANTED = 600 };
    uint32_t sent = 0, answers = 0;
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_empty(&p, IPC_STATUS_WANTED);
    for (int i = 0; i < WANTED; i++)
        rig_send(rig->courier, &p);
    for (int idle = 0; idle < 3;) {
        struct packer r = {.data = record, .capacity = sizeof record};
        ipc_pack_record(&r,
                        &(struct ipc_record){IPC_RECORD_VALIDATOR, sent, {envelope, IPC_RECORD_MAX}, NULL});
        if (!ipc_send_now(rig->courier, record, r.length, -1).code) {
            sent++;
            idle = 0;
        } else {
            rig_expect_silence(rig->front);
            idle++;
        }
    }
    for (; answers < WANTED; answers++)
        rig_expect(rig, rig->courier, IPC_STATUS);
    for (uint32_t received = 0; received < sent; received++)
        rig_expect(rig, rig->loader, IPC_RECORD);
    rig_stop(rig);
}

/* ---- a front that cannot be sent anything ---- */

static void a_front_that_is_lost_between_two_messages_ends_the_signer(void **state)
{
    struct rig *rig = *state;
    rig_boot_to_load(rig);
    rig_load_keys(rig, 0, 1);
    faults_fail(FAULT_ipc_send_now, 1); /* SETTINGS: nothing that follows is sent either */
    rig_loader_end(rig, 1, 0);
    rig_expect_end(rig, 1);
    rig_boot(rig, 2);
    struct ipc_order orders[2] = {{.order = rig_order(0, ETH2_ORDER_RANDAO_REVEAL)},
                                  {.order = rig_order(1, ETH2_ORDER_RANDAO_REVEAL)}};
    faults_fail(FAULT_ipc_send_now, 1);
    rig_send_orders(rig, orders, 2);
    rig_expect_end(rig, 1);
}

int main(void)
{
#define FAULTY(function) cmocka_unit_test_setup_teardown(function, faults_setup_managed, faults_teardown)
#define ENCLAVE(function)                                                                                    \
    cmocka_unit_test_setup_teardown(function, faults_setup_enclave, faults_teardown_enclave)
    const struct CMUnitTest tests[] = {
        FAULTY(keystores_wait_for_a_slow_loader),
        FAULTY(what_cannot_be_kept_or_sent_fails_the_import),
        FAULTY(bytes_that_nobody_reads_end_the_signer),
        ENCLAVE(packets_that_nobody_reads_end_the_signer),
        ENCLAVE(answers_reach_a_courier_that_is_not_heard),
        FAULTY(a_front_that_is_lost_between_two_messages_ends_the_signer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
