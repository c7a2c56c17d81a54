/* test_keeper_faults_peers.c - what the keeper asks once more before it believes a peer, packs or passes
 * something on: when that fails the peer is let go, and nothing was signed or taken. The test is supervisor,
 * front, courier and loader. */
#include "keeper_cloud.h"
#include "keeper_faults.h"
#include "keeper_manager.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process/process.h"

static uint8_t packet[IPC_PACKET_MAX];

/* ---- the front ---- */

static void boot_with_log(struct rig *rig)
{
    rig->log_level = "warn";
    rig_begin_log(rig);
    rig_boot(rig, 2);
    rig_end_log();
}

/* Two packets that the keeper finds together. */
static void send_two(struct rig *rig, struct ipc_order orders[static 4], bool is_many)
{
    rig_pause(rig);
    for (uint32_t at = 0; at < 4; at += 2)
        if (is_many)
            rig_send_many(rig, &orders[at], 2, false);
        else
            rig_send_orders(rig, &orders[at], 2);
    rig_go_on(rig);
}

/* It is not heard without room for all it may send; were it heard even so, its orders are refused as a whole.
 * The third time that a keeper at rest asks for the room, it has the second packet in its hands; one that was
 * not at rest is asked again. */
static void orders_without_room_end_it(void **state)
{
    struct rig *rig = *state;
    for (int is_many = 0; is_many < 2; is_many++) {
        bool has_ended = false;
        boot_with_log(rig);
        for (int attempt = 0; attempt < 50 && !has_ended; attempt++) {
            struct ipc_order orders[4];
            struct ipc_answer answers[4];
            size_t length = 0;
            for (uint32_t i = 0; i < 4; i++)
                orders[i] = (struct ipc_order){.order = rig_order(i % 2, ETH2_ORDER_RANDAO_REVEAL)};
            rig_expect_silence(rig->front);
            faults_fail(FAULT_keeper_orders_room, 3);
            send_two(rig, orders, is_many);
            struct pollfd wait = {.fd = rig->front, .events = POLLIN};
            assert_int_equal(poll(&wait, 1, 60000), 1);
            has_ended = recv(rig->front, &length, sizeof length, MSG_PEEK) <= 0;
            assert_true(faults_stop(FAULT_keeper_orders_room));
            for (uint32_t at = 0; at < 4 && !has_ended; at += 2)
                rig_take_answers(rig, answers, &orders[at], 2);
        }
        rig_expect_end(rig, 1);
        rig_expect_logged(rig, "front: no room for 2 orders");
    }
}

/* Half an answer is none. */
static void what_does_not_fit_into_a_packet_is_not_sent(void **state)
{
    struct rig *rig = *state;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    size_t length = 0;
    boot_with_log(rig);
    faults_fail(FAULT_pack_end, 1);
    ipc_pack_empty(&p, IPC_HIGH_WATERMARK_WANTED);
    rig_send(rig->front, &p);
    assert_fails(E_PEER, ipc_receive(rig->front, packet, &length, NULL));
    rig_expect_end(rig, 1);
    assert_true(faults_stop(FAULT_pack_end));
    rig_expect_logged(rig, "front: pack_end fails");
}

/* Nor one that has to wait, and for which there is no memory. */
static void an_answer_that_cannot_be_kept_ends_it(void **state)
{
    struct rig *rig = *state;
    struct ipc_order order = {.order = rig_order(0, ETH2_ORDER_RANDAO_REVEAL)};
    boot_with_log(rig);
    faults_bend_all(FAULT_ipc_send_now, E_TIMEOUT); /* the front reads nothing */
    faults_fail(FAULT_buffer_append, 1);
    rig_send_orders(rig, &order, 1);
    rig_expect_end(rig, 1);
    assert_true(faults_stop(FAULT_buffer_append));
    assert_true(faults_stop(FAULT_ipc_send_now));
    rig_expect_logged(rig, "front: buffer_append fails");
}

/* ---- the supervisor ---- */

