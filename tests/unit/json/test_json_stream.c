/* test_json_stream.c - lib/json's reader of long texts, held against the reader of whole ones. */
#include "testing.h"

#include <unistd.h>

#include "json/json_stream.h"

enum { LENGTH_MAX = 4096, VALUES_MAX = 1000 };

static must_check result walk_object(json_t *object, struct json_stream *in, bool outer);

static must_check result walk_list(json_t *list, struct json_stream *in)
{
    TRY(json_stream_begin_array(in));
    for (;;) {
        bool more = false;
        json_t *element = json_object();
        assert_int_equal(json_array_append_new(list, element), 0);
        TRY(json_stream_next_element(in, &more));
        if (!more)
            return json_array_remove(list, json_array_size(list) - 1) == 0 ? RESULT_OK : (result){E_INTERNAL};
        TRY(walk_object(element, in, false));
    }
}

/* Walks {"list": [{...}, ...], ...} and reads everything else whole. */
static must_check result walk_object(json_t *object, struct json_stream *in, bool outer)
{
    const char *name = NULL;
    TRY(json_stream_begin_object(in));
    for (;;) {
        json_t *value = NULL;
        TRY(json_stream_next_member(in, &name));
        if (!name)
            return RESULT_OK;
        if (outer && strcmp(name, "list") == 0) {
            value = json_array();
            assert_int_equal(json_object_set_new(object, name, value), 0);
            TRY(walk_list(value, in));
            continue;
        }
        TRY(json_stream_value(in, &value, LENGTH_MAX, VALUES_MAX));
        assert_int_equal(json_object_set_new(object, name, value), 0);
    }
}

static must_check result walk(json_t *object, struct json_stream *in)
{
    TRY(walk_object(object, in, true));
    return json_stream_end(in);
}

/* What the walk above expects of the types. */
static bool has_wanted_shape(const json_t *root)
{
    const json_t *list = json_object_get(root, "list");
    if (!json_is_object(root) || (list && !json_is_array(list)))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_object(json_array_get(list, i)))
            return false;
    return true;
}

/* Both readers take the text for the same value, or both refuse it. */
static bool agree(const char *text, size_t text_len)
{
    AUTO_POINTER(json_t) whole = NULL;
    AUTO_POINTER(json_t) walked = json_object();
    AUTO_POINTER(json_stream) in = NULL;
    result expected = json_read(&whole, text, text_len, LENGTH_MAX, VALUES_MAX);
    assert_ok(json_stream_open_text(&in, text, text_len));
    result r = walk(walked, in);
    bool wanted = !expected.code && has_wanted_shape(whole);
    if (wanted != (r.code == E_NONE) || (r.code && r.code != E_INPUT))
        fail_msg("%.*s: %s", (int)text_len, text, r.code ? error_text() : "accepted");
    if (wanted && !json_equal(whole, walked))
        fail_msg("%.*s: read as another value", (int)text_len, text);
    return wanted;
}

static const char sample[] =
    " {\"list\" : [ {\"a\":\"1\",\"b\":[1,2,{\"c\":null}]}, {} ,{\"\\u0061\\\"\":\"]}\\\\\"}],\n"
    "\t\"n\":-1.5e3,\"t\":true , \"s\":\"t\xc3\xa4,:xt\",\"e\":[],\"o\":{\"list\":7}}\r\n";

