/* test_nitro_sealed.c - keys under a data key. tests/integration/test_sealed.py has another implementation of
 * the form. */
#include "testing.h"

#include "nitro/nitro_sealed.h"

static uint8_t pubkey[48], secret[32];

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pubkey; i++)
        pubkey[i] = (uint8_t)(i + 1);
    memset(secret, 0x5a, sizeof secret);
    return secret_heap_open(1 << 16).code;
}

static struct nitro_sealed begin(uint8_t data_key_byte, const char *uuid, bool seals)
{
    AUTO(secret) data_key = {0};
    struct nitro_sealed sealed = {0};
    assert_ok(secret_new(&data_key, NITRO_SEALED_DATA_KEY_LEN));
    memset(data_key.data, data_key_byte, data_key.length);
    assert_ok(nitro_sealed_begin(&sealed, &data_key, uuid, seals));
    return sealed;
}

static void what_was_sealed_opens(void **state)
{
    (void)state;
    uint8_t blob[NITRO_SEALED_LEN], again[NITRO_SEALED_LEN], opened[32] = {0};
    AUTO(nitro_sealed) sealer = begin(1, "a-1_B", true);
    AUTO(nitro_sealed) opener = begin(1, "a-1_B", false);
    assert_ok(nitro_sealed_seal(&sealer, blob, secret, pubkey));
    assert_ok(nitro_sealed_seal(&sealer, again, secret, pubkey));
    assert_memory_equal(blob, pubkey, sizeof pubkey);
    assert_memory_not_equal(blob + 48, again + 48, 12); /* another nonce, so another ciphertext */
    assert_memory_not_equal(blob + 60, again + 60, 48);
    assert_ok(nitro_sealed_open(&opener, opened, blob));
    assert_memory_equal(opened, secret, sizeof secret);
    assert_ok(nitro_sealed_open(&opener, opened, again));
    assert_memory_equal(opened, secret, sizeof secret);
}

static void every_bit_counts(void **state)
{
    (void)state;
    uint8_t blob[NITRO_SEALED_LEN], opened[32], zero[32] = {0};
    AUTO(nitro_sealed) sealer = begin(1, "u", true);
    AUTO(nitro_sealed) opener = begin(1, "u", false);
    assert_ok(nitro_sealed_seal(&sealer, blob, secret, pubkey));
    for (size_t bit = 0; bit < 8 * sizeof blob; bit++) {
        blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
        memset(opened, 0xff, sizeof opened);
        assert_fails(E_AUTH, nitro_sealed_open(&opener, opened, blob));
        assert_memory_equal(opened, zero, sizeof zero);
        blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_ok(nitro_sealed_open(&opener, opened, blob)); /* a failure leaves nothing behind */
}

static void another_uuid_or_data_key_opens_nothing(void **state)
{
    (void)state;
    uint8_t blob[NITRO_SEALED_LEN], opened[32];
    AUTO(nitro_sealed) sealer = begin(1, "u", true);
    AUTO(nitro_sealed) other_uuid = begin(1, "uu", false);
    AUTO(nitro_sealed) other_key = begin(2, "u", false);
    assert_ok(nitro_sealed_seal(&sealer, blob, secret, pubkey));
    assert_fails(E_AUTH, nitro_sealed_open(&other_uuid, opened, blob));
    assert_fails(E_AUTH, nitro_sealed_open(&other_key, opened, blob));
}

static void bad_uuids_and_data_keys_are_refused(void **state)
{
    (void)state;
    char longest[NITRO_SEALED_UUID_MAX + 2];
    struct nitro_sealed sealed = {0};
    AUTO(secret) data_key = {0};
    memset(longest, 'a', sizeof longest);
    longest[NITRO_SEALED_UUID_MAX + 1] = 0;
    assert_ok(secret_new(&data_key, NITRO_SEALED_DATA_KEY_LEN));
    assert_fails(E_INPUT, nitro_sealed_begin(&sealed, &data_key, "", true));
    assert_fails(E_INPUT, nitro_sealed_begin(&sealed, &data_key, "a b", true));
    assert_fails(E_INPUT, nitro_sealed_begin(&sealed, &data_key, longest, true));
    secret_truncate(&data_key, NITRO_SEALED_DATA_KEY_LEN - 1);
    assert_fails(E_INPUT, nitro_sealed_begin(&sealed, &data_key, "a", true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sealed_opens),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(another_uuid_or_data_key_opens_nothing),
        cmocka_unit_test(bad_uuids_and_data_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
