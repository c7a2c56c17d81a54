/* log.c - log lines: formatted on the stack, written with one write(2). */
#include "base/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static const char *program_name = "nitro-signer";
static _Atomic(enum log_level) threshold = LOG_LEVEL_INFO; /* read by every thread */

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_open(const char *program, enum log_level level)
{
    program_name = program;
    threshold = level;
}

void log_set_level(enum log_level level)
{
    threshold = level;
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

static void write_line(enum log_level level, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void write_line(enum log_level level, const char *format, va_list arguments)
{
    if (level > threshold)
        return;

    char line[1024];
    struct timespec now;
    struct tm utc;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    length += (size_t)snprintf(line + length, sizeof line - length, ".%03ldZ %s %s: ", now.tv_nsec / 1000000,
                               level_names[level], program_name);

    size_t room = sizeof line - length - 1; /* one byte stays for the newline */
    int written = vsnprintf(line + length, room, format, arguments);
    if (written < 0)
        return;
    size_t end = length + ((size_t)written < room ? (size_t)written : room - 1);
    for (size_t i = length; i < end; i++) {
        if ((uint8_t)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    }
    line[end++] = '\n';
    ssize_t written_len = write(STDERR_FILENO, line, end);
    (void)written_len; /* there is nobody to tell */
}

#define DEFINE_LEVEL(name, level)                                                                            \
    void name(const char *format, ...)                                                                       \
    {                                                                                                        \
        va_list arguments;                                                                                   \
        va_start(arguments, format);                                                                         \
        write_line(level, format, arguments);                                                                \
        va_end(arguments);                                                                                   \
    }
DEFINE_LEVEL(log_error, LOG_LEVEL_ERROR)
DEFINE_LEVEL(log_warn, LOG_LEVEL_WARN)
DEFINE_LEVEL(log_info, LOG_LEVEL_INFO)
DEFINE_LEVEL(log_debug, LOG_LEVEL_DEBUG)
