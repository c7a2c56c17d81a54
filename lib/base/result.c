/* result.c - the remembered sentence behind a failed result.
 *
 * One buffer per thread: a failure is described where it is known best, at the bottom,
 * and read at the top. Rejected: passing an error object through every call - longer
 * signatures everywhere for a string that is used once. */
#include "base/result.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_SIZE = 256 };
static _Thread_local char text[TEXT_SIZE];

/* The sentence before may be an argument of the new one, so it is replaced last. */
result error_set(enum error_code code, const char *format, ...)
{
    char next[TEXT_SIZE] = "";
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(next, sizeof next, format, arguments);
    va_end(arguments);
    memcpy(text, next, sizeof text);
    return (result){(int)code};
}

result error_prefix(result failed, const char *format, ...)
{
    char previous[TEXT_SIZE];
    memcpy(previous, text, sizeof previous);

    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof text)
        (void)snprintf(text + length, sizeof text - (size_t)length, ": %.*s", (int)sizeof text - length,
                       previous);
    return failed;
}

const char *error_text(void)
{
    return text;
}

const char *error_name(int code)
{
    switch ((enum error_code)code) {
    case E_NONE:
        return "none";
    case E_INPUT:
        return "input";
    case E_TOO_LARGE:
        return "too_large";
    case E_NOT_FOUND:
        return "not_found";
    case E_MISMATCH:
        return "mismatch";
    case E_SLASHABLE:
        return "slashable";
    case E_STORE:
        return "store";
    case E_STATE:
        return "state";
    case E_AUTH:
        return "auth";
    case E_DENIED:
        return "denied";
    case E_PEER:
        return "peer";
    case E_TIMEOUT:
        return "timeout";
    case E_IO:
        return "io";
    case E_MEMORY:
        return "memory";
    case E_CRYPTO:
        return "crypto";
    case E_UNSUPPORTED:
        return "unsupported";
    case E_INTERNAL:
        return "internal";
    }
    return "unknown";
}

void fd_auto_close(int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    errno = saved;
}

int fd_take(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}
