/* signer_store.c - see signer_store.h.
 *
 * Secrets go to the courier through a socket, never through its command line or environment, which other
 * processes of the user can read. A password on our own command line is its owner's choice; Web3Signer has
 * that option. */
#include "signer_store.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_credentials_file.h"
#include "base/file_watch.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/secret_text.h"
#include "ipc/ipc_store.h"
#include "slashing/slashing_postgresql_url.h"

enum { PASSWORD_FILE_MAX = 4096 };

static must_check result check_dynamodb(const struct signer_store_options *o)
{
    const struct {
        const char *name, *value;
        bool optional;
    } rest[] = {{"slashing-protection-dynamodb-region", o->region, false},
                {"slashing-protection-dynamodb-key-file", o->key_file, true},
                {"slashing-protection-dynamodb-identity", o->identity, true},
                {"aws-credentials-file", o->credentials_file, false}};
    for (size_t i = 0; i < ARRAY_LENGTH(rest); i++) {
        ENSURE(o->table || !rest[i].value, E_INPUT,
               "--slashing-protection-dynamodb-table: required with --%s", rest[i].name);
        ENSURE(!o->table || rest[i].value || rest[i].optional, E_INPUT,
               "--%s: required with --slashing-protection-dynamodb-table", rest[i].name);
    }
    ENSURE(!o->identity || o->key_file, E_INPUT,
           "--slashing-protection-dynamodb-key-file: required with --slashing-protection-dynamodb-identity");
    return RESULT_OK;
}

/* signer_store_check_url has the rest. */
static bool is_postgresql(const char *url)
{
    static const char *const schemes[] = {"jdbc:postgresql://", "postgresql://", "postgres://"};
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
            return true;
    }
    return false;
}

result signer_store_check(const struct signer_store_options *o, bool enabled)
{
    int num = (o->path != NULL) + (o->url != NULL) + (o->table != NULL);
    ENSURE(!enabled || num > 0, E_INPUT,
           "--slashing-protection-db-path: required: the file that remembers what was signed (made when "
           "absent); or "
           "--slashing-protection-db-url or --slashing-protection-dynamodb-table; only "
           "--slashing-protection-enabled=false goes without");
    ENSURE(num <= 1, E_INPUT,
           "--slashing-protection-db-path, --slashing-protection-db-url, "
           "--slashing-protection-dynamodb-table: only "
           "one of them can be given");
    ENSURE(o->url || (!o->username && !o->password && !o->password_file), E_INPUT,
           "--slashing-protection-db-url: required with its username or password");
    ENSURE(!o->url || is_postgresql(o->url), E_INPUT,
           "--slashing-protection-db-url: must begin with jdbc:postgresql:// or postgresql://");
    ENSURE(!o->password || !o->password_file, E_INPUT,
           "--slashing-protection-db-password-file: cannot be given together with "
           "--slashing-protection-db-password");
    return check_dynamodb(o);
}

/* Read and forgotten: what connects reads it again. */
result signer_store_check_url(const struct signer_store_options *o)
{
    AUTO(slashing_postgresql_settings) settings = {0};
    result r = o->url ? slashing_postgresql_parse_url(&settings, o->url) : RESULT_OK;
    ENSURE(r.code != E_TOO_LARGE, E_INPUT, "--slashing-protection-db-url: %s", error_text());
    return r.code ? error_prefix(r, "--slashing-protection-db-url") : r;
}

