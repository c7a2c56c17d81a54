/* keeper_reload.c - the stand-alone signer's key files are read again, while the old keys serve.
 *
 *   read | records of new keys | disable what is gone: durable | the new set in place of the old | answer
 *
 * Whoever takes a key's file away moves the validator elsewhere, or means to. So the key is disabled in the
 * store, as in Web3Signer, and before it leaves the service: cut off at any moment, a reload that was
 * answered has disabled what it took out, and one that was not is simply asked for again. Rejected: out of
 * service first. Cut off then, nobody would ever know that these keys are still to be disabled.
 *
 * Disabling is not undone by bringing the file back. So it has to be certain that a key is gone, and it is
 * not when a file could not be read or decrypted, whose key nobody knows then; nor when a source that had
 * keys has none: a folder that is not mounted looks so. Then keys that are missing leave the service and stay
 * enabled. */
#include <string.h>

#include "base/clock.h"
#include "keeper.h"

enum { DISABLED_TOGETHER = 256 };

void keeper_reload_begin(struct keeper *k)
{
    keeper_load_cleanup(&k->load);
    k->load.is_reload = k->load.sent_all = true;
    k->load.deadline_ns = clock_monotonic_ns() + k->reload_timeout_minutes * UINT64_C(60000000000);
    keeper_set_state(k, IPC_LOAD_STATE);
    if (k->store.broken)
        keeper_load_fail(k, "slashing protection store: nothing can be changed any more");
    else if (keeper_load_prepare(k, false).code)
        keeper_load_fail(k, error_text());
}

/* ---- what is gone ---- */

static bool has_lost_a_source(const struct keeper *k)
{
    const struct ipc_counts before = keeper_counts(k), *now = &k->load.counts;
    bool lost = keeper_keys_count(k->load.keys) == 0;
    for (uint32_t i = 0; i < before.num_sources && i < now->num_sources; i++)
        lost = lost || (before.sources[i].keys > 0 && now->sources[i].keys == 0);
    return lost;
}

static uint32_t count_missing(struct keeper *k)
{
    uint32_t num = 0;
    for (uint32_t i = 0; i < keeper_keys_count(k->keys); i++)
        num += !keeper_keys_find(k->load.keys, keeper_keys_at(k->keys, i)->pubkey);
    return num;
}

result keeper_reload_list_gone(struct keeper *k)
{
    uint32_t missing = count_missing(k);
    if (missing == 0 || k->store.kind == POLICY_STORE_NONE)
        return RESULT_OK;
    if (k->load.num_failed > 0 || has_lost_a_source(k)) {
        log_warn("reload: %u keys are not there any more; they stop signing, and are not disabled in the "
                 "slashing protection store, since %s",
                 missing, k->load.num_failed > 0 ? "files failed to load" : "a source has no key left");
        return RESULT_OK;
    }
    log_info("reload: %u keys are gone; they are disabled in the slashing protection store", missing);
    TRY(keeper_keys_new(&k->load.gone));
    for (uint32_t i = 0; i < keeper_keys_count(k->keys); i++) {
        const struct keeper_key *key = keeper_keys_at(k->keys, i);
        if (!keeper_keys_find(k->load.keys, key->pubkey))
            TRY(keeper_keys_remember(k->load.gone, key));
    }
    return RESULT_OK;
}

/* ---- SQLite ---- */

/* The keys still serve: they are to know, whatever becomes of the reload. */
static must_check result disable(struct keeper *k, struct slashing_advance *advances, size_t num)
{
    TRY(slashing_store_advance(k->store.file, advances, num));
    for (size_t i = 0; i < num; i++) {
        struct keeper_key *key = keeper_keys_find(k->keys, advances[i].pubkey);
        ENSURE(advances[i].done && key, E_STORE, "a record is not as it was");
        key->record = advances[i].next;
    }
    return RESULT_OK;
}

result keeper_reload_disable_local(struct keeper *k)
{
    static struct slashing_advance advances[DISABLED_TOGETHER];
    size_t num = 0;
    for (uint32_t i = 0; i < keeper_keys_count(k->load.gone); i++) {
        struct keeper_key *key = keeper_keys_at(k->load.gone, i);
        TRY(keeper_local_know(k, key));
        if (key->record.disabled)
            continue;
        advances[num] = (struct slashing_advance){.old = key->record, .next = key->record};
        advances[num].next.disabled = true;
        memcpy(advances[num++].pubkey, key->pubkey, BLS_PUBKEY_LEN);
        if (num == DISABLED_TOGETHER) {
            TRY(disable(k, advances, num));
            num = 0;
        }
    }
    return disable(k, advances, num);
}

/* ---- its end ---- */

uint64_t keeper_reload_deadline_ns(const struct keeper *k)
{
    return k->load.is_reload ? k->load.deadline_ns : UINT64_MAX;
}

void keeper_reload_turn(struct keeper *k)
{
    if (k->load.is_reload && clock_monotonic_ns() >= k->load.deadline_ns)
        keeper_load_fail(k, "it took longer than --reload-timeout");
}

void keeper_reload_answer(struct keeper *k, bool ok, uint32_t num_failed, const char *text)
{
    struct ipc_load_result answer = {.ok = ok, .keys = keeper_keys_count(k->keys), .failed = num_failed};
    if (!ok)
        answer.text = (struct ipc_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
    struct packer p = keeper_pack(k);
    ipc_pack_reloaded(&p, &answer);
    keeper_send(&k->front, &p);
}
