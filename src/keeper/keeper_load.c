/* keeper_load.c - keys on their way in, through a loader that lives for one batch.
 *
 * The new set is built beside the one that serves and takes its place only when it is complete.
 * A loader that dies, lies about a public key or breaks the protocol costs this load and nothing
 * else. Rejected: adding keys to the serving set as they come, where an aborted reload would leave
 * a mixture. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/hex.h"
#include "keeper.h"

enum { KEYS_WORTH_A_TABLE = 16, REFUSED_MAX = IPC_LOAD_KEYS_MAX };

void keeper_load_cleanup(struct keeper_load *load)
{
    keeper_keys_free(load->keys);
    bls_fixed_base_free(load->base);
    free(load->gone);
    secret_cleanup(&load->tls);
    secret_cleanup(&load->store_key);
    *load = (struct keeper_load){0};
}

/* Asks the supervisor for a loader on the other end of a new pair. */
result keeper_load_start_loader(struct keeper *k, enum ipc_type start)
{
    int pair[2];
    ENSURE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, E_IO, "no socket pair");
    keeper_channel_close(&k->loader);
    k->loader.fd = pair[0];
    keeper_load_heard(k);
    struct packer p = keeper_pack(k);
    ipc_pack_empty(&p, start);
    keeper_channel_send(&k->supervisor, &p, false, pair[1]);
    return RESULT_OK;
}

static must_check result send_recipient_key(struct keeper *k)
{
    AUTO(secret) der = {0}, packet = {0};
    TRY(keeper_attest_export_key(&der, k));
    TRY(secret_new(&packet, IPC_HEADER_LEN + der.length));
    struct packer p = {.data = packet.data, .capacity = packet.length};
    ipc_pack_bytes_message(&p, IPC_RECIPIENT_KEY, (struct ipc_bytes){der.data, (uint32_t)der.length});
    keeper_channel_send(&k->loader, &p, true, -1);
    return RESULT_OK;
}

result keeper_load_prepare(struct keeper *k, bool add)
{
    TRY(keeper_keys_new(&k->load.keys));
    if (add && k->keys)
        TRY(keeper_keys_add_all(k->load.keys, k->keys));
    TRY(keeper_load_start_loader(k, IPC_LOADER_START));
    return k->standalone ? RESULT_OK : send_recipient_key(k);
}

void keeper_load_begin(struct keeper *k, bool add)
{
    keeper_load_cleanup(&k->load);
    k->load.sent_all = k->standalone;
    keeper_set_state(k, IPC_LOAD_STATE);
    if (keeper_load_prepare(k, add).code)
        keeper_load_fail(k, error_text());
}

void keeper_load_record(struct keeper *k, const struct ipc_record *record)
{
    k->load.num_records++;
    struct packer p = keeper_pack(k);
    ipc_pack_record(&p, record);
    keeper_send(&k->loader, &p); /* dropped when the load has failed and there is no loader */
}

void keeper_load_sealed(struct keeper *k, const struct ipc_sealed_keys *sealed)
{
    k->load.num_records += sealed->num_keys;
    struct packer p = keeper_pack(k);
    ipc_pack_sealed_keys(&p, sealed);
    keeper_send(&k->loader, &p);
}

result keeper_load_records_end(struct keeper *k, uint32_t num_records)
{
    ENSURE(!k->load.sent_all && num_records == k->load.num_records, E_PEER, "ends %u records after %u",
           num_records, k->load.num_records);
    k->load.sent_all = true;
    keeper_phases_spend(&k->phases, IPC_PHASE_DECRYPT);
    if (k->load.failed) {
        keeper_load_finish(k, false);
        return RESULT_OK;
    }
    struct packer p = keeper_pack(k);
    ipc_pack_load_end(&p, num_records);
    keeper_send(&k->loader, &p);
    return RESULT_OK;
}

void keeper_load_abort(struct keeper *k)
{
    if (k->load.listening_awaited)
        return; /* too late: the new keys are in force and the front is about to listen */
    k->load.sent_all = true;
    keeper_load_fail(k, k->load.failed ? k->load.why : "aborted");
}

static must_check result take_managed(struct keeper *k, const struct ipc_loaded_key *keys, uint32_t num)
{
    for (uint32_t i = 0; i < num; i++)
        TRY(keeper_manage_take_key(k, &keys[i]));
    return RESULT_OK;
}

