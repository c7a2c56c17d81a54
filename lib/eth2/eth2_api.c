/* eth2_api.c - a sign request of Web3Signer's API becomes one typed order; nothing is decided here.
 *
 * Stricter than the original, on purpose: a missing member is a refusal naming it and not a null,
 * short 32-byte values are refused and not padded, duplicates are refused. As lenient where
 * clients differ: upper and lower case of type and versions, signingRoot and signing_root, numbers
 * quoted or not, surplus members (Nimbus's proofs, SSV's fork_info), aggregates bare or wrapped.
 *
 * The fork versions of a message come from the request. The configured network decides what a
 * request cannot be trusted to know, or does not say: the shape of aggregates without a version and whether
 * sync committees exist.
 */
#include "eth2/eth2_api.h"

#include <string.h>
#include <strings.h>

#include "eth2/eth2_api_parts.h"
#include "json/json_stream.h"

/* As Web3Signer's body limit; values: a full phase0 block has about 20,000. Up to SMALL_MAX a body is read
 * before its type is known. */
enum { DOCUMENT_MAX = 10 * 1024 * 1024, VALUES_MAX = 65536, SMALL_MAX = 64 * 1024, TYPE_MAX = 256 };

static uint64_t epoch_of(const struct eth2_api_request *request, uint64_t slot)
{
    return eth2_epoch_of_slot(request->network, slot);
}

static must_check result take_attestation(struct eth2_order *order, const struct eth2_api_request *request)
{
    struct json_view payload;
    TRY(json_get_object(&payload, &request->top, "attestation"));
    return eth2_api_attestation_data(&order->of.attestation, &payload);
}

/* A whole block must be of the fork that the schedule has at its slot: that decides its shape. */
static must_check result take_whole_block(struct eth2_order *order, const struct eth2_api_request *request,
                                          const struct json_view *block, enum eth2_fork fork)
{
    struct eth2_sizes sizes = eth2_preset_sizes(request->network->preset);
    TRY(eth2_api_block(&order->of.header, block, fork, &sizes));
    enum eth2_fork scheduled = eth2_fork_at(request->network, epoch_of(request, order->of.header.slot));
    if (scheduled != fork)
        return json_blame(error_set(E_INPUT, "is in %s by this network's schedule, but the block is of %s",
                                    eth2_fork_name(scheduled), eth2_fork_name(fork)),
                          block, "slot");
    return RESULT_OK;
}

static must_check result take_block(struct eth2_order *order, const struct eth2_api_request *request)
{
    struct json_view block;
    TRY(json_get_object(&block, &request->top, "block"));
    return take_whole_block(order, request, &block, ETH2_PHASE0);
}

static must_check result take_block_v2(struct eth2_order *order, const struct eth2_api_request *request)
{
    struct json_view wrapper, block;
    enum eth2_fork fork;
    TRY(json_get_object(&wrapper, &request->top, "beacon_block"));
    TRY(eth2_api_version(&fork, &wrapper));
    if (fork < ETH2_BELLATRIX) {
        TRY(json_get_object(&block, &wrapper, "block"));
        return take_whole_block(order, request, &block, fork);
    }
    /* A header is the same in every fork since, Gloas and Heze included. */
    TRY(json_get_object(&block, &wrapper, "block_header"));
    return eth2_api_block_header(&order->of.header, &block);
}

static must_check result take_randao_reveal(struct eth2_order *order, const struct eth2_api_request *request)
{
    struct json_view payload;
    TRY(json_get_object(&payload, &request->top, "randao_reveal"));
    TRY(json_get_u64(&order->of.object.epoch, &payload, "epoch"));
    eth2_uint64_root(order->of.object.root, order->of.object.epoch);
    return RESULT_OK;
}

static must_check result take_deposit(struct eth2_order *order, const struct eth2_api_request *request)
{
    struct json_view payload;
    struct eth2_deposit_message deposit;
    TRY(json_get_object(&payload, &request->top, "deposit"));
    TRY(json_get_hex(deposit.pubkey, sizeof deposit.pubkey, &payload, "pubkey"));
    TRY(json_get_hex(deposit.withdrawal_credentials, 32, &payload, "withdrawal_credentials"));
    TRY(json_get_u64(&deposit.amount, &payload, "amount"));
    TRY(json_get_hex(order->fork_info.current_version, ETH2_VERSION_LEN, &payload, "genesis_fork_version"));
    eth2_deposit_message_root(order->of.object.root, &deposit);
    return RESULT_OK;
}

