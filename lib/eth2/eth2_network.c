/* eth2_network.c - the built-in networks, as published in the repositories of eth-clients and
 * gnosischain (config.yaml, metadata); the test compares them with copies of those files.
 *
 * Gloas has a version on them but no epoch yet; holesky ended without one. Heze has a version on mainnet and
 * minimal only.
 */
#include "eth2/eth2_network.h"

#include <string.h>
#include <strings.h>

#define FAR ETH2_FAR_FUTURE

static const struct eth2_network networks[] = {
    {.name = "mainnet",
     .preset = ETH2_PRESET_MAINNET,
     .genesis_time = 1606824023,
     .seconds_per_slot = 12,
     .fork_version = {{0, 0, 0, 0},
                      {1, 0, 0, 0},
                      {2, 0, 0, 0},
                      {3, 0, 0, 0},
                      {4, 0, 0, 0},
                      {5, 0, 0, 0},
                      {6, 0, 0, 0},
                      {7, 0, 0, 0},
                      {8, 0, 0, 0}},
     .fork_epoch = {0, 74240, 144896, 194048, 269568, 364032, 411392, FAR, FAR},
     .has_genesis_validators_root = true,
     .genesis_validators_root = {0x4b, 0x36, 0x3d, 0xb9, 0x4e, 0x28, 0x61, 0x20, 0xd7, 0x6e, 0xb9,
                                 0x05, 0x34, 0x0f, 0xdd, 0x4e, 0x54, 0xbf, 0xe9, 0xf0, 0x6b, 0xf3,
                                 0x3f, 0xf6, 0xcf, 0x5a, 0xd2, 0x7f, 0x51, 0x1b, 0xfe, 0x95}},
    {.name = "hoodi",
     .preset = ETH2_PRESET_MAINNET,
     .genesis_time = 1742213400,
     .seconds_per_slot = 12,
     .fork_version = {{0x10, 0, 9, 0x10},
                      {0x20, 0, 9, 0x10},
                      {0x30, 0, 9, 0x10},
                      {0x40, 0, 9, 0x10},
                      {0x50, 0, 9, 0x10},
                      {0x60, 0, 9, 0x10},
                      {0x70, 0, 9, 0x10},
                      {0x80, 0, 9, 0x10}},
     .fork_epoch = {0, 0, 0, 0, 0, 2048, 50688, FAR, FAR},
     .has_genesis_validators_root = true,
     .genesis_validators_root = {0x21, 0x2f, 0x13, 0xfc, 0x4d, 0xf0, 0x78, 0xb6, 0xcb, 0x7d, 0xb2,
                                 0x28, 0xf1, 0xc8, 0x30, 0x75, 0x66, 0xdc, 0xec, 0xf9, 0x00, 0x86,
                                 0x74, 0x01, 0xa9, 0x20, 0x23, 0xd7, 0xba, 0x99, 0xcb, 0x5f}},
    {.name = "sepolia",
     .preset = ETH2_PRESET_MAINNET,
     .genesis_time = 1655733600,
     .seconds_per_slot = 12,
     .fork_version = {{0x90, 0, 0, 0x69},
                      {0x90, 0, 0, 0x70},
                      {0x90, 0, 0, 0x71},
                      {0x90, 0, 0, 0x72},
                      {0x90, 0, 0, 0x73},
                      {0x90, 0, 0, 0x74},
                      {0x90, 0, 0, 0x75},
                      {0x90, 0, 0, 0x76}},
     .fork_epoch = {0, 50, 100, 56832, 132608, 222464, 272640, FAR, FAR},
     .has_genesis_validators_root = true,
     .genesis_validators_root = {0xd8, 0xea, 0x17, 0x1f, 0x3c, 0x94, 0xae, 0xa2, 0x1e, 0xbc, 0x42,
                                 0xa1, 0xed, 0x61, 0x05, 0x2a, 0xcf, 0x3f, 0x92, 0x09, 0xc0, 0x0e,
                                 0x4e, 0xfb, 0xaa, 0xdd, 0xac, 0x09, 0xed, 0x9b, 0x80, 0x78}},
    {.name = "holesky",
     .preset = ETH2_PRESET_MAINNET,
     .genesis_time = 1695902400,
     .seconds_per_slot = 12,
     .fork_version = {{1, 1, 0x70, 0},
                      {2, 1, 0x70, 0},
                      {3, 1, 0x70, 0},
                      {4, 1, 0x70, 0},
                      {5, 1, 0x70, 0},
                      {6, 1, 0x70, 0},
                      {7, 1, 0x70, 0}},
     .fork_epoch = {0, 0, 0, 256, 29696, 115968, 165120, FAR, FAR},
     .has_genesis_validators_root = true,
     .genesis_validators_root = {0x91, 0x43, 0xaa, 0x7c, 0x61, 0x5a, 0x7f, 0x71, 0x15, 0xe2, 0xb6,
                                 0xaa, 0xc3, 0x19, 0xc0, 0x35, 0x29, 0xdf, 0x82, 0x42, 0xae, 0x70,
                                 0x5f, 0xba, 0x9d, 0xf3, 0x9b, 0x79, 0xc5, 0x9f, 0xa8, 0xb1}},
    {.name = "gnosis",
     .preset = ETH2_PRESET_GNOSIS,
     .genesis_time = 1638993340,
     .seconds_per_slot = 5,
     .fork_version = {{0, 0, 0, 0x64},
                      {1, 0, 0, 0x64},
                      {2, 0, 0, 0x64},
                      {3, 0, 0, 0x64},
                      {4, 0, 0, 0x64},
                      {5, 0, 0, 0x64},
                      {6, 0, 0, 0x64},
                      {7, 0, 0, 0x64}},
     .fork_epoch = {0, 512, 385536, 648704, 889856, 1337856, 1714688, FAR, FAR},
     .has_genesis_validators_root = true,
     .genesis_validators_root = {0xf5, 0xdc, 0xb5, 0x56, 0x4e, 0x82, 0x9a, 0xab, 0x27, 0x26, 0x4b,
                                 0x9b, 0xec, 0xd5, 0xdf, 0xaa, 0x01, 0x70, 0x85, 0x61, 0x12, 0x24,
                                 0xcb, 0x30, 0x36, 0xf5, 0x73, 0x36, 0x8d, 0xbb, 0x9d, 0x47}},
    {.name = "chiado",
     .preset = ETH2_PRESET_GNOSIS,
     .genesis_time = 1665396300,
     .seconds_per_slot = 5,
     .fork_version = {{0, 0, 0, 0x6f},
                      {1, 0, 0, 0x6f},
                      {2, 0, 0, 0x6f},
                      {3, 0, 0, 0x6f},
                      {4, 0, 0, 0x6f},
                      {5, 0, 0, 0x6f},
                      {6, 0, 0, 0x6f},
                      {7, 0, 0, 0x6f}},
     .fork_epoch = {0, 90, 180, 244224, 516608, 948224, 1353216, FAR, FAR},
     .has_genesis_validators_root = true,
     .genesis_validators_root = {0x9d, 0x64, 0x2d, 0xac, 0x73, 0x05, 0x8f, 0xbf, 0x39, 0xc0, 0xae,
                                 0x41, 0xab, 0x1e, 0x34, 0xe4, 0xd8, 0x89, 0x04, 0x3c, 0xb1, 0x99,
                                 0x85, 0x1d, 0xed, 0x70, 0x95, 0xbc, 0x99, 0xeb, 0x4c, 0x1e}},
    {.name = "minimal",
     .preset = ETH2_PRESET_MINIMAL,
     .genesis_time = 0,
     .seconds_per_slot = 6,
     .fork_version = {{0, 0, 0, 1},
                      {1, 0, 0, 1},
                      {2, 0, 0, 1},
                      {3, 0, 0, 1},
                      {4, 0, 0, 1},
                      {5, 0, 0, 1},
                      {6, 0, 0, 1},
                      {7, 0, 0, 1},
                      {8, 0, 0, 1}},
     .fork_epoch = {0, FAR, FAR, FAR, FAR, FAR, FAR, FAR, FAR}},
};

