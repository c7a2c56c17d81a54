/* eth2_order.h - the sign order: all that the keeper needs to know to sign one message, in a
 * fixed number of bytes, and the signing root computed from it.
 *
 * For headers and attestations the order carries the whole object, so the slot and epochs
 * that are checked are the ones that are signed. For every other kind it carries an object
 * root, and the kind fixes the domain type: no order of another kind can yield an attester
 * or proposer signature. Bids and envelopes share the builder's domain type; no other kinds share one.
 */
#ifndef ETH2_ORDER_H
#define ETH2_ORDER_H

#include <stdint.h>

#include "base/result.h"
#include "eth2/eth2_network.h"

enum eth2_order_kind {
    ETH2_ORDER_BLOCK = 1,
    ETH2_ORDER_ATTESTATION,
    ETH2_ORDER_RANDAO_REVEAL,
    ETH2_ORDER_DEPOSIT,
    ETH2_ORDER_VOLUNTARY_EXIT,
    ETH2_ORDER_AGGREGATION_SLOT,
    ETH2_ORDER_AGGREGATE_AND_PROOF,
    ETH2_ORDER_SYNC_COMMITTEE_MESSAGE,
    ETH2_ORDER_SYNC_COMMITTEE_SELECTION_PROOF,
    ETH2_ORDER_SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF,
    ETH2_ORDER_VALIDATOR_REGISTRATION,
    ETH2_ORDER_BLS_TO_EXECUTION_CHANGE,
    ETH2_ORDER_EXECUTION_PAYLOAD_BID,
    ETH2_ORDER_EXECUTION_PAYLOAD_ENVELOPE,
    ETH2_ORDER_PAYLOAD_ATTESTATION_MESSAGE,
    ETH2_ORDER_PROPOSER_PREFERENCES,
    ETH2_ORDER_BUILDER_REQUEST_AUTH,
    ETH2_ORDER_INCLUSION_LIST,
    ETH2_ORDER_KIND_END
};

/* When in its slot a message is due, which is what is worked on first when not all can be at once:
 *   EARLY     a block and what its slot's proposer needs before it can be sent (reveal, builder's request,
 *             bid and envelope: one of each a slot), and what is due when the block has been seen, at the
 * latest a third into the slot: attestations and sync committee messages; LATE      what is due after that
 * (aggregates and contributions, payload attestations, inclusion lists), and the selection proofs for them,
 * which clients ask for a slot or an epoch ahead; WHENEVER  no slot waits for it. */
enum eth2_due { ETH2_DUE_EARLY, ETH2_DUE_LATE, ETH2_DUE_WHENEVER, ETH2_DUE_END };

struct eth2_checkpoint {
    uint64_t epoch;
    uint8_t root[ETH2_ROOT_LEN];
};

struct eth2_attestation_data {
    uint64_t slot;
    uint64_t index;
    uint8_t beacon_block_root[ETH2_ROOT_LEN];
    struct eth2_checkpoint source;
    struct eth2_checkpoint target;
};

struct eth2_block_header {
    uint64_t slot;
    uint64_t proposer_index;
    uint8_t parent_root[ETH2_ROOT_LEN];
    uint8_t state_root[ETH2_ROOT_LEN];
    uint8_t body_root[ETH2_ROOT_LEN];
};

struct eth2_fork_info {
    uint8_t previous_version[ETH2_VERSION_LEN];
    uint8_t current_version[ETH2_VERSION_LEN];
    uint64_t epoch;
    uint8_t genesis_validators_root[ETH2_ROOT_LEN];
};

struct eth2_order {
    enum eth2_order_kind kind;
    uint8_t pubkey[48];
    bool has_client_root;
    uint8_t client_root[ETH2_ROOT_LEN]; /* signing_root as sent; only ever compared */
    struct eth2_fork_info fork_info;    /* zero for registrations and builder request auths; for deposits
                                           current_version is the deposit's own genesis_fork_version */
    union {
        struct eth2_attestation_data attestation; /* ATTESTATION */
        struct eth2_block_header header;          /* BLOCK */
        struct {
            uint8_t root[ETH2_ROOT_LEN]; /* hash_tree_root of the object */
            uint64_t epoch; /* chooses the fork version: of the message's slot, or as the type says */
        } object;           /* every other kind */
    } of;
};

/* compute_fork_data_root and compute_domain of the consensus specification. */
must_check result eth2_domain(uint8_t ret_domain[static 32], const uint8_t domain_type[static 4],
                              const uint8_t fork_version[static ETH2_VERSION_LEN],
                              const uint8_t genesis_validators_root[static ETH2_ROOT_LEN]);

/* The signing root of an order on this network: object root, domain (EIP-7044 for exits),
 * SigningData. It does not compare client_root. E_INPUT for a kind that does not exist. */
must_check result eth2_order_signing_root(uint8_t ret_root[static ETH2_ROOT_LEN],
                                          const struct eth2_network *network, const struct eth2_order *order);

/* What signing roots were lately made of: the order's whole AttestationData, of which all validators of a
 * slot have the same, and all that a domain depends on. What is compared is the bytes that are hashed, all of
 * them, so that a root which is remembered is the one that would be computed. All zero at the start. */
enum { ETH2_ORDER_MEMORY_LEN = 8 };

struct eth2_domain_inputs {
    uint8_t type[4];
    uint8_t version[ETH2_VERSION_LEN];
    uint8_t genesis_validators_root[ETH2_ROOT_LEN];
};

struct eth2_order_memory {
    struct {
        struct eth2_domain_inputs inputs;
        uint8_t domain[32];
    } domains[ETH2_ORDER_MEMORY_LEN];
    struct {
        uint8_t domain[32];
        struct eth2_attestation_data data;
        uint8_t root[ETH2_ROOT_LEN];
    } attestations[ETH2_ORDER_MEMORY_LEN];
    size_t num_domains, num_attestations; /* kept so far; the oldest go first */
};

/* As eth2_order_signing_root, of which the result is the same. */
must_check result eth2_order_recall_root(uint8_t ret_root[static ETH2_ROOT_LEN],
                                         struct eth2_order_memory *memory, const struct eth2_network *network,
                                         const struct eth2_order *order);

/* WHENEVER for a kind that does not exist. */
enum eth2_due eth2_order_due(enum eth2_order_kind kind);

/* "ATTESTATION" and so on; "?" for a kind that does not exist. */
const char *eth2_order_kind_name(enum eth2_order_kind kind);

#endif
