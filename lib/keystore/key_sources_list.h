/* key_sources_list.h - how the two kinds of folder put items into the list. Inside this room. */
#ifndef KEYSTORE_KEY_SOURCES_LIST_H
#define KEYSTORE_KEY_SOURCES_LIST_H

#include "base/buffer.h"
#include "keystore/key_sources.h"
#include "yaml/yaml_read.h"

void key_source_cleanup(struct key_source *source);

/* Takes the item over, also when it fails. */
must_check result key_sources_append(struct key_sources *sources, struct key_source *source);

/* Appends a broken item with the remembered sentence of a failure. */
must_check result key_sources_append_broken(struct key_sources *sources, const char *origin, result failed);

/* Owned copies; E_MEMORY. */
must_check result key_sources_copy(char **ret_copy, const char *text);
/* folder/name, or name alone when it is absolute. */
must_check result key_sources_join(char **ret_path, const char *folder, const char *name);

/* Reads the configuration file at path, called name in messages, into items; its relative paths are of
 * folder. strict: the first mistake is the error; else it is a broken item. When it fails, items may have
 * been appended. */
struct key_config {
    const char *path, *folder, *name;
    size_t file_max;
    bool strict;
};
must_check result key_config_read(struct key_sources *sources, const struct key_config *config);

/* Of a document, E_INPUT with its line when it is missing or empty. */
must_check result key_config_get(const char **ret_value, const struct yaml_section *section, const char *key);

/* What another server has. */
must_check result key_config_parse_aws(struct key_source *source, const struct yaml_section *section);
must_check result key_config_parse_vault(struct key_source *source, const struct yaml_section *section,
                                         const char *folder);

#endif
