/* ssz.c - see ssz.h.
 *
 * A tree is built like a binary counter: each leaf carries upwards through the subtrees that wait
 * for a right brother, so a tree of any size needs one root a level and no memory beyond the
 * caller's struct. Padding is by the roots of all-zero subtrees.
 *
 * SHA-256 is called through OpenSSL's low-level functions, deprecated in favour of EVP: a signing
 * root takes a dozen hashes of 64 bytes, EVP's fetch and context cost more than such a hash, and
 * it can fail where these cannot. Nothing here is keyed or secret.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "ssz/ssz.h"

#include <openssl/sha.h>
#include <string.h>

enum { LEAF_BITS = 8 * SSZ_ROOT_LEN };

static void store_u64(uint8_t leaf[static SSZ_ROOT_LEN], uint64_t value)
{
    memset(leaf, 0, SSZ_ROOT_LEN);
    for (unsigned i = 0; i < 8; i++)
        leaf[i] = (uint8_t)(value >> (8 * i));
}

void ssz_hash_pair(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t left[static SSZ_ROOT_LEN],
                   const uint8_t right[static SSZ_ROOT_LEN])
{
    SHA256_CTX hash;
    (void)SHA256_Init(&hash);
    (void)SHA256_Update(&hash, left, SSZ_ROOT_LEN);
    (void)SHA256_Update(&hash, right, SSZ_ROOT_LEN);
    (void)SHA256_Final(ret_root, &hash);
}

void ssz_add_root(struct ssz_tree *tree, const uint8_t root[static SSZ_ROOT_LEN])
{
    uint8_t node[SSZ_ROOT_LEN];
    memcpy(node, root, sizeof node);
    unsigned level = 0;
    for (; (tree->count >> level) & 1; level++)
        ssz_hash_pair(node, tree->pending[level], node);
    memcpy(tree->pending[level], node, sizeof node);
    tree->count++;
}

void ssz_add_u64(struct ssz_tree *tree, uint64_t value)
{
    uint8_t leaf[SSZ_ROOT_LEN];
    store_u64(leaf, value);
    ssz_add_root(tree, leaf);
}

void ssz_add_packed(struct ssz_tree *tree, const uint8_t *bytes, size_t bytes_len)
{
    for (size_t at = 0; at < bytes_len; at += SSZ_ROOT_LEN) {
        uint8_t leaf[SSZ_ROOT_LEN] = {0};
        size_t part = bytes_len - at < SSZ_ROOT_LEN ? bytes_len - at : SSZ_ROOT_LEN;
        memcpy(leaf, bytes + at, part);
        ssz_add_root(tree, leaf);
    }
}

void ssz_bytes_root(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t *bytes, size_t bytes_len)
{
    struct ssz_tree vector = {.count = 0};
    ssz_add_packed(&vector, bytes, bytes_len);
    ssz_tree_root(ret_root, &vector, vector.count);
}

void ssz_add_bytes(struct ssz_tree *tree, const uint8_t *bytes, size_t bytes_len)
{
    uint8_t root[SSZ_ROOT_LEN];
    ssz_bytes_root(root, bytes, bytes_len);
    ssz_add_root(tree, root);
}

void ssz_tree_root(uint8_t ret_root[static SSZ_ROOT_LEN], const struct ssz_tree *tree, uint64_t max_leaves)
{
    unsigned depth = 0;
    while ((UINT64_C(1) << depth) < max_leaves)
        depth++;
    if ((tree->count >> depth) & 1) { /* full to the last leaf */
        memcpy(ret_root, tree->pending[depth], SSZ_ROOT_LEN);
        return;
    }
    uint8_t zero[SSZ_ROOT_LEN] = {0}; /* the subtree of 2^level zero leaves */
    uint8_t last[SSZ_ROOT_LEN] = {
        0}; /* the subtree of 2^level leaves in which the last leaf is, or the next would be */
    for (unsigned level = 0; level < depth; level++) {
        if ((tree->count >> level) & 1)
            ssz_hash_pair(last, tree->pending[level], last);
        else
            ssz_hash_pair(last, last, zero);
        ssz_hash_pair(zero, zero, zero);
    }
    memcpy(ret_root, last, SSZ_ROOT_LEN);
}

void ssz_mix_in_length(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t root[static SSZ_ROOT_LEN],
                       uint64_t length)
{
    uint8_t leaf[SSZ_ROOT_LEN];
    store_u64(leaf, length);
    ssz_hash_pair(ret_root, root, leaf);
}

/* The number of bits in a serialized list. */
static must_check result count_bits(size_t *ret_num_bits, const uint8_t *bytes, size_t bytes_len,
                                    size_t max_bits)
{
    ENSURE(bytes_len > 0 && bytes[bytes_len - 1] != 0, E_INPUT, "must end with the bit list's delimiter bit");
    ENSURE(bytes_len <= max_bits / 8 + 1, E_INPUT, "must be a list of at most %zu bits", max_bits);
    unsigned delimiter = 7;
    while (!((bytes[bytes_len - 1] >> delimiter) & 1))
        delimiter--;
    size_t num_bits = 8 * (bytes_len - 1) + delimiter;
    ENSURE(num_bits <= max_bits, E_INPUT, "must be a list of at most %zu bits", max_bits);
    *ret_num_bits = num_bits;
    return RESULT_OK;
}

