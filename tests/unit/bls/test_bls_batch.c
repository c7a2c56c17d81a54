/* test_bls_batch.c - many signatures of one message against blst's own, and each step of the way there:
 * lib/bls/bls_batch.c, bls_multiples.c, bls_single.c, bls_g2.c and bls_split.c. NS_SIGNATURES says how many
 * random keys (make soak: a million). */
#include "testing.h"

#include <blst.h>
#include <openssl/bn.h>
#include <stdlib.h>

#include "bls/bls.h"
#include "bls/bls_message.h"
#include "bls/bls_multiples.h"
#include "bls/bls_single.h"

enum { EDGES_MAX = 2048, RANDOM_SPLITS = 2000, RANDOM_SIGNATURES = 2000 };

static const char order_hex[] = "73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001";
static const char base_hex[] = "D201000000010000";

struct numbers {
    BIGNUM *order, *base, *value, *other;
    BN_CTX *context;
};

static uint64_t random_state = 0x2545f4914f6cdd1d;

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

static struct bls_messages *messages;

static struct bls_batch *new_batch(void)
{
    struct bls_batch *batch = NULL;
    bls_messages_free(messages);
    messages = NULL;
    assert_ok(bls_messages_new(&messages));
    assert_ok(bls_batch_new(&batch, messages));
    return batch;
}

static int free_messages(void **state)
{
    (void)state;
    bls_messages_free(messages);
    return 0;
}

static int open_heap(void **state)
{
    (void)state;
    return secret_heap_open(1 << 20).code;
}

static struct numbers numbers_new(void)
{
    struct numbers n = {.value = BN_new(), .other = BN_new(), .context = BN_CTX_new()};
    assert_true(n.value && n.other && n.context);
    assert_true(BN_hex2bn(&n.order, order_hex) && BN_hex2bn(&n.base, base_hex));
    return n;
}

static void numbers_free(struct numbers *n)
{
    BN_free(n->order);
    BN_free(n->base);
    BN_free(n->value);
    BN_free(n->other);
    BN_CTX_free(n->context);
}

struct edges {
    uint8_t secrets[EDGES_MAX][32];
    size_t num;
};

static void add_edge(struct edges *e, const struct numbers *n, const BIGNUM *value)
{
    if (BN_is_zero(value) || BN_is_negative(value) || BN_cmp(value, n->order) >= 0)
        return;
    assert_true(e->num < EDGES_MAX);
    assert_int_equal(BN_bn2binpad(value, e->secrets[e->num++], 32), 32);
}

/* value - 2 to value + 2, and r minus each. */
static void add_edges_around(struct edges *e, struct numbers *n, const BIGNUM *value)
{
    for (int off = -2; off <= 2; off++) {
        assert_non_null(BN_copy(n->other, value));
        assert_true(off < 0 ? BN_sub_word(n->other, (BN_ULONG)-off) : BN_add_word(n->other, (BN_ULONG)off));
        add_edge(e, n, n->other);
        assert_true(BN_sub(n->other, n->order, n->other));
        add_edge(e, n, n->other);
    }
}

/* Small and large ones, single bits, and what is next to digits of 0 and of u - 1 in base u; r - 2 and 2 are
 * those for which the last addition has to double. */
static void make_edges(struct edges *e)
{
    struct numbers n = numbers_new();
    e->num = 0;
    for (BN_ULONG i = 1; i <= 40; i += 3) {
        assert_true(BN_set_word(n.value, i));
        add_edges_around(e, &n, n.value);
    }
    for (int bit = 0; bit<255; bit += bit % 64> 57 || bit % 64 < 6 ? 1 : 5) {
        BN_zero(n.value);
        assert_true(BN_set_bit(n.value, bit));
        add_edges_around(e, &n, n.value);
    }
    for (unsigned digits = 0; digits < 81; digits++) { /* each of four digits 0, 1 or u - 1 */
        BN_zero(n.value);
        for (unsigned place = 0, rest = digits; place < 4; place++, rest /= 3) {
            assert_true(BN_mul(n.value, n.value, n.base, n.context));
            if (rest % 3 == 2)
                assert_true(BN_add(n.value, n.value, n.base) && BN_sub_word(n.value, 1));
            else
                assert_true(BN_add_word(n.value, rest % 3));
        }
        add_edges_around(e, &n, n.value);
    }
    numbers_free(&n);
}