static void it_agrees_with_the_reader_of_whole_texts(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "{",
                                        "{}",
                                        "{}x",
                                        "{} {}",
                                        "[]",
                                        "1",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{,\"a\":1}",
                                        "{a:1}",
                                        "{1:1}",
                                        "{[]:1}",
                                        "{\"a\" 1}",
                                        "{\"a\"::1}",
                                        "{\"a\":1 \"b\":2}",
                                        "{\"a\":1,,\"b\":2}",
                                        "{\"a\":1]",
                                        "{\"a\":[}",
                                        "{\"a\":[}]}",
                                        "{\"a\":{]}",
                                        "{\"a\":01}",
                                        "{\"a\":tru}",
                                        "{\"a\":true1}",
                                        "{\"a\":\"b\"\"c\"}",
                                        "{\"a\":1,\"a\":1}",
                                        "{\"a\":1,\"\\u0061\":1}",
                                        "{\"list\":[],\"list\":[]}",
                                        "{\"list\":[{},]}",
                                        "{\"list\":[,{}]}",
                                        "{\"list\":[{} {}]}",
                                        "{\"list\":[{\"a\":1,\"a\":1}]}",
                                        "{\"list\":[[]]}",
                                        "{\"list\":{}}",
                                        "{\"list\":[{}}",
                                        "{\"list\":[{]}",
                                        "{\"a\":\"\xff\"}",
                                        "{\"\xff\":1}",
                                        "{\"a\":\"\\u0000\"}",
                                        "{\"\\u0000\":1}",
                                        "\xef\xbb\xbf{}",
                                        "{\"\":1}",
                                        "{\"\":1,\"\":2}",
                                        "{\"a\":\"\n\"}",
                                        "{\"a\":\"\\x\"}",
                                        "{\"a\\\":1}",
                                        "{\"list\":[{}],\"a\":[[[[1]]]]}"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        (void)agree(texts[i], strlen(texts[i]));
    assert_true(agree(sample, sizeof sample - 1));
    for (size_t length = 0; length < sizeof sample - 3; length++)
        assert_false(agree(sample, length));
}

static void it_agrees_on_damaged_texts(void **state)
{
    (void)state;
    static const char bytes[] = "{}[],:\"\\ 0a-u\n";
    char text[sizeof sample + 8];
    int accepted = 0;
    srandom(3);
    for (int round = 0; round < 30000; round++) {
        size_t length = sizeof sample - 1;
        memcpy(text, sample, length);
        for (long changes = 1 + random() % 3; changes > 0; changes--) {
            size_t at = (size_t)random() % length, from = (size_t)random() % length;
            if (random() % 3 == 0)
                memmove(text + at, text + at + 1, --length - at);
            else
                text[at] = random() % 2 ? bytes[(size_t)random() % (sizeof bytes - 1)] : text[from];
        }
        accepted += agree(text, length);
    }
    assert_true(accepted > 1000 && accepted < 29000);
}

/* Pieces of the text arrive with every boundary somewhere: 300 KiB through a file. */
static void a_long_text_is_read_from_a_descriptor(void **state)
{
    (void)state;
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_t) walked = json_object();
    AUTO_POINTER(json_stream) in = NULL;
    char path[] = "/tmp/ns-test-XXXXXX";
    assert_ok(buffer_append_text(&text, "{\"list\":["));
    for (int i = 0; text.length < 300000; i++)
        assert_ok(buffer_printf(&text, "%s{\"number\":%d,\"text\":\"%0*d\"}", i ? "," : "", i, i % 100, i));
    assert_ok(buffer_append_text(&text, "]}"));
    AUTO_FD fd = mkstemp(path);
    assert_true(fd >= 0 && unlink(path) == 0);
    assert_int_equal(write(fd, text.data, text.length), text.length);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_ok(json_stream_open(&in, fd, text.length));
    assert_ok(walk(walked, in));
    AUTO_POINTER(json_t) whole = NULL;
    assert_ok(json_read(&whole, (const char *)text.data, text.length, text.length, text.length));
    assert_true(json_equal(whole, walked));

    AUTO_POINTER(json_stream) again = NULL;
    AUTO_POINTER(json_t) other = json_object();
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_ok(json_stream_open(&again, fd, text.length - 1));
    assert_fails(E_TOO_LARGE, walk(other, again));
}

static result walk_text(const char *text, size_t text_len)
{
    AUTO_POINTER(json_t) walked = json_object();
    AUTO_POINTER(json_stream) in = NULL;
    assert_ok(json_stream_open_text(&in, text, text_len));
    return walk(walked, in);
}

static void limits(void **state)
{
    (void)state;
    AUTO(buffer) value = {0}, members = {0}, name = {0}, deep = {0};
    assert_ok(buffer_append_text(&value, "{\"a\":\""));
    while (value.length < 5 + LENGTH_MAX - 1)
        assert_ok(buffer_append_text(&value, "x"));
    assert_ok(buffer_append_text(&value, "\"}"));
    assert_ok(walk_text((const char *)value.data, value.length));
    value.length -= 2;
    assert_ok(buffer_append_text(&value, "x\"}"));
    assert_fails(E_TOO_LARGE, walk_text((const char *)value.data, value.length));

    assert_ok(buffer_append_text(&members, "{"));
    for (int i = 0; i < JSON_STREAM_MEMBERS_MAX; i++)
        assert_ok(buffer_printf(&members, "%s\"%d\":1", i ? "," : "", i));
    assert_ok(buffer_append_text(&members, "}"));
    assert_ok(walk_text((const char *)members.data, members.length));
    members.length--;
    assert_ok(buffer_append_text(&members, ",\"more\":1}"));
    assert_fails(E_INPUT, walk_text((const char *)members.data, members.length));

    assert_ok(buffer_printf(&name, "{\"%0300d\":1}", 0));
    assert_fails(E_TOO_LARGE, walk_text((const char *)name.data, name.length));
    assert_ok(buffer_append_text(&deep, "{\"a\":"));
    for (int i = 0; i < 100; i++)
        assert_ok(buffer_append_text(&deep, "["));
    assert_fails(E_INPUT, walk_text((const char *)deep.data, deep.length));
}

static void a_refusal_says_where_and_does_not_echo(void **state)
{
    (void)state;
    static const char text[] = "{\"list\":[],\"a\":\"hidden\" \"b\":1}";
    assert_fails(E_INPUT, walk_text(text, sizeof text - 1));
    assert_non_null(strstr(error_text(), "at byte 24"));
    assert_null(strstr(error_text(), "hidden"));
}

