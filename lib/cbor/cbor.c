/* cbor.c - the strict reader, over libcbor's streaming decoder.
 *
 * The decoder turns the bytes into one token at a time; the loop here keeps a stack of open
 * containers and lays the tokens out as a flat tree in an array of fixed size. Rejected:
 * cbor_load(), which allocates what a length field claims before a byte of it has arrived,
 * allows 2,048 levels, and takes duplicate keys and trailing bytes without a word. */
#include "cbor/cbor.h"

#include <cbor.h>
#include <string.h>

/* A length that is known only when its break arrives. */
#define OPEN_ENDED UINT64_MAX

enum { SHORT_TAG_0 = 0xc0, SHORT_TAG_23 = 0xd7 };

struct token {
    enum { TOKEN_NONE, TOKEN_NODE, TOKEN_BREAK } type;
    struct cbor_node node;
};

static void make_token(void *context, enum cbor_kind kind, uint64_t number)
{
    struct token *t = context;
    t->type = TOKEN_NODE;
    t->node = (struct cbor_node){.kind = kind, .number = number, .span = 1};
}

static void make_string(void *context, enum cbor_kind kind, const uint8_t *bytes, size_t length)
{
    struct token *t = context;
    t->type = TOKEN_NODE;
    t->node = (struct cbor_node){.kind = kind, .bytes = bytes, .length = length, .span = 1};
}

static void on_uint8(void *context, uint8_t value)
{
    make_token(context, CBOR_KIND_UINT, value);
}
static void on_uint16(void *context, uint16_t value)
{
    make_token(context, CBOR_KIND_UINT, value);
}
static void on_uint32(void *context, uint32_t value)
{
    make_token(context, CBOR_KIND_UINT, value);
}
static void on_uint64(void *context, uint64_t value)
{
    make_token(context, CBOR_KIND_UINT, value);
}
static void on_negint8(void *context, uint8_t value)
{
    make_token(context, CBOR_KIND_NEGATIVE, value);
}
static void on_negint16(void *context, uint16_t value)
{
    make_token(context, CBOR_KIND_NEGATIVE, value);
}
static void on_negint32(void *context, uint32_t value)
{
    make_token(context, CBOR_KIND_NEGATIVE, value);
}
static void on_negint64(void *context, uint64_t value)
{
    make_token(context, CBOR_KIND_NEGATIVE, value);
}
static void on_bytes(void *context, cbor_data bytes, size_t length)
{
    make_string(context, CBOR_KIND_BYTES, bytes, length);
}
static void on_text(void *context, cbor_data bytes, size_t length)
{
    make_string(context, CBOR_KIND_TEXT, bytes, length);
}
/* A claim of 2^64 - 1 children must not pass for an open end; both claims are refused later. */
static uint64_t claimed(size_t count)
{
    return count < OPEN_ENDED ? count : OPEN_ENDED - 1;
}
static void on_array(void *context, size_t count)
{
    make_token(context, CBOR_KIND_ARRAY, claimed(count));
}
static void on_open_array(void *context)
{
    make_token(context, CBOR_KIND_ARRAY, OPEN_ENDED);
}
static void on_map(void *context, size_t count)
{
    make_token(context, CBOR_KIND_MAP, claimed(count));
}
static void on_open_map(void *context)
{
    make_token(context, CBOR_KIND_MAP, OPEN_ENDED);
}
static void on_tag(void *context, uint64_t value)
{
    make_token(context, CBOR_KIND_TAG, value);
}
static void on_null(void *context)
{
    make_token(context, CBOR_KIND_NULL, 0);
}
static void on_bool(void *context, bool value)
{
    make_token(context, CBOR_KIND_BOOL, value);
}
static void on_break(void *context)
{
    struct token *t = context;
    t->type = TOKEN_BREAK;
}

/* How many bytes follow this first byte of a character; 4 when none may. */
static size_t following_bytes(uint8_t first)
{
    if (first < 0x80)
        return 0;
    if (first < 0xc2 || first > 0xf4)
        return 4;
    return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

/* The bounds of RFC 3629: out of them are overlong forms, surrogates, and what is beyond the last character.
 */
static bool is_second_byte(uint8_t first, uint8_t second)
{
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return second >= low && second <= high;
}

static bool is_utf8(const uint8_t *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        uint8_t first = text[i++];
        size_t more = following_bytes(first);
        if (more > length - i || more == 4 || (more > 0 && !is_second_byte(first, text[i])))
            return false;
        for (size_t k = 1; k < more; k++) {
            if ((text[i + k] & 0xc0) != 0x80)
                return false;
        }
        i += more;
    }
    return true;
}

