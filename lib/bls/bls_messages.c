/* bls_messages.c - what of a signature is the message's alone, computed once for all threads.
 *
 * That is its hash to the curve, half of a signature, kept for the messages used last; and a table of the
 * hash's multiples (bls_multiples.c), for those of them that several keys sign. One lock guards the places;
 * nothing is computed under it. A place or a table that is in use is nobody else's, and what it holds does
 * not change while it is: so it is read without the lock. Who finds that another thread computes what it
 * wants waits for it, and that other waits for nobody, so that the wait ends.
 *
 * A table takes the time of one multiplication by blst, so that three signatures with it take less than three
 * without; the longer digits take half as much again, and save a thirteenth of every signature. While one
 * thread makes the longer table, the others go on with the shorter one.
 *
 * Rejected: a memory for each thread - each would hash and make tables of its own for the same message, and a
 * hash that is made ahead would be in the wrong one; tables in the places, 67 KB each, since most messages
 * need none. */
#include "bls/bls_messages.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bls/bls_message.h"

enum {
    MESSAGES = 256,
    TABLES = BLS_THREADS_MAX + 8, /* each thread uses one at most */
    TABLE_FROM = 3,               /* signatures of a message; two take longer with it than without */
    BITS = 5,
    LONG_BITS = 6,
    LONG_FROM = 32,       /* if there is no table yet */
    LONG_AGAIN_FROM = 128 /* if there is one already */
};

_Static_assert((int)MESSAGES > (int)BLS_THREADS_MAX, "each thread uses one message at a time");

struct bls_message_table {
    struct bls_message_place *owner; /* NULL: nobody's who looks for one */
    unsigned users;
    uint64_t used;
    struct bls_multiples multiples;
};

struct bls_message_place {
    unsigned users;
    bool is_hashed, makes_table;
    size_t num_signed;
    uint8_t message[BLS_MESSAGE_LEN];
    struct bls_message_table *table;
    blst_p2 hash;
};

struct bls_messages {
    pthread_mutex_t lock;
    pthread_cond_t made; /* a hash or a table */
    uint64_t uses;
    /* Of each place, to be searched quickly: */
    uint64_t tags[MESSAGES]; /* of the message */
    uint64_t used[MESSAGES]; /* 0: free, or forgotten; else the higher the later */
    struct bls_message_place places[MESSAGES];
    struct bls_message_table tables[TABLES];
};

result bls_messages_new(struct bls_messages **ret_messages)
{
    struct bls_messages *messages = calloc(1, sizeof *messages);
    ENSURE(messages, E_MEMORY, "out of memory for tables of points");
    if (pthread_mutex_init(&messages->lock, NULL) != 0 || pthread_cond_init(&messages->made, NULL) != 0) {
        free(messages);
        FAIL(E_MEMORY, "out of memory for a lock");
    }
    *ret_messages = messages;
    return RESULT_OK;
}

void bls_messages_free(struct bls_messages *messages)
{
    if (!messages)
        return;
    (void)pthread_cond_destroy(&messages->made);
    (void)pthread_mutex_destroy(&messages->lock);
    free(messages);
}

static void lock(struct bls_messages *messages)
{
    (void)pthread_mutex_lock(&messages->lock);
}

static void unlock(struct bls_messages *messages)
{
    (void)pthread_mutex_unlock(&messages->lock);
}

static uint64_t tag_of(const uint8_t message[static BLS_MESSAGE_LEN])
{
    uint64_t tag;
    memcpy(&tag, message, sizeof tag);
    return tag;
}

static struct bls_message_place *find(struct bls_messages *messages, const uint8_t *message)
{
    uint64_t tag = tag_of(message);
    for (size_t i = 0; i < MESSAGES; i++) {
        if (messages->tags[i] == tag && messages->used[i] &&
            memcmp(messages->places[i].message, message, BLS_MESSAGE_LEN) == 0)
            return &messages->places[i];
    }
    return NULL;
}

/* The place used longest ago becomes the message's; NULL when all are in use. */
static struct bls_message_place *take_place(struct bls_messages *messages, const uint8_t *message)
{
    size_t found = MESSAGES;
    for (size_t i = 0; i < MESSAGES; i++) {
        if (!messages->places[i].users && (found == MESSAGES || messages->used[i] < messages->used[found]))
            found = i;
    }
    if (found == MESSAGES)
        return NULL;
    struct bls_message_place *place = &messages->places[found];
    if (place->table)
        place->table->owner = NULL;
    place->table = NULL;
    place->is_hashed = place->makes_table = false;
    place->num_signed = 0;
    memcpy(place->message, message, BLS_MESSAGE_LEN);
    messages->tags[found] = tag_of(message);
    return place;
}

