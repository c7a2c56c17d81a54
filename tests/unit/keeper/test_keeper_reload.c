/* test_keeper_reload.c - the stand-alone signer's keys are read again: what is gone is disabled, durably,
 * before it leaves the service; and what the store, the loader or another signer can do meanwhile. The test
 * is the loader, the front and, with a store across a network, the courier. */
#include "keeper_courier.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "slashing/slashing_rules.h"

static void send_empty(int socket, enum ipc_type type)
{
    uint8_t packet[16];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_empty(&p, type);
    rig_send(socket, &p);
}

static void begin_with_failures(struct rig *rig, uint32_t served, uint32_t failed)
{
    send_empty(rig->front, IPC_RELOAD);
    rig_expect_state(rig, IPC_LOAD_STATE, served, failed);
    rig_take_loader(rig);
}

static void begin(struct rig *rig, uint32_t served)
{
    begin_with_failures(rig, served, 0);
}

static void send_failure(struct rig *rig)
{
    uint8_t packet[128];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_record_failed(&p, &(struct ipc_record_failed){9, E_CRYPTO, {(const uint8_t *)"bad", 3}, NULL});
    rig_send(rig->loader, &p);
}

/* KEYS and HEALTH of the new set, RELOADED, and state SERVE. */
static void expect_reloaded(struct rig *rig, uint32_t first, uint32_t count, uint32_t failed)
{
    struct ipc_keys keys;
    struct ipc_health health;
    struct ipc_load_result r;
    rig_expect(rig, rig->front, IPC_KEYS);
    assert_ok(ipc_take_keys(&keys, &rig->message));
    assert_int_equal(keys.num_keys, count);
    for (uint32_t i = 0; i < count; i++)
        assert_memory_equal(keys.pubkeys + (size_t)i * 48, rig_pubkey(first + i), 48);
    rig_expect(rig, rig->front, IPC_HEALTH);
    assert_ok(ipc_take_health(&health, &rig->message));
    assert_int_equal(health.failed, failed);
    rig_expect(rig, rig->front, IPC_RELOADED);
    assert_ok(ipc_take_reloaded(&r, &rig->message));
    assert_true(r.ok);
    assert_int_equal(r.keys, count);
    assert_int_equal(r.failed, failed);
    rig_expect_state(rig, IPC_SERVE_STATE, count, failed);
}

static void expect_not_reloaded(struct rig *rig, uint32_t served, const char *why)
{
    struct ipc_load_result r;
    char text[IPC_TEXT_MAX + 1];
    rig_expect(rig, rig->front, IPC_RELOADED);
    assert_ok(ipc_take_reloaded(&r, &rig->message));
    assert_false(r.ok);
    (void)snprintf(text, sizeof text, "%.*s", (int)r.text.length, (const char *)r.text.data);
    if (!strstr(text, why))
        fail_msg("expected '%s' in: %s", why, text);
    assert_int_equal(r.keys, served);
}

/* And the old set serves. */
static void expect_failed(struct rig *rig, uint32_t served, const char *why)
{
    expect_not_reloaded(rig, served, why);
    rig_expect_state(rig, IPC_SERVE_STATE, served, 0);
}

/* Of keys first.., up to where the store is asked to disable what is gone. */
static void reload_without(struct rig *rig, uint32_t served, uint32_t first, uint32_t count)
{
    begin(rig, served);
    rig_load_keys(rig, first, count);
    rig_loader_end(rig, count, 0);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
}

static const struct slashing_record *record_of(uint32_t key)
{
    return &courier_row(&courier, key)->entry.record;
}

/* ---- disable, then out of service ---- */

static void what_is_gone_is_disabled_before_it_leaves(void **state)
{
    struct rig *rig = *state;
    struct ipc_order waiting;
    struct eth2_order randao = rig_order(0, ETH2_ORDER_RANDAO_REVEAL);
    courier_boot(&courier, rig, 3);
    courier.advances = COURIER_KEEPS;
    reload_without(rig, 3, 1, 2);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    rig_expect_silence(rig->front);
    struct ipc_answer answer = rig_sign_one(rig, randao);
    rig_assert_signed(rig, &answer, &randao); /* the old set serves */
    courier_send_order(rig, &waiting, rig_vote(0, 1, 2, 1));
    rig_expect_silence(rig->front); /* what the store decides on waits for it */
    rig_expect_silence(rig->courier);
    assert_false(record_of(0)->disabled);
    courier_answer_kept(&courier, rig, 0);
    assert_true(record_of(0)->disabled);
    assert_false(record_of(1)->disabled || record_of(2)->disabled);
    expect_reloaded(rig, 1, 2, 0);
    assert_int_equal(courier_take_answer(rig, &waiting).status, IPC_ANSWER_UNKNOWN_KEY);
    assert_int_equal(courier.num_advances, 1);
    rig_stop(rig);
}

