/* property_remote.c - a store across a bad network, in a file.
 *
 * Each item is written by one pwrite within a page, under a lock that a dying process leaves: so an item is
 * never torn, as with the stores this stands for. What the network does to an advance is drawn by lot. */
#include "testing.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <unistd.h>

#include "slashing/slashing_codec.h"
#include "slashing/slashing_store_operations.h"
#include "store_property.h"

enum { ITEM_SIZE = 256, ITEMS = 256, LATE_SIZE = 512, LATE_WRITES = 4 };

struct remote {
    struct slashing_store base;
    int fd;
    uint64_t lot;
};

/* A write on its way. */
struct late {
    uint8_t on_its_way, index;
    uint8_t old[SLASHING_ENTRY_BYTES], next[SLASHING_ENTRY_BYTES];
};

static uint64_t draw(struct remote *remote, uint64_t below)
{
    remote->lot = remote->lot * 6364136223846793005u + 1442695040888963407u;
    return (remote->lot >> 33) % below;
}

static void item_read(struct remote *remote, uint8_t index, uint8_t out[static SLASHING_ENTRY_BYTES])
{
    if (pread(remote->fd, out, SLASHING_ENTRY_BYTES, (off_t)index * ITEM_SIZE) != SLASHING_ENTRY_BYTES)
        _exit(6);
}

static void file_write(struct remote *remote, const void *bytes, size_t bytes_len, off_t at)
{
    if (pwrite(remote->fd, bytes, bytes_len, at) != (ssize_t)bytes_len)
        _exit(6);
}

/* False, and what is there, when the condition does not hold. */
static bool compare_and_set(struct remote *remote, uint8_t *found, uint8_t index, const uint8_t *old,
                            const uint8_t *next)
{
    item_read(remote, index, found);
    if (memcmp(found, old, SLASHING_ENTRY_BYTES) != 0)
        return false;
    file_write(remote, next, SLASHING_ENTRY_BYTES, (off_t)index * ITEM_SIZE);
    return true;
}

static off_t late_place(uint64_t number)
{
    return (off_t)ITEMS * ITEM_SIZE + (off_t)number * LATE_SIZE;
}

static void send_late(struct remote *remote, uint8_t index, const uint8_t *old, const uint8_t *next)
{
    struct late late = {.on_its_way = 1, .index = index};
    memcpy(late.old, old, sizeof late.old);
    memcpy(late.next, next, sizeof late.next);
    file_write(remote, &late, sizeof late, late_place(draw(remote, LATE_WRITES)));
}

/* It may arrive again: nothing takes it away but a newer one in its place. */
static void deliver_one(struct remote *remote)
{
    struct late late;
    uint8_t found[SLASHING_ENTRY_BYTES];
    ssize_t got = pread(remote->fd, &late, sizeof late, late_place(draw(remote, LATE_WRITES)));
    if (got == (ssize_t)sizeof late && late.on_its_way)
        (void)compare_and_set(remote, found, late.index, late.old, late.next);
}

static result advance_one(struct remote *remote, struct slashing_advance *a)
{
    struct slashing_entry old = {a->old, a->old_stamp}, next = {a->next, a->next_stamp};
    uint8_t old_bytes[SLASHING_ENTRY_BYTES], next_bytes[SLASHING_ENTRY_BYTES], found[SLASHING_ENTRY_BYTES];
    slashing_entry_encode(old_bytes, &old);
    slashing_entry_encode(next_bytes, &next);
    uint64_t fate = draw(remote, 16);
    bool held = false;
    if (draw(remote, 4) == 0)
        deliver_one(remote);
    if (fate == 1 || fate == 2) /* on its way still, with or without one that has arrived */
        send_late(remote, a->pubkey[0], old_bytes, next_bytes);
    if (fate > 1)
        held = compare_and_set(remote, found, a->pubkey[0], old_bytes, next_bytes);
    ENSURE(fate > 3, E_STORE, "no answer");
    a->done = held;
    a->conflict = !held;
    return held ? RESULT_OK : slashing_entry_decode(&a->found, found);
}

static result remote_advance(struct slashing_store *store, struct slashing_advance *advances,
                             size_t num_advances)
{
    struct remote *remote = (struct remote *)store;
    result r = RESULT_OK;
    for (size_t i = 0; i < num_advances; i++) {
        if (draw(remote, 2) == 0)
            (void)sched_yield(); /* a way takes time, in which others come */
        if (flock(remote->fd, LOCK_EX) != 0)
            _exit(6);
        result one = advance_one(remote, &advances[i]);
        (void)flock(remote->fd, LOCK_UN);
        r = one.code ? one : r;
    }
    return r;
}

static result remote_load_many(struct slashing_store *store, struct slashing_entry *ret_entries,
                               const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    struct remote *remote = (struct remote *)store;
    uint8_t bytes[SLASHING_ENTRY_BYTES];
    for (size_t i = 0; i < num_pubkeys; i++) {
        if (flock(remote->fd, LOCK_EX) != 0)
            _exit(6);
        item_read(remote, pubkeys[i][0], bytes);
        (void)flock(remote->fd, LOCK_UN);
        TRY(slashing_entry_decode(&ret_entries[i], bytes));
    }
    return RESULT_OK;
}

static void remote_close(struct slashing_store *store)
{
    struct remote *remote = (struct remote *)store;
    (void)close(remote->fd);
    free(remote);
}

static const struct slashing_store_operations operations = {
    .close = remote_close, .load_many = remote_load_many, .advance = remote_advance};

static void begin(struct conformance_target *target, const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    (void)pubkeys;
    assert_true(num_pubkeys <= ITEMS);
    int fd = open(target->place, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, late_place(LATE_WRITES)), 0);
    (void)close(fd);
}

static struct slashing_store *open_store(struct conformance_target *target)
{
    struct remote *remote = calloc(1, sizeof *remote);
    assert_non_null(remote);
    remote->base.operations = &operations;
    remote->fd = open(target->place, O_RDWR);
    assert_true(remote->fd >= 0);
    remote->lot = (uint64_t)getpid();
    return &remote->base;
}

struct conformance_target property_remote = {
    .name = "bad network", .several_handles = true, .begin = begin, .open = open_store};