/* Adds (negated ? -part : part) * z^index to the value. */
static void add_part(struct numbers *n, const struct bls_split *split, size_t index)
{
    char text[20];
    BIGNUM *part = NULL;
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)split->parts[index]);
    assert_true(BN_hex2bn(&part, text));
    assert_true(split->parts[index] & 1);
    assert_true(BN_cmp(part, n->base) < 0);
    for (size_t i = 0; i < index; i++) {
        assert_true(BN_mul(part, part, n->base, n->context));
        BN_set_negative(part, !BN_is_negative(part));
    }
    assert_true(split->negated[index] == 0 || split->negated[index] == UINT64_MAX);
    assert_true(split->negated[index] ? BN_sub(n->value, n->value, part) : BN_add(n->value, n->value, part));
    BN_free(part);
}

static void check_split(struct numbers *n, const uint8_t secret[32])
{
    struct bls_split split;
    bls_split(&split, secret);
    BN_zero(n->value);
    for (size_t i = 0; i < BLS_SPLIT_PARTS; i++)
        add_part(n, &split, i);
    assert_true(BN_nnmod(n->value, n->value, n->order, n->context));
    assert_non_null(BN_bin2bn(secret, 32, n->other));
    assert_int_equal(BN_cmp(n->value, n->other), 0);
}

static void parts_add_up(void **state)
{
    (void)state;
    static struct edges edges;
    struct numbers n = numbers_new();
    make_edges(&edges);
    for (size_t i = 0; i < edges.num; i++)
        check_split(&n, edges.secrets[i]);
    for (size_t i = 0; i < RANDOM_SPLITS; i++) {
        uint8_t secret[32];
        random_secret(secret);
        check_split(&n, secret);
    }
    numbers_free(&n);
}

static void check_digits(const struct bls_split *split, size_t part, unsigned bits)
{
    uint64_t sum = 0; /* modulo 2^64: the part is below that, and so is the size of what is left out */
    for (size_t i = bls_split_num_digits(bits); i-- > 0;) {
        struct bls_digit digit = bls_split_digit(split, part, bits, i);
        assert_true(digit.choice < UINT64_C(1) << (bits - 1));
        uint64_t size = 2 * digit.choice + 1;
        sum = (sum << bits) + (digit.negated ? 0 - size : size);
    }
    assert_int_equal(split->negated[part] ? 0 - sum : sum, split->parts[part]);
}

static void digits_are_the_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < RANDOM_SPLITS; i++) {
        uint8_t secret[32];
        struct bls_split split;
        random_secret(secret);
        bls_split(&split, secret);
        for (unsigned bits = 4; bits <= 6; bits++)
            for (size_t part = 0; part < BLS_SPLIT_PARTS; part++)
                check_digits(&split, part, bits);
    }
}

/* scalar * G2's generator, by blst. */
static blst_p2_affine multiple(uint64_t scalar)
{
    blst_p2 point;
    blst_p2_affine affine;
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(scalar >> 8 * i);
    blst_p2_mult(&point, blst_p2_generator(), bytes, 64);
    blst_p2_to_affine(&affine, &point);
    return affine;
}

static void psi_multiplies(void **state)
{
    (void)state;
    blst_p2_affine point = *blst_p2_affine_generator(), once, twice;
    blst_p2_affine expected = multiple(0xd201000000010000);
    blst_fp2_cneg(&expected.y, &expected.y, true);
    bls_g2_psi(&once, &point);
    assert_true(blst_p2_affine_is_equal(&once, &expected));
    bls_g2_psi(&once, &once);
    bls_g2_psi_twice(&twice, &point);
    assert_true(blst_p2_affine_is_equal(&once, &twice));
}

