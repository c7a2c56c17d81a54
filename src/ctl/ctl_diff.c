/* ctl_diff.c - see ctl_diff.h: the longest common subsequence by the table that every textbook has; policies
 * have a few hundred lines. */
#include "ctl_diff.h"

#include <stdlib.h>
#include <string.h>

struct lines {
    const char **at;
    size_t *length;
    size_t num;
};

static void lines_cleanup(struct lines *lines)
{
    free(lines->at);
    free(lines->length);
}

static must_check result split(struct lines *lines, const char *text)
{
    lines->at = calloc(CTL_DIFF_LINES_MAX, sizeof *lines->at);
    lines->length = calloc(CTL_DIFF_LINES_MAX, sizeof *lines->length);
    ENSURE(lines->at && lines->length, E_MEMORY, "no memory for lines");
    while (*text) {
        ENSURE(lines->num < CTL_DIFF_LINES_MAX, E_TOO_LARGE, "more than %d lines", CTL_DIFF_LINES_MAX);
        size_t length = strcspn(text, "\n");
        lines->at[lines->num] = text;
        lines->length[lines->num++] = length;
        text += length + (text[length] == '\n');
    }
    return RESULT_OK;
}

static bool same(const struct lines *a, size_t i, const struct lines *b, size_t k)
{
    return a->length[i] == b->length[k] && memcmp(a->at[i], b->at[k], a->length[i]) == 0;
}

static must_check result append(struct buffer *out, const char *mark, const struct lines *lines, size_t i)
{
    TRY(buffer_append_text(out, mark));
    TRY(buffer_append(out, lines->at[i], lines->length[i]));
    return buffer_append_text(out, "\n");
}

/* shared[i * width + k]: how many lines the ends of both, from i and from k on, have in common. */
static void fill(uint16_t *shared, const struct lines *a, const struct lines *b)
{
    size_t width = b->num + 1;
    for (size_t i = a->num; i-- > 0;)
        for (size_t k = b->num; k-- > 0;) {
            uint16_t down = shared[(i + 1) * width + k], right = shared[i * width + k + 1];
            shared[i * width + k] = same(a, i, b, k) ? (uint16_t)(shared[(i + 1) * width + k + 1] + 1)
                                    : down > right   ? down
                                                     : right;
        }
}

static must_check result walk(struct buffer *out, const uint16_t *shared, const struct lines *a,
                              const struct lines *b)
{
    size_t width = b->num + 1, i = 0, k = 0;
    while (i < a->num || k < b->num) {
        if (i < a->num && k < b->num && same(a, i, b, k)) {
            TRY(append(out, "  ", a, i++));
            k++;
        } else if (k == b->num || (i < a->num && shared[(i + 1) * width + k] >= shared[i * width + k + 1])) {
            TRY(append(out, "- ", a, i++));
        } else {
            TRY(append(out, "+ ", b, k++));
        }
    }
    return RESULT_OK;
}

result ctl_diff(struct buffer *out, const char *old, const char *new)
{
    AUTO(lines) a = {.num = 0}, b = {.num = 0};
    TRY(split(&a, old));
    TRY(split(&b, new));
    uint16_t *shared = calloc((a.num + 1) * (b.num + 1), sizeof *shared);
    ENSURE(shared, E_MEMORY, "no memory to compare lines");
    fill(shared, &a, &b);
    result r = walk(out, shared, &a, &b);
    free(shared);
    return r;
}
