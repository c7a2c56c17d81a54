/* slashing_dynamodb_transaction.c - many changes that count together, as far as DynamoDB lets them.
 *
 * All records are read once, when the first is needed: an import asks for each by itself, and a round trip
 * for each would take minutes. What is changed is kept here until the work ends well; then the head is
 * written, and the records that changed, each on condition that it is still what was read. Rejected:
 * TransactWriteItems, which takes a hundred. */
#include <stdlib.h>
#include <string.h>

#include "slashing/slashing_codec.h"
#include "slashing/slashing_dynamodb_private.h"

enum { FIRST_CAPACITY = 256, APPLIED_AT_ONCE = 2500 };

static result hold(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    struct dynamodb_transaction *t = context;
    if (t->num_held == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : FIRST_CAPACITY;
        struct dynamodb_held *larger = reallocarray(t->held, capacity, sizeof *larger);
        ENSURE(larger, E_MEMORY, "out of memory for %zu records", capacity);
        t->held = larger;
        t->capacity = capacity;
    }
    struct dynamodb_held *held = &t->held[t->num_held++];
    *held = (struct dynamodb_held){.original = *entry, .current = *entry};
    memcpy(held->pubkey, pubkey, sizeof held->pubkey);
    return RESULT_OK;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(((const struct dynamodb_held *)a)->pubkey, ((const struct dynamodb_held *)b)->pubkey, 48);
}

static must_check result read_records(struct slashing_dynamodb *store)
{
    struct dynamodb_transaction *t = &store->transaction;
    if (t->has_records)
        return RESULT_OK;
    TRY(slashing_dynamodb_scan(store, hold, t));
    if (t->num_held > 0)
        qsort(t->held, t->num_held, sizeof *t->held, compare_keys);
    t->has_records = true;
    return RESULT_OK;
}

/* Among those that were read; NULL. */
static struct dynamodb_held *look_up(const struct dynamodb_transaction *t, const uint8_t pubkey[static 48])
{
    struct dynamodb_held key;
    memcpy(key.pubkey, pubkey, sizeof key.pubkey);
    return t->num_held > 0 ? bsearch(&key, t->held, t->num_held, sizeof key, compare_keys) : NULL;
}

static must_check result find(struct slashing_dynamodb *store, struct dynamodb_held **ret_held,
                              const uint8_t pubkey[static 48])
{
    char pk[DYNAMODB_KEY_LEN + 1];
    TRY(read_records(store));
    struct dynamodb_held *held = look_up(&store->transaction, pubkey);
    slashing_dynamodb_key(pk, pubkey);
    ENSURE(held, E_STORE, "DynamoDB table %s has no record of %s: it was never enrolled", store->table, pk);
    *ret_held = held;
    return RESULT_OK;
}

result slashing_dynamodb_pending_load(struct slashing_dynamodb *store, struct slashing_entry *ret_entries,
                                      const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    struct dynamodb_held *held;
    for (size_t i = 0; i < num_pubkeys; i++)
        TRY(find(store, &held, pubkeys[i]));
    for (size_t i = 0; i < num_pubkeys; i++)
        ret_entries[i] = look_up(&store->transaction, pubkeys[i])->current;
    return RESULT_OK;
}

result slashing_dynamodb_pending_advance(struct slashing_dynamodb *store, struct slashing_advance *advances,
                                         size_t num_advances)
{
    for (size_t i = 0; i < num_advances; i++) {
        struct slashing_advance *a = &advances[i];
        const struct slashing_entry next = {a->next, a->next_stamp};
        struct dynamodb_held *held;
        TRY(find(store, &held, a->pubkey));
        a->done = memcmp(held->current.stamp.mac, a->old_stamp.mac, SLASHING_MAC_LEN) == 0 ||
                  slashing_dynamodb_entry_equal(&held->current, &next);
        a->conflict = !a->done;
        if (a->conflict)
            a->found = held->current;
        else
            held->current = next;
    }
    return RESULT_OK;
}

