/* ipc_table_fetch.c - the fetcher's rows; see ipc_table.h. */
#include "ipc_table.h"

#include <string.h>

#include "ipc/ipc_fetch.h"

/* Texts have no NUL. */
static struct ipc_bytes text_of(uint32_t length)
{
    static uint8_t letters[IPC_FETCH_TEXT_MAX];
    memset(letters, 'a', sizeof letters);
    return (struct ipc_bytes){letters, length};
}

void pack_fetch_access(struct packer *p)
{
    ipc_pack_fetch_access(p, &(struct ipc_fetch_access){text_of(20), text_of(40), text_of(900)});
}

void pack_no_fetch_access(struct packer *p)
{
    ipc_pack_fetch_access(p, &(struct ipc_fetch_access){text_of(0), text_of(0), text_of(0)});
}

result take_fetch_access(struct packer *again, struct ipc_message *m)
{
    struct ipc_fetch_access access;
    TRY(ipc_take_fetch_access(&access, m));
    ipc_pack_fetch_access(again, &access);
    return RESULT_OK;
}

void pack_fetch(struct packer *p)
{
    struct ipc_fetch fetch = {
        .id = 63, .kind = IPC_FETCH_VAULT, .tls = true, .http2 = true, .port = 8200, .timeout_ms = 10000};
    for (uint32_t i = 0; i < IPC_FETCH_TEXTS; i++)
        fetch.texts[i] = text_of(10 * i);
    ipc_pack_fetch(p, &fetch);
}

void pack_fetch_all(struct packer *p)
{
    struct ipc_fetch fetch = {.kind = IPC_FETCH_AWS_ALL, .environment = true};
    for (uint32_t i = 0; i < IPC_FETCH_TEXTS; i++)
        fetch.texts[i] = text_of(0);
    ipc_pack_fetch(p, &fetch);
}

result take_fetch(struct packer *again, struct ipc_message *m)
{
    struct ipc_fetch fetch;
    TRY(ipc_take_fetch(&fetch, m));
    ipc_pack_fetch(again, &fetch);
    return RESULT_OK;
}

void pack_fetched(struct packer *p)
{
    ipc_pack_fetched(p, &(struct ipc_fetched){.id = 5,
                                              .is_part = true,
                                              .name = text_of(IPC_FETCHED_NAME_MAX),
                                              .value = some(IPC_FETCHED_VALUE_MAX)});
}

void pack_fetched_failure(struct packer *p)
{
    ipc_pack_fetched(
        p, &(struct ipc_fetched){
               .id = 6, .error = E_DENIED, .is_last = true, .name = text_of(0), .value = some(IPC_TEXT_MAX)});
}

result take_fetched(struct packer *again, struct ipc_message *m)
{
    struct ipc_fetched fetched;
    TRY(ipc_take_fetched(&fetched, m));
    ipc_pack_fetched(again, &fetched);
    return RESULT_OK;
}
