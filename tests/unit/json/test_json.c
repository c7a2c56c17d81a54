/* test_json.c - lib/json. */
#include "testing.h"

#include "json/json.h"

static result read_text(json_t **ret_root, const char *text)
{
    return json_read(ret_root, text, strlen(text), 4096, 64);
}

static void malformed_texts_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "{}x",
                                      "{} {}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "[1,]",
                                      "{a:1}",
                                      "{'a':1}",
                                      "{\"a\":01}",
                                      "{\"a\":+1}",
                                      "{\"a\":0x1}",
                                      "{\"a\":NaN}",
                                      "{\"a\":\"\\u0000\"}",
                                      "{\"\\u0000\":1}",
                                      "{\"a\":\"\\ud800\"}",
                                      "{\"a\":\"\xff\"}",
                                      "{\"a\":\"\n\"}",
                                      "{\"a\":1,\"a\":2}",
                                      "{\"b\":{\"a\":1,\"a\":1}}",
                                      "]",
                                      "}{",
                                      "\"text\"",
                                      "1",
                                      "null",
                                      "{\"a\":1e999}",
                                      "\xef\xbb\xbf{}"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        json_t *root = NULL;
        result r = read_text(&root, bad[i]);
        if (r.code != E_INPUT || root)
            fail_msg("accepted %s", bad[i]);
    }
    json_t *root = NULL;
    assert_fails(E_INPUT, json_read(&root, "{}\0", 3, 10, 10));
    assert_fails(E_INPUT, json_read(&root, "{\"a\":\"b\0c\"}", 11, 100, 10));
}

static void rejected_input_is_not_echoed(void **state)
{
    (void)state;
    json_t *root = NULL;
    assert_fails(E_INPUT, read_text(&root, "{\"a\": \"hunter2"));
    assert_null(strstr(error_text(), "hunter2"));
    assert_fails(E_INPUT, read_text(&root, "{\"a\": hunter2}"));
    assert_null(strstr(error_text(), "hunter2"));
    assert_fails(E_INPUT, read_text(&root, "{\"hunter2\":1,\"hunter2\":1}"));
    assert_null(strstr(error_text(), "hunter2"));
    assert_error_names("twice");
}

static void limits(void **state)
{
    (void)state;
    char text[200];
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        AUTO_POINTER(json_t) root = NULL;
        result r = json_read(&root, text, 2 * depth, 4096, 64);
        assert_int_equal(r.code, depth > JSON_DEPTH_MAX ? E_INPUT : E_NONE);
    }
    assert_error_names("deeper");
    AUTO_POINTER(json_t) root = NULL;
    assert_fails(E_TOO_LARGE, json_read(&root, "{}", 2, 1, 10));
    assert_fails(E_INPUT, json_read(&root, "[1,2,3]", 7, 100, 3));
    assert_error_names("values");
    /* Brackets and commas inside strings count for nothing. */
    assert_ok(json_read(&root, "[\"\\\"[[[[,,,,{{{{\\\\\"]", 20, 100, 2));
}

static void accessors_return_values(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) root = NULL;
    assert_ok(read_text(&root,
                        "{\"o\":{\"n\":7,\"q\":\"18446744073709551615\",\"t\":\"t\xc3\xa4xt\",\"yes\":true},"
                        "\"a\":[\"0xABcd\",5,{}],\"h\":\"0a0B\",\"extra\":null}"));
    struct json_view top, object, list, last;
    assert_ok(json_view_root(&top, root));
    assert_ok(json_get_object(&object, &top, "o"));
    uint64_t number;
    assert_ok(json_get_u64(&number, &object, "n"));
    assert_int_equal(number, 7);
    assert_ok(json_get_u64(&number, &object, "q"));
    assert_true(number == UINT64_MAX);
    const char *text;
    size_t length;
    assert_ok(json_get_text(&text, &length, &object, "t"));
    assert_string_equal(text, "t\xc3\xa4xt");
    assert_int_equal(length, 5);
    assert_ok(json_get_text_optional(&text, NULL, &object, "none"));
    assert_null(text);
    bool flag = false;
    assert_ok(json_get_bool(&flag, &object, "yes"));
    assert_true(flag && json_has(&object, "yes") && !json_has(&object, "no"));
    assert_ok(json_get_array(&list, &top, "a", 3));
    uint8_t bytes[2], up_to[8];
    assert_ok(json_element_hex(bytes, 2, &list, 0));
    assert_memory_equal(bytes, "\xab\xcd", 2);
    assert_ok(json_element_u64(&number, &list, 1));
    assert_ok(json_element_object(&last, &list, 2));
    assert_ok(json_get_hex_up_to(up_to, &length, sizeof up_to, &top, "h"));
    assert_int_equal(length, 2);
    assert_memory_equal(up_to, "\x0a\x0b", 2);
}

