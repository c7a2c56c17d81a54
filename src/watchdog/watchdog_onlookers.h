/* watchdog_onlookers.h - those who are told what this program does, and have no say in it: Prometheus, and
 * the status page's readers. main.c reports here once; what is shown to whom is decided behind it. */
#ifndef WATCHDOG_WATCHDOG_ONLOOKERS_H
#define WATCHDOG_WATCHDOG_ONLOOKERS_H

#include <event2/event.h>

#include "policy/policy.h"
#include "watchdog_health.h"
#include "watchdog_options.h"
#include "watchdog_policy.h"

struct watchdog_onlookers; /* opaque */

/* options must outlive it. */
must_check result watchdog_onlookers_new(struct watchdog_onlookers **ret_onlookers,
                                         const struct watchdog_options *options);
/* Closes what is open; NULL is fine. */
void watchdog_onlookers_free(struct watchdog_onlookers *onlookers);
/* Listens where the options say so. E_INPUT and E_IO name the option. */
must_check result watchdog_onlookers_serve(struct watchdog_onlookers *onlookers, struct event_base *base);

/* The policy that the enclave is, or will be, under. */
void watchdog_onlookers_policy(struct watchdog_onlookers *onlookers, const struct policy *policy);
/* An event, the state before it, and what was decided. */
void watchdog_onlookers_step(struct watchdog_onlookers *onlookers, enum watchdog_state before,
                             enum watchdog_event event, const struct watchdog *now, unsigned actions);
/* A request goes out to the enclave, and its reply has come, with that status. */
void watchdog_onlookers_asked(struct watchdog_onlookers *onlookers);
void watchdog_onlookers_answered(struct watchdog_onlookers *onlookers, enum watchdog_state state, int status);
/* How the enclave does, and the text that was read from. */
void watchdog_onlookers_status(struct watchdog_onlookers *onlookers, const struct watchdog_status *status,
                               const char *body);
/* Keys or credentials could not be fetched: a code of result.h. */
void watchdog_onlookers_fetch_failed(struct watchdog_onlookers *onlookers, int code);
/* When the credentials end; 0: not known. */
void watchdog_onlookers_expiry(struct watchdog_onlookers *onlookers, uint64_t expires_ms);
/* code as of watchdog_cli_failure: "E22", or "" for none. */
void watchdog_onlookers_nitro_cli(struct watchdog_onlookers *onlookers, const char *code);

#endif
