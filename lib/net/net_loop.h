/* net_loop.h - what the users of an event loop share: its end, and times of clock_monotonic_ns. Target
 * net_loop. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdint.h>

struct event;
struct event_base;

/* Sets a timer to that time of clock_monotonic_ns, never early; at once when it has passed. */
void net_loop_alarm(struct event *timer, uint64_t at_ns);

/* Frees a loop whose users have been freed; NULL is fine. libevent puts off the release of a bufferevent with
 * deferred callbacks to the next turn, so one last turn is made: what it held (a TLS session, a key
 * in it) must not outlive its owner. */
void net_loop_free(struct event_base *base);

#endif
