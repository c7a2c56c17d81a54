/* net_loop.h - the end of an event loop. Target net_loop. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

struct event_base;

/* Frees a loop whose users have been freed; NULL is fine. libevent puts off the release of a bufferevent with
 * deferred callbacks to the next turn, so one last turn is made: what it held (a TLS session, a key
 * in it) must not outlive its owner. */
void net_loop_free(struct event_base *base);

#endif
