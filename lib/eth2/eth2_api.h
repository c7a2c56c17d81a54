/* eth2_api.h - Web3Signer's JSON sign request becomes a sign order, or a refusal that names
 * the member. A link target of its own (eth2_api): the keeper must not contain a JSON parser.
 */
#ifndef ETH2_API_H
#define ETH2_API_H

#include "eth2/eth2_network.h"
#include "eth2/eth2_order.h"

/* Once, before a sandbox closes the file system: takes the seed of the JSON reader's hash tables from
 * /dev/urandom, so that no client can choose members that collide. */
void eth2_api_open(void);

/* What a request body may have: an execution payload of Gloas is at most 8 MiB of transactions (EIP-7934) and
 * a block access list, twice that in hex; everything else is held to the 10 MiB of Web3Signer. */
enum { ETH2_API_BODY_MAX = 32 * 1024 * 1024 };

/* Parses a whole request body. E_TOO_LARGE; E_INPUT: malformed JSON, an unknown type, or a member that is
 * missing, ill-typed, out of range or of wrong length, named by its path such as
 * "attestation.source.epoch: must be ..."; duplicate members and excessive depth too.
 * order->pubkey is left zero: it comes from the path of the request. The body is read only. */
must_check result eth2_api_parse(struct eth2_order *ret_order, const struct eth2_network *network,
                                 const char *body, size_t body_len);

#endif
