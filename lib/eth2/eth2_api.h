/* eth2_api.h - Web3Signer's JSON sign request becomes a sign order, or a refusal that names
 * the member. A link target of its own (eth2_api): the keeper must not contain a JSON parser.
 */
#ifndef ETH2_API_H
#define ETH2_API_H

#include "base/buffer.h"
#include "eth2/eth2_network.h"
#include "eth2/eth2_order.h"

/* Once, before a sandbox closes the file system: takes the seed of the JSON reader's hash tables from
 * /dev/urandom, so that no client can choose members that collide. */
void eth2_api_open(void);

/* What a request body may have: an execution payload of Gloas is at most 8 MiB of transactions (EIP-7934) and
 * a block access list, twice that in hex; everything else is held to the 10 MiB of Web3Signer. */
enum { ETH2_API_BODY_MAX = 32 * 1024 * 1024 };

/* Shapes in which clients sent Gloas's types before remote-signing-api 1.4 settled them. */
enum eth2_api_shape {
    ETH2_SHAPE_CURRENT,
    ETH2_SHAPE_PAYLOAD_ATTESTATION,
    ETH2_SHAPE_PAYLOAD_ATTESTATION_DATA,
    ETH2_SHAPE_REQUEST_AUTH,
    ETH2_SHAPE_BARE_PAYLOAD_ATTESTATION,
    ETH2_SHAPE_BARE_REQUEST_AUTH,
    ETH2_SHAPE_BARE_PREFERENCES,
    ETH2_SHAPE_BARE_BID,
    ETH2_SHAPE_BARE_ENVELOPE,
    ETH2_SHAPE_END
};
/* "payload_attestation_data", "bare_execution_payload_bid"; a label of metrics. */
const char *eth2_api_shape_name(enum eth2_api_shape shape);

/* Parses a whole request body. E_TOO_LARGE; E_INPUT: malformed JSON, an unknown type, or a member that is
 * missing, ill-typed, out of range or of wrong length, named by its path such as
 * "attestation.source.epoch: must be ..."; duplicate members and excessive depth too.
 * order->pubkey is left zero: it comes from the path of the request. The body is read only. */
must_check result eth2_api_parse(struct eth2_order *ret_order, const struct eth2_network *network,
                                 const char *body, size_t body_len);
/* The same, and tells the shape. */
must_check result eth2_api_parse_shape(struct eth2_order *ret_order, enum eth2_api_shape *ret_shape,
                                       const struct eth2_network *network, const char *body, size_t body_len);

/* Of one batch. Its messages are small, so most of its body is public keys. */
enum { ETH2_API_BATCH_KEYS_MAX = 8192, ETH2_API_BATCH_BODY_MAX = 2 * 1024 * 1024 };

/* The same for {"identifiers": [public key, ...], "signing_request": {...}}, the batch of pull request 29 of
 * remote-signing-api: one message for 1 to ETH2_API_BATCH_KEYS_MAX keys, each named once. Only messages in
 * which nobody is named can be signed by many; a type that is not of these is E_INPUT like every other flaw.
 * The public keys, 48 bytes each in the order of the request, are appended to out_pubkeys. */
must_check result eth2_api_parse_batch(struct eth2_order *ret_order, struct buffer *out_pubkeys,
                                       const struct eth2_network *network, const char *body, size_t body_len);

#endif
