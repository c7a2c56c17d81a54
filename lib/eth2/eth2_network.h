/* eth2_network.h - the few facts about a network that a signature depends on.
 *
 * Fork versions of a message come from the request (fork_info); the schedule here decides the
 * shape of aggregates (Electra, Gloas), whether sync committees exist (Altair), exits (EIP-7044),
 * registrations and deposits (genesis version), and slots per epoch.
 */
#ifndef ETH2_NETWORK_H
#define ETH2_NETWORK_H

#include <stdint.h>

#include "base/result.h"

enum { ETH2_VERSION_LEN = 4, ETH2_ROOT_LEN = 32, ETH2_NETWORK_NAME_MAX = 32 };

enum eth2_fork {
    ETH2_PHASE0,
    ETH2_ALTAIR,
    ETH2_BELLATRIX,
    ETH2_CAPELLA,
    ETH2_DENEB,
    ETH2_ELECTRA,
    ETH2_FULU,
    ETH2_GLOAS,
    ETH2_HEZE,
    ETH2_FORK_COUNT
};

#define ETH2_FAR_FUTURE UINT64_MAX /* a fork that is not scheduled */

enum eth2_preset { ETH2_PRESET_MAINNET, ETH2_PRESET_MINIMAL, ETH2_PRESET_GNOSIS };

struct eth2_network {
    char name[ETH2_NETWORK_NAME_MAX]; /* NUL-terminated, lower case, [a-z0-9_-] */
    enum eth2_preset preset;
    uint64_t genesis_time; /* seconds since 1970; 0 when unknown */
    uint64_t seconds_per_slot;
    uint8_t fork_version[ETH2_FORK_COUNT][ETH2_VERSION_LEN];
    uint64_t fork_epoch[ETH2_FORK_COUNT];
    /* Not part of what a network is made of, and never compared: false when it is not known. */
    bool has_genesis_validators_root;
    uint8_t genesis_validators_root[ETH2_ROOT_LEN];
};

/* mainnet, hoodi, sepolia, holesky, gnosis, chiado, minimal in any case; E_NOT_FOUND otherwise. */
must_check result eth2_network_by_name(struct eth2_network *ret_network, const char *name);

/* "mainnet", "minimal", "gnosis", and back (exactly so; E_INPUT). */
const char *eth2_preset_name(enum eth2_preset preset);
must_check result eth2_preset_parse(enum eth2_preset *ret_preset, const char *name);
/* "phase0" ... "heze". */
const char *eth2_fork_name(enum eth2_fork fork);

/* E_INPUT unless the name is 1 to 31 of [a-z0-9_-], a slot lasts, and no fork is before the one that precedes
 * it; the sentence says "name", "seconds_per_slot" or the fork's name first. For networks that come from
 * outside. */
must_check result eth2_network_check(const struct eth2_network *network);

/* 32, 16 (gnosis) or 8 (minimal). */
uint64_t eth2_slots_per_epoch(enum eth2_preset preset);
uint64_t eth2_epoch_of_slot(const struct eth2_network *network, uint64_t slot);
/* The fork active at that epoch by this network's schedule. */
enum eth2_fork eth2_fork_at(const struct eth2_network *network, uint64_t epoch);

#endif
