/* keeper_requests.h - what the store is asked about single validators, until it has answered.
 *
 * A key that serves has at most one request at a time (struct keeper_key). Until it is sent, more orders may
 * join an advance: it then leads from the record in memory to the last of theirs.
 */
#ifndef KEEPER_REQUESTS_H
#define KEEPER_REQUESTS_H

#include "keeper_orders.h"
#include "slashing/slashing_store.h"

enum { KEEPER_REQUESTS_MAX = 16384 };

enum keeper_request_kind {
    KEEPER_ADVANCE, /* of a key in service */
    KEEPER_CLAIM,   /* the same, of a key that is about to be put into service (keeper_start.c) */
    KEEPER_READ     /* the record of a key in service, which is not known */
};

struct keeper_request {
    TAILQ_ENTRY(keeper_request) in_list;
    uint64_t id; /* 0: a free place */
    enum keeper_request_kind kind;
    bool is_sent;
    uint32_t start;                   /* a claim: number of the start it belongs to */
    struct slashing_advance advance;  /* a read: the public key only */
    struct keeper_order_list resting; /* decided, and true once the advance is done */
    struct keeper_order_list held;    /* to be decided once it is answered */
};

TAILQ_HEAD(keeper_request_list, keeper_request);

struct keeper_requests {
    struct keeper_request places[KEEPER_REQUESTS_MAX];
    size_t num_touched;
    uint64_t next_serial;
    struct keeper_request_list free, unsent_advances, unsent_reads;
};

void keeper_requests_open(struct keeper_requests *requests);

/* A new one, which is in its unsent list; NULL when there is no place. */
struct keeper_request *keeper_requests_new(struct keeper_requests *requests, enum keeper_request_kind kind,
                                           const uint8_t pubkey[static 48]);
/* It leaves its list. */
void keeper_requests_mark_sent(struct keeper_requests *requests, struct keeper_request *request);
/* The one that was sent under that id; NULL when none was, or when it has been answered. */
struct keeper_request *keeper_requests_find(struct keeper_requests *requests, uint64_t id);
/* Both its lists of orders must be empty. */
void keeper_requests_remove(struct keeper_requests *requests, struct keeper_request *request);

#endif
