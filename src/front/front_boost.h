/* front_boost.h - what the files of Commit-Boost share: the proxy keys there are, sorted by their delegator.
 */
#ifndef FRONT_FRONT_BOOST_H
#define FRONT_FRONT_BOOST_H

#include "front.h"
#include "ipc/ipc_proxy.h"

/* One proxy key. */
struct front_proxy {
    uint8_t delegator[48]; /* first: it is sorted by */
    enum ipc_scheme scheme;
    uint8_t pubkey[48]; /* of ECDSA 33 bytes, then zeros */
};

/* In the zero state there are none. */
struct front_proxies {
    struct front_proxy *items;
    size_t num_items, capacity;
};
void front_proxies_cleanup(struct front_proxies *proxies);

/* Adds one behind the others; sorting is front_proxies_sort's. */
must_check result front_proxies_add(struct front_proxies *proxies, const struct ipc_proxy *proxy);
void front_proxies_sort(struct front_proxies *proxies);

/* Appends the answer to get_pubkeys. keys: those served, sorted, 48 bytes each. */
must_check result front_proxies_format(struct buffer *out, const struct front_proxies *proxies,
                                       const struct buffer *keys);

#endif
