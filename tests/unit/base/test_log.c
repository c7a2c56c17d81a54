/* test_log.c - lib/base/log.c and log_line.c. Whether a line is JSON is jansson's say. */
#include "testing.h"

#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_line.h"

static const enum log_format json_formats[] = {LOG_FORMAT_JSON, LOG_FORMAT_ECS, LOG_FORMAT_GCP,
                                               LOG_FORMAT_GELF, LOG_FORMAT_LOGSTASH};

static const struct log_line sound = {.time = {.tv_sec = 1769860800, .tv_nsec = 123456789},
                                      .level = LOG_LEVEL_WARN,
                                      .program = "nitro-signer-front",
                                      .host = "machine",
                                      .process = 42,
                                      .message = "something happened"};

/* The line as an object; it must be one line of JSON. */
static json_t *object_of(enum log_format format, const struct log_line *line)
{
    char text[LOG_LINE_MAX];
    size_t text_len = log_line_format(text, format, line);
    assert_in_range(text_len, 2, LOG_LINE_MAX);
    assert_int_equal(text[text_len - 1], '\n');
    assert_null(memchr(text, '\n', text_len - 1));
    for (size_t i = 0; i < text_len - 1; i++)
        assert_true((uint8_t)text[i] >= 0x20 && text[i] != 0x7f);
    json_error_t error;
    json_t *object = json_loadb(text, text_len, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        fail_msg("%s: %s: %.*s", log_format_name(format), error.text, (int)text_len, text);
    return object;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!text)
        fail_msg("no text %s", name);
    return text;
}

static const char *message_name(enum log_format format)
{
    return format == LOG_FORMAT_GELF ? "short_message" : "message";
}

static void a_plain_line_is_as_it_always_was(void **state)
{
    (void)state;
    char text[LOG_LINE_MAX + 1];
    text[log_line_format(text, LOG_FORMAT_PLAIN, &sound)] = 0;
    assert_string_equal(text, "2026-01-31T12:00:00.123Z warn nitro-signer-front: something happened\n");
}

static void fields_of_a_plain_line_cannot_be_misread(void **state)
{
    (void)state;
    static const struct log_field fields[] = {
        {.name = "status", .number = 412},
        {.name = "a", .text = "bare/word:1"},
        {.name = "b", .text = ""},
        {.name = "c", .text = "two words"},
        {.name = "d", .text = "x=\"1\\ \n\x1b[31m\xc2\x9b\xff\xc3\xbc"},
        {.name = "largest", .number = UINT64_MAX},
    };
    char text[LOG_LINE_MAX + 1];
    struct log_line line = sound;
    line.message = "text\r\nforged \xff\xed\xa0\x80 \xc0\xaf \xf4\x90\x80\x80";
    line.fields = fields;
    line.num_fields = ARRAY_LENGTH(fields);
    text[log_line_format(text, LOG_FORMAT_PLAIN, &line)] = 0;
    assert_string_equal(strstr(text, "text"),
                        "text??forged ???? ?? ???? status=412 a=bare/word:1 b=\"\" c=\"two words\" "
                        "d=\"x=\\\"1\\\\ ??[31m??\xc3\xbc\" largest=18446744073709551615\n");
}

static void each_format_has_the_names_of_its_collector(void **state)
{
    (void)state;
    static const struct {
        enum log_format format;
        const char *time, *level, *level_text;
    } rows[] = {{LOG_FORMAT_JSON, "timestamp", "level", "warn"},
                {LOG_FORMAT_ECS, "@timestamp", "log.level", "WARN"},
                {LOG_FORMAT_GCP, "timestamp", "severity", "WARNING"},
                {LOG_FORMAT_LOGSTASH, "@timestamp", "level", "WARN"}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        json_t *object = object_of(rows[i].format, &sound);
        assert_string_equal(text_of(object, rows[i].time), "2026-01-31T12:00:00.123Z");
        assert_string_equal(text_of(object, rows[i].level), rows[i].level_text);
        assert_string_equal(text_of(object, "message"), "something happened");
        json_decref(object);
    }
    json_t *ecs = object_of(LOG_FORMAT_ECS, &sound);
    assert_string_equal(text_of(ecs, "ecs.version"), "8.11");
    assert_string_equal(text_of(ecs, "service.name"), "nitro-signer");
    assert_string_equal(text_of(ecs, "log.logger"), "nitro-signer-front");
    assert_int_equal(json_integer_value(json_object_get(ecs, "process.pid")), 42);
    json_decref(ecs);
    json_t *logstash = object_of(LOG_FORMAT_LOGSTASH, &sound);
    assert_string_equal(text_of(logstash, "@version"), "1");
    assert_string_equal(text_of(logstash, "logger_name"), "nitro-signer-front");
    json_decref(logstash);
    json_t *gelf = object_of(LOG_FORMAT_GELF, &sound);
    assert_string_equal(text_of(gelf, "version"), "1.1");
    assert_string_equal(text_of(gelf, "host"), "machine");
    assert_string_equal(text_of(gelf, "short_message"), "something happened");
    assert_int_equal(json_integer_value(json_object_get(gelf, "level")), 4);
    assert_true(json_real_value(json_object_get(gelf, "timestamp")) > 1769860800.12);
    json_decref(gelf);
}

