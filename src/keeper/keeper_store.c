/* keeper_store.c - the records in memory, and the way from there to the disk.
 *
 * Memory runs ahead of the disk only inside a batch: a decision changes the record at once, so
 * that a second order for the same key sees it, and the commit then makes it true or takes it
 * back. Memory and file are both asked: memory by the rules, the file by compare-and-set. */
#include "keeper_store.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "slashing/slashing_sqlite.h"

/* Nobody else can change it while this store is open. */
static must_check result read_head(struct keeper_store *store)
{
    struct slashing_head head;
    TRY(slashing_store_head(store->file, &head));
    store->has_genesis = head.has_genesis;
    memcpy(store->genesis, head.genesis_validators_root, sizeof store->genesis);
    store->limits.has_high_watermark = head.has_high_watermark;
    store->limits.high_epoch = head.high_epoch;
    store->limits.high_slot = head.high_slot;
    if (head.has_high_watermark)
        log_info("slashing protection: nothing is signed from epoch %" PRIu64 " and slot %" PRIu64
                 " on: the store's high watermark",
                 head.high_epoch, head.high_slot);
    return RESULT_OK;
}

static must_check result lock_genesis(struct keeper_store *store, const uint8_t root[static 32])
{
    if (store->has_genesis)
        return RESULT_OK;
    result r = slashing_store_lock_genesis(store->file, root);
    store->ok = store->ok && r.code == E_NONE;
    TRY(r);
    memcpy(store->genesis, root, 32);
    store->has_genesis = true;
    return RESULT_OK;
}

result keeper_store_open(struct keeper_store *store, const struct policy *policy)
{
    *store = (struct keeper_store){.ok = true};
    if (!policy->slashing_protection)
        return RESULT_OK;
    ENSURE(policy->store_kind == POLICY_STORE_SQLITE, E_UNSUPPORTED,
           "store: this release keeps records in sqlite:/PATH only");
    TRY(slashing_sqlite_open(&store->file, policy_store_place(policy)));
    result r = policy->has_genesis_validators_root
                   ? slashing_store_lock_genesis(store->file, policy->genesis_validators_root)
                   : RESULT_OK;
    if (!r.code)
        r = read_head(store);
    if (r.code)
        keeper_store_close(store);
    return r;
}

void keeper_store_close(struct keeper_store *store)
{
    slashing_store_close(store->file);
    store->file = NULL;
}

result keeper_store_know(struct keeper_store *store, struct keeper_key *key)
{
    struct slashing_record found = {0};
    if (key->record_known || !store->file)
        return RESULT_OK;
    TRY(slashing_store_load(store->file, &found, key->pubkey));
    ENSURE(slashing_covers(&found, &key->record), E_STORE,
           "the store's record is older than the one in memory");
    /* A commit that reported failure may have changed the record all the same, in a file that was deleted or
     * is not on the disk yet. Nobody has that signature: repeating it would be signing it first. */
    if (!store->ok && !slashing_covers(&key->record, &found))
        key->unproven = true;
    key->record = found;
    key->record_known = true;
    return RESULT_OK;
}

static bool is_slashable_kind(enum eth2_order_kind kind)
{
    return kind == ETH2_ORDER_BLOCK || kind == ETH2_ORDER_ATTESTATION;
}

static void note_advance(struct keeper_batch *batch, struct keeper_key *key,
                         const struct slashing_record *next)
{
    struct slashing_advance *advance = &batch->advances[batch->num_advances];
    *advance = (struct slashing_advance){.old = key->record, .next = *next};
    memcpy(advance->pubkey, key->pubkey, sizeof advance->pubkey);
    batch->keys[batch->num_advances++] = key;
    key->record = *next;
    key->pending = batch->num_advances;
}

result keeper_store_decide(struct keeper_store *store, enum slashing_verdict *ret_verdict,
                           struct keeper_batch *batch, struct keeper_key *key, const struct eth2_order *order,
                           const uint8_t signing_root[static 32])
{
    const uint8_t *genesis = order->fork_info.genesis_validators_root;
    struct slashing_record next;
    *ret_verdict = SLASHING_NOT_APPLICABLE;
    if (!store->file || !is_slashable_kind(order->kind))
        return RESULT_OK;
    result known = keeper_store_know(store, key);
    store->ok = store->ok && known.code == E_NONE;
    TRY(known);
    if (store->has_genesis && memcmp(store->genesis, genesis, 32) != 0) {
        *ret_verdict = SLASHING_REFUSE_GENESIS_ROOT;
        return RESULT_OK;
    }
    *ret_verdict = slashing_decide(&next, &key->record, &store->limits, order, signing_root);
    if (!slashing_allows(*ret_verdict))
        return RESULT_OK;
    TRY(lock_genesis(store, genesis));
    if (*ret_verdict == SLASHING_ALLOW_NEW || key->unproven)
        note_advance(batch, key, &next);
    return RESULT_OK;
}

/* Takes back what did not become durable. From the last to the first, so that a key with several advances
 * ends at its oldest record. */
static void take_back(struct keeper_store *store, struct keeper_batch *batch)
{
    for (size_t i = batch->num_advances; i-- > 0;) {
        if (batch->advances[i].done)
            continue;
        store->ok = false;
        batch->keys[i]->record = batch->advances[i].old;
        batch->keys[i]->record_known = false;
    }
    for (size_t i = 0; i < batch->num_advances && !store->broken; i++) {
        if (keeper_store_know(store, batch->keys[i]).code) {
            log_error("slashing protection store: %s", error_text());
            store->broken = true;
        }
    }
}

void keeper_store_commit(struct keeper_store *store, struct keeper_batch *batch)
{
    if (batch->num_advances == 0)
        return;
    bool was_ok = store->ok;
    result r = slashing_store_advance(store->file, batch->advances, batch->num_advances);
    store->ok = r.code == E_NONE;
    for (size_t i = 0; i < batch->num_advances; i++)
        batch->keys[i]->unproven = batch->keys[i]->unproven && !batch->advances[i].done;
    if (r.code && was_ok)
        log_error("slashing protection store: %s; nothing slashable is signed until it works again",
                  error_text());
    take_back(store, batch);
    if (!r.code && !store->ok)
        log_error("slashing protection store: a record is not as this process left it");
    if (store->ok && !was_ok)
        log_info("slashing protection store: works again");
    for (size_t i = 0; i < batch->num_advances; i++)
        batch->keys[i]->pending = 0;
}

/* One that failed is asked by writing a record as it is: that nothing can be written would not show
 * otherwise. Without this, one whom a health check keeps from asking for signatures would never be healthy
 * again. */
static void probe_by_writing(struct keeper_store *store, struct keeper_batch *batch, struct keeper_key *key)
{
    if (keeper_store_know(store, key).code)
        return;
    struct slashing_record same = key->record;
    batch->num_advances = 0;
    note_advance(batch, key, &same);
    keeper_store_commit(store, batch);
}

void keeper_store_probe(struct keeper_store *store, struct keeper_batch *batch, struct keeper_key *any_key)
{
    if (!store->file || store->broken)
        return;
    if (!store->ok && any_key) {
        probe_by_writing(store, batch, any_key);
    } else if (store->ok && slashing_store_advance(store->file, NULL, 0).code) {
        log_error("slashing protection store: %s", error_text());
        store->ok = false;
    }
}
