/* test_keeper_gate_edges.c - the gate's own source where little is left: a transaction that fails in the
 * midst, no place for a request, an order without a root, and messages that nobody asked to be possible. */
#include "testing.h"

#include "keeper/keeper_sign.h"

enum { ANSWERS_MAX = 8 };

static struct {
    bool only_first; /* of a transaction becomes durable, and then it fails */
    unsigned advances;
} fake;

result __wrap_slashing_store_advance(struct slashing_store *store, struct slashing_advance *advances,
                                     size_t num_advances);
result __wrap_slashing_store_load(struct slashing_store *store, struct slashing_record *ret_record,
                                  const uint8_t pubkey[static 48]);
result __wrap_slashing_store_lock_genesis(struct slashing_store *store, const uint8_t root[static 32]);

result __wrap_slashing_store_advance(struct slashing_store *store, struct slashing_advance *advances,
                                     size_t num_advances)
{
    (void)store;
    fake.advances++;
    for (size_t i = 0; i < num_advances; i++)
        advances[i].done = i == 0 || !fake.only_first;
    ENSURE(!fake.only_first, E_STORE, "told to fail in the midst");
    return RESULT_OK;
}

result __wrap_slashing_store_load(struct slashing_store *store, struct slashing_record *ret_record,
                                  const uint8_t pubkey[static 48])
{
    (void)store;
    (void)pubkey;
    *ret_record = (struct slashing_record){0};
    return RESULT_OK;
}

result __wrap_slashing_store_lock_genesis(struct slashing_store *store, const uint8_t root[static 32])
{
    (void)store;
    (void)root;
    return RESULT_OK;
}

static struct keeper k;
static size_t num_threads;
static uint8_t pubkeys[3][48];

static struct ipc_answer collected[ANSWERS_MAX];
static size_t num_collected;

/* In the place of the other parts of the keeper, which this program does without. */
void keeper_answer(struct keeper *keeper, struct keeper_order *order)
{
    assert_in_range(num_collected, 0, ANSWERS_MAX - 1);
    collected[num_collected++] = order->answer;
    keeper_orders_remove(&keeper->orders, order);
}

static void hear(const struct ipc_order *orders, size_t num_orders)
{
    num_collected = 0;
    for (size_t i = 0; i < num_orders; i++) {
        struct ipc_order heard = orders[i];
        heard.id = i;
        keeper_orders_add(&k.orders, &heard, 0);
    }
}

/* One batch through the gate. */
static void ask(struct ipc_answer *ret_answers, const struct ipc_order *orders, size_t num_orders)
{
    hear(orders, num_orders);
    while (keeper_sign(&k))
        ;
    assert_int_equal(num_collected, num_orders);
    assert_int_equal(k.orders.num_orders, 0);
    for (size_t i = 0; i < num_orders; i++)
        ret_answers[collected[i].id] = collected[i];
}

static int setup(void **state)
{
    static int anything;
    (void)state;
    memset(&fake, 0, sizeof fake);
    keeper_pool_free(k.pool);
    keeper_keys_free(k.keys);
    memset(&k, 0, sizeof k);
    assert_ok(keeper_pool_new(&k.pool, num_threads, NULL));
    k.store.ok = true;
    k.store.kind = POLICY_STORE_SQLITE;
    keeper_orders_open(&k.orders);
    keeper_requests_open(&k.requests);
    k.store.file = (struct slashing_store *)(void *)&anything; /* the fake never looks at it */
    assert_ok(eth2_network_by_name(&k.policy.network, "mainnet"));
    assert_ok(keeper_keys_new(&k.keys));
    for (uint8_t i = 0; i < 3; i++) {
        uint8_t secret[32] = {[31] = (uint8_t)(i + 1)};
        bool added = false;
        assert_ok(bls_public_key(pubkeys[i], secret));
        assert_ok(keeper_keys_add(k.keys, &added, secret, pubkeys[i]));
        assert_true(added);
    }
    return 0;
}

static struct ipc_order block(uint32_t key, uint64_t slot, uint8_t variety)
{
    struct ipc_order order = {
        .order = {.kind = ETH2_ORDER_BLOCK, .of.header = {.slot = slot, .body_root = {variety}}}};
    memcpy(order.order.pubkey, pubkeys[key], 48);
    return order;
}

