/* front_batch.c - POST /api/v1/eth2/sign: one message, many keys, one answer for each in their order.
 *
 * The shape is that of pull request 29 of remote-signing-api; it is our extension until that is a standard.
 * A batch crosses to the keeper in a few packets that say whether more follow, so that the keeper decides and
 * records all its keys together; there they are orders as any other, and each is answered by itself, in any
 * order. Here they are put back into theirs by the id, which names place and use of a batch, and the position
 * in it.
 *
 * Batches take at most half of the keeper's places for orders: one that comes while these are taken waits
 * here, and lone requests never wait for a place. Rejected: cutting a batch into orders of the desk, each
 * with a place of its own; thousands of places would be taken from lone requests, and their order lost. */
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "eth2/eth2_api.h"
#include "front.h"
#include "net/net_loop.h"

enum {
    PUBKEY_LEN = 48,
    PLACE_BITS = 8,
    PLACES = 1 << PLACE_BITS,
    POSITION_BITS = 13,
    KEYS_UNDER_WAY_MAX = 8192
};

_Static_assert((int)ETH2_API_BATCH_KEYS_MAX <= 1 << POSITION_BITS, "every position has its number");
_Static_assert((int)ETH2_API_BATCH_KEYS_MAX <= (int)KEYS_UNDER_WAY_MAX, "the largest batch can be sent");

struct batch {
    TAILQ_ENTRY(batch) link;          /* in free, in waiting, or in sent */
    uint64_t id;                      /* of its first key */
    struct net_http_request *request; /* NULL: was answered too late, while it was being sent */
    uint64_t began_ns, deadline_ns;
    struct eth2_order order;
    struct buffer pubkeys;
    uint32_t num_keys, num_sent, num_answered;
    bool is_sent;
    struct ipc_answer *answers; /* one a key; id 0: none yet. NULL before anything is sent */
};

TAILQ_HEAD(batch_list, batch);

struct front_batches {
    struct front *front;
    struct event *send, *deadline;
    struct batch_list free, waiting, sent;
    uint32_t keys_under_way;
    struct batch places[PLACES];
};

/* ---- replies ---- */

static must_check result format_error(struct buffer *out, const struct batch *batch,
                                      const struct ipc_answer *answer)
{
    struct front_reason reason;
    if (answer->id == 0)
        return buffer_printf(out, "\"error\":{\"code\":503,\"message\":\"no signature within %d seconds\"}}",
                             FRONT_DEADLINE_SECONDS);
    front_explain(&reason, &batch->order, answer);
    TRY(buffer_printf(out, "\"error\":{\"code\":%d,\"message\":\"%s\"", reason.status, reason.sentence));
    if (reason.code) {
        TRY(buffer_printf(out, ",\"reason\":\"%s\"", reason.code));
        TRY(front_append_heights(out, &batch->order, answer));
    }
    return buffer_append_text(out, "}}");
}

static must_check result format_one(struct buffer *out, const struct batch *batch, uint32_t position)
{
    static const struct ipc_answer none = {.status = IPC_ANSWER_INTERNAL};
    const struct ipc_answer *answer = batch->answers ? &batch->answers[position] : &none;
    char hex[2 * 96 + 3];
    hex_encode_0x(hex, batch->pubkeys.data + (size_t)position * PUBKEY_LEN, PUBKEY_LEN);
    TRY(buffer_printf(out, "%s{\"identifier\":\"%s\",", position ? "," : "", hex));
    if (answer->id == 0 || answer->status != IPC_ANSWER_SIGNED)
        return format_error(out, batch, answer);
    hex_encode_0x(hex, answer->signature, 96);
    return buffer_printf(out, "\"signature\":\"%s\"}", hex);
}

static must_check result format(struct buffer *out, const struct batch *batch)
{
    TRY(buffer_append_text(out, "["));
    for (uint32_t i = 0; i < batch->num_keys; i++)
        TRY(format_one(out, batch, i));
    return buffer_append_text(out, "]");
}

static void reply(const struct front_batches *batches, struct batch *batch)
{
    AUTO(buffer) body = {0};
    struct net_http_request *request = TAKE(batch->request);
    for (uint32_t i = batch->num_answered; i < batch->num_keys; i++)
        front_metrics_answered(batches->front, FRONT_LATE, batch->order.kind, batch->began_ns);
    if (format(&body, batch).code)
        front_reply_error(request, 500, "out of memory");
    else
        net_http_reply(request, 200, "application/json; charset=utf-8", body.data, body.length);
}

/* ---- places ---- */

