/* fetcher_access.c - AWS credentials: from the supervisor, who has taken them out of its options and its
 * environment, else from AWS's shared credentials file. It is read before the sandbox closes, and anew with
 * each load, because the process is new. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_credentials_file.h"
#include "base/log.h"
#include "fetcher.h"

void fetcher_access_cleanup(struct fetcher_access *access)
{
    aws_credentials_cleanup(&access->environment);
    aws_credentials_cleanup(&access->specified);
}

static must_check result take(struct aws_credentials *ret_credentials, const uint8_t *packet,
                              size_t packet_len)
{
    struct ipc_message m;
    struct ipc_fetch_access access;
    AUTO(secret) id = {0}, key = {0}, token = {0};
    TRY(ipc_open(&m, packet, packet_len));
    ENSURE(m.type == IPC_FETCH_ACCESS, E_PEER, "message 0x%04x instead of FETCH_ACCESS", (unsigned)m.type);
    TRY(ipc_take_fetch_access(&access, &m));
    if (!access.access_key_id.length)
        return RESULT_OK;
    /* Copies end with a NUL. */
    TRY(secret_copy(&id, access.access_key_id.data, access.access_key_id.length));
    TRY(secret_copy(&key, access.secret_access_key.data, access.secret_access_key.length));
    TRY(secret_copy(&token, access.session_token.data, access.session_token.length));
    return aws_credentials_new(ret_credentials, (const char *)id.data, (const char *)key.data,
                               (const char *)token.data);
}

static must_check result receive(struct aws_credentials *ret_credentials, int channel)
{
    AUTO(secret) packet = {0};
    size_t length = 0;
    TRY(secret_new(&packet, IPC_PACKET_MAX));
    TRY(ipc_receive(channel, packet.data, &length, NULL));
    return take(ret_credentials, packet.data, length);
}

result fetcher_access_receive(struct fetcher_access *ret_access, int channel)
{
    const char *region = getenv("AWS_REGION");
    ret_access->environment_region = region && *region ? region : getenv("AWS_DEFAULT_REGION");
    TRY(receive(&ret_access->environment, channel));
    return receive(&ret_access->specified, channel);
}

void fetcher_access_complete(struct fetcher_access *access)
{
    char in_home[4096];
    const char *path = getenv("AWS_SHARED_CREDENTIALS_FILE"), *profile = getenv("AWS_PROFILE");
    const char *home = getenv("HOME");
    if (access->environment.access_key_id[0])
        return;
    (void)snprintf(in_home, sizeof in_home, "%s/.aws/credentials", home ? home : "");
    result r = aws_profile_read(&access->environment, path && *path ? path : in_home,
                                profile && *profile ? profile : "default");
    bool asked_for = (path && *path) || (profile && *profile) || r.code != E_NOT_FOUND;
    if (r.code && asked_for)
        log_warn("AWS credentials: %s", error_text());
}
