/* ipc_fetch.c - messages of the fetcher: what it may use, what the loader wants, what it got. Views point
 * into the packet; most of what they hold is secret. */
#include "ipc/ipc_fetch.h"
#include "ipc/ipc_fields.h"

void ipc_pack_fetch_access(struct packer *p, const struct ipc_fetch_access *access)
{
    ipc_begin(p, IPC_FETCH_ACCESS, 0);
    ipc_pack_text(p, access->access_key_id);
    ipc_pack_text(p, access->secret_access_key);
    ipc_pack_text(p, access->session_token);
}

result ipc_take_fetch_access(struct ipc_fetch_access *ret_access, struct ipc_message *m)
{
    struct ipc_fetch_access access = {0};
    TRY(ipc_take_count(m, 0));
    TRY(ipc_take_text(&access.access_key_id, &m->body, IPC_STORE_ACCESS_MAX));
    TRY(ipc_take_text(&access.secret_access_key, &m->body, IPC_STORE_ACCESS_MAX));
    TRY(ipc_take_text(&access.session_token, &m->body, IPC_STORE_ACCESS_MAX));
    TRY(cursor_end(&m->body));
    *ret_access = access;
    return RESULT_OK;
}

void ipc_pack_fetch(struct packer *p, const struct ipc_fetch *fetch)
{
    ipc_begin(p, IPC_FETCH, 0);
    pack_u32(p, fetch->id);
    pack_u8(p, (uint8_t)fetch->kind);
    pack_u8(p, fetch->environment);
    pack_u8(p, fetch->tls);
    pack_u8(p, fetch->http2);
    pack_u32(p, fetch->port);
    pack_u32(p, fetch->timeout_ms);
    for (size_t i = 0; i < IPC_FETCH_TEXTS; i++)
        ipc_pack_text(p, fetch->texts[i]);
}

result ipc_take_fetch(struct ipc_fetch *ret_fetch, struct ipc_message *m)
{
    struct ipc_fetch fetch = {0};
    uint8_t kind = 0;
    TRY(ipc_take_count(m, 0));
    TRY(cursor_u32(&m->body, &fetch.id));
    TRY(cursor_u8(&m->body, &kind));
    ENSURE(kind >= IPC_FETCH_AWS && kind <= IPC_FETCH_AWS_ALL, E_INPUT, "fetch: kind %u does not exist",
           kind);
    fetch.kind = (enum ipc_fetch_kind)kind;
    TRY(ipc_take_bool(&fetch.environment, &m->body));
    TRY(ipc_take_bool(&fetch.tls, &m->body));
    TRY(ipc_take_bool(&fetch.http2, &m->body));
    TRY(cursor_u32(&m->body, &fetch.port));
    TRY(cursor_u32(&m->body, &fetch.timeout_ms));
    for (size_t i = 0; i < IPC_FETCH_TEXTS; i++)
        TRY(ipc_take_text(&fetch.texts[i], &m->body, IPC_FETCH_TEXT_MAX));
    TRY(cursor_end(&m->body));
    *ret_fetch = fetch;
    return RESULT_OK;
}

void ipc_pack_fetched(struct packer *p, const struct ipc_fetched *fetched)
{
    ipc_begin(p, IPC_FETCHED, fetched->value.length);
    pack_u32(p, fetched->id);
    pack_u8(p, (uint8_t)fetched->error);
    pack_u8(p, fetched->is_part);
    pack_u8(p, fetched->is_last);
    ipc_pack_text(p, fetched->name);
    pack_bytes(p, fetched->value.data, fetched->value.length);
}

result ipc_take_fetched(struct ipc_fetched *ret_fetched, struct ipc_message *m)
{
    struct ipc_fetched fetched = {0};
    uint8_t error = 0;
    TRY(cursor_u32(&m->body, &fetched.id));
    TRY(cursor_u8(&m->body, &error));
    ENSURE(error <= E_INTERNAL, E_INPUT, "fetched: error code %u does not exist", error);
    fetched.error = (enum error_code)error;
    TRY(ipc_take_bool(&fetched.is_part, &m->body));
    TRY(ipc_take_bool(&fetched.is_last, &m->body));
    TRY(ipc_take_text(&fetched.name, &m->body, IPC_FETCHED_NAME_MAX));
    TRY(ipc_take_counted(&fetched.value, m, 0, error ? IPC_TEXT_MAX : IPC_FETCHED_VALUE_MAX));
    *ret_fetched = fetched;
    return RESULT_OK;
}
