/* eth2_containers.c - one function a container, members in the specification's order. A table of
 * members with one generic walker would be shorter to extend and harder to check against the
 * specification by eye; there are few containers and they change once a fork.
 */
#include "eth2/eth2_containers.h"

#include <string.h>

#include "ssz/ssz.h"

struct eth2_sizes eth2_preset_sizes(enum eth2_preset preset)
{
    struct eth2_sizes sizes = {.aggregation_bits_before_electra = 2048,
                               .aggregation_bits = 131072,
                               .committee_bits = 64,
                               .sync_committee_bits = 512,
                               .contribution_bits = 128};
    switch (preset) {
    case ETH2_PRESET_MAINNET:
    case ETH2_PRESET_GNOSIS:
        break;
    case ETH2_PRESET_MINIMAL:
        sizes.aggregation_bits = 8192;
        sizes.committee_bits = 4;
        sizes.sync_committee_bits = 32;
        sizes.contribution_bits = 8;
        break;
    }
    return sizes;
}

void eth2_uint64_root(uint8_t ret_root[static 32], uint64_t value)
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_u64(&tree, value);
    ssz_tree_root(ret_root, &tree, 1);
}

void eth2_checkpoint_root(uint8_t ret_root[static 32], const struct eth2_checkpoint *checkpoint)
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_u64(&tree, checkpoint->epoch);
    ssz_add_root(&tree, checkpoint->root);
    ssz_tree_root(ret_root, &tree, 2);
}

void eth2_attestation_data_root(uint8_t ret_root[static 32], const struct eth2_attestation_data *data)
{
    struct ssz_tree tree = {.count = 0};
    uint8_t source[32], target[32];
    eth2_checkpoint_root(source, &data->source);
    eth2_checkpoint_root(target, &data->target);
    ssz_add_u64(&tree, data->slot);
    ssz_add_u64(&tree, data->index);
    ssz_add_root(&tree, data->beacon_block_root);
    ssz_add_root(&tree, source);
    ssz_add_root(&tree, target);
    ssz_tree_root(ret_root, &tree, 5);
}

void eth2_block_header_root(uint8_t ret_root[static 32], const struct eth2_block_header *header)
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_u64(&tree, header->slot);
    ssz_add_u64(&tree, header->proposer_index);
    ssz_add_root(&tree, header->parent_root);
    ssz_add_root(&tree, header->state_root);
    ssz_add_root(&tree, header->body_root);
    ssz_tree_root(ret_root, &tree, 5);
}

void eth2_deposit_message_root(uint8_t ret_root[static 32], const struct eth2_deposit_message *deposit)
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_bytes(&tree, deposit->pubkey, sizeof deposit->pubkey);
    ssz_add_root(&tree, deposit->withdrawal_credentials);
    ssz_add_u64(&tree, deposit->amount);
    ssz_tree_root(ret_root, &tree, 3);
}

void eth2_voluntary_exit_root(uint8_t ret_root[static 32], uint64_t epoch, uint64_t validator_index)
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_u64(&tree, epoch);
    ssz_add_u64(&tree, validator_index);
    ssz_tree_root(ret_root, &tree, 2);
}

void eth2_selection_data_root(uint8_t ret_root[static 32], uint64_t slot, uint64_t subcommittee_index)
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_u64(&tree, slot);
    ssz_add_u64(&tree, subcommittee_index);
    ssz_tree_root(ret_root, &tree, 2);
}

void eth2_validator_registration_root(uint8_t ret_root[static 32],
                                      const struct eth2_validator_registration *registration)
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_bytes(&tree, registration->fee_recipient, sizeof registration->fee_recipient);
    ssz_add_u64(&tree, registration->gas_limit);
    ssz_add_u64(&tree, registration->timestamp);
    ssz_add_bytes(&tree, registration->pubkey, sizeof registration->pubkey);
    ssz_tree_root(ret_root, &tree, 4);
}

void eth2_fork_data_root(uint8_t ret_root[static 32], const uint8_t version[static ETH2_VERSION_LEN],
                         const uint8_t genesis_validators_root[static ETH2_ROOT_LEN])
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_bytes(&tree, version, ETH2_VERSION_LEN);
    ssz_add_root(&tree, genesis_validators_root);
    ssz_tree_root(ret_root, &tree, 2);
}

