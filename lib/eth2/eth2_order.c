/* eth2_order.c - from an order to its signing root, computed or remembered. The table and the few exceptions
 * (exits, deposits, changes of withdrawal credentials, what builder-specs define) below are all there is to
 * domains; facts behind them: the consensus specification's compute_domain and get_domain, EIP-7044,
 * builder-specs.
 */
#include "eth2/eth2_order.h"

#include <string.h>

#include "eth2/eth2_containers.h"

static const uint8_t zero_root[ETH2_ROOT_LEN];

struct kind_row {
    const char *name;
    uint8_t domain_type[4];
    enum eth2_due due;
};

static const struct kind_row kinds[ETH2_ORDER_KIND_END] = {
    [ETH2_ORDER_BLOCK] = {"BLOCK", {0, 0, 0, 0}, ETH2_DUE_EARLY},
    [ETH2_ORDER_ATTESTATION] = {"ATTESTATION", {1, 0, 0, 0}, ETH2_DUE_EARLY},
    [ETH2_ORDER_RANDAO_REVEAL] = {"RANDAO_REVEAL", {2, 0, 0, 0}, ETH2_DUE_EARLY},
    [ETH2_ORDER_DEPOSIT] = {"DEPOSIT", {3, 0, 0, 0}, ETH2_DUE_WHENEVER},
    [ETH2_ORDER_VOLUNTARY_EXIT] = {"VOLUNTARY_EXIT", {4, 0, 0, 0}, ETH2_DUE_WHENEVER},
    [ETH2_ORDER_AGGREGATION_SLOT] = {"AGGREGATION_SLOT", {5, 0, 0, 0}, ETH2_DUE_LATE},
    [ETH2_ORDER_AGGREGATE_AND_PROOF] = {"AGGREGATE_AND_PROOF", {6, 0, 0, 0}, ETH2_DUE_LATE},
    [ETH2_ORDER_SYNC_COMMITTEE_MESSAGE] = {"SYNC_COMMITTEE_MESSAGE", {7, 0, 0, 0}, ETH2_DUE_EARLY},
    [ETH2_ORDER_SYNC_COMMITTEE_SELECTION_PROOF] = {"SYNC_COMMITTEE_SELECTION_PROOF",
                                                   {8, 0, 0, 0},
                                                   ETH2_DUE_LATE},
    [ETH2_ORDER_SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF] = {"SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF",
                                                          {9, 0, 0, 0},
                                                          ETH2_DUE_LATE},
    [ETH2_ORDER_VALIDATOR_REGISTRATION] = {"VALIDATOR_REGISTRATION", {0, 0, 0, 1}, ETH2_DUE_WHENEVER},
    [ETH2_ORDER_BLS_TO_EXECUTION_CHANGE] = {"BLS_TO_EXECUTION_CHANGE", {0x0a, 0, 0, 0}, ETH2_DUE_WHENEVER},
    [ETH2_ORDER_EXECUTION_PAYLOAD_BID] = {"EXECUTION_PAYLOAD_BID", {0x0b, 0, 0, 0}, ETH2_DUE_EARLY},
    [ETH2_ORDER_EXECUTION_PAYLOAD_ENVELOPE] = {"EXECUTION_PAYLOAD_ENVELOPE", {0x0b, 0, 0, 0}, ETH2_DUE_EARLY},
    [ETH2_ORDER_PAYLOAD_ATTESTATION_MESSAGE] = {"PAYLOAD_ATTESTATION_MESSAGE",
                                                {0x0c, 0, 0, 0},
                                                ETH2_DUE_LATE},
    [ETH2_ORDER_PROPOSER_PREFERENCES] = {"PROPOSER_PREFERENCES", {0x0d, 0, 0, 0}, ETH2_DUE_WHENEVER},
    [ETH2_ORDER_BUILDER_REQUEST_AUTH] = {"BUILDER_REQUEST_AUTH", {0x0b, 0, 0, 1}, ETH2_DUE_EARLY},
    [ETH2_ORDER_INCLUSION_LIST] = {"INCLUSION_LIST", {0x10, 0, 0, 0}, ETH2_DUE_LATE},
};