result eth2_network_by_name(struct eth2_network *ret_network, const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(networks); i++) {
        if (strcasecmp(networks[i].name, name) == 0) {
            *ret_network = networks[i];
            return RESULT_OK;
        }
    }
    FAIL(E_NOT_FOUND,
         "unknown network (mainnet, hoodi, sepolia, holesky, gnosis, chiado, minimal are built in)");
}

const char *eth2_preset_name(enum eth2_preset preset)
{
    switch (preset) {
    case ETH2_PRESET_MAINNET:
        return "mainnet";
    case ETH2_PRESET_MINIMAL:
        return "minimal";
    case ETH2_PRESET_GNOSIS:
        return "gnosis";
    }
    return "?";
}

result eth2_preset_parse(enum eth2_preset *ret_preset, const char *name)
{
    static const enum eth2_preset presets[] = {ETH2_PRESET_MAINNET, ETH2_PRESET_MINIMAL, ETH2_PRESET_GNOSIS};
    for (size_t i = 0; i < ARRAY_LENGTH(presets); i++) {
        if (strcmp(eth2_preset_name(presets[i]), name) == 0) {
            *ret_preset = presets[i];
            return RESULT_OK;
        }
    }
    FAIL(E_INPUT, "must be mainnet, minimal or gnosis");
}

