/* front_sign.c - a request becomes an order, orders travel in batches, answers become replies.
 *
 * A batch is whatever one turn of the loop brought: the first order of a turn makes an event active, which
 * libevent runs behind the requests already found readable. So a lone request never waits, and a burst
 * crosses to the keeper in a few packets. Answers find their request by an id that names a slot and how often
 * it was used, so a late answer to a request that timed out meets nobody.
 *
 * What is due early in its slot goes before what is due later, here as in the keeper (eth2_order.h), and of
 * the rest only as much is with the keeper as it hears in one turn: a flood of registrations waits here, and
 * takes no place there from an attestation. Nor here: a fifth of the slots is for what is due early. Every
 * packet has room for one of each class, so that none starves.
 *
 * A request whose client is known to have gone is not sent. One that is with the keeper already is not taken
 * back: that would be a message and a search a request, to save the signature of a client that left within
 * milliseconds; the order carries how long its request waits, and the keeper drops what is late.
 *
 * The keeper decides everything that matters; what is checked here is checked there again. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "eth2/eth2_api_memory.h"
#include "front.h"
#include "net/net_loop.h"

enum { SLOT_BITS = 20, UNHURRIED_MAX = 4 * IPC_BATCH_MAX, EARLY_SHARE = 5 };

struct slot {
    TAILQ_ENTRY(slot) by_age;
    TAILQ_ENTRY(slot) link; /* in free or in waiting */
    uint64_t id;
    uint64_t began_ns, deadline_ns;
    struct net_http_request *request;
    bool as_json;
    bool is_sent;
    struct eth2_order order;
};

TAILQ_HEAD(slots, slot);

struct front_desk {
    struct front *front;
    struct event *send, *deadline;
    struct eth2_api_memory bodies;
    struct slots free, aging, waiting[ETH2_DUE_END];
    uint32_t num_unhurried;        /* with the keeper, and not due early */
    size_t num_patient;            /* slots in use of what is not due early */
    size_t num_slots, num_touched; /* slots never used lie behind: their pages cost nothing */
    struct slot slots[];
};

/* ---- replies ---- */

static void reply_signature(const struct slot *slot, const uint8_t signature[static 96])
{
    char hex[2 * 96 + 3], body[2 * 96 + 32];
    hex_encode_0x(hex, signature, 96);
    if (!slot->as_json) {
        net_http_reply(slot->request, 200, "text/plain; charset=utf-8", hex, strlen(hex));
        return;
    }
    int length = snprintf(body, sizeof body, "{\"signature\":\"%s\"}", hex);
    net_http_reply(slot->request, 200, "application/json; charset=utf-8", body, (size_t)length);
}

static must_check result format_slashable(struct buffer *out, const struct slot *slot,
                                          const struct ipc_answer *answer, const struct front_reason *reason)
{
    TRY(buffer_printf(out, "{\"error\":\"%s\",\"code\":\"%s\"", reason->sentence, reason->code));
    TRY(front_append_heights(out, &slot->order, answer));
    return buffer_append_text(out, "}");
}

void front_learn_network(struct front *front)
{
    struct eth2_network *ours = &front->policy.network, built_in;
    if (front->policy.has_genesis_validators_root) {
        memcpy(ours->genesis_validators_root, front->policy.genesis_validators_root, ETH2_ROOT_LEN);
        ours->has_genesis_validators_root = true;
        return;
    }
    bool known = !eth2_network_by_name(&built_in, ours->name).code && built_in.genesis_time > 0 &&
                 built_in.genesis_time == ours->genesis_time &&
                 memcmp(built_in.fork_version, ours->fork_version, sizeof ours->fork_version) == 0;
    ours->has_genesis_validators_root = known;
    if (known)
        memcpy(ours->genesis_validators_root, built_in.genesis_validators_root, ETH2_ROOT_LEN);
}

/* What slashing protection let pass is of the chain that its store is locked to. */
static void learn_genesis(struct front *front, const struct eth2_order *order)
{
    struct eth2_network *network = &front->policy.network;
    bool checked = order->kind == ETH2_ORDER_ATTESTATION || order->kind == ETH2_ORDER_BLOCK;
    if (network->has_genesis_validators_root || !checked || !front->policy.slashing_protection)
        return;
    memcpy(network->genesis_validators_root, order->fork_info.genesis_validators_root, ETH2_ROOT_LEN);
    network->has_genesis_validators_root = true;
}

