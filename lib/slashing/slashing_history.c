/* slashing_history.c - see slashing_history.h.
 *
 * DynamoDB changes at most a hundred items at once, so what SQLite does in one transaction is done in steps,
 * each of which leaves a store that is right: the file is read to its end before the first, and then every
 * step only raises marks, or enrols validators together with theirs. */
#include "slashing/slashing_history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "slashing/slashing_codec.h"
#include "slashing/slashing_interchange.h"

enum { FIRST_CAPACITY = 64, ADVANCES_AT_ONCE = 1000, ROUNDS = 10 };

void slashing_history_cleanup(struct slashing_history *history)
{
    free(history->validators);
}

static must_check result add(struct slashing_history *h, const uint8_t pubkey[static 48],
                             const struct slashing_record *record)
{
    if (h->num_validators == h->capacity) {
        size_t capacity = h->capacity ? 2 * h->capacity : FIRST_CAPACITY;
        struct slashing_enrolment *larger = reallocarray(h->validators, capacity, sizeof *larger);
        ENSURE(larger, E_MEMORY, "out of memory for %zu validators", capacity);
        h->validators = larger;
        h->capacity = capacity;
    }
    struct slashing_enrolment *one = &h->validators[h->num_validators++];
    *one = (struct slashing_enrolment){.entry.record = *record};
    memcpy(one->pubkey, pubkey, sizeof one->pubkey);
    return RESULT_OK;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(((const struct slashing_enrolment *)a)->pubkey,
                  ((const struct slashing_enrolment *)b)->pubkey, 48);
}

/* The same validator may stand in a file more than once. */
static void sort_and_merge_repeats(struct slashing_history *h)
{
    size_t kept = 0;
    if (h->num_validators > 0)
        qsort(h->validators, h->num_validators, sizeof *h->validators, compare_keys);
    for (size_t i = 0; i < h->num_validators; i++) {
        const struct slashing_enrolment *one = &h->validators[i];
        struct slashing_enrolment *last = kept > 0 ? &h->validators[kept - 1] : NULL;
        if (last && compare_keys(last, one) == 0)
            slashing_merge(&last->entry.record, &last->entry.record, &one->entry.record);
        else
            h->validators[kept++] = *one;
    }
    h->num_validators = kept;
}

static result keep_genesis(void *context, const uint8_t genesis_validators_root[static 32])
{
    struct slashing_history *h = context;
    memcpy(h->genesis_validators_root, genesis_validators_root, sizeof h->genesis_validators_root);
    return RESULT_OK;
}

static result keep_validator(void *context, const uint8_t pubkey[static 48],
                             const struct slashing_record *record)
{
    return add(context, pubkey, record);
}

result slashing_history_read(struct slashing_history *ret_history, struct json_stream *in)
{
    AUTO(slashing_history) history = {.num_validators = 0};
    const struct slashing_interchange_visitor visitor = {
        .context = &history, .genesis = keep_genesis, .validator = keep_validator};
    TRY(slashing_interchange_read(in, &visitor));
    sort_and_merge_repeats(&history);
    *ret_history = history;
    history = (struct slashing_history){.num_validators = 0};
    return RESULT_OK;
}

/* What the store is to become. */
struct merge {
    struct slashing_enrolment *missing;
    struct slashing_advance *advances; /* next holds the file's marks, or both merged */
    size_t num_missing, num_advances;
};

static void merge_cleanup(struct merge *m)
{
    free(m->missing);
    free(m->advances);
}

static result keep_entry(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    return add(context, pubkey, &entry->record);
}

