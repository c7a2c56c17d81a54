/* test_keeper_start_changes.c - starts that are given up, stores that change under one, and answers that come
 * too late. The test is the courier and the loader. */
#include "keeper_starts.h"

#include "slashing/slashing_rules.h"

/* ---- starts that are given up, and what comes of them later ---- */

/* Up to the end of the loader, with those keys. */
static void begin_load(struct rig *rig, uint32_t count)
{
    cloud_load_begin(rig, false);
    cloud_records(rig, count + 1);
    cloud_load_tls(rig);
    courier_send_store_key(&courier, rig);
    rig_load_keys(rig, 0, count);
    courier.has_load_result = false;
    rig_loader_end(rig, count, 0);
}

static void serve_head_and_generation(struct rig *rig)
{
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_SET);
}

static void abort_load(struct rig *rig)
{
    cloud_send_empty(rig->courier, IPC_LOAD_ABORT);
    courier_serve_one(&courier, rig, IPC_LOAD_RESULT);
    assert_false(courier.load_ok);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
}

static void entries_for_an_earlier_start_are_not_taken(void **state)
{
    struct rig *rig = *state;
    starts_begin(rig);
    begin_load(rig, 3);
    serve_head_and_generation(rig);
    courier.loads = COURIER_KEEPS;
    courier_serve_one(&courier, rig, IPC_STORE_LOAD);
    abort_load(rig);
    begin_load(rig, 3);
    serve_head_and_generation(rig);
    courier_serve_one(&courier, rig, IPC_STORE_LOAD);
    courier_answer_kept(&courier, rig, 0);
    rig_expect_silence(rig->courier); /* that was for the other */
    courier_answer_kept(&courier, rig, 1);
    courier_serve_until(&courier, rig, rig->front);
    starts_serve(rig, 3);
    starts_assert_sealed(3, 9);
    rig_stop(rig);
}

static void fill_earlier(uint32_t count)
{
    struct slashing_record some = courier_vote_record(3, 9);
    for (uint32_t i = 0; i < count; i++)
        courier_write(&courier, i, &some, 6);
}

static void claims_of_an_earlier_start_are_not_taken(void **state)
{
    struct rig *rig = *state;
    fill_earlier(1);
    starts_begin(rig);
    courier.advances = COURIER_KEEPS;
    for (size_t round = 0; round < 2; round++) {
        begin_load(rig, 1);
        serve_head_and_generation(rig);
        courier_serve_one(&courier, rig, IPC_STORE_LOAD);
        courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
        abort_load(rig);
        if (round == 0)
            courier_answer_kept(&courier, rig, 0); /* while nothing is started */
    }
    begin_load(rig, 1);
    serve_head_and_generation(rig);
    courier_serve_one(&courier, rig, IPC_STORE_LOAD);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    courier_answer_kept(&courier, rig, 1); /* while another start claims */
    rig_expect_silence(rig->front);
    courier.advances = COURIER_HONEST;
    courier_answer_kept(&courier, rig, 2);
    courier_serve_until(&courier, rig, rig->front);
    starts_serve(rig, 1);
    assert_int_equal(courier_row(&courier, 0)->entry.stamp.generation, 10);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 3, 9, 1)).verdict,
                     SLASHING_REFUSE_TARGET_EQUAL);
    rig_stop(rig);
}

/* The courier does not read: most claims have not even been sent when the start is given up. */
static void claims_that_were_not_sent_go_with_their_start(void **state)
{
    struct rig *rig = *state;
    enum { CLAIMED = 1100 /* more than are made at once */ };
    uint32_t num_claims = 0;
    fill_earlier(CLAIMED);
    starts_begin(rig);
    begin_load(rig, CLAIMED);
    serve_head_and_generation(rig);
    courier_serve_one(&courier, rig, IPC_STORE_LOAD);
    rig_expect_silence(rig->front);
    rig_expect_silence(rig->supervisor);
    cloud_send_empty(rig->courier, IPC_LOAD_ABORT);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    for (;;) {
        rig_receive(rig, rig->courier);
        if (rig->message.type == IPC_LOAD_RESULT)
            break;
        assert_int_equal(rig->message.type, IPC_STORE_ADVANCE);
        num_claims += rig->message.count;
    }
    assert_in_range(num_claims, 1, CLAIMED - 1);
    starts_load(rig, 0, CLAIMED, false, true);
    starts_serve(rig, CLAIMED);
    starts_assert_sealed(CLAIMED, 9);
    rig_stop(rig);
}

