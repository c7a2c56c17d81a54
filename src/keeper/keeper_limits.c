/* keeper_limits.c - epochs and slots of the clock.
 *
 * The clock is the operating system's. An enclave's follows the host, so neither limit is a defence against
 * the host: the first keeps an accident from spoiling a key for years, the second helps where the store, and
 * not the clock, was turned back. Before genesis it is epoch 0. Rejected: a clock that never goes back, made
 * here; after a wrong time far ahead it would go on to permit what lies far ahead. */
#include "keeper_limits.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"

static uint64_t slot_now(const struct eth2_network *network)
{
    uint64_t now = clock_realtime_ms() / 1000;
    return now > network->genesis_time ? (now - network->genesis_time) / network->seconds_per_slot : 0;
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t last_slot_of(const struct eth2_network *network, uint64_t epoch)
{
    uint64_t slots = eth2_slots_per_epoch(network->preset);
    return epoch > UINT64_MAX / slots - 1 ? UINT64_MAX : epoch * slots + (slots - 1);
}

void keeper_limits_begin(struct slashing_limits *limits, const struct policy *policy)
{
    const struct eth2_network *network = &policy->network;
    if (!policy->slashing_protection)
        return;
    if (policy->has_far_future && network->genesis_time == 0)
        log_warn("slashing protection: the network's genesis time is not known; no bound on future epochs");
    limits->has_floor = policy->boot_floor && network->genesis_time != 0;
    if (!limits->has_floor)
        return;
    limits->floor_slot = slot_now(network);
    limits->floor_epoch = eth2_epoch_of_slot(network, limits->floor_slot);
    log_info("slashing protection: nothing new is signed up to epoch %" PRIu64 " and slot %" PRIu64,
             limits->floor_epoch, limits->floor_slot);
}

void keeper_limits_update(struct slashing_limits *limits, const struct policy *policy)
{
    const struct eth2_network *network = &policy->network;
    limits->has_latest = policy->has_far_future && network->genesis_time != 0;
    if (!limits->has_latest)
        return;
    uint64_t epoch = eth2_epoch_of_slot(network, slot_now(network));
    limits->latest_epoch = add_saturating(epoch, policy->far_future_epochs);
    limits->latest_slot = last_slot_of(network, limits->latest_epoch);
}