result keeper_load_take_keys(struct keeper *k, const struct ipc_loaded_key *keys, uint32_t num)
{
    struct keeper_new_key list[IPC_LOADED_KEYS_MAX];
    if (k->load.managed)
        return take_managed(k, keys, num);
    if (num >= KEYS_WORTH_A_TABLE && !k->load.base)
        TRY(bls_fixed_base_new(&k->load.base));
    for (uint32_t i = 0; i < num; i++)
        list[i] = (struct keeper_new_key){.secret = keys[i].secret, .pubkey = keys[i].pubkey};
    TRY(keeper_keys_add_many(k->load.keys, list, num, k->load.base, k->pool));
    for (uint32_t i = 0; i < num; i++)
        if (!list[i].added)
            log_info("record %u: its key is there already", keys[i].index);
    k->load.num_keys += num;
    return RESULT_OK;
}

result keeper_load_tls(struct keeper *k, const struct ipc_tls *tls)
{
    size_t length =
        IPC_HEADER_LEN + IPC_DIGEST_LEN + 8 + (size_t)tls->private_key.length + tls->certificates.length;
    secret_cleanup(&k->load.tls);
    TRY(secret_new(&k->load.tls, length));
    struct packer p = {.data = k->load.tls.data, .capacity = length};
    ipc_pack_tls(&p, tls);
    memcpy(k->load.tls_spki_digest, tls->spki_digest, sizeof k->load.tls_spki_digest);
    return pack_end(&p);
}

result keeper_load_store_key(struct keeper *k, const uint8_t key[static IPC_STORE_KEY_LEN])
{
    secret_cleanup(&k->load.store_key);
    return secret_copy(&k->load.store_key, key, IPC_STORE_KEY_LEN);
}

/* The host says whose key it is; that is a label, and nothing is decided by it. */
static void tell_failure(struct keeper *k, const struct ipc_record_failed *failed)
{
    struct ipc_failed_keys *keys = &k->load.failed_keys;
    char label[2 * BLS_PUBKEY_LEN + 6] = "";
    if (failed->pubkey) {
        memcpy(label, " (", 2);
        hex_encode_0x(label + 2, failed->pubkey, BLS_PUBKEY_LEN);
        memcpy(label + 2 * BLS_PUBKEY_LEN + 4, ")", 2);
    }
    if (failed->pubkey && keys->num < IPC_FAILED_KEYS_MAX)
        memcpy(keys->pubkeys[keys->num++], failed->pubkey, BLS_PUBKEY_LEN);
    log_warn("record %u%s: %s: %.*s", failed->index, label, error_name((int)failed->error),
             (int)failed->text.length, (const char *)failed->text.data);
}

void keeper_load_record_failed(struct keeper *k, const struct ipc_record_failed *failed)
{
    if (k->load.managed) {
        keeper_manage_take_failure(k, failed);
        return;
    }
    k->load.num_failed++;
    tell_failure(k, failed);
}

result keeper_load_record_refused(struct keeper *k, const struct ipc_record_failed *failed)
{
    ENSURE(!k->load.sent_all && k->load.num_refused < REFUSED_MAX, E_PEER, "a refused record too many");
    k->load.num_refused++;
    tell_failure(k, failed);
    return RESULT_OK;
}

/* What a key was known to have signed stays known, and so does what is under way for it. */
static void take_over(struct keeper *k)
{
    for (uint32_t i = 0; i < keeper_keys_count(k->load.keys); i++) {
        struct keeper_key *key = keeper_keys_at(k->load.keys, i);
        const struct keeper_key *old = k->keys ? keeper_keys_find(k->keys, key->pubkey) : NULL;
        uint32_t index = key->index;
        if (old) {
            *key = *old;
            key->index = index;
        }
    }
}

/* Of keys that serve no more: should they come back in this run, the store has to know as much of them. Not
 * that they were disabled: whoever has them now may have enabled them. */
static must_check result retire(struct keeper *k)
{
    if (!k->retired)
        TRY(keeper_keys_new(&k->retired));
    for (uint32_t i = 0; k->keys && i < keeper_keys_count(k->keys); i++) {
        struct keeper_key key = *keeper_keys_at(k->keys, i);
        key.record.disabled = false;
        if (!keeper_keys_find(k->load.keys, key.pubkey))
            TRY(keeper_keys_remember(k->retired, &key));
    }
    return RESULT_OK;
}

bool keeper_load_swap(struct keeper *k)
{
    if (retire(k).code) {
        keeper_load_fail(k, error_text());
        return false;
    }
    take_over(k);
    keeper_keys_free(k->keys);
    k->keys = TAKE(k->load.keys);
    return true;
}

void keeper_load_serve(struct keeper *k)
{
    bool first = !k->keys;
    keeper_phases_spend(&k->phases, IPC_PHASE_RECORDS);
    if (!keeper_load_swap(k))
        return;
    if (!k->load.managed)
        k->counts = k->load.counts;
    k->num_failed = k->load.num_failed + k->load.num_refused;
    k->failed_keys = k->load.failed_keys;
    if (k->load.tls.data)
        memcpy(k->tls_spki_digest, k->load.tls_spki_digest, sizeof k->tls_spki_digest);
    if (first)
        keeper_limits_begin(&k->store.limits, &k->policy);
    keeper_tell_front(k, &k->load.tls, first);
    secret_cleanup(&k->load.tls);
    if (first)
        k->load.listening_awaited = true;
    else
        keeper_load_finish(k, true);
}