static must_check result compare(struct merge *m, struct slashing_store *store,
                                 const struct slashing_history *h)
{
    AUTO(slashing_history) held = {.num_validators = 0};
    TRY(slashing_store_scan(store, keep_entry, &held));
    sort_and_merge_repeats(&held);
    m->missing = calloc(h->num_validators + 1, sizeof *m->missing);
    m->advances = calloc(h->num_validators + 1, sizeof *m->advances);
    ENSURE(m->missing && m->advances, E_MEMORY, "out of memory for %zu validators", h->num_validators);
    for (size_t i = 0, at = 0; i < h->num_validators; i++) {
        const struct slashing_enrolment *one = &h->validators[i];
        while (at < held.num_validators && compare_keys(&held.validators[at], one) < 0)
            at++;
        if (at == held.num_validators || compare_keys(&held.validators[at], one) != 0) {
            m->missing[m->num_missing++] = *one;
            continue;
        }
        struct slashing_advance advance = {.old = held.validators[at].entry.record};
        memcpy(advance.pubkey, one->pubkey, sizeof advance.pubkey);
        slashing_merge(&advance.next, &advance.old, &one->entry.record);
        if (!slashing_record_equal(&advance.old, &advance.next))
            m->advances[m->num_advances++] = advance;
    }
    return RESULT_OK;
}

static must_check result check_head(const struct slashing_head *head, const struct slashing_history *h)
{
    ENSURE(!head->has_genesis || memcmp(head->genesis_validators_root, h->genesis_validators_root, 32) == 0,
           E_MISMATCH, "the store is locked to another genesis validators root");
    for (size_t i = 0; i < h->num_validators; i++) {
        char digits[2 * 48 + 3];
        hex_encode_0x(digits, h->validators[i].pubkey, 48);
        ENSURE(!slashing_reaches(head, &h->validators[i].entry.record), E_STATE,
               "validator %s: its history reaches the store's high watermark, epoch %" PRIu64
               " and slot %" PRIu64,
               digits, head->high_epoch, head->high_slot);
    }
    return RESULT_OK;
}

/* As many at once as go with one change of the head. */
static must_check result enrol(struct slashing_store *store, const struct slashing_head *head,
                               const struct merge *m, const struct slashing_history *h)
{
    struct slashing_head old = *head, next = *head;
    size_t at = 0;
    next.has_genesis = true;
    memcpy(next.genesis_validators_root, h->genesis_validators_root, 32);
    while (at < m->num_missing || !old.has_genesis) {
        size_t left = m->num_missing - at;
        size_t num = left < SLASHING_ENROLMENTS_MAX ? left : SLASHING_ENROLMENTS_MAX;
        next.num_validators += num;
        TRY(slashing_store_set_head(store, &old, &next, m->missing + at, num));
        TRY(slashing_store_head(store, &old));
        next = old;
        at += num;
    }
    return RESULT_OK;
}

/* Keeps those that another signer has changed meanwhile, merged with what it wrote. */
static size_t keep_conflicts(struct slashing_advance *advances, size_t num_advances)
{
    size_t kept = 0;
    for (size_t i = 0; i < num_advances; i++) {
        struct slashing_advance again = advances[i];
        if (!again.conflict)
            continue;
        slashing_merge(&again.next, &again.next, &again.found.record);
        again.old = again.found.record;
        if (!slashing_record_equal(&again.old, &again.next))
            advances[kept++] = again;
    }
    return kept;
}

static must_check result raise_some(struct slashing_store *store, struct slashing_advance *advances,
                                    size_t num_advances)
{
    for (int round = 0; num_advances > 0 && round < ROUNDS; round++) {
        TRY(slashing_store_advance(store, advances, num_advances));
        num_advances = keep_conflicts(advances, num_advances);
    }
    ENSURE(num_advances == 0, E_STORE, "%zu records are changed by other signers all the time", num_advances);
    return RESULT_OK;
}

result slashing_history_merge(struct slashing_store *store, const struct slashing_history *history)
{
    AUTO(merge) m = {.num_missing = 0};
    struct slashing_head head;
    TRY(slashing_store_head(store, &head));
    TRY(check_head(&head, history));
    TRY(compare(&m, store, history));
    TRY(enrol(store, &head, &m, history));
    for (size_t at = 0; at < m.num_advances; at += ADVANCES_AT_ONCE) {
        size_t left = m.num_advances - at;
        TRY(raise_some(store, m.advances + at, left < ADVANCES_AT_ONCE ? left : ADVANCES_AT_ONCE));
    }
    return RESULT_OK;
}
