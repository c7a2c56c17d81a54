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
#include <stdlib.h>
#include <string.h>

#include "keeper.h"

void keeper_reload_begin(struct keeper *k)
{
    keeper_load_cleanup(&k->load);
    keeper_load_heard(k);
    k->load.is_reload = k->load.sent_all = true;
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
    k->load.gone = calloc(missing, sizeof *k->load.gone);
    ENSURE(k->load.gone, E_MEMORY, "out of memory for %u keys", missing);
    for (uint32_t i = 0; i < keeper_keys_count(k->keys); i++)
        if (!keeper_keys_find(k->load.keys, keeper_keys_at(k->keys, i)->pubkey))
            k->load.gone[k->load.num_gone++] = (struct keeper_gone){.index = i};
    return RESULT_OK;
}

/* ---- disabling ---- */

enum { MORE_ATTEMPTS = 4 }; /* with a file that can be written, and yet not all is done */

/* A key has one request at a time, also here: what is under way for it ends first, and orders that come
 * meanwhile wait for this one. */
static must_check result disable_one(struct keeper *k, struct keeper_gone *gone, bool *ret_done)
{
    struct keeper_key *key = keeper_keys_at(k->keys, gone->index);
    *ret_done = !key->request && (key->refused || (key->record_known && key->record.disabled));
    if (key->request || *ret_done)
        return RESULT_OK;
    ENSURE(!gone->is_asked || key->record_known, E_STORE,
           "slashing protection store: a key cannot be disabled");
    TRY(keeper_store_disable(k, key));
    gone->is_asked = gone->is_asked || key->request;
    return RESULT_OK;
}

static must_check result disable_all(struct keeper *k, uint32_t *ret_left)
{
    *ret_left = 0;
    for (uint32_t i = 0; i < k->load.num_gone; i++) {
        bool done = false;
        TRY(disable_one(k, &k->load.gone[i], &done));
        *ret_left += !done;
    }
    keeper_store_record(k);
    return RESULT_OK;
}

/* SQLite has answered on return, as many as there are places for; what was written at the second attempt is
 * seen at the third. The courier answers between turns. */
static void disable(struct keeper *k)
{
    uint32_t left = UINT32_MAX, before = 0, more = MORE_ATTEMPTS;
    do {
        before = left;
        if (disable_all(k, &left).code) {
            keeper_load_fail(k, error_text());
            return;
        }
    } while (left > 0 && !keeper_store_is_remote(&k->store) &&
             (left != before || (k->store.ok && more-- > 0)));
    if (left == 0)
        keeper_load_serve(k);
}

void keeper_reload_recorded(struct keeper *k)
{
    k->load.is_disabling = true; /* keeper_reload_turn goes on: here an answer is being taken */
}

/* ---- its end ---- */

void keeper_reload_turn(struct keeper *k)
{
    if (k->load.is_disabling)
        disable(k);
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
