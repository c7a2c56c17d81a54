/* test_keeper_start.c - a keeper in an enclave meets a store across a network: what it enrols and claims
 * before it serves, and which stores it does not serve from. The test is the courier and the loader. */
#include "keeper_starts.h"

#include "slashing/slashing_attested.h"
#include "slashing/slashing_rules.h"

static void a_single_signer_takes_over(void **state)
{
    struct rig *rig = *state;
    struct slashing_record some = courier_vote_record(3, 9), disabled = {.disabled = true};
    courier_write(&courier, 0, &some, 6);
    courier_write(&courier, 1, &disabled, 7);
    starts_boot(rig, 300);
    assert_int_equal(courier.head.generation, 8);
    starts_assert_sealed(300, 8);
    assert_int_equal(courier.num_head_sets, 1 + 4); /* the generation; 298 enrolments */
    assert_int_equal(courier.num_advances, 2);      /* claims */
    struct ipc_answer answer = courier_sign_one(&courier, rig, rig_vote(0, 3, 9, 1));
    assert_int_equal(answer.verdict, SLASHING_REFUSE_TARGET_EQUAL);
    answer = courier_sign_one(&courier, rig, rig_vote(1, 3, 9, 1));
    assert_int_equal(answer.verdict, SLASHING_REFUSE_DISABLED);
    assert_true(courier_row(&courier, 1)->entry.record.disabled);
    struct eth2_order vote = rig_vote(299, 3, 9, 1);
    answer = courier_sign_one(&courier, rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    rig_stop(rig);
    starts_boot(rig, 300); /* and the next one over it */
    assert_int_equal(courier.head.generation, 9);
    starts_assert_sealed(300, 9);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(299, 3, 9, 2)).verdict,
                     SLASHING_REFUSE_TARGET_EQUAL);
    rig_stop(rig);
}

static void the_generation_is_attested(void **state)
{
    struct rig *rig = *state;
    static struct attestation document;
    struct slashing_attested found;
    struct slashing_record some = courier_vote_record(3, 9);
    courier_write(&courier, 0, &some, 6);
    starts_boot(rig, 2);
    cloud_attest(rig, &document, IPC_ATTEST_IDENTITY, "who has taken over");
    assert_ok(slashing_attested_decode(&found, document.user_data.bytes, document.user_data.length));
    assert_int_equal(found.generation, 8);
    assert_int_equal(found.num_validators, 2);
    assert_int_equal(found.highest_epoch, 9);
    rig_stop(rig);
}

static void a_fleet_shares_the_generation(void **state)
{
    struct rig *rig = *state;
    struct slashing_record some = courier_vote_record(3, 9);
    courier_write(&courier, 0, &some, 6);
    starts_boot(rig, 3);
    assert_int_equal(courier.head.generation, 7);
    assert_int_equal(courier.num_advances, 0);
    assert_int_equal(courier_row(&courier, 0)->entry.stamp.generation, 6);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 9, 10, 1)).status, IPC_ANSWER_SIGNED);
    starts_assert_sealed(3, 7);
    rig_stop(rig);
}

/* The head changes, or its change is lost, and it is done again. */
static void lost_answers_at_the_start_are_overcome(void **state)
{
    struct rig *rig = *state;
    struct slashing_record some = courier_vote_record(3, 9);
    courier_write(&courier, 0, &some, 6);
    starts_begin(rig);
    cloud_load_begin(rig, false);
    cloud_records(rig, 4);
    cloud_load_tls(rig);
    courier_send_store_key(&courier, rig);
    rig_load_keys(rig, 0, 3);
    rig_loader_end(rig, 3, 0);
    courier.head_sets = COURIER_FORGETS;
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_SET); /* generation 8, and nobody knows whose */
    courier.head_sets = COURIER_HONEST;
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_SET); /* 9 */
    courier_serve_one(&courier, rig, IPC_STORE_LOAD);
    courier.head_sets = COURIER_FORGETS;
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_SET); /* enrolled all the same */
    courier.head_sets = COURIER_HONEST;
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    courier_serve_one(&courier, rig, IPC_STORE_LOAD);
    courier.advances = COURIER_FORGETS;
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    courier.advances = COURIER_HONEST;
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    starts_serve(rig, 3);
    assert_int_equal(courier.head.generation, 9);
    starts_assert_sealed(3, 9);
    assert_int_equal(courier_row(&courier, 0)->entry.record.target_epoch, 9);
    rig_stop(rig);
}

static void a_head_that_never_stands_still_is_given_up(void **state)
{
    struct rig *rig = *state;
    courier.head_sets = COURIER_LOSES;
    starts_refuse(rig, "its head could not be changed");
    assert_in_range(courier.num_head_sets, 2, 40);
    courier.head_sets = COURIER_HONEST;
    starts_load(rig, 0, 3, false, true); /* init may be sent again */
    starts_serve(rig, 3);
    rig_stop(rig);
}

static void records_that_cannot_be_claimed_are_given_up(void **state)
{
    struct rig *rig = *state;
    struct slashing_record some = courier_vote_record(3, 9);
    courier_write(&courier, 0, &some, 6);
    courier.advances = COURIER_LOSES;
    starts_refuse(rig, "records could not be written");
    rig_stop(rig);
}