static must_check result take_voluntary_exit(struct eth2_order *order, const struct eth2_api_request *request)
{
    struct json_view payload;
    uint64_t validator_index;
    TRY(json_get_object(&payload, &request->top, "voluntary_exit"));
    TRY(json_get_u64(&order->of.object.epoch, &payload, "epoch"));
    TRY(json_get_u64(&validator_index, &payload, "validator_index"));
    eth2_voluntary_exit_root(order->of.object.root, order->of.object.epoch, validator_index);
    return RESULT_OK;
}

static must_check result take_aggregation_slot(struct eth2_order *order,
                                               const struct eth2_api_request *request)
{
    struct json_view payload;
    uint64_t slot;
    TRY(json_get_object(&payload, &request->top, "aggregation_slot"));
    TRY(json_get_u64(&slot, &payload, "slot"));
    order->of.object.epoch = epoch_of(request, slot);
    eth2_uint64_root(order->of.object.root, slot);
    return RESULT_OK;
}

/* The fork of a bare aggregate: that of its slot, by the network's schedule. */
static must_check result scheduled_fork(enum eth2_fork *ret_fork, const struct json_view *object,
                                        const struct eth2_api_request *request)
{
    struct json_view aggregate, data;
    uint64_t slot;
    TRY(json_get_object(&aggregate, object, "aggregate"));
    TRY(json_get_object(&data, &aggregate, "data"));
    TRY(json_get_u64(&slot, &data, "slot"));
    *ret_fork = eth2_fork_at(request->network, epoch_of(request, slot));
    return RESULT_OK;
}

/* Bare {aggregator_index, aggregate, selection_proof}, or that inside {version, data}; both type names take
 * both. The same JSON has one root in Electra and Fulu, another in Gloas: a version that is given decides, so
 * that a fork which this network's schedule does not know yet is signed right. Heze is as Gloas. */
static must_check result take_aggregate_and_proof(struct eth2_order *order,
                                                  const struct eth2_api_request *request)
{
    struct json_view payload, wrapped;
    struct eth2_aggregate_and_proof aggregate;
    struct eth2_sizes sizes = eth2_preset_sizes(request->network->preset);
    TRY(json_get_object(&payload, &request->top, "aggregate_and_proof"));
    bool is_wrapped =
        json_has(&payload, "data") || (json_has(&payload, "version") && !json_has(&payload, "aggregate"));
    if (is_wrapped) {
        TRY(eth2_api_version(&aggregate.aggregate.fork, &payload));
        TRY(json_get_object(&wrapped, &payload, "data"));
    } else {
        TRY(scheduled_fork(&aggregate.aggregate.fork, &payload, request));
    }
    TRY(eth2_api_aggregate_and_proof(&aggregate, is_wrapped ? &wrapped : &payload, &sizes));
    order->of.object.epoch = epoch_of(request, aggregate.aggregate.data.slot);
    eth2_aggregate_and_proof_root(order->of.object.root, &aggregate);
    return RESULT_OK;
}

static must_check result check_after_altair(const struct eth2_api_request *request,
                                            const struct json_view *object, uint64_t slot)
{
    if (eth2_fork_at(request->network, epoch_of(request, slot)) >= ETH2_ALTAIR)
        return RESULT_OK;
    return json_blame(error_set(E_INPUT, "must not be before Altair, by this network's schedule"), object,
                      "slot");
}

static must_check result take_sync_committee_message(struct eth2_order *order,
                                                     const struct eth2_api_request *request)
{
    struct json_view payload;
    uint64_t slot;
    TRY(json_get_object(&payload, &request->top, "sync_committee_message"));
    TRY(json_get_hex(order->of.object.root, ETH2_ROOT_LEN, &payload, "beacon_block_root"));
    TRY(json_get_u64(&slot, &payload, "slot"));
    order->of.object.epoch = epoch_of(request, slot);
    return check_after_altair(request, &payload, slot);
}

static must_check result take_selection_proof(struct eth2_order *order,
                                              const struct eth2_api_request *request)
{
    struct json_view payload;
    uint64_t slot, subcommittee_index;
    TRY(json_get_object(&payload, &request->top, "sync_aggregator_selection_data"));
    TRY(json_get_u64(&slot, &payload, "slot"));
    TRY(json_get_u64(&subcommittee_index, &payload, "subcommittee_index"));
    order->of.object.epoch = epoch_of(request, slot);
    eth2_selection_data_root(order->of.object.root, slot, subcommittee_index);
    return check_after_altair(request, &payload, slot);
}

