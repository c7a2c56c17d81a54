/* nitro_attestation_parse.c - from bytes to struct attestation_parts.
 *
 * COSE_Sign1 (RFC 8152 section 4.2) around the payload of nsm-api's attestation_process.md.
 * Members are found by name. Members we do not know are skipped: the signature covers them,
 * and AWS has added some to related documents. */
#include "nitro/nitro_attestation_parse.h"

#include <string.h>

#include "cbor/cbor.h"

enum { COSE_SIGN1_TAG = 18, COSE_LABEL_ALG = 1, COSE_ES384 = 34 /* -1 - 34 = -35 */ };

static must_check result take_bytes(struct attestation_view *ret_view, const struct cbor_node *node,
                                    const char *name, size_t low, size_t high)
{
    ENSURE(node && node->kind == CBOR_KIND_BYTES, E_INPUT, "attestation %s: missing or not bytes", name);
    ENSURE(node->length >= low && node->length <= high, E_INPUT, "attestation %s: must be %zu to %zu bytes",
           name, low, high);
    *ret_view = (struct attestation_view){.bytes = node->bytes, .length = node->length};
    return RESULT_OK;
}

/* {1: -35} and nothing else: a header we do not understand could change what the signature means. */
static must_check result check_protected(const struct attestation_view *header)
{
    struct cbor_tree tree;
    result r = cbor_read(&tree, header->bytes, header->length);
    if (r.code)
        return error_prefix(r, "attestation protected header");
    const struct cbor_node *map = &tree.nodes[0];
    ENSURE(map->kind == CBOR_KIND_MAP && map->number == 1, E_INPUT,
           "attestation protected header: must hold alg only");
    const struct cbor_node *label = cbor_child(map), *algorithm = cbor_sibling(label);
    ENSURE(label->kind == CBOR_KIND_UINT && label->number == COSE_LABEL_ALG, E_INPUT,
           "attestation protected header: must hold alg only");
    ENSURE(algorithm->kind == CBOR_KIND_NEGATIVE && algorithm->number == COSE_ES384, E_UNSUPPORTED,
           "attestation protected header: algorithm is not ES384");
    return RESULT_OK;
}

static must_check result parse_sign1(struct attestation_parts *parts, const struct cbor_node *node)
{
    if (node->kind == CBOR_KIND_TAG && node->number == COSE_SIGN1_TAG)
        node = cbor_child(node);
    ENSURE(node->kind == CBOR_KIND_ARRAY && node->number == 4, E_INPUT, "attestation: not a COSE_Sign1");
    const struct cbor_node *protected_header = cbor_child(node);
    const struct cbor_node *unprotected = cbor_sibling(protected_header);
    const struct cbor_node *payload = cbor_sibling(unprotected);
    const struct cbor_node *signature = cbor_sibling(payload);
    struct attestation_view view;
    TRY(take_bytes(&parts->protected_header, protected_header, "protected header", 1, 64));
    TRY(check_protected(&parts->protected_header));
    ENSURE(unprotected->kind == CBOR_KIND_MAP, E_INPUT, "attestation unprotected header: not a map");
    TRY(take_bytes(&parts->payload, payload, "payload", 1, ATTESTATION_DOCUMENT_MAX));
    TRY(take_bytes(&view, signature, "signature", ATTESTATION_SIGNATURE_LEN, ATTESTATION_SIGNATURE_LEN));
    parts->signature = view.bytes;
    return RESULT_OK;
}

static must_check result parse_identity(struct attestation *claims, const struct cbor_node *payload)
{
    const struct cbor_node *id = cbor_member(payload, "module_id");
    ENSURE(id && id->kind == CBOR_KIND_TEXT && id->length >= 1 && id->length < sizeof claims->module_id,
           E_INPUT, "attestation module_id: must be a text of 1 to %zu bytes", sizeof claims->module_id - 1);
    for (size_t i = 0; i < id->length; i++) {
        ENSURE(id->bytes[i] > ' ' && id->bytes[i] < 0x7f, E_INPUT,
               "attestation module_id: must be printable ASCII");
        claims->module_id[i] = (char)id->bytes[i];
    }
    const struct cbor_node *digest = cbor_member(payload, "digest");
    ENSURE(digest && cbor_is_text(digest, "SHA384"), E_INPUT, "attestation digest: must be SHA384");
    const struct cbor_node *timestamp = cbor_member(payload, "timestamp");
    ENSURE(timestamp && timestamp->kind == CBOR_KIND_UINT && timestamp->number > 0, E_INPUT,
           "attestation timestamp: must be a positive integer");
    claims->timestamp_ms = timestamp->number;
    return RESULT_OK;
}