static void additions_are_blsts(void **state)
{
    (void)state;
    enum { NUM = 7 };
    struct bls_g2_lane lanes[NUM];
    for (size_t i = 0; i < NUM; i++)
        lanes[i] = (struct bls_g2_lane){.sum = multiple(3 * i + 1), .term = multiple(i + 100)};
    assert_ok(bls_g2_add(lanes, NUM));
    for (size_t i = 0; i < NUM; i++) {
        blst_p2_affine expected = multiple(4 * i + 101);
        assert_true(blst_p2_affine_is_equal(&lanes[i].sum, &expected));
    }
}

static void a_term_may_be_its_sum_where_that_is_said(void **state)
{
    (void)state;
    struct bls_g2_lane lanes[] = {{.sum = multiple(5), .term = multiple(6)},
                                  {.sum = multiple(7), .term = multiple(7)}};
    assert_fails(E_INTERNAL, bls_g2_add(lanes, 2));
    lanes[0] = (struct bls_g2_lane){.sum = multiple(5), .term = multiple(6)};
    lanes[1] = (struct bls_g2_lane){.sum = multiple(7), .term = multiple(7)};
    assert_ok(bls_g2_add_or_double(lanes, 2));
    blst_p2_affine expected = multiple(11);
    assert_true(blst_p2_affine_is_equal(&lanes[0].sum, &expected));
    expected = multiple(14);
    assert_true(blst_p2_affine_is_equal(&lanes[1].sum, &expected));
}

static void infinity_is_refused(void **state)
{
    (void)state;
    struct bls_g2_lane lane = {.sum = multiple(7), .term = multiple(7)};
    blst_fp2_cneg(&lane.term.y, &lane.term.y, true);
    assert_fails(E_INTERNAL, bls_g2_add_or_double(&lane, 1));
    static struct bls_multiples_work work;
    static struct bls_multiples multiples;
    blst_p2 infinity = {0};
    assert_fails(E_INTERNAL, bls_multiples_make(&multiples, &work, &infinity, 5));
}

/* Makes the signatures of a message, all its secrets at once, and compares each with blst's. */
static void compare(struct bls_batch *batch, const uint8_t (*secrets)[32], size_t num,
                    const uint8_t message[32])
{
    static uint8_t signatures[BLS_BATCH_MAX][96];
    const uint8_t *list[BLS_BATCH_MAX];
    blst_p2 hash;
    bls_message_hash(&hash, message, 32);
    for (size_t i = 0; i < num; i++)
        list[i] = secrets[i];
    assert_ok(bls_batch_sign(batch, signatures[0], list, num, message));
    for (size_t i = 0; i < num; i++) {
        uint8_t expected[96];
        assert_ok(bls_message_sign(expected, secrets[i], &hash));
        if (memcmp(expected, signatures[i], sizeof expected) != 0)
            fail_msg("signature %zu of %zu is another", i, num);
    }
}

static void batches_of_every_size(void **state)
{
    (void)state;
    static uint8_t secrets[BLS_BATCH_MAX][32];
    struct bls_batch *batch = new_batch();
    for (size_t num = 0; num <= BLS_BATCH_MAX; num++) {
        uint8_t message[32] = {(uint8_t)num, 1};
        for (size_t i = 0; i < num; i++)
            random_secret(secrets[i]);
        compare(batch, (const uint8_t(*)[32])secrets, num, message); /* no table, or a new one */
        compare(batch, (const uint8_t(*)[32])secrets, num, message);
    }
    bls_batch_free(batch);
}

/* Tables of 5 and of 6 bits. */
static void edges_are_blsts(void **state)
{
    (void)state;
    static struct edges edges;
    make_edges(&edges);
    static const size_t sizes[] = {5, BLS_BATCH_MAX};
    for (size_t s = 0; s < ARRAY_LENGTH(sizes); s++) {
        struct bls_batch *batch = new_batch();
        for (size_t done = 0; done < edges.num;) {
            /* With a message of its own every so often, the few do not get the table of the many. */
            uint8_t message[32] = {(uint8_t)(done / 64), 2, (uint8_t)s};
            size_t num = edges.num - done < sizes[s] ? edges.num - done : sizes[s];
            compare(batch, (const uint8_t(*)[32])edges.secrets + done, num, message);
            done += num;
        }
        bls_batch_free(batch);
    }
}

