/* test_eth2_commit_boost.c - delegations and the domain, as Commit-Boost's client and Web3Signer computed
 * them. */
#include "vectors.h"

#include "eth2/eth2_commit_boost.h"
#include "eth2/eth2_containers.h"

static const char *const delegator_text =
    "0x989d34725a2bfc3f15105f3f5fc8741f436c25ee1ee4f948e425d6bcb8c56bce6e06c269635b7e985a7ffa639e2409bf";
static const char *const bls_text =
    "0xb6ee692dd6e14d1e897006b64b797c63908c17ce804cb32b3cfd160e5d9fbdc6a7a38a7b0613c0d39715d6fb7062415f";
static const char *const ecdsa_text = "0x0209b02f8a5fddd222ade4ea4528faefc399623af3f736be3c44f03e2df22fb792";

static void published_delegations(void **state)
{
    (void)state;
    static const char *const networks[] = {"mainnet", "holesky", "sepolia"};
    uint8_t delegator[48], bls[48], ecdsa[33], object[32], root[32], expected[32];
    char path[512];
    vector_path(path, sizeof path, "commit-boost/proxy-delegation-roots.json");
    json_t *vectors = json_load_file(path, 0, NULL);
    assert_non_null(vectors);
    vector_hex(delegator, sizeof delegator, delegator_text);
    vector_hex(bls, sizeof bls, bls_text);
    vector_hex(ecdsa, sizeof ecdsa, ecdsa_text);
    for (size_t i = 0; i < ARRAY_LENGTH(networks); i++) {
        struct eth2_network network;
        assert_ok(eth2_network_by_name(&network, networks[i]));
        eth2_delegation_root(object, delegator, bls, sizeof bls);
        assert_ok(eth2_commit_boost_root(root, &network, object));
        vector_hex(expected, 32, vector_text(vectors, "bls_proxy_root", networks[i]));
        assert_memory_equal(root, expected, 32);
        eth2_delegation_root(object, delegator, ecdsa, sizeof ecdsa);
        assert_ok(eth2_commit_boost_root(root, &network, object));
        vector_hex(expected, 32, vector_text(vectors, "secp_proxy_root", networks[i]));
        assert_memory_equal(root, expected, 32);
    }
    json_decref(vectors);
}

/* Of the same object and for the same fork and genesis, no order has the root that a module gets. */
static void no_order_has_such_a_root(void **state)
{
    (void)state;
    struct eth2_network network;
    assert_ok(eth2_network_by_name(&network, "mainnet"));
    for (int kind = ETH2_ORDER_BLOCK; kind < ETH2_ORDER_KIND_END; kind++) {
        struct eth2_order order = {.kind = (enum eth2_order_kind)kind};
        uint8_t of_order[32], of_module[32], object[32] = {0};
        memcpy(order.fork_info.previous_version, network.fork_version[ETH2_PHASE0], 4);
        memcpy(order.fork_info.current_version, network.fork_version[ETH2_PHASE0], 4);
        if (kind != ETH2_ORDER_BLOCK && kind != ETH2_ORDER_ATTESTATION)
            memcpy(order.of.object.root, object, 32);
        assert_ok(eth2_order_signing_root(of_order, &network, &order));
        if (kind == ETH2_ORDER_BLOCK)
            eth2_block_header_root(object, &order.of.header);
        if (kind == ETH2_ORDER_ATTESTATION)
            eth2_attestation_data_root(object, &order.of.attestation);
        assert_ok(eth2_commit_boost_root(of_module, &network, object));
        assert_memory_not_equal(of_order, of_module, 32);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_delegations),
        cmocka_unit_test(no_order_has_such_a_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
