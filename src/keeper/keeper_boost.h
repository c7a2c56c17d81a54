/* keeper_boost.h - Commit-Boost: proxy keys come in, are made on request, and are told to the front. */
#ifndef KEEPER_BOOST_H
#define KEEPER_BOOST_H

#include "ipc/ipc_proxy.h"
#include "keeper_channel.h"
#include "keeper_proxies.h"

struct keeper;

/* The front's request for a proxy key, from PROXY_WANTED until its PROXY_MADE. */
struct keeper_boost {
    struct keeper_proxies proxies;
    struct keeper_channel maker; /* the loader that makes the key */
    bool is_making;
    uint64_t id;
    enum ipc_scheme scheme;
    uint8_t delegator[BLS_PUBKEY_LEN];
};

/* One that was loaded. */
must_check result keeper_boost_load(struct keeper *k, const struct ipc_proxy_key *key);
/* Sends the front all there are. */
void keeper_boost_tell_front(struct keeper *k);

/* From the front: has a key made. E_STATE when one is being made. */
must_check result keeper_boost_make(struct keeper *k, const struct ipc_proxy_wanted *wanted);
/* From the maker: the key, which is durable by now. */
must_check result keeper_boost_take_made(struct keeper *k, const struct ipc_proxy_key *key);
/* The maker has gone. */
void keeper_boost_fail(struct keeper *k);

#endif
