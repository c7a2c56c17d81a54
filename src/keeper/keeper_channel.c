/* keeper_channel.c - sending without ever waiting.
 *
 * A keeper that waits for one peer to read could be held up by it, or wait in a circle with one
 * that waits for the keeper to read. So what does not fit is queued, up to a limit. Rejected: one
 * thread a peer, which would share the keys among threads for no gain. */
#include "keeper_channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/secret.h"

struct keeper_packet {
    struct keeper_packet *next;
    int descriptor;
    struct buffer plain;
    struct secret hidden; /* instead of plain */
};

static void packet_free(struct keeper_packet *packet)
{
    fd_auto_close(&packet->descriptor);
    buffer_cleanup(&packet->plain);
    secret_cleanup(&packet->hidden);
    free(packet);
}
typedef struct keeper_packet keeper_packet;
DEFINE_AUTO_POINTER(keeper_packet, packet_free)

static size_t packet_length(const struct keeper_packet *packet)
{
    return packet->hidden.data ? packet->hidden.length : packet->plain.length;
}

static must_check result packet_new(struct keeper_packet **ret_packet, const struct packer *packed,
                                    bool secret, int *descriptor)
{
    AUTO_POINTER(keeper_packet) packet = calloc(1, sizeof *packet);
    ENSURE(packet, E_MEMORY, "out of memory");
    packet->descriptor = fd_take(descriptor);
    if (secret)
        TRY(secret_copy(&packet->hidden, packed->data, packed->length));
    else
        TRY(buffer_append(&packet->plain, packed->data, packed->length));
    *ret_packet = TAKE(packet);
    return RESULT_OK;
}

static must_check result enqueue(struct keeper_channel *channel, const struct packer *packed, bool secret,
                                 int *descriptor)
{
    ENSURE(channel->num_waiting < KEEPER_WAITING_MAX &&
               channel->waiting_bytes + packed->length <= KEEPER_WAITING_BYTES_MAX,
           E_TOO_LARGE, "does not read what it is sent");
    AUTO_POINTER(keeper_packet) packet = NULL;
    TRY(packet_new(&packet, packed, secret, descriptor));
    if (channel->last)
        channel->last->next = packet;
    else
        channel->first = packet;
    channel->last = TAKE(packet);
    channel->num_waiting++;
    channel->waiting_bytes += packed->length;
    return RESULT_OK;
}

static void drop_first(struct keeper_channel *channel)
{
    struct keeper_packet *packet = channel->first;
    channel->first = packet->next;
    if (!channel->first)
        channel->last = NULL;
    channel->num_waiting--;
    channel->waiting_bytes -= packet_length(packet);
    packet_free(packet);
}

void keeper_channel_break(struct keeper_channel *channel, result failed)
{
    if (channel->broken)
        return;
    channel->broken = true;
    channel->gone = failed.code == E_PEER;
    (void)snprintf(channel->why, sizeof channel->why, "%s: %s", channel->name, error_text());
    log_warn("%s", channel->why);
}

void keeper_channel_flush(struct keeper_channel *channel)
{
    while (channel->first && !channel->broken) {
        const struct keeper_packet *packet = channel->first;
        const uint8_t *bytes = packet->hidden.data ? packet->hidden.data : packet->plain.data;
        result r = ipc_send_now(channel->fd, bytes, packet_length(packet), packet->descriptor);
        if (r.code == E_TIMEOUT)
            return;
        if (r.code)
            keeper_channel_break(channel, r);
        drop_first(channel);
    }
}

static must_check result send_or_keep(struct keeper_channel *channel, const struct packer *packed,
                                      bool secret, int *descriptor)
{
    TRY(pack_end(packed));
    if (!channel->first) {
        result r = ipc_send_now(channel->fd, packed->data, packed->length, *descriptor);
        if (r.code != E_TIMEOUT)
            return r;
    }
    return enqueue(channel, packed, secret, descriptor);
}

void keeper_channel_send(struct keeper_channel *channel, const struct packer *packed, bool secret,
                         int descriptor)
{
    AUTO_FD passed = descriptor;
    if (channel->fd < 0 || channel->broken)
        return;
    result r = send_or_keep(channel, packed, secret, &passed);
    if (r.code)
        keeper_channel_break(channel, r);
}

void keeper_channel_close(struct keeper_channel *channel)
{
    while (channel->first)
        drop_first(channel);
    fd_auto_close(&channel->fd);
    channel->broken = channel->gone = false;
}
