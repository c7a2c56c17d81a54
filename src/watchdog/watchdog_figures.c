/* watchdog_figures.c - see watchdog_figures.h.
 *
 * A table names the metrics that are wanted; a line of one of them has to be of the form in full, all other
 * lines are passed over unread, so that an enclave of another release may have more. Buckets of all types are
 * added up as they come: the page shows how long an answer took, whatever it was for. Rejected: a reader of
 * all of the format, since most of what it could say is never said. */
#include "watchdog_figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"

enum { LINE_MAX_LEN = 300, NUMBERS = 6, FRACTION_DIGITS = 6 };
#define VALUE_MAX (UINT64_C(1) << 53) /* what JavaScript's numbers hold exactly */
#define SECONDS_MAX 1000000

enum shape { NUMBER, ROWS, BUCKETS };

struct wanted {
    const char *name;
    enum shape shape;
    const char *label; /* of ROWS */
    size_t offset;
};

#define AT(member) offsetof(struct watchdog_figures, member)
static const struct wanted wanted[] = {
    {"process_start_time_seconds", NUMBER, NULL, AT(started)},
    {"nitro_signer_http_connections", NUMBER, NULL, AT(connections)},
    {"nitro_signer_slashing_store_ok", NUMBER, NULL, AT(store_ok)},
    {"nitro_signer_slashing_protection_enabled", NUMBER, NULL, AT(protection)},
    {"nitro_signer_store_errors_total", NUMBER, NULL, AT(store_errors)},
    {"nitro_signer_slashing_conflicts_total", NUMBER, NULL, AT(conflicts)},
    {"nitro_signer_signatures_total", ROWS, "type", AT(signatures)},
    {"nitro_signer_sign_answers_total", ROWS, "outcome", AT(answers)},
    {"nitro_signer_slashing_refusals_total", ROWS, "reason", AT(refusals)},
    {"nitro_signer_sign_duration_seconds_bucket", BUCKETS, NULL, AT(latencies)},
};

/* A line in its parts; they point into a copy of it. */
struct line {
    char text[LINE_MAX_LEN + 1];
    const char *labels[2], *values[2];
    size_t num_labels;
    uint64_t value;
};

static must_check result parse_value(uint64_t *ret_value, const char *text)
{
    TRY(parse_u64(ret_value, text));
    ENSURE(*ret_value <= VALUE_MAX, E_INPUT, "must be at most 2^53");
    return RESULT_OK;
}

/* name="value" at *at, which is moved behind it. No quotation mark or backslash may be in the value: none of
 * what is wanted has them. */
static must_check result take_label(struct line *line, char **at)
{
    size_t name_len = strspn(*at, "abcdefghijklmnopqrstuvwxyz_");
    char *value = *at + name_len + 2;
    ENSURE(name_len > 0 && (*at)[name_len] == '=' && (*at)[name_len + 1] == '"', E_INPUT,
           "a label must be NAME=\"VALUE\"");
    size_t value_len = strcspn(value, "\"\\");
    ENSURE(value[value_len] == '"', E_INPUT, "a label must be NAME=\"VALUE\"");
    ENSURE(line->num_labels < ARRAY_LENGTH(line->labels), E_INPUT, "more than two labels");
    line->labels[line->num_labels] = *at;
    line->values[line->num_labels++] = value;
    (*at)[name_len] = 0;
    value[value_len] = 0;
    *at = value + value_len + 1;
    return RESULT_OK;
}

static must_check result take_labels(struct line *line, char **at)
{
    do {
        ++*at; /* the brace, or a comma */
        TRY(take_label(line, at));
    } while (**at == ',');
    ENSURE(**at == '}', E_INPUT, "the labels must end with a brace");
    ++*at;
    return RESULT_OK;
}

/* What stands behind the name. */
static must_check result read_line(struct line *line, const char *text, size_t text_len)
{
    ENSURE(text_len <= LINE_MAX_LEN && !memchr(text, 0, text_len), E_INPUT, "the line is too long");
    memcpy(line->text, text, text_len);
    line->text[text_len] = 0;
    char *at = line->text;
    if (*at == '{')
        TRY(take_labels(line, &at));
    ENSURE(*at == ' ', E_INPUT, "a blank must stand before the number");
    return parse_value(&line->value, at + 1);
}

static must_check result take_number(uint64_t *number, bool *seen, const struct line *line)
{
    ENSURE(line->num_labels == 0, E_INPUT, "must have no label");
    ENSURE(!*seen, E_INPUT, "stands there twice");
    *number = line->value;
    *seen = true;
    return RESULT_OK;
}

