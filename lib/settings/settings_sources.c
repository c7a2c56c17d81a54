/* settings_sources.c - the environment and the configuration file of settings.h.
 *
 * Names are made from the rows and compared, rather than taken apart: WEB3SIGNER_ETH2_EXPORT_TO cannot be
 * taken apart in one way only. Variables that mean nothing are no error: the environment is shared with
 * others, and a service called web3signer makes Kubernetes set WEB3SIGNER_PORT. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file_io.h"
#include "settings/settings_keep.h"
#include "settings/settings_names.h"

struct place {
    size_t scope, row;
};

/* The row that is called name where origin is; false when there is none. */
static bool find(struct place *ret_place, const struct settings *s, const char *name,
                 enum setting_origin origin)
{
    char spelled[SETTINGS_NAME_MAX];
    for (size_t i = 0; i < s->num_scopes; i++) {
        const struct settings_scope *scope = &s->scopes[i];
        for (size_t j = 0; j < scope->num_rows * SETTINGS_NAMES; j++) {
            const struct setting *row = &scope->rows[j / SETTINGS_NAMES];
            if (row->use == SETTING_STOPS ||
                !settings_spell(spelled, scope, row, j % SETTINGS_NAMES, origin) ||
                strcmp(spelled, name) != 0)
                continue;
            *ret_place = (struct place){i, j / SETTINGS_NAMES};
            return true;
        }
    }
    return false;
}

static void warn(const struct settings *s, const char *name, const char *what, const char *more)
{
    char line[512];
    (void)snprintf(line, sizeof line, "%s: %s%s", name, what, more);
    s->warn(line);
}

static must_check result keep(struct settings *s, const struct place *place, const char *name,
                              const char *text, enum setting_origin origin)
{
    const struct setting *row = &s->scopes[place->scope].rows[place->row];
    if (row->use == SETTING_COMMAND_LINE_ONLY) {
        warn(s, name, "ignored: this option is heeded on the command line only", "");
        return RESULT_OK;
    }
    return settings_keep(s, place->scope, place->row, text, origin);
}

/* A secret is copied, because settings_forget_environment wipes the original. */
static must_check result keep_variable(struct settings *s, const struct place *place, const char *name,
                                       const char *text)
{
    const struct setting *row = &s->scopes[place->scope].rows[place->row];
    if (row->secret && row->use == SETTING_USED) {
        warn(s, name, "a secret in the environment, where other programs of this user can read it; better: ",
             row->instead ? row->instead : "none");
        TRY(settings_own(s, &text, NULL, text));
    }
    return keep(s, place, name, text, SETTING_BY_ENVIRONMENT);
}

static void tell_nearest(const struct settings *s, const char *name)
{
    char near[SETTINGS_NAME_MAX];
    if (settings_nearest(near, s, SIZE_MAX, name, SETTING_BY_ENVIRONMENT))
        warn(s, name, "this variable means nothing here; is this one meant? ", near);
}

result settings_take_environment(struct settings *s, char *const environment[])
{
    char name[SETTINGS_NAME_MAX];
    struct place place;
    for (; *environment; environment++) {
        size_t length = strcspn(*environment, "=");
        if (strncmp(*environment, SETTINGS_PREFIX, strlen(SETTINGS_PREFIX)) != 0 || !(*environment)[length] ||
            length >= sizeof name)
            continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)length, *environment);
        if (find(&place, s, name, SETTING_BY_ENVIRONMENT))
            TRY(keep_variable(s, &place, name, *environment + length + 1));
        else
            tell_nearest(s, name);
    }
    return RESULT_OK;
}

static void forget(const struct settings_scope *scope, const struct setting *row)
{
    char name[SETTINGS_NAME_MAX];
    for (size_t i = 0; i < SETTINGS_NAMES; i++) {
        char *text = settings_spell(name, scope, row, i, SETTING_BY_ENVIRONMENT) ? getenv(name) : NULL;
        if (!text)
            continue;
        OPENSSL_cleanse(text, strlen(text));
        (void)unsetenv(name);
    }
}

void settings_forget_environment(const struct settings *s)
{
    for (size_t i = 0; i < s->num_scopes; i++) {
        for (size_t j = 0; j < s->scopes[i].num_rows; j++) {
            if (s->scopes[i].rows[j].secret)
                forget(&s->scopes[i], &s->scopes[i].rows[j]);
        }
    }
}

