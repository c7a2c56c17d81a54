/* nitro_nsm_time.c - what the NSM says of the time.
 *
 * It has no request for that, but every attestation document bears its date. It comes straight from the
 * device, so only its shape is read here, and any algorithm will do: QEMU's emulated device signs nothing.
 * Rejected: nitro_attestation's reader, which wants certificates and would bring X.509 into PID 1. */
#include "cbor/cbor.h"
#include "nitro/nitro_nsm.h"

enum { COSE_SIGN1_TAG = 18, COSE_SIGN1_MEMBERS = 4 };

/* The encoded claims: the third of four members. */
static must_check result find_payload(const struct cbor_node **ret_payload, const struct cbor_tree *tree)
{
    const struct cbor_node *node = &tree->nodes[0];
    if (node->kind == CBOR_KIND_TAG && node->number == COSE_SIGN1_TAG)
        node = cbor_child(node);
    ENSURE(node->kind == CBOR_KIND_ARRAY && node->number == COSE_SIGN1_MEMBERS, E_PEER,
           "NSM document: not a COSE_Sign1");
    const struct cbor_node *payload = cbor_sibling(cbor_sibling(cbor_child(node)));
    ENSURE(payload->kind == CBOR_KIND_BYTES, E_PEER, "NSM document: no payload");
    *ret_payload = payload;
    return RESULT_OK;
}

static must_check result read_tree(struct cbor_tree *ret_tree, const uint8_t *bytes, size_t bytes_len)
{
    return cbor_read(ret_tree, bytes, bytes_len).code ? error_prefix((result){E_PEER}, "NSM document")
                                                      : RESULT_OK;
}

result nsm_time(const struct nsm *n, uint64_t *ret_ms)
{
    AUTO(buffer) document = {0};
    TRY(nsm_attest(n, &document, NULL, 0, NULL, 0, NULL, 0));
    struct cbor_tree tree;
    const struct cbor_node *payload = NULL;
    TRY(read_tree(&tree, document.data, document.length));
    TRY(find_payload(&payload, &tree));
    struct cbor_tree claims;
    TRY(read_tree(&claims, payload->bytes, payload->length));
    const struct cbor_node *timestamp = cbor_member(&claims.nodes[0], "timestamp");
    ENSURE(timestamp && timestamp->kind == CBOR_KIND_UINT && timestamp->number > 0, E_PEER,
           "NSM document: no timestamp");
    *ret_ms = timestamp->number;
    return RESULT_OK;
}
