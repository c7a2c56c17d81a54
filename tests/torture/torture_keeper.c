/* torture_keeper.c - the gate with a SQLite store, and one thread that signs, or several: keys are loaded,
 * orders signed, the store is closed and opened again, and more are signed. Whatever fails, every signature
 * that was given is covered by what the disk would have kept, no two given can be slashed, each is of the
 * order, by its key, and an order is answered once; with what the disk has kept, and nothing failing, the
 * next keeper signs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keeper/keeper_sign.h"
#include "slashing/slashing_sqlite.h"
#include "torture.h"
#include "unit/slashing/slashing_judge.h"

enum { KEYS = 3, BURSTS = 3, GIVEN_MAX = 128, AFTERWARDS = 50 };

/* What left the keeper, in the order in which it did. */
struct given {
    uint32_t num, turn;
    struct signature {
        uint32_t turn; /* the keeper that gave it */
        uint64_t id;
        struct eth2_order order;
        uint8_t signing_root[32], signature[96];
    } of[GIVEN_MAX];
};
_Static_assert(sizeof(struct given) <= TORTURE_MEMORY, "what check sees");

static struct keeper k;
static uint8_t pubkeys[KEYS][48];
static const uint8_t genesis[32] = {7, 7};

/* In the place of the other parts of the keeper, which this program does without. */
void keeper_answer(struct keeper *keeper, struct keeper_order *order)
{
    static const uint8_t zeros[96];
    struct given *given = torture_memory();
    torture_pause();
    if (order->answer.status == IPC_ANSWER_SIGNED && given->num < GIVEN_MAX) {
        struct signature *s = &given->of[given->num++];
        s->turn = given->turn;
        s->id = order->answer.id;
        s->order = order->order;
        memcpy(s->signing_root, order->answer.signing_root, sizeof s->signing_root);
        memcpy(s->signature, order->answer.signature, sizeof s->signature);
    } else {
        torture_require(memcmp(order->answer.signature, zeros, sizeof zeros) == 0,
                        "a refused order has a signature");
    }
    keeper_orders_remove(&keeper->orders, order);
    torture_go_on();
}

static void close_keeper(void)
{
    keeper_pool_free(TAKE(k.pool));
    keeper_keys_free(TAKE(k.keys));
    keeper_store_close(&k.store);
    k.store = (struct keeper_store){0};
}

static result open_keeper(const char *folder)
{
    struct policy policy = {.slashing_protection = true, .has_genesis_validators_root = true};
    char store[TORTURE_PATH_MAX + 32];
    memcpy(policy.genesis_validators_root, genesis, sizeof genesis);
    (void)snprintf(store, sizeof store, "sqlite:%s/store", folder);
    TRY(policy_set_store(&policy, store));
    keeper_orders_open(&k.orders);
    keeper_requests_open(&k.requests);
    TRY(eth2_network_by_name(&k.policy.network, "mainnet"));
    TRY(keeper_store_open(&k.store, &policy));
    TRY(keeper_pool_new(&k.pool, TORTURE_THREADS, NULL));
    TRY(keeper_keys_new(&k.keys));
    for (uint8_t i = 0; i < KEYS; i++) {
        const uint8_t secret[32] = {[31] = (uint8_t)(i + 1)};
        bool added = false;
        TRY(keeper_keys_add(k.keys, &added, secret, pubkeys[i]));
    }
    return RESULT_OK;
}

static void hear(const struct eth2_order *order, uint64_t id, uint32_t key)
{
    struct ipc_order heard = {.id = id, .order = *order};
    memcpy(heard.order.pubkey, pubkeys[key], 48);
    memcpy(heard.order.fork_info.genesis_validators_root, genesis, sizeof genesis);
    (void)keeper_orders_add(&k.orders, &heard, 0);
}

/* Votes and a block that follow those of the burst before, others of the same heights, which would be
 * slashable, a repeat, and what needs no record. */
static result burst(uint64_t target)
{
    struct eth2_order vote = {
        .kind = ETH2_ORDER_ATTESTATION,
        .of.attestation = {.slot = target * 32, .source.epoch = target - 1, .target.epoch = target}};
    struct eth2_order block = {.kind = ETH2_ORDER_BLOCK, .of.header.slot = target * 32};
    struct eth2_order randao = {.kind = ETH2_ORDER_RANDAO_REVEAL, .of.object.epoch = target};
    uint64_t id = target * 100;
    for (uint32_t i = 0; i < KEYS; i++)
        hear(&vote, id++, i);
    hear(&block, id++, 0);
    hear(&randao, id++, 1);
    while (keeper_sign(&k))
        ;
    hear(&vote, id++, 0);
    vote.of.attestation.beacon_block_root[0] = 1;
    block.of.header.body_root[0] = 1;
    for (uint32_t i = 0; i < KEYS; i++)
        hear(&vote, id++, i);
    hear(&block, id++, 0);
    hear(&block, id++, 2);
    while (keeper_sign(&k))
        ;
    ENSURE(!k.store.broken && k.store.ok, E_STORE, "the store is not well");
    return keeper_local_probe(&k);
}

