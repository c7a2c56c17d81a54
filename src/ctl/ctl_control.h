/* ctl_control.h - one request on the control port. */
#ifndef CTL_CTL_CONTROL_H
#define CTL_CTL_CONTROL_H

#include "net/net_address.h"
#include "json/json.h"

/* A reply; body lives as long as the struct stays where it is. */
struct ctl_reply {
    json_t *document;
    struct json_view root, body;
};
void ctl_reply_cleanup(struct ctl_reply *reply);

/* Connects, sends the JSON text, waits for the reply. E_PEER for a status other than 200, with the reason
 * given. */
must_check result ctl_control_ask(struct ctl_reply *reply, const struct net_address *address,
                                  const char *request);

#endif
