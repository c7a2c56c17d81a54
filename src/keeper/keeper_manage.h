/* keeper_manage.h - one request to the key manager: PROTOCOL.ipc section 5.
 *
 * It is a load like any other (keeper_load.c), whose loader is in manage mode, and whose walk through the
 * store (keeper_start.c) also changes records: an import merges the history that came with it and enables the
 * validator, a deletion disables it.
 */
#ifndef KEEPER_MANAGE_H
#define KEEPER_MANAGE_H

#include "ipc/ipc.h"
#include "keeper_keys.h"

struct keeper;

struct keeper_manage_item {
    uint8_t pubkey[BLS_PUBKEY_LEN];
    struct slashing_record history; /* that came with it */
    bool is_served;                 /* a deletion: the key was in service when it began */
    bool is_going;                  /* import: decrypted and not failed since; deletion: its files are gone */
    bool is_settled;                /* status is the answer */
    enum ipc_managed_status status;
    struct slashing_record record; /* deletion: what the store has */
    char why[IPC_TEXT_MAX + 1];
};

struct keeper_manage {
    bool is_active;
    enum ipc_manage_action action;
    bool has_genesis; /* of the histories */
    uint8_t genesis[32];
    uint32_t num_items, num_awaited; /* keystores that are still to come, */
    uint32_t num_relayed;            /* that went to the loader, */
    uint32_t num_files;              /* files whose end is to be told */
    struct keeper_manage_item items[IPC_MANAGE_MAX];
};

/* From the front. Each MANAGE is answered by one MANAGED for each item. E_STATE for one too many. */
must_check result keeper_manage_begin(struct keeper *k, const struct ipc_manage *wanted);
must_check result keeper_manage_take_keystore(struct keeper *k, const struct ipc_keystore *keystore);

/* From the loader. */
must_check result keeper_manage_take_key(struct keeper *k, const struct ipc_loaded_key *key);
void keeper_manage_take_failure(struct keeper *k, const struct ipc_record_failed *failed);
must_check result keeper_manage_take_end(struct keeper *k, uint32_t num_keys, uint32_t num_failed);
must_check result keeper_manage_take_file_done(struct keeper *k, const struct ipc_record_failed *done);

/* For the walk through the store (keeper_start.c). The genesis root to lock it to, or NULL. */
const uint8_t *keeper_manage_genesis(const struct keeper *k);
/* E_MISMATCH, which is every item's answer then, when the histories are of another genesis root than the
 * store by what its head last said. */
must_check result keeper_manage_check_genesis(struct keeper *k);
bool keeper_manage_deletes(const struct keeper *k);
/* What the request wants the key's record to be; false when it is that already, or there is no request. */
bool keeper_manage_amend(const struct keeper *k, struct slashing_record *ret_next,
                         const struct keeper_key *key);
/* Whether an import says what the key has signed: even if its record stays as it is, Web3Signer, where it
 * reads the store too, may not know of it. */
bool keeper_manage_brings_history(const struct keeper *k, const struct keeper_key *key);
/* SQLite: makes all of them durable. */
must_check result keeper_manage_amend_local(struct keeper *k);
/* All records of k->load.keys are known and as they are wanted. */
void keeper_manage_recorded(struct keeper *k);

/* The load has ended; items that are not settled failed for this reason. */
void keeper_manage_answer(struct keeper *k, const char *why);

#endif
