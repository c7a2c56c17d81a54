/* cbor_mutants.c - see cbor_mutants.h. */
#include "cbor_mutants.h"

#include "testing.h"

enum { LONG = 2000, MANY = 40, TAG = 18, MESSAGE_MAX = 32768 };

struct writer {
    struct packer p;
    const struct cbor_node *changed;
    void (*change)(struct packer *p, const struct cbor_node *node); /* NULL: one member more */
};

static void write_node(struct writer *w, const struct cbor_node *node);

static void pack_text(struct packer *p, const uint8_t *bytes, size_t length)
{
    size_t at = p->length;
    cbor_pack_bytes(p, bytes, length);
    p->data[at] = (uint8_t)(p->data[at] ^ 0x20); /* major type 2 to 3 */
}

static void write_container(struct writer *w, const struct cbor_node *node)
{
    bool is_map = node->kind == CBOR_KIND_MAP, more = node == w->changed;
    if (is_map)
        cbor_pack_map(&w->p, (size_t)node->number + more);
    else
        cbor_pack_array(&w->p, (size_t)node->number + more);
    const struct cbor_node *at = node + 1;
    for (uint64_t i = 0; i < node->number * (is_map ? 2 : 1); i++, at = cbor_sibling(at))
        write_node(w, at);
    if (more && is_map)
        cbor_pack_text(&w->p, "one more");
    if (more)
        cbor_pack_uint(&w->p, 0);
}

static void write_node(struct writer *w, const struct cbor_node *node)
{
    if (node == w->changed && w->change) {
        w->change(&w->p, node);
        return;
    }
    switch (node->kind) {
    case CBOR_KIND_UINT:
        cbor_pack_uint(&w->p, node->number);
        break;
    case CBOR_KIND_NEGATIVE:
        cbor_pack_negative(&w->p, node->number);
        break;
    case CBOR_KIND_BYTES:
        cbor_pack_bytes(&w->p, node->bytes, node->length);
        break;
    case CBOR_KIND_TEXT:
        pack_text(&w->p, node->bytes, node->length);
        break;
    case CBOR_KIND_ARRAY:
    case CBOR_KIND_MAP:
        write_container(w, node);
        break;
    case CBOR_KIND_TAG:
        assert_true(node->number < 24);
        pack_u8(&w->p, (uint8_t)(0xc0 | node->number));
        write_node(w, node + 1);
        break;
    case CBOR_KIND_NULL:
        cbor_pack_null(&w->p);
        break;
    case CBOR_KIND_BOOL:
        cbor_pack_bool(&w->p, node->number == 1);
        break;
    }
}

/* ---- what an item becomes ---- */

static void as_zero(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    cbor_pack_uint(p, 0);
}

static void as_uint(struct packer *p, const struct cbor_node *node)
{
    cbor_pack_uint(p, node->number);
}

static void as_next(struct packer *p, const struct cbor_node *node)
{
    cbor_pack_uint(p, node->number + 1);
}

static void as_negative(struct packer *p, const struct cbor_node *node)
{
    cbor_pack_negative(p, node->number);
}

static void as_next_negative(struct packer *p, const struct cbor_node *node)
{
    cbor_pack_negative(p, node->number + 1);
}

static void as_no_bytes(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    cbor_pack_bytes(p, NULL, 0);
}

static void as_bytes(struct packer *p, const struct cbor_node *node)
{
    cbor_pack_bytes(p, node->bytes, node->length);
}

static void as_many_bytes(struct packer *p, const struct cbor_node *node)
{
    static const uint8_t many[LONG];
    (void)node;
    cbor_pack_bytes(p, many, sizeof many);
}

static void as_no_text(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    cbor_pack_text(p, "");
}

static void as_text(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    cbor_pack_text(p, "~");
}

static void as_blank(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    cbor_pack_text(p, " ");
}

static void as_control(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    cbor_pack_text(p, "\x7f");
}

