/* test_json_flat.c - the reader of plain objects, held against jansson's reader: what it accepts, that
 * accepts, as the same object. */
#include "testing.h"

#include <unistd.h>

#include "json/json_stream.h"

enum { TEXT_MAX = 512, TRIALS = 200000 };

static uint64_t lot = 1;

static size_t draw(size_t below)
{
    lot = lot * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(lot >> 33) % below;
}

/* The same object by jansson, NULL if it has another opinion. */
static json_t *other_opinion(const struct json_flat *flat, const char *text)
{
    json_t *root = NULL;
    if (json_read(&root, text, flat->length, TEXT_MAX, 64).code)
        return NULL;
    bool same = json_is_object(root) && json_object_size(root) == flat->num_members;
    for (size_t i = 0; same && i < flat->num_members; i++) {
        char name[TEXT_MAX];
        memcpy(name, flat->names[i].at, flat->names[i].length);
        name[flat->names[i].length] = 0;
        const json_t *value = json_object_get(root, name);
        same = json_is_string(value) && json_string_length(value) == flat->values[i].length &&
               memcmp(json_string_value(value), flat->values[i].at, flat->values[i].length) == 0;
    }
    if (same)
        return root;
    json_decref(root);
    return NULL;
}

/* Typed access agrees where it says yes. */
static void check_access(const struct json_flat *flat, const json_t *root)
{
    const char *const names[] = {"slot", "a", "", "signing_root"};
    struct json_view view;
    assert_ok(json_view_root(&view, root));
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        uint64_t number = 0, expected = 1;
        uint8_t bytes[4], expected_bytes[4];
        size_t length = 0, expected_length = 1;
        assert_int_equal(json_flat_has(flat, names[i]), json_has(&view, names[i]));
        if (json_flat_u64(&number, flat, names[i])) {
            assert_ok(json_get_u64(&expected, &view, names[i]));
            assert_true(number == expected);
        }
        if (json_flat_hex_up_to(bytes, &length, sizeof bytes, flat, names[i])) {
            assert_ok(json_get_hex_up_to(expected_bytes, &expected_length, sizeof bytes, &view, names[i]));
            assert_int_equal(length, expected_length);
            assert_memory_equal(bytes, expected_bytes, length);
        }
    }
}

/* Whether it was accepted, and rightly. */
static bool check(const char *text, size_t text_len)
{
    /* In memory that ends where the text does: the sanitizer sees a byte read too far. */
    char *exact = malloc(text_len ? text_len : 1);
    struct json_flat flat;
    assert_non_null(exact);
    memcpy(exact, text, text_len);
    bool accepted = json_flat_read(&flat, exact, text_len);
    if (accepted) {
        AUTO_POINTER(json_t) root = other_opinion(&flat, exact);
        if (!root)
            fail_msg("%.*s: accepted", (int)text_len, text);
        check_access(&flat, root);
    }
    free(exact);
    return accepted;
}

static bool check_text(const char *text)
{
    return check(text, strlen(text));
}

static void plain_objects_are_accepted(void **state)
{
    (void)state;
    assert_true(check_text("{\"slot\":\"12\"}"));
    assert_true(
        check_text(" \t\r\n{ \"slot\" : \"18446744073709551615\" ,\n\"signing_root\":\"0xAB12\" } , more"));
    assert_true(check_text("{\"\":\"\",\"a\":\"~ ,:{}[]'\"}"));
    assert_true(check_text(
        "{\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\",\"7\":\"\",\"8\":\"\"}"));
}

static void all_else_is_left_to_jansson(void **state)
{
    (void)state;
    static const char too_many[] = "{\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\","
                                   "\"6\":\"\",\"7\":\"\",\"8\":\"\",\"9\":\"\"}";
    static const char *const texts[] = {"",
                                        "{",
                                        "{}",
                                        "[]",
                                        "\"a\"",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":\"b\"",
                                        "{\"a\":\"b\",}",
                                        "{,\"a\":\"b\"}",
                                        "{\"a\":\"b\" \"c\":\"d\"}",
                                        "{\"a\":\"b\",\"a\":\"b\"}",
                                        "{\"a\":1}",
                                        "{\"a\":null}",
                                        "{\"a\":{}}",
                                        "{\"a\":[\"b\"]}",
                                        "{\"a\":\"\\\"\"}",
                                        "{\"\\u0061\":\"b\"}",
                                        "{\"a\":\"\x7f\"}",
                                        "{\"a\":\"\xc3\xa4\"}",
                                        "{\"a\":\"\t\"}",
                                        "{'a':'b'}",
                                        "{a:\"b\"}",
                                        "{\"a\":\"b\"]",
                                        "{\"a\":\"b",
                                        "{\"a\":\"b\":\"c\"}",
                                        "\v{\"a\":\"b\"}",
                                        too_many};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        if (check_text(texts[i]))
            fail_msg("%s: accepted", texts[i]);
    assert_false(check("{\"a\":\"\0\"}", 9));
}