static void single_multiples_are_blsts(void **state)
{
    (void)state;
    static struct edges edges;
    static struct bls_multiples_work work;
    blst_p2 point;
    make_edges(&edges);
    for (size_t i = 0; i < edges.num + RANDOM_SPLITS; i++) {
        uint8_t secret[32], expected[96], found[96];
        if (i < edges.num)
            memcpy(secret, edges.secrets[i], sizeof secret);
        else
            random_secret(secret);
        if (i % 16 == 0)
            bls_message_hash(&point, secret, sizeof secret);
        assert_ok(bls_message_sign(expected, secret, &point));
        assert_ok(bls_single_take(&work, &point, secret));
        blst_p2_affine_compress(found, &work.lanes[0].sum);
        assert_memory_equal(found, expected, sizeof found);
    }
    blst_p2 infinity = {0};
    assert_fails(E_INTERNAL, bls_single_take(&work, &infinity, edges.secrets[0]));
}

/* What the doubling at the end is for: without it, the secret 2 makes no signature. */
static void two_makes_the_last_addition_double(void **state)
{
    (void)state;
    static struct bls_multiples_work work;
    static struct bls_multiples multiples;
    static const uint8_t two[32] = {[31] = 2}, three[32] = {[31] = 3};
    const uint8_t *secrets[] = {two, three};
    assert_ok(bls_multiples_make(&multiples, &work, blst_p2_generator(), 5));
    assert_ok(bls_multiples_take(&work, &multiples, secrets, 2));
    /* A sum s of s + t with s = t is half of it. */
    blst_p2_affine expected = multiple(2);
    assert_true(blst_p2_affine_is_equal(&work.lanes[0].sum, &expected));
    expected = multiple(3);
    assert_true(blst_p2_affine_is_equal(&work.lanes[1].sum, &expected));
    expected = multiple(1);
    assert_true(blst_p2_affine_is_equal(&work.lanes[0].term, &expected));
}

static bool breaks_table;
result __wrap_bls_multiples_take(struct bls_multiples_work *work, const struct bls_multiples *multiples,
                                 const uint8_t *const *secrets, size_t num);
result __real_bls_multiples_take(struct bls_multiples_work *work, const struct bls_multiples *multiples,
                                 const uint8_t *const *secrets, size_t num);

/* breaks_table: one bit of each entry of the lowest row turns over, and stays so. */
result __wrap_bls_multiples_take(struct bls_multiples_work *work, const struct bls_multiples *multiples,
                                 const uint8_t *const *secrets, size_t num)
{
    struct bls_multiples *table;
    memcpy(&table, &multiples, sizeof table);
    for (size_t i = 0; i < (size_t)1 << (table->bits - 1) && breaks_table; i++)
        table->entries[i].y.fp[1].l[2] ^= 1 << 20;
    return __real_bls_multiples_take(work, multiples, secrets, num);
}

result __wrap_bls_single_take(struct bls_multiples_work *work, const blst_p2 *point, const uint8_t *secret);
result __real_bls_single_take(struct bls_multiples_work *work, const blst_p2 *point, const uint8_t *secret);

result __wrap_bls_single_take(struct bls_multiples_work *work, const blst_p2 *point, const uint8_t *secret)
{
    TRY(__real_bls_single_take(work, point, secret));
    work->lanes[0].sum.x.fp[0].l[1] ^= breaks_table;
    return RESULT_OK;
}

