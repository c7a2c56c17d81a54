/* slashing_interchange.h - EIP-3076 interchange files, folded into records. Target slashing_interchange
 * (jansson); the keeper does not link it.
 */
#ifndef SLASHING_SLASHING_INTERCHANGE_H
#define SLASHING_SLASHING_INTERCHANGE_H

#include "base/buffer.h"
#include "slashing/slashing_fold.h"
#include "slashing/slashing_store.h"
#include "json/json_stream.h"

/* What is told while a file is read. A failure of either ends the reading and is passed on. */
struct slashing_interchange_visitor {
    void *context;
    result (*genesis)(void *context, const uint8_t genesis_validators_root[static 32]); /* once */
    /* Once for each element of "data", its history folded; the same validator may come again. */
    result (*validator)(void *context, const uint8_t pubkey[static 48], const struct slashing_record *record);
};

/* Reads version 5 of the format, complete or minimal, to the end of the stream and in memory that does not
 * grow with it. The members of an object may be in any order, so the genesis validators root may come last:
 * only success says that all of the file was right. Slashable data (double votes, surrounds, source after
 * target) is no error: the folded record refuses everything that any of it refuses. A signing root that is
 * absent, null or shorter than 32 bytes counts as unknown. Unknown members are ignored. E_INPUT names the
 * member. */
must_check result slashing_interchange_read(struct json_stream *in,
                                            const struct slashing_interchange_visitor *visitor);

/* Reads and merges into the store in one durable transaction: all of the file, or on any error nothing. No
 * watermark is lowered, and a disabled validator stays disabled. Locks the store to the file's genesis
 * validators root: E_MISMATCH when it is locked to another. E_STATE, naming the validator, when a history
 * reaches the store's high watermark. *ret_num_validators counts elements of "data". Not for stores with an
 * identity, which have no such transactions, and validators that are to be enrolled: slashing_history.h. */
must_check result slashing_interchange_import(struct slashing_store *store, size_t *ret_num_validators,
                                              struct json_stream *in);

/* Where an export goes; pieces of some kilobytes. */
struct slashing_interchange_sink {
    void *context;
    result (*write)(void *context, const void *bytes, size_t bytes_len);
};

/* The document piece by piece: its beginning, without a root when genesis is NULL; a validator, the first one
 * or another; its end after so many. */
must_check result slashing_interchange_begin(struct buffer *out, const uint8_t *genesis_validators_root);
must_check result slashing_interchange_append(struct buffer *out, bool is_first,
                                              const uint8_t pubkey[static 48],
                                              const struct slashing_record *record);
must_check result slashing_interchange_end(struct buffer *out, bool is_empty);

/* Writes the records of all validators, in ascending order of key, as an EIP-3076 document of the minimal
 * kind: at most one block and one attestation each. The import of it into an empty store gives the same
 * records, but that no validator is disabled: the format has no word for it. E_NOT_FOUND when the store is
 * locked to no genesis validators root yet. */
must_check result slashing_interchange_export(struct slashing_store *store, size_t *ret_num_validators,
                                              const struct slashing_interchange_sink *sink);

/* Whether the record has a height at or above the store's high watermark, if there is one. */
bool slashing_reaches(const struct slashing_head *head, const struct slashing_record *record);
/* Sets the store's high watermark, or moves it either way. E_STATE, with their number, when validators reach
 * it. Of a store with an identity, the sealed one (slashing_sealed.h). */
must_check result slashing_set_high_watermark(struct slashing_store *store, uint64_t epoch, uint64_t slot);
/* Takes it away; *ret_was_set says whether there was one. */
must_check result slashing_remove_high_watermark(struct slashing_store *store, bool *ret_was_set);

/* Merges the same record into that of every validator of the store, in one durable transaction. E_STATE when
 * it reaches the store's high watermark. */
must_check result slashing_raise_all(struct slashing_store *store, size_t *ret_num_validators,
                                     const struct slashing_record *floor);

#endif
