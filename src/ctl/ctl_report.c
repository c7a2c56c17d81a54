/* ctl_report.c - see ctl_report.h. Progress goes to standard error, so that standard output has the result
 * and nothing else. */
#include "ctl_report.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAUSE_FIRST_MS = 250, PAUSE_MOST_MS = 3000 };

void ctl_report_progress(const char *format, ...)
{
    va_list values;
    if (!isatty(STDERR_FILENO))
        return;
    va_start(values, format);
    (void)fputs("\r\033[K", stderr);
    (void)vfprintf(stderr, format, values);
    (void)fflush(stderr);
    va_end(values);
}

void ctl_report_progress_end(void)
{
    if (isatty(STDERR_FILENO))
        (void)fputs("\r\033[K", stderr);
}

result ctl_print_json(const json_t *object)
{
    char *text = object ? json_dumps(object, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    ENSURE(text, E_MEMORY, "no memory for the output");
    (void)puts(text);
    ctl_json_free(text);
    return RESULT_OK;
}

void ctl_json_free(char *text)
{
    json_free_t free_text;
    json_get_alloc_funcs(NULL, &free_text);
    free_text(text);
}

result ctl_print_document(const struct ctl_call *call, const char *text)
{
    if (!call->json) {
        (void)fputs(text, stdout);
        return RESULT_OK;
    }
    AUTO_POINTER(json_t) object = json_pack("{s:s}", "document", text);
    return ctl_print_json(object);
}

result ctl_print_digest(const struct ctl_call *call, const char *name, const char *digits)
{
    if (!call->json) {
        (void)puts(digits);
        return RESULT_OK;
    }
    AUTO_POINTER(json_t) object = json_pack("{s:s}", name, digits);
    return ctl_print_json(object);
}

void ctl_printable(char *out, size_t out_capacity, const char *text)
{
    size_t length = 0;
    for (; *text && length + 1 < out_capacity; text++)
        out[length++] = *text >= ' ' && *text < 0x7f ? *text : '?';
    out[length] = 0;
}

result ctl_confirm(const char *question)
{
    char answer[16] = "";
    ENSURE(isatty(STDIN_FILENO), E_STATE, "--yes: required where nobody can be asked");
    (void)fprintf(stderr, "%s (yes or no) ", question);
    (void)fflush(stderr);
    ENSURE(fgets(answer, sizeof answer, stdin) && strcmp(answer, "yes\n") == 0, E_STATE,
           "nothing was changed");
    return RESULT_OK;
}

void ctl_pause(unsigned *pause_ms)
{
    *pause_ms = *pause_ms ? *pause_ms * 3 / 2 : PAUSE_FIRST_MS;
    if (*pause_ms > PAUSE_MOST_MS)
        *pause_ms = PAUSE_MOST_MS;
    (void)poll(NULL, 0, (int)*pause_ms);
}
