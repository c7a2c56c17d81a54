/* test_keeper_load.c - first loads, reloads, aborted and failed ones, and a loader that reads slowly. */
#include "keeper_cloud.h"

#include <sys/socket.h>

#include "slashing/slashing_rules.h"

static void assert_key_signs(struct rig *rig, uint32_t key)
{
    struct eth2_order order = rig_order(key, ETH2_ORDER_RANDAO_REVEAL);
    struct ipc_answer answer = rig_sign_one(rig, order);
    rig_assert_signed(rig, &answer, &order);
}

static void assert_key_unknown(struct rig *rig, uint32_t key)
{
    assert_int_equal(rig_sign_one(rig, rig_order(key, ETH2_ORDER_RANDAO_REVEAL)).status,
                     IPC_ANSWER_UNKNOWN_KEY);
}

static void a_reload_replaces_or_adds(void **state)
{
    struct rig *rig = *state;
    cloud_boot(rig);
    cloud_first_load(rig, 0, 3);
    struct eth2_order vote = rig_vote(2, 1, 2, 1);
    struct ipc_answer answer = rig_sign_one(rig, vote);
    rig_assert_signed(rig, &answer, &vote);

    cloud_load_begin(rig, false);
    cloud_records(rig, 2);
    rig_load_keys(rig, 2, 2);
    assert_key_signs(rig, 0); /* the old keys serve until the new ones are complete */
    assert_key_unknown(rig, 3);
    rig_loader_end(rig, 2, 0);
    cloud_expect_reload(rig, 2);
    rig_expect_state(rig, IPC_SERVE_STATE, 2, 0);
    assert_true(cloud_load_result(rig).ok);
    assert_key_unknown(rig, 0);
    assert_key_signs(rig, 3);
    assert_int_equal(rig_sign_one(rig, rig_vote(2, 1, 2, 2)).verdict, SLASHING_REFUSE_TARGET_EQUAL);

    cloud_load_begin(rig, true);
    cloud_records(rig, 2);
    rig_load_keys(rig, 0, 2);
    rig_loader_end(rig, 2, 0);
    cloud_expect_reload(rig, 4);
    rig_expect_state(rig, IPC_SERVE_STATE, 4, 0);
    assert_int_equal(cloud_load_result(rig).keys, 4);
    for (uint32_t key = 0; key < 4; key++)
        assert_key_signs(rig, key);
    assert_int_equal(rig_sign_one(rig, rig_vote(2, 1, 2, 2)).verdict, SLASHING_REFUSE_TARGET_EQUAL);
    rig_stop(rig);
}

static void an_aborted_load_leaves_things_as_they_were(void **state)
{
    struct rig *rig = *state;
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    cloud_send_empty(rig->courier, IPC_LOAD_ABORT);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    assert_false(cloud_load_result(rig).ok);
    cloud_first_load(rig, 0, 1);

    cloud_load_begin(rig, false);
    rig_load_keys(rig, 5, 1);
    cloud_send_empty(rig->courier, IPC_LOAD_ABORT);
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    struct ipc_load_result answer = cloud_load_result(rig);
    assert_true(!answer.ok && answer.keys == 1);
    assert_key_signs(rig, 0);
    assert_key_unknown(rig, 5);
    rig_stop(rig);
}

/* The keeper has let go of the loader. */
static void await_dismissal(struct rig *rig)
{
    size_t length;
    if (rig->loader >= 0)
        assert_fails(E_PEER, ipc_receive(rig->loader, rig->packet, &length, NULL));
}

/* Ends the records while the loader is gone already. */
static void expect_failure(struct rig *rig, uint32_t records, const char *why)
{
    uint8_t packet[16];
    char text[256] = "";
    struct packer p = {.data = packet, .capacity = sizeof packet};
    await_dismissal(rig);
    ipc_pack_load_end(&p, records);
    rig_send(rig->courier, &p);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    struct ipc_load_result answer = cloud_load_result(rig);
    assert_false(answer.ok);
    memcpy(text, answer.text.data, answer.text.length);
    if (!strstr(text, why))
        fail_msg("expected '%s' in: %s", why, text);
}

/* Many at once are computed together; each counts all the same. The one that lies is in the midst of others.
 */
