/* watchdog_scrape.h - asks the enclave for its page of metrics, one request at a time, without waiting. */
#ifndef WATCHDOG_WATCHDOG_SCRAPE_H
#define WATCHDOG_WATCHDOG_SCRAPE_H

#include <event2/event.h>

#include "net/net_address.h"
#include "watchdog_figures.h"

struct watchdog_scrape; /* opaque */

/* figures NULL: it could not be asked, and error_text says why. The connection is closed by then; the
 * callback must not ask again. */
typedef void (*watchdog_on_scraped)(void *context, const struct watchdog_figures *figures);

/* address is unix:, vsock: or tcp: with a number of loopback's; E_INPUT otherwise. */
must_check result watchdog_scrape_open(struct watchdog_scrape **ret_scrape, struct event_base *base,
                                       const struct net_address *address, watchdog_on_scraped on_scraped,
                                       void *context);
/* NULL is fine. */
void watchdog_scrape_close(struct watchdog_scrape *scrape);

/* on_scraped follows, from the loop or, when it fails at once, from here. A request that is still under way
 * has taken too long and fails first. */
void watchdog_scrape_ask(struct watchdog_scrape *scrape);
/* The request under way, if there is one, is forgotten. */
void watchdog_scrape_drop(struct watchdog_scrape *scrape);

#endif
