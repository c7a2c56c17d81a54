/* ssz.h - the pieces of hash-tree-root (consensus specification, ssz/simple-serialize.md,
 * "Merkleization") that the containers we sign need. The containers are in lib/eth2.
 */
#ifndef SSZ_SSZ_H
#define SSZ_SSZ_H

#include <stdint.h>

#include "base/result.h"

enum { SSZ_ROOT_LEN = 32, SSZ_DEPTH_MAX = 24, SSZ_PROGRESSIVE_MAX = SSZ_DEPTH_MAX / 2 + 1 };

/* SHA-256 of left || right. ret_root may be either of them. */
void ssz_hash_pair(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t left[static SSZ_ROOT_LEN],
                   const uint8_t right[static SSZ_ROOT_LEN]);

/* A Merkle tree under construction: leaves are added from left to right. All zero is the empty tree. */
struct ssz_tree {
    uint8_t pending[SSZ_DEPTH_MAX + 1]
                   [SSZ_ROOT_LEN]; /* [i]: a complete subtree of 2^i leaves, waiting for its right brother */
    uint64_t count;                /* leaves added; its bits say which of them wait */
};

/* Adds one leaf: the root of a member or element, or a basic value. At most 2^SSZ_DEPTH_MAX leaves. */
void ssz_add_root(struct ssz_tree *tree, const uint8_t root[static SSZ_ROOT_LEN]);
void ssz_add_u64(struct ssz_tree *tree, uint64_t value);
/* Root of a member of type Bytes (a vector of bytes_len bytes), and that root added. */
void ssz_bytes_root(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t *bytes, size_t bytes_len);
void ssz_add_bytes(struct ssz_tree *tree, const uint8_t *bytes, size_t bytes_len);
/* Adds bytes as packed leaves, the last one padded with zeros. */
void ssz_add_packed(struct ssz_tree *tree, const uint8_t *bytes, size_t bytes_len);

/* The root, padded with zero leaves to the next power of two of max_leaves: the number of members
 * of a container, or the capacity of a vector or list. Needs count <= max_leaves <= 2^SSZ_DEPTH_MAX. */
void ssz_tree_root(uint8_t ret_root[static SSZ_ROOT_LEN], const struct ssz_tree *tree, uint64_t max_leaves);

/* mix_in_length: what makes a list of a vector. root and ret_root may be the same. */
void ssz_mix_in_length(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t root[static SSZ_ROOT_LEN],
                       uint64_t length);

/* Root of Bitlist[max_bits] from its serialization, delimiter bit included. E_INPUT when the delimiter is
 * missing or there are more than max_bits bits. */
must_check result ssz_bit_list_root(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t *bytes,
                                    size_t bytes_len, size_t max_bits);

/* Root of Bitvector[num_bits] from its serialization of (num_bits + 7) / 8 bytes. E_INPUT when a bit behind
 * the last is set. */
must_check result ssz_bit_vector_root(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t *bytes,
                                      size_t num_bits);

/* Progressive trees (EIP-7916, which Gloas begins to use) have no capacity that their shape would depend on:
 * subtrees of 1, 4, 16, ... leaves hang from one spine, as many as the leaves need. All zero is the empty
 * one. */
struct ssz_progressive {
    uint8_t full[SSZ_PROGRESSIVE_MAX][SSZ_ROOT_LEN]; /* roots of the full subtrees */
    unsigned num_full;
    struct ssz_tree tree; /* the one that fills */
};

/* At most (4^SSZ_PROGRESSIVE_MAX - 1) / 3 leaves: 22 million. */
void ssz_progressive_add(struct ssz_progressive *tree, const uint8_t root[static SSZ_ROOT_LEN]);
/* Without length and active fields, which a list and a container mix in. */
void ssz_progressive_root(uint8_t ret_root[static SSZ_ROOT_LEN], const struct ssz_progressive *tree);

/* Root of a progressive container (EIP-7495) from the roots of its members, all of them active; at most 256.
 */
void ssz_progressive_container_root(uint8_t ret_root[static SSZ_ROOT_LEN],
                                    const uint8_t (*members)[SSZ_ROOT_LEN], size_t num_members);

/* As ssz_bit_list_root, of a ProgressiveBitlist; max_bits is a bound of the caller's. */
must_check result ssz_progressive_bit_list_root(uint8_t ret_root[static SSZ_ROOT_LEN], const uint8_t *bytes,
                                                size_t bytes_len, size_t max_bits);

/* A ProgressiveByteList that arrives in pieces. All zero is the empty one. */
struct ssz_byte_list {
    struct ssz_progressive tree;
    uint64_t length;
    uint8_t leaf[SSZ_ROOT_LEN]; /* length % SSZ_ROOT_LEN bytes wait here */
};

/* The next bytes; and the root of all that came. */
void ssz_byte_list_add(struct ssz_byte_list *list, const uint8_t *bytes, size_t bytes_len);
void ssz_byte_list_root(uint8_t ret_root[static SSZ_ROOT_LEN], const struct ssz_byte_list *list);

#endif