static void what_is_not_on_the_curve_is_not_released(void **state)
{
    (void)state;
    static const uint8_t zeros[3 * 96];
    uint8_t message[32] = {5};
    static uint8_t secrets[3][32];
    uint8_t signatures[3 * 96];
    const uint8_t *list[] = {secrets[0], secrets[1], secrets[2]};
    struct bls_batch *batch = new_batch();
    for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++)
        random_secret(secrets[i]);
    for (size_t num = 1; num <= 3; num += 2) { /* without a table, and with one */
        message[1] = (uint8_t)num;
        compare(batch, (const uint8_t(*)[32])secrets, num, message);
        memset(signatures, 1, sizeof signatures);
        breaks_table = true;
        assert_fails(E_INTERNAL, bls_batch_sign(batch, signatures, list, num, message));
        assert_memory_equal(signatures, zeros, num * 96);
        assert_false(bls_messages_know(messages, message));
        breaks_table = false;
        compare(batch, (const uint8_t(*)[32])secrets, num, message);
    }
    bls_batch_free(batch);
}

/* More messages than are remembered, by turns, alone and together. */
static void messages_do_not_get_mixed_up(void **state)
{
    (void)state;
    static uint8_t secrets[3][32];
    struct bls_batch *batch = new_batch();
    for (size_t i = 0; i < ARRAY_LENGTH(secrets); i++)
        random_secret(secrets[i]);
    for (size_t round = 0; round < 650; round++) {
        size_t number = round * 7 % 300;
        uint8_t message[32] = {[30] = (uint8_t)(number >> 8), [31] = (uint8_t)number};
        compare(batch, (const uint8_t(*)[32])secrets, 1 + round % ARRAY_LENGTH(secrets), message);
    }
    bls_batch_free(batch);
}

static void bad_secrets_are_refused(void **state)
{
    (void)state;
    static const uint8_t zeros[3 * 96];
    uint8_t zero[32] = {0}, good[32] = {[31] = 7}, message[32] = {1}, signatures[3 * 96];
    uint8_t order[32];
    struct numbers n = numbers_new();
    assert_int_equal(BN_bn2binpad(n.order, order, 32), 32);
    numbers_free(&n);
    const uint8_t *list[] = {good, zero, good};
    struct bls_batch *batch = new_batch();
    for (size_t i = 0; i < 2; i++) {
        memset(signatures, 1, sizeof signatures);
        list[1] = i == 0 ? zero : order;
        assert_fails(E_INPUT, bls_batch_sign(batch, signatures, list, 3, message));
        assert_memory_equal(signatures, zeros, sizeof signatures);
    }
    list[1] = good;
    assert_ok(bls_batch_sign(batch, signatures, list, 3, message));
    bls_batch_free(batch);
}

static void random_keys_are_blsts(void **state)
{
    (void)state;
    static uint8_t secrets[BLS_BATCH_MAX][32];
    const char *wanted = getenv("NS_SIGNATURES");
    unsigned long num = wanted ? strtoul(wanted, NULL, 10) : RANDOM_SIGNATURES;
    struct bls_batch *batch = new_batch();
    for (unsigned long done = 0; done < num; done += BLS_BATCH_MAX) {
        uint8_t message[32] = {3, (uint8_t)(done >> 12), (uint8_t)(done >> 20)};
        for (size_t i = 0; i < BLS_BATCH_MAX; i++)
            random_secret(secrets[i]);
        compare(batch, (const uint8_t(*)[32])secrets, BLS_BATCH_MAX, message);
    }
    if (wanted)
        print_message("%lu signatures of random keys are blst's\n", num);
    bls_batch_free(batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_add_up),
        cmocka_unit_test(digits_are_the_parts),
        cmocka_unit_test(psi_multiplies),
        cmocka_unit_test(additions_are_blsts),
        cmocka_unit_test(a_term_may_be_its_sum_where_that_is_said),
        cmocka_unit_test(infinity_is_refused),
        cmocka_unit_test(batches_of_every_size),
        cmocka_unit_test(edges_are_blsts),
        cmocka_unit_test(single_multiples_are_blsts),
        cmocka_unit_test(two_makes_the_last_addition_double),
        cmocka_unit_test(what_is_not_on_the_curve_is_not_released),
        cmocka_unit_test(messages_do_not_get_mixed_up),
        cmocka_unit_test(bad_secrets_are_refused),
        cmocka_unit_test(random_keys_are_blsts),
    };
    return cmocka_run_group_tests(tests, open_heap, free_messages);
}
