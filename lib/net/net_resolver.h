/* net_resolver.h - names become addresses outside of the sandbox, in which there is no file to resolve
 * them with. Programs that run stand-alone need it: in an enclave, the host's proxy connects.
 * Target net_resolver. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "net/net_address.h"

struct net_resolver;

/* Forks: before there are threads, secrets or a sandbox. The child ends when this process does. */
must_check result net_resolver_start(struct net_resolver **ret_resolver);
/* Closes the channel; the child ends. resolver may be NULL. */
void net_resolver_stop(struct net_resolver *resolver);

/* A tcp address with a numeric host; of several, the first where somebody listens. Any thread; waits some
 * seconds at most.
 * E_NOT_FOUND when the name does not resolve, E_TIMEOUT. */
must_check result net_resolver_ask(struct net_resolver *resolver, struct net_address *ret_address,
                                   const char *host, uint32_t port);

#endif
