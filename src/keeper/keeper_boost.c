/* keeper_boost.c - proxy keys, in the order that keeps a promise: made and written by a loader of its own,
 * durable; then known here; then answered with its delegation. An answered proxy is there after a power cut;
 * one that was cut off before is a file too many, which the next start loads, and no module knows of.
 *
 * The maker is no load: the keys serve, reload and are managed meanwhile. Rejected: to make the secret here
 * and have it written. It would be the one secret that this process makes, and the loader has it anyway. */
#include "keeper_boost.h"

#include <string.h>
#include <sys/socket.h>

#include "keeper.h"
#include "keeper_sign.h"

result keeper_boost_load(struct keeper *k, const struct ipc_proxy_key *key)
{
    ENSURE(k->has_commit_boost, E_STATE, "there are no proxy keys");
    result r = keeper_proxies_add(&k->boost.proxies, key);
    if (r.code == E_TOO_LARGE) {
        log_error("a proxy key is left out: %s", error_text());
        return RESULT_OK;
    }
    return r;
}

void keeper_boost_tell_front(struct keeper *k)
{
    uint8_t list[IPC_PROXIES_MAX * IPC_PROXY_LEN];
    const struct keeper_proxies *proxies = &k->boost.proxies;
    uint32_t sent = 0;
    do {
        struct packer entries = {.data = list, .capacity = sizeof list};
        uint32_t left = proxies->num_entries - sent, count = left < IPC_PROXIES_MAX ? left : IPC_PROXIES_MAX;
        for (uint32_t i = 0; i < count; i++) {
            const struct keeper_proxy *proxy = &proxies->entries[sent + i];
            ipc_pack_proxy(&entries, &(struct ipc_proxy){proxy->scheme, proxy->delegator, proxy->pubkey});
        }
        struct packer p = keeper_pack(k);
        ipc_pack_proxies(
            &p, &(struct ipc_proxies){
                    .first = sent == 0, .last = count == left, .proxies = list, .num_proxies = count});
        keeper_send(&k->front, &p);
        sent += count;
    } while (sent < proxies->num_entries);
}

static void answer(struct keeper *k, uint64_t id, enum ipc_proxy_status status)
{
    struct packer p = keeper_pack(k);
    ipc_pack_proxy_made(&p, &(struct ipc_proxy_made){.id = id, .status = status});
    keeper_send(&k->front, &p);
}

static must_check result start_maker(struct keeper *k, const struct ipc_proxy_wanted *wanted)
{
    int pair[2];
    ENSURE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, E_IO, "no socket pair");
    keeper_channel_close(&k->boost.maker);
    k->boost.maker.fd = pair[0];
    struct packer p = keeper_pack(k);
    ipc_pack_empty(&p, IPC_PROXY_START);
    keeper_channel_send(&k->supervisor, &p, false, pair[1]);
    p = keeper_pack(k);
    ipc_pack_proxy_wanted(&p, wanted);
    keeper_send(&k->boost.maker, &p);
    return RESULT_OK;
}

result keeper_boost_make(struct keeper *k, const struct ipc_proxy_wanted *wanted)
{
    struct keeper_boost *boost = &k->boost;
    ENSURE(k->has_commit_boost, E_STATE, "there are no proxy keys");
    ENSURE(!boost->is_making, E_STATE, "a proxy key is wanted before the last one was made");
    if (!keeper_keys_find(k->keys, wanted->delegator)) {
        answer(k, wanted->id, IPC_PROXY_UNKNOWN_KEY);
    } else if (!keeper_proxies_have_room(&boost->proxies, wanted->delegator)) {
        answer(k, wanted->id, IPC_PROXY_TOO_MANY);
    } else if (k->store.broken || start_maker(k, wanted).code) {
        answer(k, wanted->id, IPC_PROXY_FAILED);
    } else {
        boost->is_making = true;
        boost->id = wanted->id;
        boost->scheme = wanted->scheme;
        memcpy(boost->delegator, wanted->delegator, sizeof boost->delegator);
    }
    return RESULT_OK;
}

static enum ipc_proxy_status status_of(enum ipc_answer_status status)
{
    if (status == IPC_ANSWER_SIGNED)
        return IPC_PROXY_DONE;
    return status == IPC_ANSWER_UNKNOWN_KEY ? IPC_PROXY_UNKNOWN_KEY : IPC_PROXY_FAILED;
}

result keeper_boost_take_made(struct keeper *k, const struct ipc_proxy_key *key)
{
    struct keeper_boost *boost = &k->boost;
    const struct ipc_proxy *proxy = &key->proxy;
    uint8_t signature[BLS_SIGNATURE_LEN];
    ENSURE(boost->is_making && proxy->scheme == boost->scheme &&
               memcmp(proxy->delegator, boost->delegator, sizeof boost->delegator) == 0,
           E_PEER, "a proxy key that was not asked for");
    TRY(keeper_proxies_add(&boost->proxies, key));
    struct ipc_proxy_made made = {
        .id = boost->id, .pubkey = proxy->pubkey, .signature = {signature, sizeof signature}};
    made.status = status_of(keeper_sign_delegation(k, signature, proxy));
    struct packer p = keeper_pack(k);
    ipc_pack_proxy_made(&p, &made);
    keeper_send(&k->front, &p);
    boost->is_making = false;
    keeper_channel_close(&boost->maker);
    return RESULT_OK;
}

void keeper_boost_fail(struct keeper *k)
{
    keeper_channel_close(&k->boost.maker); /* which is there while one is being made, and no longer */
    k->boost.is_making = false;
    log_error("no proxy key was made");
    answer(k, k->boost.id, IPC_PROXY_FAILED);
}
