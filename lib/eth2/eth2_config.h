/* eth2_config.h - custom networks. A link target of its own (eth2_config): the keeper must not
 * contain a YAML parser, and who reads a network file needs no JSON.
 */
#ifndef ETH2_CONFIG_H
#define ETH2_CONFIG_H

#include "eth2/eth2_network.h"

/* A network from a consensus configuration YAML (PRESET_BASE, CONFIG_NAME, *_FORK_VERSION, *_FORK_EPOCH,
 * SECONDS_PER_SLOT, MIN_GENESIS_TIME, GENESIS_DELAY; unknown keys ignored, keys absent from the file taken
 * from the built-in network of that CONFIG_NAME). E_INPUT names the key. */
must_check result eth2_network_from_yaml(struct eth2_network *ret_network, const char *text, size_t text_len);

/* The value of an option --network: a built-in network by name, else a configuration file. E_INPUT. */
must_check result eth2_network_of_option(struct eth2_network *ret_network, const char *name_or_path);

#endif
