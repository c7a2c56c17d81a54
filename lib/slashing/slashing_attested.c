/* slashing_attested.c - see slashing_attested.h.
 *
 * The digests say whether anything has changed; only the numbers have an order, and say whether it went
 * forward. Rejected: the records themselves - a document has room for a few hundred bytes. */
#include "slashing/slashing_attested.h"

#include <inttypes.h>

#include "base/buffer.h"

enum { FIRST_VERSION = 1, VERSION = 2 };

void slashing_attested_encode(uint8_t out[static SLASHING_ATTESTED_BYTES],
                              const struct slashing_attested *state)
{
    struct packer p = {.data = out, .capacity = SLASHING_ATTESTED_BYTES};
    pack_u8(&p, VERSION);
    pack_bytes(&p, state->tls_key, sizeof state->tls_key);
    pack_bytes(&p, state->public_keys, sizeof state->public_keys);
    pack_bytes(&p, state->records, sizeof state->records);
    pack_u64(&p, state->generation);
    pack_u64(&p, state->num_validators);
    pack_u64(&p, state->highest_epoch);
    pack_u64(&p, state->highest_slot);
}

result slashing_attested_decode(struct slashing_attested *ret_state, const uint8_t *bytes, size_t bytes_len)
{
    struct cursor c = {.at = bytes, .left = bytes_len};
    struct slashing_attested state;
    uint8_t version = 0;
    TRY(cursor_u8(&c, &version));
    ENSURE(version != FIRST_VERSION, E_UNSUPPORTED,
           "attested state: version 1, which an earlier signer told, cannot be compared; save a new one");
    ENSURE(version == VERSION, E_INPUT, "attested state: version %u is not known", version);
    TRY(cursor_copy(&c, state.tls_key, sizeof state.tls_key));
    TRY(cursor_copy(&c, state.public_keys, sizeof state.public_keys));
    TRY(cursor_copy(&c, state.records, sizeof state.records));
    TRY(cursor_u64(&c, &state.generation));
    TRY(cursor_u64(&c, &state.num_validators));
    TRY(cursor_u64(&c, &state.highest_epoch));
    TRY(cursor_u64(&c, &state.highest_slot));
    TRY(cursor_end(&c));
    *ret_state = state;
    return RESULT_OK;
}

void slashing_attested_count(struct slashing_attested *state, const struct slashing_record *record)
{
    state->num_validators++;
    if (record->has_attestation && record->target_epoch > state->highest_epoch)
        state->highest_epoch = record->target_epoch;
    if (record->has_block && record->block_slot > state->highest_slot)
        state->highest_slot = record->block_slot;
}

static must_check result check_order(const char *name, uint64_t now, uint64_t before)
{
    ENSURE(now >= before, E_MISMATCH, "rolled back: the %s was %" PRIu64 " and is %" PRIu64, name, before,
           now);
    return RESULT_OK;
}

result slashing_attested_compare(const struct slashing_attested *now, const struct slashing_attested *before)
{
    TRY(check_order("generation", now->generation, before->generation));
    TRY(check_order("highest target epoch", now->highest_epoch, before->highest_epoch));
    return check_order("highest block slot", now->highest_slot, before->highest_slot);
}
