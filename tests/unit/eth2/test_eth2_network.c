/* test_eth2_network.c - the built-in networks against the networks' own repositories. */
#include "vectors.h"

#include "eth2/eth2_network.h"

static void built_in_networks_equal_the_published_ones(void **state)
{
    (void)state;
    static const char *const names[] = {"mainnet", "hoodi", "sepolia", "holesky", "gnosis", "chiado"};
    AUTO_POINTER(json_t) all = vector_json("networks/networks.json");
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const json_t *published = json_object_get(all, names[i]);
        struct eth2_network ours;
        assert_ok(eth2_network_by_name(&ours, names[i]));
        assert_string_equal(eth2_preset_name(ours.preset), vector_text(published, "preset", NULL));
        assert_int_equal(ours.seconds_per_slot, vector_u64(json_object_get(published, "seconds_per_slot")));
        const json_t *genesis_time = json_object_get(published, "genesis_time");
        if (!json_is_string(genesis_time)) { /* holesky: MIN_GENESIS_TIME + GENESIS_DELAY */
            uint64_t genesis = vector_u64(json_object_get(published, "min_genesis_time")) +
                               vector_u64(json_object_get(published, "genesis_delay"));
            assert_int_equal(ours.genesis_time, genesis);
        } else {
            assert_int_equal(ours.genesis_time, vector_u64(genesis_time));
        }
        assert_true(ours.has_genesis_validators_root);
        assert_hex(vector_text(published, "genesis_validators_root", NULL), ours.genesis_validators_root, 32,
                   names[i]);
        for (enum eth2_fork fork = ETH2_PHASE0; fork < ETH2_FORK_COUNT; fork++) {
            const json_t *row = json_object_get(json_object_get(published, "schedule"), eth2_fork_name(fork));
            if (!row) { /* Heze is in no list yet; holesky ended before it got a version for Gloas */
                assert_true(fork == ETH2_HEZE || (fork == ETH2_GLOAS && strcmp(names[i], "holesky") == 0));
                assert_true(ours.fork_epoch[fork] == ETH2_FAR_FUTURE);
                continue;
            }
            assert_hex(vector_text(row, "version", NULL), ours.fork_version[fork], 4, names[i]);
            if (ours.fork_epoch[fork] != vector_u64(json_object_get(row, "epoch")))
                fail_msg("%s: epoch of %s", names[i], eth2_fork_name(fork));
        }
    }
}

static void names_in_any_case(void **state)
{
    (void)state;
    struct eth2_network network;
    assert_ok(eth2_network_by_name(&network, "MainNet"));
    assert_string_equal(network.name, "mainnet");
    assert_ok(eth2_network_by_name(&network, "minimal"));
    assert_true(network.preset == ETH2_PRESET_MINIMAL && network.fork_epoch[ETH2_ALTAIR] == ETH2_FAR_FUTURE);
    assert_fails(E_NOT_FOUND, eth2_network_by_name(&network, "goerli"));
    assert_fails(E_NOT_FOUND, eth2_network_by_name(&network, ""));
    enum eth2_preset preset;
    assert_ok(eth2_preset_parse(&preset, "gnosis"));
    assert_int_equal(preset, ETH2_PRESET_GNOSIS);
    assert_fails(E_INPUT, eth2_preset_parse(&preset, "Gnosis"));
}

static void forks_by_epoch(void **state)
{
    (void)state;
    struct eth2_network network;
    assert_ok(eth2_network_by_name(&network, "mainnet"));
    assert_int_equal(eth2_fork_at(&network, 0), ETH2_PHASE0);
    assert_int_equal(eth2_fork_at(&network, 74239), ETH2_PHASE0);
    assert_int_equal(eth2_fork_at(&network, 74240), ETH2_ALTAIR);
    assert_int_equal(eth2_fork_at(&network, 364032), ETH2_ELECTRA);
    assert_int_equal(eth2_fork_at(&network, UINT64_MAX), ETH2_FULU);
    assert_int_equal(eth2_epoch_of_slot(&network, 13164551), 411392);
    assert_ok(eth2_network_by_name(&network, "holesky"));
    assert_int_equal(eth2_fork_at(&network, 0), ETH2_BELLATRIX);
    assert_ok(eth2_network_by_name(&network, "minimal"));
    assert_int_equal(eth2_fork_at(&network, UINT64_MAX), ETH2_PHASE0);
    assert_int_equal(eth2_epoch_of_slot(&network, 119), 14);
}

static void networks_from_outside_are_checked(void **state)
{
    (void)state;
    struct eth2_network network, wrong;
    assert_ok(eth2_network_by_name(&network, "hoodi"));
    assert_ok(eth2_network_check(&network));
    wrong = network;
    wrong.name[0] = 0;
    assert_fails(E_INPUT, eth2_network_check(&wrong));
    assert_error_names("name: must have 1 to 31");
    memset(wrong.name, 'a', sizeof wrong.name); /* and no end */
    assert_fails(E_INPUT, eth2_network_check(&wrong));
    assert_error_names("name: must have 1 to 31");
    wrong.name[sizeof wrong.name - 1] = 0;
    assert_ok(eth2_network_check(&wrong));
    wrong.name[3] = 'A';
    assert_fails(E_INPUT, eth2_network_check(&wrong));
    assert_error_names("name: must be lower-case");
    wrong = network;
    wrong.seconds_per_slot = 0;
    assert_fails(E_INPUT, eth2_network_check(&wrong));
    assert_error_names("seconds_per_slot");
    for (enum eth2_fork fork = ETH2_PHASE0; fork < ETH2_FORK_COUNT; fork++) {
        wrong = network;
        wrong.fork_epoch[fork] = fork == ETH2_PHASE0 ? 1 : wrong.fork_epoch[fork - 1] - 1;
        if (fork > ETH2_PHASE0 && wrong.fork_epoch[fork] == UINT64_MAX)
            continue; /* the one before is of epoch 0 */
        assert_fails(E_INPUT, eth2_network_check(&wrong));
        assert_int_equal(strncmp(error_text(), eth2_fork_name(fork), strlen(eth2_fork_name(fork))), 0);
    }
    assert_string_equal(eth2_fork_name(ETH2_FORK_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_any_case),
        cmocka_unit_test(forks_by_epoch),
        cmocka_unit_test(networks_from_outside_are_checked),
        cmocka_unit_test(built_in_networks_equal_the_published_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