static void use(struct bls_messages *messages, struct bls_message_place *place)
{
    messages->used[place - messages->places] = ++messages->uses;
    place->users++;
}

result bls_messages_take(struct bls_messages *messages, struct bls_known *ret_known,
                         const uint8_t message[static BLS_MESSAGE_LEN])
{
    lock(messages);
    struct bls_message_place *place = find(messages, message);
    bool is_known = place;
    if (!is_known)
        place = take_place(messages, message);
    if (place)
        use(messages, place);
    while (is_known && !place->is_hashed)
        (void)pthread_cond_wait(&messages->made, &messages->lock);
    unlock(messages);
    ENSURE(place, E_INTERNAL, "too many messages are in use");
    if (!is_known) {
        bls_message_hash(&place->hash, message, BLS_MESSAGE_LEN);
        lock(messages);
        place->is_hashed = true;
        (void)pthread_cond_broadcast(&messages->made);
        unlock(messages);
    }
    *ret_known = (struct bls_known){.hash = &place->hash, .place = place};
    return RESULT_OK;
}

bool bls_messages_know(struct bls_messages *messages, const uint8_t message[static BLS_MESSAGE_LEN])
{
    lock(messages);
    bool knows = find(messages, message);
    unlock(messages);
    return knows;
}

/* 0: none pays. */
static unsigned bits_for(const struct bls_message_place *place, size_t num)
{
    size_t num_signed = place->num_signed + num, long_from = place->table ? LONG_AGAIN_FROM : LONG_FROM;
    if (num_signed < TABLE_FROM)
        return 0;
    return num_signed >= long_from ? LONG_BITS : BITS;
}

static bool is_enough(const struct bls_message_place *place, size_t num)
{
    unsigned bits = bits_for(place, num);
    return bits == 0 || (place->table && (place->table->multiples.bits >= bits || place->makes_table));
}

bool bls_messages_are_prepared(struct bls_messages *messages, const uint8_t message[static BLS_MESSAGE_LEN],
                               size_t num)
{
    lock(messages);
    const struct bls_message_place *place = find(messages, message);
    bool are_prepared = place && is_enough(place, num);
    unlock(messages);
    return are_prepared;
}

/* The table used longest ago, for the place; it is not seen yet by who looks for one. */
static struct bls_message_table *take_free_table(struct bls_messages *messages)
{
    struct bls_message_table *found = NULL;
    for (size_t i = 0; i < TABLES; i++) {
        struct bls_message_table *table = &messages->tables[i];
        if (!table->users && (!found || table->used < found->used))
            found = table;
    }
    if (!found)
        return NULL;
    if (found->owner)
        found->owner->table = NULL;
    found->owner = NULL;
    found->users = 1;
    return found;
}

/* With the lock, which is released while the table is made. */
static must_check result make_table(struct bls_messages *messages, struct bls_message_place *place,
                                    struct bls_multiples_work *work, size_t num)
{
    unsigned bits = bits_for(place, num);
    struct bls_message_table *table = take_free_table(messages);
    ENSURE(table, E_INTERNAL, "too many tables are in use");
    place->makes_table = true;
    unlock(messages);
    result r = bls_multiples_make(&table->multiples, work, &place->hash, bits);
    lock(messages);
    place->makes_table = false;
    table->users--;
    if (!r.code) {
        if (place->table)
            place->table->owner = NULL;
        place->table = table;
        table->owner = place;
    }
    (void)pthread_cond_broadcast(&messages->made);
    return r;
}

result bls_messages_take_table(struct bls_messages *messages, struct bls_known *known,
                               struct bls_multiples_work *work, size_t num)
{
    struct bls_message_place *place = known->place;
    result r = RESULT_OK;
    lock(messages);
    while (!r.code && !is_enough(place, num)) {
        if (place->makes_table)
            (void)pthread_cond_wait(&messages->made, &messages->lock);
        else
            r = make_table(messages, place, work, num);
    }
    if (!r.code && bits_for(place, num)) {
        known->table = place->table;
        known->table->users++;
        known->table->used = ++messages->uses;
    }
    unlock(messages);
    return r;
}

const struct bls_multiples *bls_messages_multiples(const struct bls_known *known)
{
    return &known->table->multiples;
}

void bls_messages_count(struct bls_messages *messages, const struct bls_known *known, size_t num)
{
    lock(messages);
    known->place->num_signed += num;
    unlock(messages);
}

void bls_messages_forget(struct bls_messages *messages, const struct bls_known *known)
{
    lock(messages);
    messages->used[known->place - messages->places] = 0;
    unlock(messages);
}

void bls_messages_give_back(struct bls_messages *messages, struct bls_known *known)
{
    lock(messages);
    known->place->users--;
    if (known->table)
        known->table->users--;
    unlock(messages);
    *known = (struct bls_known){0};
}
