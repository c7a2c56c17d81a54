/* memory_store.h - a store with an identity that is an array: enrols, compares stamps, and has rivals when it
 * is told to.
 */
#ifndef MEMORY_STORE_H
#define MEMORY_STORE_H

#include "store_testing.h"

#include "slashing/slashing_seal.h"
#include "slashing/slashing_store_operations.h"

enum { PLACES = 600 };

struct memory_store {
    struct slashing_store base;
    struct slashing_head head;
    struct slashing_enrolment of[PLACES];
    size_t num;
    int rivalry; /* so many advances find that another signer was quicker */
};

extern struct memory_store memory;
extern struct slashing_seal seal;
void open_seal(void);
/* A new store of that many validators, 1, 2 ..., with no records, sealed; at most as many as are enrolled at
 * once. */
void begin_memory(size_t num);
/* What it holds of validator key. */
struct slashing_record held(uint8_t key);

#endif
