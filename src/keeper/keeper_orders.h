/* keeper_orders.h - the sign orders that have been heard and not been answered yet.
 *
 * An order is in exactly one list at a time: ready (to be decided), genesis (waits for the store to be locked
 * to a network), the resting or held list of a request to the store (keeper_requests.h), or a signable one.
 * Each has a deadline until it is signable, and, signable or not, a time until which its request waits: what
 * is late is not signed.
 *
 * All that is ready is decided together, in the order of hearing, for that costs little. What is signable is
 * signed by when it is due (eth2_order.h): a lane a class, and the first lane that has an order is served. So
 * that no lane starves while those before it never run dry, each KEEPER_LATE_SHARE-th order taken is one of
 * the second lane, each KEEPER_WHENEVER_SHARE-th one of the third, if they have any. The shares are small
 * because such an order, with a message of its own, may cost as much as a dozen attestations of one message.
 * Rejected: ageing, by which a flood of thousands would come of age at once, before everything else.
 */
#ifndef KEEPER_ORDERS_H
#define KEEPER_ORDERS_H

#include <sys/queue.h>

#include "ipc/ipc.h"

enum {
    KEEPER_ORDERS_MAX = 16384,
    KEEPER_ORDER_SECONDS = 5,
    KEEPER_LATE_SHARE = 128,
    KEEPER_WHENEVER_SHARE = 8 * KEEPER_LATE_SHARE
};

TAILQ_HEAD(keeper_order_list, keeper_order);

struct keeper_order {
    TAILQ_ENTRY(keeper_order) by_age, in_list;
    struct keeper_order_list *list; /* the one it is in */
    bool is_of_many;                /* one of many keys for the same message */
    bool has_deadline;
    uint64_t deadline_ns;
    uint64_t until_ns; /* its request waits; UINT64_MAX when that is not known */
    unsigned attempts; /* decided and not true: the store held something else */
    struct eth2_order order;
    struct ipc_answer answer; /* as decided so far */
};

/* Signable orders of a class. */
struct keeper_order_lane {
    struct keeper_order_list lone, of_many;
    bool many_are_next;
};

struct keeper_orders {
    struct keeper_order places[KEEPER_ORDERS_MAX];
    size_t num_touched; /* places never used lie behind: their pages cost nothing */
    size_t num_orders;
    struct keeper_order_list free, aging, ready, genesis;
    struct keeper_order_lane lanes[ETH2_DUE_END];
    unsigned num_taken; /* to be signed, modulo something that both shares divide */
};

void keeper_orders_open(struct keeper_orders *orders);

/* How many more can be taken. */
size_t keeper_orders_room(const struct keeper_orders *orders);
/* Takes one, into the list ready; there must be room. */
struct keeper_order *keeper_orders_add(struct keeper_orders *orders, const struct ipc_order *heard,
                                       uint64_t now_ns);
/* To the end of another list; not for those that are signable. */
void keeper_orders_move(struct keeper_orders *orders, struct keeper_order *order,
                        struct keeper_order_list *to);
void keeper_orders_move_all(struct keeper_orders *orders, struct keeper_order_list *to,
                            struct keeper_order_list *from);
/* To the end of its signable list; the deadline ends. */
void keeper_orders_make_signable(struct keeper_orders *orders, struct keeper_order *order);
/* Moves the next to be signed there, at most max: of the first lane that has any, and of others only what is
 * their share, for an answer may wait until all that is taken together is signed. Within a lane lone orders
 * and those of batches take turns: a batch of thousands does not hold up a lone order, nor a stream of those
 * the batch. */
void keeper_orders_take_signable(struct keeper_orders *orders, struct keeper_order_list *to, size_t max);
bool keeper_orders_are_signable(const struct keeper_orders *orders);
/* One of the signable whose request does not wait any more; NULL: those that are the next of their lanes are
 * in time. */
struct keeper_order *keeper_orders_late(const struct keeper_orders *orders, uint64_t now_ns);
/* Lone orders that are due early are signable. */
bool keeper_orders_lone_are_due(const struct keeper_orders *orders);
/* In front of those that are there, in their order; not to those that are signable. */
void keeper_orders_move_all_first(struct keeper_order_list *to, struct keeper_order_list *from);
/* Answered: the place is free. */
void keeper_orders_remove(struct keeper_orders *orders, struct keeper_order *order);
/* The oldest whose deadline has passed; NULL when there is none. */
struct keeper_order *keeper_orders_expired(const struct keeper_orders *orders, uint64_t now_ns);
/* The next deadline; UINT64_MAX when nothing waits. */
uint64_t keeper_orders_deadline_ns(const struct keeper_orders *orders);

#endif
