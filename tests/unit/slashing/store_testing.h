/* store_testing.h - a folder of its own for each test, and records in one line. */
#ifndef STORE_TESTING_H
#define STORE_TESTING_H

#include "testing.h"

#include <ftw.h>
#include <unistd.h>

#include "slashing/slashing_sqlite.h"

static char store_folder[64];
static char store_path[96];

static inline int store_remove(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline int store_setup_in(const char *parent)
{
    (void)snprintf(store_folder, sizeof store_folder, "%s/ns-slashing-XXXXXX", parent);
    if (!mkdtemp(store_folder))
        return -1;
    (void)snprintf(store_path, sizeof store_path, "%s/protection.sqlite", store_folder);
    return 0;
}

static inline int store_setup(void **state)
{
    (void)state;
    return store_setup_in("/tmp");
}

/* In memory, if there is a folder there: for tests that make thousands of stores, or of records, and need no
 * disk, since only processes die. */
static inline int store_setup_in_memory(void **state)
{
    (void)state;
    return store_setup_in(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

static inline int store_teardown(void **state)
{
    (void)state;
    return nftw(store_folder, store_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct slashing_record block_record(uint64_t slot, uint8_t root)
{
    struct slashing_record r = {.has_block = true, .block_slot = slot, .block_has_root = true};
    memset(r.block_root, root, 32);
    return r;
}

static inline struct slashing_record vote_record(uint64_t source, uint64_t target, uint8_t root)
{
    struct slashing_record r = {.has_attestation = true,
                                .source_epoch = source,
                                .target_epoch = target,
                                .attestation_has_root = true};
    memset(r.attestation_root, root, 32);
    return r;
}

static inline void assert_record_equal(const struct slashing_record *a, const struct slashing_record *b)
{
    assert_int_equal(a->disabled, b->disabled);
    assert_int_equal(a->has_block, b->has_block);
    assert_int_equal(a->block_slot, b->block_slot);
    assert_int_equal(a->block_has_root, b->block_has_root);
    assert_memory_equal(a->block_root, b->block_root, 32);
    assert_int_equal(a->has_attestation, b->has_attestation);
    assert_int_equal(a->source_epoch, b->source_epoch);
    assert_int_equal(a->target_epoch, b->target_epoch);
    assert_int_equal(a->attestation_has_root, b->attestation_has_root);
    assert_memory_equal(a->attestation_root, b->attestation_root, 32);
}

static inline struct slashing_advance advance_of(uint8_t key, const struct slashing_record *old,
                                                 const struct slashing_record *next)
{
    struct slashing_advance advance = {.old = *old, .next = *next};
    memset(advance.pubkey, key, 48);
    return advance;
}

static inline struct slashing_record stored(struct slashing_store *store, uint8_t key)
{
    uint8_t pubkey[48];
    struct slashing_record r;
    memset(pubkey, key, 48);
    assert_ok(slashing_store_load(store, &r, pubkey));
    return r;
}

#endif
