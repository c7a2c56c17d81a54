/* devcloud_unsigned.c - see devcloud_unsigned.h.
 *
 * The frame must be QEMU's to the byte, so that a signed document whose signature was torn off is none of
 * these; the payload is read as a signed one's is, by lib/nitro. */
#include "devcloud_unsigned.h"

#include <string.h>

#include "cbor/cbor.h"
#include "nitro/nitro_attestation_parse.h"

enum { UNSIGNED_SIGNATURE_LEN = 64 };
static const uint8_t PROTECTED_HEADER[] = {0xa1, 0x01, 0x20};

static bool is_bytes(const struct cbor_node *node, const uint8_t *expected, size_t length)
{
    return node->kind == CBOR_KIND_BYTES && node->length == length &&
           memcmp(node->bytes, expected, length) == 0;
}

result devcloud_unsigned_read(struct attestation *ret_attestation, const uint8_t *document,
                              size_t document_len)
{
    static const uint8_t zeros[UNSIGNED_SIGNATURE_LEN];
    struct cbor_tree tree;
    ENSURE(document_len <= ATTESTATION_DOCUMENT_MAX, E_TOO_LARGE, "attestation: must be at most %d bytes",
           ATTESTATION_DOCUMENT_MAX);
    TRY(cbor_read(&tree, document, document_len));
    const struct cbor_node *array = &tree.nodes[0];
    ENSURE(array->kind == CBOR_KIND_ARRAY && array->number == 4, E_INPUT,
           "attestation: not an unsigned document");
    const struct cbor_node *header = cbor_child(array), *unprotected = cbor_sibling(header);
    const struct cbor_node *payload = cbor_sibling(unprotected), *signature = cbor_sibling(payload);
    ENSURE(is_bytes(header, PROTECTED_HEADER, sizeof PROTECTED_HEADER) &&
               unprotected->kind == CBOR_KIND_MAP && unprotected->number == 0 &&
               payload->kind == CBOR_KIND_BYTES && is_bytes(signature, zeros, sizeof zeros),
           E_INPUT, "attestation: not an unsigned document");
    return attestation_parse_payload(ret_attestation, payload->bytes, payload->length);
}
