/* keeper_local.c - SQLite: one transaction for all advances that wait, answered before anything else is done.
 *
 * Rejected: a thread for fsync, so that the keeper signs while it waits - orders would be decided while
 * others' records are under way, which costs more thought than the few milliseconds are worth; other threads
 * hash meanwhile (keeper_ahead.c), for which nothing has to be decided. */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "keeper.h"
#include "keeper_ahead.h"
#include "slashing/slashing_sqlite.h"

/* All there can be: orders that were heard together are never cut into several transactions. */
enum { ADVANCES_MAX = KEEPER_REQUESTS_MAX };

/* Nobody else can change it while this store is open. */
static must_check result read_head(struct keeper_store *store)
{
    struct slashing_head head;
    TRY(slashing_store_head(store->file, &head));
    store->has_genesis = head.has_genesis;
    memcpy(store->genesis, head.genesis_validators_root, sizeof store->genesis);
    keeper_head_take_limits(store, &head);
    return RESULT_OK;
}

result keeper_store_open(struct keeper_store *store, const struct policy *policy)
{
    *store = (struct keeper_store){.ok = true};
    if (!policy->slashing_protection)
        return RESULT_OK;
    if (policy->store_kind != POLICY_STORE_SQLITE) {
        store->kind = policy->store_kind;
        return RESULT_OK;
    }
    TRY(slashing_sqlite_open(&store->file, policy_store_place(policy)));
    result r = policy->has_genesis_validators_root
                   ? slashing_store_lock_genesis(store->file, policy->genesis_validators_root)
                   : RESULT_OK;
    if (!r.code)
        r = read_head(store);
    if (r.code)
        keeper_store_close(store);
    else
        store->kind = POLICY_STORE_SQLITE;
    return r;
}

void keeper_store_close(struct keeper_store *store)
{
    slashing_store_close(store->file);
    store->file = NULL;
    slashing_seal_cleanup(&store->seal);
    store->has_seal = false;
}

result keeper_local_know(struct keeper *k, struct keeper_key *key)
{
    struct slashing_entry found = {0};
    if (key->record_known || k->store.kind != POLICY_STORE_SQLITE)
        return RESULT_OK;
    TRY(slashing_store_load(k->store.file, &found.record, key->pubkey));
    ENSURE(keeper_store_take_found(k, key, &found), E_STORE, "a record is not as it was");
    return RESULT_OK;
}

result keeper_local_lock_genesis(struct keeper *k, const uint8_t root[static 32])
{
    struct keeper_store *store = &k->store;
    result r = slashing_store_lock_genesis(store->file, root);
    if (r.code)
        keeper_store_set_ok(k, false, error_text());
    TRY(r);
    memcpy(store->genesis, root, sizeof store->genesis);
    store->has_genesis = true;
    return RESULT_OK;
}

/* After a failure the file may hold either record. If it cannot be read now, nothing can be known any more.
 */
static void read_again(struct keeper *k, const struct slashing_advance *advances, size_t num_advances)
{
    for (size_t i = 0; i < num_advances && !k->store.broken; i++) {
        struct keeper_key *key = keeper_keys_find(k->keys, advances[i].pubkey);
        if (key && keeper_local_know(k, key).code)
            keeper_store_break(k, error_text());
    }
}

static void record_some(struct keeper *k)
{
    static struct slashing_advance advances[ADVANCES_MAX];
    static struct keeper_request *requests[ADVANCES_MAX];
    struct keeper_request *request;
    size_t num = 0;
    while (num < ADVANCES_MAX && (request = TAILQ_FIRST(&k->requests.unsent_advances))) {
        advances[num] = request->advance;
        requests[num++] = request;
        keeper_requests_mark_sent(&k->requests, request);
    }
    keeper_hash_ahead(k, requests, num);
    result r = slashing_store_advance(k->store.file, advances, num);
    if (r.code)
        keeper_store_set_ok(k, false, error_text());
    else
        keeper_store_set_ok(k, true, NULL);
    for (size_t i = 0; i < num; i++) {
        enum ipc_store_outcome outcome = IPC_STORE_OPEN_OUTCOME;
        if (advances[i].done)
            outcome = IPC_STORE_DONE;
        else if (advances[i].conflict)
            outcome = IPC_STORE_CONFLICT;
        keeper_store_take_outcome(k, requests[i], outcome, &advances[i].found);
    }
    if (r.code)
        read_again(k, advances, num);
}

void keeper_local_record(struct keeper *k)
{
    while (!TAILQ_EMPTY(&k->requests.unsent_advances))
        record_some(k);
}

result keeper_local_probe(struct keeper *k)
{
    TRY(slashing_store_advance(k->store.file, NULL, 0));
    if (k->orders.num_orders == 0)
        slashing_sqlite_settle(k->store.file);
    return RESULT_OK;
}
