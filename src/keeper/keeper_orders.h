/* keeper_orders.h - the sign orders that have been heard and not been answered yet.
 *
 * An order is in exactly one list at a time: ready (to be decided), genesis (waits for the store to be locked
 * to a network), the resting or held list of a request to the store (keeper_requests.h), or one of the two
 * signable. Each has a deadline until it is signable.
 */
#ifndef KEEPER_ORDERS_H
#define KEEPER_ORDERS_H

#include <sys/queue.h>

#include "ipc/ipc.h"

enum { KEEPER_ORDERS_MAX = 16384, KEEPER_ORDER_SECONDS = 5 };

TAILQ_HEAD(keeper_order_list, keeper_order);

struct keeper_order {
    TAILQ_ENTRY(keeper_order) by_age, in_list;
    struct keeper_order_list *list; /* the one it is in */
    bool is_of_many;                /* one of many keys for the same message */
    bool has_deadline;
    uint64_t deadline_ns;
    unsigned attempts; /* decided and not true: the store held something else */
    struct eth2_order order;
    struct ipc_answer answer; /* as decided so far */
};

struct keeper_orders {
    struct keeper_order places[KEEPER_ORDERS_MAX];
    size_t num_touched; /* places never used lie behind: their pages cost nothing */
    size_t num_orders;
    struct keeper_order_list free, aging, ready, genesis, signable, signable_of_many;
    bool many_are_next;
};

void keeper_orders_open(struct keeper_orders *orders);

/* How many more can be taken. */
size_t keeper_orders_room(const struct keeper_orders *orders);
/* Takes one, into the list ready; there must be room. */
struct keeper_order *keeper_orders_add(struct keeper_orders *orders, const struct ipc_order *heard,
                                       uint64_t now_ns);
/* To the end of another list; in one that is signable the deadline ends. */
void keeper_orders_move(struct keeper_orders *orders, struct keeper_order *order,
                        struct keeper_order_list *to);
void keeper_orders_move_all(struct keeper_orders *orders, struct keeper_order_list *to,
                            struct keeper_order_list *from);
/* To the end of its signable list; the deadline ends. */
void keeper_orders_make_signable(struct keeper_orders *orders, struct keeper_order *order);
/* The next to be signed, of either list by turns: a batch of thousands does not hold up a lone order, nor a
 * stream of those the batch. NULL when there is none. */
struct keeper_order *keeper_orders_next_signable(struct keeper_orders *orders);
bool keeper_orders_are_signable(const struct keeper_orders *orders);
/* In front of those that are there, in their order; not to those that are signable. */
void keeper_orders_move_all_first(struct keeper_order_list *to, struct keeper_order_list *from);
/* Answered: the place is free. */
void keeper_orders_remove(struct keeper_orders *orders, struct keeper_order *order);
/* The oldest whose deadline has passed; NULL when there is none. */
struct keeper_order *keeper_orders_expired(const struct keeper_orders *orders, uint64_t now_ns);
/* The next deadline; UINT64_MAX when nothing waits. */
uint64_t keeper_orders_deadline_ns(const struct keeper_orders *orders);

#endif
