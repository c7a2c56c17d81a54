/* test_cbor.c - the strict reader against the examples of RFC 8949 appendix A and against
 * messages that must be refused; the writer against the same examples. */
#include "testing.h"

#include <iconv.h>

#include "base/hex.h"
#include "cbor/cbor.h"

static struct cbor_tree tree;
static uint8_t message[512];

static result read_hex(const char *hex)
{
    size_t length = strlen(hex) / 2;
    assert_true(length <= sizeof message);
    assert_ok(hex_decode(message, length, hex, 2 * length));
    return cbor_read(&tree, message, length);
}

static const struct {
    const char *hex;
    enum cbor_kind kind;
    uint64_t number;
    size_t span;
} rfc_examples[] = {
    {"00", CBOR_KIND_UINT, 0, 1},
    {"17", CBOR_KIND_UINT, 23, 1},
    {"1818", CBOR_KIND_UINT, 24, 1},
    {"1903e8", CBOR_KIND_UINT, 1000, 1},
    {"1a000f4240", CBOR_KIND_UINT, 1000000, 1},
    {"1b000000e8d4a51000", CBOR_KIND_UINT, 1000000000000, 1},
    {"1bffffffffffffffff", CBOR_KIND_UINT, UINT64_MAX, 1},
    {"20", CBOR_KIND_NEGATIVE, 0, 1},
    {"3903e7", CBOR_KIND_NEGATIVE, 999, 1},
    {"3bffffffffffffffff", CBOR_KIND_NEGATIVE, UINT64_MAX, 1},
    {"f4", CBOR_KIND_BOOL, 0, 1},
    {"f5", CBOR_KIND_BOOL, 1, 1},
    {"f6", CBOR_KIND_NULL, 0, 1},
    {"40", CBOR_KIND_BYTES, 0, 1},
    {"4401020304", CBOR_KIND_BYTES, 0, 1},
    {"6449455446", CBOR_KIND_TEXT, 0, 1},
    {"80", CBOR_KIND_ARRAY, 0, 1},
    {"83010203", CBOR_KIND_ARRAY, 3, 4},
    {"8301820203820405", CBOR_KIND_ARRAY, 3, 8},
    {"a0", CBOR_KIND_MAP, 0, 1},
    {"a201020304", CBOR_KIND_MAP, 2, 5},
    {"a26161016162820203", CBOR_KIND_MAP, 2, 7},
    {"c11a514b67b0", CBOR_KIND_TAG, 1, 2},
    {"d74401020304", CBOR_KIND_TAG, 23, 2},
    {"9fff", CBOR_KIND_ARRAY, 0, 1},
    {"9f018202039f0405ffff", CBOR_KIND_ARRAY, 3, 8},
    {"83018202039f0405ff", CBOR_KIND_ARRAY, 3, 8},
    {"bf61610161629f0203ffff", CBOR_KIND_MAP, 2, 7},
    {"826161bf61626163ff", CBOR_KIND_ARRAY, 2, 5},
    {"bfff", CBOR_KIND_MAP, 0, 1},
    /* longer heads than needed */
    {"1800", CBOR_KIND_UINT, 0, 1},
    {"1b0000000000000001", CBOR_KIND_UINT, 1, 1},
    {"d90012f6", CBOR_KIND_TAG, 18, 2},
    {"9a00000001f6", CBOR_KIND_ARRAY, 1, 2},
    {"5900024142", CBOR_KIND_BYTES, 0, 1},
};

static void reads_the_rfc_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rfc_examples); i++) {
        result r = read_hex(rfc_examples[i].hex);
        if (r.code)
            fail_msg("%s: %s", rfc_examples[i].hex, error_text());
        if (tree.nodes[0].kind != rfc_examples[i].kind || tree.nodes[0].number != rfc_examples[i].number ||
            tree.nodes[0].span != rfc_examples[i].span || tree.num_nodes != rfc_examples[i].span)
            fail_msg("%s: read as kind %d, %llu, span %zu", rfc_examples[i].hex, (int)tree.nodes[0].kind,
                     (unsigned long long)tree.nodes[0].number, tree.nodes[0].span);
    }
}

static void reads_every_tag(void **state)
{
    (void)state;
    for (unsigned tag = 0; tag <= 255; tag++) {
        char hex[16];
        (void)snprintf(hex, sizeof hex, tag < 24 ? "%02xf6" : "d8%02xf6", tag < 24 ? 0xc0 + tag : tag);
        assert_ok(read_hex(hex));
        assert_int_equal(tree.nodes[0].kind, CBOR_KIND_TAG);
        assert_int_equal(tree.nodes[0].number, tag);
        assert_int_equal(cbor_child(&tree.nodes[0])->kind, CBOR_KIND_NULL);
    }
}