static must_check result parse_pcrs(struct attestation *claims, const struct cbor_node *payload)
{
    const struct cbor_node *pcrs = cbor_member(payload, "pcrs");
    ENSURE(pcrs && pcrs->kind == CBOR_KIND_MAP && pcrs->number >= 1 && pcrs->number <= ATTESTATION_PCR_COUNT,
           E_INPUT, "attestation pcrs: must be a map of 1 to %d", ATTESTATION_PCR_COUNT);
    const struct cbor_node *index = cbor_child(pcrs);
    for (uint64_t i = 0; i < pcrs->number; i++) {
        const struct cbor_node *value = cbor_sibling(index);
        ENSURE(index->kind == CBOR_KIND_UINT && index->number < ATTESTATION_PCR_COUNT, E_INPUT,
               "attestation pcrs: index must be below %d", ATTESTATION_PCR_COUNT);
        ENSURE(value->kind == CBOR_KIND_BYTES && value->length == ATTESTATION_PCR_LEN, E_INPUT,
               "attestation pcrs: value must be %d bytes", ATTESTATION_PCR_LEN);
        memcpy(claims->pcr[index->number], value->bytes, ATTESTATION_PCR_LEN);
        claims->pcr_present |= UINT32_C(1) << index->number;
        index = cbor_sibling(value);
    }
    return RESULT_OK;
}

/* Absent and null mean the same; both occur. */
static must_check result parse_field(struct attestation_field *ret_field, const struct cbor_node *payload,
                                     const char *name, size_t low)
{
    const struct cbor_node *node = cbor_member(payload, name);
    if (!node || node->kind == CBOR_KIND_NULL)
        return RESULT_OK;
    struct attestation_view view;
    TRY(take_bytes(&view, node, name, low, ATTESTATION_FIELD_MAX));
    if (view.length)
        memcpy(ret_field->bytes, view.bytes, view.length);
    ret_field->length = view.length;
    ret_field->present = true;
    return RESULT_OK;
}

static must_check result parse_certificates(struct attestation_parts *parts, const struct cbor_node *payload)
{
    TRY(take_bytes(&parts->certificate, cbor_member(payload, "certificate"), "certificate", 1,
                   ATTESTATION_CERTIFICATE_MAX));
    const struct cbor_node *bundle = cbor_member(payload, "cabundle");
    ENSURE(bundle && bundle->kind == CBOR_KIND_ARRAY && bundle->number >= 1 &&
               bundle->number <= ATTESTATION_BUNDLE_MAX,
           E_INPUT, "attestation cabundle: must be an array of 1 to %d", ATTESTATION_BUNDLE_MAX);
    const struct cbor_node *entry = cbor_child(bundle);
    for (; parts->num_bundle < bundle->number; entry = cbor_sibling(entry)) {
        TRY(take_bytes(&parts->bundle[parts->num_bundle], entry, "cabundle", 1, ATTESTATION_CERTIFICATE_MAX));
        parts->num_bundle++;
    }
    return RESULT_OK;
}

static must_check result parse_payload(struct attestation_parts *parts)
{
    struct cbor_tree tree;
    result r = cbor_read(&tree, parts->payload.bytes, parts->payload.length);
    if (r.code)
        return error_prefix(r, "attestation payload");
    const struct cbor_node *payload = &tree.nodes[0];
    ENSURE(payload->kind == CBOR_KIND_MAP, E_INPUT, "attestation payload: not a map");
    TRY(parse_identity(&parts->claims, payload));
    TRY(parse_pcrs(&parts->claims, payload));
    TRY(parse_certificates(parts, payload));
    TRY(parse_field(&parts->claims.public_key, payload, "public_key", 1));
    TRY(parse_field(&parts->claims.user_data, payload, "user_data", 0));
    return parse_field(&parts->claims.nonce, payload, "nonce", 0);
}

result attestation_parse_payload(struct attestation *ret_claims, const uint8_t *payload, size_t payload_len)
{
    struct attestation_parts parts = {.payload = {.bytes = payload, .length = payload_len}};
    TRY(parse_payload(&parts));
    *ret_claims = parts.claims;
    return RESULT_OK;
}

result attestation_parse(struct attestation_parts *ret_parts, const uint8_t *document, size_t document_len)
{
    ENSURE(document_len >= 1 && document_len <= ATTESTATION_DOCUMENT_MAX, E_TOO_LARGE,
           "attestation: must be 1 to %d bytes", ATTESTATION_DOCUMENT_MAX);
    struct cbor_tree tree;
    result r = cbor_read(&tree, document, document_len);
    if (r.code)
        return error_prefix(r, "attestation");
    struct attestation_parts parts = {0};
    TRY(parse_sign1(&parts, &tree.nodes[0]));
    TRY(parse_payload(&parts));
    *ret_parts = parts;
    return RESULT_OK;
}
