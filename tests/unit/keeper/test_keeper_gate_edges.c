/* test_keeper_gate_edges.c - the gate's own source where little is left: a transaction that fails in the
 * midst, no place for a request, an order without a root, and messages that nobody asked to be possible. */
#include "keeper_gate_rig.h"

static struct keeper *const k = &gate_keeper;

static int setup(void **state)
{
    (void)state;
    gate_open(2);
    return 0;
}

/* What is known to be durable is signed, whatever became of the rest; that is read again. */
static void what_is_durable_of_a_failed_transaction_is_signed(void **state)
{
    (void)state;
    struct ipc_order orders[] = {gate_block(0, 5, 1), gate_block(1, 5, 1)};
    struct ipc_answer answers[2];
    gate_store.advance_code = E_STORE;
    gate_store.done_before_failing = 1;
    gate_ask(answers, orders, 2);
    assert_int_equal(answers[0].status, IPC_ANSWER_SIGNED);
    assert_int_equal(answers[1].status, IPC_ANSWER_STORE);
    assert_int_equal(keeper_keys_find(k->keys, gate_pubkeys[0])->record.block_slot, 5);
    assert_false(keeper_keys_find(k->keys, gate_pubkeys[1])->record.has_block);
    assert_false(k->store.broken || k->store.ok);
}

/* One that cannot be read is enough: then nothing is known any more, and nothing else need be asked. */
static void a_failed_transaction_that_cannot_be_read_again_breaks_the_store_once(void **state)
{
    (void)state;
    struct ipc_order orders[] = {gate_block(0, 5, 1), gate_block(1, 5, 1), gate_block(2, 5, 1)};
    struct ipc_answer answers[3];
    for (uint32_t i = 0; i < 3; i++)
        assert_ok(keeper_local_know(k, keeper_keys_find(k->keys, gate_pubkeys[i])));
    gate_store.loads = 0;
    gate_store.advance_code = gate_store.load_code = E_STORE;
    gate_ask(answers, orders, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(answers[i].status, IPC_ANSWER_STORE);
    assert_true(k->store.broken);
    assert_int_equal(gate_store.loads, 1);
}

/* Everything that is wanted of the store has been asked: orders wait, in their order, until there is a place.
 */
static void without_a_place_for_a_request_orders_wait(void **state)
{
    (void)state;
    struct ipc_order orders[] = {gate_block(0, 5, 1), gate_block(1, 5, 1)};
    struct keeper_request *last = NULL, *request = NULL;
    while ((request = keeper_requests_new(&k->requests, KEEPER_CLAIM, gate_pubkeys[2]))) {
        keeper_requests_mark_sent(&k->requests, request);
        last = request;
    }
    gate_hear(orders, 2);
    assert_false(keeper_sign(k)); /* nothing to go on with */
    assert_int_equal(gate_num_answers, 0);
    assert_int_equal(TAILQ_FIRST(&k->orders.ready)->answer.id, 0);
    assert_int_equal(gate_store.advances, 0);
    keeper_requests_remove(&k->requests, last);
    for (int turn = 0; turn < 2; turn++) { /* an answer has come, for one order each */
        (void)keeper_sign(k);
        assert_int_equal(gate_num_answers, turn + 1);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(gate_answers[i].id, i);
        assert_int_equal(gate_answers[i].status, IPC_ANSWER_SIGNED);
    }
}

static void an_order_without_a_root_is_bad(void **state)
{
    (void)state;
    struct ipc_order order = gate_block(0, 5, 1);
    struct ipc_answer answer;
    order.order.kind = (enum eth2_order_kind)99;
    gate_ask(&answer, &order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_BAD_ORDER);
    assert_int_equal(gate_store.advances, 0);
}

/* Asked here once more, whoever let the message through. */
static void what_was_not_asked_to_be_possible_is_not_signed(void **state)
{
    (void)state;
    static uint8_t text[IPC_EXTENSION_MAX + 1], root[32];
    static const uint8_t zeros[IPC_SIGNATURE_MAX];
    uint8_t signature[IPC_SIGNATURE_MAX] = {1};
    uint32_t length = 9;
    struct ipc_extension_sign extension = {.pubkey = gate_pubkeys[0], .payload = {text, IPC_EXTENSION_MIN}};
    struct ipc_boost_sign boost = {1, IPC_SCHEME_CONSENSUS, gate_pubkeys[0], root};
    memset(text, ' ', sizeof text);
    text[0] = '{';
    text[IPC_EXTENSION_MIN - 1] = '}';
    assert_int_equal(keeper_sign_extension(k, signature, &extension), IPC_ANSWER_BAD_ORDER);
    assert_memory_equal(signature, zeros, 96);
    assert_int_equal(keeper_sign_boost(k, signature, &length, &boost), IPC_ANSWER_BAD_ORDER);
    assert_int_equal(length, 0);
    k->signs_extensions = true;
    assert_int_equal(keeper_sign_extension(k, signature, &extension), IPC_ANSWER_SIGNED);
    extension.payload.length = ETH2_ROOT_LEN; /* as long as a signing root */
    text[ETH2_ROOT_LEN - 1] = '}';
    assert_int_equal(keeper_sign_extension(k, signature, &extension), IPC_ANSWER_BAD_ORDER);
    assert_memory_equal(signature, zeros, 96);
    text[ETH2_ROOT_LEN - 1] = ' ';
    extension.payload.length = IPC_EXTENSION_MIN;
    text[0] = '[';
    assert_int_equal(keeper_sign_extension(k, signature, &extension), IPC_ANSWER_BAD_ORDER);
    assert_memory_equal(signature, zeros, 96);
    text[0] = '{';
    text[IPC_EXTENSION_MIN - 1] = ']';
    assert_int_equal(keeper_sign_extension(k, signature, &extension), IPC_ANSWER_BAD_ORDER);
    assert_memory_equal(signature, zeros, 96);
    text[sizeof text - 1] = '}';
    extension.payload.length = sizeof text;
    assert_int_equal(keeper_sign_extension(k, signature, &extension), IPC_ANSWER_BAD_ORDER);
    k->store.broken = k->has_commit_boost = true;
    extension.payload.length = IPC_EXTENSION_MIN;
    text[IPC_EXTENSION_MIN - 1] = '}';
    assert_int_equal(keeper_sign_extension(k, signature, &extension), IPC_ANSWER_STORE);
    assert_int_equal(keeper_sign_boost(k, signature, &length, &boost), IPC_ANSWER_STORE);
    assert_int_equal(length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_durable_of_a_failed_transaction_is_signed, setup),
        cmocka_unit_test_setup(a_failed_transaction_that_cannot_be_read_again_breaks_the_store_once, setup),
        cmocka_unit_test_setup(without_a_place_for_a_request_orders_wait, setup),
        cmocka_unit_test_setup(an_order_without_a_root_is_bad, setup),
        cmocka_unit_test_setup(what_was_not_asked_to_be_possible_is_not_signed, setup),
    };
    if (secret_heap_open(4 << 20).code)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    gate_close();
    return failed;
}
