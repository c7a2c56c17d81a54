/* test_keeper_store_rules.c - keeper_store.c asked directly, over a file and over a store across a network
 * that has not answered: what joins an advance and what has to wait, what is disabled and when, what an
 * answer changes, and when a store that failed is asked whether it works again. */
#include "keeper_gate_rig.h"

static struct keeper *const k = &gate_keeper;

static int setup(void **state)
{
    (void)state;
    gate_open(1);
    return 0;
}

static struct keeper_key *key_number(uint32_t i)
{
    return keeper_keys_find(k->keys, gate_pubkeys[i]);
}

/* A store across a network, locked to the orders' genesis; whatever is wanted of it stays where it is. */
static int setup_remote(void **state)
{
    (void)setup(state);
    k->store.kind = POLICY_STORE_POSTGRESQL;
    k->store.has_genesis = true;
    for (uint32_t i = 0; i < GATE_KEYS; i++)
        key_number(i)->record_known = true;
    return 0;
}

/* ---- what joins an advance ---- */

static struct keeper_order *decide(struct keeper_decision *ret_decision, const struct ipc_order *heard)
{
    struct keeper_order *order = keeper_orders_add(&k->orders, heard, 0);
    memset(order->answer.signing_root, (int)heard->order.of.header.slot + 1, ETH2_ROOT_LEN);
    assert_ok(keeper_store_decide(k, ret_decision, keeper_keys_find(k->keys, heard->order.pubkey), order));
    return order;
}

static void expect_joined(const struct ipc_order *heard, struct keeper_request *request)
{
    struct keeper_decision decision;
    (void)decide(&decision, heard);
    assert_int_equal(decision.verdict, SLASHING_ALLOW_NEW);
    assert_ptr_equal(decision.wait_in, &request->resting);
}

static void expect_held(const struct ipc_order *heard, struct keeper_request *request)
{
    struct keeper_decision decision;
    struct slashing_record before = request->advance.next;
    (void)decide(&decision, heard);
    assert_ptr_equal(decision.wait_in, &request->held);
    assert_memory_equal(&request->advance.next, &before, sizeof before);
}

/* One new block and one new vote: with two of a kind the store could not tell ours from those of another
 * signer that came to the same marks. What the record had before is no new message. */
static void an_advance_of_a_shared_store_has_one_block_and_one_vote(void **state)
{
    (void)state;
    struct ipc_order block_6 = gate_block(0, 6, 1), block_7 = gate_block(0, 7, 1),
                     vote_3 = gate_vote(0, 2, 3), vote_4 = gate_vote(0, 3, 4);
    for (int round = 0; round < 2; round++) {
        struct keeper_decision decision;
        struct keeper_key *key = key_number(0);
        key->record = (struct slashing_record){.has_block = true,
                                               .block_slot = 5,
                                               .has_attestation = true,
                                               .source_epoch = 1,
                                               .target_epoch = 2};
        (void)decide(&decision, round == 0 ? &block_6 : &vote_3);
        struct keeper_request *request = key->request;
        assert_non_null(request);
        assert_ptr_equal(decision.wait_in, &request->resting);
        expect_held(round == 0 ? &block_7 : &vote_4, request);
        expect_joined(round == 0 ? &vote_3 : &block_6, request);
        expect_held(&block_7, request);
        expect_held(&vote_4, request);
        assert_int_equal(request->advance.next.block_slot, 6);
        assert_int_equal(request->advance.next.target_epoch, 3);
        (void)setup_remote(state);
    }
}

/* The same of a validator that never signed anything. */
static void a_first_advance_has_one_block_and_one_vote(void **state)
{
    (void)state;
    struct ipc_order block_6 = gate_block(0, 6, 1), block_7 = gate_block(0, 7, 1),
                     vote_3 = gate_vote(0, 2, 3), vote_4 = gate_vote(0, 3, 4);
    struct keeper_decision decision;
    (void)decide(&decision, &block_6);
    struct keeper_request *request = key_number(0)->request;
    assert_non_null(request);
    expect_held(&block_7, request);
    expect_joined(&vote_3, request);
    expect_held(&vote_4, request);
    expect_held(&block_7, request);
}