static must_check result check_complete(const struct keeper *k)
{
    ENSURE(k->standalone || keeper_keys_count(k->load.keys) > 0, E_NOT_FOUND, "no key could be loaded");
    ENSURE(k->standalone || k->keys || k->load.tls.data, E_NOT_FOUND, "no TLS key could be loaded");
    return RESULT_OK;
}

result keeper_load_loader_end(struct keeper *k, const struct ipc_loader_end *end)
{
    ENSURE(k->load.sent_all, E_PEER, "ends before the records do");
    if (k->load.managed)
        return keeper_manage_take_end(k, end->keys, end->failed);
    ENSURE(end->keys == k->load.num_keys && end->failed == k->load.num_failed, E_PEER,
           "counts %u keys and %u failures, sent %u and %u", end->keys, end->failed, k->load.num_keys,
           k->load.num_failed);
    k->load.counts = end->counts;
    keeper_phases_spend(&k->phases, IPC_PHASE_LOAD);
    keeper_channel_close(&k->loader);
    bls_fixed_base_free(TAKE(k->load.base));
    if (check_complete(k).code || (k->load.is_reload && keeper_reload_list_gone(k).code))
        keeper_load_fail(k, error_text());
    else
        keeper_start_begin(k);
    return RESULT_OK;
}

void keeper_load_fail(struct keeper *k, const char *why)
{
    char text[sizeof k->load.why];
    (void)snprintf(text, sizeof text, "%s", why);
    memcpy(k->load.why, text, sizeof text);
    keeper_start_cancel(k);
    keeper_channel_close(&k->loader);
    keeper_keys_free(TAKE(k->load.keys));
    secret_cleanup(&k->load.tls);
    secret_cleanup(&k->load.store_key);
    if (!k->load.failed)
        log_error("load failed: %s", text);
    k->load.failed = true;
    if (k->standalone && !k->keys)
        keeper_end(k, 1);
    else if (k->load.sent_all)
        keeper_load_finish(k, false);
}

/* ---- limits in time ---- */

/* A reload as a whole has its time, as Web3Signer's. A first load of ten thousand keystores may take an hour:
 * it may, as long as it goes on. */
void keeper_load_heard(struct keeper *k)
{
    if (!k->load.is_reload)
        k->load.deadline_ns = clock_monotonic_ns() + k->reload_timeout_seconds * UINT64_C(1000000000);
}

uint64_t keeper_load_deadline_ns(const struct keeper *k)
{
    bool loads = k->standalone && k->loader.fd >= 0; /* in an enclave it may be waiting for the courier */
    return k->load.is_reload || loads ? k->load.deadline_ns : UINT64_MAX;
}

void keeper_load_expire(struct keeper *k)
{
    if (clock_monotonic_ns() < keeper_load_deadline_ns(k))
        return;
    struct packer p = keeper_pack(k);
    ipc_pack_empty(&p, IPC_LOADER_STOP);
    keeper_send(&k->supervisor, &p);
    keeper_load_fail(k, k->load.is_reload
                            ? "it took longer than --reload-timeout"
                            : "no key was loaded, and none failed, for longer than --reload-timeout");
}

void keeper_load_finish(struct keeper *k, bool ok)
{
    uint32_t failed = k->load.num_failed + k->load.num_refused;
    bool managed = k->load.managed, is_reload = k->load.is_reload;
    char why[sizeof k->load.why];
    memcpy(why, k->load.why, sizeof why);
    keeper_load_cleanup(&k->load);
    keeper_set_state(k, k->keys ? IPC_SERVE_STATE : IPC_ATTEST_STATE);
    if (k->keys)
        keeper_phases_end(&k->phases, keeper_keys_count(k->keys));
    if (managed)
        keeper_manage_answer(k, why);
    if (is_reload)
        keeper_reload_answer(k, ok, failed, why);
    if (k->standalone)
        return; /* the courier did not ask for this load */
    struct ipc_load_result answer = {
        .ok = ok, .keys = k->keys ? keeper_keys_count(k->keys) : 0, .failed = failed};
    if (!ok)
        answer.text = (struct ipc_bytes){(const uint8_t *)why, (uint32_t)strlen(why)};
    struct packer p = keeper_pack(k);
    ipc_pack_load_result(&p, &answer);
    keeper_send(&k->courier, &p);
}
