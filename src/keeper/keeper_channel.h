/* keeper_channel.h - one peer of the keeper: a socket, and what it has not read yet. */
#ifndef KEEPER_CHANNEL_H
#define KEEPER_CHANNEL_H

#include "ipc/ipc.h"

struct keeper_packet;

struct keeper_channel {
    const char *name;                   /* for the log */
    int fd;                             /* -1: there is no such peer now */
    bool broken;                        /* gone, or in breach of the protocol: the main loop closes it */
    bool gone;                          /* broken, and only because the peer has closed */
    char why[IPC_TEXT_MAX + 1];         /* broken: the reason */
    struct keeper_packet *first, *last; /* waiting to be sent */
    size_t num_waiting, waiting_bytes;
};

/* At most this many packets and bytes wait for a peer that does not read; one more breaks the channel. */
enum { KEEPER_WAITING_MAX = 4096, KEEPER_WAITING_BYTES_MAX = 64 * 1024 * 1024 };

/* Sends what was packed, or keeps it until there is room. A secret packet waits in the secure heap.
 * descriptor is taken over and closed once sent; -1 for none. Failure marks the channel broken and is logged:
 * the caller goes on, the main loop ends what must end. */
void keeper_channel_send(struct keeper_channel *channel, const struct packer *packed, bool secret,
                         int descriptor);

/* Sends what waits as far as there is room. */
void keeper_channel_flush(struct keeper_channel *channel);

/* Logs the remembered error as this channel's and marks it broken. */
void keeper_channel_break(struct keeper_channel *channel, result failed);

/* Closes the socket and wipes what waits. */
void keeper_channel_close(struct keeper_channel *channel);

#endif
