/* test_eth2_order.c - orders to signing roots, without JSON parsing of ours: orders are built here
 * from the parts of vectors that Lodestar's packages made, object roots included. */
#include "vectors.h"

#include "eth2/eth2_order.h"

static const struct {
    const char *type;
    enum eth2_order_kind kind;
    const char *payload, *epoch_member; /* where the epoch or slot is */
    bool is_slot;
} rows[] = {
    {"RANDAO_REVEAL", ETH2_ORDER_RANDAO_REVEAL, "randao_reveal", "epoch", false},
    {"VOLUNTARY_EXIT", ETH2_ORDER_VOLUNTARY_EXIT, "voluntary_exit", "epoch", false},
    {"AGGREGATION_SLOT", ETH2_ORDER_AGGREGATION_SLOT, "aggregation_slot", "slot", true},
    {"SYNC_COMMITTEE_MESSAGE", ETH2_ORDER_SYNC_COMMITTEE_MESSAGE, "sync_committee_message", "slot", true},
    {"SYNC_COMMITTEE_SELECTION_PROOF", ETH2_ORDER_SYNC_COMMITTEE_SELECTION_PROOF,
     "sync_aggregator_selection_data", "slot", true},
    {"DEPOSIT", ETH2_ORDER_DEPOSIT, NULL, NULL, false},
    {"VALIDATOR_REGISTRATION", ETH2_ORDER_VALIDATOR_REGISTRATION, NULL, NULL, false},
};

static void take_fork_info(struct eth2_order *order, const json_t *request)
{
    const json_t *info = json_object_get(request, "fork_info"), *fork = json_object_get(info, "fork");
    if (!info)
        return;
    vector_hex(order->fork_info.previous_version, 4, vector_text(fork, "previous_version", NULL));
    vector_hex(order->fork_info.current_version, 4, vector_text(fork, "current_version", NULL));
    order->fork_info.epoch = vector_u64(json_object_get(fork, "epoch"));
    vector_hex(order->fork_info.genesis_validators_root, 32,
               vector_text(info, "genesis_validators_root", NULL));
}

static void take_attestation(struct eth2_attestation_data *data, const json_t *json)
{
    data->slot = vector_u64(json_object_get(json, "slot"));
    data->index = vector_u64(json_object_get(json, "index"));
    vector_hex(data->beacon_block_root, 32, vector_text(json, "beacon_block_root", NULL));
    data->source.epoch = vector_u64(json_object_get(json_object_get(json, "source"), "epoch"));
    vector_hex(data->source.root, 32, vector_text(json, "source", "root"));
    data->target.epoch = vector_u64(json_object_get(json_object_get(json, "target"), "epoch"));
    vector_hex(data->target.root, 32, vector_text(json, "target", "root"));
}

static void take_header(struct eth2_block_header *header, const json_t *json)
{
    header->slot = vector_u64(json_object_get(json, "slot"));
    header->proposer_index = vector_u64(json_object_get(json, "proposer_index"));
    vector_hex(header->parent_root, 32, vector_text(json, "parent_root", NULL));
    vector_hex(header->state_root, 32, vector_text(json, "state_root", NULL));
    vector_hex(header->body_root, 32, vector_text(json, "body_root", NULL));
}

/* False for what this test does not build: whole blocks, aggregates, contributions, types we do not sign. */
static bool build(struct eth2_order *order, const struct eth2_network *network, const json_t *vector)
{
    const json_t *request = json_object_get(vector, "request");
    const char *type = vector_text(vector, "type", NULL);
    const json_t *header = json_object_get(json_object_get(request, "beacon_block"), "block_header");
    *order = (struct eth2_order){.kind = ETH2_ORDER_BLOCK};
    take_fork_info(order, request);
    if (strcmp(type, "BLOCK_V2") == 0 && header) {
        take_header(&order->of.header, header);
        return true;
    }
    if (strcmp(type, "ATTESTATION") == 0) {
        order->kind = ETH2_ORDER_ATTESTATION;
        take_attestation(&order->of.attestation, json_object_get(request, "attestation"));
        return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (strcmp(rows[i].type, type) != 0)
            continue;
        order->kind = rows[i].kind;
        vector_hex(order->of.object.root, 32, vector_text(vector, "expected", "object_root"));
        if (rows[i].payload)
            order->of.object.epoch =
                vector_u64(json_object_get(json_object_get(request, rows[i].payload), rows[i].epoch_member));
        if (rows[i].is_slot)
            order->of.object.epoch = eth2_epoch_of_slot(network, order->of.object.epoch);
        if (order->kind == ETH2_ORDER_DEPOSIT)
            vector_hex(order->fork_info.current_version, 4,
                       vector_text(json_object_get(request, "deposit"), "genesis_fork_version", NULL));
        return true;
    }
    return false;
}

static size_t run_file(const char *network_name, const char *file)
{
    struct eth2_network network;
    assert_ok(eth2_network_by_name(&network, network_name));
    AUTO_POINTER(json_t) vectors = vector_json(file);
    size_t run = 0;
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        const json_t *vector = json_array_get(vectors, i);
        struct eth2_order order;
        if (!build(&order, &network, vector))
            continue;
        uint8_t root[32];
        char what[128];
        (void)snprintf(what, sizeof what, "%s %zu (%s)", file, i, vector_text(vector, "type", NULL));
        assert_ok(eth2_order_signing_root(root, &network, &order));
        assert_hex(vector_text(vector, "expected", "signing_root"), root, 32, what);
        run++;
    }
    return run;
}

