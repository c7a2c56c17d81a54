/* slashing_store_operations.h - what an implementation of a store provides; for implementations only. The
 * meaning of each is that of the function slashing_store_NAME. */
#ifndef SLASHING_SLASHING_STORE_OPERATIONS_H
#define SLASHING_SLASHING_STORE_OPERATIONS_H

#include "slashing/slashing_store.h"

struct slashing_store_operations {
    void (*close)(struct slashing_store *store);
    result (*head)(struct slashing_store *store, struct slashing_head *ret_head);
    result (*set_head)(struct slashing_store *store, const struct slashing_head *old,
                       const struct slashing_head *next, const struct slashing_enrolment *enrolments,
                       size_t num_enrolments);
    result (*load_many)(struct slashing_store *store, struct slashing_entry *ret_entries,
                        const uint8_t (*pubkeys)[48], size_t num_pubkeys);
    result (*advance)(struct slashing_store *store, struct slashing_advance *advances, size_t num_advances);
    result (*transaction)(struct slashing_store *store, result (*work)(void *context), void *context);
    result (*scan)(struct slashing_store *store, slashing_visit *visit, void *context);
};

/* The first member of every implementation's own struct. */
struct slashing_store {
    const struct slashing_store_operations *operations;
};

#endif
