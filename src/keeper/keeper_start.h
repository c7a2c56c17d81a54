/* keeper_start.h - from a loaded key set to one whose records are known: PROTOCOL.ipc section 4.
 *
 * With SQLite done in one call. Across a network a walk through phases, each ended by an answer of the
 * courier; in the end keeper_load_serve is called, or keeper_load_fail.
 */
#ifndef KEEPER_START_H
#define KEEPER_START_H

#include "ipc/ipc.h"
#include "ipc/ipc_store.h"
#include "keeper_requests.h"

struct keeper;

enum keeper_start_phase {
    KEEPER_START_IDLE,
    KEEPER_START_HEAD,   /* the head is to be read, or being read */
    KEEPER_START_CHANGE, /* the head is being changed: generation, genesis */
    KEEPER_START_READ,   /* the records are coming */
    KEEPER_START_ENROL,  /* validators that the store does not know are being enrolled */
    KEEPER_START_CLAIM   /* records get this signer's generation */
};

struct keeper_start {
    enum keeper_start_phase phase;
    bool head_is_due; /* the phase is to go on once the head is idle */
    bool awaits_head_set;
    uint32_t number; /* tells answers for this start from late ones */
    unsigned tries;
    unsigned claims_failed; /* since one was done */
    uint32_t *fresh;        /* indices in the key set to be: keys that are not in service yet */
    uint32_t num_fresh;
    uint32_t next_fresh; /* asked for, or claimed, up to here */
    uint32_t num_open;   /* reads or claims that are not answered */
    uint64_t num_found;  /* entries seen in the whole store */
    bool was_short;      /* another number than the head's was found, under this head: */
    uint8_t short_mac[32];
    uint32_t enrolling[IPC_STORE_ENROLMENTS_MAX], num_enrolling;
    struct slashing_stamp stamps[IPC_STORE_ENROLMENTS_MAX]; /* as they will be enrolled */
};

/* k->load.keys is complete; k->load.store_key is there if one came. */
void keeper_start_begin(struct keeper *k);
/* Forgets the start; late answers to it will be dropped. */
void keeper_start_cancel(struct keeper *k);

/* For keeper_head.c: the head was read, and whether that is waited for; it was set or not; it is idle. */
bool keeper_start_awaits_head(const struct keeper *k);
void keeper_start_take_head(struct keeper *k);
void keeper_start_head_is_set(struct keeper *k, enum ipc_store_outcome outcome);
bool keeper_start_wants_head(const struct keeper *k);
void keeper_start_turn(struct keeper *k);

/* For keeper_remote.c: what was read, and what became of a claim. */
void keeper_start_take_entry(struct keeper *k, const uint8_t pubkey[static 48],
                             const struct slashing_entry *entry);
void keeper_start_read_ended(struct keeper *k, bool ok);
void keeper_start_take_claim(struct keeper *k, struct keeper_request *request, enum ipc_store_outcome outcome,
                             const struct slashing_entry *found);

#endif