static void one_public_key_of_many_lies(void **state)
{
    struct rig *rig = *state;
    static uint8_t packet[IPC_PACKET_MAX];
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_begin(&p, IPC_KEY, 40);
    for (uint32_t i = 0; i < 40; i++) {
        uint8_t secret[32];
        rig_secret(secret, i);
        ipc_pack_loaded_key(&p, &(struct ipc_loaded_key){i, secret, rig_pubkey(i == 33 ? 40 : i)});
    }
    rig_send(rig->loader, &p);
    expect_failure(rig, 0, "not that of its secret");
    cloud_first_load(rig, 0, 40);
    assert_key_signs(rig, 39);
    rig_stop(rig);
}

static void a_loader_that_fails_costs_one_load(void **state)
{
    struct rig *rig = *state;
    uint8_t secret[32], packet[128];
    cloud_boot(rig);

    cloud_load_begin(rig, false);
    fd_auto_close(&rig->loader);
    expect_failure(rig, 0, "gone");

    cloud_load_begin(rig, false);
    rig_secret(secret, 0);
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_begin(&p, IPC_KEY, 1);
    ipc_pack_loaded_key(&p, &(struct ipc_loaded_key){0, secret, rig_pubkey(1)});
    rig_send(rig->loader, &p);
    expect_failure(rig, 0, "not that of its secret");

    cloud_load_begin(rig, false);
    rig_load_keys(rig, 0, 1);
    rig_loader_end(rig, 1, 0); /* before the records ended */
    expect_failure(rig, 0, "before the records do");
    cloud_first_load(rig, 0, 1);
    assert_key_signs(rig, 0);
    rig_stop(rig);
}

/* The result of a load whose records all went through the loader. */
static void finish_badly(struct rig *rig, uint32_t keys, bool tls, const char *why)
{
    char text[256] = "";
    cloud_load_begin(rig, false);
    cloud_records(rig, 1);
    if (tls)
        cloud_load_tls(rig);
    rig_load_keys(rig, 0, keys);
    rig_loader_end(rig, keys, 0);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    struct ipc_load_result answer = cloud_load_result(rig);
    assert_false(answer.ok);
    memcpy(text, answer.text.data, answer.text.length);
    assert_non_null(strstr(text, why));
    rig_expect_silence(rig->front);
}

static void an_enclave_needs_keys_and_tls(void **state)
{
    struct rig *rig = *state;
    cloud_boot(rig);
    finish_badly(rig, 0, true, "no key");
    finish_badly(rig, 2, false, "no TLS");
    cloud_first_load(rig, 0, 2);
    rig_stop(rig);
}

/* The courier is held back, not the keeper: while the loader reads nothing, orders are answered. */
static void a_slow_loader_holds_back_the_courier_only(void **state)
{
    struct rig *rig = *state;
    static uint8_t packet[IPC_RECORD_MAX + 64], envelope[IPC_RECORD_MAX];
    enum { RECORDS = 600 };
    cloud_boot(rig);
    cloud_first_load(rig, 0, 1);
    cloud_load_begin(rig, false);
    uint32_t sent = 0, received = 0;
    int idle = 0;
    while (received < RECORDS) {
        struct packer p = {.data = packet, .capacity = sizeof packet};
        ipc_pack_record(&p,
                        &(struct ipc_record){IPC_RECORD_VALIDATOR, sent, {envelope, IPC_RECORD_MAX}, NULL});
        if (sent < RECORDS && !ipc_send_now(rig->courier, packet, p.length, -1).code) {
            sent++;
            idle = 0;
            continue;
        }
        assert_key_signs(rig, 0);
        if (sent < RECORDS && idle++ < 3)
            continue; /* it had its turns to take more, and did not */
        assert_true(sent < 300 || received > 0);
        struct ipc_record record;
        rig_expect(rig, rig->loader, IPC_RECORD);
        assert_ok(ipc_take_record(&record, &rig->message));
        assert_int_equal(record.index, received++);
    }
    cloud_send_empty(rig->courier, IPC_LOAD_ABORT);
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    assert_false(cloud_load_result(rig).ok);
    rig_stop(rig);
}

