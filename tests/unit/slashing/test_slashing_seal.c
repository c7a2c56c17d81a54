/* test_slashing_seal.c - encodings have one form, and seals notice every changed bit. The expected MACs come
 * from Python's hmac. */
#include "store_testing.h"

#include "base/hex.h"
#include "slashing/slashing_codec.h"
#include "slashing/slashing_seal.h"

static struct slashing_entry full_entry(void)
{
    struct slashing_entry entry = {.record = vote_record(3, 7, 0x22), .stamp = {.generation = 5}};
    struct slashing_record block = block_record(0x1122334455667788, 0x11);
    entry.record.has_block = block.has_block;
    entry.record.block_slot = block.block_slot;
    entry.record.block_has_root = true;
    memcpy(entry.record.block_root, block.block_root, 32);
    return entry;
}

static struct slashing_head full_head(void)
{
    struct slashing_head head = {.has_genesis = true,
                                 .has_high_watermark = true,
                                 .high_epoch = UINT64_MAX,
                                 .high_slot = 9,
                                 .generation = 2,
                                 .num_validators = 1000,
                                 .sealed_key_len = 5,
                                 .sealed_key = "12345"};
    memset(head.genesis_validators_root, 0x44, 32);
    memset(head.store_id, 0x55, sizeof head.store_id);
    return head;
}

static void every_byte_of_an_encoding_counts(void **state)
{
    (void)state;
    struct slashing_entry entry = full_entry(), back;
    uint8_t bytes[SLASHING_ENTRY_BYTES], again[SLASHING_ENTRY_BYTES];
    slashing_entry_encode(bytes, &entry);
    assert_ok(slashing_entry_decode(&back, bytes));
    assert_record_equal(&back.record, &entry.record);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 0x20;
        if (!slashing_entry_decode(&back, bytes).code) {
            slashing_entry_encode(again, &back);
            assert_memory_equal(bytes, again, sizeof bytes);
        } else {
            assert_in_range(i, 0, 7); /* flags and what is reserved */
        }
        bytes[i] ^= 0x20;
    }
    bytes[0] &= (uint8_t)~2; /* a slot without has_block */
    assert_fails(E_INPUT, slashing_entry_decode(&back, bytes));
}

static void a_head_is_encoded_and_decoded(void **state)
{
    (void)state;
    struct slashing_head head = full_head(), back;
    uint8_t bytes[SLASHING_HEAD_BYTES], again[SLASHING_HEAD_BYTES];
    slashing_head_encode(bytes, &head);
    assert_ok(slashing_head_decode(&back, bytes));
    slashing_head_encode(again, &back);
    assert_memory_equal(bytes, again, sizeof bytes);
    assert_int_equal(back.num_validators, 1000);
    static const size_t lengths_at = 8 + 32 + 4 * 8 + SLASHING_STORE_ID_LEN;
    bytes[lengths_at + 1] = 0x40; /* 16,389 bytes of sealed key */
    assert_fails(E_INPUT, slashing_head_decode(&back, bytes));
    bytes[lengths_at + 1] = 0;
    bytes[lengths_at] = 4; /* a byte behind the end of the key */
    assert_fails(E_INPUT, slashing_head_decode(&back, bytes));
}

static void open_seal(struct slashing_seal *seal, uint8_t key_byte)
{
    struct secret key = {0};
    uint8_t bytes[SLASHING_SEAL_KEY_LEN], store_id[SLASHING_STORE_ID_LEN];
    memset(bytes, key_byte, sizeof bytes);
    memset(store_id, 0x55, sizeof store_id);
    assert_ok(secret_copy(&key, bytes, sizeof bytes));
    assert_ok(slashing_seal_open(seal, &key, store_id));
    assert_null(key.data);
}

static void assert_hex(const uint8_t bytes[static 32], const char *expected)
{
    char digits[65];
    hex_encode(digits, bytes, 32);
    assert_string_equal(digits, expected);
}

/* hmac.new(b"\x66" * 32, word.ljust(32, b"\0") + b"\x55" * 16 + ..., "sha256") */
static void seals_are_what_another_program_computes(void **state)
{
    (void)state;
    struct slashing_seal seal;
    open_seal(&seal, 0x66);
    uint8_t identity[SLASHING_IDENTITY_LEN];
    assert_ok(slashing_seal_identity(identity, &seal));
    assert_hex(identity, "4e390a384355e07819680137faa670a05a702e11f507d0766d333ebe46f0a826");
    struct slashing_entry entry = full_entry();
    uint8_t pubkey[48];
    memset(pubkey, 0x77, sizeof pubkey);
    assert_ok(slashing_seal_entry(&seal, &entry, pubkey));
    assert_hex(entry.stamp.mac, "e396fcac4ef5bc534b50015569d65dff4f01714700649f955fc0aaf90e8d99c2");
    slashing_seal_cleanup(&seal);
}

static void a_seal_notices_every_change(void **state)
{
    (void)state;
    struct slashing_seal seal, other;
    struct slashing_entry entry = full_entry();
    struct slashing_head head = full_head();
    uint8_t pubkey[48] = {1}, stranger[48] = {2}, bytes[SLASHING_ENTRY_BYTES];
    open_seal(&seal, 1);
    open_seal(&other, 2);
    assert_ok(slashing_seal_entry(&seal, &entry, pubkey));
    assert_ok(slashing_seal_check_entry(&seal, &entry, pubkey));
    assert_fails(E_STORE, slashing_seal_check_entry(&seal, &entry, stranger));
    assert_fails(E_STORE, slashing_seal_check_entry(&other, &entry, pubkey));
    slashing_entry_encode(bytes, &entry);
    for (size_t i = 8; i < sizeof bytes; i++) {
        struct slashing_entry changed;
        bytes[i] ^= 1;
        assert_ok(slashing_entry_decode(&changed, bytes));
        assert_fails(E_STORE, slashing_seal_check_entry(&seal, &changed, pubkey));
        bytes[i] ^= 1;
    }
    assert_ok(slashing_seal_head(&seal, &head));
    assert_ok(slashing_seal_check_head(&seal, &head));
    assert_fails(E_STORE, slashing_seal_check_head(&other, &head));
    head.num_validators--;
    assert_fails(E_STORE, slashing_seal_check_head(&seal, &head));
    slashing_seal_cleanup(&seal);
    slashing_seal_cleanup(&other);
}

static void a_key_has_32_bytes(void **state)
{
    (void)state;
    struct slashing_seal seal;
    struct secret key = {0};
    uint8_t store_id[SLASHING_STORE_ID_LEN] = {1};
    assert_ok(secret_copy(&key, "0123456789012345678901234567890", 31));
    assert_fails(E_INPUT, slashing_seal_open(&seal, &key, store_id));
    secret_cleanup(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_an_encoding_counts),
        cmocka_unit_test(a_head_is_encoded_and_decoded),
        cmocka_unit_test(seals_are_what_another_program_computes),
        cmocka_unit_test(a_seal_notices_every_change),
        cmocka_unit_test(a_key_has_32_bytes),
    };
    if (secret_heap_open(1 << 16).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