static void a_store_that_was_never_begun_is_refused(void **state)
{
    courier.status = IPC_STORE_HEAD_NONE;
    starts_refuse(*state, "slashing init");
    rig_stop(*state);
}

static void a_store_that_cannot_be_asked_is_refused(void **state)
{
    courier.status = IPC_STORE_HEAD_FAILED;
    starts_refuse(*state, "its why");
    courier.status = IPC_STORE_HEAD_FOUND;
    courier.loads = COURIER_LOSES;
    starts_load(*state, 0, 3, false, true);
    starts_expect_refusal(*state, "could not be read");
    rig_stop(*state);
}

/* A genuine store, of somebody else. */
static void a_foreign_store_is_refused(void **state)
{
    struct secret key = {0};
    slashing_seal_cleanup(&courier.seal);
    assert_ok(secret_copy(&key, courier.key, sizeof courier.key));
    assert_ok(slashing_seal_open(&courier.seal, &key, (const uint8_t *)"another one's id"));
    courier_seal_head(&courier);
    starts_refuse(*state, "its identity is not the one that the policy names");
    rig_stop(*state);
}

static void another_key_is_refused(void **state)
{
    struct rig *rig = *state;
    courier.key[0] ^= 1;
    starts_refuse(rig, "its identity is not the one that the policy names");
    courier.key[0] ^= 1; /* it may be another the next time */
    starts_load(rig, 0, 3, false, true);
    starts_serve(rig, 3);
    rig_stop(rig);
}

static void a_key_has_to_come(void **state)
{
    struct rig *rig = *state;
    starts_begin(rig);
    starts_load(rig, 0, 3, false, false);
    starts_expect_refusal(rig, "its key is needed");
    rig_stop(rig);
}

static void an_edited_head_is_refused(void **state)
{
    courier.head.num_validators++;
    starts_refuse(*state, "head is not sealed");
    rig_stop(*state);
}

static void a_head_without_a_genesis_is_refused(void **state)
{
    courier.head.has_genesis = false;
    courier_seal_head(&courier);
    starts_refuse(*state, "no genesis validators root");
    rig_stop(*state);
}

static void a_store_of_another_network_is_refused(void **state)
{
    struct rig *rig = *state;
    rig->policy.has_genesis_validators_root = true;
    memset(rig->policy.genesis_validators_root, 0x22, 32);
    starts_refuse(rig, "another genesis validators root");
    rig_stop(rig);
}

static void an_emptied_store_is_refused(void **state)
{
    starts_fill();
    courier.num_rows = 0;
    starts_refuse(*state, "it was emptied: its head counts 5 validators, 0 records");
    rig_stop(*state);
}

static void a_truncated_store_is_refused(void **state)
{
    starts_fill();
    courier.num_rows = 4; /* not one of the keys that are loaded */
    starts_refuse(*state, "records are missing: its head counts 5 validators, 4 records");
    rig_stop(*state);
}

static void an_edited_record_is_refused(void **state)
{
    starts_fill();
    courier.rows[4].entry.record.target_epoch = 8; /* not one of the keys that are loaded */
    starts_refuse(*state, "a record is not sealed");
    rig_stop(*state);
}

static void swapped_records_are_refused(void **state)
{
    starts_fill();
    struct slashing_entry first = courier.rows[0].entry;
    courier.rows[0].entry = courier.rows[1].entry;
    courier.rows[1].entry = first;
    starts_refuse(*state, "a record is not sealed");
    rig_stop(*state);
}

static void records_of_one_validator_twice_are_refused(void **state)
{
    starts_fill();
    courier.rows[4] = courier.rows[0];
    starts_refuse(*state, "two records of one validator");
    rig_stop(*state);
}

/* A record of a generation that the head does not know: somebody took over just now. */
static void a_later_record_ends_the_signer(void **state)
{
    struct rig *rig = *state;
    starts_fill();
    courier_write(&courier, 3, &courier.rows[3].entry.record, 9);
    starts_begin(rig);
    starts_load(rig, 0, 3, false, true);
    assert_true(courier.has_load_result && !courier.load_ok);
    assert_non_null(strstr(courier.load_text, "another signer has taken over"));
    courier_serve_until(&courier, rig, rig->supervisor);
    rig_stop(rig);
}