static must_check result take_contribution_and_proof(struct eth2_order *order,
                                                     const struct eth2_api_request *request)
{
    struct json_view payload, contribution;
    struct eth2_contribution_and_proof typed;
    struct eth2_sizes sizes = eth2_preset_sizes(request->network->preset);
    TRY(json_get_object(&payload, &request->top, "contribution_and_proof"));
    TRY(json_get_u64(&typed.aggregator_index, &payload, "aggregator_index"));
    TRY(json_get_object(&contribution, &payload, "contribution"));
    TRY(eth2_api_contribution(&typed.contribution, &contribution, &sizes));
    TRY(json_get_hex(typed.selection_proof, ETH2_SIGNATURE_LEN, &payload, "selection_proof"));
    order->of.object.epoch = epoch_of(request, typed.contribution.slot);
    eth2_contribution_and_proof_root(order->of.object.root, &typed);
    return check_after_altair(request, &contribution, typed.contribution.slot);
}

static must_check result take_validator_registration(struct eth2_order *order,
                                                     const struct eth2_api_request *request)
{
    struct json_view payload;
    struct eth2_validator_registration registration;
    TRY(json_get_object(&payload, &request->top, "validator_registration"));
    TRY(json_get_hex(registration.fee_recipient, ETH2_ADDRESS_LEN, &payload, "fee_recipient"));
    TRY(json_get_u64(&registration.gas_limit, &payload, "gas_limit"));
    TRY(json_get_u64(&registration.timestamp, &payload, "timestamp"));
    TRY(json_get_hex(registration.pubkey, ETH2_PUBKEY_LEN, &payload, "pubkey"));
    eth2_validator_registration_root(order->of.object.root, &registration);
    return RESULT_OK;
}

/* Not a type of Web3Signer's: Lodestar's client defines it, and names the member so. */
static must_check result take_bls_to_execution_change(struct eth2_order *order,
                                                      const struct eth2_api_request *request)
{
    struct json_view payload;
    struct eth2_bls_to_execution_change change;
    TRY(json_get_object(&payload, &request->top, "BLS_TO_EXECUTION_CHANGE"));
    TRY(json_get_u64(&change.validator_index, &payload, "validator_index"));
    TRY(json_get_hex(change.from_bls_pubkey, ETH2_PUBKEY_LEN, &payload, "from_bls_pubkey"));
    TRY(json_get_hex(change.to_execution_address, ETH2_ADDRESS_LEN, &payload, "to_execution_address"));
    eth2_bls_to_execution_change_root(order->of.object.root, &change);
    return RESULT_OK;
}

static const struct type_row {
    const char *name;
    enum eth2_order_kind kind;
    bool needs_fork_info; /* where not, it is ignored: some clients always send it */
    eth2_api_take *take;
} types[] = {
    {"ATTESTATION", ETH2_ORDER_ATTESTATION, true, take_attestation},
    {"BLOCK_V2", ETH2_ORDER_BLOCK, true, take_block_v2},
    {"BLOCK", ETH2_ORDER_BLOCK, true, take_block},
    {"RANDAO_REVEAL", ETH2_ORDER_RANDAO_REVEAL, true, take_randao_reveal},
    {"AGGREGATION_SLOT", ETH2_ORDER_AGGREGATION_SLOT, true, take_aggregation_slot},
    {"AGGREGATE_AND_PROOF", ETH2_ORDER_AGGREGATE_AND_PROOF, true, take_aggregate_and_proof},
    {"AGGREGATE_AND_PROOF_V2", ETH2_ORDER_AGGREGATE_AND_PROOF, true, take_aggregate_and_proof},
    {"SYNC_COMMITTEE_MESSAGE", ETH2_ORDER_SYNC_COMMITTEE_MESSAGE, true, take_sync_committee_message},
    {"SYNC_COMMITTEE_SELECTION_PROOF", ETH2_ORDER_SYNC_COMMITTEE_SELECTION_PROOF, true, take_selection_proof},
    {"SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", ETH2_ORDER_SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF, true,
     take_contribution_and_proof},
    {"VOLUNTARY_EXIT", ETH2_ORDER_VOLUNTARY_EXIT, true, take_voluntary_exit},
    {"VALIDATOR_REGISTRATION", ETH2_ORDER_VALIDATOR_REGISTRATION, false, take_validator_registration},
    {"DEPOSIT", ETH2_ORDER_DEPOSIT, false, take_deposit},
    {"EXECUTION_PAYLOAD_BID", ETH2_ORDER_EXECUTION_PAYLOAD_BID, true, eth2_api_take_bid},
    {"EXECUTION_PAYLOAD_ENVELOPE", ETH2_ORDER_EXECUTION_PAYLOAD_ENVELOPE, true, eth2_api_take_envelope},
    {"PAYLOAD_ATTESTATION_MESSAGE", ETH2_ORDER_PAYLOAD_ATTESTATION_MESSAGE, true,
     eth2_api_take_payload_attestation},
    {"PAYLOAD_ATTESTATION", ETH2_ORDER_PAYLOAD_ATTESTATION_MESSAGE, true, eth2_api_take_payload_attestation},
    {"PROPOSER_PREFERENCES", ETH2_ORDER_PROPOSER_PREFERENCES, true, eth2_api_take_preferences},
    {"BUILDER_REQUEST_AUTH", ETH2_ORDER_BUILDER_REQUEST_AUTH, false, eth2_api_take_request_auth},
    {"REQUEST_AUTH", ETH2_ORDER_BUILDER_REQUEST_AUTH, false, eth2_api_take_request_auth},
    {"INCLUSION_LIST", ETH2_ORDER_INCLUSION_LIST, true, eth2_api_take_inclusion_list},
    {"BLS_TO_EXECUTION_CHANGE", ETH2_ORDER_BLS_TO_EXECUTION_CHANGE, true, take_bls_to_execution_change},
};