static void fields_have_each_formats_names(void **state)
{
    (void)state;
    static const struct log_field fields[] = {{.name = "request_id", .text = "abc"},
                                              {.name = "duration_us", .number = 1500},
                                              {.name = "type", .text = "BLOCK"}};
    struct log_line line = sound;
    line.fields = fields;
    line.num_fields = ARRAY_LENGTH(fields);
    json_t *json = object_of(LOG_FORMAT_JSON, &line), *ecs = object_of(LOG_FORMAT_ECS, &line);
    json_t *gelf = object_of(LOG_FORMAT_GELF, &line);
    assert_string_equal(text_of(json, "request_id"), "abc");
    assert_int_equal(json_integer_value(json_object_get(json, "duration_us")), 1500);
    assert_string_equal(text_of(ecs, "http.request.id"), "abc");
    assert_int_equal(json_integer_value(json_object_get(ecs, "event.duration")), 1500000);
    assert_string_equal(text_of(ecs, "labels.type"), "BLOCK");
    assert_string_equal(text_of(gelf, "_request_id"), "abc");
    json_decref(json);
    json_decref(ecs);
    json_decref(gelf);
}

static void every_byte_and_every_pair_gives_json(void **state)
{
    (void)state;
    char text[4] = "";
    struct log_field field = {.name = "user_agent", .text = text};
    struct log_line line = sound;
    line.message = text;
    line.fields = &field;
    line.num_fields = 1;
    for (unsigned value = 1; value < 0x10000; value++) {
        text[0] = (char)(value & 0xff);
        text[1] = (char)(value >> 8);
        if (!text[0])
            continue;
        json_t *object = object_of(LOG_FORMAT_JSON, &line);
        if ((value & 0xff) < 0x80 && value >> 8 < 0x80) { /* ASCII comes back as it was */
            assert_string_equal(text_of(object, "message"), text);
            assert_string_equal(text_of(object, "user_agent"), text);
        }
        json_decref(object);
    }
}

static void utf8_is_kept_and_what_is_none_is_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *shown;
    } rows[] = {
        {"\xc3\xbc \xe2\x82\xac \xf0\x9f\x94\x91", "\xc3\xbc \xe2\x82\xac \xf0\x9f\x94\x91"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                                 /* overlong */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 /* a surrogate */
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* above U+10FFFF */
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},                                 /* cut short */
        {"\xff", "\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct log_line line = sound;
        line.message = rows[i].sent;
        json_t *object = object_of(LOG_FORMAT_JSON, &line);
        assert_string_equal(text_of(object, "message"), rows[i].shown);
        json_decref(object);
    }
}

/* The worst bytes of the greatest length, with as many of the longest fields as there may be. */
static void a_line_is_bounded_and_only_its_message_is_cut(void **state)
{
    (void)state;
    static const char worst[] = {'\x01', '"', '\xff', 'x', '\xc3'};
    char text[5000];
    struct log_field fields[LOG_FIELDS_MAX];
    char plain[LOG_LINE_MAX];
    for (size_t i = 0; i < LOG_FIELDS_MAX; i++)
        fields[i] = (struct log_field){.name = "field", .text = text};
    for (size_t i = 0; i < sizeof worst; i++) {
        memset(text, worst[i], sizeof text - 1);
        text[sizeof text - 1] = 0;
        struct log_line line = sound;
        line.message = text;
        assert_int_equal(log_line_format(plain, LOG_FORMAT_PLAIN, &line), LOG_LINE_MAX);
        line.fields = fields;
        line.num_fields = 1;
        for (size_t j = 0; j < ARRAY_LENGTH(json_formats); j++) {
            json_t *object = object_of(json_formats[j], &line);
            assert_true(strlen(text_of(object, message_name(json_formats[j]))) > 50);
            json_decref(object);
        }
        line.num_fields = LOG_FIELDS_MAX;
        assert_in_range(log_line_format(plain, LOG_FORMAT_PLAIN, &line), 1, LOG_LINE_MAX);
    }
    /* Distinct names, so that jansson can tell them: those that fit are whole, the others are absent. */
    char names[LOG_FIELDS_MAX][8];
    memset(text, 'x', LOG_FIELD_TEXT_MAX);
    text[LOG_FIELD_TEXT_MAX] = 0;
    for (size_t i = 0; i < LOG_FIELDS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "f%zu", i);
        fields[i].name = names[i];
    }
    struct log_line line = sound;
    line.fields = fields;
    line.num_fields = LOG_FIELDS_MAX;
    json_t *object = object_of(LOG_FORMAT_JSON, &line);
    assert_int_equal(strlen(text_of(object, "f0")), LOG_FIELD_TEXT_MAX);
    assert_null(json_object_get(object, "f15"));
    assert_string_equal(text_of(object, "message"), sound.message);
    json_decref(object);
}

