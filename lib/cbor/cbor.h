/* cbor.h - small CBOR messages (RFC 8949): a strict reader into a flat tree, and a writer.
 *
 * The reader takes a whole message or nothing: well formed, no bytes behind it, at most
 * CBOR_NODES_MAX items nested at most CBOR_DEPTH_MAX deep, no map with the same key twice, keys only integers
 * or strings, texts in UTF-8. Integers of any width and arrays and maps of indefinite length are accepted,
 * because the devices we talk to write them; strings in pieces, floats and other simple values are refused,
 * because none does. Nodes point into the caller's bytes: keep those while the tree is used. No heap.
 */
#ifndef CBOR_CBOR_H
#define CBOR_CBOR_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/result.h"

enum { CBOR_NODES_MAX = 256, CBOR_DEPTH_MAX = 8 };

enum cbor_kind {
    CBOR_KIND_UINT,     /* number */
    CBOR_KIND_NEGATIVE, /* the value is -1 - number */
    CBOR_KIND_BYTES,    /* bytes, length */
    CBOR_KIND_TEXT,     /* bytes, length; UTF-8 */
    CBOR_KIND_ARRAY,    /* number = elements, which are the children */
    CBOR_KIND_MAP,      /* number = pairs; the children are key, value, key, value, ... */
    CBOR_KIND_TAG,      /* number = the tag; one child */
    CBOR_KIND_NULL,
    CBOR_KIND_BOOL /* number = 0 or 1 */
};

/* Nodes lie in the order of the message; a node's children follow it directly. */
struct cbor_node {
    enum cbor_kind kind;
    uint64_t number;
    const uint8_t *bytes;
    size_t length;
    size_t span; /* this node and everything below it, in nodes */
};

struct cbor_tree {
    struct cbor_node nodes[CBOR_NODES_MAX]; /* nodes[0] is the whole message */
    size_t num_nodes;
};

/* E_INPUT when malformed, E_TOO_LARGE over a limit above. */
must_check result cbor_read(struct cbor_tree *ret_tree, const uint8_t *bytes, size_t bytes_len);

/* The first child; only for a container or tag that is not empty. */
const struct cbor_node *cbor_child(const struct cbor_node *parent);
/* The node behind this one and its children; the caller knows from its parent's number whether there is one.
 */
const struct cbor_node *cbor_sibling(const struct cbor_node *node);
/* The value at this text key; NULL when the node is no map or has no such key. */
const struct cbor_node *cbor_member(const struct cbor_node *map, const char *key);
bool cbor_is_text(const struct cbor_node *node, const char *text);

/* Writing: every head in its shortest form, definite lengths; overflow is remembered by the packer. */
void cbor_pack_uint(struct packer *p, uint64_t value);
/* Writes -1 - value. */
void cbor_pack_negative(struct packer *p, uint64_t value);
void cbor_pack_bytes(struct packer *p, const uint8_t *bytes, size_t bytes_len);
void cbor_pack_text(struct packer *p, const char *text);
/* num_elements items must follow. */
void cbor_pack_array(struct packer *p, size_t num_elements);
/* num_pairs times a key and a value must follow. */
void cbor_pack_map(struct packer *p, size_t num_pairs);
void cbor_pack_null(struct packer *p);
void cbor_pack_bool(struct packer *p, bool value);

#endif
