/* slashing_history.h - an interchange file as a whole: one record for each of its validators. For stores that
 * are not written within one transaction. Target slashing_interchange.
 */
#ifndef SLASHING_SLASHING_HISTORY_H
#define SLASHING_SLASHING_HISTORY_H

#include "slashing/slashing_store.h"
#include "json/json_stream.h"

struct slashing_history {
    uint8_t genesis_validators_root[32];
    struct slashing_enrolment *validators; /* ascending by key, each once */
    size_t num_validators, capacity;
};

/* Frees what it holds. */
void slashing_history_cleanup(struct slashing_history *history);

/* Reads a file to its end, as slashing_interchange_read. Memory grows with the number of validators, some 300
 * bytes each, not with their histories. */
must_check result slashing_history_read(struct slashing_history *ret_history, struct json_stream *in);

/* Merges the history into a store with an identity (slashing_sealed.h). Validators that it does not know are
 * enrolled with their marks; no mark of the others is lowered, whoever else signs on the store. Not one
 * transaction: after a failure some validators have their marks and some not yet, and doing it again is
 * right. E_MISMATCH when the store is of another network, or changed meanwhile; E_STATE, and nothing was
 * changed, when a history reaches the store's high watermark. */
must_check result slashing_history_merge(struct slashing_store *store,
                                         const struct slashing_history *history);

#endif
