/* log_line.h - the bytes of one log line in each format. Pure; for log.c and its tests. */
#ifndef BASE_LOG_LINE_H
#define BASE_LOG_LINE_H

#include <sys/types.h>
#include <time.h>

#include "base/log.h"

struct log_line {
    struct timespec time;
    enum log_level level;
    const char *program;
    const char *host; /* GELF wants one */
    pid_t process;
    const char *message; /* any bytes but NUL */
    const struct log_field *fields;
    size_t num_fields;
};

/* Bytes of the UTF-8 character that begins here; 0 if none does. Overlong forms, surrogates and what is above
 * U+10FFFF are none. */
size_t log_line_character(const char *text, size_t text_len);

/* Writes the line with its newline; the length, at most LOG_LINE_MAX. */
size_t log_line_format(char out[static LOG_LINE_MAX], enum log_format format, const struct log_line *line);

#endif
