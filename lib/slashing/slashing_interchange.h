/* slashing_interchange.h - EIP-3076 interchange files, folded into records. Target slashing_interchange
 * (jansson); the keeper does not link it.
 */
#ifndef SLASHING_SLASHING_INTERCHANGE_H
#define SLASHING_SLASHING_INTERCHANGE_H

#include "slashing/slashing_store.h"

enum { INTERCHANGE_MAX = 256 * 1024 * 1024 };

struct slashing_interchange_entry {
    uint8_t pubkey[48];
    struct slashing_record record;
};

/* One entry a validator, in ascending order of key. */
struct slashing_interchange {
    uint8_t genesis_validators_root[32];
    struct slashing_interchange_entry *entries;
    size_t num_entries;
};
void slashing_interchange_cleanup(struct slashing_interchange *interchange);

/* Both histories in one record: each watermark is the higher of the two. A root is kept only while it is
 * certainly that of the single message at the watermark. Disabled if either is. */
void slashing_merge(struct slashing_record *ret_merged, const struct slashing_record *a,
                    const struct slashing_record *b);

/* Version 5 of the format. Slashable data (double votes, surrounds, source after target) is no error: the
 * folded record refuses everything that any of it refuses. A signing root that is absent, null or shorter
 * than 32 bytes counts as unknown. Unknown members are ignored. E_INPUT names the member, E_TOO_LARGE over
 * INTERCHANGE_MAX. */
must_check result slashing_interchange_parse(struct slashing_interchange *ret_interchange, const char *json,
                                             size_t json_len);

/* Merges into the store in one durable transaction; no watermark is lowered, and a disabled validator stays
 * disabled. Locks the store to the file's genesis validators root: E_MISMATCH when it is locked to another,
 * and nothing is imported then. */
must_check result slashing_interchange_import(struct slashing_store *store,
                                              const struct slashing_interchange *interchange);

#endif
