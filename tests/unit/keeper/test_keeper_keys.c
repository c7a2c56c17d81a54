/* test_keeper_keys.c - the key set: finding, adding, copying, and a secure heap that is full. */
#include "testing.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <time.h>

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

static struct {
    uint8_t key[16];
    size_t key_len;
} hashed;

int __real_EVP_MAC_init(EVP_MAC_CTX *context, const unsigned char *key, size_t key_len,
                        const OSSL_PARAM parameters[]);
int __wrap_EVP_MAC_init(EVP_MAC_CTX *context, const unsigned char *key, size_t key_len,
                        const OSSL_PARAM parameters[]);

int __wrap_EVP_MAC_init(EVP_MAC_CTX *context, const unsigned char *key, size_t key_len,
                        const OSSL_PARAM parameters[])
{
    memcpy(hashed.key, key, key_len < sizeof hashed.key ? key_len : sizeof hashed.key);
    hashed.key_len = key_len;
    return __real_EVP_MAC_init(context, key, key_len, parameters);
}

/* Which public keys collide cannot be known: the hash of each set has a key of its own. */
static void each_set_hashes_under_a_key_of_its_own(void **state)
{
    (void)state;
    static const uint8_t none[16];
    uint8_t seen[8][16];
    for (size_t i = 0; i < ARRAY_LENGTH(seen); i++) {
        struct keeper_keys *keys = NULL;
        assert_ok(keeper_keys_new(&keys));
        assert_null(keeper_keys_find(keys, (const uint8_t[48]){1}));
        assert_int_equal(hashed.key_len, 16);
        assert_memory_not_equal(hashed.key, none, 16);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(hashed.key, seen[j], 16);
        memcpy(seen[i], hashed.key, 16);
        keeper_keys_free(keys);
    }
}

enum { MANY = 5000 };

/* Nanoseconds of a processor to add and find these keys. */
static uint64_t effort(uint8_t pubkeys[MANY][48])
{
    struct keeper_keys *keys = NULL;
    struct timespec begun, ended;
    assert_ok(keeper_keys_new(&keys));
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
    for (uint32_t i = 0; i < MANY; i++) {
        struct keeper_key key = {0};
        memcpy(key.pubkey, pubkeys[i], sizeof key.pubkey);
        assert_ok(keeper_keys_remember(keys, &key));
        assert_non_null(keeper_keys_find(keys, key.pubkey));
    }
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    assert_int_equal(keeper_keys_count(keys), MANY);
    keeper_keys_free(keys);
    return (uint64_t)(ended.tv_sec - begun.tv_sec) * 1000000000 + (uint64_t)ended.tv_nsec -
           (uint64_t)begun.tv_nsec;
}

/* Those that have all but a few bits in common are found as fast as random ones: were they to collide, it
 * would take a hundred times as long and more. */
static void alike_keys_cost_no_more(void **state)
{
    (void)state;
    static uint8_t pubkeys[MANY][48];
    assert_int_equal(RAND_bytes(pubkeys[0], sizeof pubkeys), 1);
    uint64_t random = effort(pubkeys);
    for (size_t at = 0; at <= 44; at += 4) {
        memset(pubkeys, 0x80, sizeof pubkeys);
        for (uint32_t i = 0; i < MANY; i++)
            memcpy(pubkeys[i] + at, &i, sizeof i);
        assert_true(effort(pubkeys) < 10 * random);
    }
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
        cmocka_unit_test(each_set_hashes_under_a_key_of_its_own),
        cmocka_unit_test(alike_keys_cost_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
