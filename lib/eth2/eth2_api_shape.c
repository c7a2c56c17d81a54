/* eth2_api_shape.c - which requests of Gloas's types are of a shape from before remote-signing-api 1.4.
 *
 * Looked at beside the parsing proper, on a request that was found good: what a shape is called is nothing
 * that a signature depends on. */
#include "eth2/eth2_api_parts.h"

static const struct {
    enum eth2_order_kind kind;
    const char *member; /* what it is called since */
    enum eth2_api_shape bare;
} wrapped[] = {
    {ETH2_ORDER_EXECUTION_PAYLOAD_BID, "execution_payload_bid", ETH2_SHAPE_BARE_BID},
    {ETH2_ORDER_PROPOSER_PREFERENCES, "proposer_preferences", ETH2_SHAPE_BARE_PREFERENCES},
    {ETH2_ORDER_PAYLOAD_ATTESTATION_MESSAGE, "payload_attestation_message",
     ETH2_SHAPE_BARE_PAYLOAD_ATTESTATION},
    {ETH2_ORDER_BUILDER_REQUEST_AUTH, "builder_request_auth", ETH2_SHAPE_BARE_REQUEST_AUTH},
};

/* Of a request whose member is not called as it is now. */
static enum eth2_api_shape by_old_name(const struct eth2_api_request *request, enum eth2_order_kind kind)
{
    if (kind == ETH2_ORDER_BUILDER_REQUEST_AUTH)
        return ETH2_SHAPE_REQUEST_AUTH;
    return json_has(&request->top, "payload_attestation_data") ? ETH2_SHAPE_PAYLOAD_ATTESTATION_DATA
                                                               : ETH2_SHAPE_PAYLOAD_ATTESTATION;
}

enum eth2_api_shape eth2_api_shape_of(const struct eth2_api_request *request, enum eth2_order_kind kind)
{
    if (kind == ETH2_ORDER_EXECUTION_PAYLOAD_ENVELOPE)
        return request->envelope->is_bare ? ETH2_SHAPE_BARE_ENVELOPE : ETH2_SHAPE_CURRENT;
    for (size_t i = 0; i < ARRAY_LENGTH(wrapped); i++) {
        if (wrapped[i].kind != kind)
            continue;
        if (!json_has(&request->top, wrapped[i].member))
            return by_old_name(request, kind);
        const json_t *object = json_object_get(request->top.value, wrapped[i].member);
        return json_object_get(object, "version") ? ETH2_SHAPE_CURRENT : wrapped[i].bare;
    }
    return ETH2_SHAPE_CURRENT;
}

const char *eth2_api_shape_name(enum eth2_api_shape shape)
{
    switch (shape) {
    case ETH2_SHAPE_CURRENT:
        return "current";
    case ETH2_SHAPE_PAYLOAD_ATTESTATION:
        return "payload_attestation";
    case ETH2_SHAPE_PAYLOAD_ATTESTATION_DATA:
        return "payload_attestation_data";
    case ETH2_SHAPE_REQUEST_AUTH:
        return "request_auth";
    case ETH2_SHAPE_BARE_PAYLOAD_ATTESTATION:
        return "bare_payload_attestation_message";
    case ETH2_SHAPE_BARE_REQUEST_AUTH:
        return "bare_builder_request_auth";
    case ETH2_SHAPE_BARE_PREFERENCES:
        return "bare_proposer_preferences";
    case ETH2_SHAPE_BARE_BID:
        return "bare_execution_payload_bid";
    case ETH2_SHAPE_BARE_ENVELOPE:
        return "bare_execution_payload_envelope";
    case ETH2_SHAPE_END:
        break;
    }
    return "?";
}
