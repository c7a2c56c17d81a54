/* eth2_containers.h - hash-tree-roots of the containers behind the sign types
 * (consensus specification: phase0, altair, capella, electra, gloas beacon-chain.md and validator.md;
 * builder-specs).
 *
 * Full phase0 and altair block bodies, payload bids and payload envelopes arrive only as JSON and are folded
 * straight into their root there (eth2_api_body.c, eth2_api_gloas.c, eth2_api_envelope.c).
 */
#ifndef ETH2_CONTAINERS_H
#define ETH2_CONTAINERS_H

#include "eth2/eth2_order.h"

enum { ETH2_PUBKEY_LEN = 48, ETH2_SIGNATURE_LEN = 96, ETH2_ADDRESS_LEN = 20 };

/* Sizes that the preset decides. */
struct eth2_sizes {
    size_t aggregation_bits_before_electra; /* MAX_VALIDATORS_PER_COMMITTEE */
    size_t aggregation_bits;                /* times MAX_COMMITTEES_PER_SLOT: the capacity since Electra */
    size_t committee_bits;                  /* MAX_COMMITTEES_PER_SLOT */
    size_t sync_committee_bits;             /* SYNC_COMMITTEE_SIZE */
    size_t contribution_bits;               /* SYNC_COMMITTEE_SIZE / SYNC_COMMITTEE_SUBNET_COUNT */
};
struct eth2_sizes eth2_preset_sizes(enum eth2_preset preset);

struct eth2_deposit_message {
    uint8_t pubkey[ETH2_PUBKEY_LEN];
    uint8_t withdrawal_credentials[32];
    uint64_t amount; /* Gwei */
};

struct eth2_validator_registration {
    uint8_t fee_recipient[ETH2_ADDRESS_LEN];
    uint64_t gas_limit;
    uint64_t timestamp;
    uint8_t pubkey[ETH2_PUBKEY_LEN];
};

/* Bit lists and vectors are turned into their roots where they are read, because only there can a wrong size
 * be named. */
struct eth2_attestation {
    uint8_t aggregation_bits_root[ETH2_ROOT_LEN];
    struct eth2_attestation_data data;
    uint8_t signature[ETH2_SIGNATURE_LEN];
    enum eth2_fork
        fork; /* the shape: since Electra with committee_bits, since Gloas a progressive container */
    uint8_t committee_bits_root[ETH2_ROOT_LEN];
};

struct eth2_aggregate_and_proof {
    uint64_t aggregator_index;
    struct eth2_attestation aggregate;
    uint8_t selection_proof[ETH2_SIGNATURE_LEN];
};

struct eth2_contribution {
    uint64_t slot;
    uint8_t beacon_block_root[ETH2_ROOT_LEN];
    uint64_t subcommittee_index;
    uint8_t aggregation_bits_root[ETH2_ROOT_LEN];
    uint8_t signature[ETH2_SIGNATURE_LEN];
};

struct eth2_contribution_and_proof {
    uint64_t aggregator_index;
    struct eth2_contribution contribution;
    uint8_t selection_proof[ETH2_SIGNATURE_LEN];
};

struct eth2_bls_to_execution_change {
    uint64_t validator_index;
    uint8_t from_bls_pubkey[ETH2_PUBKEY_LEN];
    uint8_t to_execution_address[ETH2_ADDRESS_LEN];
};

/* Gloas, as @lodestar/types 1.50 has it: the specification may still move. */
struct eth2_payload_attestation_data {
    uint8_t beacon_block_root[ETH2_ROOT_LEN];
    uint64_t slot;
    bool payload_present;
    bool blob_data_available;
};

struct eth2_proposer_preferences {
    uint8_t dependent_root[ETH2_ROOT_LEN];
    uint64_t proposal_slot;
    uint64_t validator_index;
    uint8_t fee_recipient[ETH2_ADDRESS_LEN];
    uint64_t target_gas_limit;
};

/* hash_tree_root of each container of the consensus specification; they cannot fail. */
void eth2_uint64_root(uint8_t ret_root[static 32], uint64_t value);
void eth2_checkpoint_root(uint8_t ret_root[static 32], const struct eth2_checkpoint *checkpoint);
void eth2_attestation_data_root(uint8_t ret_root[static 32], const struct eth2_attestation_data *data);
void eth2_block_header_root(uint8_t ret_root[static 32], const struct eth2_block_header *header);
void eth2_deposit_message_root(uint8_t ret_root[static 32], const struct eth2_deposit_message *deposit);
void eth2_voluntary_exit_root(uint8_t ret_root[static 32], uint64_t epoch, uint64_t validator_index);
void eth2_selection_data_root(uint8_t ret_root[static 32], uint64_t slot, uint64_t subcommittee_index);
void eth2_validator_registration_root(uint8_t ret_root[static 32],
                                      const struct eth2_validator_registration *registration);
void eth2_fork_data_root(uint8_t ret_root[static 32], const uint8_t version[static ETH2_VERSION_LEN],
                         const uint8_t genesis_validators_root[static ETH2_ROOT_LEN]);
/* SigningData: what is signed in the end. */
void eth2_signing_data_root(uint8_t ret_root[static 32], const uint8_t object_root[static 32],
                            const uint8_t domain[static 32]);
void eth2_attestation_root(uint8_t ret_root[static 32], const struct eth2_attestation *attestation);
void eth2_aggregate_and_proof_root(uint8_t ret_root[static 32],
                                   const struct eth2_aggregate_and_proof *aggregate_and_proof);
void eth2_bls_to_execution_change_root(uint8_t ret_root[static 32],
                                       const struct eth2_bls_to_execution_change *change);
void eth2_payload_attestation_data_root(uint8_t ret_root[static 32],
                                        const struct eth2_payload_attestation_data *data);
void eth2_proposer_preferences_root(uint8_t ret_root[static 32],
                                    const struct eth2_proposer_preferences *preferences);
void eth2_contribution_root(uint8_t ret_root[static 32], const struct eth2_contribution *contribution);
void eth2_contribution_and_proof_root(uint8_t ret_root[static 32],
                                      const struct eth2_contribution_and_proof *contribution_and_proof);

#endif
