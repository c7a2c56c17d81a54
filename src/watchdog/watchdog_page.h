/* watchdog_page.h - the status page: a server on this machine's loopback that only reads. */
#ifndef WATCHDOG_WATCHDOG_PAGE_H
#define WATCHDOG_WATCHDOG_PAGE_H

#include <event2/event.h>

#include "net/net_address.h"
#include "watchdog_view.h"

struct watchdog_page; /* opaque */

/* What is known at this moment. */
typedef struct watchdog_view (*watchdog_look)(const void *context);

/* Listens; the address must be a loopback one, which the options have checked. */
must_check result watchdog_page_open(struct watchdog_page **ret_page, struct event_base *base,
                                     const struct net_address *address, watchdog_look look,
                                     const void *context);
/* NULL is fine. */
void watchdog_page_close(struct watchdog_page *page);

#endif
