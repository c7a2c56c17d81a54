/* keeper_orders.c - places and lists; every operation takes the same time, however many orders wait.
 *
 * Places are given back to the front of the free list, so that a quiet signer touches few pages. Rejected: a
 * ring, which one order that waits long would hold up. */
#include "keeper_orders.h"

void keeper_orders_open(struct keeper_orders *orders)
{
    orders->num_touched = orders->num_orders = 0;
    TAILQ_INIT(&orders->free);
    TAILQ_INIT(&orders->aging);
    TAILQ_INIT(&orders->ready);
    TAILQ_INIT(&orders->genesis);
    for (size_t due = 0; due < ETH2_DUE_END; due++) {
        TAILQ_INIT(&orders->lanes[due].lone);
        TAILQ_INIT(&orders->lanes[due].of_many);
        orders->lanes[due].many_are_next = false;
    }
    orders->num_taken = 0;
}

size_t keeper_orders_room(const struct keeper_orders *orders)
{
    return KEEPER_ORDERS_MAX - orders->num_orders;
}

static struct keeper_order *take_place(struct keeper_orders *orders)
{
    struct keeper_order *place = TAILQ_FIRST(&orders->free);
    if (place)
        TAILQ_REMOVE(&orders->free, place, in_list);
    else
        place = &orders->places[orders->num_touched++];
    orders->num_orders++;
    return place;
}

struct keeper_order *keeper_orders_add(struct keeper_orders *orders, const struct ipc_order *heard,
                                       uint64_t now_ns)
{
    struct keeper_order *order = take_place(orders);
    uint64_t patience_ns = heard->patience_ms * UINT64_C(1000000);
    *order = (struct keeper_order){.list = &orders->ready,
                                   .has_deadline = true,
                                   .deadline_ns = now_ns + KEEPER_ORDER_SECONDS * UINT64_C(1000000000),
                                   .until_ns = patience_ns ? now_ns + patience_ns : UINT64_MAX,
                                   .order = heard->order,
                                   .answer = {.id = heard->id}};
    TAILQ_INSERT_TAIL(&orders->aging, order, by_age);
    TAILQ_INSERT_TAIL(&orders->ready, order, in_list);
    return order;
}

static void end_deadline(struct keeper_orders *orders, struct keeper_order *order)
{
    if (order->has_deadline)
        TAILQ_REMOVE(&orders->aging, order, by_age);
    order->has_deadline = false;
}

void keeper_orders_move(struct keeper_orders *orders, struct keeper_order *order,
                        struct keeper_order_list *to)
{
    (void)orders;
    TAILQ_REMOVE(order->list, order, in_list);
    TAILQ_INSERT_TAIL(to, order, in_list);
    order->list = to;
}

void keeper_orders_make_signable(struct keeper_orders *orders, struct keeper_order *order)
{
    struct keeper_order_lane *lane = &orders->lanes[eth2_order_due(order->order.kind)];
    keeper_orders_move(orders, order, order->is_of_many ? &lane->of_many : &lane->lone);
    end_deadline(orders, order);
}

static struct keeper_order *next_of_lane(struct keeper_order_lane *lane)
{
    struct keeper_order *lone = TAILQ_FIRST(&lane->lone);
    struct keeper_order *of_many = TAILQ_FIRST(&lane->of_many);
    if (!lone || !of_many)
        return lone ? lone : of_many;
    lane->many_are_next = !lane->many_are_next;
    return lane->many_are_next ? of_many : lone;
}

/* Nearly always that of those who are due early. */
static enum eth2_due lane_in_turn(struct keeper_orders *orders)
{
    orders->num_taken = (orders->num_taken + 1) % KEEPER_WHENEVER_SHARE;
    if (orders->num_taken == 0)
        return ETH2_DUE_WHENEVER;
    return orders->num_taken % KEEPER_LATE_SHARE == 0 ? ETH2_DUE_LATE : ETH2_DUE_EARLY;
}

static bool is_empty(const struct keeper_order_lane *lane)
{
    return TAILQ_EMPTY(&lane->lone) && TAILQ_EMPTY(&lane->of_many);
}

bool keeper_orders_are_signable(const struct keeper_orders *orders)
{
    for (size_t due = 0; due < ETH2_DUE_END; due++)
        if (!is_empty(&orders->lanes[due]))
            return true;
    return false;
}

void keeper_orders_take_signable(struct keeper_orders *orders, struct keeper_order_list *to, size_t max)
{
    size_t first = 0;
    while (first < ETH2_DUE_END - 1 && is_empty(&orders->lanes[first]))
        first++;
    for (size_t i = 0; i < max && !is_empty(&orders->lanes[first]); i++) {
        struct keeper_order *next = next_of_lane(&orders->lanes[lane_in_turn(orders)]);
        if (!next)
            next = next_of_lane(&orders->lanes[first]);
        keeper_orders_move(orders, next, to);
    }
}

static struct keeper_order *late_first(const struct keeper_order_list *list, uint64_t now_ns)
{
    struct keeper_order *first = TAILQ_FIRST(list);
    return first && first->until_ns <= now_ns ? first : NULL;
}

struct keeper_order *keeper_orders_late(const struct keeper_orders *orders, uint64_t now_ns)
{
    struct keeper_order *late = NULL;
    for (size_t due = 0; due < ETH2_DUE_END && !late; due++) {
        late = late_first(&orders->lanes[due].lone, now_ns);
        if (!late)
            late = late_first(&orders->lanes[due].of_many, now_ns);
    }
    return late;
}

bool keeper_orders_lone_are_due(const struct keeper_orders *orders)
{
    return !TAILQ_EMPTY(&orders->lanes[ETH2_DUE_EARLY].lone);
}

void keeper_orders_move_all(struct keeper_orders *orders, struct keeper_order_list *to,
                            struct keeper_order_list *from)
{
    struct keeper_order *order;
    while ((order = TAILQ_FIRST(from)))
        keeper_orders_move(orders, order, to);
}

void keeper_orders_move_all_first(struct keeper_order_list *to, struct keeper_order_list *from)
{
    struct keeper_order *order;
    TAILQ_FOREACH(order, from, in_list)
    order->list = to;
    TAILQ_CONCAT(from, to, in_list);
    TAILQ_CONCAT(to, from, in_list);
}

void keeper_orders_remove(struct keeper_orders *orders, struct keeper_order *order)
{
    end_deadline(orders, order);
    TAILQ_REMOVE(order->list, order, in_list);
    TAILQ_INSERT_HEAD(&orders->free, order, in_list);
    order->list = &orders->free;
    orders->num_orders--;
}

struct keeper_order *keeper_orders_expired(const struct keeper_orders *orders, uint64_t now_ns)
{
    struct keeper_order *oldest = TAILQ_FIRST(&orders->aging);
    return oldest && oldest->deadline_ns <= now_ns ? oldest : NULL;
}

uint64_t keeper_orders_deadline_ns(const struct keeper_orders *orders)
{
    const struct keeper_order *oldest = TAILQ_FIRST(&orders->aging);
    return oldest ? oldest->deadline_ns : UINT64_MAX;
}