static bool is_plain(const char *label)
{
    size_t length = strlen(label);
    return length > 0 && length <= WATCHDOG_LABEL_MAX &&
           strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

static const struct watchdog_row *find_row(const struct watchdog_rows *rows, const char *label)
{
    for (size_t i = 0; i < rows->num_rows; i++) {
        if (strcmp(rows->rows[i].label, label) == 0)
            return &rows->rows[i];
    }
    return NULL;
}

static must_check result take_row(struct watchdog_rows *rows, const char *label, const struct line *line)
{
    ENSURE(line->num_labels == 1 && strcmp(line->labels[0], label) == 0, E_INPUT, "must have the label %s",
           label);
    ENSURE(is_plain(line->values[0]), E_INPUT, "%s: must be 1 to %d letters, digits, '_' or '-'", label,
           WATCHDOG_LABEL_MAX);
    ENSURE(!find_row(rows, line->values[0]), E_INPUT, "%s: stands there twice", label);
    ENSURE(rows->num_rows < WATCHDOG_ROWS_MAX, E_TOO_LARGE, "%s: more than %d", label, WATCHDOG_ROWS_MAX);
    struct watchdog_row *row = &rows->rows[rows->num_rows++];
    (void)snprintf(row->label, sizeof row->label, "%s", line->values[0]);
    row->value = line->value;
    return RESULT_OK;
}

/* Seconds with up to six decimals, or +Inf. */
static must_check result parse_bound(uint64_t *ret_us, const char *text)
{
    char whole[24] = "", fraction[FRACTION_DIGITS + 1] = "000000";
    uint64_t seconds, us;
    if (strcmp(text, "+Inf") == 0) {
        *ret_us = UINT64_MAX;
        return RESULT_OK;
    }
    size_t whole_len = strcspn(text, ".");
    const char *decimals = text[whole_len] ? text + whole_len + 1 : "0";
    size_t num_decimals = strlen(decimals);
    ENSURE(whole_len < sizeof whole && num_decimals > 0 && num_decimals <= FRACTION_DIGITS, E_INPUT,
           "le: must be a number of seconds");
    memcpy(whole, text, whole_len);
    memcpy(fraction, decimals, num_decimals);
    ENSURE(strspn(fraction, "0123456789") == FRACTION_DIGITS && !parse_u64(&seconds, whole).code, E_INPUT,
           "le: must be a number of seconds");
    ENSURE(seconds <= SECONDS_MAX, E_INPUT, "le: must be at most %d", SECONDS_MAX);
    us = (uint64_t)strtoul(fraction, NULL, 10);
    *ret_us = seconds * 1000000 + us;
    return RESULT_OK;
}

/* Every type has the same bounds in the same order, so that the first type makes the list, in ascending
 * order, and the others find theirs in it. */
static must_check result take_bucket(struct watchdog_latencies *all, const struct line *line)
{
    uint64_t bound_us;
    ENSURE(line->num_labels == 2 && strcmp(line->labels[0], "type") == 0 &&
               strcmp(line->labels[1], "le") == 0,
           E_INPUT, "must have the labels type and le");
    TRY(parse_bound(&bound_us, line->values[1]));
    size_t i = 0;
    while (i < all->num_bounds && all->bounds_us[i] < bound_us)
        i++;
    if (i == all->num_bounds) {
        ENSURE(i < WATCHDOG_BOUNDS_MAX, E_TOO_LARGE, "le: more than %d", WATCHDOG_BOUNDS_MAX);
        all->bounds_us[all->num_bounds++] = bound_us;
    }
    ENSURE(all->bounds_us[i] == bound_us, E_INPUT, "le: must be ascending, and the same for all types");
    all->counts[i] += line->value; /* at most as often as there are lines */
    ENSURE(all->counts[i] <= VALUE_MAX, E_INPUT, "must be at most 2^53");
    return RESULT_OK;
}

static must_check result take(struct watchdog_figures *figures, bool seen[static NUMBERS],
                              const struct wanted *what, const struct line *line)
{
    void *member = (char *)figures + what->offset;
    switch (what->shape) {
    case NUMBER:
        return take_number(member, &seen[what - wanted], line);
    case ROWS:
        return take_row(member, what->label, line);
    case BUCKETS:
        return take_bucket(member, line);
    }
    FAIL(E_INTERNAL, "no such shape");
}

/* The metric that the line is of; NULL: none that is wanted. */
static const struct wanted *find_wanted(const char *line, size_t line_len)
{
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
        size_t length = strlen(wanted[i].name);
        if (line_len > length && memcmp(line, wanted[i].name, length) == 0 &&
            (line[length] == ' ' || line[length] == '{'))
            return &wanted[i];
    }
    return NULL;
}

