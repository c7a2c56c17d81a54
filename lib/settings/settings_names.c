/* settings_names.c - see settings_names.h.
 *
 * A mistyped name is answered with the nearest one by edit distance: a few thousand steps a name, once. */
#include "settings/settings_names.h"

#include <ctype.h>
#include <string.h>

static const char *plain_name(char letter[static 2], const struct setting *row, size_t which)
{
    letter[0] = row->letter;
    letter[1] = 0;
    return which == 0 ? row->name : which == 1 ? row->alias : row->letter ? letter : NULL;
}

/* As environment variables are spelled. */
static void shout(char *text)
{
    for (char *c = text; *c; c++)
        *c = *c == '-' || *c == '.' ? '_' : (char)toupper((unsigned char)*c);
}

bool settings_spell(char out[static SETTINGS_NAME_MAX], const struct settings_scope *scope,
                    const struct setting *row, size_t which, enum setting_origin origin)
{
    char letter[2];
    const char *name = plain_name(letter, row, which);
    const char *dot = scope->path[0] ? "." : "";
    int length = -1;
    if (!name)
        return false;
    switch (origin) {
    case SETTING_BY_COMMAND_LINE:
    case SETTING_BY_DEFAULT:
        length = snprintf(out, SETTINGS_NAME_MAX, "%s%s", which == 2 ? "-" : "--", name);
        break;
    case SETTING_BY_ENVIRONMENT:
        length = snprintf(out, SETTINGS_NAME_MAX, SETTINGS_PREFIX "%s%s%s", scope->path, dot, name);
        shout(out);
        break;
    case SETTING_BY_FILE:
        length = snprintf(out, SETTINGS_NAME_MAX, "%s%s%s", scope->path, dot, name);
        break;
    }
    return length > 0 && length < SETTINGS_NAME_MAX;
}

void settings_label(char out[static SETTINGS_NAME_MAX], const struct settings_scope *scope, size_t row)
{
    (void)settings_spell(out, scope, &scope->rows[row], 0, scope->values[row].origin);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's: insertions, deletions, replacements. Both are shorter than SETTINGS_NAME_MAX. */
static size_t distance(const char *a, const char *b)
{
    size_t row[SETTINGS_NAME_MAX], b_len = strlen(b);
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, 1 + least(row[j], row[j - 1]));
        }
    }
    return row[b_len];
}

struct search {
    const char *given;
    enum setting_origin origin;
    size_t best;
    char *out;
};

static void search_scope(struct search *search, const struct settings_scope *scope)
{
    char name[SETTINGS_NAME_MAX];
    for (size_t i = 0; i < scope->num_rows; i++) {
        for (size_t which = 0; which < 2; which++) { /* a letter is near everything */
            bool is_word = search->origin != SETTING_BY_COMMAND_LINE;
            if ((is_word && scope->rows[i].use == SETTING_STOPS) ||
                !settings_spell(name, scope, &scope->rows[i], which, search->origin))
                continue;
            size_t d = distance(search->given, name);
            if (d < search->best) {
                search->best = d;
                memcpy(search->out, name, sizeof name);
            }
        }
    }
}

bool settings_nearest(char out[static SETTINGS_NAME_MAX], const struct settings *s, size_t scope,
                      const char *given, enum setting_origin origin)
{
    size_t length = strlen(given);
    size_t common = origin == SETTING_BY_ENVIRONMENT ? strlen(SETTINGS_PREFIX) : 0;
    /* A short name is near to too many. */
    size_t limit = least(4, (length - least(length, common)) / 3 + 2);
    struct search search = {.given = given, .origin = origin, .best = limit, .out = out};
    if (length >= SETTINGS_NAME_MAX)
        return false;
    for (size_t i = 0; i < s->num_scopes; i++) {
        if (scope == SIZE_MAX || scope == i)
            search_scope(&search, &s->scopes[i]);
    }
    return search.best < limit;
}
