/* eth2_api_parts.c - see eth2_api_parts.h. */
#include "eth2/eth2_api_parts.h"

enum { BIT_LIST_BYTES_MAX = 131072 / 8 + 1, BIT_VECTOR_BYTES_MAX = 64, BYTES_MAX = ETH2_SIGNATURE_LEN };

static must_check result checkpoint(struct eth2_checkpoint *ret_checkpoint, const struct json_view *parent,
                                    const char *name)
{
    struct json_view object;
    TRY(json_get_object(&object, parent, name));
    TRY(json_get_u64(&ret_checkpoint->epoch, &object, "epoch"));
    return json_get_hex(ret_checkpoint->root, ETH2_ROOT_LEN, &object, "root");
}

result eth2_api_attestation_data(struct eth2_attestation_data *ret_data, const struct json_view *object)
{
    TRY(json_get_u64(&ret_data->slot, object, "slot"));
    TRY(json_get_u64(&ret_data->index, object, "index"));
    TRY(json_get_hex(ret_data->beacon_block_root, ETH2_ROOT_LEN, object, "beacon_block_root"));
    TRY(checkpoint(&ret_data->source, object, "source"));
    return checkpoint(&ret_data->target, object, "target");
}

result eth2_api_bit_list(uint8_t ret_root[static 32], const struct json_view *object, const char *name,
                         size_t max_bits)
{
    uint8_t bytes[BIT_LIST_BYTES_MAX];
    size_t bytes_len;
    ENSURE(max_bits / 8 + 1 <= sizeof bytes, E_INTERNAL, "bit list is larger than any preset's");
    TRY(json_get_hex_up_to(bytes, &bytes_len, max_bits / 8 + 1, object, name));
    result r = ssz_bit_list_root(ret_root, bytes, bytes_len, max_bits);
    return r.code ? json_blame(r, object, name) : r;
}

result eth2_api_bit_vector(uint8_t ret_root[static 32], const struct json_view *object, const char *name,
                           size_t num_bits)
{
    uint8_t bytes[BIT_VECTOR_BYTES_MAX];
    ENSURE((num_bits + 7) / 8 <= sizeof bytes, E_INTERNAL, "bit vector is larger than any preset's");
    TRY(json_get_hex(bytes, (num_bits + 7) / 8, object, name));
    result r = ssz_bit_vector_root(ret_root, bytes, num_bits);
    return r.code ? json_blame(r, object, name) : r;
}

result eth2_api_attestation(struct eth2_attestation *ret_attestation, const struct json_view *object,
                            const struct eth2_sizes *sizes)
{
    bool is_electra = ret_attestation->is_electra;
    struct json_view data;
    TRY(eth2_api_bit_list(ret_attestation->aggregation_bits_root, object, "aggregation_bits",
                          is_electra ? sizes->aggregation_bits : sizes->aggregation_bits_before_electra));
    TRY(json_get_object(&data, object, "data"));
    TRY(eth2_api_attestation_data(&ret_attestation->data, &data));
    TRY(json_get_hex(ret_attestation->signature, ETH2_SIGNATURE_LEN, object, "signature"));
    if (!is_electra)
        return RESULT_OK;
    return eth2_api_bit_vector(ret_attestation->committee_bits_root, object, "committee_bits",
                               sizes->committee_bits);
}

/* The shape of an aggregate depends on its slot, which has to be known before. */
static must_check result aggregate_is_electra(bool *ret_is_electra, const struct json_view *aggregate,
                                              const struct eth2_network *network)
{
    struct json_view data;
    uint64_t slot;
    TRY(json_get_object(&data, aggregate, "data"));
    TRY(json_get_u64(&slot, &data, "slot"));
    *ret_is_electra = eth2_fork_at(network, eth2_epoch_of_slot(network, slot)) >= ETH2_ELECTRA;
    return RESULT_OK;
}

result eth2_api_aggregate_and_proof(struct eth2_aggregate_and_proof *ret_aggregate,
                                    const struct json_view *object, const struct eth2_network *network)
{
    struct eth2_sizes sizes = eth2_preset_sizes(network->preset);
    struct json_view aggregate;
    TRY(json_get_u64(&ret_aggregate->aggregator_index, object, "aggregator_index"));
    TRY(json_get_object(&aggregate, object, "aggregate"));
    TRY(aggregate_is_electra(&ret_aggregate->aggregate.is_electra, &aggregate, network));
    TRY(eth2_api_attestation(&ret_aggregate->aggregate, &aggregate, &sizes));
    return json_get_hex(ret_aggregate->selection_proof, ETH2_SIGNATURE_LEN, object, "selection_proof");
}

result eth2_api_contribution(struct eth2_contribution *ret_contribution, const struct json_view *object,
                             const struct eth2_sizes *sizes)
{
    TRY(json_get_u64(&ret_contribution->slot, object, "slot"));
    TRY(json_get_hex(ret_contribution->beacon_block_root, ETH2_ROOT_LEN, object, "beacon_block_root"));
    TRY(json_get_u64(&ret_contribution->subcommittee_index, object, "subcommittee_index"));
    TRY(eth2_api_bit_vector(ret_contribution->aggregation_bits_root, object, "aggregation_bits",
                            sizes->contribution_bits));
    return json_get_hex(ret_contribution->signature, ETH2_SIGNATURE_LEN, object, "signature");
}

/* The members that a block and its header share. */
static must_check result block_start(struct eth2_block_header *ret_header, const struct json_view *object)
{
    TRY(json_get_u64(&ret_header->slot, object, "slot"));
    TRY(json_get_u64(&ret_header->proposer_index, object, "proposer_index"));
    TRY(json_get_hex(ret_header->parent_root, ETH2_ROOT_LEN, object, "parent_root"));
    return json_get_hex(ret_header->state_root, ETH2_ROOT_LEN, object, "state_root");
}

result eth2_api_block_header(struct eth2_block_header *ret_header, const struct json_view *object)
{
    TRY(block_start(ret_header, object));
    return json_get_hex(ret_header->body_root, ETH2_ROOT_LEN, object, "body_root");
}

result eth2_api_block(struct eth2_block_header *ret_header, const struct json_view *object,
                      enum eth2_fork fork, const struct eth2_sizes *sizes)
{
    struct json_view body;
    TRY(block_start(ret_header, object));
    TRY(json_get_object(&body, object, "body"));
    return eth2_api_body(ret_header->body_root, &body, fork, sizes);
}

result eth2_api_add_u64(struct ssz_tree *tree, const struct json_view *object, const char *name)
{
    uint64_t value;
    TRY(json_get_u64(&value, object, name));
    ssz_add_u64(tree, value);
    return RESULT_OK;
}

result eth2_api_add_bytes(struct ssz_tree *tree, const struct json_view *object, const char *name,
                          size_t length)
{
    uint8_t bytes[BYTES_MAX];
    ENSURE(length <= sizeof bytes, E_INTERNAL, "member is longer than any we sign");
    TRY(json_get_hex(bytes, length, object, name));
    ssz_add_bytes(tree, bytes, length);
    return RESULT_OK;
}