static enum front_outcome reply(const struct slot *slot, const struct ipc_answer *answer)
{
    AUTO(buffer) body = {0};
    struct front_reason reason;
    front_explain(&reason, &slot->order, answer);
    front_log_note(slot->request, reason.outcome, slot->order.kind);
    if (reason.outcome == FRONT_SIGNED)
        reply_signature(slot, answer->signature);
    else if (reason.code && !format_slashable(&body, slot, answer, &reason).code)
        net_http_reply(slot->request, reason.status, "application/json", body.data, body.length);
    else
        front_reply_error(slot->request, reason.status, "%s", reason.sentence);
    return reason.outcome;
}

/* ---- slots ---- */

static bool do_wait(const struct front_desk *desk)
{
    for (size_t due = 0; due < ETH2_DUE_END; due++)
        if (!TAILQ_EMPTY(&desk->waiting[due]))
            return true;
    return false;
}

static void let_one_more(struct front_desk *desk)
{
    desk->num_unhurried--;
    if (do_wait(desk))
        event_active(desk->send, EV_TIMEOUT, 0);
}

static void release(struct front_desk *desk, struct slot *slot)
{
    enum eth2_due due = eth2_order_due(slot->order.kind);
    TAILQ_REMOVE(&desk->aging, slot, by_age);
    if (!slot->is_sent)
        TAILQ_REMOVE(&desk->waiting[due], slot, link);
    else if (due != ETH2_DUE_EARLY)
        let_one_more(desk);
    desk->num_patient -= due != ETH2_DUE_EARLY;
    slot->request = NULL;
    slot->id += (uint64_t)1 << SLOT_BITS;
    TAILQ_INSERT_HEAD(&desk->free, slot, link); /* a quiet front touches few */
}

static void watch_deadline(struct front_desk *desk)
{
    const struct slot *slot = TAILQ_FIRST(&desk->aging);
    if (slot && !event_pending(desk->deadline, EV_TIMEOUT, NULL))
        net_loop_alarm(desk->deadline, slot->deadline_ns);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct front_desk *desk = context;
    uint64_t now = clock_monotonic_ns();
    struct slot *slot;
    while ((slot = TAILQ_FIRST(&desk->aging)) && slot->deadline_ns <= now) {
        front_log_note(slot->request, FRONT_LATE, slot->order.kind);
        front_reply_error(slot->request, 503, "no signature within %d seconds", FRONT_DEADLINE_SECONDS);
        front_metrics_answered(desk->front, FRONT_LATE, slot->order.kind, slot->began_ns);
        release(desk, slot);
    }
    watch_deadline(desk);
}

/* ---- to the keeper and back ---- */

uint16_t front_patience_ms(uint64_t deadline_ns)
{
    uint64_t now = clock_monotonic_ns();
    uint64_t left_ms = deadline_ns > now ? (deadline_ns - now) / 1000000 : 0;
    return left_ms > 0 ? (uint16_t)left_ms : 1;
}

/* What goes into one packet. */
struct choice {
    struct slot *next[ETH2_DUE_END];
    uint32_t num_slots, num_unhurried;
    struct slot *slots[IPC_BATCH_MAX];
};

static void leave(struct front_desk *desk, struct slot *slot)
{
    front_reply_error(slot->request, 503, "the client has gone");
    front_metrics_answered(desk->front, FRONT_GONE, slot->order.kind, slot->began_ns);
    release(desk, slot);
}

static void choose(struct front_desk *desk, struct choice *choice, enum eth2_due due, uint32_t max)
{
    struct slot *slot;
    while (max > 0 && choice->num_slots < IPC_BATCH_MAX && (slot = choice->next[due]) &&
           (due == ETH2_DUE_EARLY || desk->num_unhurried + choice->num_unhurried < UNHURRIED_MAX)) {
        choice->next[due] = TAILQ_NEXT(slot, link);
        if (net_http_is_gone(slot->request)) {
            leave(desk, slot);
            continue;
        }
        choice->slots[choice->num_slots++] = slot;
        choice->num_unhurried += due != ETH2_DUE_EARLY;
        max--;
    }
}

