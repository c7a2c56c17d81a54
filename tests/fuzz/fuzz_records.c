/* fuzz_records.c - entries and heads of the slashing-protection store, what an attestation document says of
 * it, and validator keys that are sealed. What a decoder accepts is encoded as the same bytes. An entry that
 * we seal is found right for its validator, and for no other, nor with any bit turned; so is a sealed key.
 *
 * Each entry is tried as it is, and with a MAC of ours: no mutation would get past that. */
#include "fuzz.h"
#include "fuzz_secret.h"
#include "nitro/nitro_sealed.h"
#include "slashing/slashing_attested.h"
#include "slashing/slashing_codec.h"
#include "slashing/slashing_seal.h"

static struct slashing_seal seal;
static struct secret data_key;

static void try_entry(const uint8_t *data, size_t flip)
{
    struct slashing_entry entry, changed;
    uint8_t again[SLASHING_ENTRY_BYTES], pubkey[48] = {1};
    if (!fuzz_accepted(slashing_entry_decode(&entry, data)))
        return;
    slashing_entry_encode(again, &entry);
    PROMISE(memcmp(again, data, sizeof again) == 0);
    PROMISE(slashing_seal_check_entry(&seal, &entry, pubkey).code == E_STORE);
    PROMISE(slashing_seal_entry(&seal, &entry, pubkey).code == 0);
    PROMISE(slashing_seal_check_entry(&seal, &entry, pubkey).code == 0);
    pubkey[47] = 1;
    PROMISE(slashing_seal_check_entry(&seal, &entry, pubkey).code == E_STORE);
    pubkey[47] = 0;
    slashing_entry_encode(again, &entry);
    again[flip / 8 % sizeof again] ^= (uint8_t)(1 << flip % 8);
    if (fuzz_accepted(slashing_entry_decode(&changed, again)))
        PROMISE(slashing_seal_check_entry(&seal, &changed, pubkey).code == E_STORE);
}

static void try_head(const uint8_t *data, size_t flip)
{
    struct slashing_head head, changed;
    uint8_t again[SLASHING_HEAD_BYTES];
    if (!fuzz_accepted(slashing_head_decode(&head, data)))
        return;
    slashing_head_encode(again, &head);
    PROMISE(memcmp(again, data, sizeof again) == 0);
    memcpy(head.store_id, seal.store_id, sizeof head.store_id);
    PROMISE(slashing_seal_head(&seal, &head).code == 0 && slashing_seal_check_head(&seal, &head).code == 0);
    slashing_head_encode(again, &head);
    again[flip / 8 % sizeof again] ^= (uint8_t)(1 << flip % 8);
    if (fuzz_accepted(slashing_head_decode(&changed, again)))
        PROMISE(slashing_seal_check_head(&seal, &changed).code == E_STORE);
}

static void try_attested(const uint8_t *data, size_t size)
{
    struct slashing_attested state;
    uint8_t again[SLASHING_ATTESTED_BYTES];
    if (!fuzz_accepted(slashing_attested_decode(&state, data, size)))
        return;
    slashing_attested_encode(again, &state);
    PROMISE(size == sizeof again && memcmp(again, data, size) == 0);
    PROMISE(slashing_attested_compare(&state, &state).code == 0);
    if (state.generation < UINT64_MAX) {
        struct slashing_attested later = state;
        later.generation++;
        PROMISE(slashing_attested_compare(&later, &state).code == 0);
        PROMISE(slashing_attested_compare(&state, &later).code == E_MISMATCH);
    }
}

static void try_sealed(const uint8_t *data, size_t flip)
{
    AUTO(nitro_sealed) sealer = {0}, opener = {0};
    uint8_t blob[NITRO_SEALED_LEN], secret[NITRO_SEALED_SECRET_LEN];
    static const uint8_t zeros[NITRO_SEALED_SECRET_LEN];
    PROMISE(nitro_sealed_begin(&sealer, &data_key, "a-b", true).code == 0);
    PROMISE(nitro_sealed_begin(&opener, &data_key, "a-b", false).code == 0);
    PROMISE(nitro_sealed_open(&opener, secret, data).code == E_AUTH);
    PROMISE(memcmp(secret, zeros, sizeof secret) == 0);
    PROMISE(nitro_sealed_seal(&sealer, blob, data, data + NITRO_SEALED_SECRET_LEN).code == 0);
    PROMISE(nitro_sealed_open(&opener, secret, blob).code == 0 && memcmp(secret, data, sizeof secret) == 0);
    blob[flip / 8 % sizeof blob] ^= (uint8_t)(1 << flip % 8);
    PROMISE(nitro_sealed_open(&opener, secret, blob).code == E_AUTH);
    PROMISE(memcmp(secret, zeros, sizeof secret) == 0);
}

static void open_keys(void)
{
    static const uint8_t bytes[SLASHING_SEAL_KEY_LEN] = {3, 1, 4, 1, 5},
                         store_id[SLASHING_STORE_ID_LEN] = {9};
    struct secret key = {0};
    fuzz_open_secret_heap();
    PROMISE(secret_copy(&key, bytes, sizeof bytes).code == 0);
    PROMISE(secret_copy(&data_key, bytes, NITRO_SEALED_DATA_KEY_LEN).code == 0);
    PROMISE(slashing_seal_open(&seal, &key, store_id).code == 0);
}

/* The first two bytes say which bit is turned. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!data_key.data)
        open_keys();
    if (size < 2)
        return 0;
    size_t flip = (size_t)data[0] << 8 | data[1];
    fuzz_forget_reason();
    try_attested(data + 2, size - 2);
    if (size - 2 >= NITRO_SEALED_LEN)
        try_sealed(data + 2, flip);
    if (size - 2 >= SLASHING_ENTRY_BYTES)
        try_entry(data + 2, flip);
    if (size - 2 >= SLASHING_HEAD_BYTES)
        try_head(data + 2, flip);
    return 0;
}
