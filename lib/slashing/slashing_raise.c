/* slashing_raise.c - one floor for every validator that the store knows.
 *
 * The records are collected first: a scan does not promise what it sees of changes made under it.
 * Memory grows with the number of validators, some 300 bytes each, not with their history. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "slashing/slashing_interchange.h"

enum { FIRST_CAPACITY = 64 };

struct raise {
    const struct slashing_record *floor;
    struct slashing_advance *advances;
    size_t num_advances, capacity;
};

static void raise_cleanup(struct raise *raise)
{
    free(raise->advances);
}

static must_check result make_room(struct raise *raise)
{
    if (raise->num_advances < raise->capacity)
        return RESULT_OK;
    size_t capacity = raise->capacity ? 2 * raise->capacity : FIRST_CAPACITY;
    struct slashing_advance *advances = reallocarray(raise->advances, capacity, sizeof *advances);
    ENSURE(advances, E_MEMORY, "out of memory for %zu validators", capacity);
    raise->advances = advances;
    raise->capacity = capacity;
    return RESULT_OK;
}

static result collect(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    struct raise *raise = context;
    TRY(make_room(raise));
    struct slashing_advance *advance = &raise->advances[raise->num_advances++];
    *advance = (struct slashing_advance){.old = entry->record, .old_stamp = entry->stamp, .is_history = true};
    memcpy(advance->pubkey, pubkey, sizeof advance->pubkey);
    slashing_merge(&advance->next, &entry->record, raise->floor);
    return RESULT_OK;
}

result slashing_raise_all(struct slashing_store *store, size_t *ret_num_validators,
                          const struct slashing_record *floor)
{
    AUTO(raise) raise = {.floor = floor};
    struct slashing_head head;
    TRY(slashing_store_head(store, &head));
    ENSURE(!slashing_reaches(&head, floor), E_STATE,
           "the store's high watermark, epoch %" PRIu64 " and slot %" PRIu64
           ", must stay above all watermarks",
           head.high_epoch, head.high_slot);
    TRY(slashing_store_scan(store, collect, &raise));
    TRY(slashing_store_advance(store, raise.advances, raise.num_advances));
    for (size_t i = 0; i < raise.num_advances; i++)
        ENSURE(raise.advances[i].done, E_STORE, "a record changed meanwhile");
    *ret_num_validators = raise.num_advances;
    return RESULT_OK;
}
