/* courier_control.h - the connections of the control port: frames in, frames out, limits. It does not know
 * what the messages mean. */
#ifndef COURIER_CONTROL_H
#define COURIER_CONTROL_H

#include <poll.h>
#include <stdint.h>

#include "base/buffer.h"

enum { COURIER_CONNECTIONS_MAX = 8, COURIER_HELD_MAX = 48 * 1024 * 1024 };

struct courier_control;

/* Called for each whole message; message is wiped when it returns. The connection's next message waits until
 * courier_control_reply was called, now or later. A failure ends the courier. */
typedef must_check result courier_message_handler(void *context, uint64_t connection, const char *message,
                                                  size_t message_len);

/* listener is listening already and stays the caller's; -1: there is none. */
must_check result courier_control_new(struct courier_control **ret_control, int listener,
                                      courier_message_handler *handler, void *context);
void courier_control_free(struct courier_control *control);

/* Fills in what to wait for: at most COURIER_CONNECTIONS_MAX + 1 entries. */
size_t courier_control_poll(const struct courier_control *control, struct pollfd *polls);
/* Does what can be done after a poll of exactly those entries. */
must_check result courier_control_serve(struct courier_control *control, const struct pollfd *polls);

/* Sends {"status":status,"body":body}; body is a JSON object. Does nothing when the connection is gone. */
must_check result courier_control_reply(struct courier_control *control, uint64_t connection, int status,
                                        const struct buffer *body);

#endif
