/* net_loop.c - see net_loop.h. */
#include "net/net_loop.h"

#include <event2/event.h>

#include "base/clock.h"

void net_loop_alarm(struct event *timer, uint64_t at_ns)
{
    uint64_t now = clock_monotonic_ns(), left_us = at_ns > now ? (at_ns - now) / 1000 + 1 : 1;
    struct timeval time = {.tv_sec = (time_t)(left_us / 1000000),
                           .tv_usec = (suseconds_t)(left_us % 1000000)};
    (void)event_add(timer, &time);
}

void net_loop_free(struct event_base *base)
{
    if (!base)
        return;
    (void)event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
}
