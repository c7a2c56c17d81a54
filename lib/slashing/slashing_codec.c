/* slashing_codec.c - one form a value. Decoding encodes again and compares, so that no second
 * form can pass whatever a field's own check forgets. */
#include "slashing/slashing_codec.h"

#include <string.h>

enum { DISABLED = 1, HAS_BLOCK = 2, BLOCK_ROOT = 4, HAS_ATTESTATION = 8, ATTESTATION_ROOT = 16 };
enum { HAS_GENESIS = 1, HAS_HIGH_WATERMARK = 2 };

static void pack_zeros(struct packer *p, size_t num_zeros)
{
    for (size_t i = 0; i < num_zeros; i++)
        pack_u8(p, 0);
}

/* A field that is there only under a condition; zero otherwise. */
static void pack_u64_if(struct packer *p, bool present, uint64_t value)
{
    pack_u64(p, present ? value : 0);
}

static void pack_bytes_if(struct packer *p, bool present, const uint8_t *bytes, size_t bytes_len)
{
    if (present)
        pack_bytes(p, bytes, bytes_len);
    else
        pack_zeros(p, bytes_len);
}

void slashing_record_encode(uint8_t out[static SLASHING_RECORD_BYTES], const struct slashing_record *r)
{
    struct packer p = {.data = out, .capacity = SLASHING_RECORD_BYTES};
    bool block_root = r->has_block && r->block_has_root;
    bool vote_root = r->has_attestation && r->attestation_has_root;
    unsigned flags = (r->disabled ? DISABLED : 0u) | (r->has_block ? HAS_BLOCK : 0u) |
                     (block_root ? BLOCK_ROOT : 0u) | (r->has_attestation ? HAS_ATTESTATION : 0u) |
                     (vote_root ? ATTESTATION_ROOT : 0u);
    pack_u8(&p, (uint8_t)flags);
    pack_zeros(&p, 7);
    pack_u64_if(&p, r->has_block, r->block_slot);
    pack_bytes_if(&p, block_root, r->block_root, 32);
    pack_u64_if(&p, r->has_attestation, r->source_epoch);
    pack_u64_if(&p, r->has_attestation, r->target_epoch);
    pack_bytes_if(&p, vote_root, r->attestation_root, 32);
}

bool slashing_record_equal(const struct slashing_record *a, const struct slashing_record *b)
{
    uint8_t left[SLASHING_RECORD_BYTES], right[SLASHING_RECORD_BYTES];
    slashing_record_encode(left, a);
    slashing_record_encode(right, b);
    return memcmp(left, right, sizeof left) == 0;
}

void slashing_entry_encode(uint8_t out[static SLASHING_ENTRY_BYTES], const struct slashing_entry *entry)
{
    struct packer p = {.data = out + SLASHING_RECORD_BYTES,
                       .capacity = SLASHING_ENTRY_BYTES - SLASHING_RECORD_BYTES};
    slashing_record_encode(out, &entry->record);
    pack_u64(&p, entry->stamp.generation);
    pack_bytes(&p, entry->stamp.mac, SLASHING_MAC_LEN);
}

void slashing_head_encode(uint8_t out[static SLASHING_HEAD_BYTES], const struct slashing_head *head)
{
    struct packer p = {.data = out, .capacity = SLASHING_HEAD_BYTES};
    unsigned flags =
        (head->has_genesis ? HAS_GENESIS : 0u) | (head->has_high_watermark ? HAS_HIGH_WATERMARK : 0u);
    pack_u8(&p, (uint8_t)flags);
    pack_zeros(&p, 7);
    pack_bytes_if(&p, head->has_genesis, head->genesis_validators_root, 32);
    pack_u64_if(&p, head->has_high_watermark, head->high_epoch);
    pack_u64_if(&p, head->has_high_watermark, head->high_slot);
    pack_u64(&p, head->generation);
    pack_u64(&p, head->num_validators);
    pack_bytes(&p, head->store_id, SLASHING_STORE_ID_LEN);
    pack_u32(&p, head->sealed_key_len);
    pack_zeros(&p, 4);
    pack_bytes(&p, head->sealed_key, head->sealed_key_len);
    pack_zeros(&p, SLASHING_SEALED_KEY_MAX - head->sealed_key_len);
    pack_bytes(&p, head->mac, SLASHING_MAC_LEN);
}

result slashing_entry_decode(struct slashing_entry *ret_entry,
                             const uint8_t bytes[static SLASHING_ENTRY_BYTES])
{
    struct cursor c = {.at = bytes, .left = SLASHING_ENTRY_BYTES};
    struct slashing_entry entry = {0};
    struct slashing_record *r = &entry.record;
    const uint8_t *reserved;
    uint8_t flags = 0, again[SLASHING_ENTRY_BYTES];
    TRY(cursor_u8(&c, &flags));
    TRY(cursor_view(&c, &reserved, 7));
    r->disabled = flags & DISABLED;
    r->has_block = flags & HAS_BLOCK;
    r->block_has_root = flags & BLOCK_ROOT;
    r->has_attestation = flags & HAS_ATTESTATION;
    r->attestation_has_root = flags & ATTESTATION_ROOT;
    TRY(cursor_u64(&c, &r->block_slot));
    TRY(cursor_copy(&c, r->block_root, 32));
    TRY(cursor_u64(&c, &r->source_epoch));
    TRY(cursor_u64(&c, &r->target_epoch));
    TRY(cursor_copy(&c, r->attestation_root, 32));
    TRY(cursor_u64(&c, &entry.stamp.generation));
    TRY(cursor_copy(&c, entry.stamp.mac, SLASHING_MAC_LEN));
    slashing_entry_encode(again, &entry);
    ENSURE(memcmp(again, bytes, sizeof again) == 0, E_INPUT, "an entry is not in its one form");
    *ret_entry = entry;
    return RESULT_OK;
}

result slashing_head_decode(struct slashing_head *ret_head, const uint8_t bytes[static SLASHING_HEAD_BYTES])
{
    struct cursor c = {.at = bytes, .left = SLASHING_HEAD_BYTES};
    struct slashing_head head = {0};
    const uint8_t *reserved;
    uint8_t flags = 0, again[SLASHING_HEAD_BYTES];
    TRY(cursor_u8(&c, &flags));
    TRY(cursor_view(&c, &reserved, 7));
    head.has_genesis = flags & HAS_GENESIS;
    head.has_high_watermark = flags & HAS_HIGH_WATERMARK;
    TRY(cursor_copy(&c, head.genesis_validators_root, 32));
    TRY(cursor_u64(&c, &head.high_epoch));
    TRY(cursor_u64(&c, &head.high_slot));
    TRY(cursor_u64(&c, &head.generation));
    TRY(cursor_u64(&c, &head.num_validators));
    TRY(cursor_copy(&c, head.store_id, SLASHING_STORE_ID_LEN));
    TRY(cursor_u32(&c, &head.sealed_key_len));
    TRY(cursor_view(&c, &reserved, 4));
    ENSURE(head.sealed_key_len <= SLASHING_SEALED_KEY_MAX, E_INPUT, "a head's sealed key is too long");
    TRY(cursor_copy(&c, head.sealed_key, SLASHING_SEALED_KEY_MAX));
    TRY(cursor_copy(&c, head.mac, SLASHING_MAC_LEN));
    slashing_head_encode(again, &head);
    ENSURE(memcmp(again, bytes, sizeof again) == 0, E_INPUT, "a head is not in its one form");
    *ret_head = head;
    return RESULT_OK;
}