/* ---- what changes under a start ---- */

static void begin_claims(struct rig *rig)
{
    fill_earlier(2);
    starts_begin(rig);
    begin_load(rig, 2);
    serve_head_and_generation(rig);
    courier_serve_one(&courier, rig, IPC_STORE_LOAD);
    courier.advances = COURIER_KEEPS;
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    courier.advances = COURIER_HONEST;
}

static void a_record_that_is_edited_before_its_claim_costs_its_key(void **state)
{
    struct rig *rig = *state;
    begin_claims(rig);
    courier_row(&courier, 0)->entry.record.target_epoch = 8;
    courier_answer_kept(&courier, rig, 0);
    starts_serve(rig, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 9, 10, 1)).status, IPC_ANSWER_STORE);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 9, 10, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

static void a_record_that_is_written_before_its_claim_is_taken(void **state)
{
    struct rig *rig = *state;
    struct slashing_record later = courier_vote_record(9, 10);
    begin_claims(rig);
    courier_write(&courier, 0, &later, courier.head.generation); /* nothing is left to be claimed */
    courier_answer_kept(&courier, rig, 0);
    starts_serve(rig, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 9, 10, 1)).verdict,
                     SLASHING_REFUSE_TARGET_EQUAL);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 10, 11, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

static void a_later_record_before_its_claim_ends_the_signer(void **state)
{
    struct rig *rig = *state;
    begin_claims(rig);
    courier_write(&courier, 0, &courier_row(&courier, 0)->entry.record, 99);
    courier_answer_kept(&courier, rig, 0);
    courier_serve_one(&courier, rig, IPC_LOAD_RESULT);
    assert_false(courier.load_ok);
    assert_non_null(strstr(courier.load_text, "another signer has taken over"));
    courier_serve_until(&courier, rig, rig->supervisor);
    rig_stop(rig);
}

static void a_record_too_many_is_refused(void **state)
{
    starts_fill();
    courier.head.num_validators = 4;
    courier_seal_head(&courier);
    starts_refuse(*state, "there are records too many: its head counts 4 validators, 5 records");
    rig_stop(*state);
}

/* Under another head it may be that somebody enrolled, and the entry is not yet to be seen. */
static void a_count_that_settles_is_accepted(void **state)
{
    struct rig *rig = *state;
    starts_fill();
    courier.num_rows = 4;
    starts_begin(rig);
    begin_load(rig, 3);
    for (uint64_t round = 0; round < 2; round++) {
        courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
        courier_serve_one(&courier, rig, IPC_STORE_LOAD);
        courier.head.has_high_watermark = true;
        courier.head.high_epoch = 1000 + round;
        courier_seal_head(&courier);
    }
    courier.num_rows = 5;
    courier_serve_until(&courier, rig, rig->front);
    starts_serve(rig, 3);
    rig_stop(rig);
}

