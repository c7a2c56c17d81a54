/* settings.c - the command line of settings.h.
 *
 * Rules of picocli, which reads Web3Signer's: "--name=value", "--name value", "-l value", "-lvalue"; an
 * option that is no list may stand once; the word behind a flag is its value if it can be one. Not so here:
 * the value of an option cannot begin with "--" unless joined by "=", because it is then mostly a forgotten
 * one. */
#include "settings/settings.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "settings/settings_keep.h"
#include "settings/settings_names.h"

static size_t find_name(const struct settings_scope *scope, const char *name, size_t name_len)
{
    for (size_t i = 0; i < scope->num_rows; i++) {
        const char *const names[] = {scope->rows[i].name, scope->rows[i].alias};
        for (size_t j = 0; j < ARRAY_LENGTH(names); j++) {
            if (names[j] && strlen(names[j]) == name_len && memcmp(names[j], name, name_len) == 0)
                return i;
        }
    }
    return SIZE_MAX;
}

static size_t find_letter(const struct settings_scope *scope, char letter)
{
    for (size_t i = 0; i < scope->num_rows; i++) {
        if (letter && scope->rows[i].letter == letter)
            return i;
    }
    return SIZE_MAX;
}

/* A word in two: which row, and what is joined to it (NULL: nothing). */
struct word {
    size_t row;
    const char *joined;
};

static struct word split(const struct settings_scope *scope, const char *text)
{
    struct word word = {.row = SIZE_MAX};
    if (strncmp(text, "--", 2) == 0) {
        size_t length = strcspn(text, "=");
        word.row = find_name(scope, text + 2, length - 2);
        word.joined = text[length] == '=' ? text + length + 1 : NULL;
    } else if (text[0] == '-' && text[1]) {
        word.row = find_letter(scope, text[1]);
        word.joined = text[2] == '=' ? text + 3 : text[2] ? text + 2 : NULL;
    }
    return word;
}

bool settings_has(const struct settings_scope *scope, const char *word)
{
    return split(scope, word).row != SIZE_MAX;
}

static must_check result unknown_option(const struct settings *s, size_t scope, const char *text)
{
    char name[SETTINGS_NAME_MAX], near[SETTINGS_NAME_MAX];
    int length = snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "="), text);
    ENSURE(length > 0 && (size_t)length < sizeof name, E_INPUT, "an option's name is too long");
    if (settings_nearest(near, s, scope, name, SETTING_BY_COMMAND_LINE))
        FAIL(E_INPUT, "%s: unknown option; is %s meant? (see --help)", name, near);
    FAIL(E_INPUT, "%s: unknown option (see --help)", name);
}

static bool is_boolean(const char *word)
{
    return word && (strcasecmp(word, "true") == 0 || strcasecmp(word, "false") == 0);
}

/* Moves *at to the last word that belongs to the option. */
static must_check result value_of(const char **ret_value, int *at, const struct setting *row,
                                  const struct word *word, int argc, char *const argv[])
{
    const char *next = *at + 1 < argc ? argv[*at + 1] : NULL;
    *ret_value = word->joined;
    if (word->joined || row->use == SETTING_STOPS)
        return RESULT_OK;
    if (row->kind == SETTING_FLAG && !is_boolean(next)) {
        *ret_value = "true";
        return RESULT_OK;
    }
    ENSURE(next && strncmp(next, "--", 2) != 0, E_INPUT, "--%s: needs a value", row->name);
    *ret_value = next;
    (*at)++;
    return RESULT_OK;
}

result settings_take_words(struct settings *s, int *ret_next, const struct setting **ret_stop, size_t scope,
                           int argc, char *const argv[])
{
    struct settings_scope *here = &s->scopes[scope];
    int at = 1;
    *ret_stop = NULL;
    for (; at < argc && argv[at][0] == '-' && !*ret_stop; at++) {
        const struct word word = split(here, argv[at]);
        const char *value;
        if (word.row == SIZE_MAX)
            return unknown_option(s, scope, argv[at]);
        const struct setting *row = &here->rows[word.row];
        TRY(value_of(&value, &at, row, &word, argc, argv));
        if (row->use == SETTING_STOPS)
            *ret_stop = row;
        else
            TRY(settings_keep(s, scope, word.row, value, SETTING_BY_COMMAND_LINE));
    }
    *ret_next = at;
    return RESULT_OK;
}

const char *settings_given(const struct settings *s, size_t scope, const char *name)
{
    static char label[SETTINGS_NAME_MAX];
    const struct settings_scope *here = &s->scopes[scope];
    size_t row = find_name(here, name, strlen(name));
    if (row == SIZE_MAX || !here->values[row].text)
        return NULL;
    settings_label(label, here, row);
    return label;
}

const char *settings_text(const struct settings *s, size_t scope, const char *name)
{
    const struct settings_scope *here = &s->scopes[scope];
    size_t row = find_name(here, name, strlen(name));
    if (row == SIZE_MAX)
        return NULL;
    return here->values[row].text ? here->values[row].text : here->rows[row].initial;
}

result settings_own(struct settings *s, const char **ret_text, const char *head, const char *tail)
{
    size_t head_len = head ? strlen(head) + 1 : 0, tail_len = strlen(tail);
    ENSURE(s->num_texts < SETTINGS_TEXTS_MAX, E_TOO_LARGE, "too many options");
    char *text = OPENSSL_zalloc(head_len + tail_len + 1);
    ENSURE(text, E_MEMORY, "out of memory for options");
    if (head)
        (void)snprintf(text, head_len + tail_len + 1, "%s,%s", head, tail);
    else
        memcpy(text, tail, tail_len);
    s->texts[s->num_texts++] = text;
    *ret_text = text;
    return RESULT_OK;
}

result settings_keep(struct settings *s, size_t scope, size_t row, const char *text,
                     enum setting_origin origin)
{
    struct setting_value *value = &s->scopes[scope].values[row];
    const struct setting *setting = &s->scopes[scope].rows[row];
    const struct setting_value before = *value;
    if (before.text && before.origin > origin)
        return RESULT_OK;
    *value = (struct setting_value){.text = text, .origin = origin};
    if (!before.text || before.origin != origin)
        return RESULT_OK;
    if (setting->kind == SETTING_LIST && origin == SETTING_BY_COMMAND_LINE)
        return settings_own(s, &value->text, before.text, text);
    char label[SETTINGS_NAME_MAX];
    settings_label(label, &s->scopes[scope], row);
    FAIL(E_INPUT, "%s: given twice%s%s", label, setting->alias ? ", perhaps by its other name, " : "",
         setting->alias ? setting->alias : "");
}

void settings_cleanup(struct settings *s)
{
    for (size_t i = 0; i < s->num_texts; i++)
        OPENSSL_clear_free(s->texts[i], strlen(s->texts[i]) + 1);
    yaml_file_cleanup(&s->file);
    *s = (struct settings){0};
}