/* The leaf at that index of a serialized list of so many bits, without the delimiter. */
static void bit_leaf(uint8_t ret_leaf[static SSZ_ROOT_LEN], const uint8_t *bytes, size_t num_bits,
                     size_t index)
{
    size_t at = SSZ_ROOT_LEN * index, whole = num_bits / 8; /* whole: the delimiter's byte */
    size_t part = whole + 1 - at < SSZ_ROOT_LEN ? whole + 1 - at : SSZ_ROOT_LEN;
    memset(ret_leaf, 0, SSZ_ROOT_LEN);
    memcpy(ret_leaf, bytes + at, part);
    if (whole - at < SSZ_ROOT_LEN)
        ret_leaf[whole - at] ^= (uint8_t)(1u << (num_bits % 8));
}

result ssz_bit_list_root(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t *bytes, size_t bytes_len,
                         size_t max_bits)
{
    size_t num_bits = 0;
    TRY(count_bits(&num_bits, bytes, bytes_len, max_bits));
    struct ssz_tree tree = {.count = 0};
    uint8_t leaf[SSZ_ROOT_LEN];
    for (size_t i = 0; i < (num_bits + LEAF_BITS - 1) / LEAF_BITS; i++) {
        bit_leaf(leaf, bytes, num_bits, i);
        ssz_add_root(&tree, leaf);
    }
    ssz_tree_root(leaf, &tree, (max_bits + LEAF_BITS - 1) / LEAF_BITS);
    ssz_mix_in_length(ret_root, leaf, num_bits);
    return RESULT_OK;
}

result ssz_progressive_bit_list_root(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t *bytes,
                                     size_t bytes_len, size_t max_bits)
{
    size_t num_bits = 0;
    TRY(count_bits(&num_bits, bytes, bytes_len, max_bits));
    struct ssz_progressive tree = {.num_full = 0};
    uint8_t leaf[SSZ_ROOT_LEN];
    for (size_t i = 0; i < (num_bits + LEAF_BITS - 1) / LEAF_BITS; i++) {
        bit_leaf(leaf, bytes, num_bits, i);
        ssz_progressive_add(&tree, leaf);
    }
    ssz_progressive_root(leaf, &tree);
    ssz_mix_in_length(ret_root, leaf, num_bits);
    return RESULT_OK;
}

result ssz_bit_vector_root(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t *bytes, size_t num_bits)
{
    size_t bytes_len = (num_bits + 7) / 8;
    ENSURE(num_bits % 8 == 0 || bytes[bytes_len - 1] >> (num_bits % 8) == 0, E_INPUT,
           "must be a vector of %zu bits", num_bits);
    struct ssz_tree tree = {.count = 0};
    ssz_add_packed(&tree, bytes, bytes_len);
    ssz_tree_root(ret_root, &tree, tree.count);
    return RESULT_OK;
}

void ssz_progressive_add(struct ssz_progressive *tree, const uint8_t root[static SSZ_ROOT_LEN])
{
    unsigned depth = 2 * tree->num_full;
    ssz_add_root(&tree->tree, root);
    if (tree->tree.count < UINT64_C(1) << depth || tree->num_full == SSZ_PROGRESSIVE_MAX)
        return;
    memcpy(tree->full[tree->num_full++], tree->tree.pending[depth], SSZ_ROOT_LEN);
    tree->tree.count = 0;
}

void ssz_progressive_root(uint8_t ret_root[static SSZ_ROOT_LEN], const struct ssz_progressive *tree)
{
    uint8_t spine[SSZ_ROOT_LEN] = {0}, last[SSZ_ROOT_LEN];
    if (tree->tree.count > 0) {
        ssz_tree_root(last, &tree->tree, UINT64_C(1) << (2 * tree->num_full));
        ssz_hash_pair(spine, last, spine);
    }
    for (unsigned i = tree->num_full; i > 0; i--)
        ssz_hash_pair(spine, tree->full[i - 1], spine);
    memcpy(ret_root, spine, sizeof spine);
}

void ssz_progressive_container_root(uint8_t ret_root[static SSZ_ROOT_LEN],
                                    const uint8_t (*members)[SSZ_ROOT_LEN], size_t num_members)
{
    struct ssz_progressive tree = {.num_full = 0};
    uint8_t root[SSZ_ROOT_LEN], active[SSZ_ROOT_LEN] = {0};
    for (size_t i = 0; i < num_members; i++) {
        ssz_progressive_add(&tree, members[i]);
        active[i / 8] |= (uint8_t)(1u << (i % 8));
    }
    ssz_progressive_root(root, &tree);
    ssz_hash_pair(ret_root, root, active);
}

void ssz_byte_list_add(struct ssz_byte_list *list, const uint8_t *bytes, size_t bytes_len)
{
    while (bytes_len > 0) {
        size_t filled = list->length % SSZ_ROOT_LEN, room = SSZ_ROOT_LEN - filled;
        size_t part = bytes_len < room ? bytes_len : room;
        memcpy(list->leaf + filled, bytes, part);
        list->length += part;
        bytes += part;
        bytes_len -= part;
        if (part == room)
            ssz_progressive_add(&list->tree, list->leaf);
    }
}

void ssz_byte_list_root(uint8_t ret_root[static SSZ_ROOT_LEN], const struct ssz_byte_list *list)
{
    struct ssz_progressive tree = list->tree;
    size_t filled = list->length % SSZ_ROOT_LEN;
    uint8_t leaf[SSZ_ROOT_LEN] = {0};
    if (filled > 0) {
        memcpy(leaf, list->leaf, filled);
        ssz_progressive_add(&tree, leaf);
    }
    ssz_progressive_root(leaf, &tree);
    ssz_mix_in_length(ret_root, leaf, list->length);
}