static const struct kind_row *kind_row(enum eth2_order_kind kind)
{
    return (unsigned)kind < ETH2_ORDER_KIND_END && kinds[kind].name ? &kinds[kind] : NULL;
}

const char *eth2_order_kind_name(enum eth2_order_kind kind)
{
    const struct kind_row *row = kind_row(kind);
    return row ? row->name : "?";
}

enum eth2_due eth2_order_due(enum eth2_order_kind kind)
{
    const struct kind_row *row = kind_row(kind);
    return row ? row->due : ETH2_DUE_WHENEVER;
}

result eth2_domain(uint8_t ret_domain[static 32], const uint8_t domain_type[static 4],
                   const uint8_t fork_version[static ETH2_VERSION_LEN],
                   const uint8_t genesis_validators_root[static ETH2_ROOT_LEN])
{
    uint8_t fork_data[32];
    eth2_fork_data_root(fork_data, fork_version, genesis_validators_root);
    memcpy(ret_domain, domain_type, 4);
    memcpy(ret_domain + 4, fork_data, 28);
    return RESULT_OK;
}

/* The epoch that chooses the fork version. */
static uint64_t order_epoch(const struct eth2_network *network, const struct eth2_order *order)
{
    if (order->kind == ETH2_ORDER_BLOCK)
        return eth2_epoch_of_slot(network, order->of.header.slot);
    if (order->kind == ETH2_ORDER_ATTESTATION)
        return order->of.attestation.target.epoch;
    return order->of.object.epoch;
}

/* EIP-7044: an exit signed once stays valid for ever, because its version is Capella's for ever. That of an
 * exit within Capella is the same by the ordinary rule; what the client's fork_info says is then no matter
 * either. */
static bool is_capella_exit(const struct eth2_network *network, const struct eth2_order *order)
{
    return order->kind == ETH2_ORDER_VOLUNTARY_EXIT && network->fork_epoch[ETH2_DENEB] != ETH2_FAR_FUTURE &&
           order->of.object.epoch >= network->fork_epoch[ETH2_CAPELLA];
}

/* What builder-specs define is signed for the network's first fork and no genesis. */
static bool is_for_builders(const struct eth2_order *order)
{
    return order->kind == ETH2_ORDER_VALIDATOR_REGISTRATION || order->kind == ETH2_ORDER_BUILDER_REQUEST_AUTH;
}

static const uint8_t *order_version(const struct eth2_network *network, const struct eth2_order *order)
{
    /* A change of withdrawal credentials is valid in every fork, and so of the first. */
    if (is_for_builders(order) || order->kind == ETH2_ORDER_BLS_TO_EXECUTION_CHANGE)
        return network->fork_version[ETH2_PHASE0];
    if (order->kind == ETH2_ORDER_DEPOSIT)
        return order->fork_info.current_version;
    if (is_capella_exit(network, order))
        return network->fork_version[ETH2_CAPELLA];
    return order_epoch(network, order) < order->fork_info.epoch ? order->fork_info.previous_version
                                                                : order->fork_info.current_version;
}

static const uint8_t *order_genesis(const struct eth2_order *order)
{
    /* Deposits are valid whatever the genesis, too. */
    bool any_genesis = order->kind == ETH2_ORDER_DEPOSIT || is_for_builders(order);
    return any_genesis ? zero_root : order->fork_info.genesis_validators_root;
}

static must_check result domain_inputs(struct eth2_domain_inputs *ret_inputs,
                                       const struct eth2_network *network, const struct eth2_order *order)
{
    const struct kind_row *row = kind_row(order->kind);
    ENSURE(row, E_INPUT, "no such kind of order");
    memcpy(ret_inputs->type, row->domain_type, sizeof ret_inputs->type);
    memcpy(ret_inputs->version, order_version(network, order), sizeof ret_inputs->version);
    memcpy(ret_inputs->genesis_validators_root, order_genesis(order),
           sizeof ret_inputs->genesis_validators_root);
    return RESULT_OK;
}

