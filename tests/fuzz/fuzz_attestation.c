/* fuzz_attestation.c - the reader of attestation documents: COSE_Sign1 and payload. What it accepts means the
 * same when it is written again; and no document verifies under AWS's root at its own time but those that AWS
 * signed, which are known here by the SHA-256 of their payloads.
 *
 * The whole document is not compared: COSE leaves lengths, the tag and the unprotected header to the writer,
 * and with (r, s) also (r, n - s) is a signature. */
#include <openssl/sha.h>
#include <string.h>

#include "cbor/cbor.h"
#include "fuzz.h"
#include "nitro/nitro_attestation_parse.h"

/* Of the three real documents among the third-party vectors. */
static const uint8_t signed_by_aws[][SHA256_DIGEST_LENGTH] = {
    {0x46, 0x8f, 0x3b, 0x66, 0x12, 0xd8, 0xc6, 0x3c, 0xcd, 0xde, 0xc2, 0x64, 0xd1, 0xba, 0x24, 0x40,
     0xa4, 0x3c, 0xaa, 0x58, 0x56, 0xdd, 0xb3, 0x18, 0xde, 0xa6, 0x29, 0xde, 0xbb, 0x8f, 0x67, 0xe9},
    {0xeb, 0x35, 0x28, 0x25, 0xcb, 0x3d, 0x23, 0xe2, 0xda, 0x53, 0xb5, 0xb2, 0x32, 0x79, 0xcd, 0x04,
     0x87, 0x0d, 0xc9, 0xd3, 0xdc, 0x91, 0x97, 0xb7, 0xb3, 0x8a, 0xd8, 0x68, 0xed, 0x0a, 0x25, 0x4a},
    {0x52, 0x37, 0xd0, 0x7f, 0x3c, 0xc7, 0xbd, 0x14, 0x55, 0xf6, 0x90, 0x34, 0x45, 0xc3, 0x58, 0xa6,
     0x80, 0xac, 0x12, 0xf8, 0xec, 0xe6, 0x55, 0x40, 0x9e, 0x82, 0x0e, 0x53, 0x7f, 0xd7, 0xf7, 0xaf},
};

static bool same_view(const struct attestation_view *a, const struct attestation_view *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static bool same_field(const struct attestation_field *a, const struct attestation_field *b)
{
    return a->present == b->present && a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static bool same_claims(const struct attestation *a, const struct attestation *b)
{
    return strcmp(a->module_id, b->module_id) == 0 && a->timestamp_ms == b->timestamp_ms &&
           a->pcr_present == b->pcr_present && memcmp(a->pcr, b->pcr, sizeof a->pcr) == 0 &&
           same_field(&a->public_key, &b->public_key) && same_field(&a->user_data, &b->user_data) &&
           same_field(&a->nonce, &b->nonce);
}

static void check_view(const struct attestation_view *view, const uint8_t *data, size_t size)
{
    PROMISE(view->length >= 1 && view->length <= size && view->bytes >= data &&
            (size_t)(view->bytes - data) <= size - view->length);
}

static void check_parts(const struct attestation_parts *parts, const uint8_t *data, size_t size)
{
    const struct attestation *claims = &parts->claims;
    const struct attestation_view signature = {parts->signature, ATTESTATION_SIGNATURE_LEN};
    check_view(&parts->protected_header, data, size);
    check_view(&parts->payload, data, size);
    check_view(&signature, data, size);
    check_view(&parts->certificate, parts->payload.bytes, parts->payload.length);
    PROMISE(parts->num_bundle >= 1 && parts->num_bundle <= ATTESTATION_BUNDLE_MAX);
    for (size_t i = 0; i < parts->num_bundle; i++)
        check_view(&parts->bundle[i], parts->payload.bytes, parts->payload.length);
    PROMISE(claims->module_id[0] && memchr(claims->module_id, 0, sizeof claims->module_id));
    PROMISE(claims->timestamp_ms > 0 && claims->pcr_present != 0);
    for (unsigned i = 0; i < ATTESTATION_PCR_COUNT; i++) {
        static const uint8_t none[ATTESTATION_PCR_LEN];
        if (!(claims->pcr_present >> i & 1))
            PROMISE(memcmp(claims->pcr[i], none, sizeof none) == 0);
    }
}

static void check_rewritten(const struct attestation_parts *parts, size_t size)
{
    static struct attestation_parts again;
    uint8_t *bytes = malloc(size);
    PROMISE(bytes);
    struct packer p = {.data = bytes, .capacity = size};
    cbor_pack_array(&p, 4);
    cbor_pack_bytes(&p, parts->protected_header.bytes, parts->protected_header.length);
    cbor_pack_map(&p, 0);
    cbor_pack_bytes(&p, parts->payload.bytes, parts->payload.length);
    cbor_pack_bytes(&p, parts->signature, ATTESTATION_SIGNATURE_LEN);
    PROMISE(pack_end(&p).code == 0);
    PROMISE(attestation_parse(&again, p.data, p.length).code == 0);
    PROMISE(same_view(&parts->protected_header, &again.protected_header) &&
            same_view(&parts->payload, &again.payload) &&
            same_view(&parts->certificate, &again.certificate) &&
            memcmp(parts->signature, again.signature, ATTESTATION_SIGNATURE_LEN) == 0);
    PROMISE(parts->num_bundle == again.num_bundle && same_claims(&parts->claims, &again.claims));
    free(bytes);
}

static bool is_signed_by_aws(const struct attestation_view *payload)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    (void)SHA256(payload->bytes, payload->length, digest);
    for (size_t i = 0; i < ARRAY_LENGTH(signed_by_aws); i++) {
        if (memcmp(digest, signed_by_aws[i], sizeof digest) == 0)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct attestation_parts parts;
    static struct attestation verified;
    uint64_t at_ms = 1;
    bool parsed = attestation_parse(&parts, data, size).code == 0;
    if (parsed) {
        check_parts(&parts, data, size);
        check_rewritten(&parts, size);
        at_ms = parts.claims.timestamp_ms;
    }
    if (attestation_verify(&verified, data, size, attestation_aws_root_g1, attestation_aws_root_g1_len, at_ms)
            .code)
        return 0;
    PROMISE(parsed && is_signed_by_aws(&parts.payload) && same_claims(&verified, &parts.claims));
    return 0;
}