static void numbers_and_hex_that_are_wrong_are_told(void **state)
{
    (void)state;
    static const char *const values[] = {"",
                                         "-1",
                                         "+1",
                                         " 1",
                                         "1 ",
                                         "0x1",
                                         "1e3",
                                         "18446744073709551616",
                                         "1.0",
                                         "0x123",
                                         "0x1122334455",
                                         "zz",
                                         "0X12",
                                         "000000000000000000001"};
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        char text[TEXT_MAX];
        struct json_flat flat;
        uint64_t number;
        uint8_t bytes[4];
        size_t length;
        int text_len = snprintf(text, sizeof text, "{\"slot\":\"%s\"}", values[i]);
        assert_true(json_flat_read(&flat, text, (size_t)text_len));
        assert_false(json_flat_u64(&number, &flat, "slot"));
        assert_false(json_flat_u64(&number, &flat, "slo"));
        assert_int_equal(json_flat_hex_up_to(bytes, &length, 4, &flat, "slot"), i == 0); /* no bytes */
    }
}

/* Rows with some bytes changed, doubled or taken away. */
static void nothing_is_accepted_that_jansson_reads_otherwise(void **state)
{
    (void)state;
    static const char alphabet[] = "{}[]\",:\\ \t\n\r\x01\x7f\x80\xc3\xa4u0x19aAslot.-enull";
    static const char row[] =
        " {\"slot\" : \"12\", \"a\":\"0xabcd\",\"\":\"18446744073709551615\",\"signing_root\":\"00\"} ,";
    size_t accepted = 0;
    for (int i = 0; i < TRIALS; i++) {
        char text[TEXT_MAX];
        size_t length = sizeof row - 1;
        memcpy(text, row, length);
        for (size_t changes = draw(4); changes > 0; changes--) {
            size_t at = draw(length), from = draw(length);
            switch (draw(4)) {
            case 0:
                text[at] = alphabet[draw(sizeof alphabet)];
                break;
            case 1:
                memmove(text + at, text + at + 1, --length - at);
                break;
            case 2:
                memmove(text + at + 1, text + at, length++ - at);
                text[at] = alphabet[draw(sizeof alphabet)];
                break;
            default: /* a piece of it again */
                text[at] = text[from];
                break;
            }
        }
        accepted += check(text, draw(8) ? length : draw(length + 1));
    }
    assert_in_range(accepted, TRIALS / 4, TRIALS - TRIALS / 4);
}

/* However the bytes arrive: rows are plain, or are read the long way, and none is lost. */
static void rows_in_a_stream(void **state)
{
    (void)state;
    enum { ROWS = 5000 };
    FILE *file = tmpfile();
    AUTO_POINTER(json_stream) in = NULL;
    size_t num_flat = 0;
    assert_non_null(file);
    (void)fputc('[', file);
    for (int i = 0; i < ROWS; i++)
        (void)fprintf(file, i % 50 ? "%s{\"slot\":\"%d\"}" : "%s{\"slot\":%d}", i ? " ,\n" : "", i);
    (void)fputc(']', file);
    assert_int_equal(fflush(file), 0);
    rewind(file);
    assert_ok(json_stream_open(&in, fileno(file), 1 << 20));
    assert_ok(json_stream_begin_array(in));
    for (uint64_t i = 0; i < ROWS; i++) {
        struct json_flat flat;
        bool more = false, is_flat = false;
        uint64_t slot = ROWS;
        assert_ok(json_stream_next_element(in, &more));
        assert_true(more);
        assert_ok(json_stream_peek_flat(in, &is_flat, &flat, i % 3 ? 64 : 5));
        assert_false(is_flat && (i % 3 == 0 || i % 50 == 0));
        num_flat += is_flat;
        if (is_flat && i % 2) {
            assert_true(json_flat_u64(&slot, &flat, "slot"));
            json_stream_pass_flat(in, &flat);
        } else { /* what was shown is still there */
            AUTO_POINTER(json_t) value = NULL;
            struct json_view view;
            assert_ok(json_stream_value(in, &value, 64, 8));
            assert_ok(json_view_root(&view, value));
            assert_ok(json_get_u64(&slot, &view, "slot"));
        }
        assert_true(slot == i);
    }
    bool more = true;
    assert_ok(json_stream_next_element(in, &more));
    assert_false(more);
    assert_ok(json_stream_end(in));
    assert_in_range(num_flat, ROWS / 2, ROWS);
    (void)fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_objects_are_accepted),
        cmocka_unit_test(all_else_is_left_to_jansson),
        cmocka_unit_test(numbers_and_hex_that_are_wrong_are_told),
        cmocka_unit_test(nothing_is_accepted_that_jansson_reads_otherwise),
        cmocka_unit_test(rows_in_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