/* ---- what is disabled ---- */

static void what_is_disabled_is_known_before(void **state)
{
    (void)state;
    struct keeper_key *key = key_number(0);
    gate_store.load_code = E_STORE;
    assert_fails(E_STORE, keeper_store_disable(k, key));
    assert_null(key->request);
    assert_false(k->store.ok);
    gate_store.load_code = E_NONE;
    gate_store.stored = (struct slashing_record){.has_block = true, .block_slot = 9};
    assert_ok(keeper_store_disable(k, key));
    assert_non_null(key->request);
    assert_int_equal(key->request->advance.old.block_slot, 9);
    assert_true(key->request->advance.next.disabled);
    assert_int_equal(key->request->advance.next.block_slot, 9);
    assert_false(key->record.disabled); /* before it is durable */
    keeper_store_record(k);
    assert_true(key->record.disabled);
    assert_null(key->request);
}

/* Across a network it has to be read first. */
static void what_is_not_known_is_read_and_not_disabled_blindly(void **state)
{
    (void)state;
    struct keeper_key *key = key_number(0);
    key->record_known = false;
    assert_ok(keeper_store_disable(k, key));
    assert_non_null(key->request);
    assert_int_equal(key->request->kind, KEEPER_READ);
    assert_true(TAILQ_EMPTY(&k->requests.unsent_advances));
}

/* ---- answers ---- */

static struct keeper_request *sent(enum keeper_request_kind kind, uint32_t of_key)
{
    struct keeper_request *request = keeper_requests_new(&k->requests, kind, gate_pubkeys[of_key]);
    key_number(of_key)->request = request;
    keeper_requests_mark_sent(&k->requests, request);
    return request;
}

/* The keys were replaced, or are gone altogether: whose answer it is has no key to be noted for. */
static void an_answer_that_comes_after_its_key_is_nobodys(void **state)
{
    (void)state;
    struct keeper_keys *keys = k->keys;
    struct keeper_key *key = key_number(0);
    struct slashing_entry found = {.record = {.has_block = true, .block_slot = 77}};
    struct keeper_request *advance = sent(KEEPER_ADVANCE, 0);
    advance->advance.next.has_block = true;
    k->keys = NULL;
    keeper_store_take_outcome(k, advance, IPC_STORE_DONE, &found);
    k->keys = keys;
    assert_false(key->record.has_block);
    struct keeper_request *read = sent(KEEPER_READ, 0);
    key->request = NULL;
    key->record_known = false;
    keeper_store_take_read(k, read, &found);
    assert_false(key->record.has_block || key->record_known);
}

/* Nobody has the signature of what a lost answer left behind; reading it once more does not prove it. */
static void what_is_unproven_stays_so_until_it_is_written(void **state)
{
    (void)state;
    struct keeper_key *key = key_number(0);
    struct slashing_entry found = {.record = {.has_block = true, .block_slot = 7}};
    key->in_doubt = true;
    assert_true(keeper_store_take_found(k, key, &found));
    assert_true(key->unproven);
    assert_true(keeper_store_take_found(k, key, &found));
    assert_true(key->unproven);
    key->in_doubt = true;
    assert_true(keeper_store_take_found(k, key, &found));
    assert_true(key->unproven);
    struct keeper_request *advance = sent(KEEPER_ADVANCE, 0);
    advance->advance.next = found.record;
    keeper_store_take_outcome(k, advance, IPC_STORE_DONE, &found);
    assert_false(key->unproven);
}

/* ---- probes ---- */