static void release(struct front_batches *batches, struct batch *batch)
{
    TAILQ_REMOVE(batch->is_sent ? &batches->sent : &batches->waiting, batch, link);
    if (batch->num_sent > 0)
        batches->keys_under_way -= batch->num_keys;
    free(batch->answers);
    buffer_cleanup(&batch->pubkeys);
    uint64_t next_id = batch->id + ((uint64_t)1 << (POSITION_BITS + PLACE_BITS));
    *batch = (struct batch){.id = next_id | FRONT_BATCH_ID};
    TAILQ_INSERT_TAIL(&batches->free, batch, link);
    if (!TAILQ_EMPTY(&batches->waiting))
        event_active(batches->send, EV_TIMEOUT, 0);
}

/* One of which the keeper has been told that more follows has to be sent to its end. */
static bool is_cut(const struct batch *batch)
{
    return !batch->is_sent && batch->num_sent > 0;
}

static void finish(struct front_batches *batches, struct batch *batch)
{
    reply(batches, batch);
    if (!is_cut(batch))
        release(batches, batch);
}

static struct batch *oldest(struct front_batches *batches)
{
    /* Each list is in order of arrival, and what waits is younger than what was sent. */
    struct batch *batch = TAILQ_FIRST(&batches->sent);
    if (!batch)
        batch = TAILQ_FIRST(&batches->waiting);
    return batch && !batch->request ? TAILQ_NEXT(batch, link) : batch;
}

static void watch_deadline(struct front_batches *batches)
{
    const struct batch *batch = oldest(batches);
    if (batch && !event_pending(batches->deadline, EV_TIMEOUT, NULL))
        net_loop_alarm(batches->deadline, batch->deadline_ns);
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct front_batches *batches = context;
    uint64_t now = clock_monotonic_ns();
    for (struct batch *batch = oldest(batches); batch && batch->deadline_ns <= now; batch = oldest(batches)) {
        log_warn("a batch: %u of %u keys had no answer within %d seconds",
                 batch->num_keys - batch->num_answered, batch->num_keys, FRONT_DEADLINE_SECONDS);
        finish(batches, batch);
    }
    watch_deadline(batches);
}

/* ---- to the keeper and back ---- */

static must_check result send_some(struct front_batches *batches, struct batch *batch)
{
    struct front *front = batches->front;
    struct packer p = {.data = front->packet, .capacity = sizeof front->packet};
    uint32_t left = batch->num_keys - batch->num_sent;
    uint32_t num = left < IPC_SIGN_KEYS_MAX ? left : IPC_SIGN_KEYS_MAX;
    ipc_pack_sign_many(
        &p, &(struct ipc_sign_many){.more = num < left,
                                    .order = {.id = batch->id + batch->num_sent,
                                              .patience_ms = front_patience_ms(batch->deadline_ns),
                                              .order = batch->order},
                                    .pubkeys = batch->pubkeys.data + (size_t)batch->num_sent * PUBKEY_LEN,
                                    .num_keys = num});
    TRY(pack_end(&p));
    TRY(ipc_send_now(front->keeper, p.data, p.length, -1));
    if (batch->num_sent == 0)
        batches->keys_under_way += batch->num_keys;
    batch->num_sent += num;
    return RESULT_OK;
}

static must_check result send_first(struct front_batches *batches, struct batch *batch)
{
    if (!batch->answers)
        batch->answers = calloc(batch->num_keys, sizeof *batch->answers);
    ENSURE(batch->answers, E_MEMORY, "out of memory");
    while (batch->num_sent < batch->num_keys)
        TRY(send_some(batches, batch));
    TAILQ_REMOVE(&batches->waiting, batch, link);
    batch->is_sent = true;
    TAILQ_INSERT_TAIL(&batches->sent, batch, link);
    log_debug("a batch of %u orders to the keeper", batch->num_keys);
    if (!batch->request)
        release(batches, batch);
    return RESULT_OK;
}

/* Its client has gone before anything was sent. */
static void drop(struct front_batches *batches, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->num_keys; i++)
        front_metrics_answered(batches->front, FRONT_GONE, batch->order.kind, batch->began_ns);
    front_reply_error(TAKE(batch->request), 503, "the client has gone");
    release(batches, batch);
}

result front_batches_send(struct front_batches *batches)
{
    struct batch *batch;
    while ((batch = TAILQ_FIRST(&batches->waiting))) {
        if (batch->num_sent == 0 && net_http_is_gone(batch->request)) {
            drop(batches, batch);
            continue;
        }
        if (batch->num_sent == 0 && batches->keys_under_way + batch->num_keys > KEYS_UNDER_WAY_MAX)
            return RESULT_OK; /* goes on when one that is under way has ended */
        TRY(send_first(batches, batch));
    }
    return RESULT_OK;
}

