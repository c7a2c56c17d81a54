/* net_loop.c - see net_loop.h. */
#include "net/net_loop.h"

#include <event2/event.h>

void net_loop_free(struct event_base *base)
{
    if (!base)
        return;
    (void)event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
}
