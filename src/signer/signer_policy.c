/* signer_policy.c - options become the one document that keeper and front read.
 *
 * The store's path is made absolute here, because a measured document must not depend on
 * the folder in which a program was started. */
#include "signer_policy.h"

#include "eth2/eth2_config.h"

result signer_policy(struct buffer *out, const struct signer_options *options)
{
    struct policy policy = {.slashing_protection = options->slashing_protection_enabled,
                            .store = "none",
                            .single_mode = true,
                            .boot_floor = options->boot_floor,
                            .kms_key = "none",
                            .region = "none",
                            .log_level = options->log_level};
    TRY(eth2_network_of_option(&policy.network, options->network));
    result r = policy_set_far_future(&policy, options->far_future_epochs);
    if (r.code)
        return error_prefix(r, "--slashing-protection-far-future-epochs");
    if (options->slashing_protection_enabled)
        TRY(signer_store_policy(&policy, &options->store));
    return policy_format(out, &policy);
}
