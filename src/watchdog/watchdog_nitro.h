/* watchdog_nitro.h - the enclave by nitro-cli: found, started, watched and ended, one command at a time and
 * without waiting for any. */
#ifndef WATCHDOG_WATCHDOG_NITRO_H
#define WATCHDOG_WATCHDOG_NITRO_H

#include <event2/event.h>

#include "watchdog_nitro_cli.h"

struct watchdog_nitro; /* opaque */

enum watchdog_nitro_news {
    WATCHDOG_NITRO_STARTED, /* it boots, or has booted: its control port may be tried */
    WATCHDOG_NITRO_ADOPTED, /* one of this name, image and form ran already */
    WATCHDOG_NITRO_GONE,    /* none runs any more, or it could not be started: a pause may help */
    WATCHDOG_NITRO_HOPELESS /* it cannot be started as configured */
};
/* text says why of the last two. Never called from inside a function of this header. */
typedef void (*watchdog_on_nitro)(void *context, enum watchdog_nitro_news news, const char *text);

struct watchdog_nitro_config {
    struct watchdog_cli_enclave enclave; /* its texts must outlive this */
    const char *start_lock;              /* file: one enclave of a machine is started at a time; NULL: none */
    uint32_t describe_interval;          /* seconds */
    void (*on_failure)(void *context, const char *code); /* a command failed: "E22", or "" */
};

must_check result watchdog_nitro_open(struct watchdog_nitro **ret_nitro,
                                      const struct watchdog_nitro_config *config, struct event_base *base,
                                      watchdog_on_nitro on_news, void *context);
/* The enclave stays as it is; NULL is fine. */
void watchdog_nitro_close(struct watchdog_nitro *nitro);

/* Finds or starts an enclave; the news follow. */
void watchdog_nitro_start(struct watchdog_nitro *nitro);
/* Ends it, at once or when the command under way is over; GONE follows. May be called again while it does
 * not. */
void watchdog_nitro_end(struct watchdog_nitro *nitro);
/* Whether there is one to connect to. */
bool watchdog_nitro_runs(const struct watchdog_nitro *nitro);
/* After SIGCHLD. */
void watchdog_nitro_child(struct watchdog_nitro *nitro);

#endif
