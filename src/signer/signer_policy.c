/* signer_policy.c - options become the one document that keeper and front read.
 *
 * The store's path is made absolute here, because a measured document must not depend on
 * the folder in which a program was started. */
#include "signer_policy.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eth2/eth2_config.h"

static must_check result absolute_path(char *out, size_t out_capacity, const char *path)
{
    char for_folder[PATH_MAX], for_name[PATH_MAX], folder[PATH_MAX];
    ENSURE(strlen(path) < PATH_MAX, E_INPUT, "the path is too long");
    (void)snprintf(for_folder, sizeof for_folder, "%s", path);
    (void)snprintf(for_name, sizeof for_name, "%s", path);
    ENSURE(realpath(dirname(for_folder), folder), E_INPUT, "its folder: %s", strerror(errno));
    const char *name = basename(for_name);
    int length = snprintf(out, out_capacity, "sqlite:%s/%s", strcmp(folder, "/") == 0 ? "" : folder, name);
    ENSURE(length > 0 && (size_t)length < out_capacity, E_INPUT, "the path is too long");
    return RESULT_OK;
}

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
    if (options->slashing_protection_enabled) {
        char store[POLICY_VALUE_MAX];
        r = absolute_path(store, sizeof store, options->slashing_protection_db_path);
        if (!r.code)
            r = policy_set_store(&policy, store);
        if (r.code)
            return error_prefix(r, "--slashing-protection-db-path");
    }
    return policy_format(out, &policy);
}
