/* courier_access.c - see courier_access.h. */
#include "courier_access.h"

#include "ipc/ipc.h"
#include "ipc/ipc_store.h"

void courier_access_cleanup(struct courier_access *access)
{
    secret_cleanup(&access->name);
    secret_cleanup(&access->secret);
    secret_cleanup(&access->extra);
}

static must_check result copy(struct secret *ret_secret, struct ipc_bytes bytes)
{
    return bytes.length ? secret_copy(ret_secret, bytes.data, bytes.length) : RESULT_OK;
}

static must_check result take(struct courier_access *ret_access, const uint8_t *packet, size_t packet_len)
{
    struct ipc_message m;
    struct ipc_store_access message;
    AUTO(courier_access) access = {0};
    TRY(ipc_open(&m, packet, packet_len));
    ENSURE(m.type == IPC_STORE_ACCESS, E_PEER, "message 0x%04x instead of STORE_ACCESS", (unsigned)m.type);
    TRY(ipc_take_store_access(&message, &m));
    TRY(copy(&access.name, message.name));
    TRY(copy(&access.secret, message.secret));
    TRY(copy(&access.extra, message.extra));
    *ret_access = access;
    access = (struct courier_access){0};
    return RESULT_OK;
}

result courier_access_receive(struct courier_access *ret_access, int supervisor)
{
    AUTO(secret) packet = {0};
    size_t length = 0;
    TRY(secret_new(&packet, IPC_PACKET_MAX));
    result r = ipc_receive(supervisor, packet.data, &length, NULL);
    if (!r.code)
        r = take(ret_access, packet.data, length);
    return r.code ? error_prefix(r, "supervisor") : r;
}

static const char *text_of(const struct secret *text)
{
    return text->length ? (const char *)text->data : "";
}

result courier_access_credentials(struct aws_credentials *ret_credentials,
                                  const struct courier_access *access)
{
    return aws_credentials_new(ret_credentials, text_of(&access->name), text_of(&access->secret),
                               text_of(&access->extra));
}
