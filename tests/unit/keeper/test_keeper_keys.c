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

/* ---- calls that fail: the number-th from now on ---- */

enum call { INIT, UPDATE, FINAL, SHORT, FETCH, CONTEXT, RANDOM, CALLOC, REALLOC, CALLS };

static unsigned fails_in[CALLS]; /* 0: not at all */

static bool fails(enum call call)
{
    return fails_in[call] > 0 && --fails_in[call] == 0;
}

#define FAILING(call, type, function, failure, parameters, arguments)                                        \
    type __real_##function parameters;                                                                       \
    type __wrap_##function parameters;                                                                       \
    type __wrap_##function parameters                                                                        \
    {                                                                                                        \
        return fails(call) ? (failure) : __real_##function arguments;                                        \
    }
FAILING(UPDATE, int, EVP_MAC_update, 0, (EVP_MAC_CTX * context, const unsigned char *data, size_t data_len),
        (context, data, data_len))
FAILING(FETCH, EVP_MAC *, EVP_MAC_fetch, NULL,
        (OSSL_LIB_CTX * library, const char *algorithm, const char *properties),
        (library, algorithm, properties))
FAILING(CONTEXT, EVP_MAC_CTX *, EVP_MAC_CTX_new, NULL, (EVP_MAC * mac), (mac))
FAILING(RANDOM, int, RAND_bytes, 0, (unsigned char *out, int num), (out, num))
FAILING(CALLOC, void *, calloc, NULL, (size_t num, size_t size), (num, size))
FAILING(REALLOC, void *, realloc, NULL, (void *old, size_t size), (old, size))

int __real_EVP_MAC_init(EVP_MAC_CTX *context, const unsigned char *key, size_t key_len,
                        const OSSL_PARAM parameters[]);
int __wrap_EVP_MAC_init(EVP_MAC_CTX *context, const unsigned char *key, size_t key_len,
                        const OSSL_PARAM parameters[]);

int __wrap_EVP_MAC_init(EVP_MAC_CTX *context, const unsigned char *key, size_t key_len,
                        const OSSL_PARAM parameters[])
{
    memcpy(hashed.key, key, key_len < sizeof hashed.key ? key_len : sizeof hashed.key);
    hashed.key_len = key_len;
    return fails(INIT) ? 0 : __real_EVP_MAC_init(context, key, key_len, parameters);
}

int __real_EVP_MAC_final(EVP_MAC_CTX *context, unsigned char *out, size_t *out_len, size_t out_capacity);
int __wrap_EVP_MAC_final(EVP_MAC_CTX *context, unsigned char *out, size_t *out_len, size_t out_capacity);

/* Or gives fewer bytes than a hash has. */
int __wrap_EVP_MAC_final(EVP_MAC_CTX *context, unsigned char *out, size_t *out_len, size_t out_capacity)
{
    if (fails(FINAL))
        return 0;
    int ok = __real_EVP_MAC_final(context, out, out_len, out_capacity);
    if (fails(SHORT))
        *out_len = 3;
    return ok;
}

static void a_set_that_cannot_be_made_is_none(void **state)
{
    (void)state;
    static const struct {
        enum call call;
        unsigned number;
        int error;
    } rows[] = {{CALLOC, 1, E_MEMORY},
                {CALLOC, 2, E_MEMORY},
                {RANDOM, 1, E_CRYPTO},
                {FETCH, 1, E_CRYPTO},
                {CONTEXT, 1, E_CRYPTO}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct keeper_keys *keys = NULL;
        fails_in[rows[i].call] = rows[i].number;
        assert_fails(rows[i].error, keeper_keys_new(&keys));
        assert_int_equal(fails_in[rows[i].call], 0);
        assert_null(keys);
    }
}

static struct keeper_key numbered(uint32_t number)
{
    struct keeper_key key = {0};
    memcpy(key.pubkey, &number, sizeof number);
    return key;
}

static void expect_all(struct keeper_keys *keys, uint32_t num)
{
    assert_int_equal(keeper_keys_count(keys), num);
    for (uint32_t i = 0; i < num; i++) {
        struct keeper_key key = numbered(i);
        const struct keeper_key *found = keeper_keys_find(keys, key.pubkey);
        assert_non_null(found);
        assert_int_equal(found->index, i);
    }
}

/* Whatever a key needs and does not get: it is not there, and the others are. */
static void a_key_that_cannot_be_kept_is_not_added(void **state)
{
    (void)state;
    static const struct {
        enum call call;
        unsigned number;
        uint32_t at; /* so many are there */
        int error;
    } rows[] = {{REALLOC, 1, 0, E_MEMORY},  {REALLOC, 2, 0, E_MEMORY},  {INIT, 1, 0, E_CRYPTO},
                {UPDATE, 1, 1, E_CRYPTO},   {FINAL, 1, 2, E_CRYPTO},    {SHORT, 1, 2, E_CRYPTO},
                {REALLOC, 1, 64, E_MEMORY}, {CALLOC, 1, 512, E_MEMORY}, {INIT, 1, 512, E_CRYPTO},
                {INIT, 300, 512, E_CRYPTO}};
    struct keeper_keys *keys = NULL;
    assert_ok(keeper_keys_new(&keys));
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct keeper_key next = numbered(rows[i].at);
        for (uint32_t number = keeper_keys_count(keys); number < rows[i].at; number++) {
            struct keeper_key key = numbered(number);
            assert_ok(keeper_keys_remember(keys, &key));
        }
        fails_in[rows[i].call] = rows[i].number;
        assert_fails(rows[i].error, keeper_keys_remember(keys, &next));
        assert_int_equal(fails_in[rows[i].call], 0);
        expect_all(keys, rows[i].at);
        assert_null(keeper_keys_find(keys, next.pubkey));
    }
    struct keeper_key last = numbered(512);
    assert_ok(keeper_keys_remember(keys, &last));
    expect_all(keys, 513);
    fails_in[INIT] = 1;
    assert_null(keeper_keys_find(keys, last.pubkey)); /* what cannot be looked for is not found */
    fails_in[INIT] = 2;                               /* to look for it again is the second time */
    assert_fails(E_INTERNAL, keeper_keys_remember(keys, &last));
    assert_error_names("a key that was added is not there");
    struct keeper_keys *copy = NULL;
    assert_ok(keeper_keys_new(&copy));
    fails_in[REALLOC] = 4; /* entries and chunk of the first, and entries of the 65th and 129th */
    assert_fails(E_MEMORY, keeper_keys_add_all(copy, keys));
    expect_all(copy, 128);
    keeper_keys_free(copy);
    keeper_keys_free(keys);
}

static void so_many_at_once_and_no_more(void **state)
{
    (void)state;
    static struct keeper_new_key list[KEEPER_NEW_KEYS_MAX + 1];
    struct keeper_keys *keys = NULL;
    assert_ok(keeper_keys_new(&keys));
    assert_fails(E_TOO_LARGE, keeper_keys_add_many(keys, list, KEEPER_NEW_KEYS_MAX + 1, NULL, NULL));
    assert_error_names("more than 512 keys at once");
    keeper_keys_free(keys);
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
        cmocka_unit_test(a_set_that_cannot_be_made_is_none),
        cmocka_unit_test(a_key_that_cannot_be_kept_is_not_added),
        cmocka_unit_test(so_many_at_once_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