/* One request of a key at a time, as PROTOCOL.ipc section 4 says. */
static void what_is_under_way_for_a_key_ends_first(void **state)
{
    struct rig *rig = *state;
    struct ipc_order order;
    struct eth2_order vote = rig_vote(0, 1, 2, 1);
    courier_boot(&courier, rig, 2);
    courier.advances = COURIER_KEEPS;
    courier_send_order(rig, &order, vote);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    reload_without(rig, 2, 1, 1);
    rig_expect_silence(rig->courier);
    courier.advances = COURIER_HONEST;
    courier_answer_kept(&courier, rig, 0);
    struct ipc_answer answer = courier_take_answer(rig, &order);
    rig_assert_signed(rig, &answer, &vote);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    expect_reloaded(rig, 1, 1, 0);
    assert_true(record_of(0)->disabled);
    assert_int_equal(record_of(0)->target_epoch, 2);
    rig_stop(rig);
}

static void a_record_that_rose_elsewhere_is_disabled_as_it_is(void **state)
{
    struct rig *rig = *state;
    struct slashing_record theirs = courier_vote_record(3, 9);
    courier_boot(&courier, rig, 2);
    courier_write(&courier, 0, &theirs, 7);
    reload_without(rig, 2, 1, 1);
    courier_serve_until(&courier, rig, rig->front);
    expect_reloaded(rig, 1, 1, 0);
    assert_int_equal(courier.num_advances, 2);
    assert_true(record_of(0)->disabled && record_of(0)->target_epoch == 9);
    rig_stop(rig);
}

static void what_comes_back_stays_disabled(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    reload_without(rig, 2, 1, 1);
    courier_serve_until(&courier, rig, rig->front);
    expect_reloaded(rig, 1, 1, 0);
    reload_without(rig, 1, 0, 2);
    courier_serve_until(&courier, rig, rig->front);
    expect_reloaded(rig, 0, 2, 0);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).verdict, SLASHING_REFUSE_DISABLED);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

