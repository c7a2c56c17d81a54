/* store_property.h - random orders, deaths and restarts against signers on one store, and a judge of all that
 * they signed. Any store of store_conformance.h can be put under it. */
#ifndef STORE_PROPERTY_H
#define STORE_PROPERTY_H

#include "slashing/slashing_seal.h"
#include "slashing_judge.h"
#include "store_conformance.h"

/* What is broken in the signers, to see that the judge notices. */
enum property_sabotage {
    PROPERTY_SOUND,
    PROPERTY_NO_RULES,        /* everything is allowed */
    PROPERTY_NO_RECORD,       /* what is signed is recorded in memory only */
    PROPERTY_SIGN_FIRST,      /* signed, then recorded */
    PROPERTY_IGNORE_CONFLICT, /* signed even though another was there first */
    PROPERTY_UNKNOWN_IS_DONE  /* signed without the store's answer */
};

struct property_settings {
    uint64_t orders, seed;
    uint32_t signers; /* processes with a handle each, at the same time */
    enum property_sabotage sabotage;
    uint32_t timer_us; /* a timer kills within this time; 0: 10 ms */
    const struct slashing_seal
        *seal; /* records are sealed with it, and checked when read; NULL: not sealed */
};

struct property_outcome {
    uint64_t orders, signed_new, repeated, refused, conflicts, unknown; /* as far as reported before death */
    uint64_t lives, deaths;
    bool convicted; /* then these two left, for one validator */
    struct judge_message one, other;
};

/* Runs until so many orders were decided, or two signatures were convicted. Replaces the store. Fails the
 * test when a signer ends by itself with an error. The seed fixes all choices but the moments at which timers
 * kill and in which order several processes come to the store. */
void property_run(struct property_outcome *ret_outcome, struct conformance_target *target,
                  const struct property_settings *settings);

/* A file in place of a store across a network: each advance a compare-and-set of its own; some are lost, some
 * applied without an answer, some later, some twice. */
extern struct conformance_target property_remote;

#endif