static void a_store_that_failed_is_asked_by_whom_it_may_be(void **state)
{
    (void)state;
    struct keeper_keys *keys = k->keys;
    struct keeper_request *request;
    k->store.kind = POLICY_STORE_NONE;
    keeper_store_probe(k); /* there is none */
    k->store.kind = POLICY_STORE_SQLITE;
    k->store.ok = false;
    k->keys = NULL;
    keeper_store_probe(k); /* nobody to write for */
    k->keys = keys;
    for (uint32_t i = 0; i < GATE_KEYS; i++)
        key_number(i)->refused = true;
    keeper_store_probe(k); /* nobody whose record is believed */
    for (uint32_t i = 0; i < GATE_KEYS; i++)
        key_number(i)->refused = false;
    request = sent(KEEPER_ADVANCE, 0); /* something is under way for the first: its answer will say */
    keeper_store_probe(k);
    keeper_requests_remove(&k->requests, request);
    key_number(0)->request = NULL;
    gate_store.load_code = E_STORE; /* its record cannot even be read */
    keeper_store_probe(k);
    assert_int_equal(gate_store.advances, 0);
    assert_false(k->store.ok);
    gate_store.load_code = E_NONE;
    keeper_store_probe(k);
    assert_int_equal(gate_store.advances, 1);
    assert_true(k->store.ok);
}

/* Nobody waits for a read that a probe wanted. It says that the store can be read, and no more than that. */
static void a_read_that_a_probe_wanted_says_only_so_much(void **state)
{
    (void)state;
    struct slashing_entry found = {.record = {.has_block = true, .block_slot = 7}};
    keeper_store_take_read(k, sent(KEEPER_READ, 0), NULL);
    assert_false(k->store.ok);
    assert_true(TAILQ_EMPTY(&k->requests.unsent_advances));
    k->store.ok = true;
    keeper_store_take_read(k, sent(KEEPER_READ, 0), &found);
    assert_true(k->store.ok);
    assert_true(TAILQ_EMPTY(&k->requests.unsent_advances)); /* nothing need be written */
    assert_int_equal(key_number(0)->record.block_slot, 7);
}

/* ---- all that there may be ---- */

/* One transaction has room for every request there is a place for. */
static void all_requests_that_there_can_be_are_one_transaction(void **state)
{
    (void)state;
    static const uint8_t unknown[48] = {0xee};
    for (size_t i = 0; i < KEEPER_REQUESTS_MAX; i++)
        assert_non_null(keeper_requests_new(&k->requests, KEEPER_ADVANCE, unknown));
    keeper_store_record(k);
    assert_int_equal(gate_store.advances, 1);
    assert_int_equal(gate_store.last_batch, KEEPER_REQUESTS_MAX);
    assert_true(TAILQ_EMPTY(&k->requests.unsent_advances));
    assert_non_null(keeper_requests_new(&k->requests, KEEPER_ADVANCE, unknown));
}

/* Of a key that has gone: nobody's record is in doubt for it, and none is read again. */
static void a_lost_transaction_of_a_key_that_has_gone_leaves_the_others(void **state)
{
    (void)state;
    static const uint8_t unknown[48] = {0xee};
    assert_ok(keeper_local_know(k, key_number(0)));
    gate_store.loads = 0;
    gate_store.advance_code = gate_store.load_code = E_STORE;
    assert_non_null(keeper_requests_new(&k->requests, KEEPER_ADVANCE, unknown));
    keeper_store_record(k);
    assert_int_equal(gate_store.advances, 1);
    assert_int_equal(gate_store.loads, 0);
    assert_false(k->store.broken || k->store.ok);
    assert_true(key_number(0)->record_known && !key_number(0)->in_doubt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_advance_of_a_shared_store_has_one_block_and_one_vote, setup_remote),
        cmocka_unit_test_setup(a_first_advance_has_one_block_and_one_vote, setup_remote),
        cmocka_unit_test_setup(what_is_disabled_is_known_before, setup),
        cmocka_unit_test_setup(what_is_not_known_is_read_and_not_disabled_blindly, setup_remote),
        cmocka_unit_test_setup(an_answer_that_comes_after_its_key_is_nobodys, setup_remote),
        cmocka_unit_test_setup(what_is_unproven_stays_so_until_it_is_written, setup_remote),
        cmocka_unit_test_setup(a_store_that_failed_is_asked_by_whom_it_may_be, setup),
        cmocka_unit_test_setup(a_read_that_a_probe_wanted_says_only_so_much, setup_remote),
        cmocka_unit_test_setup(all_requests_that_there_can_be_are_one_transaction, setup),
        cmocka_unit_test_setup(a_lost_transaction_of_a_key_that_has_gone_leaves_the_others, setup),
    };
    if (secret_heap_open(2 << 20).code)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    gate_close();
    return failed;
}