static void as_long_text(struct packer *p, const struct cbor_node *node)
{
    char text[LONG + 1];
    (void)node;
    memset(text, 'a', LONG);
    text[LONG] = 0;
    cbor_pack_text(p, text);
}

static void as_array_of(struct packer *p, size_t number)
{
    cbor_pack_array(p, number);
    for (size_t i = 0; i < number; i++)
        cbor_pack_uint(p, i);
}

static void as_empty_array(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    as_array_of(p, 0);
}

static void as_array_of_four(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    as_array_of(p, 4);
}

static void as_long_array(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    as_array_of(p, MANY);
}

static void as_map_of(struct packer *p, size_t number)
{
    cbor_pack_map(p, number);
    for (size_t i = 0; i < number; i++) {
        cbor_pack_uint(p, i);
        cbor_pack_uint(p, i);
    }
}

static void as_empty_map(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    as_map_of(p, 0);
}

static void as_map(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    as_map_of(p, 1);
}

static void as_map_of_four(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    as_map_of(p, 4);
}

static void as_long_map(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    as_map_of(p, MANY);
}

static void as_tagged(struct packer *p, uint8_t tag, const struct cbor_node *node)
{
    struct writer w = {.p = *p};
    pack_u8(&w.p, (uint8_t)(0xc0 | tag));
    write_node(&w, node);
    *p = w.p;
}

static void as_sign1(struct packer *p, const struct cbor_node *node)
{
    as_tagged(p, TAG, node);
}

static void as_other_tag(struct packer *p, const struct cbor_node *node)
{
    as_tagged(p, TAG - 1, node);
}

static void as_null(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    cbor_pack_null(p);
}

static void as_true(struct packer *p, const struct cbor_node *node)
{
    (void)node;
    cbor_pack_bool(p, true);
}

static const struct {
    const char *as;
    void (*change)(struct packer *p, const struct cbor_node *node);
} changes[] = {
    {"0", as_zero},
    {"a number", as_uint},
    {"the next number", as_next},
    {"a negative number", as_negative},
    {"the next negative number", as_next_negative},
    {"no bytes", as_no_bytes},
    {"bytes", as_bytes},
    {"many bytes", as_many_bytes},
    {"no text", as_no_text},
    {"a text", as_text},
    {"a blank", as_blank},
    {"a control character", as_control},
    {"a long text", as_long_text},
    {"an empty array", as_empty_array},
    {"an array of four", as_array_of_four},
    {"a long array", as_long_array},
    {"an empty map", as_empty_map},
    {"a map", as_map},
    {"a map of four", as_map_of_four},
    {"a long map", as_long_map},
    {"tagged as COSE_Sign1", as_sign1},
    {"tagged as something else", as_other_tag},
    {"null", as_null},
    {"true", as_true},
    {"with one member more", NULL},
};

size_t cbor_mutants(const uint8_t *message, size_t message_len, cbor_visitor *visit, void *context)
{
    static struct cbor_tree tree;
    static uint8_t space[MESSAGE_MAX], good[MESSAGE_MAX];
    size_t num = 0;
    assert_ok(cbor_read(&tree, message, message_len));
    struct writer same = {.p = {.data = good, .capacity = sizeof good}};
    write_node(&same, &tree.nodes[0]);
    assert_ok(pack_end(&same.p));
    for (size_t item = 0; item < tree.num_nodes; item++) {
        for (size_t i = 0; i < ARRAY_LENGTH(changes); i++) {
            const struct cbor_node *node = &tree.nodes[item];
            struct writer w = {
                .p = {.data = space, .capacity = sizeof space}, .changed = node, .change = changes[i].change};
            if (!w.change && node->kind != CBOR_KIND_ARRAY && node->kind != CBOR_KIND_MAP)
                continue;
            write_node(&w, &tree.nodes[0]);
            assert_ok(pack_end(&w.p));
            if (w.p.length == same.p.length && memcmp(space, good, w.p.length) == 0)
                continue;
            const struct cbor_mutant mutant = {space, w.p.length, item, changes[i].as};
            visit(context, &mutant);
            num++;
        }
    }
    return num;
}
