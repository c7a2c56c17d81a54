/* log.h - one line per event on standard error. Programs log; libraries do not.
 *
 * A plain line: 2026-01-31T12:00:00.123Z level program: text name=value name="value". Control bytes and what
 * is not UTF-8 are replaced by '?', so no peer can forge a line. The other formats are one JSON object a
 * line, in our own names or in those of a log collector; they are JSON whatever bytes the text had. No line
 * is longer than LOG_LINE_MAX: the text is cut, never a field.
 *
 * Where standard error does not block (the enclave's --log), or after log_never_wait, a line that cannot be
 * written at once is dropped and counted, and the next line that can is preceded by one with their number: a
 * host that does not read the log must not be able to stop signatures. Else a blocking one, inherited from a
 * shell or service, is waited for.
 *
 * There is deliberately no way to format a secret, a request body or credentials.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* The last four are those of Elastic, Google Cloud, Graylog and Logstash, as Web3Signer has them. */
enum log_format {
    LOG_FORMAT_PLAIN,
    LOG_FORMAT_JSON,
    LOG_FORMAT_ECS,
    LOG_FORMAT_GCP,
    LOG_FORMAT_GELF,
    LOG_FORMAT_LOGSTASH
};

enum { LOG_LINE_MAX = 2048, LOG_FIELDS_MAX = 16, LOG_FIELD_TEXT_MAX = 256 };

/* What a line says beside its text. Of the text no more than LOG_FIELD_TEXT_MAX bytes are written. */
struct log_field {
    const char *name;
    const char *text; /* NULL: the number */
    uint64_t number;
};

/* Sets the program name shown in each line (kept, not copied) and the least urgent level written. */
void log_open(const char *program, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_level_in_force(void);
/* From here on; until then lines are plain. Before a sandbox. */
void log_set_format(enum log_format format);
enum log_format log_format_in_force(void);
/* From here on a line is dropped rather than waited for. */
void log_never_wait(void);

/* "error", "warn", "info", "debug" (any case); E_INPUT otherwise. */
must_check result log_level_parse(enum log_level *ret_level, const char *name);
/* The same word. */
const char *log_level_name(enum log_level level);
/* "plain", "json", "ecs", "gcp", "gelf", "logstash" (any case); E_INPUT otherwise. */
must_check result log_format_parse(enum log_format *ret_format, const char *name);
const char *log_format_name(enum log_format format);

/* The two options that every program has, as rows of its table (base/options.h) and their texts. */
struct log_options {
    const char *level, *format;
};
#define LOG_OPTIONS_DEFAULT                                                                                  \
    {                                                                                                        \
        .level = "info", .format = "plain"                                                                   \
    }
#define LOG_OPTION_ROWS(options)                                                                             \
    {"log-level", OPTION_TEXT, &(options)->level, "error, warn, info, debug (info)", 0, 0},                  \
    {                                                                                                        \
        "log-format", OPTION_TEXT, &(options)->format, "plain, json, ecs, gcp, gelf, logstash (plain)", 0, 0 \
    }
/* Puts them in force; E_INPUT names the option. */
must_check result log_configure(const struct log_options *options);

/* Whether lines of that level are written. */
bool log_writes(enum log_level level);

/* One line each, printf-like; dropped below the level in force. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line with fields, at most LOG_FIELDS_MAX of them. */
void log_event(enum log_level level, const struct log_field *fields, size_t num_fields, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

#endif
