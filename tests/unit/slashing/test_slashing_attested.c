/* test_slashing_attested.c - the attested state: its one form, and its order. */
#include "testing.h"

#include "slashing/slashing_attested.h"

static const struct slashing_attested some = {.tls_key = {1, 2},
                                              .public_keys = {8, 9},
                                              .records = {3, 4},
                                              .generation = 5,
                                              .num_validators = 6,
                                              .highest_epoch = 7,
                                              .highest_slot = 0x0102030405060708};

static void it_has_one_form(void **state)
{
    (void)state;
    uint8_t bytes[SLASHING_ATTESTED_BYTES + 1] = {0}, again[SLASHING_ATTESTED_BYTES];
    struct slashing_attested decoded;
    slashing_attested_encode(bytes, &some);
    assert_int_equal(bytes[0], 2);
    assert_memory_equal(bytes + 1, some.tls_key, 32);
    assert_memory_equal(bytes + 33, some.public_keys, 32);
    assert_memory_equal(bytes + 65, some.records, 32);
    assert_int_equal(bytes[97], 5);
    assert_int_equal(bytes[105], 6);
    assert_int_equal(bytes[113], 7);
    assert_memory_equal(bytes + 121, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    assert_ok(slashing_attested_decode(&decoded, bytes, SLASHING_ATTESTED_BYTES));
    slashing_attested_encode(again, &decoded);
    assert_memory_equal(again, bytes, sizeof again);
    for (size_t length = 0; length < SLASHING_ATTESTED_BYTES; length++)
        assert_fails(E_INPUT, slashing_attested_decode(&decoded, bytes, length));
    assert_fails(E_INPUT, slashing_attested_decode(&decoded, bytes, SLASHING_ATTESTED_BYTES + 1));
    bytes[0] = 1;
    assert_fails(E_UNSUPPORTED, slashing_attested_decode(&decoded, bytes, SLASHING_ATTESTED_BYTES));
    assert_fails(E_UNSUPPORTED, slashing_attested_decode(&decoded, bytes, 97)); /* as long as it was then */
    assert_error_names("version 1");
    bytes[0] = 3;
    assert_fails(E_INPUT, slashing_attested_decode(&decoded, bytes, SLASHING_ATTESTED_BYTES));
}

static void the_highest_counts(void **state)
{
    (void)state;
    struct slashing_attested counted = {0};
    struct slashing_record records[] = {{.has_attestation = true, .target_epoch = 5},
                                        {.has_block = true, .block_slot = 9, .target_epoch = 70},
                                        {.has_attestation = true, .target_epoch = 4, .block_slot = 90},
                                        {.has_block = true, .block_slot = 8},
                                        {.has_attestation = true, .target_epoch = 4},
                                        {.disabled = true}};
    for (size_t i = 0; i < ARRAY_LENGTH(records); i++)
        slashing_attested_count(&counted, &records[i]);
    assert_int_equal(counted.num_validators, 6);
    assert_int_equal(counted.highest_epoch, 5);
    assert_int_equal(counted.highest_slot, 9);
}

static void what_went_back_is_named(void **state)
{
    (void)state;
    struct slashing_attested now = some;
    assert_ok(slashing_attested_compare(&now, &some));
    now.num_validators = 0; /* keys come and go */
    now.generation++;
    now.highest_epoch++;
    now.highest_slot++;
    assert_ok(slashing_attested_compare(&now, &some));
    now.highest_slot = some.highest_slot - 1;
    assert_fails(E_MISMATCH, slashing_attested_compare(&now, &some));
    assert_error_names("rolled back: the highest block slot");
    now.highest_epoch = some.highest_epoch - 1;
    assert_fails(E_MISMATCH, slashing_attested_compare(&now, &some));
    assert_error_names("highest target epoch was 7 and is 6");
    now.generation = some.generation - 1;
    assert_fails(E_MISMATCH, slashing_attested_compare(&now, &some));
    assert_error_names("generation");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_one_form),
        cmocka_unit_test(the_highest_counts),
        cmocka_unit_test(what_went_back_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
