/* eth2_api_gloas.c - the types of message that Gloas adds (remote-signing-api 1.4).
 *
 * There each payload is {"version": "GLOAS", "data": {...}}. Clients that were written before it was settled
 * send the bare object, some of them under other names; the names do not collide, so every name takes both
 * shapes. A bare object has no version, and that is how the two are told apart: a bare builder's request has
 * a "data" of its own, which is text. Containers as in @lodestar/types 1.50.
 */
#include <string.h>

#include "eth2/eth2_api_parts.h"

enum { COMMITMENTS_MAX = 4096, COMMITMENT_LEN = 48, AUTH_DATA_MAX = 4096 };

/* One payload, and the views that its path consists of. */
struct payload {
    struct json_view outer, data;
    const struct json_view *object;
};

/* names: up to NULL. Which of them is there; the first is the one that is missed. */
static must_check result find_name(const char **ret_name, const struct json_view *top,
                                   const char *const *names)
{
    const char *found = NULL;
    for (size_t i = 0; names[i]; i++) {
        if (!json_has(top, names[i]))
            continue;
        if (found)
            return json_blame(error_set(E_INPUT, "is given twice, as %s too", found), top, names[i]);
        found = names[i];
    }
    *ret_name = found ? found : names[0];
    return RESULT_OK;
}

static must_check result open_payload(struct payload *ret_payload, const struct eth2_api_request *request,
                                      const char *const *names)
{
    bool is_bid = strcmp(names[0], "execution_payload_bid") == 0;
    const char *name = NULL;
    TRY(find_name(&name, &request->top, names));
    TRY(json_get_object(&ret_payload->outer, &request->top, name));
    ret_payload->object = &ret_payload->outer;
    if (!json_has(&ret_payload->outer, "version") &&
        !json_is_object(json_object_get(ret_payload->outer.value, "data")))
        return RESULT_OK;
    TRY(is_bid ? eth2_api_version_gloas(&ret_payload->outer)
               : eth2_api_version_since_gloas(&ret_payload->outer));
    TRY(json_get_object(&ret_payload->data, &ret_payload->outer, "data"));
    ret_payload->object = &ret_payload->data;
    return RESULT_OK;
}

result eth2_api_take_payload_attestation(struct eth2_order *order, const struct eth2_api_request *request)
{
    static const char *const names[] = {"payload_attestation_message", "payload_attestation_data",
                                        "payload_attestation", NULL};
    struct payload payload;
    struct eth2_payload_attestation_data data;
    TRY(open_payload(&payload, request, names));
    const struct json_view *object = payload.object;
    TRY(json_get_hex(data.beacon_block_root, ETH2_ROOT_LEN, object, "beacon_block_root"));
    TRY(json_get_u64(&data.slot, object, "slot"));
    TRY(json_get_bool(&data.payload_present, object, "payload_present"));
    TRY(json_get_bool(&data.blob_data_available, object, "blob_data_available"));
    order->of.object.epoch = eth2_epoch_of_slot(request->network, data.slot);
    eth2_payload_attestation_data_root(order->of.object.root, &data);
    return RESULT_OK;
}

result eth2_api_take_preferences(struct eth2_order *order, const struct eth2_api_request *request)
{
    static const char *const names[] = {"proposer_preferences", NULL};
    struct payload payload;
    struct eth2_proposer_preferences preferences;
    TRY(open_payload(&payload, request, names));
    const struct json_view *object = payload.object;
    TRY(json_get_hex(preferences.dependent_root, ETH2_ROOT_LEN, object, "dependent_root"));
    TRY(json_get_u64(&preferences.proposal_slot, object, "proposal_slot"));
    TRY(json_get_u64(&preferences.validator_index, object, "validator_index"));
    TRY(json_get_hex(preferences.fee_recipient, ETH2_ADDRESS_LEN, object, "fee_recipient"));
    TRY(json_get_u64(&preferences.target_gas_limit, object, "target_gas_limit"));
    order->of.object.epoch = eth2_epoch_of_slot(request->network, preferences.proposal_slot);
    eth2_proposer_preferences_root(order->of.object.root, &preferences);
    return RESULT_OK;
}