static result serve(const char *folder, uint64_t first)
{
    ((struct given *)torture_memory())->turn++;
    TRY(open_keeper(folder));
    for (uint64_t i = 0; i < BURSTS; i++)
        TRY(burst(first + i));
    return RESULT_OK;
}

static void act(const char *folder)
{
    torture_begin();
    for (uint64_t turn = 0; turn < 2; turn++) {
        torture_outcome(serve(folder, 1 + turn * 2)); /* the second repeats a part of the first */
        close_keeper();
    }
    torture_end();
}

static struct judge_message to_judge(const struct signature *s)
{
    struct judge_message m = {.is_block = s->order.kind == ETH2_ORDER_BLOCK};
    m.source = s->order.of.attestation.source.epoch;
    m.height = s->order.of.attestation.target.epoch;
    if (m.is_block) {
        m.source = 0;
        m.height = s->order.of.header.slot;
    }
    memcpy(m.root, s->signing_root, sizeof m.root);
    return m;
}

/* The record must refuse another message of the same heights. */
static void check_recorded(struct slashing_store *store, const struct signature *s)
{
    static const struct slashing_limits none;
    static const uint8_t other_root[32] = {0xee};
    struct slashing_record record, next;
    result r = slashing_store_load(store, &record, s->order.pubkey);
    torture_require(!r.code, "a record cannot be read after a signature: %s", error_text());
    torture_require(r.code || !slashing_allows(slashing_decide(&next, &record, &none, &s->order, other_root)),
                    "signature %llu has no durable record", (unsigned long long)s->id);
}

/* It is of what was asked for, by the key that was asked. */
static void check_signature(const struct signature *s)
{
    struct eth2_network network;
    uint8_t root[32], signature[96];
    torture_must(eth2_network_by_name(&network, "mainnet"));
    torture_must(eth2_order_signing_root(root, &network, &s->order));
    for (uint8_t key = 0; key < KEYS; key++) {
        const uint8_t secret[32] = {[31] = (uint8_t)(key + 1)};
        if (memcmp(pubkeys[key], s->order.pubkey, 48) != 0)
            continue;
        torture_must(bls_sign(signature, secret, root, sizeof root));
        torture_require(memcmp(root, s->signing_root, 32) == 0 && memcmp(signature, s->signature, 96) == 0,
                        "signature %llu is wrong", (unsigned long long)s->id);
    }
}

/* What the disk has kept is of use, and more is signed. A store that was being made, and of which nothing is
 * there yet, the operator is told to remove; that must not be said of one that had records. */
static void check_alive(const char *folder)
{
    struct given *given = torture_memory();
    bool had_records = given->num > 0;
    uint32_t before = given->num;
    char path[TORTURE_PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/store", folder);
    result r = serve(folder, AFTERWARDS);
    close_keeper();
    if (r.code && !had_records && strstr(error_text(), "if it never had records, delete it") &&
        unlink(path) == 0) {
        r = serve(folder, AFTERWARDS);
        close_keeper();
    }
    torture_recovered(r);
    torture_require(given->num >= before + BURSTS * (KEYS + 2), "%u signatures afterwards",
                    given->num - before);
}

static void check(const char *folder)
{
    const struct given *given = torture_memory();
    struct judge_validator history[KEYS] = {0};
    struct slashing_store *store = NULL;
    char path[TORTURE_PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/store", folder);
    result r = slashing_sqlite_open(&store, path);
    torture_require(!r.code || error_text()[0], "the store cannot be opened any more, and does not say why");
    for (uint32_t i = 0; i < given->num; i++) {
        const struct signature *s = &given->of[i];
        struct judge_message m = to_judge(s), other;
        check_signature(s);
        for (uint32_t j = 0; j < i; j++)
            torture_require(s->id != given->of[j].id || s->turn != given->of[j].turn,
                            "order %llu was answered twice", (unsigned long long)s->id);
        if (s->order.kind == ETH2_ORDER_RANDAO_REVEAL)
            continue;
        for (uint32_t key = 0; key < KEYS; key++)
            if (memcmp(pubkeys[key], s->order.pubkey, 48) == 0)
                torture_require(!judge_convicts(&history[key], &other, &m), "signature %llu is slashable",
                                (unsigned long long)s->id);
        torture_require(store, "signature %llu was given, and the store cannot be opened: %s",
                        (unsigned long long)s->id, error_text());
        if (store)
            check_recorded(store, s);
    }
    slashing_store_close(store);
    for (uint32_t key = 0; key < KEYS; key++)
        judge_forget(&history[key]);
    torture_require(given->num > 0 || !torture_is_counting(), "nothing was signed");
    torture_apart(check_alive, folder);
}

static void prepare(void)
{
    torture_must(secret_heap_open(1 << 20));
    torture_warm_openssl();
    for (uint8_t i = 0; i < KEYS; i++) {
        const uint8_t secret[32] = {[31] = (uint8_t)(i + 1)};
        torture_must(bls_public_key(pubkeys[i], secret));
    }
}

int main(void)
{
    const struct torture_scenario scenario = {.name = NS_TORTURE_NAME,
                                              .prepare = prepare,
                                              .act = act,
                                              .check = check,
                                              .all_threads = TORTURE_THREADS > 1,
                                              .one_place_in = TORTURE_THREADS > 1 ? 100 : 15};
    return torture_main(&scenario);
}
