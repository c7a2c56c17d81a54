/* ctl_units.h - what systemd says of units: the text of systemctl show. */
#ifndef CTL_CTL_UNITS_H
#define CTL_CTL_UNITS_H

#include "base/buffer.h"

enum { CTL_UNITS_MAX = 8, CTL_UNIT_TEXT_MAX = 64 };

struct ctl_unit {
    char name[CTL_UNIT_TEXT_MAX + 1];   /* Id */
    char load[CTL_UNIT_TEXT_MAX + 1];   /* LoadState: loaded, not-found, ... */
    char active[CTL_UNIT_TEXT_MAX + 1]; /* ActiveState: active, inactive, failed, activating, ... */
    char sub[CTL_UNIT_TEXT_MAX + 1];    /* SubState: running, dead, ... */
    char result[CTL_UNIT_TEXT_MAX + 1]; /* Result: success, exit-code, ...; "" for units without one */
    uint64_t restarts;                  /* NRestarts; 0 for units without it */
};

struct ctl_units {
    struct ctl_unit units[CTL_UNITS_MAX];
    size_t num_units;
};

/* Lines NAME=VALUE, an empty one between units. E_INPUT names the line for anything else: an unknown name,
 * one that is there twice, a unit without Id, LoadState, ActiveState or SubState. */
must_check result ctl_units_parse(struct ctl_units *ret_units, const char *text);

#endif
