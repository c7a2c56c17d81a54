/* aws_profile.c - see aws_credentials_file.h. The form is that of configparser's INI files, of which only
 * "[profile]" and "name = value" are needed; what else there is, roles and programs to ask, is another's. */
#include "aws/aws_credentials_file.h"

#include <string.h>

enum { FILE_MAX = 64 * 1024 };

static const char blanks[] = " \t\r";
/* It becomes part of a host's name. */
static const char region_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";

/* Cut in place. */
static char *trim(char *text)
{
    text += strspn(text, blanks);
    for (size_t length = strlen(text); length > 0 && strchr(blanks, text[length - 1]);)
        text[--length] = 0;
    return text;
}

struct profile {
    const char *id, *key, *token, *region; /* point into the text */
};

/* One line inside of the profile. */
static void take_line(struct profile *profile, char *line)
{
    char *equals = strchr(line, '=');
    if (!equals)
        return;
    *equals = 0;
    const char *name = trim(line), *value = trim(equals + 1);
    if (strcmp(name, "aws_access_key_id") == 0)
        profile->id = value;
    else if (strcmp(name, "aws_secret_access_key") == 0)
        profile->key = value;
    else if (strcmp(name, "aws_session_token") == 0)
        profile->token = value;
    else if (strcmp(name, "region") == 0)
        profile->region = value;
}

static bool is_header_of(char *line, const char *name)
{
    size_t length = strlen(line);
    if (line[length - 1] != ']')
        return false;
    line[length - 1] = 0;
    return strcmp(trim(line + 1), name) == 0;
}

/* What stands under [name]; text is cut into pieces. */
static struct profile find(char *text, const char *name)
{
    struct profile profile = {.token = ""};
    bool inside = false;
    for (char *at = text; at;) {
        char *next = strchr(at, '\n');
        if (next)
            *next++ = 0;
        char *line = trim(at);
        if (*line == '[')
            inside = is_header_of(line, name);
        else if (inside && *line && *line != '#' && *line != ';')
            take_line(&profile, line);
        at = next;
    }
    return profile;
}

static must_check result parse(struct aws_credentials *ret_credentials, char *text, const char *name)
{
    const struct profile profile = find(text, name);
    ENSURE(profile.id && profile.key, E_NOT_FOUND,
           "profile %s: there is no aws_access_key_id with aws_secret_access_key", name);
    return aws_credentials_new(ret_credentials, profile.id, profile.key, profile.token);
}

static must_check result read_text(struct secret *ret_text, const char *path)
{
    AUTO(secret) text = {0};
    TRY(secret_read_file(&text, path, FILE_MAX));
    ENSURE(!memchr(text.data, 0, text.length), E_INPUT, "%s: NUL character", path);
    *ret_text = text;
    text = (struct secret){0};
    return RESULT_OK;
}

result aws_profile_read(struct aws_credentials *ret_credentials, const char *path, const char *profile)
{
    AUTO(secret) text = {0};
    TRY(read_text(&text, path));
    result r = parse(ret_credentials, (char *)text.data, profile);
    return r.code ? error_prefix(r, "%s", path) : r;
}

result aws_profile_region(char out[static AWS_REGION_MAX + 1], const char *path, const char *section)
{
    AUTO(secret) text = {0};
    TRY(read_text(&text, path));
    const struct profile profile = find((char *)text.data, section);
    ENSURE(profile.region, E_NOT_FOUND, "%s: %s: there is no region", path, section);
    size_t length = strlen(profile.region);
    ENSURE(length >= 1 && length <= AWS_REGION_MAX && strspn(profile.region, region_letters) == length,
           E_INPUT, "%s: %s: region: must have from 1 to %d letters, digits and hyphens", path, section,
           AWS_REGION_MAX);
    memcpy(out, profile.region, length + 1);
    return RESULT_OK;
}