static void choose_all(struct front_desk *desk, struct choice *choice)
{
    for (size_t due = 0; due < ETH2_DUE_END; due++)
        choice->next[due] = TAILQ_FIRST(&desk->waiting[due]);
    choose(desk, choice, ETH2_DUE_LATE, 1);
    choose(desk, choice, ETH2_DUE_WHENEVER, 1);
    for (enum eth2_due due = ETH2_DUE_EARLY; due < ETH2_DUE_END; due++)
        choose(desk, choice, due, IPC_BATCH_MAX);
}

static must_check result send_chosen(struct front_desk *desk, const struct choice *choice)
{
    struct front *front = desk->front;
    struct packer p = {.data = front->packet, .capacity = sizeof front->packet};
    ipc_begin(&p, IPC_SIGN, choice->num_slots);
    for (uint32_t i = 0; i < choice->num_slots; i++) {
        const struct slot *slot = choice->slots[i];
        ipc_pack_order(&p, &(struct ipc_order){.id = slot->id,
                                               .patience_ms = front_patience_ms(slot->deadline_ns),
                                               .order = slot->order});
    }
    TRY(pack_end(&p));
    TRY(ipc_send_now(front->keeper, p.data, p.length, -1));
    log_debug("%u orders to the keeper", choice->num_slots);
    for (uint32_t i = 0; i < choice->num_slots; i++) {
        struct slot *slot = choice->slots[i];
        TAILQ_REMOVE(&desk->waiting[eth2_order_due(slot->order.kind)], slot, link);
        slot->is_sent = true;
    }
    desk->num_unhurried += choice->num_unhurried;
    return RESULT_OK;
}

result front_desk_send(struct front_desk *desk)
{
    while (do_wait(desk)) {
        struct choice choice = {0};
        choose_all(desk, &choice);
        if (choice.num_slots == 0)
            return RESULT_OK; /* goes on when one of those that are with the keeper is answered */
        TRY(send_chosen(desk, &choice));
    }
    return RESULT_OK;
}

static void on_send(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct front_desk *desk = context;
    front_keeper_tried(desk->front, front_desk_send(desk));
}

result front_desk_take_answers(struct front_desk *desk, struct ipc_message *message)
{
    for (uint32_t i = 0; i < message->count; i++) {
        struct ipc_answer answer;
        TRY(ipc_take_answer(&answer, &message->body));
        if (answer.id & FRONT_BATCH_ID) {
            TRY(front_batches_take_answer(desk->front->batches, &answer));
            continue;
        }
        size_t index = (size_t)(answer.id & (((uint64_t)1 << SLOT_BITS) - 1));
        ENSURE(index < desk->num_slots, E_PEER, "an answer to an order that was never given");
        struct slot *slot = &desk->slots[index];
        if (slot->id != answer.id || !slot->request || !slot->is_sent)
            continue; /* the request timed out before */
        enum front_outcome outcome = reply(slot, &answer);
        front_metrics_answered(desk->front, outcome, slot->order.kind, slot->began_ns);
        if (outcome == FRONT_SIGNED)
            learn_genesis(desk->front, &slot->order);
        if (outcome == FRONT_REFUSED)
            front_metrics_refused(desk->front, &answer, slot->order.pubkey);
        release(desk, slot);
    }
    return cursor_end(&message->body);
}

/* ---- from the client ---- */

/* What the keeper never hears of. */
static void turn_away(struct front *front, struct net_http_request *request, enum front_outcome outcome,
                      enum eth2_order_kind kind, uint64_t began_ns)
{
    front_log_note(request, outcome, kind);
    if (outcome == FRONT_MALFORMED)
        front_reply_error(request, 400, "%s", error_text());
    else if (outcome == FRONT_TOO_LARGE)
        front_reply_error(request, 413, "%s", error_text());
    else if (outcome == FRONT_UNKNOWN_KEY)
        front_reply_error(request, 404, "identifier: no such key is loaded");
    else {
        net_http_reply_header(request, "retry-after", "1");
        front_reply_error(request, 503, "too many requests at once");
    }
    front_metrics_answered(front, outcome, kind, began_ns);
}

