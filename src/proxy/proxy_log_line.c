/* proxy_log_line.c - see proxy_log_line.h.
 *
 * A line that is an object already is passed on as it is, so that the enclave's fields are fields on the host
 * too. Whether it is one is decided by recognising what our programs write, members that are plain strings or
 * decimal numbers, and nothing more. Rejected: a JSON parser, which has no business in a process that faces
 * the network and copies bytes. */
#include "proxy_log_line.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log_line.h"

static const char prefix[] = "enclave: ";
static const char mark[] = "\"source\":\"enclave\",";

/* "\\u00xx" or "\\ufffd": what log_line.c writes; half of a surrogate pair would be another matter. */
static bool is_written_escape(const char *at)
{
    return strncmp(at, "\\ufffd", 6) == 0 ||
           (strncmp(at, "\\u00", 4) == 0 && strspn(at + 4, "0123456789abcdef") >= 2 &&
            strncmp(at + 4, "00", 2) != 0);
}

/* Bytes of the next character of a string, or of its escape if that is one that log_line.c writes; 0 if it is
 * neither. */
static size_t character_len(const char *at, const char *end)
{
    size_t left = (size_t)(end - at), length = log_line_character(at, left);
    if (length == 1 && ((unsigned char)*at < 0x20 || *at == 0x7f))
        return 0;
    if (*at != '\\')
        return length;
    if (left >= 2 && (at[1] == '"' || at[1] == '\\'))
        return 2;
    return left >= 6 && is_written_escape(at) ? 6 : 0;
}

/* Passes over a string; NULL if there is none. */
static const char *pass_string(const char *at, const char *end)
{
    if (at == end || *at++ != '"')
        return NULL;
    while (at < end && *at != '"') {
        size_t length = character_len(at, end);
        if (length == 0)
            return NULL;
        at += length;
    }
    return at < end ? at + 1 : NULL;
}

static const char *pass_number(const char *at, const char *end)
{
    const char *begin = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    if (at == begin || (at - begin > 1 && *begin == '0'))
        return NULL;
    const char *fraction = at < end && *at == '.' ? at + 1 : at;
    if (fraction > at) {
        for (at = fraction; at < end && *at >= '0' && *at <= '9';)
            at++;
        if (at == fraction)
            return NULL;
    }
    return at;
}

/* text ends with a NUL. A member that is called as our mark is would hide it. */
static bool is_flat_object(const char *text, size_t text_len)
{
    const char *at = text + 1, *end = text + text_len - 1;
    if (text_len < 2 || *text != '{' || *end != '}')
        return false;
    for (;;) {
        const char *name = at;
        at = pass_string(at, end);
        bool named = at && at < end && *at == ':' && strncmp(name, mark, sizeof "\"source\"" - 1) != 0 &&
                     !memchr(name, '\\', (size_t)(at - name));
        if (!named)
            return false;
        at++;
        at = at < end && *at == '"' ? pass_string(at, end) : pass_number(at, end);
        if (!at || at == end)
            return at == end;
        if (*at++ != ',')
            return false;
    }
}

static size_t show_plain(char *out, const char *text, size_t text_len)
{
    size_t at = sizeof prefix - 1;
    memcpy(out, prefix, at);
    for (size_t i = 0; i < text_len; i++) {
        bool control = (unsigned char)text[i] < 0x20 || text[i] == 0x7f;
        out[at++] = control ? '?' : text[i];
    }
    out[at++] = '\n';
    return at;
}

size_t proxy_log_line(char out[static PROXY_LOG_OUT_MAX], enum log_format format, const char *text,
                      size_t text_len)
{
    char message[PROXY_LOG_IN_MAX + 1];
    static const struct log_field source = {.name = "source", .text = "enclave"};
    if (format == LOG_FORMAT_PLAIN)
        return show_plain(out, text, text_len);
    memcpy(message, text, text_len);
    message[text_len] = 0;
    if (is_flat_object(message, text_len)) {
        size_t at = 0;
        out[at++] = '{';
        memcpy(out + at, mark, sizeof mark - 1);
        at += sizeof mark - 1;
        memcpy(out + at, text + 1, text_len - 1);
        at += text_len - 1;
        out[at++] = '\n';
        return at;
    }
    for (size_t i = 0; i < text_len; i++)
        message[i] = (char)(message[i] ? message[i] : '?');
    struct log_line line = {.level = LOG_LEVEL_INFO,
                            .program = "nitro-signer-enclave",
                            .host = "enclave",
                            .process = getpid(),
                            .message = message,
                            .fields = &source,
                            .num_fields = 1};
    (void)clock_gettime(CLOCK_REALTIME, &line.time);
    return log_line_format(out, format, &line);
}