/* ---- the log itself ---- */

static int saved_stderr = -1, read_end = -1;

static int take_stderr(void **state)
{
    (void)state;
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    saved_stderr = dup(STDERR_FILENO);
    (void)dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    read_end = ends[0];
    return fcntl(read_end, F_SETFL, O_NONBLOCK);
}

static int give_stderr_back(void **state)
{
    (void)state;
    (void)dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(read_end);
    log_set_format(LOG_FORMAT_PLAIN);
    log_set_level(LOG_LEVEL_INFO);
    return 0;
}

static size_t written(char *out, size_t out_capacity)
{
    ssize_t length = read(read_end, out, out_capacity - 1);
    size_t got = length > 0 ? (size_t)length : 0;
    out[got] = 0;
    return got;
}

static void options_put_level_and_format_in_force(void **state)
{
    (void)state;
    char text[4096];
    struct log_options options = LOG_OPTIONS_DEFAULT;
    log_open("test", LOG_LEVEL_INFO);
    options.level = "Warn";
    options.format = "ECS";
    assert_ok(log_configure(&options));
    assert_int_equal(log_level_in_force(), LOG_LEVEL_WARN);
    assert_int_equal(log_format_in_force(), LOG_FORMAT_ECS);
    assert_false(log_writes(LOG_LEVEL_INFO));
    log_info("not written");
    log_event(LOG_LEVEL_WARN, &(struct log_field){.name = "status", .number = 412}, 1, "refused %s", "it");
    assert_true(written(text, sizeof text) > 0);
    json_t *object = json_loads(text, 0, NULL);
    assert_string_equal(text_of(object, "message"), "refused it");
    json_decref(object);
    options.format = "xml";
    assert_fails(E_INPUT, log_configure(&options));
    assert_error_names("--log-format");
    options = (struct log_options){.level = "loud", .format = "json"};
    assert_fails(E_INPUT, log_configure(&options));
    assert_error_names("--log-level");
    for (int i = LOG_FORMAT_PLAIN; i <= LOG_FORMAT_LOGSTASH; i++) {
        enum log_format format = LOG_FORMAT_PLAIN;
        assert_ok(log_format_parse(&format, log_format_name((enum log_format)i)));
        assert_int_equal(format, i);
    }
}

static void a_full_pipe_is_not_waited_for_and_what_is_lost_is_counted(void **state)
{
    (void)state;
    static char text[1 << 17];
    log_open("test", LOG_LEVEL_INFO);
    log_never_wait();
    const unsigned lines = 5000; /* a blocking write would never return: nobody reads meanwhile */
    for (unsigned i = 0; i < lines; i++)
        log_info("line %u of many, long enough to fill a pipe that nobody reads", i);
    unsigned kept = 0, dropped = 0;
    for (size_t got = written(text, sizeof text); got > 0; got = written(text, sizeof text)) {
        for (char *c = text; *c; c++)
            kept += *c == '\n';
    }
    assert_in_range(kept, 1, lines - 1);
    log_info("there is room again");
    (void)written(text, sizeof text);
    char *told = strstr(text, "test: ");
    assert_non_null(told);
    assert_int_equal(sscanf(told, "test: %u lines of this log were dropped", &dropped), 1);
    assert_int_equal(kept + dropped, lines);
    assert_non_null(strstr(text, "there is room again\n"));
    log_info("and this is all");
    (void)written(text, sizeof text);
    assert_null(strstr(text, "dropped"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_line_is_as_it_always_was),
        cmocka_unit_test(fields_of_a_plain_line_cannot_be_misread),
        cmocka_unit_test(each_format_has_the_names_of_its_collector),
        cmocka_unit_test(fields_have_each_formats_names),
        cmocka_unit_test(every_byte_and_every_pair_gives_json),
        cmocka_unit_test(utf8_is_kept_and_what_is_none_is_replaced),
        cmocka_unit_test(a_line_is_bounded_and_only_its_message_is_cut),
        cmocka_unit_test_setup_teardown(options_put_level_and_format_in_force, take_stderr, give_stderr_back),
        cmocka_unit_test_setup_teardown(a_full_pipe_is_not_waited_for_and_what_is_lost_is_counted,
                                        take_stderr, give_stderr_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
