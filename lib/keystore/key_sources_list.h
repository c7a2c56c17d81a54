/* key_sources_list.h - how the two kinds of folder put items into the list. Inside this room. */
#ifndef KEYSTORE_KEY_SOURCES_LIST_H
#define KEYSTORE_KEY_SOURCES_LIST_H

#include "base/buffer.h"
#include "keystore/key_sources.h"

void key_source_cleanup(struct key_source *source);

/* Takes the item over, also when it fails. */
must_check result key_sources_append(struct key_sources *sources, struct key_source *source);

/* Drops items behind the first num_items. */
void key_sources_truncate(struct key_sources *sources, size_t num_items);

/* Appends a broken item with the remembered sentence of a failure. */
must_check result key_sources_append_broken(struct key_sources *sources, const char *origin, result failed);

/* Owned copies; E_MEMORY. */
must_check result key_sources_copy(char **ret_copy, const char *text);
/* folder/name, or name alone when it is absolute. */
must_check result key_sources_join(char **ret_path, const char *folder, const char *name);

/* Reads the configuration file at path, called name in messages, into items; its relative paths are of
 * folder. When it fails, items may have been appended. */
must_check result key_config_read(struct key_sources *sources, const char *path, const char *folder,
                                  const char *name);

#endif