static const struct type_row *find_type(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        if (strcasecmp(types[i].name, name) == 0)
            return &types[i];
    }
    return NULL;
}

static must_check result take_type(const struct type_row **ret_row, const struct json_view *top)
{
    const char *name;
    TRY(json_get_text(&name, NULL, top, "type"));
    *ret_row = find_type(name);
    if (*ret_row)
        return RESULT_OK;
    return json_blame(error_set(E_INPUT, "must be one of the types that can be signed"), top, "type");
}

static bool is_envelope(const json_t *type)
{
    const char *name = type ? json_string_value(type) : NULL;
    const struct type_row *row = name ? find_type(name) : NULL;
    return row && row->kind == ETH2_ORDER_EXECUTION_PAYLOAD_ENVELOPE;
}

/* Looks at a large body for its type only, before memory is spent on it. */
static must_check result large_is_envelope(bool *ret_is_envelope, const char *body, size_t body_len)
{
    AUTO_POINTER(json_stream) stream = NULL;
    const char *name = NULL;
    *ret_is_envelope = false;
    TRY(json_stream_open_text(&stream, body, body_len));
    TRY(json_stream_begin_object(stream));
    for (;;) {
        AUTO_POINTER(json_t) value = NULL;
        TRY(json_stream_next_member(stream, &name));
        if (!name)
            return RESULT_OK;
        if (strcmp(name, "type") != 0) {
            TRY(json_stream_skip(stream));
            continue;
        }
        TRY(json_stream_value(stream, &value, TYPE_MAX, 2));
        *ret_is_envelope = is_envelope(value);
        return RESULT_OK;
    }
}

/* The request's members; of an envelope's request those beside it, and the envelope. */
static must_check result read_body(json_t **ret_top, struct eth2_api_envelope *ret_envelope,
                                   bool *ret_is_envelope, const char *body, size_t body_len)
{
    AUTO_POINTER(json_t) top = NULL;
    ENSURE(body_len <= ETH2_API_BODY_MAX, E_TOO_LARGE, "request body: longer than %d bytes",
           ETH2_API_BODY_MAX);
    bool is_small = body_len <= SMALL_MAX, envelope = false;
    if (!is_small)
        TRY(large_is_envelope(&envelope, body, body_len));
    if (!envelope)
        TRY(json_read(&top, body, body_len, DOCUMENT_MAX, VALUES_MAX));
    if (is_small)
        envelope = is_envelope(json_object_get(top, "type"));
    *ret_is_envelope = envelope;
    if (!envelope) {
        *ret_top = TAKE(top);
        return RESULT_OK;
    }
    TRY(eth2_api_envelope_read(ret_envelope, body, body_len));
    *ret_top = ret_envelope->rest;
    return RESULT_OK;
}

