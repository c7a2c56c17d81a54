/* keeper_gate_rig.c - see keeper_gate_rig.h. What no real SQLite can be brought to do from outside is done by
 * the linker's wraps. */
#include "keeper_gate_rig.h"

struct gate_store gate_store;
struct keeper gate_keeper;
uint8_t gate_pubkeys[GATE_KEYS][48];
struct ipc_answer gate_answers[GATE_ANSWERS_MAX];
size_t gate_num_answers;

/* ---- the store ---- */

result __wrap_slashing_store_advance(struct slashing_store *store, struct slashing_advance *advances,
                                     size_t num_advances);
result __wrap_slashing_store_load(struct slashing_store *store, struct slashing_record *ret_record,
                                  const uint8_t pubkey[static 48]);
result __wrap_slashing_store_lock_genesis(struct slashing_store *store, const uint8_t root[static 32]);
void __wrap_slashing_sqlite_settle(struct slashing_store *store);

result __wrap_slashing_store_advance(struct slashing_store *store, struct slashing_advance *advances,
                                     size_t num_advances)
{
    (void)store;
    gate_store.advances++;
    if (gate_store.on_advance)
        gate_store.on_advance();
    for (size_t i = 0; i < gate_store.done_before_failing && i < num_advances; i++)
        advances[i].done = gate_store.advance_code != E_NONE;
    ENSURE(!gate_store.advance_code, (enum error_code)gate_store.advance_code, "told to fail");
    gate_store.last_batch = num_advances;
    for (size_t i = 0; i < num_advances; i++) {
        advances[i].conflict = i + 1 == gate_store.refused;
        advances[i].done = !advances[i].conflict && !gate_store.silent;
        advances[i].found.record = gate_store.stored;
    }
    gate_store.refused = 0;
    return RESULT_OK;
}

result __wrap_slashing_store_load(struct slashing_store *store, struct slashing_record *ret_record,
                                  const uint8_t pubkey[static 48])
{
    (void)store;
    (void)pubkey;
    gate_store.loads++;
    ENSURE(!gate_store.load_code, (enum error_code)gate_store.load_code, "told to fail");
    *ret_record = gate_store.stored;
    return RESULT_OK;
}

result __wrap_slashing_store_lock_genesis(struct slashing_store *store, const uint8_t root[static 32])
{
    (void)store;
    (void)root;
    return RESULT_OK;
}

void __wrap_slashing_sqlite_settle(struct slashing_store *store)
{
    (void)store;
    gate_store.settled++;
}

/* ---- the keeper ---- */

/* In the place of the other parts of the keeper, which these programs do without. */
void keeper_answer(struct keeper *keeper, struct keeper_order *order)
{
    assert_in_range(gate_num_answers, 0, GATE_ANSWERS_MAX - 1);
    gate_answers[gate_num_answers++] = order->answer;
    keeper_orders_remove(&keeper->orders, order);
}

void gate_close(void)
{
    keeper_pool_free(gate_keeper.pool);
    keeper_keys_free(gate_keeper.keys);
    memset(&gate_keeper, 0, sizeof gate_keeper);
}

void gate_open(size_t num_threads)
{
    static int anything;
    struct keeper *k = &gate_keeper;
    gate_close();
    memset(&gate_store, 0, sizeof gate_store);
    gate_num_answers = 0;
    assert_ok(keeper_pool_new(&k->pool, num_threads, NULL));
    k->store.ok = true;
    k->store.kind = POLICY_STORE_SQLITE;
    keeper_orders_open(&k->orders);
    keeper_requests_open(&k->requests);
    k->store.file = (struct slashing_store *)(void *)&anything; /* the wraps never look at it */
    assert_ok(eth2_network_by_name(&k->policy.network, "mainnet"));
    assert_ok(keeper_keys_new(&k->keys));
    for (uint8_t i = 0; i < GATE_KEYS; i++) {
        uint8_t secret[32] = {[31] = (uint8_t)(i + 1)};
        bool added = false;
        assert_ok(bls_public_key(gate_pubkeys[i], secret));
        assert_ok(keeper_keys_add(k->keys, &added, secret, gate_pubkeys[i]));
        assert_true(added);
    }
}

/* ---- orders ---- */

void gate_hear(const struct ipc_order *orders, size_t num_orders)
{
    gate_num_answers = 0;
    for (size_t i = 0; i < num_orders; i++) {
        struct ipc_order heard = orders[i];
        heard.id = i;
        keeper_orders_add(&gate_keeper.orders, &heard, 0);
    }
}

void gate_ask(struct ipc_answer *ret_answers, const struct ipc_order *orders, size_t num_orders)
{
    gate_hear(orders, num_orders);
    while (keeper_sign(&gate_keeper))
        ;
    assert_int_equal(gate_num_answers, num_orders);
    assert_int_equal(gate_keeper.orders.num_orders, 0);
    for (size_t i = 0; i < num_orders; i++)
        ret_answers[gate_answers[i].id] = gate_answers[i];
}

struct ipc_order gate_block(uint32_t key, uint64_t slot, uint8_t variety)
{
    struct ipc_order order = {
        .order = {.kind = ETH2_ORDER_BLOCK, .of.header = {.slot = slot, .body_root = {variety}}}};
    memcpy(order.order.pubkey, gate_pubkeys[key], 48);
    return order;
}

struct ipc_order gate_vote(uint32_t key, uint64_t source, uint64_t target)
{
    struct ipc_order order = {
        .order = {.kind = ETH2_ORDER_ATTESTATION,
                  .of.attestation = {.slot = target * 32, .source.epoch = source, .target.epoch = target}}};
    memcpy(order.order.pubkey, gate_pubkeys[key], 48);
    return order;
}

struct ipc_order gate_randao(uint32_t key)
{
    struct ipc_order order = {.order = {.kind = ETH2_ORDER_RANDAO_REVEAL}};
    memcpy(order.order.pubkey, gate_pubkeys[key], 48);
    return order;
}
