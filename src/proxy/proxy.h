/* proxy.h - what the files of nitro-signer-proxy share. */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

#include <stdint.h>

#include "base/options.h"
#include "net/net_address.h"

struct event_base;

/* One relay as the command line asks for it. */
struct proxy_route {
    struct net_address listen, target;
};

/* proxy_routes.c: "LISTEN=CONNECT", both addresses; E_INPUT otherwise. */
must_check result proxy_route_parse(struct proxy_route *ret_route, const char *text);
/* Whether one of the entries of --allow is exactly this address (host names in any case). E_INPUT when an
 * entry is no address. */
must_check result proxy_allowed(bool *ret_allowed, const struct option_list *allow,
                                const struct net_address *target);

/* proxy_log.c: a sink that writes each line that arrives to standard error. */
struct proxy_log;
must_check result proxy_log_new(struct proxy_log **ret_log, struct event_base *base, int listener);
void proxy_log_free(struct proxy_log *log);

/* proxy_sandbox.c */
struct proxy_reach {
    bool internet, vsock;  /* kinds of sockets that can be made, beside those of this machine */
    const uint16_t *ports; /* of TCP that can be connected to */
    size_t num_ports;
};
must_check result proxy_enter_sandbox(const struct proxy_reach *reach);

#endif