static must_check result take_fork_info(struct eth2_fork_info *ret_info, const struct json_view *top)
{
    struct json_view info, fork;
    TRY(json_get_object(&info, top, "fork_info"));
    TRY(json_get_object(&fork, &info, "fork"));
    TRY(json_get_hex(ret_info->previous_version, ETH2_VERSION_LEN, &fork, "previous_version"));
    TRY(json_get_hex(ret_info->current_version, ETH2_VERSION_LEN, &fork, "current_version"));
    TRY(json_get_u64(&ret_info->epoch, &fork, "epoch"));
    return json_get_hex(ret_info->genesis_validators_root, ETH2_ROOT_LEN, &info, "genesis_validators_root");
}

/* Lodestar sends inclusion lists without fork_info. The version is then that of this network's schedule. */
static must_check result schedule_fork_info(struct eth2_order *order, const struct eth2_api_request *request)
{
    const struct eth2_network *network = request->network;
    enum eth2_fork fork = eth2_fork_at(network, order->of.object.epoch);
    ENSURE(network->has_genesis_validators_root, E_INPUT,
           "fork_info: is missing, and this network's genesis_validators_root is not known before the first "
           "block "
           "or attestation");
    memcpy(order->fork_info.previous_version, network->fork_version[fork], ETH2_VERSION_LEN);
    memcpy(order->fork_info.current_version, network->fork_version[fork], ETH2_VERSION_LEN);
    memcpy(order->fork_info.genesis_validators_root, network->genesis_validators_root, ETH2_ROOT_LEN);
    return RESULT_OK;
}

static must_check result take_client_root(struct eth2_order *order, const struct json_view *top)
{
    bool snake = json_has(top, "signing_root"), camel = json_has(top, "signingRoot");
    ENSURE(!(snake && camel), E_INPUT, "signing_root: is given twice, as signingRoot too");
    if (!snake && !camel)
        return RESULT_OK;
    order->has_client_root = true;
    return json_get_hex(order->client_root, ETH2_ROOT_LEN, top, snake ? "signing_root" : "signingRoot");
}

void eth2_api_open(void)
{
    json_object_seed(0);
}

/* In these nobody is named: many keys sign the same bytes. The list is that of the proposal. */
static bool is_for_many(enum eth2_order_kind kind)
{
    return kind == ETH2_ORDER_AGGREGATION_SLOT || kind == ETH2_ORDER_ATTESTATION ||
           kind == ETH2_ORDER_RANDAO_REVEAL || kind == ETH2_ORDER_SYNC_COMMITTEE_MESSAGE ||
           kind == ETH2_ORDER_SYNC_COMMITTEE_SELECTION_PROOF;
}

static must_check result take_order(struct eth2_order *ret_order, const struct eth2_api_request *request,
                                    const struct type_row *type)
{
    struct eth2_order order;
    memset(&order, 0, sizeof order); /* the padding too: orders are compared and sent as they are */
    order.kind = type->kind;
    bool absent = type->kind == ETH2_ORDER_INCLUSION_LIST && !json_has(&request->top, "fork_info");
    if (type->needs_fork_info && !absent)
        TRY(take_fork_info(&order.fork_info, &request->top));
    TRY(take_client_root(&order, &request->top));
    TRY(type->take(&order, request));
    if (absent)
        TRY(schedule_fork_info(&order, request));
    *ret_order = order;
    return RESULT_OK;
}

result eth2_api_take_for_many(struct eth2_order *ret_order, const struct eth2_api_request *request)
{
    const struct type_row *type = NULL;
    TRY(take_type(&type, &request->top));
    if (!is_for_many(type->kind))
        return json_blame(error_set(E_INPUT, "cannot be signed as a batch: its message is one validator's"),
                          &request->top, "type");
    return take_order(ret_order, request, type);
}

result eth2_api_parse(struct eth2_order *ret_order, const struct eth2_network *network, const char *body,
                      size_t body_len)
{
    enum eth2_api_shape shape;
    return eth2_api_parse_shape(ret_order, &shape, network, body, body_len);
}

result eth2_api_parse_shape(struct eth2_order *ret_order, enum eth2_api_shape *ret_shape,
                            const struct eth2_network *network, const char *body, size_t body_len)
{
    AUTO_POINTER(json_t) root = NULL;
    struct eth2_api_envelope envelope;
    struct eth2_api_request request = {.network = network};
    const struct type_row *type = NULL;
    bool has_envelope = false;
    TRY(read_body(&root, &envelope, &has_envelope, body, body_len));
    request.envelope = has_envelope ? &envelope : NULL;
    TRY(json_view_root(&request.top, root));
    TRY(take_type(&type, &request.top));
    TRY(take_order(ret_order, &request, type));
    *ret_shape = eth2_api_shape_of(&request, type->kind);
    return RESULT_OK;
}
