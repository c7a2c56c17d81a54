/* ipc_proxy.c - messages of Commit-Boost's proxy keys. Public keys have one length on the wire, whatever
 * their scheme: what is behind a shorter one is zero, and is checked to be. Views point into the packet. */
#include <string.h>

#include "ipc/ipc_fields.h"
#include "ipc/ipc_proxy.h"

enum { PUBKEY_LEN = 48, ECDSA_PUBKEY_LEN = 33 };

static const uint8_t zeros[PUBKEY_LEN];

size_t ipc_scheme_pubkey_len(enum ipc_scheme scheme)
{
    return scheme == IPC_SCHEME_ECDSA ? ECDSA_PUBKEY_LEN : PUBKEY_LEN;
}

static must_check result take_scheme(enum ipc_scheme *ret_scheme, struct cursor *c, enum ipc_scheme least)
{
    uint8_t scheme = 0;
    TRY(cursor_u8(c, &scheme));
    ENSURE(scheme >= least && scheme <= IPC_SCHEME_ECDSA, E_INPUT, "scheme %u does not exist", scheme);
    *ret_scheme = (enum ipc_scheme)scheme;
    return RESULT_OK;
}

static must_check result take_pubkey(const uint8_t **ret_pubkey, struct cursor *c, enum ipc_scheme scheme)
{
    const uint8_t *pubkey = NULL;
    size_t length = ipc_scheme_pubkey_len(scheme);
    TRY(cursor_view(c, &pubkey, PUBKEY_LEN));
    ENSURE(memcmp(pubkey + length, zeros, PUBKEY_LEN - length) == 0, E_INPUT,
           "a public key is longer than its scheme's are");
    *ret_pubkey = pubkey;
    return RESULT_OK;
}

void ipc_pack_proxy(struct packer *p, const struct ipc_proxy *proxy)
{
    pack_u8(p, (uint8_t)proxy->scheme);
    pack_bytes(p, proxy->delegator, PUBKEY_LEN);
    pack_bytes(p, proxy->pubkey, PUBKEY_LEN);
}

result ipc_take_proxy(struct ipc_proxy *ret_proxy, struct cursor *c)
{
    struct ipc_proxy proxy = {0};
    TRY(take_scheme(&proxy.scheme, c, IPC_SCHEME_BLS));
    TRY(cursor_view(c, &proxy.delegator, PUBKEY_LEN));
    TRY(take_pubkey(&proxy.pubkey, c, proxy.scheme));
    *ret_proxy = proxy;
    return RESULT_OK;
}

void ipc_pack_proxies(struct packer *p, const struct ipc_proxies *proxies)
{
    ipc_begin(p, IPC_PROXIES, proxies->num_proxies);
    pack_u8(p, (uint8_t)((unsigned)proxies->first | (unsigned)proxies->last << 1));
    pack_bytes(p, proxies->proxies, (size_t)proxies->num_proxies * IPC_PROXY_LEN);
}

result ipc_take_proxies(struct ipc_proxies *ret_proxies, struct ipc_message *m)
{
    struct ipc_proxies proxies = {.num_proxies = m->count};
    uint8_t flags = 0;
    TRY(cursor_u8(&m->body, &flags));
    ENSURE(flags <= 3 && m->count <= IPC_PROXIES_MAX && m->body.left == m->count * (size_t)IPC_PROXY_LEN,
           E_INPUT, "proxies: flags or length are wrong");
    proxies.first = flags & 1;
    proxies.last = flags & 2;
    TRY(cursor_view(&m->body, &proxies.proxies, m->body.left));
    *ret_proxies = proxies;
    return RESULT_OK;
}

void ipc_pack_proxy_key(struct packer *p, const struct ipc_proxy_key *key)
{
    ipc_begin(p, IPC_PROXY_KEY, 0);
    ipc_pack_proxy(p, &key->proxy);
    pack_bytes(p, key->secret, 32);
}