static void a_later_load_brings_the_same_key_of_the_store(void **state)
{
    struct rig *rig = *state;
    starts_boot(rig, 2);
    courier.key[3] ^= 1;
    starts_load(rig, 0, 2, false, true);
    assert_true(courier.has_load_result && !courier.load_ok);
    assert_non_null(strstr(courier.load_text, "its key is another than before"));
    rig_expect_state(rig, IPC_SERVE_STATE, 2, 0);
    courier.key[3] ^= 1;
    starts_load(rig, 0, 3, false, true);
    rig_expect(rig, rig->front, IPC_TLS);
    cloud_expect_reload(rig, 3);
    rig_expect_state(rig, IPC_SERVE_STATE, 3, 0);
    courier_serve_one(&courier, rig, IPC_LOAD_RESULT);
    courier.has_load_result = false;
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(2, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

/* ---- a signer that fails for good while the courier sends a load ---- */

static void send_records(struct rig *rig, uint32_t first, uint32_t num, bool and_end)
{
    static uint8_t packet[256];
    static const uint8_t envelope[100];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    for (uint32_t i = first; i < first + num; i++) {
        p.length = 0;
        ipc_pack_record(&p, &(struct ipc_record){IPC_RECORD_VALIDATOR, i, {envelope, sizeof envelope}, NULL});
        rig_send(rig->courier, &p);
    }
    p.length = 0;
    ipc_pack_load_end(&p, first + num);
    if (and_end)
        rig_send(rig->courier, &p);
}

static void expect_given_up(struct rig *rig)
{
    struct ipc_load_result answer = cloud_load_result(rig);
    assert_true(!answer.ok && answer.keys == 2);
    assert_non_null(memmem(answer.text.data, answer.text.length, "nothing is signed any more", 26));
    assert_int_equal(cloud_status(rig).state, IPC_FAILED_STATE);
}

static void overtake(struct rig *rig)
{
    struct slashing_record same = {0};
    courier_write(&courier, 0, &same, 99);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_STORE);
    rig_expect_state(rig, IPC_FAILED_STATE, 2, 0);
    courier_expect_health(rig, false);
}

/* The courier hears of it by asking, and its watchdog, which restarts what ends, leaves this one alone. */
static void a_signer_that_is_overtaken_during_a_load_stays(void **state)
{
    struct rig *rig = *state;
    struct attestation document;
    starts_boot(rig, 2);
    cloud_load_begin(rig, true);
    send_records(rig, 0, 1, false);
    rig_expect(rig, rig->loader, IPC_RECORD);
    overtake(rig);
    send_records(rig, 1, 2, true);
    expect_given_up(rig);
    cloud_attest(rig, &document, IPC_ATTEST_IDENTITY, "still there");
    send_records(rig, 0, 1, false); /* of no load */
    rig_expect_end(rig, 1);
}

static void a_load_that_a_failed_signer_is_to_begin_is_refused(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[16];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    starts_boot(rig, 2);
    overtake(rig);
    ipc_pack_load_begin(&p, true);
    rig_send(rig->courier, &p);
    rig_take_loader(rig);
    send_records(rig, 0, 3, true);
    expect_given_up(rig);
    cloud_send_empty(rig->courier, IPC_LOAD_ABORT); /* of no load */
    rig_expect_end(rig, 1);
}

int main(void)
{
#define SINGLE(function) cmocka_unit_test_setup_teardown(function, starts_setup_single, starts_teardown)
#define FLEET(function) cmocka_unit_test_setup_teardown(function, starts_setup_fleet, starts_teardown)
    const struct CMUnitTest tests[] = {
        SINGLE(entries_for_an_earlier_start_are_not_taken),
        SINGLE(claims_of_an_earlier_start_are_not_taken),
        SINGLE(claims_that_were_not_sent_go_with_their_start),
        SINGLE(a_record_that_is_edited_before_its_claim_costs_its_key),
        SINGLE(a_record_that_is_written_before_its_claim_is_taken),
        SINGLE(a_later_record_before_its_claim_ends_the_signer),
        SINGLE(a_record_too_many_is_refused),
        FLEET(a_count_that_settles_is_accepted),
        SINGLE(a_later_load_brings_the_same_key_of_the_store),
        SINGLE(a_signer_that_is_overtaken_during_a_load_stays),
        SINGLE(a_load_that_a_failed_signer_is_to_begin_is_refused),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
