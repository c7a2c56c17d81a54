/* eth2_api.h - Web3Signer's JSON sign request becomes a sign order, or a refusal that names
 * the member. A link target of its own (eth2_api): the keeper must not contain a JSON parser.
 */
#ifndef ETH2_API_H
#define ETH2_API_H

#include "eth2/eth2_network.h"
#include "eth2/eth2_order.h"

/* Parses a whole request body. E_INPUT: malformed JSON, an unknown type, or a member that is
 * missing, ill-typed, out of range or of wrong length, named by its path such as
 * "attestation.source.epoch: must be ..."; duplicate members and excessive depth too.
 * order->pubkey is left zero: it comes from the path of the request. The body is read only. */
must_check result eth2_api_parse(struct eth2_order *ret_order, const struct eth2_network *network,
                                 const char *body, size_t body_len);

/* A custom network from a consensus configuration YAML (PRESET_BASE, CONFIG_NAME, *_FORK_VERSION,
 * *_FORK_EPOCH, SECONDS_PER_SLOT, MIN_GENESIS_TIME; unknown keys ignored, keys absent from the
 * file taken from the built-in network of that CONFIG_NAME). Target eth2_config. */
must_check result eth2_network_from_yaml(struct eth2_network *ret_network, const char *text, size_t text_len);

#endif
