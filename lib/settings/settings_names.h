/* settings_names.h - how an option is called on the command line, in the environment, and in a file. */
#ifndef SETTINGS_SETTINGS_NAMES_H
#define SETTINGS_SETTINGS_NAMES_H

#include "settings/settings.h"

#define SETTINGS_PREFIX "WEB3SIGNER_"

/* Name, alias and letter. */
enum { SETTINGS_NAMES = 3 };

/* The spelling of one of its names where origin is; false when the row has no such name. */
bool settings_spell(char out[static SETTINGS_NAME_MAX], const struct settings_scope *scope,
                    const struct setting *row, size_t which, enum setting_origin origin);

/* How the user gave it, for messages. */
void settings_label(char out[static SETTINGS_NAME_MAX], const struct settings_scope *scope, size_t row);

/* The name that given is most probably meant to be, among those of one scope (SIZE_MAX: all); false when none
 * is near. */
bool settings_nearest(char out[static SETTINGS_NAME_MAX], const struct settings *s, size_t scope,
                      const char *given, enum setting_origin origin);

#endif
