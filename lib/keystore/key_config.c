/* key_config.c - one Web3Signer key configuration file to items of the list.
 *
 * The whole file is parsed before it counts: a mistake in any document makes nothing of the file
 * load, as in Web3Signer. Members that a type does not know are ignored, as there. */
#include <string.h>
#include <strings.h>

#include "base/hex.h"
#include "keystore/key_sources_list.h"
#include "yaml/yaml_read.h"

static must_check result get_member(const char **ret_value, const struct yaml_section *section,
                                    const char *key)
{
    const char *value = yaml_get(section, key);
    ENSURE(value && *value, E_INPUT, "document at line %zu: %s is missing", section->line, key);
    *ret_value = value;
    return RESULT_OK;
}

static must_check result parse_raw(struct key_source *source, const struct yaml_section *section)
{
    const char *text;
    TRY(get_member(&text, section, "privateKey"));
    TRY(secret_new(&source->raw, BLS_SECRET_LEN));
    result r = hex_decode(source->raw.data, BLS_SECRET_LEN, text, strlen(text));
    if (r.code)
        return error_prefix(r, "document at line %zu: privateKey", section->line);
    source->kind = KEY_SOURCE_RAW;
    return RESULT_OK;
}

static must_check result parse_keystore(struct key_source *source, const struct yaml_section *section,
                                        const char *folder)
{
    const char *keystore, *password;
    TRY(get_member(&keystore, section, "keystoreFile"));
    TRY(get_member(&password, section, "keystorePasswordFile"));
    TRY(key_sources_join(&source->keystore_path, folder, keystore));
    TRY(key_sources_join(&source->password_path, folder, password));
    source->kind = KEY_SOURCE_KEYSTORE;
    source->password = KEY_SOURCE_FIRST_LINE;
    return RESULT_OK;
}

/* *ret_ours: of the consensus layer's keys; the other kind is for a mode we do not have. */
static must_check result parse_key_type(bool *ret_ours, const struct yaml_section *section)
{
    const char *text = yaml_get(section, "keyType");
    *ret_ours = !text || strcasecmp(text, "BLS") == 0;
    ENSURE(*ret_ours || strcasecmp(text, "SECP256K1") == 0, E_INPUT,
           "document at line %zu: keyType must be BLS or SECP256K1", section->line);
    return RESULT_OK;
}

/* A key that stands in the wrong line must not be repeated in a message; a word such as azure-key may. */
static bool is_word(const char *text)
{
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyz-")] == 0;
}

static must_check result add_document(struct key_sources *sources, const struct yaml_section *section,
                                      const char *folder, const char *name)
{
    const char *type;
    bool ours = false;
    TRY(get_member(&type, section, "type"));
    TRY(parse_key_type(&ours, section));
    if (!ours)
        return RESULT_OK;
    AUTO(key_source) source = {0};
    TRY(key_sources_copy(&source.origin, name));
    if (strcmp(type, "file-raw") == 0)
        TRY(parse_raw(&source, section));
    else if (strcmp(type, "file-keystore") == 0)
        TRY(parse_keystore(&source, section, folder));
    else
        FAIL(E_UNSUPPORTED, "document at line %zu: type %.32s is not supported", section->line,
             is_word(type) ? type : "(not a word)");
    return key_sources_append(sources, &source);
}

result key_config_read(struct key_sources *sources, const char *path, const char *folder, const char *name)
{
    AUTO(secret) text = {0};
    AUTO(yaml_file) file = {0};
    TRY(secret_read_file(&text, path, KEY_SOURCES_CONFIG_FILE_MAX));
    TRY(yaml_read(&file, (const char *)text.data, text.length, YAML_NESTED_IGNORE));
    for (size_t i = 0; i < file.num_sections; i++)
        TRY(add_document(sources, &file.sections[i], folder, name));
    return RESULT_OK;
}