/* Decodes one head (with a string's bytes). What libcbor decodes and we do not want leaves TOKEN_NONE. */
static must_check result next_token(struct token *ret_token, struct cursor *c)
{
    struct cbor_callbacks callbacks = cbor_empty_callbacks;
    callbacks.uint8 = on_uint8;
    callbacks.uint16 = on_uint16;
    callbacks.uint32 = on_uint32;
    callbacks.uint64 = on_uint64;
    callbacks.negint8 = on_negint8;
    callbacks.negint16 = on_negint16;
    callbacks.negint32 = on_negint32;
    callbacks.negint64 = on_negint64;
    callbacks.byte_string = on_bytes;
    callbacks.string = on_text;
    callbacks.array_start = on_array;
    callbacks.indef_array_start = on_open_array;
    callbacks.map_start = on_map;
    callbacks.indef_map_start = on_open_map;
    callbacks.tag = on_tag;
    callbacks.null = on_null;
    callbacks.boolean = on_bool;
    callbacks.indef_break = on_break;

    struct token token = {.type = TOKEN_NONE};
    /* libcbor 0.8 refuses the tags 6 to 20 in their short form, among them COSE_Sign1's 18. */
    if (c->left >= 1 && c->at[0] >= SHORT_TAG_0 && c->at[0] <= SHORT_TAG_23) {
        uint8_t head;
        TRY(cursor_u8(c, &head));
        make_token(ret_token, CBOR_KIND_TAG, head - SHORT_TAG_0);
        return RESULT_OK;
    }
    struct cbor_decoder_result decoded = cbor_stream_decode(c->at, c->left, &callbacks, &token);
    ENSURE(decoded.status != CBOR_DECODER_NEDATA, E_INPUT, "CBOR: truncated");
    ENSURE(decoded.status == CBOR_DECODER_FINISHED && decoded.read > 0 && decoded.read <= c->left, E_INPUT,
           "CBOR: malformed item");
    ENSURE(token.type != TOKEN_NONE, E_INPUT,
           "CBOR: floats, undefined and strings in pieces are not accepted");
    ENSURE(token.node.kind != CBOR_KIND_TEXT || is_utf8(token.node.bytes, token.node.length), E_INPUT,
           "CBOR: a text is not UTF-8");
    const uint8_t *skipped;
    TRY(cursor_view(c, &skipped, decoded.read));
    *ret_token = token;
    return RESULT_OK;
}

/* A container whose children are arriving. */
struct level {
    size_t node;   /* index of the container */
    uint64_t left; /* children still to come; OPEN_ENDED until the break */
    uint64_t seen;
};

struct reader {
    struct cbor_tree *tree;
    struct level levels[CBOR_DEPTH_MAX];
    size_t depth;
};

