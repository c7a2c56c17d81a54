/* fuzz_cbor.c - the strict CBOR reader. What it accepts is a tree that fits together, whose strings lie in
 * the input, and that means the same when it is written in the shortest form and read again.
 *
 * The writer here is of its own, not lib/cbor's: that has none for tags, and texts of it end at a zero. */
#include <string.h>

#include "cbor/cbor.h"
#include "fuzz.h"

static const uint8_t major_types[] = {[CBOR_KIND_UINT] = 0, [CBOR_KIND_NEGATIVE] = 1, [CBOR_KIND_BYTES] = 2,
                                      [CBOR_KIND_TEXT] = 3, [CBOR_KIND_ARRAY] = 4,    [CBOR_KIND_MAP] = 5,
                                      [CBOR_KIND_TAG] = 6,  [CBOR_KIND_NULL] = 7,     [CBOR_KIND_BOOL] = 7};

static void write_head(struct packer *p, uint8_t major, uint64_t value)
{
    uint8_t first = (uint8_t)(major << 5);
    if (value < 24) {
        pack_u8(p, (uint8_t)(first | value));
        return;
    }
    unsigned width = value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
    pack_u8(p, (uint8_t)(first | (24 + width)));
    for (unsigned shift = 8U << width; shift > 0; shift -= 8)
        pack_u8(p, (uint8_t)(value >> (shift - 8)));
}

static void write_node(struct packer *p, const struct cbor_node *node)
{
    uint8_t major = major_types[node->kind];
    switch (node->kind) {
    case CBOR_KIND_UINT:
    case CBOR_KIND_NEGATIVE:
    case CBOR_KIND_ARRAY:
    case CBOR_KIND_MAP:
    case CBOR_KIND_TAG:
        write_head(p, major, node->number);
        return;
    case CBOR_KIND_BYTES:
    case CBOR_KIND_TEXT:
        write_head(p, major, node->length);
        pack_bytes(p, node->bytes, node->length);
        return;
    case CBOR_KIND_NULL:
        write_head(p, major, 22);
        return;
    case CBOR_KIND_BOOL:
        PROMISE(node->number <= 1);
        write_head(p, major, 20 + node->number);
        return;
    }
}

static uint64_t num_children(const struct cbor_node *node)
{
    switch (node->kind) {
    case CBOR_KIND_ARRAY:
        return node->number;
    case CBOR_KIND_MAP:
        return 2 * node->number;
    case CBOR_KIND_TAG:
        return 1;
    case CBOR_KIND_UINT:
    case CBOR_KIND_NEGATIVE:
    case CBOR_KIND_BYTES:
    case CBOR_KIND_TEXT:
    case CBOR_KIND_NULL:
    case CBOR_KIND_BOOL:
        break;
    }
    return 0;
}

static bool same_node(const struct cbor_node *a, const struct cbor_node *b)
{
    return a->kind == b->kind && a->number == b->number && a->span == b->span && a->length == b->length &&
           (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
}

static void check_tree(const struct cbor_tree *tree, const uint8_t *data, size_t size)
{
    PROMISE(tree->num_nodes >= 1 && tree->num_nodes <= CBOR_NODES_MAX &&
            tree->nodes[0].span == tree->num_nodes);
    for (size_t i = 0; i < tree->num_nodes; i++) {
        const struct cbor_node *node = &tree->nodes[i];
        size_t next = i + 1;
        for (uint64_t child = 0; child < num_children(node); child++) {
            PROMISE(next < i + node->span);
            next += tree->nodes[next].span;
        }
        PROMISE(next == i + node->span);
        if (node->length > 0)
            PROMISE(node->bytes >= data && node->length <= size &&
                    (size_t)(node->bytes - data) <= size - node->length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cbor_tree tree, again;
    if (cbor_read(&tree, data, size).code)
        return 0;
    check_tree(&tree, data, size);
    uint8_t *bytes = malloc(size);
    PROMISE(bytes);
    struct packer p = {.data = bytes, .capacity = size};
    for (size_t i = 0; i < tree.num_nodes; i++)
        write_node(&p, &tree.nodes[i]);
    PROMISE(pack_end(&p).code == 0 && p.length <= size);
    PROMISE(cbor_read(&again, p.data, p.length).code == 0 && again.num_nodes == tree.num_nodes);
    for (size_t i = 0; i < tree.num_nodes; i++)
        PROMISE(same_node(&tree.nodes[i], &again.nodes[i]));
    free(bytes);
    return 0;
}
