/* log.c - log lines: composed on the stack, written with one write(2).
 *
 * Whether a line can be written at once is asked with poll(2): a pipe, socket or file that is ready takes a
 * line (LOG_LINE_MAX is below PIPE_BUF). Rejected: O_NONBLOCK on standard error, which others share; and a
 * queue of lines, which would only move the question of what to do when it is full. */
#include "base/log.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/log_line.h"

enum { MESSAGE_MAX = 1024, HOST_MAX = 65 };

_Static_assert(LOG_LINE_MAX <= PIPE_BUF, "a ready pipe must take a line whole");

static const char *program_name = "nitro-signer";
static _Atomic(enum log_level) threshold = LOG_LEVEL_INFO; /* read by every thread */
static _Atomic(enum log_format) form = LOG_FORMAT_PLAIN;
static _Atomic(bool) never_waits;
static _Atomic(unsigned) num_dropped;
static char host_name[HOST_MAX] = "localhost";

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *const format_names[] = {"plain", "json", "ecs", "gcp", "gelf", "logstash"};

void log_open(const char *program, enum log_level level)
{
    program_name = program;
    threshold = level;
}

void log_set_level(enum log_level level)
{
    threshold = level;
}

enum log_level log_level_in_force(void)
{
    return threshold;
}

void log_set_format(enum log_format format)
{
    char name[HOST_MAX] = "";
    if (format == LOG_FORMAT_GELF && gethostname(name, sizeof name - 1) == 0 && *name) {
        for (char *c = name; *c; c++) {
            if ((uint8_t)*c <= 0x20 || (uint8_t)*c >= 0x7f || *c == '"' || *c == '\\')
                *c = '?';
        }
        (void)snprintf(host_name, sizeof host_name, "%s", name);
    }
    form = format;
}

enum log_format log_format_in_force(void)
{
    return form;
}

void log_never_wait(void)
{
    never_waits = true;
}

result log_level_parse(enum log_level *ret_level, const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(level_names); i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return RESULT_OK;
        }
    }
    FAIL(E_INPUT, "log level must be one of error, warn, info, debug");
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

result log_format_parse(enum log_format *ret_format, const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(format_names); i++) {
        if (strcasecmp(name, format_names[i]) == 0) {
            *ret_format = (enum log_format)i;
            return RESULT_OK;
        }
    }
    FAIL(E_INPUT, "log format must be one of plain, json, ecs, gcp, gelf, logstash");
}

const char *log_format_name(enum log_format format)
{
    return format_names[format];
}

result log_configure(const struct log_options *options)
{
    enum log_level level;
    enum log_format format;
    result r = log_level_parse(&level, options->level);
    if (r.code)
        return error_prefix(r, "--log-level");
    r = log_format_parse(&format, options->format);
    if (r.code)
        return error_prefix(r, "--log-format");
    log_set_level(level);
    log_set_format(format);
    return RESULT_OK;
}

bool log_writes(enum log_level level)
{
    return level <= threshold;
}

/* ---- writing ---- */

static bool has_room(void)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    return !never_waits || (poll(&room, 1, 0) == 1 && (room.revents & POLLOUT));
}

static bool write_line(const struct log_line *line)
{
    char text[LOG_LINE_MAX];
    size_t text_len = log_line_format(text, form, line);
    return has_room() && write(STDERR_FILENO, text, text_len) == (ssize_t)text_len;
}

/* Puts the number back when that cannot be said either. */
static bool tell_dropped(const struct log_line *like)
{
    char message[64];
    unsigned dropped = num_dropped;
    if (dropped == 0)
        return true;
    (void)snprintf(message, sizeof message, "%u lines of this log were dropped", dropped);
    struct log_line line = *like;
    line.level = LOG_LEVEL_WARN;
    line.message = message;
    line.num_fields = 0;
    if (!write_line(&line))
        return false;
    num_dropped -= dropped;
    return true;
}

static void log_message(enum log_level level, const struct log_field *fields, size_t num_fields,
                        const char *format, va_list arguments) __attribute__((format(printf, 4, 0)));

static void log_message(enum log_level level, const struct log_field *fields, size_t num_fields,
                        const char *format, va_list arguments)
{
    if (!log_writes(level))
        return;
    char message[MESSAGE_MAX];
    if (vsnprintf(message, sizeof message, format, arguments) < 0)
        return;
    struct log_line line = {.level = level,
                            .program = program_name,
                            .host = host_name,
                            .process = getpid(),
                            .message = message,
                            .fields = fields,
                            .num_fields = num_fields};
    (void)clock_gettime(CLOCK_REALTIME, &line.time);
    if (!tell_dropped(&line) || !write_line(&line))
        num_dropped++;
}

#define DEFINE_LEVEL(name, level)                                                                            \
    void name(const char *format, ...)                                                                       \
    {                                                                                                        \
        va_list arguments;                                                                                   \
        va_start(arguments, format);                                                                         \
        log_message(level, NULL, 0, format, arguments);                                                      \
        va_end(arguments);                                                                                   \
    }
DEFINE_LEVEL(log_error, LOG_LEVEL_ERROR)
DEFINE_LEVEL(log_warn, LOG_LEVEL_WARN)
DEFINE_LEVEL(log_info, LOG_LEVEL_INFO)
DEFINE_LEVEL(log_debug, LOG_LEVEL_DEBUG)

void log_event(enum log_level level, const struct log_field *fields, size_t num_fields, const char *format,
               ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_message(level, fields, num_fields, format, arguments);
    va_end(arguments);
}
