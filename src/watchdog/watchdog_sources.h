/* watchdog_sources.h - where keys and credentials come from: files, tables, the instance's metadata service.
 * They are fetched by a thread, so that a slow service holds up neither status requests nor an end. */
#ifndef WATCHDOG_WATCHDOG_SOURCES_H
#define WATCHDOG_WATCHDOG_SOURCES_H

#include <event2/event.h>

#include "aws/aws_credentials.h"
#include "watchdog_collection.h"
#include "watchdog_options.h"

struct watchdog_sources; /* opaque */

/* What was fetched latest; belongs to the thread of the event loop. */
struct watchdog_material {
    struct aws_credentials credentials; /* access_key_id "": none yet */
    uint64_t expires_ms;                /* since 1970 UTC; 0: not known */
    struct watchdog_items items;
    bool have_items;
};

struct watchdog_fetched {
    bool items;             /* keys were asked for, too */
    bool fresh_credentials; /* others than before */
    result outcome;
    const char *text; /* the sentence of a failed outcome */
};
typedef void (*watchdog_on_fetched)(void *context, const struct watchdog_fetched *fetched);

/* Fetches what is in files once, so that mistakes there are told now, and starts the thread. options must
 * outlive it; region is the policy's. jansson's allocator is set: what is parsed of credentials is in the
 * secure heap. */
must_check result watchdog_sources_open(struct watchdog_sources **ret_sources,
                                        const struct watchdog_options *options, const char *region,
                                        struct event_base *base, watchdog_on_fetched on_fetched,
                                        void *context);
/* Ends the thread, within a second or so; NULL is fine. */
void watchdog_sources_close(struct watchdog_sources *sources);

/* Asks for credentials, if those at hand expire soon or are in a file, and with items also for keys.
 * on_fetched is called later, once for all that was asked meanwhile. */
void watchdog_sources_fetch(struct watchdog_sources *sources, bool items);

const struct watchdog_material *watchdog_sources_material(const struct watchdog_sources *sources);

/* When to look for credentials again: milliseconds from now; 0: never, somebody tells when the file changes.
 */
uint32_t watchdog_sources_refresh_ms(const struct watchdog_sources *sources);

#endif
