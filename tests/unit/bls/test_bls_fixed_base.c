/* test_bls_fixed_base.c - lib/bls/bls_fixed_base.c and bls_recode.c against blst's own multiplication. */
#include "testing.h"

#include "bls/bls.h"
#include "bls/bls_recode.h"

enum { MANY = 1500 };

static uint64_t random_state = 0x9e3779b97f4a7c15;

/* xorshift: the same keys in every run. */
static uint8_t random_byte(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint8_t)(random_state >> 32);
}

static void random_secret(uint8_t secret[32])
{
    for (size_t i = 0; i < 32; i++)
        secret[i] = random_byte();
    secret[0] &= 0x3f;
}

static int open_heap(void **state)
{
    (void)state;
    return secret_heap_open(1 << 20).code;
}

static void compare(const uint8_t (*secrets)[32], size_t num)
{
    static uint8_t pubkeys[MANY][48];
    static const uint8_t *list[MANY];
    struct bls_fixed_base *base = NULL;
    assert_ok(bls_fixed_base_new(&base));
    assert_true(num <= MANY);
    for (size_t i = 0; i < num; i++)
        list[i] = secrets[i];
    assert_ok(bls_fixed_base_public_keys(base, pubkeys[0], list, num));
    for (size_t i = 0; i < num; i++) {
        uint8_t expected[48];
        assert_ok(bls_public_key(expected, secrets[i]));
        if (memcmp(expected, pubkeys[i], sizeof expected) != 0)
            fail_msg("key %zu of %zu is another", i, num);
    }
    bls_fixed_base_free(base);
}

static void random_keys_are_blsts(void **state)
{
    (void)state;
    static uint8_t secrets[MANY][32];
    for (size_t i = 0; i < MANY; i++)
        random_secret(secrets[i]);
    compare((const uint8_t(*)[32])secrets, MANY);
}

/* Batches of every size around the one that shares an inversion. */
static void batches_of_any_size(void **state)
{
    (void)state;
    static uint8_t secrets[260][32];
    static const size_t sizes[] = {0, 1, 2, 127, 128, 129, 255, 256, 257};
    for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++)
        random_secret(secrets[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++)
        compare((const uint8_t(*)[32])secrets, sizes[i]);
}

static const uint8_t group_order[32] = {0x73, 0xed, 0xa7, 0x53, 0x29, 0x9d, 0x7d, 0x48, 0x33, 0x39, 0xd8,
                                        0x08, 0x09, 0xa1, 0xd8, 0x05, 0x53, 0xbd, 0xa4, 0x02, 0xff, 0xfe,
                                        0x5b, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01};

/* group order - low, for a low of up to 16 bits. */
static void below_the_order(uint8_t secret[32], unsigned low)
{
    memcpy(secret, group_order, 32);
    int borrow = (int)low;
    for (size_t i = 32; i-- > 0 && borrow;) {
        int value = secret[i] - (borrow & 0xff);
        borrow = (borrow >> 8) + (value < 0);
        secret[i] = (uint8_t)value;
    }
}

/* Small, large, one bit, one bit less, one digit: where digits are all the same or carries run far. */
static void edges_are_blsts(void **state)
{
    (void)state;
    static uint8_t secrets[MANY][32];
    size_t num = 0;
    for (unsigned i = 1; i <= 200; i++) {
        secrets[num][30] = (uint8_t)(i >> 8);
        secrets[num++][31] = (uint8_t)i;
        below_the_order(secrets[num++], i);
    }
    for (unsigned bit = 0; bit < 254; bit++) {
        secrets[num++][31 - bit / 8] = (uint8_t)(1u << bit % 8); /* 2^bit */
        for (unsigned below = 0; below <= bit; below++)
            secrets[num][31 - below / 8] |= (uint8_t)(1u << below % 8); /* 2^(bit + 1) - 1 */
        num++;
    }
    for (unsigned value = 0; value < 0x73; value++)
        secrets[num++][0] = (uint8_t)(value + 1); /* the last digits */
    assert_true(num <= MANY);
    compare((const uint8_t(*)[32])secrets, num);
}

static void bad_secrets_are_refused(void **state)
{
    (void)state;
    uint8_t zero[32] = {0}, good[32] = {[31] = 7}, pubkeys[3][48];
    const uint8_t *list[] = {good, zero, good};
    struct bls_fixed_base *base = NULL;
    assert_ok(bls_fixed_base_new(&base));
    assert_fails(E_INPUT, bls_fixed_base_public_keys(base, pubkeys[0], list, 3));
    list[1] = group_order;
    assert_fails(E_INPUT, bls_fixed_base_public_keys(base, pubkeys[0], list, 3));
    list[1] = good;
    assert_ok(bls_fixed_base_public_keys(base, pubkeys[0], list, 3));
    bls_fixed_base_free(base);
}

/* The digits add up to the number, or to r minus it; none is even. Checked modulo 2^64 and by the top. */
static void digits_are_the_number(void **state)
{
    (void)state;
    for (size_t round = 0; round < 1000; round++) {
        uint8_t secret[32];
        struct bls_recoded recoded;
        uint64_t sum = 0, power = 1, low = 0;
        random_secret(secret);
        bls_recode(&recoded, secret);
        for (size_t i = 0; i < 8; i++)
            low = low << 8 | secret[24 + i];
        for (size_t i = 0; i < BLS_RECODE_DIGITS; i++) {
            struct bls_digit digit = bls_recode_digit(&recoded, i);
            assert_true(digit.choice < BLS_RECODE_CHOICES);
            assert_true(digit.negated == 0 || (digit.negated == UINT64_MAX && i + 1 < BLS_RECODE_DIGITS));
            uint64_t size = 2 * digit.choice + 1;
            sum += (digit.negated ? 0 - size : size) * power;
            power <<= BLS_RECODE_BITS;
        }
        assert_int_equal(recoded.negated, low & 1 ? 0 : UINT64_MAX);
        assert_int_equal(sum, low & 1 ? low : 0xffffffff00000001 - low);
    }
}

static void selection_reads_the_entry(void **state)
{
    (void)state;
    enum { WORDS = 2 * BLS_RECODE_CHUNK_WORDS };
    static uint64_t entries[BLS_RECODE_CHOICES * WORDS], entry[WORDS];
    for (size_t i = 0; i < ARRAY_LENGTH(entries); i++)
        entries[i] = i * 0x0123456789abcdef;
    for (uint64_t choice = 0; choice < BLS_RECODE_CHOICES; choice++) {
        struct bls_choice wanted = {.number = choice, .of = BLS_RECODE_CHOICES};
        bls_recode_select(entry, entries, WORDS, wanted);
        assert_memory_equal(entry, entries + WORDS * choice, sizeof entry);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_are_the_number), cmocka_unit_test(selection_reads_the_entry),
        cmocka_unit_test(random_keys_are_blsts), cmocka_unit_test(batches_of_any_size),
        cmocka_unit_test(edges_are_blsts),       cmocka_unit_test(bad_secrets_are_refused),
    };
    return cmocka_run_group_tests(tests, open_heap, NULL);
}
