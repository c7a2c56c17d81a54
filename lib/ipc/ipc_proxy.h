/* ipc_proxy.h - Commit-Boost's messages, PROTOCOL.ipc section 6. A proxy signs in the place of the validator
 * that has delegated to it; the validator's own key is the consensus key. Pointers point into the packet.
 */
#ifndef IPC_IPC_PROXY_H
#define IPC_IPC_PROXY_H

#include "ipc/ipc.h"

enum ipc_scheme { IPC_SCHEME_CONSENSUS, IPC_SCHEME_BLS, IPC_SCHEME_ECDSA };
struct ipc_proxy {
    enum ipc_scheme scheme;   /* BLS or ECDSA */
    const uint8_t *delegator; /* 48 */
    const uint8_t *pubkey;    /* 48; of ECDSA 33, compressed, then zeros */
};
/* How long a public key of that scheme is. */
size_t ipc_scheme_pubkey_len(enum ipc_scheme scheme);

/* PROXIES: num_proxies x IPC_PROXY_LEN bytes; of each the form is checked by ipc_take_proxy. */
struct ipc_proxies {
    bool first, last;
    const uint8_t *proxies;
    uint32_t num_proxies;
};
void ipc_pack_proxies(struct packer *p, const struct ipc_proxies *proxies);
must_check result ipc_take_proxies(struct ipc_proxies *ret_proxies, struct ipc_message *m);
void ipc_pack_proxy(struct packer *p, const struct ipc_proxy *proxy);
must_check result ipc_take_proxy(struct ipc_proxy *ret_proxy, struct cursor *c);

/* PROXY_KEY: with its secret, 32 bytes. */
struct ipc_proxy_key {
    struct ipc_proxy proxy;
    const uint8_t *secret;
};
void ipc_pack_proxy_key(struct packer *p, const struct ipc_proxy_key *key);
must_check result ipc_take_proxy_key(struct ipc_proxy_key *ret_key, struct ipc_message *m);

/* PROXY_WANTED: from the front to the keeper, and on to the loader. */
struct ipc_proxy_wanted {
    uint64_t id;
    enum ipc_scheme scheme;   /* BLS or ECDSA */
    const uint8_t *delegator; /* 48 */
};
void ipc_pack_proxy_wanted(struct packer *p, const struct ipc_proxy_wanted *wanted);
must_check result ipc_take_proxy_wanted(struct ipc_proxy_wanted *ret_wanted, struct ipc_message *m);

/* PROXY_MADE: the delegation's signature by the consensus key, IPC_SIGNATURE_MAX bytes; without DONE the
 * public key is zero and there is no signature. */
enum ipc_proxy_status { IPC_PROXY_DONE, IPC_PROXY_UNKNOWN_KEY, IPC_PROXY_TOO_MANY, IPC_PROXY_FAILED };
struct ipc_proxy_made {
    uint64_t id;
    enum ipc_proxy_status status;
    const uint8_t *pubkey; /* 48 as in struct ipc_proxy */
    struct ipc_bytes signature;
};
void ipc_pack_proxy_made(struct packer *p, const struct ipc_proxy_made *made);
must_check result ipc_take_proxy_made(struct ipc_proxy_made *ret_made, struct ipc_message *m);

/* BOOST_SIGN: an object's root, which the keeper combines with Commit-Boost's domain. */
struct ipc_boost_sign {
    uint64_t id;
    enum ipc_scheme scheme;
    const uint8_t *pubkey;      /* 48 as in struct ipc_proxy */
    const uint8_t *object_root; /* 32 */
};
void ipc_pack_boost_sign(struct packer *p, const struct ipc_boost_sign *sign);
must_check result ipc_take_boost_sign(struct ipc_boost_sign *ret_sign, struct ipc_message *m);

#endif
