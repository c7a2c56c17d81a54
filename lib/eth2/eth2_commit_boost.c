/* eth2_commit_boost.c - see eth2_commit_boost.h. Whatever object root a module sends, and be it that of a
 * block, the domain's first four bytes are those below: a proposer's begin with 0 0 0 0, an attester's with
 * 1 0 0 0, so the root is never one that either signs. */
#include "eth2/eth2_commit_boost.h"

#include "eth2/eth2_containers.h"
#include "ssz/ssz.h"

static const uint8_t domain_type[4] = {0x6d, 0x6d, 0x6f, 0x43};
static const uint8_t no_genesis[ETH2_ROOT_LEN];

result eth2_commit_boost_root(uint8_t ret_root[static ETH2_ROOT_LEN], const struct eth2_network *network,
                              const uint8_t object_root[static ETH2_ROOT_LEN])
{
    uint8_t domain[32];
    TRY(eth2_domain(domain, domain_type, network->fork_version[ETH2_PHASE0], no_genesis));
    eth2_signing_data_root(ret_root, object_root, domain);
    return RESULT_OK;
}

void eth2_delegation_root(uint8_t ret_root[static ETH2_ROOT_LEN], const uint8_t delegator[static 48],
                          const uint8_t *proxy, size_t proxy_len)
{
    struct ssz_tree tree = {.count = 0};
    ssz_add_bytes(&tree, delegator, 48);
    ssz_add_bytes(&tree, proxy, proxy_len);
    ssz_tree_root(ret_root, &tree, 2);
}