static void collect(void *context, const uint8_t *bytes, size_t bytes_len)
{
    assert_ok(buffer_append(context, bytes, bytes_len));
}

/* {"a": <skipped>, "hex": <bytes>}, from memory or from a descriptor. */
static result read_hex(struct buffer *out, struct json_stream *in)
{
    const char *name = NULL;
    TRY(json_stream_begin_object(in));
    TRY(json_stream_next_member(in, &name));
    TRY(json_stream_skip(in));
    TRY(json_stream_next_member(in, &name));
    ENSURE(name && strcmp(name, "hex") == 0, E_INPUT, "another member");
    TRY(json_stream_hex(in, collect, out));
    TRY(json_stream_next_member(in, &name));
    ENSURE(!name, E_INPUT, "one more member");
    return json_stream_end(in);
}

static result read_hex_text(struct buffer *out, const char *skipped, const char *hex)
{
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_stream) in = NULL;
    assert_ok(buffer_printf(&text, "{\"a\": %s , \"hex\": %s}", skipped, hex));
    assert_ok(json_stream_open_text(&in, (const char *)text.data, text.length));
    return read_hex(out, in);
}

static void hex_and_skipped_values(void **state)
{
    (void)state;
    static const char *const skipped[] = {"1",    "\"\"", "\"]}\\\\\\\",{\"", "[[],{\"x\":\"}\"}]",
                                          "null", "{}"};
    for (size_t i = 0; i < ARRAY_LENGTH(skipped); i++) {
        AUTO(buffer) bytes = {0};
        assert_ok(read_hex_text(&bytes, skipped[i], "\"0x00aBcDeF9\x30\""));
        assert_int_equal(bytes.length, 5);
        assert_memory_equal(bytes.data, "\x00\xab\xcd\xef\x90", 5);
    }
    static const char *const good[] = {"\"\"", "\"0x\"", "\"00\"", "\"0x00\"", "\"0aff\""};
    static const size_t lengths[] = {0, 0, 1, 1, 2};
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        AUTO(buffer) bytes = {0};
        assert_ok(read_hex_text(&bytes, "0", good[i]));
        assert_int_equal(bytes.length, lengths[i]);
    }
    static const char *const bad[] = {
        "\"0\"", "\"0x0\"", "\"x00\"", "\"0X00\"", "\"0x0g\"", "\"00 \"",      "\"0x\\u0030\"", "\"0x00",
        "\"",    "\"0x",    "7",       "null",     "[]",       "\"00\"\"00\"", "\"0x0x00\"",    ""};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        AUTO(buffer) bytes = {0};
        assert_fails(E_INPUT, read_hex_text(&bytes, "0", bad[i]));
    }
    static const char *const unskippable[] = {"", "[", "{\"a\":[}", "\"abc", "\"\\\""};
    for (size_t i = 0; i < ARRAY_LENGTH(unskippable); i++) {
        AUTO(buffer) bytes = {0};
        assert_fails(E_INPUT, read_hex_text(&bytes, unskippable[i], "\"00\""));
    }
}

/* Pieces end within digits, escapes and the prefix. */
static void hex_from_a_descriptor(void **state)
{
    (void)state;
    char path[] = "/tmp/ns-test-XXXXXX";
    AUTO_FD fd = mkstemp(path);
    assert_true(fd >= 0 && unlink(path) == 0);
    for (size_t padding = 65536 - 12; padding < 65536 + 12; padding++) {
        AUTO(buffer) text = {0}, bytes = {0};
        AUTO_POINTER(json_stream) in = NULL;
        assert_ok(buffer_append_text(&text, "{\"a\":\""));
        while (text.length < padding)
            assert_ok(buffer_append_text(&text, text.length + 2 < padding && text.length % 2 ? "\\\"" : "y"));
        assert_ok(buffer_append_text(&text, "\",\"hex\":\"0x"));
        for (unsigned i = 0; i < 70000; i++)
            assert_ok(buffer_printf(&text, "%02x", i & 255));
        assert_ok(buffer_append_text(&text, "\"}"));
        assert_int_equal(pwrite(fd, text.data, text.length, 0), text.length);
        assert_int_equal(ftruncate(fd, (off_t)text.length), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_ok(json_stream_open(&in, fd, text.length));
        assert_ok(read_hex(&bytes, in));
        assert_int_equal(bytes.length, 70000);
        for (size_t i = 0; i < bytes.length; i++)
            assert_int_equal(bytes.data[i], i & 255);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_the_reader_of_whole_texts),
        cmocka_unit_test(it_agrees_on_damaged_texts),
        cmocka_unit_test(a_long_text_is_read_from_a_descriptor),
        cmocka_unit_test(limits),
        cmocka_unit_test(hex_and_skipped_values),
        cmocka_unit_test(hex_from_a_descriptor),
        cmocka_unit_test(a_refusal_says_where_and_does_not_echo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