/* BuilderRequestAuth{data: ByteList[4096], slot}. */
result eth2_api_take_request_auth(struct eth2_order *order, const struct eth2_api_request *request)
{
    static const char *const names[] = {"builder_request_auth", "request_auth", NULL};
    struct payload payload;
    uint8_t data[AUTH_DATA_MAX], root[SSZ_ROOT_LEN];
    size_t data_len = 0;
    uint64_t slot;
    TRY(open_payload(&payload, request, names));
    TRY(json_get_hex_up_to(data, &data_len, sizeof data, payload.object, "data"));
    TRY(json_get_u64(&slot, payload.object, "slot"));
    struct ssz_tree chunks = {.count = 0}, tree = {.count = 0};
    ssz_add_packed(&chunks, data, data_len);
    ssz_tree_root(root, &chunks, AUTH_DATA_MAX / SSZ_ROOT_LEN);
    ssz_mix_in_length(root, root, data_len);
    ssz_add_root(&tree, root);
    ssz_add_u64(&tree, slot);
    ssz_tree_root(order->of.object.root, &tree, 2);
    return RESULT_OK;
}

static must_check result commitments_root(uint8_t ret_root[static SSZ_ROOT_LEN],
                                          const struct json_view *object)
{
    struct json_view array;
    struct ssz_progressive tree = {.num_full = 0};
    uint8_t commitment[COMMITMENT_LEN], root[SSZ_ROOT_LEN];
    TRY(json_get_array(&array, object, "blob_kzg_commitments", COMMITMENTS_MAX));
    size_t count = json_array_size(array.value);
    for (size_t i = 0; i < count; i++) {
        TRY(json_element_hex(commitment, sizeof commitment, &array, i));
        ssz_bytes_root(root, commitment, sizeof commitment);
        ssz_progressive_add(&tree, root);
    }
    ssz_progressive_root(root, &tree);
    ssz_mix_in_length(ret_root, root, count);
    return RESULT_OK;
}

enum { BID_SLOT = 7, BID_COMMITMENTS = 10, BID_MEMBERS = 12 };

result eth2_api_take_bid(struct eth2_order *order, const struct eth2_api_request *request)
{
    static const char *const names[] = {"execution_payload_bid", NULL};
    static const struct eth2_api_member members[BID_MEMBERS] = {
        {"parent_block_hash", 32},
        {"parent_block_root", 32},
        {"block_hash", 32},
        {"prev_randao", 32},
        {"fee_recipient", 20},
        {"gas_limit", 0},
        {"builder_index", 0},
        {"slot", 0},
        {"value", 0},
        {"execution_payment", 0},
        {NULL, 0}, /* blob_kzg_commitments */
        {"execution_requests_root", 32},
    };
    struct payload payload;
    uint8_t roots[BID_MEMBERS][SSZ_ROOT_LEN];
    uint64_t slot;
    TRY(open_payload(&payload, request, names));
    TRY(eth2_api_members(roots, payload.object, members, BID_MEMBERS));
    TRY(json_get_u64(&slot, payload.object, members[BID_SLOT].name));
    TRY(commitments_root(roots[BID_COMMITMENTS], payload.object));
    order->of.object.epoch = eth2_epoch_of_slot(request->network, slot);
    ssz_progressive_container_root(order->of.object.root, roots, BID_MEMBERS);
    return RESULT_OK;
}

result eth2_api_take_envelope(struct eth2_order *order, const struct eth2_api_request *request)
{
    ENSURE(request->envelope, E_INTERNAL, "an envelope was not read");
    order->of.object.epoch = eth2_epoch_of_slot(request->network, request->envelope->slot);
    memcpy(order->of.object.root, request->envelope->root, ETH2_ROOT_LEN);
    return RESULT_OK;
}
