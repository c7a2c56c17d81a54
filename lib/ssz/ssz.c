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

void ssz_add_bytes(struct ssz_tree *tree, const uint8_t *bytes, size_t bytes_len)
{
    struct ssz_tree vector = {.count = 0};
    uint8_t root[SSZ_ROOT_LEN];
    ssz_add_packed(&vector, bytes, bytes_len);
    ssz_tree_root(root, &vector, vector.count);
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

result ssz_bit_list_root(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t *bytes, size_t bytes_len,
                         size_t max_bits)
{
    ENSURE(bytes_len > 0 && bytes[bytes_len - 1] != 0, E_INPUT, "must end with the bit list's delimiter bit");
    ENSURE(bytes_len <= max_bits / 8 + 1, E_INPUT, "must be a list of at most %zu bits", max_bits);
    uint8_t last = bytes[bytes_len - 1];
    unsigned delimiter = 7;
    while (!((last >> delimiter) & 1))
        delimiter--;
    size_t num_bits = 8 * (bytes_len - 1) + delimiter;
    ENSURE(num_bits <= max_bits, E_INPUT, "must be a list of at most %zu bits", max_bits);

    struct ssz_tree tree = {.count = 0};
    size_t whole = (bytes_len - 1) / SSZ_ROOT_LEN * SSZ_ROOT_LEN; /* bytes in leaves before the delimiter's */
    ssz_add_packed(&tree, bytes, whole);
    uint8_t leaf[SSZ_ROOT_LEN] = {0};
    memcpy(leaf, bytes + whole, bytes_len - whole);
    leaf[bytes_len - 1 - whole] = (uint8_t)(last ^ (1u << delimiter));
    if (num_bits > 8 * whole) /* else the delimiter alone would have opened the leaf */
        ssz_add_root(&tree, leaf);
    uint8_t root[SSZ_ROOT_LEN];
    ssz_tree_root(root, &tree, (max_bits + 255) / 256);
    ssz_mix_in_length(ret_root, root, num_bits);
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
