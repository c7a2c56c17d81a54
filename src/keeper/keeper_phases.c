/* keeper_phases.c - see keeper_phases.h. A phase that is gone through twice, as after an init that failed,
 * has the sum. */
#include "keeper_phases.h"

#include "base/clock.h"
#include "base/log.h"

void keeper_phases_begin(struct keeper_phases *phases)
{
    *phases = (struct keeper_phases){.since_ns = clock_monotonic_ns()};
}

void keeper_phases_spend(struct keeper_phases *phases, enum ipc_phase phase)
{
    if (phases->is_over)
        return;
    uint64_t now = clock_monotonic_ns(), sum = phases->spent.us[phase] + (now - phases->since_ns) / 1000;
    phases->spent.us[phase] = sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
    phases->since_ns = now;
}

void keeper_phases_end(struct keeper_phases *phases, uint32_t num_keys)
{
    const uint32_t *us = phases->spent.us;
    uint64_t sum = 0;
    if (phases->is_over)
        return;
    keeper_phases_spend(phases, IPC_PHASE_READY);
    phases->is_over = true;
    for (size_t i = 0; i < IPC_PHASE_END; i++)
        sum += us[i];
    log_info("ready: %u keys in %llu ms; init %u ms, attest %u ms, decrypt %u ms, load %u ms, records %u ms, "
             "ready %u ms",
             num_keys, (unsigned long long)sum / 1000, us[IPC_PHASE_INIT] / 1000, us[IPC_PHASE_ATTEST] / 1000,
             us[IPC_PHASE_DECRYPT] / 1000, us[IPC_PHASE_LOAD] / 1000, us[IPC_PHASE_RECORDS] / 1000,
             us[IPC_PHASE_READY] / 1000);
}