/* It may hold a password: read into one piece of memory that is wiped. */
static must_check result read_yaml(struct yaml_file *ret_file, bool *ret_open_to_others, const char *path)
{
    enum { CAPACITY = 1 << 18 };
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    ENSURE(fd >= 0, E_INPUT, "%s", strerror(errno));
    struct stat status;
    ENSURE(fstat(fd, &status) == 0, E_INPUT, "%s", strerror(errno));
    *ret_open_to_others = S_ISREG(status.st_mode) && (status.st_mode & (S_IRGRP | S_IROTH));
    char *text = OPENSSL_zalloc(CAPACITY);
    ENSURE(text, E_MEMORY, "out of memory");
    size_t length;
    result r = file_read_up_to(fd, text, &length, CAPACITY);
    if (r.code == E_IO) /* a folder, say: the user's mistake all the same */
        r = error_set(E_INPUT, "%s", error_text());
    if (!r.code && length == CAPACITY)
        r = error_set(E_INPUT, "longer than %d bytes", CAPACITY - 1);
    if (!r.code)
        r = yaml_read(ret_file, text, length, YAML_NESTED_JOIN);
    OPENSSL_clear_free(text, CAPACITY);
    return r;
}

static must_check result unknown_key(const struct settings *s, const struct yaml_pair *pair)
{
    char near[SETTINGS_NAME_MAX], qualified[SETTINGS_NAME_MAX];
    struct place place;
    int length = snprintf(qualified, sizeof qualified, "eth2.%.100s", pair->key);
    if (length > 0 && find(&place, s, qualified, SETTING_BY_FILE))
        FAIL(E_INPUT, "line %zu: unknown key %.100s; is %s meant?", pair->line, pair->key, qualified);
    if (settings_nearest(near, s, SIZE_MAX, pair->key, SETTING_BY_FILE))
        FAIL(E_INPUT, "line %zu: unknown key %.100s; is %s meant?", pair->line, pair->key, near);
    FAIL(E_INPUT, "line %zu: unknown key %.100s", pair->line, pair->key);
}

static must_check result keep_pair(struct settings *s, const struct yaml_pair *pair,
                                   const char *ignored_prefix)
{
    struct place place;
    if (!find(&place, s, pair->key, SETTING_BY_FILE)) {
        if (!ignored_prefix || strncmp(pair->key, ignored_prefix, strlen(ignored_prefix)) != 0)
            return unknown_key(s, pair);
        warn(s, pair->key, "ignored: a setting of a mode that is not here", "");
        return RESULT_OK;
    }
    const struct setting *row = &s->scopes[place.scope].rows[place.row];
    bool unused = row->use == SETTING_IGNORED || row->use == SETTING_REFUSED;
    ENSURE(pair->value || unused, E_INPUT, "line %zu: %s: must be a plain value%s", pair->line, pair->key,
           row->kind == SETTING_LIST ? " or a list" : "");
    ENSURE(!pair->is_list || row->kind == SETTING_LIST || unused, E_INPUT, "line %zu: %s: must not be a list",
           pair->line, pair->key);
    return keep(s, &place, pair->key, pair->value ? pair->value : "nested", SETTING_BY_FILE);
}

static must_check result take_sections(struct settings *s, const char *ignored_prefix)
{
    ENSURE(s->file.num_sections == 1, E_INPUT, "%s",
           s->file.num_sections ? "must be one YAML document" : "is empty");
    const struct yaml_section *section = &s->file.sections[0];
    for (size_t i = 0; i < section->num_pairs; i++)
        TRY(keep_pair(s, &section->pairs[i], ignored_prefix));
    return RESULT_OK;
}

static bool has_secret(const struct settings_scope *scope)
{
    for (size_t i = 0; i < scope->num_rows; i++) {
        const struct setting *row = &scope->rows[i];
        if (row->secret && row->use == SETTING_USED && scope->values[i].text &&
            scope->values[i].origin == SETTING_BY_FILE)
            return true;
    }
    return false;
}

result settings_take_file(struct settings *s, const char *path, const char *ignored_prefix)
{
    yaml_file_cleanup(&s->file);
    bool open_to_others = false;
    result r = read_yaml(&s->file, &open_to_others, path);
    if (!r.code)
        r = take_sections(s, ignored_prefix);
    for (size_t i = 0; i < s->num_scopes && open_to_others && !r.code; i++) {
        if (has_secret(&s->scopes[i]))
            warn(s, "--config-file", "a secret in a file that others than its owner can read", "");
    }
    return r.code ? error_prefix(r, "--config-file") : r;
}