static const char *const malformed[] = {
    "",     /* nothing */
    "0000", /* two messages */
    "18",
    "1900",   /* head cut */
    "4101ff", /* tail */
    "44010203",
    "5bffffffffffffffff00",
    "5b7fffffffffffffff00", /* string cut */
    "81",
    "a1",   /* child missing */
    "a101", /* value missing */
    "ff",
    "81ff", /* break alone, break in a definite array */
    "9f",
    "bf",
    "bf01ff", /* open end missing, key alone */
    "d8",
    "c1",
    "c1ff", /* tag alone */
    "1c",
    "1f",
    "3f",
    "5c",
    "9c",
    "df",
    "fc", /* reserved */
    "f7",
    "f0",
    "f820", /* undefined, other simple values */
    "f90000",
    "fa47c35000",
    "fb3ff199999999999a", /* floats */
    "5f42010243030405ff", /* string in pieces */
    "7f657374726561646d696e67ff",
    "a201010102",   /* same key twice */
    "a20101180102", /* the same in another width */
    "a2616101616102",
    "bf616101616102ff",
    "a2410101410102",
    "a18001",
    "a1a001",
    "a1f601",
    "a1c10001",       /* keys of other kinds */
    "82a0a201010102", /* deeper down */
};

static void refuses_what_is_malformed_or_unwanted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(malformed); i++) {
        if (read_hex(malformed[i]).code != E_INPUT)
            fail_msg("%s was not refused as malformed (%s)", malformed[i], error_text());
    }
}

/* 01 and 20, and a text and a byte string of the same bytes, are different keys. */
/* Texts of up to four bytes, each at a bound or beside one, as glibc's own decoder has them. */
static void texts_are_utf_8_as_glibc_has_it(void **state)
{
    (void)state;
    static const uint8_t edges[] = {0x00, 0x41, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x91, 0x9f, 0xa0,
                                    0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
                                    0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff};
    iconv_t decoder = iconv_open("UTF-32LE", "UTF-8");
    assert_true(decoder != (iconv_t)-1);
    size_t accepted = 0, combinations = 1;
    for (size_t length = 1; length <= 4; length++) {
        combinations *= ARRAY_LENGTH(edges);
        for (size_t number = 0; number < combinations; number++) {
            message[0] = (uint8_t)(0x60 | length);
            for (size_t i = 0, rest = number; i < length; i++, rest /= ARRAY_LENGTH(edges))
                message[1 + i] = edges[rest % ARRAY_LENGTH(edges)];
            char in[4], out[32], *from = in, *to = out;
            size_t in_left = length, out_left = sizeof out;
            memcpy(in, message + 1, length);
            (void)iconv(decoder, NULL, NULL, NULL, NULL);
            bool valid = iconv(decoder, &from, &in_left, &to, &out_left) == 0 && in_left == 0;
            if ((cbor_read(&tree, message, 1 + length).code == E_NONE) != valid)
                fail_msg("%zu bytes, number %zu: %s", length, number, valid ? "refused" : "accepted");
            accepted += valid;
        }
    }
    (void)iconv_close(decoder);
    assert_true(accepted > 1000);
}

static void tells_kinds_of_keys_apart(void **state)
{
    (void)state;
    assert_ok(read_hex("a400002000410000"
                       "610000"));
    assert_int_equal(tree.nodes[0].number, 4);
}

