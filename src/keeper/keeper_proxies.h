/* keeper_proxies.h - proxy keys of Commit-Boost: which there are, whose they are, and their secrets. */
#ifndef KEEPER_PROXIES_H
#define KEEPER_PROXIES_H

#include "base/secret.h"
#include "bls/bls.h"
#include "ipc/ipc.h"
#include "ipc/ipc_proxy.h"

struct keeper_proxy {
    enum ipc_scheme scheme;
    uint8_t delegator[BLS_PUBKEY_LEN];
    uint8_t pubkey[BLS_PUBKEY_LEN]; /* of ECDSA 33 bytes, then zeros */
};

enum { KEEPER_PROXY_CHUNKS_MAX = (IPC_PROXIES_IN_ALL_MAX + 126) / 127 };

/* In the zero state there are none. A key that came stays until the end. */
struct keeper_proxies {
    struct keeper_proxy *entries;
    uint32_t num_entries, capacity;
    struct secret chunks[KEEPER_PROXY_CHUNKS_MAX]; /* the secrets, 127 in each */
};
void keeper_proxies_cleanup(struct keeper_proxies *proxies);

/* Adds a key; one that is there already is left out, which is no failure. E_MISMATCH when the public key is
 * not the secret's, E_TOO_LARGE when there are as many as there may be, E_MEMORY when the secure heap is
 * full. */
must_check result keeper_proxies_add(struct keeper_proxies *proxies, const struct ipc_proxy_key *key);

/* NULL when there is none. The effort grows with IPC_PROXIES_IN_ALL_MAX at most. */
const struct keeper_proxy *keeper_proxies_find(const struct keeper_proxies *proxies, enum ipc_scheme scheme,
                                               const uint8_t pubkey[static BLS_PUBKEY_LEN]);
/* 32 bytes in the secure heap. */
const uint8_t *keeper_proxies_secret(const struct keeper_proxies *proxies, const struct keeper_proxy *proxy);

/* Whether one more may be made for this consensus key. */
bool keeper_proxies_have_room(const struct keeper_proxies *proxies,
                              const uint8_t delegator[static BLS_PUBKEY_LEN]);

#endif
