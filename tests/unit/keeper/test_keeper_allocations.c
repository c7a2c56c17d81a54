/* test_keeper_allocations.c - a burst through the gate, with a real SQLite store, takes no memory from the
 * heap once the first has gone through: neither this code, by the linker's wraps, nor OpenSSL, which is asked
 * to say so. SQLite's own is not counted. */
#include "testing.h"

#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "keeper/keeper_sign.h"
#include "slashing/slashing_sqlite.h"

enum { KEYS = 320, BURSTS = 3 };

static atomic_uint num_ours, num_openssls; /* allocations */

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    num_ours++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    num_ours++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    num_ours++;
    return __real_realloc(memory, size);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    num_openssls++;
    return __real_malloc(size);
}

static void *openssl_realloc(void *memory, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    num_openssls++;
    return __real_realloc(memory, size);
}

static void openssl_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    free(memory);
}

static struct keeper k;
static uint8_t pubkeys[KEYS][48];
static unsigned num_signed;

/* In the place of the other parts of the keeper, which this program does without: the answer is packed as it
 * would be sent. */
void keeper_answer(struct keeper *keeper, struct keeper_order *order)
{
    struct packer p = {.data = keeper->outgoing, .capacity = sizeof keeper->outgoing};
    ipc_begin(&p, IPC_SIGNED, 1);
    ipc_pack_answer(&p, &order->answer);
    assert_ok(pack_end(&p));
    num_signed += order->answer.status == IPC_ANSWER_SIGNED;
    keeper_orders_remove(&keeper->orders, order);
}

static void open_keeper(const char *folder, size_t num_threads)
{
    struct policy policy = {.slashing_protection = true};
    char store[96];
    (void)snprintf(store, sizeof store, "sqlite:%s/store-%zu", folder, num_threads);
    memset(&k, 0, sizeof k);
    assert_ok(policy_set_store(&policy, store));
    assert_ok(keeper_store_open(&k.store, &policy));
    assert_ok(keeper_pool_new(&k.pool, num_threads, NULL));
    keeper_orders_open(&k.orders);
    keeper_requests_open(&k.requests);
    assert_ok(eth2_network_by_name(&k.policy.network, "mainnet"));
    assert_ok(keeper_keys_new(&k.keys));
    for (uint32_t i = 0; i < KEYS; i++) {
        uint8_t secret[32] = {[30] = (uint8_t)((i + 1) >> 8), [31] = (uint8_t)(i + 1)};
        bool added = false;
        assert_ok(bls_public_key(pubkeys[i], secret));
        assert_ok(keeper_keys_add(k.keys, &added, secret, pubkeys[i]));
    }
}

static void close_keeper(void)
{
    keeper_pool_free(k.pool);
    keeper_keys_free(k.keys);
    keeper_store_close(&k.store);
}

/* Heard as from a packet. */
static void hear(const struct ipc_order *order)
{
    static uint8_t packet[IPC_HEADER_LEN + IPC_ORDER_LEN];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    struct ipc_message m;
    struct ipc_order heard;
    ipc_begin(&p, IPC_SIGN, 1);
    ipc_pack_order(&p, order);
    assert_ok(pack_end(&p));
    assert_ok(ipc_open(&m, packet, p.length));
    assert_ok(ipc_take_order(&heard, &m.body));
    (void)keeper_orders_add(&k.orders, &heard, 0);
}

/* Every key attests, one proposes, and some register. */
static void burst(uint64_t target)
{
    struct ipc_order order = {
        .order = {
            .kind = ETH2_ORDER_ATTESTATION,
            .of.attestation = {.slot = target * 32, .source.epoch = target - 1, .target.epoch = target}}};
    for (uint32_t i = 0; i < KEYS; i++) {
        memcpy(order.order.pubkey, pubkeys[i], 48);
        hear(&order);
    }
    order.order = (struct eth2_order){.kind = ETH2_ORDER_BLOCK, .of.header.slot = target * 32};
    memcpy(order.order.pubkey, pubkeys[0], 48);
    hear(&order);
    for (uint32_t i = 0; i < 4; i++) {
        order.order.kind = ETH2_ORDER_VALIDATOR_REGISTRATION;
        memset(&order.order.of, (int)(target + i), sizeof order.order.of.object.root);
        hear(&order);
    }
    while (keeper_sign(&k))
        ;
}

static void run(size_t num_threads, const char *folder)
{
    open_keeper(folder, num_threads);
    burst(1); /* records become known, SQLite's pages are read */
    num_signed = 0;
    num_ours = num_openssls = 0;
    for (uint64_t i = 0; i < BURSTS; i++)
        burst(2 + i);
    unsigned ours = num_ours, openssls = num_openssls;
    close_keeper();
    assert_int_equal(num_signed, BURSTS * (KEYS + 5));
    assert_int_equal(ours, 0);
    assert_int_equal(openssls, 0);
}

static void a_burst_takes_nothing_from_the_heap(void **state)
{
    char folder[] = "/tmp/ns-allocations-XXXXXX", file[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    for (size_t num_threads = 1; num_threads <= 2; num_threads++) {
        run(num_threads, folder);
        for (size_t i = 0; i < 2; i++) {
            (void)snprintf(file, sizeof file, "%s/store-%zu%s", folder, num_threads, i ? "-wal" : "");
            (void)unlink(file);
        }
    }
    assert_int_equal(rmdir(folder), 0);
}

/* Or the counts above say nothing. */
static void allocations_are_counted(void **state)
{
    (void)state;
    num_ours = num_openssls = 0;
    void *volatile one = malloc(16);
    free(one);
    one = OPENSSL_malloc(16);
    OPENSSL_free(one);
    assert_int_equal(num_ours, 1);
    assert_int_equal(num_openssls, 1);
}

int main(void)
{
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1 ||
        secret_heap_open(2 << 20).code) {
        (void)fprintf(stderr, "cannot begin: %s\n", error_text());
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_counted),
        cmocka_unit_test(a_burst_takes_nothing_from_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
