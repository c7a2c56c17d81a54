/* settings_keep.h - what the sources of settings share. */
#ifndef SETTINGS_SETTINGS_KEEP_H
#define SETTINGS_SETTINGS_KEEP_H

#include "settings/settings.h"

/* Records a value, unless a stronger source gave one. E_INPUT when this source gave it before. */
must_check result settings_keep(struct settings *s, size_t scope, size_t row, const char *text,
                                enum setting_origin origin);

/* A copy of tail that s owns; behind head and a comma unless head is NULL. */
must_check result settings_own(struct settings *s, const char **ret_text, const char *head, const char *tail);

#endif
