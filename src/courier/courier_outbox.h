/* courier_outbox.h - packets on their way to the keeper. Any thread puts them in and none waits for the
 * keeper to do so; the main thread takes them to the socket as it has room. */
#ifndef COURIER_COURIER_OUTBOX_H
#define COURIER_COURIER_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

/* From here on there is too much: readers of what causes more are to wait. */
enum { COURIER_OUTBOX_LONG = 1024 * 1024 };

struct courier_outbox;

must_check result courier_outbox_new(struct courier_outbox **ret_outbox);
/* outbox may be NULL. No thread may use it any more. */
void courier_outbox_free(struct courier_outbox *outbox);

/* A copy of the packet becomes the last one. E_MEMORY. */
must_check result courier_outbox_put(struct courier_outbox *outbox, const uint8_t *packet, size_t packet_len);
/* For a thread that makes many packets: waits while the outbox is long. E_STATE once it has been closed. */
must_check result courier_outbox_wait(struct courier_outbox *outbox);
/* Lets those who wait go. */
void courier_outbox_close(struct courier_outbox *outbox);

/* For a thread that cannot make an answer: the next flush fails, and the courier with it. */
void courier_outbox_break(struct courier_outbox *outbox);

/* Wakes the main thread without a packet. */
void courier_outbox_notify(const struct courier_outbox *outbox);

/* For the main thread. The descriptor is readable when something was put since the last flush. */
int courier_outbox_descriptor(const struct courier_outbox *outbox);
/* Sends what the socket has room for, without waiting. E_PEER when the keeper is gone, E_MEMORY when an
 * answer will never come (courier_outbox_break). */
must_check result courier_outbox_flush(struct courier_outbox *outbox, int socket);
bool courier_outbox_is_empty(struct courier_outbox *outbox);
bool courier_outbox_is_long(struct courier_outbox *outbox);

#endif