static void signing_roots_equal_lodestars(void **state)
{
    (void)state;
    static const char *const networks[] = {"hoodi", "sepolia", "gnosis", "chiado"};
    size_t run = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(networks); i++) {
        char file[128];
        (void)snprintf(file, sizeof file, "lodestar-generated/signing/%s.json", networks[i]);
        run += run_file(networks[i], file);
        (void)snprintf(file, sizeof file, "lodestar-generated/signing/%s-previous-version.json", networks[i]);
        run += run_file(networks[i], file);
    }
    print_message("%zu orders\n", run);
    assert_true(run > 600);
}

static void unknown_kinds_are_refused(void **state)
{
    (void)state;
    struct eth2_network network;
    assert_ok(eth2_network_by_name(&network, "mainnet"));
    uint8_t root[32];
    static const int kinds[] = {0, ETH2_ORDER_KIND_END, 255, -1};
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        struct eth2_order order = {.kind = (enum eth2_order_kind)kinds[i]};
        assert_fails(E_INPUT, eth2_order_signing_root(root, &network, &order));
        assert_string_equal(eth2_order_kind_name(order.kind), "?");
    }
    assert_string_equal(eth2_order_kind_name(ETH2_ORDER_DEPOSIT), "DEPOSIT");
}

/* No kind shares its domain with another, but for the builder's two: the keeper's promise about slashable
 * messages rests on it. */
static void every_kind_has_a_domain_of_its_own(void **state)
{
    (void)state;
    struct eth2_network network;
    assert_ok(eth2_network_by_name(&network, "mainnet"));
    uint8_t roots[ETH2_ORDER_KIND_END][32];
    for (enum eth2_order_kind kind = ETH2_ORDER_BLOCK; kind < ETH2_ORDER_KIND_END; kind++) {
        struct eth2_order order = {.kind = kind};
        assert_ok(eth2_order_signing_root(roots[kind], &network, &order));
        for (enum eth2_order_kind other = ETH2_ORDER_BLOCK; other < kind; other++) {
            bool builders =
                kind == ETH2_ORDER_EXECUTION_PAYLOAD_ENVELOPE && other == ETH2_ORDER_EXECUTION_PAYLOAD_BID;
            assert_int_equal(memcmp(roots[kind], roots[other], 32) == 0, builders);
        }
    }
}

/* Whatever a front may put there: the genesis of deposits, registrations and request auths is zero, and the
 * version of the latter two is the network's. */
static void fork_info_cannot_touch_what_has_no_fork(void **state)
{
    (void)state;
    struct eth2_network network;
    assert_ok(eth2_network_by_name(&network, "sepolia"));
    static const enum eth2_order_kind kinds[] = {ETH2_ORDER_DEPOSIT, ETH2_ORDER_VALIDATOR_REGISTRATION,
                                                 ETH2_ORDER_BUILDER_REQUEST_AUTH};
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        struct eth2_order order = {.kind = kinds[i]};
        uint8_t before[32], after[32];
        assert_ok(eth2_order_signing_root(before, &network, &order));
        memset(order.fork_info.genesis_validators_root, 0xaa, 32);
        memset(order.fork_info.previous_version, 0xbb, 4);
        order.fork_info.epoch = 77;
        if (kinds[i] != ETH2_ORDER_DEPOSIT)
            memset(order.fork_info.current_version, 0xcc, 4);
        assert_ok(eth2_order_signing_root(after, &network, &order));
        assert_memory_equal(before, after, 32);
    }
}

/* EIP-7044 of an exit from Deneb on, the ordinary rule of one within Capella: the same version, which no
 * fork_info changes. Before Capella the ordinary rule. */
static void exits_are_of_capella_whatever_the_fork_info(void **state)
{
    (void)state;
    struct eth2_network network;
    assert_ok(eth2_network_by_name(&network, "mainnet"));
    struct eth2_order order = {.kind = ETH2_ORDER_VOLUNTARY_EXIT};
    uint8_t capella[32], other[32];
    const uint64_t *epochs = network.fork_epoch;
    const uint64_t exits[] = {epochs[ETH2_CAPELLA], epochs[ETH2_DENEB] - 1, epochs[ETH2_DENEB], 500000};
    memcpy(order.fork_info.previous_version, network.fork_version[ETH2_CAPELLA], 4);
    memcpy(order.fork_info.current_version, network.fork_version[ETH2_CAPELLA], 4);
    order.of.object.epoch = epochs[ETH2_CAPELLA];
    assert_ok(eth2_order_signing_root(capella, &network, &order));
    for (size_t i = 0; i < ARRAY_LENGTH(exits); i++) {
        for (enum eth2_fork fork = ETH2_ALTAIR; fork < ETH2_GLOAS; fork++) {
            memcpy(order.fork_info.previous_version, network.fork_version[fork - 1], 4);
            memcpy(order.fork_info.current_version, network.fork_version[fork], 4);
            order.fork_info.epoch = epochs[fork];
            order.of.object.epoch = exits[i];
            assert_ok(eth2_order_signing_root(other, &network, &order));
            assert_memory_equal(capella, other, 32);
        }
    }
    order.of.object.epoch = epochs[ETH2_CAPELLA] - 1;
    assert_ok(eth2_order_signing_root(other, &network, &order));
    assert_memory_not_equal(capella, other, 32);
    network.fork_epoch[ETH2_DENEB] = ETH2_FAR_FUTURE; /* no EIP-7044 yet: fork_info decides */
    order.of.object.epoch = 500000;
    assert_ok(eth2_order_signing_root(other, &network, &order));
    assert_memory_not_equal(capella, other, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_kinds_are_refused),
        cmocka_unit_test(every_kind_has_a_domain_of_its_own),
        cmocka_unit_test(fork_info_cannot_touch_what_has_no_fork),
        cmocka_unit_test(exits_are_of_capella_whatever_the_fork_info),
        cmocka_unit_test(signing_roots_equal_lodestars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
