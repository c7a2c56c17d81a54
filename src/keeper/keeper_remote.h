/* keeper_remote.h - what is said to the courier of entries, and what it answers. */
#ifndef KEEPER_REMOTE_H
#define KEEPER_REMOTE_H

#include "ipc/ipc.h"
#include "ipc/ipc_store.h"
#include "keeper_requests.h"

struct keeper;

/* Several STORE_LOADs may be under way at once. */
enum { KEEPER_READS_MAX = 8 };

enum keeper_read_purpose {
    KEEPER_READ_FREE,
    KEEPER_READ_SERVICE, /* keys in service whose record is not known */
    KEEPER_READ_START,   /* keys of a start */
    KEEPER_READ_SCAN     /* every entry of the store, for a start */
};

struct keeper_read {
    enum keeper_read_purpose purpose;
    uint64_t id;
    uint32_t start; /* number of the start */
    uint32_t num_keys, num_taken;
    uint8_t pubkeys[IPC_STORE_LOAD_MAX][48];
    struct keeper_request *requests[IPC_STORE_LOAD_MAX]; /* SERVICE */
};

struct keeper_reads {
    struct keeper_read places[KEEPER_READS_MAX];
    uint64_t next_id;
};

/* Sends what waits to be sent, as long as the courier reads. */
void keeper_remote_send(struct keeper *k);

/* Asks for the records of keys of a start: fresh[from] and on, at most IPC_STORE_LOAD_MAX; returns how many,
 * 0 when too many reads are under way. */
uint32_t keeper_remote_read_fresh(struct keeper *k, uint32_t from);
/* Asks for every entry; false when too many reads are under way. */
bool keeper_remote_scan(struct keeper *k);

/* STORE_ENTRIES and STORE_ADVANCED. */
must_check result keeper_remote_take_entries(struct keeper *k, const struct ipc_store_entries *entries);
must_check result keeper_remote_take_advanced(struct keeper *k, struct ipc_message *m);

#endif