static bool same_key(const struct cbor_node *a, const struct cbor_node *b)
{
    return a->kind == b->kind && a->number == b->number && a->length == b->length &&
           (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
}

/* The node just stored is a key if it stands at an even place of a map. */
static must_check result check_key(const struct reader *r, const struct cbor_node *added)
{
    if (r->depth == 0)
        return RESULT_OK;
    const struct level *top = &r->levels[r->depth - 1];
    const struct cbor_node *map = &r->tree->nodes[top->node];
    if (map->kind != CBOR_KIND_MAP || top->seen % 2 != 0)
        return RESULT_OK;
    bool scalar = added->kind == CBOR_KIND_UINT || added->kind == CBOR_KIND_NEGATIVE ||
                  added->kind == CBOR_KIND_BYTES || added->kind == CBOR_KIND_TEXT;
    ENSURE(scalar, E_INPUT, "CBOR: a map key must be an integer or a string");
    const struct cbor_node *key = map + 1;
    for (uint64_t i = 0; i < top->seen; i += 2) {
        ENSURE(!same_key(key, added), E_INPUT, "CBOR: a map has the same key twice");
        key = cbor_sibling(cbor_sibling(key));
    }
    return RESULT_OK;
}

/* One child of the innermost container is complete; closes every container that this completes. */
static void child_done(struct reader *r)
{
    while (r->depth > 0) {
        struct level *top = &r->levels[r->depth - 1];
        top->seen++;
        if (top->left != OPEN_ENDED)
            top->left--;
        if (top->left != 0)
            return;
        struct cbor_node *container = &r->tree->nodes[top->node];
        container->span = r->tree->num_nodes - top->node;
        r->depth--;
    }
}

static must_check result add_node(struct reader *r, const struct cbor_node *node)
{
    struct cbor_tree *tree = r->tree;
    ENSURE(tree->num_nodes < CBOR_NODES_MAX, E_TOO_LARGE, "CBOR: more than %d items", CBOR_NODES_MAX);
    TRY(check_key(r, node));
    tree->nodes[tree->num_nodes++] = *node;

    uint64_t children = 0;
    if (node->kind == CBOR_KIND_TAG)
        children = 1;
    else if (node->kind == CBOR_KIND_ARRAY || node->kind == CBOR_KIND_MAP)
        children = node->number;
    if (children == 0) {
        child_done(r);
        return RESULT_OK;
    }
    if (children != OPEN_ENDED) {
        /* More children than nodes cannot come true; said before the doubling so that it cannot overflow. */
        ENSURE(children < CBOR_NODES_MAX, E_TOO_LARGE, "CBOR: more than %d items", CBOR_NODES_MAX);
        if (node->kind == CBOR_KIND_MAP)
            children *= 2;
    }
    ENSURE(r->depth < CBOR_DEPTH_MAX, E_TOO_LARGE, "CBOR: nested deeper than %d", CBOR_DEPTH_MAX);
    r->levels[r->depth++] = (struct level){.node = tree->num_nodes - 1, .left = children};
    return RESULT_OK;
}

static must_check result close_open_ended(struct reader *r)
{
    ENSURE(r->depth > 0 && r->levels[r->depth - 1].left == OPEN_ENDED, E_INPUT,
           "CBOR: a break without a container");
    struct level *top = &r->levels[r->depth - 1];
    struct cbor_node *container = &r->tree->nodes[top->node];
    bool is_map = container->kind == CBOR_KIND_MAP;
    ENSURE(!is_map || top->seen % 2 == 0, E_INPUT, "CBOR: a map key without a value");
    container->number = is_map ? top->seen / 2 : top->seen;
    container->span = r->tree->num_nodes - top->node;
    r->depth--;
    child_done(r);
    return RESULT_OK;
}

result cbor_read(struct cbor_tree *ret_tree, const uint8_t *bytes, size_t bytes_len)
{
    struct cursor c = {.at = bytes, .left = bytes_len};
    struct cbor_tree tree = {.num_nodes = 0};
    struct reader r = {.tree = &tree};
    do {
        struct token token = {.type = TOKEN_NONE};
        TRY(next_token(&token, &c));
        if (token.type == TOKEN_BREAK)
            TRY(close_open_ended(&r));
        else
            TRY(add_node(&r, &token.node));
    } while (r.depth > 0);
    ENSURE(c.left == 0, E_INPUT, "CBOR: %zu bytes behind the message", c.left);
    *ret_tree = tree;
    return RESULT_OK;
}

const struct cbor_node *cbor_child(const struct cbor_node *parent)
{
    return parent + 1;
}

const struct cbor_node *cbor_sibling(const struct cbor_node *node)
{
    return node + node->span;
}

bool cbor_is_text(const struct cbor_node *node, const char *text)
{
    return node->kind == CBOR_KIND_TEXT && node->length == strlen(text) &&
           (node->length == 0 || memcmp(node->bytes, text, node->length) == 0);
}

const struct cbor_node *cbor_member(const struct cbor_node *map, const char *key)
{
    if (map->kind != CBOR_KIND_MAP)
        return NULL;
    const struct cbor_node *at = map + 1;
    for (uint64_t i = 0; i < map->number; i++) {
        const struct cbor_node *value = cbor_sibling(at);
        if (cbor_is_text(at, key))
            return value;
        at = cbor_sibling(value);
    }
    return NULL;
}