#define assert_names(path, expression)                                                                       \
    do {                                                                                                     \
        assert_fails(E_INPUT, expression);                                                                   \
        assert_error_names(path);                                                                            \
        assert_null(strstr(error_text(), "hunter2"));                                                        \
    } while (0)

static void accessors_name_the_path(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) root = NULL;
    assert_ok(read_text(&root,
                        "{\"o\":{\"list\":[{\"x\":\"hunter2\"},-1],\"null\":null,\"real\":1.5,\"big\":"
                        "\"18446744073709551616\",\"hex\":\"0x0g\",\"odd\":\"0x0\",\"upper\":\"0X00\"}}"));
    struct json_view top, o, list, element;
    uint64_t number;
    uint8_t byte;
    size_t length;
    const char *text;
    bool flag;
    assert_ok(json_view_root(&top, root));
    assert_ok(json_get_object(&o, &top, "o"));
    assert_names("o.none: is missing", json_get_object(&element, &o, "none"));
    assert_names("o.null: must be an object", json_get_object(&element, &o, "null"));
    assert_ok(json_get_text_optional(&text, NULL, &o, "null"));
    assert_null(text);
    assert_false(json_has(&o, "null"));
    assert_names("o.null: must be a string", json_get_text(&text, NULL, &o, "null"));
    assert_names("o.null: must be true or false", json_get_bool(&flag, &o, "null"));
    assert_names("o.null: must be an array", json_get_array(&list, &o, "null", 1));
    assert_names("o.list: must have at most 1", json_get_array(&list, &o, "list", 1));
    assert_names("o.real: must be a decimal", json_get_u64(&number, &o, "real"));
    assert_names("o.big: must be below 2^64", json_get_u64(&number, &o, "big"));
    assert_names("o.hex: must be 1 bytes", json_get_hex(&byte, 1, &o, "hex"));
    assert_names("o.odd: must be 1 bytes", json_get_hex(&byte, 1, &o, "odd"));
    assert_names("o.odd: must be at most", json_get_hex_up_to(&byte, &length, 1, &o, "odd"));
    assert_names("o.upper: must be 1 bytes", json_get_hex(&byte, 1, &o, "upper"));
    assert_ok(json_get_array(&list, &o, "list", 2));
    assert_ok(json_element_object(&element, &list, 0));
    assert_names("o.list[0].x: must be a decimal", json_get_u64(&number, &element, "x"));
    assert_names("o.list[0].x: must be 1 bytes", json_get_hex(&byte, 1, &element, "x"));
    assert_names("o.list[0].x: must be at most 1 bytes",
                 json_get_hex_up_to(&byte, &length, 1, &element, "x"));
    assert_names("o.list[1]: must be a decimal", json_element_u64(&number, &list, 1));
    assert_names("o.list[1]: must be a string", json_element_text(&text, NULL, &list, 1));
    assert_names("o.here: no good", json_blame(error_set(E_INPUT, "no good"), &o, "here"));
    AUTO_POINTER(json_t) array = NULL;
    assert_ok(read_text(&array, "[]"));
    assert_names("document: must be an object", json_view_root(&top, array));
}

static void members_may_have_to_be_something(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) root = NULL;
    struct json_view top;
    uint64_t number = 0;
    assert_ok(read_text(&root, "{\"n\":\"7\",\"function\":\"scrypt\"}"));
    assert_ok(json_view_root(&top, root));
    assert_ok(json_get_u64_between(&number, &top, "n", 7, 7));
    assert_int_equal(number, 7);
    assert_names("n: must be between 8 and 9", json_get_u64_between(&number, &top, "n", 8, 9));
    assert_names("n: must be between 5 and 6", json_get_u64_between(&number, &top, "n", 5, 6));
    assert_ok(json_require_text(&top, "function", "scrypt"));
    assert_names("function: must be \"pbkdf2\"", json_require_text(&top, "function", "pbkdf2"));
    assert_names("prf: is missing", json_require_text(&top, "prf", "hmac-sha256"));
}

