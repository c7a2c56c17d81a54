/* fetcher_answer.c - see fetcher_answer.h. */
#include "fetcher_answer.h"

#include <string.h>

enum { OVERHEAD = IPC_HEADER_LEN + 11 + IPC_FETCHED_NAME_MAX };

static struct ipc_bytes bytes_of(const char *text, size_t length_max)
{
    return (struct ipc_bytes){(const uint8_t *)text, (uint32_t)strnlen(text, length_max)};
}

static must_check result send(int loader, const struct ipc_fetched *fetched)
{
    AUTO(secret) packet = {0};
    TRY(secret_new(&packet, OVERHEAD + fetched->value.length));
    struct packer p = {.data = packet.data, .capacity = packet.length};
    ipc_pack_fetched(&p, fetched);
    TRY(pack_end(&p));
    return ipc_send(loader, p.data, p.length, -1);
}

result fetcher_answer_value(int loader, uint32_t id, const char *name, const struct secret *value,
                            bool is_last)
{
    struct ipc_fetched fetched = {.id = id, .name = bytes_of(name, IPC_FETCHED_NAME_MAX)};
    for (size_t at = 0; at == 0 || at < value->length; at += IPC_FETCHED_VALUE_MAX) {
        size_t left = value->length - at;
        fetched.is_part = left > IPC_FETCHED_VALUE_MAX;
        fetched.is_last = is_last && !fetched.is_part;
        fetched.value = (struct ipc_bytes){value->data + at, fetched.is_part ? (uint32_t)IPC_FETCHED_VALUE_MAX
                                                                             : (uint32_t)left};
        TRY(send(loader, &fetched));
    }
    return RESULT_OK;
}

result fetcher_answer_failure(int loader, const struct ipc_fetched *failed, const char *text)
{
    struct ipc_fetched fetched = *failed;
    fetched.value = bytes_of(text, IPC_TEXT_MAX);
    return send(loader, &fetched);
}

result fetcher_answer_outcome(int loader, uint32_t id, result outcome, const struct secret *value)
{
    const struct ipc_fetched failed = {.id = id, .error = (enum error_code)outcome.code, .is_last = true};
    return outcome.code ? fetcher_answer_failure(loader, &failed, error_text())
                        : fetcher_answer_value(loader, id, "", value, true);
}

result fetcher_answer_end(int loader, uint32_t id)
{
    return send(loader, &(struct ipc_fetched){.id = id, .is_last = true});
}