/* More than one transaction and more than one message has. */
static void a_file_disables_as_many_as_it_takes(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1500);
    assert_int_equal(rig_sign_one(rig, rig_vote(1400, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    begin(rig, 1500);
    rig_load_keys(rig, 0, 1);
    rig_loader_end(rig, 1, 0);
    expect_reloaded(rig, 0, 1, 0);
    assert_int_equal(rig_sign_one(rig, rig_vote(1400, 2, 3, 1)).status, IPC_ANSWER_UNKNOWN_KEY);
    begin(rig, 1);
    rig_load_keys(rig, 600, 900);
    rig_loader_end(rig, 900, 0);
    expect_reloaded(rig, 600, 900, 0);
    for (uint32_t key = 600; key < 1500; key += 100)
        assert_int_equal(rig_sign_one(rig, rig_vote(key, 2, 3, 1)).verdict, SLASHING_REFUSE_DISABLED);
    rig_stop(rig);
}

/* ---- what is not certain disables nothing ---- */

static void with_a_failure_nothing_is_disabled(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 3);
    begin(rig, 3);
    rig_load_keys(rig, 1, 2);
    send_failure(rig);
    rig_loader_end(rig, 2, 1);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    expect_reloaded(rig, 1, 2, 1);
    assert_int_equal(courier.num_advances, 0);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_UNKNOWN_KEY);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

static void an_empty_set_serves_and_disables_nothing(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    reload_without(rig, 2, 0, 0);
    expect_reloaded(rig, 0, 0, 0);
    assert_int_equal(courier.num_advances, 0);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_UNKNOWN_KEY);
    reload_without(rig, 0, 0, 2);
    courier_serve_until(&courier, rig, rig->front);
    expect_reloaded(rig, 0, 2, 0);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

/* Of keys that come and go with a file that cannot be read; the courier is asked for what it takes. */
static void leave_and_return(struct rig *rig)
{
    begin(rig, 2);
    rig_load_keys(rig, 1, 1);
    send_failure(rig);
    rig_loader_end(rig, 1, 1);
    courier_serve_until(&courier, rig, rig->front);
    expect_reloaded(rig, 1, 1, 1);
    begin_with_failures(rig, 1, 1);
    rig_load_keys(rig, 0, 2);
    rig_loader_end(rig, 2, 0);
    courier_serve_until(&courier, rig, rig->front);
    expect_reloaded(rig, 0, 2, 0);
}

/* What it wrote, as far as it knows, is nobody's signature yet: it is written once more before it is one. */
static void a_doubt_survives_that_the_key_was_away(void **state)
{
    struct rig *rig = *state;
    struct eth2_order vote = rig_vote(0, 1, 2, 1);
    courier_boot(&courier, rig, 2);
    courier.advances = COURIER_FORGETS;
    assert_int_equal(courier_sign_one(&courier, rig, vote).status, IPC_ANSWER_STORE);
    courier_expect_health(rig, false);
    courier.advances = COURIER_HONEST;
    leave_and_return(rig);
    unsigned before = courier.num_advances;
    struct ipc_answer answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    assert_int_equal(courier.num_advances, before + 1);
    rig_stop(rig);
}

/* The same of an advance that is under way all the time. */
static void an_advance_outlives_its_key_and_signs_nothing(void **state)
{
    struct rig *rig = *state;
    struct ipc_order order;
    struct eth2_order vote = rig_vote(0, 1, 2, 1), rival = rig_vote(0, 1, 2, 2);
    courier_boot(&courier, rig, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    courier.advances = COURIER_KEEPS;
    courier_send_order(rig, &order, vote);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    courier.advances = COURIER_HONEST;
    leave_and_return(rig);
    struct ipc_answer answer = courier_sign_one(&courier, rig, rival);
    rig_assert_signed(rig, &answer, &rival);
    courier_answer_kept(&courier, rig, 0); /* another entry is there: decided anew */
    assert_int_equal(courier_take_answer(rig, &order).verdict, SLASHING_REFUSE_TARGET_EQUAL);
    rig_stop(rig);
}

/* ---- failures ---- */

static void a_store_that_loses_the_write_fails_the_reload(void **state)
{
    struct rig *rig = *state;
    struct eth2_order vote = rig_vote(0, 1, 2, 1);
    courier_boot(&courier, rig, 2);
    courier.advances = COURIER_LOSES;
    reload_without(rig, 2, 1, 1);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    expect_failed(rig, 2, "cannot be disabled");
    courier_expect_health(rig, false);
    courier.advances = COURIER_HONEST;
    struct ipc_answer answer = courier_sign_one(&courier, rig, vote); /* it serves, and nothing was written */
    while (answer.status == IPC_ANSWER_STORE)
        answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    rig_stop(rig);
}

/* The write has happened, and its answer was lost: the key still serves, and is disabled. */
static void a_lost_answer_is_no_leave_to_sign(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    courier.advances = COURIER_FORGETS;
    reload_without(rig, 2, 1, 1);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    expect_failed(rig, 2, "cannot be disabled");
    courier_expect_health(rig, false);
    courier.advances = COURIER_HONEST;
    assert_true(record_of(0)->disabled);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).verdict, SLASHING_REFUSE_DISABLED);
    rig_stop(rig);
}

static void a_loader_that_dies_fails_the_reload(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    begin(rig, 2);
    rig_load_keys(rig, 1, 1);
    fd_auto_close(&rig->loader);
    expect_failed(rig, 2, "loader");
    reload_without(rig, 2, 0, 2);
    expect_reloaded(rig, 0, 2, 0);
    rig_stop(rig);
}

static void a_loader_that_counts_wrong_fails_the_reload(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    begin(rig, 2);
    rig_load_keys(rig, 1, 1);
    rig_loader_end(rig, 2, 0);
    expect_failed(rig, 2, "counts 2 keys");
    rig_stop(rig);
}

static void a_loader_that_hangs_is_given_up(void **state)
{
    struct rig *rig = *state;
    uint8_t byte;
    rig->option = "--reload-timeout-seconds=1";
    courier_boot(&courier, rig, 2);
    uint64_t began = clock_monotonic_ns();
    begin(rig, 2);
    rig_load_keys(rig, 1, 1);
    rig_expect(rig, rig->supervisor, IPC_LOADER_STOP);
    expect_failed(rig, 2, "--reload-timeout");
    assert_true(clock_monotonic_ns() - began >= UINT64_C(900000000));
    assert_int_equal(recv(rig->loader, &byte, 1, 0), 0); /* let go */
    reload_without(rig, 2, 0, 2);
    expect_reloaded(rig, 0, 2, 0);
    rig_stop(rig);
}

