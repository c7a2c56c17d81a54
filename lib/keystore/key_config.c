/* key_config.c - one Web3Signer key configuration file to items of the list.
 *
 * A file is read a document at a time, because it may be a hundred megabytes of them. So what stands before a
 * mistake counts, unlike in Web3Signer, which loads nothing of such a file; either way the mistake is counted
 * and shows in the health check. Members that a type does not know are ignored, as there. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/hex.h"
#include "keystore/key_sources_list.h"

result key_config_get(const char **ret_value, const struct yaml_section *section, const char *key)
{
    const char *value = yaml_get(section, key);
    ENSURE(value && *value, E_INPUT, "%s is missing", key);
    *ret_value = value;
    return RESULT_OK;
}

static must_check result parse_raw(struct key_source *source, const struct yaml_section *section)
{
    const char *text;
    TRY(key_config_get(&text, section, "privateKey"));
    TRY(secret_new(&source->raw, BLS_SECRET_LEN));
    result r = hex_decode(source->raw.data, BLS_SECRET_LEN, text, strlen(text));
    if (r.code)
        return error_prefix(r, "privateKey");
    source->kind = KEY_SOURCE_RAW;
    return RESULT_OK;
}

static must_check result parse_keystore(struct key_source *source, const struct yaml_section *section,
                                        const char *folder)
{
    const char *keystore, *password;
    TRY(key_config_get(&keystore, section, "keystoreFile"));
    TRY(key_config_get(&password, section, "keystorePasswordFile"));
    TRY(key_sources_join(&source->keystore_path, folder, keystore));
    TRY(key_sources_join(&source->password_path, folder, password));
    source->kind = KEY_SOURCE_KEYSTORE;
    source->password = KEY_SOURCE_FIRST_LINE;
    return RESULT_OK;
}

/* *ret_ours: of the consensus layer's keys; the other kind is for a mode we do not have. */
static must_check result parse_key_type(bool *ret_ours, const struct yaml_section *section, const char *type)
{
    const char *text = yaml_get(section, "keyType");
    bool is_bls = !text || strcasecmp(text, "BLS") == 0;
    ENSURE(is_bls || strcasecmp(text, "SECP256K1") == 0, E_INPUT, "keyType must be BLS or SECP256K1");
    *ret_ours = is_bls && strcmp(type, "azure-key") != 0 && strcmp(type, "aws-kms") != 0;
    return RESULT_OK;
}

/* A key that stands in the wrong line must not be repeated in a message; a word such as azure-key may. */
static bool is_word(const char *text)
{
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyz-")] == 0;
}

static must_check result parse_source(struct key_source *source, const struct yaml_section *section,
                                      const char *type, const char *folder)
{
    if (strcmp(type, "file-raw") == 0)
        return parse_raw(source, section);
    if (strcmp(type, "file-keystore") == 0)
        return parse_keystore(source, section, folder);
    if (strcmp(type, "aws-secret") == 0)
        return key_config_parse_aws(source, section);
    if (strcmp(type, "hashicorp") == 0)
        return key_config_parse_vault(source, section, folder);
    FAIL(E_UNSUPPORTED, "type %.32s is not supported here", is_word(type) ? type : "(not a word)");
}

static must_check result add_document(struct key_sources *sources, const struct yaml_section *section,
                                      const struct key_config *config)
{
    const char *type;
    bool ours = false;
    TRY(key_config_get(&type, section, "type"));
    TRY(parse_key_type(&ours, section, type));
    if (!ours)
        return RESULT_OK;
    AUTO(key_source) source = {0};
    TRY(key_sources_copy(&source.origin, config->name));
    TRY(parse_source(&source, section, type, config->folder));
    return key_sources_append(sources, &source);
}

struct reading {
    struct key_sources *sources;
    const struct key_config *config;
    size_t num_documents;
};

/* What one document's mistake costs; out of memory, the next one would fare no better. */
static must_check result settle(const struct reading *reading, result r)
{
    bool full = reading->sources->num_items == KEY_SOURCES_MAX;
    if (!r.code || reading->config->strict || full || r.code == E_MEMORY)
        return r;
    return key_sources_append_broken(reading->sources, reading->config->name, r);
}

static result on_section(void *context, struct yaml_section *section)
{
    struct reading *reading = context;
    reading->num_documents++;
    result r = add_document(reading->sources, section, reading->config);
    return settle(reading, r.code ? error_prefix(r, "document at line %zu", section->line) : r);
}

/* A file without a document is one that is just being written; to read it as "no keys" would be to take its
 * key for gone, which a reload disables for good. */
static must_check result read_file(struct reading *reading)
{
    const struct key_config *config = reading->config;
    struct stat status;
    AUTO_FD fd = open(config->path, O_RDONLY | O_CLOEXEC);
    ENSURE(fd >= 0, errno == ENOENT ? E_NOT_FOUND : E_IO, "%s: %s", config->path, strerror(errno));
    ENSURE(fstat(fd, &status) == 0, E_IO, "%s: %s", config->path, strerror(errno));
    if (S_ISDIR(status.st_mode) && !config->strict)
        return RESULT_OK; /* a folder of that name is passed over */
    ENSURE((uint64_t)status.st_size <= config->file_max, E_TOO_LARGE, "%s: is longer than %zu bytes",
           config->path, config->file_max);
    TRY(yaml_read_documents(fd, config->file_max, YAML_NESTED_IGNORE, on_section, reading));
    ENSURE(reading->num_documents > 0, E_INPUT, "has no key: it is empty");
    return RESULT_OK;
}

result key_config_read(struct key_sources *sources, const struct key_config *config)
{
    struct reading reading = {.sources = sources, .config = config};
    return settle(&reading, read_file(&reading));
}