/* NULL when all that it may have are taken; else it is in no list. */
static struct slot *take_slot(struct front_desk *desk, enum eth2_due due)
{
    struct slot *slot = TAILQ_FIRST(&desk->free);
    if (due != ETH2_DUE_EARLY && desk->num_patient == desk->num_slots - desk->num_slots / EARLY_SHARE)
        return NULL;
    if (slot) {
        TAILQ_REMOVE(&desk->free, slot, link);
    } else if (desk->num_touched < desk->num_slots) {
        slot = &desk->slots[desk->num_touched];
        slot->id = desk->num_touched++;
    }
    desk->num_patient += slot && due != ETH2_DUE_EARLY;
    return slot;
}

void front_sign(struct front *front, struct net_http_request *request, const char *identifier)
{
    struct front_desk *desk = front->desk;
    uint64_t now = clock_monotonic_ns();
    struct eth2_order order = {0};
    struct eth2_api_text body;
    body.data = net_http_body(request, &body.length);
    enum eth2_api_shape shape = ETH2_SHAPE_CURRENT;
    result parsed = eth2_api_recall(&order, &shape, &desk->bodies, &front->policy.network, body);
    if (parsed.code) {
        turn_away(front, request, parsed.code == E_TOO_LARGE ? FRONT_TOO_LARGE : FRONT_MALFORMED, 0, now);
        return;
    }
    net_http_body_free(request);
    front_note_shape(front, request, order.kind, shape);
    if (hex_decode(order.pubkey, sizeof order.pubkey, identifier, strlen(identifier)).code) {
        turn_away(front, request, FRONT_UNKNOWN_KEY, order.kind, now);
        return;
    }
    enum eth2_due due = eth2_order_due(order.kind);
    struct slot *slot = take_slot(desk, due);
    if (!slot) {
        turn_away(front, request, FRONT_BUSY, order.kind, now);
        return;
    }
    const char *accept = net_http_header(request, "accept");
    slot->as_json = accept && (front_accepts(accept, "application/json") || front_accepts(accept, "*/*"));
    slot->request = request;
    slot->order = order;
    slot->is_sent = false;
    slot->began_ns = now;
    slot->deadline_ns = now + (uint64_t)FRONT_DEADLINE_SECONDS * 1000000000;
    TAILQ_INSERT_TAIL(&desk->aging, slot, by_age);
    TAILQ_INSERT_TAIL(&desk->waiting[due], slot, link);
    watch_deadline(desk);
    event_active(desk->send, EV_TIMEOUT, 0);
}

result front_desk_new(struct front_desk **ret_desk, struct front *front, uint32_t num_connections)
{
    /* Each connection of HTTP/1.1 can have its request, whatever it is. */
    uint32_t num_slots = num_connections + num_connections / (EARLY_SHARE - 1);
    ENSURE(num_slots < (uint32_t)1 << SLOT_BITS, E_INTERNAL, "too many slots");
    struct front_desk *desk = calloc(1, sizeof *desk + num_slots * sizeof desk->slots[0]);
    ENSURE(desk, E_MEMORY, "out of memory");
    desk->front = front;
    desk->num_slots = num_slots;
    TAILQ_INIT(&desk->free);
    TAILQ_INIT(&desk->aging);
    for (size_t due = 0; due < ETH2_DUE_END; due++)
        TAILQ_INIT(&desk->waiting[due]);
    desk->send = event_new(front->base, -1, 0, on_send, desk);
    desk->deadline = evtimer_new(front->base, on_deadline, desk);
    *ret_desk = desk;
    ENSURE(desk->send && desk->deadline, E_MEMORY, "out of memory");
    return RESULT_OK;
}

void front_desk_free(struct front_desk *desk)
{
    if (!desk)
        return;
    struct slot *slot;
    while ((slot = TAILQ_FIRST(&desk->aging))) {
        front_reply_error(slot->request, 503, "the signer stops");
        release(desk, slot);
    }
    if (desk->send)
        event_free(desk->send);
    if (desk->deadline)
        event_free(desk->deadline);
    free(desk);
}