static void new_keys_are_enrolled_before_they_serve(void **state)
{
    struct rig *rig = *state;
    starts_boot(rig, 3);
    unsigned advances = courier.num_advances;
    starts_load(rig, 2, 10, true, false); /* without the key: it is known */
    rig_expect(rig, rig->front, IPC_TLS);
    cloud_expect_reload(rig, 12);
    rig_expect_state(rig, IPC_SERVE_STATE, 12, 0);
    courier_serve_one(&courier, rig, IPC_LOAD_RESULT);
    assert_true(courier.load_ok);
    starts_assert_sealed(12, 8);
    assert_int_equal(courier.num_advances, advances);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(11, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

/* What is under way for a key survives a reload, and so does what is known of it. */
static void a_reload_takes_over_what_is_under_way(void **state)
{
    struct rig *rig = *state;
    struct ipc_order order = {.order = rig_vote(0, 1, 2, 1)};
    struct ipc_answer answer;
    starts_boot(rig, 3);
    courier.advances = COURIER_KEEPS;
    rig_send_orders(rig, &order, 1);
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    courier.advances = COURIER_HONEST;
    starts_load(rig, 3, 1, true, false);
    rig_expect(rig, rig->front, IPC_TLS);
    cloud_expect_reload(rig, 4);
    rig_expect_state(rig, IPC_SERVE_STATE, 4, 0);
    courier_serve_one(&courier, rig, IPC_LOAD_RESULT);
    courier.has_load_result = false;
    courier_answer_kept(&courier, rig, 0);
    rig_take_answers(rig, &answer, &order, 1);
    rig_assert_signed(rig, &answer, &order.order);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 2)).verdict,
                     SLASHING_REFUSE_TARGET_EQUAL);
    rig_stop(rig);
}

static void replace_keys(struct rig *rig, uint32_t first, uint32_t count)
{
    starts_load(rig, first, count, false, false);
    struct ipc_keys keys;
    rig_expect(rig, rig->front, IPC_TLS);
    rig_expect(rig, rig->front, IPC_KEYS);
    assert_ok(ipc_take_keys(&keys, &rig->message));
    rig_expect(rig, rig->front, IPC_HEALTH);
    rig_expect_state(rig, IPC_SERVE_STATE, count, 0);
    courier_serve_one(&courier, rig, IPC_LOAD_RESULT);
    courier.has_load_result = false;
}

/* A key is taken away and comes back, and meanwhile its record was rolled back. */
static void a_key_that_comes_back_is_remembered(void **state)
{
    struct rig *rig = *state;
    starts_boot(rig, 2);
    struct slashing_enrolment before = *courier_row(&courier, 0);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    replace_keys(rig, 1, 1);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_UNKNOWN_KEY);
    *courier_row(&courier, 0) = before;
    replace_keys(rig, 0, 2);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(0, 1, 2, 2)).status, IPC_ANSWER_STORE);
    assert_int_equal(courier_sign_one(&courier, rig, rig_vote(1, 1, 2, 2)).status, IPC_ANSWER_SIGNED);
    rig_stop(rig);
}

static void an_aborted_start_leaves_no_trace(void **state)
{
    struct rig *rig = *state;
    starts_begin(rig);
    cloud_load_begin(rig, false);
    cloud_records(rig, 4);
    cloud_load_tls(rig);
    courier_send_store_key(&courier, rig);
    rig_load_keys(rig, 0, 3);
    rig_loader_end(rig, 3, 0);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    size_t length = 0; /* the change of the head is under way */
    uint8_t set[IPC_PACKET_MAX];
    assert_ok(ipc_receive(rig->courier, set, &length, NULL));
    cloud_send_empty(rig->courier, IPC_LOAD_ABORT);
    courier_serve_one(&courier, rig, IPC_LOAD_RESULT);
    assert_false(courier.load_ok);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    uint8_t packet[64];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_store_head_is_set(&p, &(struct ipc_store_head_is_set){.id = 1, .outcome = IPC_STORE_CONFLICT});
    rig_send(rig->courier, &p);
    starts_load(rig, 0, 3, false, true);
    starts_serve(rig, 3);
    rig_stop(rig);
}

int main(void)
{
#define SINGLE(function) cmocka_unit_test_setup_teardown(function, starts_setup_single, starts_teardown)
#define FLEET(function) cmocka_unit_test_setup_teardown(function, starts_setup_fleet, starts_teardown)
    const struct CMUnitTest tests[] = {
        SINGLE(a_single_signer_takes_over),
        SINGLE(the_generation_is_attested),
        FLEET(a_fleet_shares_the_generation),
        SINGLE(lost_answers_at_the_start_are_overcome),
        SINGLE(a_head_that_never_stands_still_is_given_up),
        SINGLE(records_that_cannot_be_claimed_are_given_up),
        SINGLE(a_store_that_was_never_begun_is_refused),
        SINGLE(a_store_that_cannot_be_asked_is_refused),
        SINGLE(a_foreign_store_is_refused),
        SINGLE(another_key_is_refused),
        SINGLE(a_key_has_to_come),
        SINGLE(an_edited_head_is_refused),
        SINGLE(a_head_without_a_genesis_is_refused),
        SINGLE(a_store_of_another_network_is_refused),
        SINGLE(an_emptied_store_is_refused),
        SINGLE(a_truncated_store_is_refused),
        FLEET(a_truncated_store_is_refused),
        SINGLE(an_edited_record_is_refused),
        FLEET(swapped_records_are_refused),
        SINGLE(records_of_one_validator_twice_are_refused),
        SINGLE(a_later_record_ends_the_signer),
        SINGLE(new_keys_are_enrolled_before_they_serve),
        SINGLE(a_reload_takes_over_what_is_under_way),
        FLEET(a_key_that_comes_back_is_remembered),
        SINGLE(an_aborted_start_leaves_no_trace),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
