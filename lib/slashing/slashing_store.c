/* slashing_store.c - one interface over the implementations, and what follows from it for all of them. */
#include "slashing/slashing_store.h"

#include <string.h>

#include "slashing/slashing_store_operations.h"

void slashing_store_close(struct slashing_store *store)
{
    if (store)
        store->operations->close(store);
}

result slashing_store_head(struct slashing_store *store, struct slashing_head *ret_head)
{
    return store->operations->head(store, ret_head);
}

result slashing_store_set_head(struct slashing_store *store, const struct slashing_head *old,
                               const struct slashing_head *next, const struct slashing_enrolment *enrolments,
                               size_t num_enrolments)
{
    ENSURE(num_enrolments <= SLASHING_ENROLMENTS_MAX, E_INTERNAL, "%zu enrolments at once", num_enrolments);
    return store->operations->set_head(store, old, next, enrolments, num_enrolments);
}

result slashing_store_load_many(struct slashing_store *store, struct slashing_entry *ret_entries,
                                const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    return store->operations->load_many(store, ret_entries, pubkeys, num_pubkeys);
}

result slashing_store_load(struct slashing_store *store, struct slashing_record *ret_record,
                           const uint8_t pubkey[static 48])
{
    uint8_t pubkeys[1][48];
    struct slashing_entry entry;
    memcpy(pubkeys[0], pubkey, sizeof pubkeys[0]);
    TRY(slashing_store_load_many(store, &entry, (const uint8_t(*)[48])pubkeys, 1));
    *ret_record = entry.record;
    return RESULT_OK;
}

result slashing_store_advance(struct slashing_store *store, struct slashing_advance *advances,
                              size_t num_advances)
{
    for (size_t i = 0; i < num_advances; i++)
        advances[i].done = advances[i].conflict = false;
    return store->operations->advance(store, advances, num_advances);
}

result slashing_store_transaction(struct slashing_store *store, result (*work)(void *context), void *context)
{
    return store->operations->transaction(store, work, context);
}

result slashing_store_scan(struct slashing_store *store, slashing_visit *visit, void *context)
{
    return store->operations->scan(store, visit, context);
}

result slashing_store_genesis(struct slashing_store *store, uint8_t ret_root[static 32])
{
    struct slashing_head head;
    TRY(slashing_store_head(store, &head));
    ENSURE(head.has_genesis, E_NOT_FOUND, "the store is not locked to a genesis validators root yet");
    memcpy(ret_root, head.genesis_validators_root, 32);
    return RESULT_OK;
}

result slashing_store_lock_genesis(struct slashing_store *store, const uint8_t root[static 32])
{
    struct slashing_head old, next;
    TRY(slashing_store_head(store, &old));
    ENSURE(!old.has_genesis || memcmp(old.genesis_validators_root, root, 32) == 0, E_MISMATCH,
           "the store is locked to another genesis validators root");
    /* Locked already or not, the store is to vouch for it. */
    next = old;
    next.has_genesis = true;
    memcpy(next.genesis_validators_root, root, 32);
    return slashing_store_set_head(store, &old, &next, NULL, 0);
}