static void limits_depth_and_items(void **state)
{
    (void)state;
    static uint8_t nested[CBOR_DEPTH_MAX + 2];
    memset(nested, 0x81, sizeof nested);
    nested[CBOR_DEPTH_MAX] = 0x00;
    assert_ok(cbor_read(&tree, nested, CBOR_DEPTH_MAX + 1));
    nested[CBOR_DEPTH_MAX] = 0x81;
    nested[CBOR_DEPTH_MAX + 1] = 0x00;
    assert_fails(E_TOO_LARGE, cbor_read(&tree, nested, CBOR_DEPTH_MAX + 2));
    memset(nested, 0xc1, sizeof nested);
    assert_fails(E_TOO_LARGE, cbor_read(&tree, nested, sizeof nested));

    static uint8_t many[3 + CBOR_NODES_MAX] = {0x98, CBOR_NODES_MAX - 1};
    assert_ok(cbor_read(&tree, many, 2 + CBOR_NODES_MAX - 1));
    assert_int_equal(tree.num_nodes, CBOR_NODES_MAX);
    static uint8_t open_ended[2 + CBOR_NODES_MAX] = {0x9f};
    open_ended[CBOR_NODES_MAX + 1] = 0xff;
    assert_fails(E_TOO_LARGE, cbor_read(&tree, open_ended, sizeof open_ended));
    /* Claims of 2^64-1, 2^63 and 2^32 children behind a few bytes. */
    assert_fails(E_TOO_LARGE, read_hex("9b8000000000000000"));
    assert_fails(E_TOO_LARGE, read_hex("bb8000000000000000"));
    assert_fails(E_TOO_LARGE, read_hex("9affffffff00"));
    assert_fails(E_TOO_LARGE, read_hex("9bffffffffffffffff00ff"));
    assert_fails(E_TOO_LARGE, read_hex("bbffffffffffffffff0000ff"));
    assert_fails(E_TOO_LARGE, read_hex("b9010000"));
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    static const char *const messages[] = {"a2616183f4f5f661629f1903e83903e7bf4101d8184100ffff",
                                           "d2844441a1f6a0590003010203427879"};
    for (size_t i = 0; i < ARRAY_LENGTH(messages); i++) {
        size_t length = strlen(messages[i]) / 2;
        uint8_t bytes[64];
        assert_ok(hex_decode(bytes, length, messages[i], 2 * length));
        for (size_t cut = 0; cut < length; cut++) {
            uint8_t *copy = malloc(cut ? cut : 1);
            assert_non_null(copy);
            memcpy(copy, bytes, cut);
            assert_fails(E_INPUT, cbor_read(&tree, copy, cut));
            free(copy);
        }
    }
}

static void finds_members(void **state)
{
    (void)state;
    assert_ok(read_hex("a3616182010263616263a0626162f5"));
    const struct cbor_node *map = &tree.nodes[0];
    const struct cbor_node *array = cbor_member(map, "a");
    assert_non_null(array);
    assert_int_equal(array->kind, CBOR_KIND_ARRAY);
    assert_int_equal(cbor_child(array)->number, 1);
    assert_int_equal(cbor_sibling(cbor_child(array))->number, 2);
    assert_int_equal(cbor_member(map, "abc")->kind, CBOR_KIND_MAP);
    assert_int_equal(cbor_member(map, "ab")->number, 1);
    assert_null(cbor_member(map, ""));
    assert_null(cbor_member(map, "b"));
    assert_null(cbor_member(array, "a"));
    /* A byte string is not the text of the same bytes. */
    assert_ok(read_hex("a1416101"));
    assert_null(cbor_member(&tree.nodes[0], "a"));
}

static void a_failed_read_leaves_the_tree(void **state)
{
    (void)state;
    assert_ok(read_hex("1903e8"));
    assert_fails(E_INPUT, read_hex("83010203ff"));
    assert_int_equal(tree.num_nodes, 1);
    assert_int_equal(tree.nodes[0].number, 1000);
}

static void writes_the_rfc_examples(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    static const uint64_t numbers[] = {0, 23, 24, 1000, 1000000, 1000000000000, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++)
        cbor_pack_uint(&p, numbers[i]);
    cbor_pack_negative(&p, 34);
    cbor_pack_bytes(&p, (const uint8_t *)"\1\2\3\4", 4);
    cbor_pack_bytes(&p, NULL, 0);
    cbor_pack_text(&p, "IETF");
    cbor_pack_array(&p, 25);
    cbor_pack_map(&p, 2);
    cbor_pack_null(&p);
    cbor_pack_bool(&p, true);
    cbor_pack_bool(&p, false);
    assert_ok(pack_end(&p));
    char hex[257];
    hex_encode(hex, bytes, p.length);
    assert_string_equal(hex, "001718181903e81a000f42401b000000e8d4a510001bffffffffffffffff3822440102030440"
                             "64494554469819a2f6f5f4");
    struct packer small = {.data = bytes, .capacity = 3};
    cbor_pack_text(&small, "IETF");
    assert_fails(E_TOO_LARGE, pack_end(&small));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_rfc_examples),
        cmocka_unit_test(reads_every_tag),
        cmocka_unit_test(refuses_what_is_malformed_or_unwanted),
        cmocka_unit_test(texts_are_utf_8_as_glibc_has_it),
        cmocka_unit_test(tells_kinds_of_keys_apart),
        cmocka_unit_test(limits_depth_and_items),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(finds_members),
        cmocka_unit_test(a_failed_read_leaves_the_tree),
        cmocka_unit_test(writes_the_rfc_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
