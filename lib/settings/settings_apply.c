/* settings_apply.c - texts become values: the one place where a setting's kind matters. */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/options.h"
#include "settings/settings_names.h"

static must_check result read_boolean(bool *ret_value, const char *label, const char *text)
{
    bool is_true = strcasecmp(text, "true") == 0;
    ENSURE(is_true || strcasecmp(text, "false") == 0, E_INPUT, "%s: must be true or false", label);
    *ret_value = is_true;
    return RESULT_OK;
}

static must_check result read_u32(uint32_t *ret_value, const char *label, const struct setting *row,
                                  const char *text)
{
    uint64_t number;
    result r = parse_u64(&number, text);
    if (r.code)
        return error_prefix(r, "%s", label);
    ENSURE(number >= row->low && number <= row->high, E_INPUT, "%s: must be from %u to %u", label, row->low,
           row->high);
    *ret_value = (uint32_t)number;
    return RESULT_OK;
}

static must_check result store(void *target, const struct setting *row, const char *label, const char *text)
{
    ENSURE(text[0], E_INPUT, "%s: must not be empty", label);
    switch (row->kind) {
    case SETTING_TEXT:
    case SETTING_LIST:
        *(const char **)target = text;
        return RESULT_OK;
    case SETTING_FLAG:
    case SETTING_BOOLEAN:
        return read_boolean(target, label, text);
    case SETTING_U32:
        return read_u32(target, label, row, text);
    }
    FAIL(E_INTERNAL, "%s: the table of options is wrong", label);
}

static must_check result apply_row(const struct settings *s, const struct settings_scope *scope, size_t i,
                                   void *base)
{
    const struct setting *row = &scope->rows[i];
    const char *given = scope->values[i].text, *text = given ? given : row->initial;
    char label[SETTINGS_NAME_MAX], line[512];
    settings_label(label, scope, i);
    switch (row->use) {
    case SETTING_USED:
    case SETTING_COMMAND_LINE_ONLY:
        return text ? store((char *)base + row->offset, row, label, text) : RESULT_OK;
    case SETTING_STOPS:
        return RESULT_OK;
    case SETTING_IGNORED:
        if (!given)
            return RESULT_OK;
        (void)snprintf(line, sizeof line, "%s: ignored: %s", label, row->help);
        s->warn(line);
        return RESULT_OK;
    case SETTING_REFUSED:
        ENSURE(!given || (row->initial && strcasecmp(given, row->initial) == 0), E_INPUT, "%s: %s", label,
               row->help);
        return RESULT_OK;
    }
    FAIL(E_INTERNAL, "%s: the table of options is wrong", label);
}

result settings_apply(const struct settings *s, size_t scope, void *base)
{
    for (size_t i = 0; i < s->scopes[scope].num_rows; i++)
        TRY(apply_row(s, &s->scopes[scope], i, base));
    return RESULT_OK;
}

result settings_check_files(const struct settings *s, size_t scope)
{
    const struct settings_scope *here = &s->scopes[scope];
    for (size_t i = 0; i < here->num_rows; i++) {
        const char *path = here->values[i].text ? here->values[i].text : here->rows[i].initial;
        char label[SETTINGS_NAME_MAX];
        settings_label(label, here, i);
        ENSURE(!here->rows[i].exists || !path || access(path, R_OK) == 0, E_INPUT, "%s: %s", label,
               strerror(errno));
    }
    return RESULT_OK;
}
