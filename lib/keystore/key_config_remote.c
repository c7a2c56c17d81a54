/* key_config_remote.c - key configuration documents whose key another server has: aws-secret and hashicorp.
 *
 * Nothing is asked for here, and no file is read. The texts of a document, some of them credentials, stand
 * one behind the other in one block of the secure heap, so that ten thousand such documents fit there. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/options.h"
#include "keystore/key_sources_list.h"

enum { TEXTS_MAX = 16384, VAULT_PORT = 8200, VAULT_TIMEOUT_MS = 10000, TIMEOUT_MS_MAX = 600000 };

static const char service_account_token[] = "/var/run/secrets/kubernetes.io/serviceaccount/token";

const char *key_remote_text(const struct key_remote *remote, unsigned which)
{
    const char *text = (const char *)remote->texts.data;
    for (; which > 0; which--)
        text += strlen(text) + 1;
    return text;
}

/* Texts that are NULL are "". */
static must_check result set_texts(struct key_source *source,
                                   const char *const texts[static KEY_REMOTE_TEXTS])
{
    size_t length = 0;
    for (size_t i = 0; i < KEY_REMOTE_TEXTS; i++)
        length += (texts[i] ? strlen(texts[i]) : 0) + 1;
    ENSURE(length <= TEXTS_MAX, E_TOO_LARGE, "its values are too long");
    source->remote = calloc(1, sizeof *source->remote);
    ENSURE(source->remote, E_MEMORY, "out of memory");
    TRY(secret_new(&source->remote->texts, length));
    char *at = (char *)source->remote->texts.data;
    for (size_t i = 0; i < KEY_REMOTE_TEXTS; i++) {
        size_t text_len = texts[i] ? strlen(texts[i]) : 0;
        if (texts[i])
            memcpy(at, texts[i], text_len);
        at += text_len + 1;
    }
    return RESULT_OK;
}

/* One of two words; *ret_second whether it is the second. The first is the default. */
static must_check result get_choice(bool *ret_second, const struct yaml_section *section, const char *key,
                                    const char *const words[static 2])
{
    const char *value = yaml_get(section, key);
    bool second = value && strcasecmp(value, words[1]) == 0;
    ENSURE(!value || second || strcasecmp(value, words[0]) == 0, E_INPUT, "%s must be %s or %s", key,
           words[0], words[1]);
    *ret_second = second;
    return RESULT_OK;
}

static must_check result get_number(uint32_t *ret_number, const struct yaml_section *section, const char *key,
                                    uint32_t initial, uint32_t high)
{
    const char *value = yaml_get(section, key);
    uint64_t number = initial;
    result r = value ? parse_u64(&number, value) : RESULT_OK;
    ENSURE(!r.code && number >= 1 && number <= high, E_INPUT, "%s must be a number from 1 to %u", key, high);
    *ret_number = (uint32_t)number;
    return RESULT_OK;
}

result key_config_parse_aws(struct key_source *source, const struct yaml_section *section)
{
    static const char *const modes[] = {"SPECIFIED", "ENVIRONMENT"};
    const char *texts[KEY_REMOTE_TEXTS] = {[KEY_AWS_REGION] = yaml_get(section, "region"),
                                           [KEY_AWS_ENDPOINT] = yaml_get(section, "endpointOverride")};
    bool environment = false;
    TRY(get_choice(&environment, section, "authenticationMode", modes));
    TRY(key_config_get(&texts[KEY_AWS_NAME], section, "secretName"));
    if (!environment) {
        TRY(key_config_get(&texts[KEY_AWS_REGION], section, "region"));
        TRY(key_config_get(&texts[KEY_AWS_ACCESS_KEY_ID], section, "accessKeyId"));
        TRY(key_config_get(&texts[KEY_AWS_SECRET], section, "secretAccessKey"));
    }
    TRY(set_texts(source, texts));
    source->remote->environment = environment;
    source->kind = KEY_SOURCE_AWS;
    return RESULT_OK;
}

static const char *get_or(const struct yaml_section *section, const char *key, const char *initial)
{
    const char *value = yaml_get(section, key);
    return value && *value ? value : initial;
}

/* How the token is come by. */
static must_check result get_access(const char *texts[static KEY_REMOTE_TEXTS],
                                    const struct yaml_section *section)
{
    static const char *const methods[] = {"TOKEN", "KUBERNETES"};
    bool kubernetes = false;
    TRY(get_choice(&kubernetes, section, "authMethod", methods));
    if (!kubernetes)
        return key_config_get(&texts[KEY_VAULT_TOKEN], section, "token");
    texts[KEY_VAULT_ROLE_TOKEN_FILE] =
        get_or(section, "kubernetesServiceAccountTokenPath", service_account_token);
    texts[KEY_VAULT_ROLE_PATH] = get_or(section, "kubernetesAuthPath", "kubernetes");
    return key_config_get(&texts[KEY_VAULT_ROLE], section, "kubernetesRole");
}

static must_check result parse_vault(struct key_source *source, const struct yaml_section *section,
                                     const char *known_servers)
{
    static const char *const protocols[] = {"HTTP_2", "HTTP_1_1"}, *const truths[] = {"false", "true"};
    struct key_remote numbers = {0};
    const char *texts[KEY_REMOTE_TEXTS] = {
        [KEY_VAULT_MEMBER] = get_or(section, "keyName", "value"), [KEY_VAULT_KNOWN_SERVERS] = known_servers};
    bool http1 = false;
    TRY(key_config_get(&texts[KEY_VAULT_HOST], section, "serverHost"));
    TRY(key_config_get(&texts[KEY_VAULT_PATH], section, "keyPath"));
    TRY(get_access(texts, section));
    TRY(get_choice(&numbers.tls, section, "tlsEnabled", truths));
    TRY(get_choice(&http1, section, "httpProtocolVersion", protocols));
    TRY(get_number(&numbers.port, section, "serverPort", VAULT_PORT, UINT16_MAX));
    TRY(get_number(&numbers.timeout_ms, section, "timeout", VAULT_TIMEOUT_MS, TIMEOUT_MS_MAX));
    TRY(set_texts(source, texts));
    numbers.http2 = !http1;
    numbers.texts = source->remote->texts;
    *source->remote = numbers;
    source->kind = KEY_SOURCE_VAULT;
    return RESULT_OK;
}

result key_config_parse_vault(struct key_source *source, const struct yaml_section *section,
                              const char *folder)
{
    const char *known_servers = yaml_get(section, "tlsKnownServersPath");
    char *path = NULL;
    if (known_servers && *known_servers)
        TRY(key_sources_join(&path, folder, known_servers));
    result r = parse_vault(source, section, path);
    free(path);
    return r;
}
