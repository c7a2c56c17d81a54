/* net_relay.h - copies bytes both ways between each accepted connection and a fresh one to a target.
 * Target net_relay.
 *
 * Parses nothing. At most NET_LINK_BUFFER bytes of memory wait in each direction, or NET_PIPE_SIZE in one of
 * the few pipes: a reader that is slow slows the writer. An end of one direction is passed on (shutdown)
 * while the other goes on; an error of one side ends the other as soon as what was read before has been
 * written. No idle time-out: silence is normal between slots. But a side that takes none of the bytes that
 * wait for it, or is silent after the other has ended, has patience_seconds: else a client that neither reads
 * nor closes keeps its place for ever. The process must ignore SIGPIPE.
 */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include <stdint.h>

#include "base/result.h"
#include "net/net_address.h"

struct event_base;
struct evdns_base;
struct net_pipes;
struct net_relay;

struct net_relay_config {
    struct net_address target;
    struct evdns_base *dns;           /* resolves tcp targets now and then, without blocking; else NULL */
    struct net_pipes *pipes;          /* shared by relays of the loop; NULL: everything is copied */
    uint32_t max_connections;         /* further clients wait in the listen queue */
    uint32_t connect_timeout_seconds; /* per address of the target */
    uint32_t patience_seconds;        /* 0: 60 */
};

/* Serves a listening, non-blocking socket; owned by the relay only on success. A tcp target that does not
 * resolve yet is no failure: clients are closed until it does. */
must_check result net_relay_new(struct net_relay **ret_relay, struct event_base *base,
                                const struct net_relay_config *config, int listener);
/* Closes everything. An unfinished question to the resolver ends with the evdns_base, which is to be freed
 * before the relay. */
void net_relay_free(struct net_relay *relay);

struct net_relay_counts {
    uint64_t accepted, connect_failures;
    uint64_t copied, spliced; /* bytes delivered, of both directions */
    uint32_t open;
};
/* Since the relay was made; open is now. */
void net_relay_count(struct net_relay_counts *ret_counts, const struct net_relay *relay);

#endif
