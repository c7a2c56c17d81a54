/* eth2_order.c - from an order to its signing root. The tables and the three exceptions (exits,
 * deposits, registrations) below are all there is to domains; facts behind them: the consensus
 * specification's compute_domain and get_domain, EIP-7044, builder-specs.
 */
#include "eth2/eth2_order.h"

#include <string.h>

#include "eth2/eth2_containers.h"

static const uint8_t zero_root[ETH2_ROOT_LEN];

struct kind_row {
    const char *name;
    uint8_t domain_type[4];
};

static const struct kind_row kinds[ETH2_ORDER_KIND_END] = {
    [ETH2_ORDER_BLOCK] = {"BLOCK", {0, 0, 0, 0}},
    [ETH2_ORDER_ATTESTATION] = {"ATTESTATION", {1, 0, 0, 0}},
    [ETH2_ORDER_RANDAO_REVEAL] = {"RANDAO_REVEAL", {2, 0, 0, 0}},
    [ETH2_ORDER_DEPOSIT] = {"DEPOSIT", {3, 0, 0, 0}},
    [ETH2_ORDER_VOLUNTARY_EXIT] = {"VOLUNTARY_EXIT", {4, 0, 0, 0}},
    [ETH2_ORDER_AGGREGATION_SLOT] = {"AGGREGATION_SLOT", {5, 0, 0, 0}},
    [ETH2_ORDER_AGGREGATE_AND_PROOF] = {"AGGREGATE_AND_PROOF", {6, 0, 0, 0}},
    [ETH2_ORDER_SYNC_COMMITTEE_MESSAGE] = {"SYNC_COMMITTEE_MESSAGE", {7, 0, 0, 0}},
    [ETH2_ORDER_SYNC_COMMITTEE_SELECTION_PROOF] = {"SYNC_COMMITTEE_SELECTION_PROOF", {8, 0, 0, 0}},
    [ETH2_ORDER_SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF] = {"SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF",
                                                          {9, 0, 0, 0}},
    [ETH2_ORDER_VALIDATOR_REGISTRATION] = {"VALIDATOR_REGISTRATION", {0, 0, 0, 1}},
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

static const uint8_t *order_version(const struct eth2_network *network, const struct eth2_order *order)
{
    uint64_t epoch = order_epoch(network, order);
    uint64_t deneb = network->fork_epoch[ETH2_DENEB];
    if (order->kind == ETH2_ORDER_VALIDATOR_REGISTRATION)
        return network->fork_version[ETH2_PHASE0];
    if (order->kind == ETH2_ORDER_DEPOSIT)
        return order->fork_info.current_version;
    /* EIP-7044: an exit signed once stays valid for ever, because its version is Capella's for ever. */
    if (order->kind == ETH2_ORDER_VOLUNTARY_EXIT && deneb != ETH2_FAR_FUTURE && epoch >= deneb)
        return network->fork_version[ETH2_CAPELLA];
    return epoch < order->fork_info.epoch ? order->fork_info.previous_version
                                          : order->fork_info.current_version;
}

static const uint8_t *order_genesis(const struct eth2_order *order)
{
    /* Deposits and registrations are valid whatever the genesis. */
    bool any_genesis = order->kind == ETH2_ORDER_DEPOSIT || order->kind == ETH2_ORDER_VALIDATOR_REGISTRATION;
    return any_genesis ? zero_root : order->fork_info.genesis_validators_root;
}

result eth2_order_signing_root(uint8_t ret_root[static ETH2_ROOT_LEN], const struct eth2_network *network,
                               const struct eth2_order *order)
{
    const struct kind_row *row = kind_row(order->kind);
    ENSURE(row, E_INPUT, "no such kind of order");
    uint8_t object[32], domain[32];
    if (order->kind == ETH2_ORDER_BLOCK)
        eth2_block_header_root(object, &order->of.header);
    else if (order->kind == ETH2_ORDER_ATTESTATION)
        eth2_attestation_data_root(object, &order->of.attestation);
    else
        memcpy(object, order->of.object.root, sizeof object);
    TRY(eth2_domain(domain, row->domain_type, order_version(network, order), order_genesis(order)));
    eth2_signing_data_root(ret_root, object, domain);
    return RESULT_OK;
}