static void a_stream_socket_is_no_peer(void **state)
{
    struct rig *rig = *state;
    char path[4096], mode[] = "--mode=standalone", level[] = "--log-level=error";
    int pair[2];
    (void)snprintf(path, sizeof path, "%s", rig->program);
    char *const argv[] = {path, mode, level, NULL};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    rig_begin_log(rig);
    assert_ok(process_start(&rig->pid, path, argv, &pair[1], 1));
    rig_end_log();
    rig_expect_end(rig, 1);
    rig_expect_logged(rig, "descriptor 3 is not the supervisor's socket");
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* ---- enclaves ---- */

/* There is nothing to ask a store for yet. */
static void it_probes_nothing_before_it_has_keys(void **state)
{
    struct rig *rig = *state;
    cloud_boot(rig);
    faults_bend_all(FAULT_clock_monotonic_ns, INT64_MAX / 2);
    assert_int_equal(cloud_status(rig).state, IPC_ATTEST_STATE);
    assert_int_equal(cloud_status(rig).state, IPC_ATTEST_STATE);
    assert_true(faults_stop(FAULT_clock_monotonic_ns));
    assert_true(cloud_status(rig).store_ok);
    rig_stop(rig);
}

static void expect_not_loaded(struct rig *rig, const char *part)
{
    struct ipc_load_result answer = cloud_load_result(rig);
    assert_false(answer.ok);
    if (!memmem(answer.text.data, answer.text.length, part, strlen(part)))
        fail_msg("expected \"%s\", got \"%.*s\"", part, (int)answer.text.length,
                 (const char *)answer.text.data);
}

/* The courier hears of it when it has sent all it had; that goes nowhere meanwhile. */
static void records_for_a_loader_that_is_gone_are_dropped(void **state)
{
    struct rig *rig = *state;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    static uint8_t envelope[100];
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    fd_auto_close(&rig->loader);
    for (uint32_t i = 0; i < 3; i++) {
        (void)cloud_status(rig); /* it has heard of the loader, at the second at the latest */
        p.length = 0;
        ipc_pack_record(&p, &(struct ipc_record){IPC_RECORD_VALIDATOR, i, {envelope, sizeof envelope}, NULL});
        rig_send(rig->courier, &p);
    }
    p.length = 0;
    ipc_pack_load_end(&p, 3);
    rig_send(rig->courier, &p);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    expect_not_loaded(rig, "loader: ");
    cloud_first_load(rig, 0, 1);
    rig_stop(rig);
}

static void a_tls_key_without_memory_is_no_load(void **state)
{
    struct rig *rig = *state;
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    cloud_records(rig, 2);
    faults_fail(FAULT_secret_new, 1);
    cloud_load_tls(rig);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    expect_not_loaded(rig, "loader: secret_new fails");
    assert_true(faults_stop(FAULT_secret_new));
    cloud_first_load(rig, 0, 1);
    rig_stop(rig);
}

/* More keys beside those that serve: without memory for all of them these serve on. */
static void keys_that_cannot_be_added_leave_those_that_serve(void **state)
{
    struct rig *rig = *state;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    cloud_boot(rig);
    cloud_first_load(rig, 0, 1);
    faults_fail(FAULT_keeper_keys_add_all, 1);
    ipc_pack_load_begin(&p, true);
    rig_send(rig->courier, &p);
    rig_expect_state(rig, IPC_LOAD_STATE, 1, 0);
    p.length = 0;
    ipc_pack_load_end(&p, 0);
    rig_send(rig->courier, &p);
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    expect_not_loaded(rig, "keeper_keys_add_all fails");
    assert_true(faults_stop(FAULT_keeper_keys_add_all));
    struct eth2_order randao = rig_order(0, ETH2_ORDER_RANDAO_REVEAL);
    struct ipc_answer answer = rig_sign_one(rig, randao);
    rig_assert_signed(rig, &answer, &randao);
    rig_stop(rig);
}

static void a_store_whose_head_cannot_be_read_is_no_store(void **state)
{
    struct rig *rig = *state;
    cloud_start(rig);
    faults_fail(FAULT_slashing_store_head, 1);
    struct ipc_policy_result answer = cloud_policy(rig);
    assert_false(answer.accepted);
    assert_non_null(memmem(answer.text.data, answer.text.length, "slashing_store_head fails", 25));
    assert_true(faults_stop(FAULT_slashing_store_head));
    assert_true(cloud_policy(rig).accepted); /* the file was closed again */
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    rig_stop(rig);
}

/* What it had to say is not heard, though it was there when the load was given up. */
static void an_aborted_loader_is_not_heard(void **state)
{
    struct rig *rig = *state;
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    cloud_records(rig, 2);
    rig_pause(rig);
    cloud_send_empty(rig->courier, IPC_LOAD_ABORT);
    rig_load_keys(rig, 0, 1);
    rig_go_on(rig);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    expect_not_loaded(rig, "aborted");
    assert_int_equal(cloud_status(rig).keys, 0);
    cloud_first_load(rig, 1, 1);
    assert_int_equal(rig_sign_one(rig, rig_order(0, ETH2_ORDER_RANDAO_REVEAL)).status,
                     IPC_ANSWER_UNKNOWN_KEY);
    rig_stop(rig);
}

int main(void)
{
#define FAULTY(function) cmocka_unit_test_setup_teardown(function, faults_setup, faults_teardown)
#define ENCLAVE(function)                                                                                    \
    cmocka_unit_test_setup_teardown(function, faults_setup_enclave, faults_teardown_enclave)
    const struct CMUnitTest tests[] = {
        FAULTY(orders_without_room_end_it),
        FAULTY(what_does_not_fit_into_a_packet_is_not_sent),
        FAULTY(an_answer_that_cannot_be_kept_ends_it),
        FAULTY(a_stream_socket_is_no_peer),
        ENCLAVE(it_probes_nothing_before_it_has_keys),
        ENCLAVE(a_store_whose_head_cannot_be_read_is_no_store),
        ENCLAVE(an_aborted_loader_is_not_heard),
        ENCLAVE(records_for_a_loader_that_is_gone_are_dropped),
        ENCLAVE(a_tls_key_without_memory_is_no_load),
        ENCLAVE(keys_that_cannot_be_added_leave_those_that_serve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