static void object_root(uint8_t ret_root[static ETH2_ROOT_LEN], const struct eth2_order *order)
{
    if (order->kind == ETH2_ORDER_BLOCK)
        eth2_block_header_root(ret_root, &order->of.header);
    else if (order->kind == ETH2_ORDER_ATTESTATION)
        eth2_attestation_data_root(ret_root, &order->of.attestation);
    else
        memcpy(ret_root, order->of.object.root, ETH2_ROOT_LEN);
}

result eth2_order_signing_root(uint8_t ret_root[static ETH2_ROOT_LEN], const struct eth2_network *network,
                               const struct eth2_order *order)
{
    struct eth2_domain_inputs inputs;
    uint8_t object[32], domain[32];
    TRY(domain_inputs(&inputs, network, order));
    TRY(eth2_domain(domain, inputs.type, inputs.version, inputs.genesis_validators_root));
    object_root(object, order);
    eth2_signing_data_root(ret_root, object, domain);
    return RESULT_OK;
}

/* Without padding, so that bytes can be compared. */
_Static_assert(sizeof(struct eth2_domain_inputs) == 4 + ETH2_VERSION_LEN + ETH2_ROOT_LEN,
               "inputs of a domain");
_Static_assert(sizeof(struct eth2_attestation_data) == 4 * 8 + 3 * ETH2_ROOT_LEN, "AttestationData");

static size_t num_kept(size_t num_ever)
{
    return num_ever < ETH2_ORDER_MEMORY_LEN ? num_ever : ETH2_ORDER_MEMORY_LEN;
}

static must_check result recall_domain(uint8_t ret_domain[static 32], struct eth2_order_memory *memory,
                                       const struct eth2_domain_inputs *inputs)
{
    for (size_t i = 0; i < num_kept(memory->num_domains); i++) {
        if (memcmp(&memory->domains[i].inputs, inputs, sizeof *inputs) == 0) {
            memcpy(ret_domain, memory->domains[i].domain, 32);
            return RESULT_OK;
        }
    }
    TRY(eth2_domain(ret_domain, inputs->type, inputs->version, inputs->genesis_validators_root));
    size_t place = memory->num_domains++ % ETH2_ORDER_MEMORY_LEN;
    memory->domains[place].inputs = *inputs;
    memcpy(memory->domains[place].domain, ret_domain, 32);
    return RESULT_OK;
}

static void recall_attestation(uint8_t ret_root[static ETH2_ROOT_LEN], struct eth2_order_memory *memory,
                               const uint8_t domain[static 32], const struct eth2_attestation_data *data)
{
    uint8_t object[32];
    for (size_t i = 0; i < num_kept(memory->num_attestations); i++) {
        if (memcmp(&memory->attestations[i].data, data, sizeof *data) == 0 &&
            memcmp(memory->attestations[i].domain, domain, 32) == 0) {
            memcpy(ret_root, memory->attestations[i].root, ETH2_ROOT_LEN);
            return;
        }
    }
    eth2_attestation_data_root(object, data);
    eth2_signing_data_root(ret_root, object, domain);
    size_t place = memory->num_attestations++ % ETH2_ORDER_MEMORY_LEN;
    memory->attestations[place].data = *data;
    memcpy(memory->attestations[place].domain, domain, 32);
    memcpy(memory->attestations[place].root, ret_root, ETH2_ROOT_LEN);
}

result eth2_order_recall_root(uint8_t ret_root[static ETH2_ROOT_LEN], struct eth2_order_memory *memory,
                              const struct eth2_network *network, const struct eth2_order *order)
{
    struct eth2_domain_inputs inputs;
    uint8_t object[32], domain[32];
    TRY(domain_inputs(&inputs, network, order));
    TRY(recall_domain(domain, memory, &inputs));
    if (order->kind == ETH2_ORDER_ATTESTATION) {
        recall_attestation(ret_root, memory, domain, &order->of.attestation);
        return RESULT_OK;
    }
    object_root(object, order);
    eth2_signing_data_root(ret_root, object, domain);
    return RESULT_OK;
}
