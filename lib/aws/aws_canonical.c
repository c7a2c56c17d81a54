/* aws_canonical.c - see aws_canonical.h.
 *
 * Names and values of the query are decoded and encoded again, so that every spelling of one query has one
 * form; the path is not decoded, because AWS wants what is on the request line encoded once more. */
#include "aws/aws_canonical.h"

#include <stdlib.h>
#include <string.h>

#include "aws/aws_sigv4.h"
#include "base/hex.h"

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

static must_check result append_encoded(struct buffer *out, char c)
{
    if (is_unreserved(c))
        return buffer_append(out, &c, 1);
    return buffer_printf(out, "%%%02X", (unsigned)(uint8_t)c);
}

static must_check result append_segment(struct buffer *out, const char *segment, size_t segment_len)
{
    for (size_t i = 0; i < segment_len; i++)
        TRY(append_encoded(out, segment[i]));
    return RESULT_OK;
}

/* Cuts the last segment off what was written behind start, keeping its slash. */
static void drop_segment(struct buffer *out, size_t start)
{
    if (out->length > start + 1)
        out->length--; /* the slash behind the segment */
    while (out->length > start + 1 && out->data[out->length - 1] != '/')
        out->length--;
}

/* RFC 3986 section 5.2.4, and empty segments dropped. The output ends with '/' until a last segment follows.
 */
static must_check result append_normal_path(struct buffer *out, const char *path)
{
    size_t start = out->length;
    TRY(buffer_append(out, "/", 1));
    const char *at = path + 1;
    while (*at) {
        size_t length = strcspn(at, "/");
        bool last = at[length] == 0;
        if (length == 2 && strncmp(at, "..", 2) == 0) {
            drop_segment(out, start);
        } else if (length > 0 && !(length == 1 && *at == '.')) {
            TRY(append_segment(out, at, length));
            if (!last)
                TRY(buffer_append(out, "/", 1));
        }
        at += length + (last ? 0 : 1);
    }
    return RESULT_OK;
}

result aws_canonical_path(struct buffer *out, const char *path, bool keep)
{
    ENSURE(path[0] == '/', E_INPUT, "path: must begin with '/'");
    if (!keep)
        return append_normal_path(out, path);
    for (; *path; path++) {
        if (*path == '/')
            TRY(buffer_append(out, path, 1));
        else
            TRY(append_encoded(out, *path));
    }
    return RESULT_OK;
}

/* Offsets into one buffer of encoded names and values, each ended by a NUL. */
struct parameter {
    const char *name;
    const char *value;
};

static int compare_parameters(const void *a, const void *b)
{
    const struct parameter *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order : strcmp(left->value, right->value);
}

static must_check result append_recoded(struct buffer *out, const char *text, size_t text_len)
{
    for (size_t i = 0; i < text_len; i++) {
        uint8_t decoded;
        if (text[i] == '%' && i + 2 < text_len && !hex_decode(&decoded, 1, text + i + 1, 2).code) {
            TRY(append_encoded(out, (char)decoded));
            i += 2;
        } else {
            TRY(append_encoded(out, text[i]));
        }
    }
    return buffer_append(out, "", 1);
}

/* Encodes every parameter into texts: name NUL value NUL. */
static must_check result encode_parameters(struct buffer *texts, size_t *ret_num, const char *query)
{
    size_t num = 0;
    while (*query) {
        size_t length = strcspn(query, "&");
        if (length > 0) {
            size_t name_len = strcspn(query, "=&");
            size_t value_at = name_len < length ? name_len + 1 : length;
            ENSURE(num < AWS_SIGV4_PARAMETERS_MAX, E_TOO_LARGE, "more than %d query parameters",
                   AWS_SIGV4_PARAMETERS_MAX);
            TRY(append_recoded(texts, query, name_len));
            TRY(append_recoded(texts, query + value_at, length - value_at));
            num++;
        }
        query += length + (query[length] ? 1 : 0);
    }
    *ret_num = num;
    return RESULT_OK;
}

result aws_canonical_query(struct buffer *out, const char *query)
{
    AUTO(buffer) texts = {0};
    size_t num = 0;
    TRY(encode_parameters(&texts, &num, query));

    struct parameter parameters[AWS_SIGV4_PARAMETERS_MAX];
    const char *at = (const char *)texts.data;
    for (size_t i = 0; i < num; i++) {
        parameters[i].name = at;
        parameters[i].value = at + strlen(at) + 1;
        at = parameters[i].value + strlen(parameters[i].value) + 1;
    }
    qsort(parameters, num, sizeof *parameters, compare_parameters);
    for (size_t i = 0; i < num; i++)
        TRY(buffer_printf(out, "%s%s=%s", i ? "&" : "", parameters[i].name, parameters[i].value));
    return RESULT_OK;
}
