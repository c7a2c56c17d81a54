/* test_keeper_keys.c - the key set: finding, adding, copying, and a secure heap that is full. */
#include "testing.h"

#include "keeper/keeper_keys.h"

static void thousands_of_keys_are_found(void **state)
{
    (void)state;
    static uint8_t many[5000][48];
    struct keeper_keys *keys = NULL, *copy = NULL;
    bool added = false;
    uint8_t other[48] = {1};
    assert_ok(keeper_keys_new(&keys));
    for (uint32_t i = 0; i < 5000; i++) {
        uint8_t secret[32] = {[30] = (uint8_t)((i + 1) >> 8), [31] = (uint8_t)(i + 1)};
        assert_ok(bls_public_key(many[i], secret));
        assert_ok(keeper_keys_add(keys, &added, secret, many[i]));
        assert_true(added);
        assert_ok(keeper_keys_add(keys, &added, secret, many[i]));
        assert_false(added);
    }
    assert_ok(keeper_keys_new(&copy));
    assert_ok(keeper_keys_add_all(copy, keys));
    assert_int_equal(keeper_keys_count(copy), 5000);
    for (uint32_t i = 0; i < 5000; i++) {
        const struct keeper_key *key = keeper_keys_find(copy, many[i]);
        assert_non_null(key);
        const uint8_t *secret = keeper_keys_secret(copy, key);
        assert_int_equal(secret[30] << 8 | secret[31], i + 1);
        assert_ptr_equal(keeper_keys_at(copy, i), key);
    }
    assert_null(keeper_keys_find(copy, other));
    keeper_keys_free(keys);
    keeper_keys_free(copy);
}

static void a_full_heap_refuses_keys(void **state)
{
    (void)state;
    struct keeper_keys *sets[64] = {0};
    uint8_t secret[32] = {[31] = 1}, pubkey[48];
    bool added = false;
    result r = RESULT_OK;
    size_t made = 0;
    assert_ok(bls_public_key(pubkey, secret));
    while (!r.code && made < ARRAY_LENGTH(sets)) { /* each set's first key takes a whole chunk */
        assert_ok(keeper_keys_new(&sets[made]));
        r = keeper_keys_add(sets[made++], &added, secret, pubkey);
    }
    assert_int_equal(r.code, E_MEMORY);
    assert_int_equal(keeper_keys_count(sets[made - 1]), 0);
    while (made-- > 0)
        keeper_keys_free(sets[made]);
}

int main(void)
{
    if (secret_heap_open(2 << 20).code) {
        (void)fprintf(stderr, "%s\n", error_text());
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_of_keys_are_found),
        cmocka_unit_test(a_full_heap_refuses_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
