/* keeper_phases.h - how long the parts of the first start took, measured by the process that all of them pass
 * through. */
#ifndef KEEPER_PHASES_H
#define KEEPER_PHASES_H

#include "ipc/ipc.h"

struct keeper_phases {
    uint64_t since_ns;
    struct ipc_phases spent;
    bool is_over;
};

void keeper_phases_begin(struct keeper_phases *phases);

/* What has passed since the last call is this phase's, beside what it has already. Nothing once all is over.
 */
void keeper_phases_spend(struct keeper_phases *phases, enum ipc_phase phase);

/* The signer serves for the first time: logs the whole, once. */
void keeper_phases_end(struct keeper_phases *phases, uint32_t num_keys);

#endif
