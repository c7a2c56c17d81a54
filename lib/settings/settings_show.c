/* settings_show.c - help, and the values in force.
 *
 * The values are printed as the configuration file that would lead to them, so that the output can be kept,
 * compared and used; rejected: JSON, which has no comments for origins. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "settings/settings_names.h"

enum { HELP_COLUMN = 34, HELP_WIDTH = 100 };

static const char *shape_of(const struct setting *row)
{
    switch (row->kind) {
    case SETTING_TEXT:
        return row->shape ? row->shape : "TEXT";
    case SETTING_LIST:
        return row->shape ? row->shape : "LIST";
    case SETTING_FLAG:
        return "";
    case SETTING_BOOLEAN:
        return "true|false";
    case SETTING_U32:
        return "N";
    }
    return "";
}

/* Words of text, broken at HELP_WIDTH; *at is the column where the line stands. */
static void print_wrapped(FILE *out, size_t *at, size_t indent, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, " ");
        if (*at + 1 + length > HELP_WIDTH && *at > indent) {
            (void)fprintf(out, "\n%*s", (int)indent, "");
            *at = indent;
        }
        (void)fprintf(out, "%s%.*s", *at > indent ? " " : "", (int)length, text);
        *at += length + (*at > indent);
        text += length + strspn(text + length, " ");
    }
}

static void print_row(FILE *out, const struct setting *row)
{
    char left[2 * SETTINGS_NAME_MAX], letter[8] = "", alias[SETTINGS_NAME_MAX] = "";
    if (row->letter)
        (void)snprintf(letter, sizeof letter, "-%c, ", row->letter);
    if (row->alias)
        (void)snprintf(alias, sizeof alias, ", --%s", row->alias);
    const char *shape = shape_of(row);
    (void)snprintf(left, sizeof left, "  %s--%s%s%s%s", letter, row->name, shape[0] ? "=" : "", shape, alias);
    size_t at = strlen(left);
    (void)fprintf(out, "%s", left);
    if (at + 2 > HELP_COLUMN)
        (void)fprintf(out, "\n%*s", HELP_COLUMN, "");
    else
        (void)fprintf(out, "%*s", (int)(HELP_COLUMN - at), "");
    at = HELP_COLUMN;
    print_wrapped(out, &at, HELP_COLUMN, row->help);
    if (row->initial && row->kind != SETTING_FLAG) {
        char initial[SETTINGS_NAME_MAX];
        (void)snprintf(initial, sizeof initial, "(default: %s)", row->initial);
        print_wrapped(out, &at, HELP_COLUMN, initial);
    }
    (void)fprintf(out, "\n");
}

static void print_names(FILE *out, const struct settings_scope *scope, enum setting_use use,
                        const char *title)
{
    size_t at = 0, num = 0;
    char name[SETTINGS_NAME_MAX];
    for (size_t i = 0; i < scope->num_rows; i++) {
        for (size_t which = 0; which < 2 && scope->rows[i].use == use; which++) {
            if (!settings_spell(name, scope, &scope->rows[i], which, SETTING_BY_COMMAND_LINE))
                continue;
            if (num++ == 0) {
                (void)fprintf(out, "\n%s\n  ", title);
                at = 2;
            }
            print_wrapped(out, &at, 2, name);
        }
    }
    if (num > 0)
        (void)fprintf(out, "\n");
}

void settings_print_help(FILE *out, const struct settings_scope *scope, const char *usage)
{
    (void)fprintf(out, "Usage: %s\n", usage);
    for (size_t i = 0; i < scope->num_rows; i++) {
        const struct setting *row = &scope->rows[i];
        if (row->use == SETTING_IGNORED || row->use == SETTING_REFUSED)
            continue;
        if (row->group)
            (void)fprintf(out, "\n%s\n", row->group);
        print_row(out, row);
    }
    print_names(out, scope, SETTING_IGNORED,
                "Options of Web3Signer's without effect here; each is told by a warning");
    print_names(out, scope, SETTING_REFUSED,
                "Options of Web3Signer's for what is not here; only \"off\" is accepted");
}

/* In YAML's double quotes. */
static void print_quoted(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            (void)fprintf(out, "\\%c", *c);
        else if (iscntrl((unsigned char)*c))
            (void)fprintf(out, "\\x%02x", (unsigned char)*c);
        else
            (void)fputc(*c, out);
    }
    (void)fputc('"', out);
}

/* A password can also stand in the address of a database. */
static bool is_secret(const struct setting *row, const char *text)
{
    return row->secret || strcasestr(text, "password=") || strcasestr(text, "secret=");
}

static void print_origin(FILE *out, const struct settings_scope *scope, size_t i)
{
    char name[SETTINGS_NAME_MAX];
    switch (scope->values[i].text ? scope->values[i].origin : SETTING_BY_DEFAULT) {
    case SETTING_BY_DEFAULT:
        (void)fprintf(out, "  # default\n");
        return;
    case SETTING_BY_FILE:
        (void)fprintf(out, "  # configuration file\n");
        return;
    case SETTING_BY_ENVIRONMENT:
        settings_label(name, scope, i);
        (void)fprintf(out, "  # environment: %s\n", name);
        return;
    case SETTING_BY_COMMAND_LINE:
        (void)fprintf(out, "  # command line\n");
        return;
    }
}

void settings_print_values(FILE *out, const struct settings_scope *scope)
{
    char key[SETTINGS_NAME_MAX];
    for (size_t i = 0; i < scope->num_rows; i++) {
        const struct setting *row = &scope->rows[i];
        const char *text = scope->values[i].text ? scope->values[i].text : row->initial;
        bool given = scope->values[i].text != NULL;
        if (row->use == SETTING_STOPS || !settings_spell(key, scope, row, 0, SETTING_BY_FILE) ||
            (row->use != SETTING_USED && !given))
            continue;
        if (!text) {
            (void)fprintf(out, "# %s: not set\n", key);
            continue;
        }
        bool hidden = is_secret(row, text);
        (void)fprintf(out, "%s%s: ", hidden || row->use != SETTING_USED ? "# " : "", key);
        if (hidden)
            (void)fprintf(out, "********");
        else if (row->kind == SETTING_TEXT || row->kind == SETTING_LIST)
            print_quoted(out, text);
        else
            (void)fprintf(out, "%s", text);
        (void)fprintf(out, "%s", row->use == SETTING_IGNORED ? "  (ignored)" : "");
        print_origin(out, scope, i);
    }
}
