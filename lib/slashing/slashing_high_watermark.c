/* slashing_high_watermark.c - the ceiling over all validators of a store.
 *
 * Marks below it, always: a store in which some mark is at or above it would say two things at once, and
 * Web3Signer's database refuses it likewise. The marks are looked at first and the head is changed then;
 * where other signers write meanwhile, one may still rise to the ceiling between the two. That is harmless:
 * from the change on, nothing at or above it is signed. */
#include "slashing/slashing_interchange.h"

#include <inttypes.h>

bool slashing_reaches(const struct slashing_head *head, const struct slashing_record *record)
{
    if (!head->has_high_watermark)
        return false;
    return (record->has_block && record->block_slot >= head->high_slot) ||
           (record->has_attestation &&
            (record->source_epoch >= head->high_epoch || record->target_epoch >= head->high_epoch));
}

struct count {
    const struct slashing_head *head;
    size_t num_reaching;
};

static result count_reaching(void *context, const uint8_t pubkey[static 48],
                             const struct slashing_entry *entry)
{
    struct count *count = context;
    (void)pubkey;
    if (slashing_reaches(count->head, &entry->record))
        count->num_reaching++;
    return RESULT_OK;
}

result slashing_set_high_watermark(struct slashing_store *store, uint64_t epoch, uint64_t slot)
{
    struct slashing_head old, next;
    TRY(slashing_store_head(store, &old));
    next = old;
    next.has_high_watermark = true;
    next.high_epoch = epoch;
    next.high_slot = slot;
    struct count count = {.head = &next};
    TRY(slashing_store_scan(store, count_reaching, &count));
    ENSURE(count.num_reaching == 0, E_STATE,
           "%zu validators have signed at or above epoch %" PRIu64 " or slot %" PRIu64
           ": the high watermark must be above all watermarks",
           count.num_reaching, epoch, slot);
    return slashing_store_set_head(store, &old, &next, NULL, 0);
}

result slashing_remove_high_watermark(struct slashing_store *store, bool *ret_was_set)
{
    struct slashing_head old, next;
    TRY(slashing_store_head(store, &old));
    next = old;
    next.has_high_watermark = false;
    next.high_epoch = next.high_slot = 0;
    if (old.has_high_watermark)
        TRY(slashing_store_set_head(store, &old, &next, NULL, 0));
    *ret_was_set = old.has_high_watermark;
    return RESULT_OK;
}
