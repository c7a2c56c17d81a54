/* eth2_api_parts.c - see eth2_api_parts.h. */
#include "eth2/eth2_api_parts.h"

#include <strings.h>

enum { BIT_LIST_BYTES_MAX = 131072 / 8 + 1, BIT_VECTOR_BYTES_MAX = 64, BYTES_MAX = 256 /* logs_bloom */ };

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
                         size_t max_bits, enum eth2_fork fork)
{
    uint8_t bytes[BIT_LIST_BYTES_MAX];
    size_t bytes_len;
    ENSURE(max_bits / 8 + 1 <= sizeof bytes, E_INTERNAL, "bit list is larger than any preset's");
    TRY(json_get_hex_up_to(bytes, &bytes_len, max_bits / 8 + 1, object, name));
    result r = fork >= ETH2_GLOAS ? ssz_progressive_bit_list_root(ret_root, bytes, bytes_len, max_bits)
                                  : ssz_bit_list_root(ret_root, bytes, bytes_len, max_bits);
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
    enum eth2_fork fork = ret_attestation->fork;
    struct json_view data;
    TRY(eth2_api_bit_list(
        ret_attestation->aggregation_bits_root, object, "aggregation_bits",
        fork >= ETH2_ELECTRA ? sizes->aggregation_bits : sizes->aggregation_bits_before_electra, fork));
    TRY(json_get_object(&data, object, "data"));
    TRY(eth2_api_attestation_data(&ret_attestation->data, &data));
    TRY(json_get_hex(ret_attestation->signature, ETH2_SIGNATURE_LEN, object, "signature"));
    if (fork < ETH2_ELECTRA)
        return RESULT_OK;
    return eth2_api_bit_vector(ret_attestation->committee_bits_root, object, "committee_bits",
                               sizes->committee_bits);
}

result eth2_api_aggregate_and_proof(struct eth2_aggregate_and_proof *ret_aggregate,
                                    const struct json_view *object, const struct eth2_sizes *sizes)
{
    struct json_view aggregate;
    TRY(json_get_u64(&ret_aggregate->aggregator_index, object, "aggregator_index"));
    TRY(json_get_object(&aggregate, object, "aggregate"));
    TRY(eth2_api_attestation(&ret_aggregate->aggregate, &aggregate, sizes));
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

result eth2_api_version(enum eth2_fork *ret_fork, const struct json_view *object)
{
    const char *version;
    TRY(json_get_text(&version, NULL, object, "version"));
    for (enum eth2_fork fork = ETH2_PHASE0; fork < ETH2_FORK_COUNT; fork++) {
        if (strcasecmp(eth2_fork_name(fork), version) == 0) {
            *ret_fork = fork;
            return RESULT_OK;
        }
    }
    return json_blame(error_set(E_INPUT, "must be the name of a fork"), object, "version");
}

result eth2_api_version_gloas(const struct json_view *object)
{
    enum eth2_fork fork = ETH2_PHASE0;
    TRY(eth2_api_version(&fork, object));
    if (fork == ETH2_GLOAS)
        return RESULT_OK;
    return json_blame(error_set(E_INPUT, "must be GLOAS, the one fork for which we know this object"), object,
                      "version");
}

result eth2_api_version_since_gloas(const struct json_view *object)
{
    enum eth2_fork fork = ETH2_PHASE0;
    TRY(eth2_api_version(&fork, object));
    if (fork >= ETH2_GLOAS)
        return RESULT_OK;
    return json_blame(error_set(E_INPUT, "must be GLOAS or HEZE"), object, "version");
}

static must_check result member_root(uint8_t ret_root[static SSZ_ROOT_LEN], const struct json_view *object,
                                     const struct eth2_api_member *member)
{
    uint8_t bytes[BYTES_MAX];
    uint64_t value;
    ENSURE(member->length <= sizeof bytes, E_INTERNAL, "member is longer than any we sign");
    if (member->length == 0) {
        TRY(json_get_u64(&value, object, member->name));
        eth2_uint64_root(ret_root, value);
        return RESULT_OK;
    }
    TRY(json_get_hex(bytes, member->length, object, member->name));
    ssz_bytes_root(ret_root, bytes, member->length);
    return RESULT_OK;
}

result eth2_api_members(uint8_t (*roots)[SSZ_ROOT_LEN], const struct json_view *object,
                        const struct eth2_api_member *members, size_t num_members)
{
    for (size_t i = 0; i < num_members; i++) {
        if (members[i].name)
            TRY(member_root(roots[i], object, &members[i]));
    }
    return RESULT_OK;
}
