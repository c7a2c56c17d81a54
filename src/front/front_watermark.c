/* front_watermark.c - GET /api/v1/eth2/highWatermark: asked of the keeper anew each time, since somebody else
 * may have changed it in a shared store. Questions and answers keep their order, so no number goes with them.
 */
#include <inttypes.h>
#include <string.h>

#include "front.h"

static void reply(struct net_http_request *request, const struct ipc_high_watermark *high)
{
    char body[96] = "{}";
    switch (high->status) {
    case IPC_HIGH_WATERMARK_UNKNOWN:
        front_reply_error(request, 500, "the slashing protection store cannot be asked now");
        return;
    case IPC_HIGH_WATERMARK_SET:
        (void)snprintf(body, sizeof body, "{\"epoch\":\"%" PRIu64 "\",\"slot\":\"%" PRIu64 "\"}", high->epoch,
                       high->slot);
        break;
    case IPC_HIGH_WATERMARK_NONE:
        break;
    }
    net_http_reply(request, 200, "application/json; charset=utf-8", body, strlen(body));
}

result front_watermark_send(struct front *front)
{
    struct front_watermark *w = &front->watermark;
    while (w->num_sent < w->num_waiting) {
        struct packer p = {.data = front->packet, .capacity = sizeof front->packet};
        ipc_pack_empty(&p, IPC_HIGH_WATERMARK_WANTED);
        TRY(pack_end(&p));
        TRY(ipc_send_now(front->keeper, p.data, p.length, -1));
        w->num_sent++;
    }
    return RESULT_OK;
}

void front_watermark_show(struct front *front, struct net_http_request *request, const char *rest)
{
    struct front_watermark *w = &front->watermark;
    (void)rest;
    if (w->num_waiting == FRONT_WATERMARKS_MAX) {
        front_reply_error(request, 503, "too many questions for the high watermark are under way");
        return;
    }
    w->waiting[w->num_waiting++] = request;
    front_keeper_tried(front, front_watermark_send(front));
}

result front_watermark_take(struct front *front, struct ipc_message *message)
{
    struct front_watermark *w = &front->watermark;
    struct ipc_high_watermark high;
    TRY(ipc_take_high_watermark(&high, message));
    ENSURE(w->num_sent > 0, E_PEER, "keeper: a high watermark that nobody asked for");
    struct net_http_request *request = w->waiting[0];
    memmove(w->waiting, w->waiting + 1, --w->num_waiting * sizeof w->waiting[0]);
    w->num_sent--;
    reply(request, &high);
    return RESULT_OK;
}

void front_watermark_close(struct front *front)
{
    for (size_t i = 0; i < front->watermark.num_waiting; i++)
        front_reply_error(front->watermark.waiting[i], 503, "the signer is ending");
    front->watermark.num_waiting = 0;
}