static must_check result take_line(struct watchdog_figures *figures, bool seen[static NUMBERS],
                                   const char *text, size_t text_len)
{
    struct line line = {.num_labels = 0};
    const struct wanted *what = find_wanted(text, text_len);
    if (!what)
        return RESULT_OK;
    size_t name_len = strlen(what->name);
    result r = read_line(&line, text + name_len, text_len - name_len);
    if (!r.code)
        r = take(figures, seen, what, &line);
    return r.code ? error_prefix(r, "%s", what->name) : r;
}

static must_check result check_whole(const struct watchdog_figures *figures, const bool seen[static NUMBERS])
{
    const struct watchdog_latencies *all = &figures->latencies;
    for (size_t i = 0; i < NUMBERS; i++)
        ENSURE(seen[i], E_INPUT, "%s: is not there", wanted[i].name);
    ENSURE(all->num_bounds == 0 || all->bounds_us[all->num_bounds - 1] == UINT64_MAX, E_INPUT,
           "nitro_signer_sign_duration_seconds_bucket: le: must end with +Inf");
    for (size_t i = 1; i < all->num_bounds; i++)
        ENSURE(all->counts[i] >= all->counts[i - 1], E_INPUT,
               "nitro_signer_sign_duration_seconds_bucket: must not fall");
    return RESULT_OK;
}

result watchdog_figures_read(struct watchdog_figures *ret_figures, const char *text, size_t text_len)
{
    struct watchdog_figures figures = {.started = 0};
    bool seen[NUMBERS] = {false};
    const char *end = text + text_len;
    while (text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        ENSURE(line_end, E_INPUT, "the last line has no end");
        TRY(take_line(&figures, seen, text, (size_t)(line_end - text)));
        text = line_end + 1;
    }
    TRY(check_whole(&figures, seen));
    *ret_figures = figures;
    return RESULT_OK;
}

/* The one Content-Length of a head that ends with an empty line. */
static must_check result read_length(uint64_t *ret_length, const char *head, size_t head_len)
{
    static const char name[] = "content-length:";
    bool found = false;
    const char *end = head + head_len;
    for (const char *line = head; line < end;) {
        const char *line_end = memmem(line, (size_t)(end - line), "\r\n", 2);
        char number[24] = "";
        ENSURE(line_end, E_INPUT, "head: a line has no end");
        size_t length = (size_t)(line_end - line);
        if (length >= sizeof name - 1 && strncasecmp(line, name, sizeof name - 1) == 0) {
            const char *value = line + sizeof name - 1;
            value += *value == ' ';
            size_t value_len = (size_t)(line_end - value);
            ENSURE(!found && value_len < sizeof number, E_INPUT, "content-length: must stand there once");
            memcpy(number, value, value_len);
            TRY(parse_u64(ret_length, number));
            found = true;
        }
        line = line_end + 2;
    }
    ENSURE(found, E_INPUT, "content-length: is not there");
    return RESULT_OK;
}

result watchdog_figures_body(const char **ret_body, size_t *ret_len, const char *answer, size_t answer_len)
{
    uint64_t length = 0;
    const char *head_end = answer_len ? memmem(answer, answer_len, "\r\n\r\n", 4) : NULL;
    ENSURE(head_end, E_INPUT, "the answer has no end of its head");
    ENSURE(answer_len > 13 && memcmp(answer, "HTTP/1.", 7) == 0 && memcmp(answer + 8, " 200 ", 5) == 0,
           E_INPUT, "the status is not 200");
    TRY(read_length(&length, answer, (size_t)(head_end - answer) + 2));
    const char *body = head_end + 4;
    size_t left = answer_len - (size_t)(body - answer);
    ENSURE(left == length, E_INPUT, "content-length: is not that of the body");
    *ret_body = body;
    *ret_len = left;
    return RESULT_OK;
}

uint64_t watchdog_rows_get(const struct watchdog_rows *rows, const char *label)
{
    const struct watchdog_row *row = find_row(rows, label);
    return row ? row->value : 0;
}

uint64_t watchdog_rows_sum(const struct watchdog_rows *rows)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < rows->num_rows; i++)
        sum += rows->rows[i].value;
    return sum;
}
