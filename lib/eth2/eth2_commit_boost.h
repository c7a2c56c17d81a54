/* eth2_commit_boost.h - what Commit-Boost's modules and their proxy keys sign. Not a kind of sign order: its
 * domain type is fixed here, and no order yields it.
 */
#ifndef ETH2_COMMIT_BOOST_H
#define ETH2_COMMIT_BOOST_H

#include "eth2/eth2_order.h"

enum { ETH2_PROXY_PUBKEY_MAX = 48 };

/* The signing root of an object: domain type 0x6d6d6f43, the network's first fork, no genesis. */
must_check result eth2_commit_boost_root(uint8_t ret_root[static ETH2_ROOT_LEN],
                                         const struct eth2_network *network,
                                         const uint8_t object_root[static ETH2_ROOT_LEN]);

/* hash_tree_root of the container {delegator, proxy}; the proxy's key has 48 bytes (BLS) or 33 (secp256k1,
 * compressed). */
void eth2_delegation_root(uint8_t ret_root[static ETH2_ROOT_LEN], const uint8_t delegator[static 48],
                          const uint8_t *proxy, size_t proxy_len);

#endif
