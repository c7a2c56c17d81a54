/* log.h - one line per event on standard error. Programs log; libraries do not.
 *
 * Line: 2026-01-31T12:00:00.123Z level program: text. Control bytes are replaced by '?', so
 * no peer can forge a line. Where standard error does not block (the enclave's --log), a write that
 * would is dropped, never waited for: a host that does not read the enclave's log
 * must not be able to stop signatures. A blocking one, inherited from a shell or service, is waited for.
 * There is deliberately no way to format a secret, a request body or credentials.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/result.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Sets the program name shown in each line (kept, not copied) and the least urgent level written. */
void log_open(const char *program, enum log_level level);
void log_set_level(enum log_level level);

/* "error", "warn", "info", "debug" (any case); E_INPUT otherwise. */
must_check result log_level_parse(enum log_level *ret_level, const char *name);

/* The same word. */
const char *log_level_name(enum log_level level);

/* One line each, printf-like; dropped below the level in force. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
