/* courier_store_rig.h - a courier's store between a keeper that the test plays and a store that does as told.
 */
#ifndef COURIER_STORE_RIG_H
#define COURIER_STORE_RIG_H

#include "testing.h"

#include <pthread.h>

#include "courier/courier_store.h"

enum { RIG_BATCHES_MAX = 256 };

/* What the store behind it does; several threads look at it under the lock. */
struct rig_script {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held;       /* advances wait */
    bool opens_fail; /* no store can be opened */
    bool asking_fails;
    unsigned opened, closed, at_work, authorised;
    char access_key_id[AWS_ACCESS_KEY_ID_MAX + 1]; /* of the latest credentials */
    size_t batches[RIG_BATCHES_MAX];
    size_t num_batches;
};

struct rig {
    struct rig_script script;
    struct courier_outbox *outbox;
    struct courier_store *store;
    int ours, keeper; /* the courier's end, and the end the test plays */
    uint8_t packet[IPC_PACKET_MAX];
};

void rig_open(struct rig *rig, unsigned num_threads, size_t batch_max, bool needs_credentials);
void rig_open_sqlite(struct rig *rig, const char *path);
void rig_close(struct rig *rig);

void rig_hold(struct rig *rig, bool held);
/* Waits until so many threads are in the middle of an advance. */
void rig_wait_at_work(struct rig *rig, unsigned num);

/* Advances of keys first, first + 1, ... from nothing to slot, histories those of keys divisible by 3; a key
 * is its number in its first bytes. The store in the script answers a key divisible by 7 with a conflict, one
 * divisible by 5 with nothing. */
void rig_ask(struct rig *rig, uint64_t first, uint32_t num, uint64_t slot);
void rig_send(struct rig *rig, struct packer *p);
/* Moves packets as the courier's loop does until one has come for the keeper. */
struct ipc_message rig_receive(struct rig *rig);

void rig_key(uint8_t pubkey[static 48], uint64_t number);
uint64_t rig_number(const uint8_t pubkey[static 48]);

#endif
