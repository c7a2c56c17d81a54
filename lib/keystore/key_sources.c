/* key_sources.c - the list of keys to load, and the folders it is made from.
 *
 * Folders are read in alphabetical order, so that which of two equal keys is the first does not
 * depend on the file system. Symbolic links to files count as files: that is how orchestrators
 * mount secrets. Most of the time to read ten thousand files is the kernel's, a few system calls for each, so
 * several threads read a large folder, each its part of the list of names. */
#include "keystore/key_sources.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "keystore/key_sources_list.h"

/* A thread costs as much to start as ten files to read. */
enum { FILES_A_THREAD = 256, THREADS_MAX = 16 };

void key_source_cleanup(struct key_source *source)
{
    secret_cleanup(&source->raw);
    if (source->remote)
        secret_cleanup(&source->remote->texts);
    free(source->remote);
    free(source->origin);
    free(source->keystore_path);
    free(source->password_path);
    free(source->failure);
    *source = (struct key_source){0};
}

void key_sources_cleanup(struct key_sources *sources)
{
    while (sources->num_items > 0)
        key_source_cleanup(&sources->items[--sources->num_items]);
    free(sources->items);
    *sources = (struct key_sources){0};
}

static must_check result make_room(struct key_sources *sources)
{
    ENSURE(sources->num_items < KEY_SOURCES_MAX, E_TOO_LARGE, "more than %d keys", KEY_SOURCES_MAX);
    if (sources->num_items < sources->capacity)
        return RESULT_OK;
    size_t capacity = sources->capacity ? 2 * sources->capacity : 64;
    struct key_source *items = realloc(sources->items, capacity * sizeof *items);
    ENSURE(items, E_MEMORY, "out of memory for the list of keys");
    sources->items = items;
    sources->capacity = capacity;
    return RESULT_OK;
}

result key_sources_append(struct key_sources *sources, struct key_source *source)
{
    result r = make_room(sources);
    if (r.code)
        key_source_cleanup(source);
    else
        sources->items[sources->num_items++] = *source;
    *source = (struct key_source){0};
    return r;
}

result key_sources_copy(char **ret_copy, const char *text)
{
    char *copy = strdup(text);
    ENSURE(copy, E_MEMORY, "out of memory");
    *ret_copy = copy;
    return RESULT_OK;
}

result key_sources_join(char **ret_path, const char *folder, const char *name)
{
    if (name[0] == '/')
        return key_sources_copy(ret_path, name);
    size_t length = strlen(folder) + strlen(name) + 2;
    char *path = malloc(length);
    ENSURE(path, E_MEMORY, "out of memory");
    (void)snprintf(path, length, "%s/%s", folder, name);
    *ret_path = path;
    return RESULT_OK;
}

result key_sources_append_broken(struct key_sources *sources, const char *origin, result failed)
{
    AUTO(key_source) broken = {.kind = KEY_SOURCE_BROKEN, .error = (enum error_code)failed.code};
    TRY(key_sources_copy(&broken.failure, error_text()));
    TRY(key_sources_copy(&broken.origin, origin));
    return key_sources_append(sources, &broken);
}

/* scandir's list of names, owned. */
struct names {
    struct dirent **entries;
    int num_entries;
};

static void names_cleanup(struct names *names)
{
    for (int i = 0; i < names->num_entries; i++)
        free(names->entries[i]);
    free(names->entries);
    *names = (struct names){0};
}

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), ending_len = strlen(ending);
    return length > ending_len && strcasecmp(name + length - ending_len, ending) == 0;
}

static int is_config_name(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && (ends_in(entry->d_name, ".yaml") || ends_in(entry->d_name, ".yml"));
}

