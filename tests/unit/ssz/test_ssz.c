/* test_ssz.c - lib/ssz against the definition written out naively: pad with zero chunks to the
 * next power of two, hash level by level. */
#include "testing.h"

#include <openssl/evp.h>

#include "ssz/ssz.h"

enum { LEAVES_MAX = 64 };

static void sha256(uint8_t out[static 32], const uint8_t *bytes, size_t bytes_len)
{
    assert_int_equal(EVP_Digest(bytes, bytes_len, out, NULL, EVP_sha256(), NULL), 1);
}

static void naive_root(uint8_t ret_root[static 32], const uint8_t *leaves, size_t num_leaves,
                       size_t max_leaves)
{
    uint8_t nodes[LEAVES_MAX * 32] = {0};
    size_t width = 1;
    memcpy(nodes, leaves, 32 * num_leaves);
    while (width < max_leaves)
        width *= 2;
    for (; width > 1; width /= 2) {
        for (size_t i = 0; i < width / 2; i++) {
            uint8_t parent[32];
            sha256(parent, nodes + 64 * i, 64);
            memcpy(nodes + 32 * i, parent, 32);
        }
    }
    memcpy(ret_root, nodes, 32);
}

static void naive_list_root(uint8_t ret_root[static 32], const uint8_t *leaves, size_t num_leaves,
                            size_t max_leaves, uint64_t length)
{
    uint8_t pair[64] = {0};
    naive_root(pair, leaves, num_leaves, max_leaves);
    for (unsigned i = 0; i < 8; i++)
        pair[32 + i] = (uint8_t)(length >> (8 * i));
    sha256(ret_root, pair, 64);
}

static void trees_of_every_small_size(void **state)
{
    (void)state;
    uint8_t leaves[LEAVES_MAX * 32];
    for (size_t i = 0; i < sizeof leaves; i++)
        leaves[i] = (uint8_t)(i * 167 + i / 32);
    for (size_t count = 0; count <= 33; count++) {
        for (size_t max_leaves = count ? count : 1; max_leaves <= LEAVES_MAX; max_leaves++) {
            uint8_t ours[32], expected[32];
            struct ssz_tree tree = {.count = 0};
            for (size_t i = 0; i < count; i++)
                ssz_add_root(&tree, leaves + 32 * i);
            ssz_tree_root(ours, &tree, max_leaves);
            naive_root(expected, leaves, count, max_leaves);
            if (memcmp(ours, expected, 32) != 0)
                fail_msg("%zu leaves of %zu", count, max_leaves);
        }
    }
}

static void numbers_and_bytes_are_padded(void **state)
{
    (void)state;
    uint8_t leaves[4 * 32] = {0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01}, text[40], pair[64] = {0},
                       ours[32], expected[32];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i + 1);
    memcpy(pair, text, sizeof text);
    sha256(leaves + 32, pair, 64); /* one leaf: the root of the 40 bytes */
    memcpy(leaves + 64, text, sizeof text);
    struct ssz_tree tree = {.count = 0};
    ssz_add_u64(&tree, 0x0123456789abcdef);
    ssz_add_bytes(&tree, text, sizeof text);
    ssz_add_packed(&tree, text, sizeof text); /* two leaves */
    ssz_tree_root(ours, &tree, 4);
    naive_root(expected, leaves, 4, 4);
    assert_memory_equal(ours, expected, 32);
    ssz_mix_in_length(ours, ours, 300);
    naive_list_root(expected, leaves, 4, 4, 300);
    assert_memory_equal(ours, expected, 32);
}

static void bit_lists_of_every_length(void **state)
{
    (void)state;
    for (size_t num_bits = 0; num_bits <= 520; num_bits++) {
        uint8_t bytes[67] = {0}, leaves[3 * 32] = {0}, ours[32], expected[32];
        for (size_t i = 0; i < num_bits; i += 1 + i % 3) {
            bytes[i / 8] |= (uint8_t)(1 << i % 8);
            leaves[i / 8] |= (uint8_t)(1 << i % 8);
        }
        bytes[num_bits / 8] |= (uint8_t)(1 << num_bits % 8);
        assert_ok(ssz_bit_list_root(ours, bytes, num_bits / 8 + 1, 1025));
        naive_list_root(expected, leaves, (num_bits + 255) / 256, 5, num_bits);
        if (memcmp(ours, expected, 32) != 0)
            fail_msg("%zu bits", num_bits);
        if (num_bits > 0)
            assert_fails(E_INPUT, ssz_bit_list_root(ours, bytes, num_bits / 8 + 1, num_bits - 1));
        assert_ok(ssz_bit_list_root(ours, bytes, num_bits / 8 + 1, num_bits));
    }
    uint8_t root[32];
    assert_fails(E_INPUT, ssz_bit_list_root(root, (const uint8_t *)"\x01\x00", 2, 100));
    assert_fails(E_INPUT, ssz_bit_list_root(root, (const uint8_t *)"", 0, 100));
}

