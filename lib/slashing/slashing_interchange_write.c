/* slashing_interchange_write.c - the text of an EIP-3076 document, without knowing where records come from:
 * a store's export and the key manager's answer are the same document. */
#include <inttypes.h>

#include "base/hex.h"
#include "slashing/slashing_interchange.h"

static must_check result append_root(struct buffer *out, bool has_root, const uint8_t root[static 32])
{
    char digits[67];
    hex_encode_0x(digits, root, 32);
    return has_root ? buffer_printf(out, ", \"signing_root\": \"%s\"", digits) : RESULT_OK;
}

static must_check result append_record(struct buffer *out, const struct slashing_record *r)
{
    TRY(buffer_append_text(out, "      \"signed_blocks\": ["));
    if (r->has_block) {
        TRY(buffer_printf(out, "\n        {\"slot\": \"%" PRIu64 "\"", r->block_slot));
        TRY(append_root(out, r->block_has_root, r->block_root));
        TRY(buffer_append_text(out, "}\n      "));
    }
    TRY(buffer_append_text(out, "],\n      \"signed_attestations\": ["));
    if (r->has_attestation) {
        TRY(buffer_printf(out,
                          "\n        {\"source_epoch\": \"%" PRIu64 "\", \"target_epoch\": \"%" PRIu64 "\"",
                          r->source_epoch, r->target_epoch));
        TRY(append_root(out, r->attestation_has_root, r->attestation_root));
        TRY(buffer_append_text(out, "}\n      "));
    }
    return buffer_append_text(out, "]\n");
}

result slashing_interchange_begin(struct buffer *out, const uint8_t *genesis_validators_root)
{
    char digits[67];
    TRY(buffer_append_text(out, "{\n  \"metadata\": {\n    \"interchange_format_version\": \"5\""));
    if (genesis_validators_root) {
        hex_encode_0x(digits, genesis_validators_root, 32);
        TRY(buffer_printf(out, ",\n    \"genesis_validators_root\": \"%s\"", digits));
    }
    return buffer_append_text(out, "\n  },\n  \"data\": [");
}

result slashing_interchange_append(struct buffer *out, bool is_first, const uint8_t pubkey[static 48],
                                   const struct slashing_record *record)
{
    char digits[99];
    hex_encode_0x(digits, pubkey, 48);
    TRY(buffer_append_text(out, is_first ? "\n    {\n" : ",\n    {\n"));
    TRY(buffer_printf(out, "      \"pubkey\": \"%s\",\n", digits));
    TRY(append_record(out, record));
    return buffer_append_text(out, "    }");
}

result slashing_interchange_end(struct buffer *out, bool is_empty)
{
    return buffer_append_text(out, is_empty ? "]\n}\n" : "\n  ]\n}\n");
}
