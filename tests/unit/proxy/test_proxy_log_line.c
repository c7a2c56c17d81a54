/* test_proxy_log_line.c - src/proxy/proxy_log_line.c. */
#include "testing.h"

#include <jansson.h>

#include "proxy/proxy_log_line.h"

static json_t *shown(const char *text, size_t text_len)
{
    char line[PROXY_LOG_OUT_MAX];
    size_t line_len = proxy_log_line(line, LOG_FORMAT_JSON, text, text_len);
    assert_in_range(line_len, 2, PROXY_LOG_OUT_MAX);
    assert_int_equal(line[line_len - 1], '\n');
    assert_null(memchr(line, '\n', line_len - 1));
    json_t *object = json_loadb(line, line_len, 0, NULL);
    if (!object)
        fail_msg("no JSON: %.*s", (int)line_len, line);
    assert_string_equal(json_string_value(json_object_get(object, "source")), "enclave");
    return object;
}

static void objects_of_ours_keep_their_members(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"message\":\"a \\\"b\\\" \\\\ \\u0007 \\ufffd \xc3\xbc\",\"status\":412}",
        "{\"message\":\"x\",\"timestamp\":1769860800.123}",
        "{\"message\":\"}\",\"log.level\":\"INFO\"}",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        json_t *object = shown(lines[i], strlen(lines[i])), *own = json_loads(lines[i], 0, NULL);
        assert_int_equal(json_object_size(object), json_object_size(own) + 1);
        assert_true(json_equal(json_object_get(object, "message"), json_object_get(own, "message")));
        json_decref(object);
        json_decref(own);
    }
}

static void everything_else_is_a_message(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "{",
        "}",
        "{}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":-1}",
        "{\"a\":.5}",
        "{\"a\":{}}",
        "{\"a\":[1]}",
        "{\"a\":true}",
        "{\"a\": 1}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\n\"}",
        "{\"a\":\"\\\"}",
        "{\"a\":\"b\"}}",
        "{\"a\":\"b\"",
        "{\"a\":\"\x01\"}",
        "{\"a\":\"\xff\"}",
        "{\"source\":\"host\"}",
        "{\"a\":1,\"source\":\"host\"}",
        "{\"\\u0073ource\":\"host\"}",
        "{\"a\":1}{\"b\":2}",
        "2026-01-31T12:00:00.123Z info nitro-signer: plain",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        json_t *object = shown(lines[i], strlen(lines[i]));
        if (!json_string_value(json_object_get(object, "message")))
            fail_msg("was passed on: %s", lines[i]);
        json_decref(object);
    }
}

/* A recogniser that is wrong would let through what jansson refuses. */
static void no_change_of_a_byte_breaks_a_line(void **state)
{
    (void)state;
    static const char sound[] = "{\"level\":\"in\\u0001fo\",\"message\":\"x\\\\\",\"n\":12.5,\"m\":0}";
    char text[sizeof sound];
    for (size_t i = 0; i < sizeof sound - 1; i++) {
        for (unsigned value = 0; value < 256; value++) {
            memcpy(text, sound, sizeof sound);
            text[i] = (char)value;
            if (value != '\n')
                json_decref(shown(text, sizeof sound - 1));
        }
    }
}

static void the_longest_line_fits(void **state)
{
    (void)state;
    char text[PROXY_LOG_IN_MAX];
    memset(text, '\x01', sizeof text);
    json_decref(shown(text, sizeof text));
    memset(text, 'x', sizeof text);
    memcpy(text, "{\"message\":\"", 12);
    memcpy(text + sizeof text - 2, "\"}", 2);
    json_t *object = shown(text, sizeof text);
    assert_int_equal(json_string_length(json_object_get(object, "message")), sizeof text - 14);
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_of_ours_keep_their_members),
        cmocka_unit_test(everything_else_is_a_message),
        cmocka_unit_test(no_change_of_a_byte_breaks_a_line),
        cmocka_unit_test(the_longest_line_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
