/* eth2_api_parts.h - the parts of a sign request that more than one type has: from a JSON object
 * to a typed container. Private to eth2_api, and to its tests, which run them on the containers of
 * the consensus specification's vectors.
 *
 * Every function is E_INPUT naming the member's path; outputs are then undefined.
 */
#ifndef ETH2_API_PARTS_H
#define ETH2_API_PARTS_H

#include "eth2/eth2_api.h"
#include "eth2/eth2_containers.h"
#include "eth2/eth2_network.h"
#include "ssz/ssz.h"
#include "json/json.h"

struct eth2_api_request {
    struct json_view top;
    const struct eth2_network *network;
    const struct eth2_api_envelope
        *envelope; /* of an envelope, which is read apart from the rest; else NULL */
};

/* eth2_api.c: a request whose members have been read, without envelope, becomes an order; only a type that
 * many keys can sign for. */
must_check result eth2_api_take_for_many(struct eth2_order *ret_order,
                                         const struct eth2_api_request *request);

/* Of a good request (eth2_api_shape.c). */
enum eth2_api_shape eth2_api_shape_of(const struct eth2_api_request *request, enum eth2_order_kind kind);

/* The payload of one type of request becomes the object of an order whose kind is set already. */
typedef result eth2_api_take(struct eth2_order *order, const struct eth2_api_request *request);
/* eth2_api_gloas.c: the types of remote-signing-api 1.4, wrapped as there or bare as clients sent them
 * before. */
eth2_api_take eth2_api_take_bid, eth2_api_take_envelope, eth2_api_take_payload_attestation,
    eth2_api_take_preferences, eth2_api_take_request_auth;
/* eth2_api_heze.c */
eth2_api_take eth2_api_take_inclusion_list;

/* The member version: a fork by its name, in any case. */
must_check result eth2_api_version(enum eth2_fork *ret_fork, const struct json_view *object);
/* Nothing but GLOAS: a bid of Heze has another member. */
must_check result eth2_api_version_gloas(const struct json_view *object);
/* The objects that Heze leaves as they are (@lodestar/types 1.50). */
must_check result eth2_api_version_since_gloas(const struct json_view *object);

/* eth2_api_envelope.c: what is left of a request for an envelope when it was read once, front to back, with
 * memory for the parts only: a payload can have tens of megabytes. */
struct eth2_api_envelope {
    json_t *rest; /* the request without the envelope; the caller owns it */
    bool is_bare; /* not in {version, data} */
    uint8_t root[ETH2_ROOT_LEN];
    uint64_t slot;
};
must_check result eth2_api_envelope_read(struct eth2_api_envelope *ret_envelope, const char *text,
                                         size_t text_len);

must_check result eth2_api_attestation_data(struct eth2_attestation_data *ret_data,
                                            const struct json_view *object);
/* fork in *ret_attestation chooses the shape. */
must_check result eth2_api_attestation(struct eth2_attestation *ret_attestation,
                                       const struct json_view *object, const struct eth2_sizes *sizes);
/* aggregate.fork in *ret_aggregate chooses the shape. */
must_check result eth2_api_aggregate_and_proof(struct eth2_aggregate_and_proof *ret_aggregate,
                                               const struct json_view *object,
                                               const struct eth2_sizes *sizes);
must_check result eth2_api_contribution(struct eth2_contribution *ret_contribution,
                                        const struct json_view *object, const struct eth2_sizes *sizes);
must_check result eth2_api_block_header(struct eth2_block_header *ret_header, const struct json_view *object);
/* A whole phase0 or altair block; its body becomes the header's body_root. */
must_check result eth2_api_block(struct eth2_block_header *ret_header, const struct json_view *object,
                                 enum eth2_fork fork, const struct eth2_sizes *sizes);

/* The root of a phase0 or altair body (eth2_api_body.c). */
must_check result eth2_api_body(uint8_t ret_root[static 32], const struct json_view *body,
                                enum eth2_fork fork, const struct eth2_sizes *sizes);

/* A member that is a bit list or bit vector: its root. A bit list is progressive since Gloas. */
must_check result eth2_api_bit_list(uint8_t ret_root[static 32], const struct json_view *object,
                                    const char *name, size_t max_bits, enum eth2_fork fork);
must_check result eth2_api_bit_vector(uint8_t ret_root[static 32], const struct json_view *object,
                                      const char *name, size_t num_bits);

/* A member of fixed size: length bytes of hex, or with length 0 a number. Without a name: of another kind. */
struct eth2_api_member {
    const char *name;
    size_t length;
};

/* The roots of all such members; those of the others stay as they are. */
must_check result eth2_api_members(uint8_t (*roots)[SSZ_ROOT_LEN], const struct json_view *object,
                                   const struct eth2_api_member *members, size_t num_members);

/* The next member of a container goes from JSON into its tree. */
must_check result eth2_api_add_u64(struct ssz_tree *tree, const struct json_view *object, const char *name);
must_check result eth2_api_add_bytes(struct ssz_tree *tree, const struct json_view *object, const char *name,
                                     size_t length);

#endif
