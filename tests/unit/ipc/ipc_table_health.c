/* ipc_table_health.c - the rows of what the keeper says of itself; see ipc_table.h. */
#include "ipc_table.h"

#include <string.h>

void pack_health(struct packer *p)
{
    ipc_pack_health(p, &(struct ipc_health){.store_ok = true, .keys = 3, .failed = 4});
}

void pack_health_by_source(struct packer *p)
{
    ipc_pack_health(p, &(struct ipc_health){.store_ok = true, .keys = 3, .failed = 4, .counts = by_source});
}

static struct ipc_failed_keys failed_keys(uint32_t num)
{
    struct ipc_failed_keys failed = {.num = num};
    memcpy(failed.pubkeys, pattern, sizeof failed.pubkeys);
    return failed;
}

void pack_health_with_names(struct packer *p)
{
    ipc_pack_health(
        p, &(struct ipc_health){.keys = 3, .failed = 4, .failed_keys = failed_keys(2), .counts = by_source});
}

result take_health(struct packer *again, struct ipc_message *m)
{
    struct ipc_health health;
    TRY(ipc_take_health(&health, m));
    ipc_pack_health(again, &health);
    return RESULT_OK;
}

void pack_status(struct packer *p)
{
    struct ipc_status status = {.state = IPC_FAILED_STATE, .keys = 9, .failed = 1, .store_ok = true};
    memset(status.pcr0, 0xa0, 48);
    memset(status.pcr16, 0xa1, 48);
    ipc_pack_status(p, &status);
}

void pack_status_with_names(struct packer *p)
{
    struct ipc_status status = {
        .state = IPC_SERVE_STATE, .keys = 9, .failed = 99, .failed_keys = failed_keys(IPC_FAILED_KEYS_MAX)};
    ipc_pack_status(p, &status);
}

result take_status(struct packer *again, struct ipc_message *m)
{
    struct ipc_status status;
    TRY(ipc_take_status(&status, m));
    ipc_pack_status(again, &status);
    return RESULT_OK;
}