/* What is known to be durable is signed, whatever became of the rest; that is read again. */
static void what_is_durable_of_a_failed_transaction_is_signed(void **state)
{
    (void)state;
    struct ipc_order orders[] = {block(0, 5, 1), block(1, 5, 1)};
    struct ipc_answer answers[2];
    fake.only_first = true;
    ask(answers, orders, 2);
    assert_int_equal(answers[0].status, IPC_ANSWER_SIGNED);
    assert_int_equal(answers[1].status, IPC_ANSWER_STORE);
    assert_int_equal(keeper_keys_find(k.keys, pubkeys[0])->record.block_slot, 5);
    assert_false(keeper_keys_find(k.keys, pubkeys[1])->record.has_block);
    assert_false(k.store.broken || k.store.ok);
}

/* Everything that is wanted of the store has been asked: orders wait, in their order, until there is a place.
 */
static void without_a_place_for_a_request_orders_wait(void **state)
{
    (void)state;
    struct ipc_order orders[] = {block(0, 5, 1), block(1, 5, 1)};
    struct keeper_request *last = NULL, *request = NULL;
    while ((request = keeper_requests_new(&k.requests, KEEPER_CLAIM, pubkeys[2]))) {
        keeper_requests_mark_sent(&k.requests, request);
        last = request;
    }
    hear(orders, 2);
    assert_false(keeper_sign(&k)); /* nothing to go on with */
    assert_int_equal(num_collected, 0);
    assert_int_equal(TAILQ_FIRST(&k.orders.ready)->answer.id, 0);
    assert_int_equal(fake.advances, 0);
    keeper_requests_remove(&k.requests, last);
    for (int turn = 0; turn < 2; turn++) { /* an answer has come, for one order each */
        (void)keeper_sign(&k);
        assert_int_equal(num_collected, turn + 1);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(collected[i].id, i);
        assert_int_equal(collected[i].status, IPC_ANSWER_SIGNED);
    }
}

static void an_order_without_a_root_is_bad(void **state)
{
    (void)state;
    struct ipc_order order = block(0, 5, 1);
    struct ipc_answer answer;
    order.order.kind = (enum eth2_order_kind)99;
    ask(&answer, &order, 1);
    assert_int_equal(answer.status, IPC_ANSWER_BAD_ORDER);
    assert_int_equal(fake.advances, 0);
}

/* Asked here once more, whoever let the message through. */
static void what_was_not_asked_to_be_possible_is_not_signed(void **state)
{
    (void)state;
    static uint8_t text[IPC_EXTENSION_MAX + 1], root[32];
    static const uint8_t zeros[IPC_SIGNATURE_MAX];
    uint8_t signature[IPC_SIGNATURE_MAX] = {1};
    uint32_t length = 9;
    struct ipc_extension_sign extension = {.pubkey = pubkeys[0], .payload = {text, IPC_EXTENSION_MIN}};
    struct ipc_boost_sign boost = {1, IPC_SCHEME_CONSENSUS, pubkeys[0], root};
    memset(text, ' ', sizeof text);
    text[0] = '{';
    text[IPC_EXTENSION_MIN - 1] = '}';
    assert_int_equal(keeper_sign_extension(&k, signature, &extension), IPC_ANSWER_BAD_ORDER);
    assert_memory_equal(signature, zeros, 96);
    assert_int_equal(keeper_sign_boost(&k, signature, &length, &boost), IPC_ANSWER_BAD_ORDER);
    assert_int_equal(length, 0);
    k.signs_extensions = true;
    assert_int_equal(keeper_sign_extension(&k, signature, &extension), IPC_ANSWER_SIGNED);
    text[IPC_EXTENSION_MIN - 1] = ']';
    assert_int_equal(keeper_sign_extension(&k, signature, &extension), IPC_ANSWER_BAD_ORDER);
    assert_memory_equal(signature, zeros, 96);
    text[sizeof text - 1] = '}';
    extension.payload.length = sizeof text;
    assert_int_equal(keeper_sign_extension(&k, signature, &extension), IPC_ANSWER_BAD_ORDER);
    k.store.broken = k.has_commit_boost = true;
    extension.payload.length = IPC_EXTENSION_MIN;
    text[IPC_EXTENSION_MIN - 1] = '}';
    assert_int_equal(keeper_sign_extension(&k, signature, &extension), IPC_ANSWER_STORE);
    assert_int_equal(keeper_sign_boost(&k, signature, &length, &boost), IPC_ANSWER_STORE);
    assert_int_equal(length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_durable_of_a_failed_transaction_is_signed, setup),
        cmocka_unit_test_setup(without_a_place_for_a_request_orders_wait, setup),
        cmocka_unit_test_setup(an_order_without_a_root_is_bad, setup),
        cmocka_unit_test_setup(what_was_not_asked_to_be_possible_is_not_signed, setup),
    };
    if (secret_heap_open(4 << 20).code)
        return 1;
    num_threads = 2;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    keeper_pool_free(k.pool);
    keeper_keys_free(k.keys);
    return failed;
}