static must_check result absolute_path(char *out, size_t out_capacity, const char *path)
{
    char for_folder[PATH_MAX], for_name[PATH_MAX], folder[PATH_MAX];
    ENSURE(strlen(path) < PATH_MAX, E_INPUT, "the path is too long");
    (void)snprintf(for_folder, sizeof for_folder, "%s", path);
    (void)snprintf(for_name, sizeof for_name, "%s", path);
    ENSURE(realpath(dirname(for_folder), folder), E_INPUT, "its folder: %s", strerror(errno));
    const char *name = basename(for_name);
    int length = snprintf(out, out_capacity, "sqlite:%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
    ENSURE(length > 0 && (size_t)length < out_capacity, E_INPUT, "the path is too long");
    return RESULT_OK;
}

static must_check result set_sqlite(struct policy *policy, const char *path)
{
    char store[POLICY_VALUE_MAX];
    result r = absolute_path(store, sizeof store, path);
    if (!r.code)
        r = policy_set_store(policy, store);
    return r.code ? error_prefix(r, "--slashing-protection-db-path") : r;
}

static must_check result set_dynamodb(struct policy *policy, const struct signer_store_options *o)
{
    char store[POLICY_VALUE_MAX];
    int length = snprintf(store, sizeof store, "dynamodb:%s", o->table);
    ENSURE(length > 0 && (size_t)length < sizeof store, E_INPUT,
           "--slashing-protection-dynamodb-table: is too long");
    result r = policy_set_store(policy, store);
    if (r.code)
        return error_prefix(r, "--slashing-protection-dynamodb-table");
    policy->has_store_identity = o->identity != NULL;
    if (o->identity)
        r = hex_decode(policy->store_identity, sizeof policy->store_identity, o->identity,
                       strlen(o->identity));
    if (r.code)
        return error_prefix(r, "--slashing-protection-dynamodb-identity");
    length = snprintf(policy->region, sizeof policy->region, "%s", o->region);
    ENSURE(length > 0 && (size_t)length < sizeof policy->region, E_INPUT,
           "--slashing-protection-dynamodb-region: must be the name of a region");
    return RESULT_OK;
}

static must_check result set_mode(struct policy *policy, const char *mode)
{
    if (!mode)
        return RESULT_OK;
    bool single = strcmp(mode, "single") == 0;
    ENSURE(single || strcmp(mode, "fleet") == 0, E_INPUT,
           "--slashing-protection-mode: must be single or fleet");
    ENSURE(policy->store_kind == POLICY_STORE_DYNAMODB || single == policy->single_mode, E_INPUT,
           "--slashing-protection-mode: must be %s with this store",
           policy->single_mode ? "single" : "fleet");
    policy->single_mode = single;
    return RESULT_OK;
}

result signer_store_policy(struct policy *policy, const struct signer_store_options *o)
{
    if (o->path)
        TRY(set_sqlite(policy, o->path));
    else if (o->url)
        TRY(policy_set_store(policy, "postgresql"));
    else
        TRY(set_dynamodb(policy, o));
    return set_mode(policy, o->mode);
}

bool signer_store_is_remote(const struct signer_store_options *o)
{
    return o->url || o->table;
}

static struct ipc_bytes bytes_of(const char *text)
{
    return (struct ipc_bytes){(const uint8_t *)text, text ? (uint32_t)strlen(text) : 0};
}

/* All three are at most IPC_STORE_ACCESS_MAX bytes long; the packet is wiped. */
static must_check result send_access(int courier, const struct ipc_store_access *access)
{
    AUTO(secret) packet = {0};
    TRY(secret_new(&packet, IPC_PACKET_MAX));
    struct packer p = {.data = packet.data, .capacity = packet.length};
    ipc_pack_store_access(&p, access);
    TRY(pack_end(&p));
    return ipc_send(courier, p.data, p.length, -1);
}

static must_check result send_credentials(const struct signer_store_access *access)
{
    AUTO(aws_credentials) c = {0};
    TRY(aws_credentials_read(&c, access->options->credentials_file));
    const struct ipc_store_access message = {
        .name = bytes_of(c.access_key_id),
        .secret = {c.secret_access_key.data, (uint32_t)c.secret_access_key.length},
        .extra = {c.session_token.data, (uint32_t)c.session_token.length}};
    return send_access(access->courier, &message);
}

result signer_store_password(struct secret *ret_password, const struct signer_store_options *o)
{
    AUTO(secret) password = {0};
    if (!o->password && !o->password_file)
        return RESULT_OK;
    if (o->password)
        return secret_copy(ret_password, o->password, strlen(o->password));
    result r = secret_read_file(&password, o->password_file, PASSWORD_FILE_MAX);
    if (r.code)
        return error_prefix(r, "--slashing-protection-db-password-file");
    secret_truncate(&password, secret_line_length(&password));
    *ret_password = password;
    password = (struct secret){0};
    return RESULT_OK;
}

static must_check result send_database(const struct signer_store_access *access)
{
    const struct signer_store_options *o = access->options;
    AUTO(secret) password = {0};
    ENSURE(strlen(o->url) <= IPC_STORE_ACCESS_MAX, E_INPUT, "--slashing-protection-db-url: is too long");
    TRY(signer_store_password(&password, o));
    const struct ipc_store_access message = {.name = bytes_of(o->username),
                                             .secret = {password.data, (uint32_t)password.length},
                                             .extra = bytes_of(o->url)};
    return send_access(access->courier, &message);
}

void signer_store_access_cleanup(struct signer_store_access *access)
{
    fd_auto_close(&access->courier);
    fd_auto_close(&access->watch);
}

static must_check result open_access(struct signer_store_access *access)
{
    const struct signer_store_options *o = access->options;
    if (o->url)
        return send_database(access);
    /* Watched first: a change while we read is seen again. */
    result r = file_watch_open(&access->watch, o->credentials_file);
    if (!r.code)
        r = send_credentials(access);
    return r.code ? error_prefix(r, "--aws-credentials-file") : r;
}

result signer_store_open(struct signer_store_access *ret_access, int *ret_end,
                         const struct signer_store_options *o)
{
    int pair[2];
    AUTO(signer_store_access) access = {.options = o, .courier = -1, .watch = -1};
    TRY(process_socketpair(pair));
    access.courier = pair[0];
    AUTO_FD end = pair[1];
    TRY(open_access(&access));
    *ret_access = access;
    access = (struct signer_store_access){.courier = -1, .watch = -1};
    *ret_end = fd_take(&end);
    return RESULT_OK;
}

result signer_store_refresh(void *pointer)
{
    const struct signer_store_access *access = pointer;
    if (!file_watch_changed(access->watch, access->options->credentials_file))
        return RESULT_OK;
    result r = send_credentials(access);
    if (r.code == E_PEER)
        return error_prefix(r, "the courier's channel");
    if (r.code)
        log_warn("--aws-credentials-file: %s; the old credentials stay", error_text());
    return RESULT_OK;
}