/* As long as it goes on it may take longer than that. */
static void a_first_loader_that_hangs_ends_the_start(void **state)
{
    struct rig *rig = *state;
    uint8_t byte;
    rig->option = "--reload-timeout-seconds=1";
    rig_boot_to_load(rig);
    for (uint32_t i = 0; i < 3; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 600000000}, NULL);
        rig_load_keys(rig, i, 1);
        rig_expect_silence(rig->supervisor);
    }
    uint64_t began = clock_monotonic_ns();
    rig_expect(rig, rig->supervisor, IPC_LOADER_STOP);
    assert_true(clock_monotonic_ns() - began >= UINT64_C(900000000));
    assert_int_equal(recv(rig->loader, &byte, 1, 0), 0); /* let go */
    rig_expect_end(rig, 1);
}

static void a_signer_that_was_overtaken_reloads_nothing(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    courier.head.generation = 8;
    courier_seal_head(&courier);
    begin(rig, 2);
    rig_load_keys(rig, 1, 1);
    rig_loader_end(rig, 1, 0);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    expect_failed(rig, 2, "taken over");
    rig_expect_state(rig, IPC_FAILED_STATE, 2, 0);
    courier_expect_health(rig, false);
    send_empty(rig->front, IPC_RELOAD);
    expect_not_reloaded(rig, 2, "nothing can be changed");
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 1, 2, 1)).status, IPC_ANSWER_STORE);
    rig_stop(rig);
}

static void two_reloads_at_once_break_the_channel(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 2);
    begin(rig, 2);
    send_empty(rig->front, IPC_RELOAD);
    rig_expect_end(rig, 1);
}

/* ---- the high watermark ---- */

static struct ipc_high_watermark ask_high_watermark(struct rig *rig)
{
    struct ipc_high_watermark high;
    send_empty(rig->front, IPC_HIGH_WATERMARK_WANTED);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    rig_expect(rig, rig->front, IPC_HIGH_WATERMARK);
    assert_ok(ipc_take_high_watermark(&high, &rig->message));
    return high;
}

static void the_high_watermark_is_that_of_now(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 1);
    assert_int_equal(ask_high_watermark(rig).status, IPC_HIGH_WATERMARK_NONE);
    courier.head.has_high_watermark = true;
    courier.head.high_epoch = 7;
    courier.head.high_slot = 19998;
    courier_seal_head(&courier);
    struct ipc_high_watermark high = ask_high_watermark(rig);
    assert_true(high.status == IPC_HIGH_WATERMARK_SET && high.epoch == 7 && high.slot == 19998);
    courier.status = IPC_STORE_HEAD_FAILED;
    assert_int_equal(ask_high_watermark(rig).status, IPC_HIGH_WATERMARK_UNKNOWN);
    rig_stop(rig);
}

int main(void)
{
#define SEALED(function) cmocka_unit_test_setup_teardown(function, courier_setup_sealed, courier_teardown)
#define PLAIN(function) cmocka_unit_test_setup_teardown(function, courier_setup_plain, courier_teardown)
    const struct CMUnitTest tests[] = {
        SEALED(what_is_gone_is_disabled_before_it_leaves),
        SEALED(what_is_under_way_for_a_key_ends_first),
        SEALED(a_record_that_rose_elsewhere_is_disabled_as_it_is),
        SEALED(what_comes_back_stays_disabled),
        PLAIN(what_comes_back_stays_disabled),
        cmocka_unit_test_setup_teardown(a_file_disables_as_many_as_it_takes, rig_setup, rig_teardown),
        SEALED(with_a_failure_nothing_is_disabled),
        SEALED(an_empty_set_serves_and_disables_nothing),
        SEALED(a_doubt_survives_that_the_key_was_away),
        PLAIN(a_doubt_survives_that_the_key_was_away),
        SEALED(an_advance_outlives_its_key_and_signs_nothing),
        PLAIN(an_advance_outlives_its_key_and_signs_nothing),
        SEALED(a_store_that_loses_the_write_fails_the_reload),
        SEALED(a_lost_answer_is_no_leave_to_sign),
        SEALED(a_loader_that_dies_fails_the_reload),
        SEALED(a_loader_that_counts_wrong_fails_the_reload),
        SEALED(a_loader_that_hangs_is_given_up),
        cmocka_unit_test_setup_teardown(a_first_loader_that_hangs_ends_the_start, rig_setup, rig_teardown),
        SEALED(a_signer_that_was_overtaken_reloads_nothing),
        SEALED(two_reloads_at_once_break_the_channel),
        SEALED(the_high_watermark_is_that_of_now),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
