/* keeper_ahead.h - what needs no key is done while the store is waited for. */
#ifndef KEEPER_KEEPER_AHEAD_H
#define KEEPER_KEEPER_AHEAD_H

#include "keeper_requests.h"

struct keeper;

/* Has other threads hash the roots of the orders that rest on these requests, some at least. Never waits. */
void keeper_hash_ahead(struct keeper *k, struct keeper_request *const *requests, size_t num_requests);

#endif