static void bit_vectors(void **state)
{
    (void)state;
    uint8_t ours[32], leaf[32] = {0x0f};
    assert_ok(ssz_bit_vector_root(ours, (const uint8_t *)"\x0f", 4));
    assert_memory_equal(ours, leaf, 32);
    assert_fails(E_INPUT, ssz_bit_vector_root(ours, (const uint8_t *)"\x1f", 4));
    assert_ok(ssz_bit_vector_root(ours, (const uint8_t *)"\x1f", 8));
}

/* EIP-7916 as it is defined: the first leaves are a subtree, the rest are such a tree of subtrees four times
 * as large. */
static void naive_progressive(uint8_t ret_root[static 32], const uint8_t *leaves, size_t num_leaves,
                              size_t width)
{
    uint8_t pair[64] = {0};
    size_t here = num_leaves < width ? num_leaves : width;
    memset(ret_root, 0, 32);
    if (num_leaves == 0)
        return;
    naive_root(pair, leaves, here, width);
    naive_progressive(pair + 32, leaves + 32 * here, num_leaves - here, 4 * width);
    sha256(ret_root, pair, sizeof pair);
}

static void progressive_trees_of_every_small_size(void **state)
{
    (void)state;
    uint8_t leaves[LEAVES_MAX * 32], members[20][32];
    for (size_t i = 0; i < sizeof leaves; i++)
        leaves[i] = (uint8_t)(i * 167 + i / 32);
    memcpy(members, leaves, sizeof members);
    for (size_t count = 0; count <= LEAVES_MAX; count++) {
        uint8_t ours[32], pair[64] = {0}, expected[32];
        struct ssz_progressive tree = {.num_full = 0};
        for (size_t i = 0; i < count; i++)
            ssz_progressive_add(&tree, leaves + 32 * i);
        ssz_progressive_root(ours, &tree);
        naive_progressive(pair, leaves, count, 1);
        assert_memory_equal(ours, pair, 32);
        if (count > ARRAY_LENGTH(members))
            continue;
        ssz_progressive_container_root(ours, members, count);
        for (size_t i = 0; i < count; i++)
            pair[32 + i / 8] |= (uint8_t)(1 << i % 8);
        sha256(expected, pair, sizeof pair);
        assert_memory_equal(ours, expected, 32);
    }
}

static void progressive_lists(void **state)
{
    (void)state;
    uint8_t bytes[700], leaves[22 * 32], root[32], ours[32], pair[64] = {0}, expected[32];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 31 + 7);
    for (size_t length = 0; length <= sizeof bytes; length++) {
        struct ssz_byte_list list = {.length = 0};
        for (size_t at = 0, part = 1; at < length; at += part, part = part * 2 + 1) {
            part = part < length - at ? part : length - at;
            ssz_byte_list_add(&list, bytes + at, part);
        }
        ssz_byte_list_root(ours, &list);
        memset(leaves, 0, sizeof leaves);
        memcpy(leaves, bytes, length);
        naive_progressive(pair, leaves, (length + 31) / 32, 1);
        pair[32] = (uint8_t)length;
        pair[33] = (uint8_t)(length >> 8);
        sha256(expected, pair, sizeof pair);
        assert_memory_equal(ours, expected, 32);
        if (length == 0)
            continue;
        /* The same bytes as bits: a one behind them ends the list. */
        uint8_t bits[sizeof bytes + 1];
        memcpy(bits, bytes, length);
        bits[length] = 1;
        assert_ok(ssz_progressive_bit_list_root(ours, bits, length + 1, 8 * length));
        pair[32] = (uint8_t)(8 * length);
        pair[33] = (uint8_t)(8 * length >> 8);
        sha256(expected, pair, sizeof pair);
        assert_memory_equal(ours, expected, 32);
        assert_fails(E_INPUT, ssz_progressive_bit_list_root(root, bits, length + 1, 8 * length - 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_of_every_small_size),
        cmocka_unit_test(numbers_and_bytes_are_padded),
        cmocka_unit_test(bit_lists_of_every_length),
        cmocka_unit_test(bit_vectors),
        cmocka_unit_test(progressive_trees_of_every_small_size),
        cmocka_unit_test(progressive_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