static void on_send(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct front_batches *batches = context;
    front_keeper_tried(batches->front, front_batches_send(batches));
}

result front_batches_take_answer(struct front_batches *batches, const struct ipc_answer *answer)
{
    uint64_t position = answer->id & (((uint64_t)1 << POSITION_BITS) - 1);
    struct batch *batch = &batches->places[answer->id >> POSITION_BITS & (PLACES - 1)];
    struct front_reason reason;
    if (batch->id != answer->id - position || !batch->request)
        return RESULT_OK; /* the batch was answered before */
    ENSURE(position < batch->num_sent && batch->answers[position].id == 0, E_PEER,
           "an answer to an order that was never given");
    batch->answers[position] = *answer;
    batch->num_answered++;
    front_explain(&reason, &batch->order, answer);
    front_metrics_answered(batches->front, reason.outcome, batch->order.kind, batch->began_ns);
    if (reason.outcome == FRONT_REFUSED)
        front_metrics_refused(batches->front, answer, batch->pubkeys.data + (size_t)position * PUBKEY_LEN);
    if (reason.outcome != FRONT_SIGNED)
        front_log_key(batches->front, batch->request, &reason, batch->order.kind,
                      batch->pubkeys.data + (size_t)position * PUBKEY_LEN);
    if (batch->num_answered == batch->num_keys)
        finish(batches, batch);
    return RESULT_OK;
}

/* ---- from the client ---- */

void front_sign_batch(struct front *front, struct net_http_request *request, const char *rest)
{
    (void)rest;
    struct front_batches *batches = front->batches;
    struct batch *batch = TAILQ_FIRST(&batches->free);
    uint64_t now = clock_monotonic_ns();
    size_t body_len;
    const char *body = net_http_body(request, &body_len);
    if (!batch) {
        front_log_note(request, FRONT_BUSY, 0);
        net_http_reply_header(request, "retry-after", "1");
        front_reply_error(request, 503, "too many batches at once");
        front_metrics_answered(front, FRONT_BUSY, 0, now);
        return;
    }
    result parsed =
        eth2_api_parse_batch(&batch->order, &batch->pubkeys, &front->policy.network, body, body_len);
    if (parsed.code) {
        bool is_too_large = parsed.code == E_TOO_LARGE;
        front_log_note(request, is_too_large ? FRONT_TOO_LARGE : FRONT_MALFORMED, 0);
        front_reply_error(request, is_too_large ? 413 : 400, "%s", error_text());
        front_metrics_answered(front, is_too_large ? FRONT_TOO_LARGE : FRONT_MALFORMED, 0, now);
        return;
    }
    net_http_body_free(request);
    batch->num_keys = (uint32_t)(batch->pubkeys.length / PUBKEY_LEN);
    batch->request = request;
    batch->began_ns = now;
    batch->deadline_ns = now + (uint64_t)FRONT_DEADLINE_SECONDS * 1000000000;
    front_metrics_batch(front, batch->num_keys);
    TAILQ_REMOVE(&batches->free, batch, link);
    TAILQ_INSERT_TAIL(&batches->waiting, batch, link);
    watch_deadline(batches);
    event_active(batches->send, EV_TIMEOUT, 0);
}

result front_batches_new(struct front_batches **ret_batches, struct front *front)
{
    struct front_batches *batches = calloc(1, sizeof *batches);
    ENSURE(batches, E_MEMORY, "out of memory");
    batches->front = front;
    TAILQ_INIT(&batches->free);
    TAILQ_INIT(&batches->waiting);
    TAILQ_INIT(&batches->sent);
    for (uint64_t i = 0; i < PLACES; i++) {
        batches->places[i].id = FRONT_BATCH_ID | i << POSITION_BITS;
        TAILQ_INSERT_TAIL(&batches->free, &batches->places[i], link);
    }
    batches->send = event_new(front->base, -1, 0, on_send, batches);
    batches->deadline = evtimer_new(front->base, on_deadline, batches);
    *ret_batches = batches;
    ENSURE(batches->send && batches->deadline, E_MEMORY, "out of memory");
    return RESULT_OK;
}

void front_batches_free(struct front_batches *batches)
{
    if (!batches)
        return;
    for (size_t i = 0; i < PLACES; i++) {
        struct batch *batch = &batches->places[i];
        if (batch->request)
            front_reply_error(TAKE(batch->request), 503, "the signer stops");
        free(batch->answers);
        buffer_cleanup(&batch->pubkeys);
    }
    if (batches->send)
        event_free(batches->send);
    if (batches->deadline)
        event_free(batches->deadline);
    free(batches);
}
