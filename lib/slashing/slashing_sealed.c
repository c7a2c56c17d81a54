/* slashing_sealed.c - see slashing_sealed.h.
 *
 * Callers of the interface know records, not stamps, so an advance reads what is there first: one more round
 * trip, which the tools that use this can afford. */
#include "slashing/slashing_sealed.h"

#include <stdlib.h>
#include <string.h>

#include "slashing/slashing_codec.h"
#include "slashing/slashing_store_operations.h"

struct sealed {
    struct slashing_store base;
    struct slashing_store *inner;
    const struct slashing_seal *seal;
};

static struct sealed *sealed_of(struct slashing_store *store)
{
    return (struct sealed *)store; /* its first member */
}

static void close_store(struct slashing_store *base)
{
    slashing_store_close(sealed_of(base)->inner);
    free(base);
}

static result head(struct slashing_store *base, struct slashing_head *ret_head)
{
    struct sealed *store = sealed_of(base);
    struct slashing_head found;
    TRY(slashing_store_head(store->inner, &found));
    TRY(slashing_seal_check_head(store->seal, &found));
    *ret_head = found;
    return RESULT_OK;
}

static result set_head(struct slashing_store *base, const struct slashing_head *old,
                       const struct slashing_head *next, const struct slashing_enrolment *enrolments,
                       size_t num_enrolments)
{
    struct sealed *store = sealed_of(base);
    struct slashing_enrolment sealed[SLASHING_ENROLMENTS_MAX];
    struct slashing_head sealed_next = *next;
    for (size_t i = 0; i < num_enrolments; i++) {
        sealed[i] = enrolments[i];
        sealed[i].entry.stamp.generation = next->generation;
        TRY(slashing_seal_entry(store->seal, &sealed[i].entry, sealed[i].pubkey));
    }
    TRY(slashing_seal_head(store->seal, &sealed_next));
    return slashing_store_set_head(store->inner, old, &sealed_next, sealed, num_enrolments);
}

static result load_many(struct slashing_store *base, struct slashing_entry *ret_entries,
                        const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    struct sealed *store = sealed_of(base);
    TRY(slashing_store_load_many(store->inner, ret_entries, pubkeys, num_pubkeys));
    for (size_t i = 0; i < num_pubkeys; i++)
        TRY(slashing_seal_check_entry(store->seal, &ret_entries[i], pubkeys[i]));
    return RESULT_OK;
}

struct advancing {
    uint8_t (*pubkeys)[48];
    struct slashing_entry *held;
    struct slashing_advance *sent; /* those whose old record is what the store holds */
    size_t *at;                    /* and where the caller has them */
    size_t num_sent;
};

static void advancing_cleanup(struct advancing *a)
{
    free(a->pubkeys);
    free(a->held);
    free(a->sent);
    free(a->at);
}

static must_check result make_room(struct advancing *a, size_t num)
{
    a->pubkeys = calloc(num, sizeof *a->pubkeys);
    a->held = calloc(num, sizeof *a->held);
    a->sent = calloc(num, sizeof *a->sent);
    a->at = calloc(num, sizeof *a->at);
    ENSURE(a->pubkeys && a->held && a->sent && a->at, E_MEMORY, "out of memory for %zu advances", num);
    return RESULT_OK;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, 48);
}

/* Of two advances of one validator the store would see only the one that fits. */
static must_check result check_no_repeats(uint8_t (*sorted)[48], size_t num)
{
    qsort(sorted, num, sizeof *sorted, compare_keys);
    for (size_t i = 1; i < num; i++)
        ENSURE(memcmp(sorted[i - 1], sorted[i], sizeof *sorted) != 0, E_INPUT,
               "two advances of one validator in a batch");
    return RESULT_OK;
}

