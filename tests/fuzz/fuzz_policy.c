/* fuzz_policy.c - the policy document and the access document. Both have one form: a policy that is accepted
 * is written again as the same bytes, and an access document that is accepted is pinned by its digest and by
 * no other's, and the front understands it. */
#include "fuzz.h"
#include "net/net_tls_known.h"
#include "policy/policy_access.h"
#include "policy/policy_names.h"

static void try_policy(const char *text, size_t length)
{
    struct policy policy;
    uint8_t pcr[48];
    AUTO(buffer) again = {0};
    if (!fuzz_accepted(policy_parse(&policy, text, length)))
        return;
    PROMISE(eth2_network_check(&policy.network).code == 0);
    PROMISE(policy_format(&again, &policy).code == 0);
    PROMISE(again.length == length && memcmp(again.data, text, length) == 0);
    PROMISE(policy_measure(pcr, text, length).code == 0);
    PROMISE(policy_store_place(&policy));
}

/* What the front makes of it: it has readers of its own, those of the stand-alone program's options. */
static void check_front(const struct policy_access *access)
{
    AUTO(policy_names) hosts = {0}, origins = {0};
    AUTO(net_tls_known) known = {0};
    if (access->hosts.length)
        PROMISE(policy_names_parse(&hosts, "hosts", (const char *)access->hosts.data).code == 0 &&
                hosts.num_names);
    if (access->origins.length)
        PROMISE(policy_origins_parse(&origins, "origins", (const char *)access->origins.data).code == 0 &&
                origins.num_names);
    if (access->num_clients)
        PROMISE(
            net_tls_known_parse(&known, (const char *)access->clients.data, access->clients.length).code ==
            0);
    PROMISE(known.num_clients == access->num_clients);
}

static void try_access(const char *text, size_t length)
{
    AUTO(policy_access) access = {0};
    struct policy policy = {0};
    if (!fuzz_accepted(policy_access_parse(&access, text, length)))
        return;
    PROMISE(access.num_clients <= POLICY_ACCESS_CLIENTS_MAX &&
            access.num_authorities <= POLICY_ACCESS_AUTHORITIES_MAX);
    PROMISE(access.path_tokens.length % POLICY_DIGEST_LEN == 0 &&
            access.basic.length % POLICY_DIGEST_LEN == 0);
    PROMISE(access.num_clients + access.num_authorities + access.path_tokens.length + access.basic.length >
            0);
    check_front(&access);
    PROMISE(policy_set_access(&policy, text, length).code == 0 && policy.has_access);
    PROMISE(policy_check_access(&policy, text, length).code == 0);
    policy.access[31] ^= 1;
    PROMISE(policy_check_access(&policy, text, length).code == E_MISMATCH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_forget_reason();
    try_policy((const char *)data, size);
    try_access((const char *)data, size);
    return 0;
}
