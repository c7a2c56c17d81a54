/* eth2_api_parts.h - the parts of a sign request that more than one type has: from a JSON object
 * to a typed container. Private to eth2_api, and to its tests, which run them on the containers of
 * the consensus specification's vectors.
 *
 * Every function is E_INPUT naming the member's path; outputs are then undefined.
 */
#ifndef ETH2_API_PARTS_H
#define ETH2_API_PARTS_H

#include "eth2/eth2_containers.h"
#include "ssz/ssz.h"
#include "json/json.h"

must_check result eth2_api_attestation_data(struct eth2_attestation_data *ret_data,
                                            const struct json_view *object);
/* is_electra in *ret_attestation chooses the shape. */
must_check result eth2_api_attestation(struct eth2_attestation *ret_attestation,
                                       const struct json_view *object, const struct eth2_sizes *sizes);
must_check result eth2_api_aggregate_and_proof(struct eth2_aggregate_and_proof *ret_aggregate,
                                               const struct json_view *object,
                                               const struct eth2_network *network);
must_check result eth2_api_contribution(struct eth2_contribution *ret_contribution,
                                        const struct json_view *object, const struct eth2_sizes *sizes);
must_check result eth2_api_block_header(struct eth2_block_header *ret_header, const struct json_view *object);
/* A whole phase0 or altair block; its body becomes the header's body_root. */
must_check result eth2_api_block(struct eth2_block_header *ret_header, const struct json_view *object,
                                 enum eth2_fork fork, const struct eth2_sizes *sizes);

/* The root of a phase0 or altair body (eth2_api_body.c). */
must_check result eth2_api_body(uint8_t ret_root[static 32], const struct json_view *body,
                                enum eth2_fork fork, const struct eth2_sizes *sizes);

/* A member that is a bit list or bit vector: its root. */
must_check result eth2_api_bit_list(uint8_t ret_root[static 32], const struct json_view *object,
                                    const char *name, size_t max_bits);
must_check result eth2_api_bit_vector(uint8_t ret_root[static 32], const struct json_view *object,
                                      const char *name, size_t num_bits);

/* The next member of a container goes from JSON into its tree. */
must_check result eth2_api_add_u64(struct ssz_tree *tree, const struct json_view *object, const char *name);
must_check result eth2_api_add_bytes(struct ssz_tree *tree, const struct json_view *object, const char *name,
                                     size_t length);

#endif