void eth2_signing_data_root(uint8_t ret_root[static 32], const uint8_t object_root[static 32],
                            const uint8_t domain[static 32])
{
    ssz_hash_pair(ret_root, object_root, domain);
}

void eth2_attestation_root(uint8_t ret_root[static 32], const struct eth2_attestation *attestation)
{
    uint8_t members[4][SSZ_ROOT_LEN];
    memcpy(members[0], attestation->aggregation_bits_root, sizeof members[0]);
    eth2_attestation_data_root(members[1], &attestation->data);
    ssz_bytes_root(members[2], attestation->signature, sizeof attestation->signature);
    size_t num_members = attestation->fork >= ETH2_ELECTRA ? 4 : 3;
    if (num_members == 4)
        memcpy(members[3], attestation->committee_bits_root, sizeof members[3]);
    if (attestation->fork >= ETH2_GLOAS) {
        ssz_progressive_container_root(ret_root, members, num_members);
        return;
    }
    struct ssz_tree tree = {.count = 0};
    for (size_t i = 0; i < num_members; i++)
        ssz_add_root(&tree, members[i]);
    ssz_tree_root(ret_root, &tree, num_members);
}

void eth2_aggregate_and_proof_root(uint8_t ret_root[static 32],
                                   const struct eth2_aggregate_and_proof *aggregate_and_proof)
{
    uint8_t aggregate[32];
    eth2_attestation_root(aggregate, &aggregate_and_proof->aggregate);
    struct ssz_tree tree = {.count = 0};
    ssz_add_u64(&tree, aggregate_and_proof->aggregator_index);
    ssz_add_root(&tree, aggregate);
    ssz_add_bytes(&tree, aggregate_and_proof->selection_proof, sizeof aggregate_and_proof->selection_proof);
    ssz_tree_root(ret_root, &tree, 3);
}

void eth2_bls_to_execution_change_root(uint8_t ret_root[static 32],
                                       const struct eth2_bls_to_execution_change *change)
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_u64(&tree, change->validator_index);
    ssz_add_bytes(&tree, change->from_bls_pubkey, sizeof change->from_bls_pubkey);
    ssz_add_bytes(&tree, change->to_execution_address, sizeof change->to_execution_address);
    ssz_tree_root(ret_root, &tree, 3);
}

void eth2_payload_attestation_data_root(uint8_t ret_root[static 32],
                                        const struct eth2_payload_attestation_data *data)
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_root(&tree, data->beacon_block_root);
    ssz_add_u64(&tree, data->slot);
    ssz_add_u64(&tree, data->payload_present);
    ssz_add_u64(&tree, data->blob_data_available);
    ssz_tree_root(ret_root, &tree, 4);
}

void eth2_proposer_preferences_root(uint8_t ret_root[static 32],
                                    const struct eth2_proposer_preferences *preferences)
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_root(&tree, preferences->dependent_root);
    ssz_add_u64(&tree, preferences->proposal_slot);
    ssz_add_u64(&tree, preferences->validator_index);
    ssz_add_bytes(&tree, preferences->fee_recipient, sizeof preferences->fee_recipient);
    ssz_add_u64(&tree, preferences->target_gas_limit);
    ssz_tree_root(ret_root, &tree, 5);
}

void eth2_contribution_root(uint8_t ret_root[static 32], const struct eth2_contribution *contribution)
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_u64(&tree, contribution->slot);
    ssz_add_root(&tree, contribution->beacon_block_root);
    ssz_add_u64(&tree, contribution->subcommittee_index);
    ssz_add_root(&tree, contribution->aggregation_bits_root);
    ssz_add_bytes(&tree, contribution->signature, sizeof contribution->signature);
    ssz_tree_root(ret_root, &tree, 5);
}

void eth2_contribution_and_proof_root(uint8_t ret_root[static 32],
                                      const struct eth2_contribution_and_proof *contribution_and_proof)
{
    uint8_t contribution[32];
    eth2_contribution_root(contribution, &contribution_and_proof->contribution);
    struct ssz_tree tree = {.count = 0};
    ssz_add_u64(&tree, contribution_and_proof->aggregator_index);
    ssz_add_root(&tree, contribution);
    ssz_add_bytes(&tree, contribution_and_proof->selection_proof,
                  sizeof contribution_and_proof->selection_proof);
    ssz_tree_root(ret_root, &tree, 3);
}
