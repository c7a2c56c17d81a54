/* devcloud_document.c - see devcloud_document.h. Shares no code with the verifier in lib/nitro but the CBOR
 * writer: two readings of the specification that check one another. */
#include "devcloud_document.h"

#include "cbor/cbor.h"

/* {1: -35}: ES384. */
static const uint8_t PROTECTED_HEADER[] = {0xa1, 0x01, 0x38, 0x22};

enum { PAYLOAD_MEMBERS = 9, TO_BE_SIGNED_MAX = NSM_RESPONSE_MAX + 64 };

static void pack_pcrs(struct packer *p, const struct devcloud_pcrs *pcrs)
{
    size_t num_locked = 0;
    for (unsigned i = 0; i < NSM_PCR_COUNT; i++)
        num_locked += devcloud_pcrs_is_locked(pcrs, i);
    cbor_pack_map(p, num_locked);
    for (unsigned i = 0; i < NSM_PCR_COUNT; i++) {
        if (!devcloud_pcrs_is_locked(pcrs, i))
            continue;
        cbor_pack_uint(p, i);
        cbor_pack_bytes(p, pcrs->value[i], NSM_PCR_LEN);
    }
}

static void pack_optional(struct packer *p, const char *name, const struct devcloud_nsm_bytes *bytes)
{
    cbor_pack_text(p, name);
    if (bytes->present)
        cbor_pack_bytes(p, bytes->bytes, bytes->length);
    else
        cbor_pack_null(p);
}

static void pack_payload(struct packer *p, const struct devcloud_document *d,
                         const struct devcloud_authority *authority)
{
    cbor_pack_map(p, PAYLOAD_MEMBERS);
    cbor_pack_text(p, "module_id");
    cbor_pack_text(p, d->module_id);
    cbor_pack_text(p, "digest");
    cbor_pack_text(p, "SHA384");
    cbor_pack_text(p, "timestamp");
    cbor_pack_uint(p, d->timestamp_ms);
    cbor_pack_text(p, "pcrs");
    pack_pcrs(p, d->pcrs);
    cbor_pack_text(p, "certificate");
    cbor_pack_bytes(p, authority->leaf_der.der, authority->leaf_der.length);
    cbor_pack_text(p, "cabundle"); /* the root first, the leaf's issuer last */
    cbor_pack_array(p, 2);
    cbor_pack_bytes(p, authority->root_der.der, authority->root_der.length);
    cbor_pack_bytes(p, authority->issuer_der.der, authority->issuer_der.length);
    pack_optional(p, "public_key", &d->request->public_key);
    pack_optional(p, "user_data", &d->request->user_data);
    pack_optional(p, "nonce", &d->request->nonce);
}

/* RFC 8152 section 4.4. */
static must_check result sign(uint8_t *ret_signature, const struct packer *payload,
                              const struct devcloud_authority *authority)
{
    uint8_t bytes[TO_BE_SIGNED_MAX];
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    cbor_pack_array(&p, 4);
    cbor_pack_text(&p, "Signature1");
    cbor_pack_bytes(&p, PROTECTED_HEADER, sizeof PROTECTED_HEADER);
    cbor_pack_bytes(&p, NULL, 0);
    cbor_pack_bytes(&p, payload->data, payload->length);
    TRY(pack_end(&p));
    return devcloud_authority_sign(authority, ret_signature, p.data, p.length);
}

result devcloud_document_sign(const struct devcloud_document *d, uint8_t ret_bytes[static NSM_RESPONSE_MAX],
                              size_t *ret_len, const struct devcloud_authority *authority)
{
    uint8_t payload_bytes[NSM_RESPONSE_MAX];
    struct packer payload = {.data = payload_bytes, .capacity = sizeof payload_bytes};
    pack_payload(&payload, d, authority);
    TRY(pack_end(&payload));
    uint8_t signature[DEVCLOUD_SIGNATURE_LEN];
    TRY(sign(signature, &payload, authority));

    struct packer p = {.data = ret_bytes, .capacity = NSM_RESPONSE_MAX};
    cbor_pack_array(&p, 4);
    cbor_pack_bytes(&p, PROTECTED_HEADER, sizeof PROTECTED_HEADER);
    cbor_pack_map(&p, 0);
    cbor_pack_bytes(&p, payload.data, payload.length);
    cbor_pack_bytes(&p, signature, sizeof signature);
    TRY(pack_end(&p));
    *ret_len = p.length;
    return RESULT_OK;
}