result slashing_dynamodb_pending_scan(struct slashing_dynamodb *store, slashing_visit *visit, void *context)
{
    const struct dynamodb_transaction *t = &store->transaction;
    TRY(read_records(store));
    for (size_t i = 0; i < t->num_held; i++)
        TRY(visit(context, t->held[i].pubkey, &t->held[i].current));
    return RESULT_OK;
}

result slashing_dynamodb_pending_head(struct slashing_dynamodb *store, struct slashing_head *ret_head)
{
    const struct dynamodb_transaction *t = &store->transaction;
    if (!t->has_head)
        return slashing_dynamodb_head(store, ret_head);
    *ret_head = t->head;
    return RESULT_OK;
}

static bool head_equal(const struct slashing_head *a, const struct slashing_head *b)
{
    uint8_t left[SLASHING_HEAD_BYTES], right[SLASHING_HEAD_BYTES];
    slashing_head_encode(left, a);
    slashing_head_encode(right, b);
    return memcmp(left, right, sizeof left) == 0;
}

result slashing_dynamodb_pending_set_head(struct slashing_dynamodb *store, const struct slashing_head *old,
                                          const struct slashing_head *next)
{
    struct dynamodb_transaction *t = &store->transaction;
    struct slashing_head now;
    TRY(slashing_dynamodb_pending_head(store, &now));
    ENSURE(memcmp(now.mac, old->mac, SLASHING_MAC_LEN) == 0, E_MISMATCH,
           "the store's head is another by now");
    if (!t->has_head)
        t->original_head = now;
    t->head = *next;
    t->has_head = true;
    return RESULT_OK;
}

/* The records that changed, from *at on; at most APPLIED_AT_ONCE. */
static size_t collect_changed(struct slashing_advance *out, const struct dynamodb_transaction *t, size_t *at)
{
    size_t num = 0;
    for (; *at < t->num_held && num < APPLIED_AT_ONCE; ++*at) {
        const struct dynamodb_held *held = &t->held[*at];
        if (slashing_dynamodb_entry_equal(&held->original, &held->current))
            continue;
        out[num] = (struct slashing_advance){.old = held->original.record,
                                             .old_stamp = held->original.stamp,
                                             .next = held->current.record,
                                             .next_stamp = held->current.stamp};
        memcpy(out[num++].pubkey, held->pubkey, sizeof held->pubkey);
    }
    return num;
}

static void advances_free(struct slashing_advance **advances)
{
    free(*advances);
}

static must_check result apply(struct slashing_dynamodb *store)
{
    const struct dynamodb_transaction *t = &store->transaction;
    __attribute__((cleanup(advances_free))) struct slashing_advance *advances =
        calloc(APPLIED_AT_ONCE, sizeof *advances);
    ENSURE(advances, E_MEMORY, "out of memory for %d advances", APPLIED_AT_ONCE);
    if (t->has_head && !head_equal(&t->original_head, &t->head))
        TRY(slashing_dynamodb_set_head(store, &t->original_head, &t->head, NULL, 0));
    for (size_t at = 0; at < t->num_held;) {
        size_t num = collect_changed(advances, t, &at);
        TRY(slashing_dynamodb_advance(store, advances, num));
        for (size_t i = 0; i < num; i++)
            ENSURE(advances[i].done, E_STORE,
                   "DynamoDB table %s: a record was changed by another signer meanwhile: do it again",
                   store->table);
    }
    return RESULT_OK;
}

result slashing_dynamodb_transaction(struct slashing_dynamodb *store, result (*work)(void *context),
                                     void *context)
{
    ENSURE(!store->transaction.open, E_INTERNAL, "a transaction within a transaction");
    store->transaction.open = true;
    result r = work(context);
    if (!r.code)
        r = apply(store);
    free(store->transaction.held);
    store->transaction = (struct dynamodb_transaction){0};
    return r;
}