/* jansson's own limit is 2^63-1. */
static void bare_numbers_may_be_as_large_as_quoted_ones(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t number;
    } good[] = {{"9223372036854775807", INT64_MAX},
                {"9223372036854775808", (uint64_t)INT64_MAX + 1},
                {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {
        "18446744073709551616",  "-9223372036854775809",     "99999999999999999999",
        "9223372036854775808.5", "9223372036854775808e1",    "1.5e9223372036854775808",
        "018446744073709551615", "100000000000000000000000", "+9223372036854775808"};
    char text[256];
    uint8_t bytes[16];
    size_t length;
    const char *string;
    uint64_t number;
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        AUTO_POINTER(json_t) root = NULL;
        struct json_view top, list;
        (void)snprintf(text, sizeof text,
                       "{\"s\":\"a\\\"%s,\",\"n\":%s,\"list\":[1,%s],\"m\":18446744073709551615}",
                       good[i].text, good[i].text, good[i].text);
        assert_ok(read_text(&root, text));
        assert_ok(json_view_root(&top, root));
        assert_ok(json_get_u64(&number, &top, "n"));
        assert_true(number == good[i].number);
        assert_ok(json_get_array(&list, &top, "list", 2));
        assert_ok(json_element_u64(&number, &list, 1));
        assert_true(number == good[i].number);
        assert_ok(json_get_text(&string, &length, &top, "s"));
        assert_int_equal(length, strlen(good[i].text) + 3);
        /* It is a number and nothing else. */
        assert_names("m: must be a string", json_get_text(&string, NULL, &top, "m"));
        assert_names("m: must be a string of hex", json_get_hex(bytes, 10, &top, "m"));
        assert_names("m: must be a string of hex",
                     json_get_hex_up_to(bytes, &length, sizeof bytes, &top, "m"));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        AUTO_POINTER(json_t) root = NULL;
        struct json_view top;
        (void)snprintf(text, sizeof text, "{\"n\":%s,\"m\":18446744073709551615}", bad[i]);
        if (read_text(&root, text).code) /* else it is a real number, which is none of ours */
            continue;
        assert_ok(json_view_root(&top, root));
        assert_names("n: must be a decimal", json_get_u64(&number, &top, "n"));
    }
    AUTO_POINTER(json_t) forged = NULL;
    assert_fails(E_INPUT,
                 read_text(&forged, "{\"n\":\"\\u00009223372036854775808\",\"m\":9223372036854775808}"));
    assert_fails(E_INPUT, read_text(&forged, "{\"n\":\"\\u00009223372036854775808\"}"));
    assert_fails(E_INPUT, read_text(&forged, "{\"n\":9223372036854775808,\"n\":1}"));
    assert_fails(E_INPUT, read_text(&forged, "{9223372036854775808:1}"));
    assert_fails(E_INPUT, read_text(&forged, "{\"n\":\"\\\\\\u0000\",\"m\":9223372036854775808}"));
    assert_fails(E_INPUT, read_text(&forged, "{\"\\u0000\":1,\"m\":9223372036854775808}"));
    /* An escaped backslash, and then letters. */
    struct json_view top;
    const char *plain;
    assert_ok(read_text(&forged, "{\"n\":\"\\\\u0000\",\"m\":9223372036854775808}"));
    assert_ok(json_view_root(&top, forged));
    assert_ok(json_get_text(&plain, NULL, &top, "n"));
    assert_string_equal(plain, "\\u0000");
    assert_ok(json_get_u64(&number, &top, "m"));
    assert_true(number == UINT64_C(9223372036854775808));
}

static void long_paths_are_cut(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) root = NULL;
    assert_ok(read_text(&root, "{}"));
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    struct json_view top, member;
    assert_ok(json_view_root(&top, root));
    assert_fails(E_INPUT, json_get_object(&member, &top, name));
    assert_error_names("is missing");
}

static void quoting_round_trips(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "plain", "quote\" back\\slash \n\t\x01", "t\xc3\xa4xt"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        AUTO(buffer) b = {0};
        assert_ok(buffer_append_text(&b, "["));
        assert_ok(json_append_quoted(&b, texts[i]));
        assert_ok(buffer_append_text(&b, "]"));
        AUTO_POINTER(json_t) root = NULL;
        assert_ok(json_read(&root, (char *)b.data, b.length, 4096, 4));
        assert_string_equal(json_string_value(json_array_get(root, 0)), texts[i]);
    }
    AUTO(buffer) b = {0};
    assert_ok(json_append_quoted(&b, "a\xff"));
    assert_string_equal((char *)b.data, "\"a?\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_texts_are_refused),
        cmocka_unit_test(rejected_input_is_not_echoed),
        cmocka_unit_test(limits),
        cmocka_unit_test(accessors_return_values),
        cmocka_unit_test(accessors_name_the_path),
        cmocka_unit_test(members_may_have_to_be_something),
        cmocka_unit_test(bare_numbers_may_be_as_large_as_quoted_ones),
        cmocka_unit_test(long_paths_are_cut),
        cmocka_unit_test(quoting_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
