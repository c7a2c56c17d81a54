/* watchdog_control.h - the watchdog's end of the control port: one request at a time, one reply each. */
#ifndef WATCHDOG_WATCHDOG_CONTROL_H
#define WATCHDOG_WATCHDOG_CONTROL_H

#include <event2/event.h>

#include "base/buffer.h"
#include "base/secret.h"
#include "net/net_address.h"

struct watchdog_control; /* opaque */

/* status is HTTP-like; body is its JSON text, whatever the enclave sent, and is logged only escaped. When the
 * connection breaks, or what came is no reply, status is 0. The connection must not be closed from inside the
 * callback. */
typedef void (*watchdog_on_reply)(void *context, int status, const char *body);

must_check result watchdog_control_connect(struct watchdog_control **ret_control, struct event_base *base,
                                           const struct net_address *address, watchdog_on_reply on_reply,
                                           void *context);
void watchdog_control_close(struct watchdog_control *control);

/* Sends {text, secret_tail} as one message; the tail is taken over and wiped when it has been written. */
must_check result watchdog_control_send(struct watchdog_control *control, const struct buffer *text,
                                        struct secret *secret_tail);

#endif
