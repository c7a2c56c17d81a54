/* soak_oracle.c - 24 bytes a signature: half an hour's millions fit in memory, and are judged in one go at
 * the end. */
#include "soak_oracle.h"

#include <stdlib.h>

#include "base/result.h"

void soak_oracle_cleanup(struct soak_oracle *o)
{
    for (uint32_t i = 0; i < o->num_keys; i++)
        free(o->histories[i].list);
    free(o->histories);
    *o = (struct soak_oracle){0};
}

result soak_oracle_open(struct soak_oracle *ret_oracle, uint32_t num_keys)
{
    struct soak_oracle o = {.histories = calloc(num_keys, sizeof *o.histories), .num_keys = num_keys};
    ENSURE(o.histories, E_MEMORY, "no memory for the histories of %u keys", num_keys);
    *ret_oracle = o;
    return RESULT_OK;
}

/* FNV-1a. */
static uint64_t hash_of(const char *text, size_t text_len)
{
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < text_len; i++)
        hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3ULL;
    return hash;
}

result soak_oracle_add(struct soak_oracle *o, const struct soak_message *m, const char *text, size_t text_len)
{
    struct soak_history *h = &o->histories[m->key];
    if (h->length == h->capacity) {
        size_t capacity = h->capacity ? 2 * h->capacity : 256;
        struct soak_signed *grown = realloc(h->list, capacity * sizeof *grown);
        ENSURE(grown, E_MEMORY, "no memory for %zu signatures", capacity);
        h->list = grown;
        h->capacity = capacity;
    }
    h->list[h->length++] = (struct soak_signed){.low = m->low,
                                                .high = m->high,
                                                .kind = (uint8_t)m->kind,
                                                .variant = (uint8_t)m->variant,
                                                .signature = hash_of(text, text_len)};
    return RESULT_OK;
}

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_target(const void *a, const void *b)
{
    const struct soak_signed *x = a, *y = b;
    int order = compare(x->kind, y->kind);
    order = order ? order : compare(x->high, y->high);
    order = order ? order : compare(x->low, y->low);
    return order ? order : compare(x->variant, y->variant);
}

static int by_source(const void *a, const void *b)
{
    const struct soak_signed *x = a, *y = b;
    int order = compare(x->kind, y->kind);
    order = order ? order : compare(x->low, y->low);
    return order ? order : compare(x->high, y->high);
}

static void count_doubles(struct soak_verdict *verdict, struct soak_history *h)
{
    qsort(h->list, h->length, sizeof *h->list, by_target);
    for (size_t i = 1; i < h->length; i++) {
        const struct soak_signed *a = &h->list[i - 1], *b = &h->list[i];
        bool same = a->kind == b->kind && a->high == b->high;
        bool equal = same && a->low == b->low && a->variant == b->variant;
        verdict->doubles += same && !equal;
        verdict->unsteady += equal && a->signature != b->signature;
    }
}

/* In the order of sources, a vote is surrounded exactly when one of a lower source has a higher target. */
static void count_surrounds(struct soak_verdict *verdict, struct soak_history *h)
{
    uint32_t highest = 0, highest_here = 0, source = 0;
    qsort(h->list, h->length, sizeof *h->list, by_source);
    for (size_t i = 0; i < h->length; i++) {
        const struct soak_signed *vote = &h->list[i];
        if (vote->kind != SOAK_VOTE)
            continue;
        if (vote->low != source) {
            highest = highest_here;
            source = vote->low;
        }
        verdict->surrounds += vote->high < highest;
        highest_here = vote->high > highest_here ? vote->high : highest_here;
    }
}

struct owner {
    uint64_t signature;
    uint32_t key;
    const struct soak_signed *of;
};

static int by_signature(const void *a, const void *b)
{
    return compare(((const struct owner *)a)->signature, ((const struct owner *)b)->signature);
}

static bool is_same(const struct owner *a, const struct owner *b)
{
    return a->key == b->key && a->of->kind == b->of->kind && a->of->high == b->of->high &&
           a->of->low == b->of->low && a->of->variant == b->of->variant;
}

/* An answer that came twice is taken for the answer to what was asked next; another client's answer, too. */
static result count_crossed(struct soak_verdict *verdict, const struct soak_oracle *o)
{
    struct owner *all = calloc(verdict->num_signed ? verdict->num_signed : 1, sizeof *all);
    ENSURE(all, E_MEMORY, "no memory for %llu signatures", (unsigned long long)verdict->num_signed);
    size_t length = 0;
    for (uint32_t i = 0; i < o->num_keys; i++)
        for (size_t j = 0; j < o->histories[i].length; j++) {
            const struct soak_signed *one = &o->histories[i].list[j];
            all[length++] = (struct owner){.signature = one->signature, .key = i, .of = one};
        }
    qsort(all, length, sizeof *all, by_signature);
    for (size_t i = 1; i < length; i++)
        verdict->crossed += all[i].signature == all[i - 1].signature && !is_same(&all[i], &all[i - 1]);
    free(all);
    return RESULT_OK;
}

result soak_oracle_judge(struct soak_verdict *ret_verdict, struct soak_oracle *o)
{
    struct soak_verdict verdict = {0};
    for (uint32_t i = 0; i < o->num_keys; i++) {
        if (!o->histories[i].list)
            continue;
        verdict.num_signed += o->histories[i].length;
        count_doubles(&verdict, &o->histories[i]);
        count_surrounds(&verdict, &o->histories[i]);
    }
    TRY(count_crossed(&verdict, o));
    *ret_verdict = verdict;
    return RESULT_OK;
}

void soak_oracle_print_marks(const struct soak_oracle *o, const struct soak_orders *orders, FILE *file)
{
    for (uint32_t i = 0; i < o->num_keys; i++) {
        struct soak_heights top = {0};
        for (size_t j = 0; j < o->histories[i].length; j++) {
            const struct soak_signed *one = &o->histories[i].list[j];
            uint32_t *high = one->kind == SOAK_VOTE ? &top.target : &top.slot;
            *high = one->high > *high ? one->high : *high;
            top.source = one->low > top.source ? one->low : top.source;
        }
        (void)fprintf(file, "%s %u %u %u\n", orders->keys[i], top.slot, top.source, top.target);
    }
}