/* One from each: a record that KMS refused, one that the loader could not open, one that nobody named. */
static void failed_keys_are_counted_and_named(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[128];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    const struct ipc_bytes why = {(const uint8_t *)"why", 3};
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    ipc_pack_record_failed(&p, &(struct ipc_record_failed){4, E_INPUT, why, rig_pubkey(4)});
    rig_send(rig->courier, &p);
    cloud_records(rig, 3);
    cloud_load_tls(rig);
    rig_load_keys(rig, 0, 1);
    p.length = 0;
    ipc_pack_record_failed(&p, &(struct ipc_record_failed){1, E_AUTH, why, rig_pubkey(5)});
    rig_send(rig->loader, &p);
    p.length = 0;
    ipc_pack_record_failed(&p, &(struct ipc_record_failed){2, E_AUTH, why, NULL});
    rig_send(rig->loader, &p);
    rig_loader_end(rig, 1, 2);
    struct ipc_health health;
    rig_expect(rig, rig->front, IPC_SETTINGS);
    rig_expect(rig, rig->front, IPC_TLS);
    rig_expect(rig, rig->front, IPC_KEYS);
    rig_expect(rig, rig->front, IPC_HEALTH);
    assert_ok(ipc_take_health(&health, &rig->message));
    assert_true(health.keys == 1 && health.failed == 3 && health.failed_keys.num == 2);
    assert_memory_equal(health.failed_keys.pubkeys[0], rig_pubkey(4), 48);
    assert_memory_equal(health.failed_keys.pubkeys[1], rig_pubkey(5), 48);
    rig_stop(rig);
}

static void a_courier_that_refuses_without_end_ends_the_signer(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[128];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    ipc_pack_record_failed(
        &p, &(struct ipc_record_failed){4, E_INPUT, {(const uint8_t *)"why", 3}, rig_pubkey(4)});
    for (int i = 0; i < IPC_LOAD_KEYS_MAX; i++)
        rig_send(rig->courier, &p);
    assert_int_equal(cloud_status(rig).state, IPC_LOAD_STATE);
    rig_send(rig->courier, &p);
    rig_expect_end(rig, 1);
}

static void a_courier_out_of_step_ends_the_signer(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[128];
    for (int attack = 0; attack < 7; attack++) {
        struct packer p = {.data = packet, .capacity = sizeof packet};
        struct ipc_record record = {IPC_RECORD_VALIDATOR, 0, {(const uint8_t *)"x", 1}, NULL};
        cloud_boot(rig);
        if (attack == 0) /* a record outside a load */
            ipc_pack_record(&p, &record);
        if (attack == 1)
            ipc_pack_load_end(&p, 0);
        if (attack >= 2)
            cloud_load_begin(rig, false);
        if (attack == 2) /* more than were sent */
            ipc_pack_load_end(&p, 1);
        if (attack == 3) { /* a record behind the end */
            cloud_records(rig, 1);
            ipc_pack_record(&p, &record);
        }
        const struct ipc_record_failed refused = {0, E_INPUT, {(const uint8_t *)"x", 1}, NULL};
        if (attack == 5) { /* a refused record behind the end */
            cloud_records(rig, 1);
            ipc_pack_record_failed(&p, &refused);
        }
        if (attack == 6) { /* an error that is none */
            ipc_pack_record_failed(&p, &refused);
            packet[IPC_HEADER_LEN + 4] = E_NONE;
        }
        if (attack == 4) /* a second load inside the first */
            ipc_pack_load_begin(&p, false);
        rig_send(rig->courier, &p);
        rig_expect_end(rig, 1);
    }
}

int main(void)
{
#define CLOUD_TEST(function) cmocka_unit_test_setup_teardown(function, cloud_setup, cloud_teardown)
    const struct CMUnitTest tests[] = {
        CLOUD_TEST(a_reload_replaces_or_adds),
        CLOUD_TEST(an_aborted_load_leaves_things_as_they_were),
        CLOUD_TEST(a_loader_that_fails_costs_one_load),
        CLOUD_TEST(one_public_key_of_many_lies),
        CLOUD_TEST(an_enclave_needs_keys_and_tls),
        CLOUD_TEST(a_slow_loader_holds_back_the_courier_only),
        CLOUD_TEST(a_courier_out_of_step_ends_the_signer),
        CLOUD_TEST(failed_keys_are_counted_and_named),
        CLOUD_TEST(a_courier_that_refuses_without_end_ends_the_signer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