static int is_keystore_name(const struct dirent *entry)
{
    static const char deposits[] = "deposit_data-"; /* deposit tools leave them beside their keystores */
    return entry->d_name[0] != '.' && ends_in(entry->d_name, ".json") &&
           strncmp(entry->d_name, deposits, sizeof deposits - 1) != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static must_check result list_folder(struct names *ret_names, const char *folder,
                                     int (*wanted)(const struct dirent *))
{
    struct names names = {0};
    names.num_entries = scandir(folder, &names.entries, wanted, by_bytes);
    ENSURE(names.num_entries >= 0, errno == ENOENT ? E_NOT_FOUND : E_IO, "%s: %s", folder, strerror(errno));
    *ret_names = names;
    return RESULT_OK;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static must_check result add_config_file(struct key_sources *sources, const struct key_folder *folder,
                                         const char *name)
{
    char *path;
    TRY(key_sources_join(&path, folder->path, name));
    const struct key_config config = {
        .path = path, .folder = folder->path, .name = name, .file_max = folder->file_max};
    result r = key_config_read(sources, &config);
    free(path);
    return r.code ? error_prefix(r, "%s", name) : r;
}

result key_sources_add_config_file(struct key_sources *sources, const char *folder, const char *name)
{
    char *path;
    TRY(key_sources_join(&path, folder, name));
    const struct key_config config = {.path = path,
                                      .folder = folder,
                                      .name = name,
                                      .file_max = KEY_SOURCES_CONFIG_FILE_MAX,
                                      .strict = true};
    result r = key_config_read(sources, &config);
    free(path);
    return r.code ? error_prefix(r, "%s", name) : r;
}

/* A part of the names and what is in these files. */
struct part {
    const struct key_folder *folder;
    struct dirent **entries;
    size_t num_entries;
    struct key_sources found;
    pthread_t thread;
    bool is_running;
    result outcome;
    char why[256];
};

static must_check result read_part(struct part *part)
{
    for (size_t i = 0; i < part->num_entries; i++)
        TRY(add_config_file(&part->found, part->folder, part->entries[i]->d_name));
    return RESULT_OK;
}

static void *read_part_by_thread(void *argument)
{
    struct part *part = argument;
    part->outcome = read_part(part);
    if (part->outcome.code)
        (void)snprintf(part->why, sizeof part->why, "%s", error_text()); /* which is this thread's */
    return NULL;
}

struct parts {
    struct part list[THREADS_MAX];
    size_t num;
};

static void parts_cleanup(struct parts *parts)
{
    for (size_t i = 0; i < parts->num; i++) {
        if (parts->list[i].is_running)
            (void)pthread_join(parts->list[i].thread, NULL);
        key_sources_cleanup(&parts->list[i].found);
    }
}

/* The last part is read by the caller, and so are those for which there is no thread. */
static void read_parts(struct parts *parts)
{
    for (size_t i = 0; i < parts->num; i++) {
        struct part *part = &parts->list[i];
        bool is_last = i + 1 == parts->num;
        part->is_running = !is_last && pthread_create(&part->thread, NULL, read_part_by_thread, part) == 0;
        if (!part->is_running)
            (void)read_part_by_thread(part);
    }
    for (size_t i = 0; i < parts->num; i++)
        if (parts->list[i].is_running)
            parts->list[i].is_running = pthread_join(parts->list[i].thread, NULL) != 0;
}

static must_check result take_part(struct key_sources *sources, struct part *part)
{
    for (size_t i = 0; i < part->found.num_items; i++) {
        struct key_source item = part->found.items[i];
        part->found.items[i] = (struct key_source){0};
        TRY(key_sources_append(sources, &item));
    }
    return part->outcome.code ? error_set((enum error_code)part->outcome.code, "%s", part->why) : RESULT_OK;
}

result key_sources_add_config_folder(struct key_sources *sources, const struct key_folder *folder)
{
    AUTO(names) names = {0};
    AUTO(parts) parts = {0};
    TRY(list_folder(&names, folder->path, is_config_name));
    size_t total = (size_t)names.num_entries, begun = 0, most = total / FILES_A_THREAD + 1;
    parts.num = folder->threads < most ? folder->threads : most;
    parts.num = parts.num < 1 ? 1 : parts.num < THREADS_MAX ? parts.num : THREADS_MAX;
    for (size_t i = 0; i < parts.num; i++) {
        size_t end = total * (i + 1) / parts.num;
        parts.list[i] =
            (struct part){.folder = folder, .entries = names.entries + begun, .num_entries = end - begun};
        begun = end;
    }
    read_parts(&parts);
    for (size_t i = 0; i < parts.num; i++)
        TRY(take_part(sources, &parts.list[i]));
    return RESULT_OK;
}

static must_check result add_keystore(struct key_sources *sources, const char *folder, const char *name,
                                      const char *passwords_folder, const char *password_file)
{
    AUTO(key_source) source = {.kind = KEY_SOURCE_KEYSTORE, .password = KEY_SOURCE_WHOLE_FILE};
    TRY(key_sources_join(&source.keystore_path, folder, name));
    if (is_folder(source.keystore_path))
        return RESULT_OK;
    TRY(key_sources_copy(&source.origin, name));
    if (password_file) {
        TRY(key_sources_copy(&source.password_path, password_file));
    } else {
        AUTO(buffer) text = {0};
        TRY(buffer_printf(&text, "%.*s.txt", (int)(strlen(name) - strlen(".json")), name));
        TRY(key_sources_join(&source.password_path, passwords_folder, (const char *)text.data));
    }
    return key_sources_append(sources, &source);
}

result key_sources_add_keystores(struct key_sources *sources, const char *folder,
                                 const char *passwords_folder, const char *password_file)
{
    ENSURE(!passwords_folder != !password_file, E_INTERNAL, "one of the two password options is needed");
    AUTO(names) names = {0};
    TRY(list_folder(&names, folder, is_keystore_name));
    for (int i = 0; i < names.num_entries; i++)
        TRY(add_keystore(sources, folder, names.entries[i]->d_name, passwords_folder, password_file));
    return RESULT_OK;
}
