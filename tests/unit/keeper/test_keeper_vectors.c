/* test_keeper_vectors.c - signatures of Lodestar's libraries over whole requests, all types and forks of a
 * network, come out of the real keeper bit for bit. Protection is off: the vectors repeat heights at will. */
#include "keeper_rig.h"

#include "base/hex.h"
#include "eth2/eth2_api.h"
#include "testing_signing.h"
#include "json/json.h"

enum { VECTORS_MAX = 400 };

static void take_hex(uint8_t *out, size_t out_len, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    assert_ok(hex_decode(out, out_len, text, strlen(text)));
}

static void load_all_secrets(struct rig *rig, const json_t *vectors)
{
    uint32_t count = (uint32_t)json_array_size(vectors);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t secret[32], pubkey[48], packet[128];
        take_hex(secret, 32, json_array_get(vectors, i), "secret_key");
        take_hex(pubkey, 48, json_array_get(vectors, i), "pubkey");
        struct packer p = {.data = packet, .capacity = sizeof packet};
        ipc_begin(&p, IPC_KEY, 1);
        ipc_pack_loaded_key(&p, &(struct ipc_loaded_key){i, secret, pubkey});
        rig_send(rig->loader, &p);
    }
    rig_loader_end(rig, count, 0);
    rig_expect(rig, rig->front, IPC_SETTINGS);
    rig_expect(rig, rig->front, IPC_KEYS);
    rig_expect(rig, rig->front, IPC_HEALTH);
    rig_expect(rig, rig->front, IPC_SERVE);
    uint8_t packet[16];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_listening(&p, 0);
    rig_send(rig->front, &p);
    struct ipc_state state;
    rig_expect(rig, rig->supervisor, IPC_STATE);
    assert_ok(ipc_take_state(&state, &rig->message));
    assert_int_equal(state.state, IPC_SERVE_STATE);
}

static void check_answer(const struct ipc_answer *answer, const json_t *vector)
{
    uint8_t root[32], signature[96];
    const json_t *expected = json_object_get(vector, "expected");
    take_hex(root, 32, expected, "signing_root");
    take_hex(signature, 96, expected, "signature");
    assert_int_equal(answer->status, IPC_ANSWER_SIGNED);
    assert_memory_equal(answer->signing_root, root, 32);
    assert_memory_equal(answer->signature, signature, 96);
}

static struct ipc_order orders[VECTORS_MAX];
static struct ipc_answer answers[VECTORS_MAX];
static const json_t *origins[VECTORS_MAX];

static uint32_t make_orders(const struct rig *rig, const json_t *vectors, unsigned expected_kinds)
{
    uint32_t count = 0;
    unsigned kinds = 0;
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        const json_t *vector = json_array_get(vectors, i);
        struct eth2_order *order = &orders[count].order;
        AUTO_POINTER(json_t) request = signing_request(vectors, vector, 0);
        char *body = json_dumps(request, 0);
        assert_ok(eth2_api_parse(order, &rig->policy.network, body, strlen(body)));
        free(body);
        take_hex(order->pubkey, 48, vector, "pubkey");
        kinds |= 1u << order->kind;
        origins[count++] = vector;
    }
    assert_int_equal(kinds, expected_kinds);
    return count;
}

static void run_network(struct rig *rig, const struct eth2_network *network, unsigned expected_kinds)
{
    char name[96];
    (void)snprintf(name, sizeof name, "lodestar-generated/signing/%s.json", network->name);
    AUTO_POINTER(json_t) vectors = vector_json(name);
    assert_in_range(json_array_size(vectors), 100, VECTORS_MAX);
    rig->policy.slashing_protection = false;
    assert_ok(policy_set_store(&rig->policy, "none"));
    rig->policy.network = *network;
    rig_boot_to_load(rig);
    load_all_secrets(rig, vectors);
    uint32_t count = make_orders(rig, vectors, expected_kinds);
    for (uint32_t at = 0; at < count; at += IPC_BATCH_MAX)
        rig_sign(rig, answers + at, orders + at, count - at < IPC_BATCH_MAX ? count - at : IPC_BATCH_MAX);
    for (uint32_t i = 0; i < count; i++)
        check_answer(&answers[i], origins[i]);
    rig_stop(rig);
}

/* All kinds up to and without that one. */
static unsigned kinds_before(enum eth2_order_kind end)
{
    return (1u << end) - 2;
}

static void signatures_for_built_in(struct rig *rig, const char *name)
{
    struct eth2_network network;
    assert_ok(eth2_network_by_name(&network, name));
    run_network(rig, &network, kinds_before(ETH2_ORDER_EXECUTION_PAYLOAD_BID));
}

static void signatures_for_hoodi(void **state)
{
    signatures_for_built_in(*state, "hoodi");
}

static void signatures_for_gnosis(void **state)
{
    signatures_for_built_in(*state, "gnosis");
}

/* The only one with Gloas; the vectors have no request auth. */
static void signatures_for_a_devnet(void **state)
{
    struct eth2_network network = signing_devnet();
    run_network(*state, &network, kinds_before(ETH2_ORDER_BUILDER_REQUEST_AUTH));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signatures_for_hoodi, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(signatures_for_gnosis, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(signatures_for_a_devnet, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
