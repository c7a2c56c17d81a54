/* ctl_units.c - see ctl_units.h. The text comes from an instance, by way of AWS: neither is trusted with more
 * than to be shown. */
#include "ctl_units.h"

#include <stdio.h>
#include <string.h>

#include "base/options.h"

enum { LINE_MAX_LEN = 256 };

static must_check result set_text(char out[static CTL_UNIT_TEXT_MAX + 1], const char *value)
{
    size_t length = strlen(value);
    ENSURE(!out[0], E_INPUT, "is there twice");
    ENSURE(length <= CTL_UNIT_TEXT_MAX, E_INPUT, "must have at most %d characters", CTL_UNIT_TEXT_MAX);
    for (size_t i = 0; i < length; i++)
        ENSURE(value[i] >= ' ' && value[i] < 0x7f, E_INPUT, "must be printable ASCII");
    memcpy(out, value, length + 1);
    return RESULT_OK;
}

static must_check result take(struct ctl_unit *unit, const char *name, const char *value)
{
    const struct {
        const char *name;
        char *out;
    } texts[] = {{"Id", unit->name},
                 {"LoadState", unit->load},
                 {"ActiveState", unit->active},
                 {"SubState", unit->sub},
                 {"Result", unit->result}};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        if (strcmp(name, texts[i].name) == 0)
            return set_text(texts[i].out, value);
    ENSURE(strcmp(name, "NRestarts") == 0, E_INPUT, "is not a property that was asked for");
    return parse_u64(&unit->restarts, value);
}

static must_check result end_unit(struct ctl_units *units, struct ctl_unit *unit)
{
    ENSURE(unit->name[0] && unit->load[0] && unit->active[0] && unit->sub[0], E_INPUT,
           "Id, LoadState, ActiveState and SubState: required");
    ENSURE(units->num_units < CTL_UNITS_MAX, E_TOO_LARGE, "more than %d units", CTL_UNITS_MAX);
    units->units[units->num_units++] = *unit;
    *unit = (struct ctl_unit){.restarts = 0};
    return RESULT_OK;
}

/* One line without its end; *open says whether a unit was begun. */
static must_check result take_line(struct ctl_units *units, struct ctl_unit *unit, bool *open,
                                   const char *line, size_t line_len)
{
    char copy[LINE_MAX_LEN];
    if (line_len == 0) {
        bool was_open = *open;
        *open = false;
        return was_open ? end_unit(units, unit) : RESULT_OK;
    }
    ENSURE(line_len < sizeof copy, E_INPUT, "is too long");
    memcpy(copy, line, line_len);
    copy[line_len] = 0;
    char *equals = strchr(copy, '=');
    ENSURE(equals, E_INPUT, "must be NAME=VALUE");
    *equals = 0;
    *open = true;
    return take(unit, copy, equals + 1);
}

result ctl_units_parse(struct ctl_units *ret_units, const char *text)
{
    struct ctl_units units = {.num_units = 0};
    struct ctl_unit unit = {.restarts = 0};
    bool open = false;
    unsigned number = 1;
    for (const char *at = text; *at; number++) {
        size_t length = strcspn(at, "\n");
        result r = take_line(&units, &unit, &open, at, length);
        if (r.code)
            return error_prefix(r, "line %u", number);
        at += length + (at[length] == '\n');
    }
    if (open)
        TRY(end_unit(&units, &unit));
    *ret_units = units;
    return RESULT_OK;
}