/* What the store holds is what the caller thinks, and is advanced; or what it wants, or a conflict. */
static must_check result sort_out(struct sealed *store, struct advancing *a,
                                  struct slashing_advance *advances, size_t num_advances, uint64_t generation)
{
    for (size_t i = 0; i < num_advances; i++) {
        struct slashing_advance *advance = &advances[i];
        if (!slashing_record_equal(&a->held[i].record, &advance->old)) {
            advance->done = slashing_record_equal(&a->held[i].record, &advance->next);
            advance->conflict = !advance->done;
            advance->found = a->held[i];
            continue;
        }
        struct slashing_entry next = {.record = advance->next, .stamp.generation = generation};
        TRY(slashing_seal_entry(store->seal, &next, advance->pubkey));
        a->at[a->num_sent] = i;
        struct slashing_advance *sent = &a->sent[a->num_sent++];
        *sent = *advance;
        sent->old_stamp = a->held[i].stamp;
        sent->next_stamp = next.stamp;
    }
    return RESULT_OK;
}

static result advance(struct slashing_store *base, struct slashing_advance *advances, size_t num_advances)
{
    struct sealed *store = sealed_of(base);
    AUTO(advancing) a = {0};
    struct slashing_head now;
    if (num_advances == 0)
        return RESULT_OK;
    TRY(make_room(&a, num_advances));
    for (size_t i = 0; i < num_advances; i++)
        memcpy(a.pubkeys[i], advances[i].pubkey, sizeof a.pubkeys[i]);
    TRY(head(base, &now));
    TRY(load_many(base, a.held, (const uint8_t(*)[48])a.pubkeys, num_advances));
    TRY(check_no_repeats(a.pubkeys, num_advances));
    TRY(sort_out(store, &a, advances, num_advances, now.generation));
    result r = slashing_store_advance(store->inner, a.sent, a.num_sent);
    for (size_t i = 0; i < a.num_sent; i++) {
        struct slashing_advance *advance = &advances[a.at[i]];
        advance->done = a.sent[i].done;
        advance->conflict = a.sent[i].conflict;
        advance->found = a.sent[i].found;
    }
    for (size_t i = 0; i < num_advances; i++)
        if (advances[i].conflict)
            TRY(slashing_seal_check_entry(store->seal, &advances[i].found, advances[i].pubkey));
    return r;
}

static result transaction(struct slashing_store *base, result (*work)(void *context), void *context)
{
    return slashing_store_transaction(sealed_of(base)->inner, work, context);
}

struct scanning {
    const struct sealed *store;
    slashing_visit *visit;
    void *context;
    uint64_t num;
};

static result check_and_visit(void *context, const uint8_t pubkey[static 48],
                              const struct slashing_entry *entry)
{
    struct scanning *scanning = context;
    TRY(slashing_seal_check_entry(scanning->store->seal, entry, pubkey));
    scanning->num++;
    return scanning->visit(scanning->context, pubkey, entry);
}

static result scan(struct slashing_store *base, slashing_visit *visit, void *context)
{
    struct sealed *store = sealed_of(base);
    struct scanning scanning = {.store = store, .visit = visit, .context = context};
    struct slashing_head now;
    TRY(head(base, &now));
    TRY(slashing_store_scan(store->inner, check_and_visit, &scanning));
    ENSURE(scanning.num == now.num_validators, E_STORE,
           "the store has another number of validators than its head says");
    return RESULT_OK;
}

static const struct slashing_store_operations operations = {.close = close_store,
                                                            .head = head,
                                                            .set_head = set_head,
                                                            .load_many = load_many,
                                                            .advance = advance,
                                                            .transaction = transaction,
                                                            .scan = scan};

result slashing_sealed_open(struct slashing_store **ret_store, struct slashing_store *inner,
                            const struct slashing_seal *seal)
{
    struct sealed *store = calloc(1, sizeof *store);
    ENSURE(store, E_MEMORY, "out of memory for a store");
    *store = (struct sealed){.base.operations = &operations, .inner = inner, .seal = seal};
    *ret_store = &store->base;
    return RESULT_OK;
}
