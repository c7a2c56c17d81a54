/* keeper_head.h - the head of a store across a network: read, checked, changed; one at a time.
 *
 * Who wants to read or change it: the start (keeper_start.c), orders that wait for the genesis lock, and the
 * look from time to time whether another signer has taken over.
 */
#ifndef KEEPER_HEAD_H
#define KEEPER_HEAD_H

#include "ipc/ipc.h"
#include "ipc/ipc_store.h"
#include "slashing/slashing_store.h"

struct keeper;
struct keeper_store;

enum keeper_head_activity { KEEPER_HEAD_IDLE, KEEPER_HEAD_READING, KEEPER_HEAD_SETTING };

struct keeper_head {
    enum keeper_head_activity activity;
    bool read_wanted;
    bool for_start;            /* what is being set is the start's; else the genesis lock */
    uint64_t set_id;           /* of the latest STORE_HEAD_SET */
    struct slashing_head next; /* being set */
    enum ipc_store_head_status status;
    struct slashing_head latest; /* as last read, or set; status says whether there is one */
    uint64_t num_known;          /* validators that it counted at the last look */
    char why[IPC_TEXT_MAX + 1];  /* the status is not FOUND: the courier's reason */
};

/* Asks the courier to open the store: the policy is in force. Does nothing for stores of other kinds. */
void keeper_head_open(struct keeper *k);

/* Sees to it that the head will be read; keeper_start_take_head is told if a start waits for it. */
void keeper_head_refresh(struct keeper *k);

/* Sends next instead of the latest head, with enrolments, num_enrolments x (48 bytes of public key, entry);
 * the activity must be IDLE. keeper_start_head_is_set is told. */
void keeper_head_set(struct keeper *k, const struct slashing_head *next, const uint8_t *enrolments,
                     uint32_t num_enrolments);

/* The latest head against what this signer knows and the policy: whose it is, its seal, its generation. What
 * it says is in force then. E_STORE says what is wrong; a later generation breaks the store, too. */
must_check result keeper_head_accept(struct keeper *k);

/* Begins the genesis lock, when orders wait for it and nothing else is under way. */
void keeper_head_turn(struct keeper *k);

/* STORE_HEAD and STORE_HEAD_IS_SET. */
must_check result keeper_head_take(struct keeper *k, const struct ipc_store_head *head);
must_check result keeper_head_take_set(struct keeper *k, const struct ipc_store_head_is_set *set);

/* The high watermark, told in the log when it is another than before. */
void keeper_head_take_limits(struct keeper_store *store, const struct slashing_head *head);

#endif
