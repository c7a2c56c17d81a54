/* json_large.c - bare integers from 2^63 to 2^64-1, which jansson cannot hold.
 *
 * Only a text that jansson has refused for the size of a number comes here. Each such integer is put into
 * quotes behind "\u0000", which no other string can begin with: jansson refuses it unless it is told
 * otherwise, and a text that has it of its own accord is refused here. So the typed access knows such a
 * number from a string, and no string becomes a number. Rejected: JSON_DECODE_INT_AS_REAL, which loses the
 * last digits of every number; and a parser of our own. */
#include "json/json_large.h"

#include <string.h>

#include "base/options.h"

enum { DIGITS_LEAST = 19, DIGITS_MOST = 20 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether the digits are an integer of that range, and nothing follows that makes another number of them. */
static bool is_large(const char *digits, size_t count, const char *end)
{
    char text[DIGITS_MOST + 1];
    uint64_t value;
    if (count < DIGITS_LEAST || count > DIGITS_MOST || (digits + count < end && strchr(".eE", digits[count])))
        return false;
    memcpy(text, digits, count);
    text[count] = 0;
    return !parse_u64(&value, text).code && value > INT64_MAX;
}

static must_check result copy(struct buffer *out, const char *from, const char *to)
{
    return buffer_append(out, from, (size_t)(to - from));
}

/* A string, with its closing quote if there is one. A backslash that is escaped itself escapes nothing. */
static must_check result pass_string(const char **inout_at, const char *end)
{
    const char *at = *inout_at;
    for (at++; at < end && *at != '"'; at++) {
        ENSURE(end - at < 6 || memcmp(at, "\\u0000", 6) != 0, E_INPUT, "JSON has a NUL character");
        if (*at == '\\')
            at++;
    }
    *inout_at = at < end ? at + 1 : end;
    return RESULT_OK;
}

result json_quote_large(struct buffer *out, const char *text, size_t text_len)
{
    const char *at = text, *kept = text, *end = text + text_len;
    /* At once, so that no copy of what may be a secret is left behind where a buffer grew. */
    TRY(buffer_reserve(out, text_len + text_len / 2 + DIGITS_MOST));
    while (at < end) {
        const char *from = at;
        if (*at == '"') {
            TRY(pass_string(&at, end));
            continue;
        }
        while (at < end && is_digit(*at))
            at++;
        bool follows = from > text && strchr("-.eE+", from[-1]);
        if (at == from) {
            at++;
        } else if (!follows && is_large(from, (size_t)(at - from), end)) {
            TRY(copy(out, kept, from));
            TRY(buffer_append_text(out, "\"\\u0000"));
            TRY(copy(out, from, at));
            TRY(buffer_append_text(out, "\""));
            kept = at;
        }
    }
    return copy(out, kept, end);
}