const char *eth2_fork_name(enum eth2_fork fork)
{
    switch (fork) {
    case ETH2_PHASE0:
        return "phase0";
    case ETH2_ALTAIR:
        return "altair";
    case ETH2_BELLATRIX:
        return "bellatrix";
    case ETH2_CAPELLA:
        return "capella";
    case ETH2_DENEB:
        return "deneb";
    case ETH2_ELECTRA:
        return "electra";
    case ETH2_FULU:
        return "fulu";
    case ETH2_GLOAS:
        return "gloas";
    case ETH2_HEZE:
        return "heze";
    case ETH2_FORK_COUNT:
        break;
    }
    return "?";
}

result eth2_network_check(const struct eth2_network *network)
{
    size_t length = strnlen(network->name, sizeof network->name);
    ENSURE(length > 0 && length < sizeof network->name, E_INPUT, "name: must have 1 to %zu characters",
           sizeof network->name - 1);
    ENSURE(strspn(network->name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length, E_INPUT,
           "name: must be lower-case letters, digits, '-' and '_'");
    ENSURE(network->seconds_per_slot > 0, E_INPUT, "seconds_per_slot: must not be 0");
    ENSURE(network->fork_epoch[ETH2_PHASE0] == 0, E_INPUT, "phase0: must begin at epoch 0");
    for (enum eth2_fork fork = ETH2_ALTAIR; fork < ETH2_FORK_COUNT; fork++)
        ENSURE(network->fork_epoch[fork] >= network->fork_epoch[fork - 1], E_INPUT,
               "%s: must not begin before the fork that precedes it", eth2_fork_name(fork));
    return RESULT_OK;
}

uint64_t eth2_slots_per_epoch(enum eth2_preset preset)
{
    switch (preset) {
    case ETH2_PRESET_MAINNET:
        return 32;
    case ETH2_PRESET_MINIMAL:
        return 8;
    case ETH2_PRESET_GNOSIS:
        return 16;
    }
    return 32;
}

uint64_t eth2_epoch_of_slot(const struct eth2_network *network, uint64_t slot)
{
    return slot / eth2_slots_per_epoch(network->preset);
}

enum eth2_fork eth2_fork_at(const struct eth2_network *network, uint64_t epoch)
{
    enum eth2_fork fork = ETH2_PHASE0;
    for (enum eth2_fork next = ETH2_ALTAIR; next < ETH2_FORK_COUNT; next++) {
        if (network->fork_epoch[next] != ETH2_FAR_FUTURE && network->fork_epoch[next] <= epoch)
            fork = next;
    }
    return fork;
}
