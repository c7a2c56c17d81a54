/* fuzz_network.c - a network's configuration file. What is accepted is a network that passes the check for
 * those from outside, and that a policy document can carry. */
#include "eth2/eth2_config.h"
#include "fuzz.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eth2_network network;
    struct policy policy = {
        .slashing_protection = true, .log_level = LOG_LEVEL_INFO, .kms_key = "none", .region = "none"};
    struct policy again;
    AUTO(buffer) text = {0};
    fuzz_forget_reason();
    if (!fuzz_accepted(eth2_network_from_yaml(&network, (const char *)data, size)))
        return 0;
    PROMISE(eth2_network_check(&network).code == 0);
    policy.network = network;
    PROMISE(policy_set_store(&policy, "sqlite:/a").code == 0);
    PROMISE(policy_format(&text, &policy).code == 0);
    PROMISE(policy_parse(&again, (const char *)text.data, text.length).code == 0);
    PROMISE(strcmp(again.network.name, network.name) == 0 && again.network.preset == network.preset);
    PROMISE(again.network.seconds_per_slot == network.seconds_per_slot);
    PROMISE(memcmp(again.network.fork_epoch, network.fork_epoch, sizeof network.fork_epoch) == 0);
    PROMISE(memcmp(again.network.fork_version, network.fork_version, sizeof network.fork_version) == 0);
    return 0;
}