result ipc_take_proxy_key(struct ipc_proxy_key *ret_key, struct ipc_message *m)
{
    struct ipc_proxy_key key = {0};
    TRY(ipc_take_count(m, 0));
    TRY(ipc_take_proxy(&key.proxy, &m->body));
    TRY(cursor_view(&m->body, &key.secret, 32));
    TRY(cursor_end(&m->body));
    *ret_key = key;
    return RESULT_OK;
}

void ipc_pack_proxy_wanted(struct packer *p, const struct ipc_proxy_wanted *wanted)
{
    ipc_begin(p, IPC_PROXY_WANTED, 0);
    pack_u64(p, wanted->id);
    pack_u8(p, (uint8_t)wanted->scheme);
    pack_bytes(p, wanted->delegator, PUBKEY_LEN);
}

result ipc_take_proxy_wanted(struct ipc_proxy_wanted *ret_wanted, struct ipc_message *m)
{
    struct ipc_proxy_wanted wanted = {0};
    TRY(ipc_take_count(m, 0));
    TRY(cursor_u64(&m->body, &wanted.id));
    TRY(take_scheme(&wanted.scheme, &m->body, IPC_SCHEME_BLS));
    TRY(cursor_view(&m->body, &wanted.delegator, PUBKEY_LEN));
    TRY(cursor_end(&m->body));
    *ret_wanted = wanted;
    return RESULT_OK;
}

void ipc_pack_proxy_made(struct packer *p, const struct ipc_proxy_made *made)
{
    bool is_done = made->status == IPC_PROXY_DONE;
    ipc_begin(p, IPC_PROXY_MADE, is_done ? made->signature.length : 0);
    pack_u64(p, made->id);
    pack_u8(p, (uint8_t)made->status);
    pack_bytes(p, is_done ? made->pubkey : zeros, PUBKEY_LEN);
    if (is_done)
        pack_bytes(p, made->signature.data, made->signature.length);
}

result ipc_take_proxy_made(struct ipc_proxy_made *ret_made, struct ipc_message *m)
{
    struct ipc_proxy_made made = {0};
    uint8_t status = 0;
    TRY(cursor_u64(&m->body, &made.id));
    TRY(cursor_u8(&m->body, &status));
    ENSURE(status <= IPC_PROXY_FAILED, E_INPUT, "proxy made: status %u does not exist", status);
    made.status = (enum ipc_proxy_status)status;
    TRY(cursor_view(&m->body, &made.pubkey, PUBKEY_LEN));
    bool is_done = made.status == IPC_PROXY_DONE;
    ENSURE(is_done || memcmp(made.pubkey, zeros, PUBKEY_LEN) == 0, E_INPUT,
           "proxy made: a public key of what was not made");
    uint32_t length = is_done ? IPC_SIGNATURE_MAX : 0;
    TRY(ipc_take_counted(&made.signature, m, length, length));
    *ret_made = made;
    return RESULT_OK;
}

void ipc_pack_boost_sign(struct packer *p, const struct ipc_boost_sign *sign)
{
    ipc_begin(p, IPC_BOOST_SIGN, 0);
    pack_u64(p, sign->id);
    pack_u8(p, (uint8_t)sign->scheme);
    pack_bytes(p, sign->pubkey, PUBKEY_LEN);
    pack_bytes(p, sign->object_root, 32);
}

result ipc_take_boost_sign(struct ipc_boost_sign *ret_sign, struct ipc_message *m)
{
    struct ipc_boost_sign sign = {0};
    TRY(ipc_take_count(m, 0));
    TRY(cursor_u64(&m->body, &sign.id));
    TRY(take_scheme(&sign.scheme, &m->body, IPC_SCHEME_CONSENSUS));
    TRY(take_pubkey(&sign.pubkey, &m->body, sign.scheme));
    TRY(cursor_view(&m->body, &sign.object_root, 32));
    TRY(cursor_end(&m->body));
    *ret_sign = sign;
    return RESULT_OK;
}
