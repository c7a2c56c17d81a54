/* signer_sources.c - see signer_sources.h.
 *
 * Credentials go to the fetcher through its socket: only it gets them, and neither the loader, which asks,
 * nor the front, which reads the network, has them in its environment. */
#include "signer_sources.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "ipc/ipc_fetch.h"

static must_check result is_environment(bool *ret_environment, const struct signer_sources_options *o)
{
    *ret_environment = strcasecmp(o->aws_mode, "ENVIRONMENT") == 0;
    ENSURE(*ret_environment || strcasecmp(o->aws_mode, "SPECIFIED") == 0, E_INPUT,
           "--aws-secrets-auth-mode: must be SPECIFIED or ENVIRONMENT");
    return RESULT_OK;
}

/* Appends the keys or the values of key=value|key=value with commas between them. */
static must_check result split_tags(struct buffer *keys, struct buffer *values, const char *tags)
{
    for (const char *at = tags; at && *at;) {
        int length = (int)strcspn(at, "|,"), key_len = (int)strcspn(at, "=");
        ENSURE(key_len > 0 && key_len + 1 < length, E_INPUT, "--aws-secrets-tag: must be KEY=VALUE");
        TRY(buffer_printf(keys, "%s%.*s", keys->length ? "," : "", key_len, at));
        TRY(buffer_printf(values, "%s%.*s", values->length ? "," : "", length - key_len - 1,
                          at + key_len + 1));
        at += length;
        at += *at != 0;
    }
    return RESULT_OK;
}

result signer_sources_check(const struct signer_sources_options *o)
{
    bool environment = false;
    AUTO(buffer) keys = {0}, values = {0};
    if (!o->aws_enabled)
        return RESULT_OK;
    TRY(is_environment(&environment, o));
    const struct {
        const char *name, *value;
    } specified[] = {{"aws-secrets-access-key-id", o->aws_access_key_id},
                     {"aws-secrets-secret-access-key", o->aws_secret_access_key},
                     {"aws-secrets-region", o->aws_region}};
    for (size_t i = 0; i < ARRAY_LENGTH(specified) && !environment; i++)
        ENSURE(specified[i].value, E_INPUT,
               "--%s: required with --aws-secrets-enabled, unless --aws-secrets-auth-mode is ENVIRONMENT",
               specified[i].name);
    ENSURE(!o->aws_endpoint || strncmp(o->aws_endpoint, "https://", strlen("https://")) == 0, E_INPUT,
           "--aws-endpoint-override: must begin with https://; keys do not travel in the clear");
    return split_tags(&keys, &values, o->aws_tags);
}

static must_check result optional(struct process_command *command, const char *name, const char *value)
{
    return value && *value ? process_command_add(command, "--%s=%s", name, value) : RESULT_OK;
}

result signer_sources_command(struct process_command *command, const struct signer_sources_options *o)
{
    bool environment = false;
    AUTO(buffer) keys = {0}, values = {0};
    if (!o->aws_enabled)
        return RESULT_OK;
    TRY(is_environment(&environment, o));
    TRY(split_tags(&keys, &values, o->aws_tags));
    if (environment)
        TRY(process_command_add(command, "--aws-environment"));
    TRY(optional(command, "aws-region", o->aws_region));
    TRY(optional(command, "aws-endpoint", o->aws_endpoint));
    TRY(optional(command, "aws-name-prefixes", o->aws_prefixes));
    TRY(optional(command, "aws-tag-keys", (const char *)keys.data));
    return optional(command, "aws-tag-values", (const char *)values.data);
}

/* The memory is the environment's or the command line's own, which may be written to. */
static void wipe_text(const char *text)
{
    if (text)
        secret_wipe((void *)(uintptr_t)text, strlen(text));
}

static must_check result take_environment(struct aws_credentials *ret_credentials)
{
    static const char *const names[] = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"};
    const char *id = getenv(names[0]), *key = getenv(names[1]), *token = getenv(names[2]);
    result r = RESULT_OK;
    if (id && *id && key && *key)
        r = aws_credentials_new(ret_credentials, id, key, token ? token : "");
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        wipe_text(getenv(names[i]));
        (void)unsetenv(names[i]);
    }
    return r.code ? error_prefix(r, "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN") : r;
}

result signer_sources_take(struct signer_sources_access *ret_access, const struct signer_sources_options *o)
{
    bool environment = true;
    TRY(take_environment(&ret_access->environment));
    if (o->aws_enabled)
        TRY(is_environment(&environment, o));
    if (!environment) {
        result r =
            aws_credentials_new(&ret_access->specified, o->aws_access_key_id, o->aws_secret_access_key, "");
        if (r.code)
            return error_prefix(r, "--aws-secrets-access-key-id, --aws-secrets-secret-access-key");
    }
    wipe_text(o->aws_secret_access_key);
    return RESULT_OK;
}

void signer_sources_access_cleanup(struct signer_sources_access *access)
{
    aws_credentials_cleanup(&access->environment);
    aws_credentials_cleanup(&access->specified);
}

static struct ipc_bytes bytes_of(const struct secret *secret)
{
    return (struct ipc_bytes){secret->data, (uint32_t)secret->length};
}

static must_check result send(int channel, const struct aws_credentials *credentials)
{
    AUTO(secret) packet = {0};
    const char *id = credentials->access_key_id;
    TRY(secret_new(&packet, IPC_PACKET_MAX));
    struct packer p = {.data = packet.data, .capacity = packet.length};
    ipc_pack_fetch_access(&p, &(struct ipc_fetch_access){{(const uint8_t *)id, (uint32_t)strlen(id)},
                                                         bytes_of(&credentials->secret_access_key),
                                                         bytes_of(&credentials->session_token)});
    TRY(pack_end(&p));
    return ipc_send(channel, p.data, p.length, -1);
}

result signer_sources_greet(void *context, int channel)
{
    const struct signer_sources_access *access = context;
    TRY(send(channel, &access->environment));
    return send(channel, &access->specified);
}
