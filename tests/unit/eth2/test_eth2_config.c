/* test_eth2_config.c - networks from consensus configuration files. */
#include "vectors.h"

#include "base/file_io.h"
#include "eth2/eth2_config.h"

static result read_text(struct eth2_network *ret_network, const char *text)
{
    return eth2_network_from_yaml(ret_network, text, strlen(text));
}

static void read_published(struct buffer *out, const char *name)
{
    char path[512], file[64];
    (void)snprintf(file, sizeof file, "networks/raw/%s-config.yaml", name);
    vector_path(path, sizeof path, file);
    assert_ok(file_read(out, path, 1 << 20));
}

static void assert_same(const struct eth2_network *a, const struct eth2_network *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->preset, b->preset);
    assert_int_equal(a->genesis_time, b->genesis_time);
    assert_int_equal(a->seconds_per_slot, b->seconds_per_slot);
    assert_memory_equal(a->fork_version, b->fork_version, sizeof a->fork_version);
    assert_memory_equal(a->fork_epoch, b->fork_epoch, sizeof a->fork_epoch);
}

/* The files of mainnet and sepolia are of before Fulu: what they lack comes from the built-in network.
 * Hoodi's says that Fulu is not scheduled, and is believed. */
static void published_files_give_the_built_in_networks(void **state)
{
    (void)state;
    static const char *const names[] = {"mainnet", "sepolia", "holesky", "gnosis", "chiado", "hoodi"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        AUTO(buffer) text = {0};
        read_published(&text, names[i]);
        struct eth2_network read, built_in;
        assert_ok(eth2_network_from_yaml(&read, (char *)text.data, text.length));
        assert_ok(eth2_network_by_name(&built_in, names[i]));
        if (strcmp(names[i], "hoodi") == 0)
            built_in.fork_epoch[ETH2_FULU] = ETH2_FAR_FUTURE;
        assert_same(&read, &built_in);
    }
}

static void a_new_name_takes_nothing_from_elsewhere(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    read_published(&text, "mainnet");
    char *name = strstr((char *)text.data, "CONFIG_NAME: 'mainnet'");
    assert_non_null(name);
    memcpy(name, "CONFIG_NAME: 'Dev_net'", 22);
    struct eth2_network read, mainnet;
    assert_ok(eth2_network_from_yaml(&read, (char *)text.data, text.length));
    assert_ok(eth2_network_by_name(&mainnet, "mainnet"));
    assert_string_equal(read.name, "dev_net");
    assert_int_equal(read.genesis_time, 1606824000 + 604800);
    assert_true(read.fork_epoch[ETH2_FULU] == ETH2_FAR_FUTURE);
    assert_memory_equal(read.fork_epoch, mainnet.fork_epoch, 8 * ETH2_FULU);
    assert_memory_equal(read.fork_version, mainnet.fork_version, 4 * ETH2_FULU);
}

static void the_smallest_files(void **state)
{
    (void)state;
    struct eth2_network network;
    assert_ok(read_text(&network, "CONFIG_NAME: chiado\n"));
    assert_int_equal(network.fork_epoch[ETH2_FULU], 1353216);
    assert_ok(read_text(
        &network,
        "PRESET_BASE: minimal\nGENESIS_FORK_VERSION: 0x01020304\nELECTRA_FORK_EPOCH: 18446744073709551615\n"
        "BLOB_SCHEDULE:\n  - EPOCH: 5\n    MAX_BLOBS_PER_BLOCK: 9\n"));
    assert_string_equal(network.name, "custom");
    assert_int_equal(network.preset, ETH2_PRESET_MINIMAL);
    assert_int_equal(network.seconds_per_slot, 6);
    assert_int_equal(network.genesis_time, 0);
    assert_memory_equal(network.fork_version[ETH2_PHASE0], "\1\2\3\4", 4);
    assert_int_equal(eth2_fork_at(&network, UINT64_MAX), ETH2_PHASE0);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const char start[] = "PRESET_BASE: mainnet\nGENESIS_FORK_VERSION: 0x00000001\n";
    static const struct {
        const char *rest, *names;
    } bad[] = {{"PRESET_BASE: mainnet\n", "stands twice"},
               {"ALTAIR_FORK_EPOCH: 1\n", "ALTAIR_FORK_VERSION: is missing"},
               {"ALTAIR_FORK_EPOCH: -1\n", "ALTAIR_FORK_EPOCH: must be"},
               {"ALTAIR_FORK_EPOCH:\n", "ALTAIR_FORK_EPOCH: must be"},
               {"ALTAIR_FORK_VERSION: 0x010203\n", "ALTAIR_FORK_VERSION: must be"},
               {"ALTAIR_FORK_EPOCH: 5\nALTAIR_FORK_VERSION: 0x01000000\nBELLATRIX_FORK_EPOCH: 4\n"
                "BELLATRIX_FORK_VERSION: 0x02000000\n",
                "bellatrix: must not"},
               {"BELLATRIX_FORK_EPOCH: 4\nBELLATRIX_FORK_VERSION: 0x02000000\n", "bellatrix: must not"},
               {"SECONDS_PER_SLOT: 0\n", "seconds_per_slot: must not be 0"},
               {"SECONDS_PER_SLOT: $SECONDS\n", "SECONDS_PER_SLOT"},
               {"MIN_GENESIS_TIME: 18446744073709551615\nGENESIS_DELAY: 1\n", "GENESIS_DELAY"},
               {"CONFIG_NAME: a network\n", "name: must be"},
               {"CONFIG_NAME: \"\"\n", "CONFIG_NAME"},
               {"CONFIG_NAME: abcdefghijabcdefghijabcdefghijab\n", "CONFIG_NAME"},
               {"---\nCONFIG_NAME: mainnet\n", "one YAML document"}};
    struct eth2_network network;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        char text[512];
        (void)snprintf(text, sizeof text, "%s%s", start, bad[i].rest);
        result r = read_text(&network, text);
        if (r.code != E_INPUT || !strstr(error_text(), bad[i].names))
            fail_msg("%s gave %s: %s", bad[i].rest, error_name(r.code), error_text());
    }
    assert_fails(E_INPUT, read_text(&network, ""));
    assert_fails(E_INPUT, read_text(&network, "GENESIS_FORK_VERSION: 0x00000001\n"));
    assert_error_names("PRESET_BASE: is missing");
    assert_fails(E_INPUT, read_text(&network, "PRESET_BASE: swift\nGENESIS_FORK_VERSION: 0x00000001\n"));
    assert_error_names("PRESET_BASE: must be");
    assert_fails(E_INPUT, read_text(&network, "PRESET_BASE: mainnet\n"));
    assert_error_names("GENESIS_FORK_VERSION: is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_files),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(published_files_give_the_built_in_networks),
        cmocka_unit_test(a_new_name_takes_nothing_from_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
