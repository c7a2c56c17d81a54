/* log_line.c - a line is composed in a buffer of fixed size, so that it is bounded and costs no memory. The
 * fields come first, apart: what is left of the line is the message's, and only the message is ever cut.
 *
 * The formats of log collectors differ in names and in how they write time and level, so they are rows of a
 * table. Rejected: jansson, which would come into every program, keeper and proxy included. */
#include "base/log_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { FIELDS_LEN_MAX = 1400, HEAD_NAME_MAX = 64 };

/* Text of bounded length. A piece that does not fit is left out, as are all behind it. */
struct writer {
    char *out;
    size_t length, limit;
    bool full;
};

static void put(struct writer *w, const char *bytes, size_t bytes_len)
{
    w->full = w->full || bytes_len > w->limit - w->length;
    if (w->full)
        return;
    memcpy(w->out + w->length, bytes, bytes_len);
    w->length += bytes_len;
}

static void put_text(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_format(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put_format(struct writer *w, const char *format, ...)
{
    char text[128];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0)
        put(w, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

/* ---- characters ---- */

size_t log_line_character(const char *text, size_t text_len)
{
    const uint8_t *c = (const uint8_t *)text;
    static const struct {
        uint8_t mask, lead;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t length = 1; length <= ARRAY_LENGTH(forms) && length <= text_len; length++) {
        if ((c[0] & forms[length - 1].mask) != forms[length - 1].lead)
            continue;
        uint32_t value = c[0] & (uint8_t)~forms[length - 1].mask;
        for (size_t i = 1; i < length; i++) {
            if ((c[i] & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (c[i] & 0x3f);
        }
        bool surrogate = value >= 0xd800 && value <= 0xdfff;
        return value >= forms[length - 1].least && !surrogate && value <= 0x10ffff ? length : 0;
    }
    return 0;
}

/* Those of C1 too, which terminals may heed. */
static bool is_control(const char *text, size_t length)
{
    uint8_t first = (uint8_t)text[0];
    return (length == 1 && (first < 0x20 || first == 0x7f)) ||
           (length == 2 && first == 0xc2 && (uint8_t)text[1] < 0xa0);
}

static void put_plain(struct writer *w, const char *text, size_t text_len)
{
    for (size_t i = 0; i < text_len && !w->full;) {
        size_t length = log_line_character(text + i, text_len - i);
        bool shown = length > 0 && !is_control(text + i, length);
        put(w, shown ? text + i : "?", shown ? length : 1);
        i += length > 0 ? length : 1;
    }
}

static void put_json(struct writer *w, const char *text, size_t text_len)
{
    for (size_t i = 0; i < text_len && !w->full;) {
        size_t length = log_line_character(text + i, text_len - i);
        if (length == 0)
            put_text(w, "\\ufffd");
        else if (is_control(text + i, length))
            put_format(w, "\\u%04x", (unsigned)(uint8_t)text[i + length - 1]);
        else if (text[i] == '"' || text[i] == '\\')
            put_format(w, "\\%c", text[i]);
        else
            put(w, text + i, length);
        i += length > 0 ? length : 1;
    }
}

static void put_quoted_json(struct writer *w, const char *text, size_t text_max)
{
    put_text(w, "\"");
    put_json(w, text, strnlen(text, text_max));
    put_text(w, "\"");
}

/* ---- what the formats differ in ---- */

enum time_form { TIME_TEXT, TIME_SECONDS };

static const char *const words_lower[] = {"error", "warn", "info", "debug"};
static const char *const words_upper[] = {"ERROR", "WARN", "INFO", "DEBUG"};
static const char *const words_google[] = {"ERROR", "WARNING", "INFO", "DEBUG"};
static const char *const words_syslog[] = {"3", "4", "6", "7"};

struct schema {
    const char *constant; /* members that are the same in each line, each with its comma */
    const char *time, *level, *program, *process, *message;
    const char *host; /* NULL: has none */
    enum time_form time_form;
    const char *const *words;
    bool level_is_number;
    const char *prefix; /* of the names of fields */
};

static const struct schema schemas[] = {
    [LOG_FORMAT_JSON] = {"", "timestamp", "level", "program", "pid", "message", NULL, TIME_TEXT, words_lower,
                         false, ""},
    [LOG_FORMAT_ECS] = {"\"ecs.version\":\"8.11\",\"service.name\":\"nitro-signer\",", "@timestamp",
                        "log.level", "log.logger", "process.pid", "message", NULL, TIME_TEXT, words_upper,
                        false, "labels."},
    [LOG_FORMAT_GCP] = {"", "timestamp", "severity", "logger", "pid", "message", NULL, TIME_TEXT,
                        words_google, false, ""},
    [LOG_FORMAT_GELF] = {"\"version\":\"1.1\",", "timestamp", "level", "_logger", "_pid", "short_message",
                         "host", TIME_SECONDS, words_syslog, true, "_"},
    [LOG_FORMAT_LOGSTASH] = {"\"@version\":\"1\",", "@timestamp", "level", "logger_name", "pid", "message",
                             NULL, TIME_TEXT, words_upper, false, ""},
};

/* Elastic has names of its own for these. */
static const struct {
    const char *name, *ecs;
    uint64_t factor;
} ecs_names[] = {
    {"request_id", "http.request.id", 1},
    {"method", "http.request.method", 1},
    {"status", "http.response.status_code", 1},
    {"bytes", "http.response.body.bytes", 1},
    {"path", "url.path", 1},
    {"client", "client.address", 1},
    {"user_agent", "user_agent.original", 1},
    {"duration_us", "event.duration", 1000}, /* nanoseconds there */
};

/* ---- composing ---- */

static void put_time(struct writer *w, const struct timespec *time)
{
    char text[32];
    struct tm utc;
    (void)gmtime_r(&time->tv_sec, &utc);
    size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    put(w, text, length);
    put_format(w, ".%03ldZ", time->tv_nsec / 1000000);
}

/* With quotes where a blank, a quote or an equals sign could be misread. */
static void put_plain_value(struct writer *w, const char *text)
{
    size_t length = strnlen(text, LOG_FIELD_TEXT_MAX);
    bool bare = length > 0;
    for (size_t i = 0; i < length; i++)
        bare = bare && (uint8_t)text[i] > 0x20 && (uint8_t)text[i] < 0x7f && !strchr("\"=\\", text[i]);
    if (bare) {
        put(w, text, length);
        return;
    }
    put_text(w, "\"");
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"' || text[i] == '\\')
            put_text(w, "\\");
        size_t one = log_line_character(text + i, length - i);
        put_plain(w, text + i, one > 0 ? one : 1);
        i += one > 1 ? one - 1 : 0;
    }
    put_text(w, "\"");
}

static void put_plain_field(struct writer *w, const struct log_field *field)
{
    put_format(w, " %s=", field->name);
    if (field->text)
        put_plain_value(w, field->text);
    else
        put_format(w, "%" PRIu64, field->number);
}

static void put_name(struct writer *w, const char *name)
{
    put_text(w, "\"");
    put_text(w, name);
    put_text(w, "\":");
}

static void put_json_field(struct writer *w, const struct schema *schema, const struct log_field *field)
{
    const char *name = NULL;
    uint64_t factor = 1;
    if (schema == &schemas[LOG_FORMAT_ECS]) {
        for (size_t i = 0; i < ARRAY_LENGTH(ecs_names) && !name; i++) {
            if (strcmp(ecs_names[i].name, field->name) != 0)
                continue;
            name = ecs_names[i].ecs;
            factor = ecs_names[i].factor;
        }
    }
    put_text(w, ",\"");
    put_text(w, name ? "" : schema->prefix);
    put_text(w, name ? name : field->name);
    put_text(w, "\":");
    if (field->text)
        put_quoted_json(w, field->text, LOG_FIELD_TEXT_MAX);
    else
        put_format(w, "%" PRIu64, field->number * factor);
}

/* The fields as they go into the line. One that does not fit is left out whole. */
static size_t format_fields(char out[static FIELDS_LEN_MAX], enum log_format format,
                            const struct log_line *line)
{
    struct writer w = {.out = out, .limit = FIELDS_LEN_MAX};
    for (size_t i = 0; i < line->num_fields && i < LOG_FIELDS_MAX; i++) {
        size_t before = w.length;
        if (format == LOG_FORMAT_PLAIN)
            put_plain_field(&w, &line->fields[i]);
        else
            put_json_field(&w, &schemas[format], &line->fields[i]);
        if (w.full) {
            w.length = before;
            w.full = false;
        }
    }
    return w.length;
}

static void put_head(struct writer *w, const struct schema *schema, const struct log_line *line)
{
    put_text(w, "{");
    put_name(w, schema->time);
    if (schema->time_form == TIME_SECONDS) {
        put_format(w, "%lld.%03ld", (long long)line->time.tv_sec, line->time.tv_nsec / 1000000);
    } else {
        put_text(w, "\"");
        put_time(w, &line->time);
        put_text(w, "\"");
    }
    put_text(w, ",");
    put_name(w, schema->level);
    put_format(w, schema->level_is_number ? "%s," : "\"%s\",", schema->words[line->level]);
    put_text(w, schema->constant);
    if (schema->host) {
        put_name(w, schema->host);
        put_quoted_json(w, line->host, HEAD_NAME_MAX);
        put_text(w, ",");
    }
    put_name(w, schema->program);
    put_quoted_json(w, line->program, HEAD_NAME_MAX);
    put_text(w, ",");
    put_name(w, schema->process);
    put_format(w, "%ld,", (long)line->process);
    put_name(w, schema->message);
    put_text(w, "\"");
}

size_t log_line_format(char out[static LOG_LINE_MAX], enum log_format format, const struct log_line *line)
{
    char fields[FIELDS_LEN_MAX];
    size_t fields_len = format_fields(fields, format, line);
    bool plain = format == LOG_FORMAT_PLAIN;
    const char *end = plain ? "\n" : "}\n", *message_end = plain ? "" : "\"";
    size_t behind = strlen(message_end) + fields_len + strlen(end);
    struct writer w = {.out = out, .limit = LOG_LINE_MAX - behind};
    if (plain) {
        put_time(&w, &line->time);
        put_format(&w, " %s %s: ", words_lower[line->level], line->program);
        put_plain(&w, line->message, strlen(line->message));
    } else {
        put_head(&w, &schemas[format], line);
        put_json(&w, line->message, strlen(line->message));
    }
    w.full = false;
    w.limit = LOG_LINE_MAX;
    put_text(&w, message_end);
    put(&w, fields, fields_len);
    put_text(&w, end);
    return w.length;
}
