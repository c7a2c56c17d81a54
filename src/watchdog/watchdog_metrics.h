/* watchdog_metrics.h - what the watchdog counts, and GET /metrics for Prometheus on a listener of its own. */
#ifndef WATCHDOG_WATCHDOG_METRICS_H
#define WATCHDOG_WATCHDOG_METRICS_H

#include <event2/event.h>

#include "watchdog_facts.h"
#include "watchdog_health.h"
#include "watchdog_policy.h"

struct watchdog_metrics; /* opaque */

must_check result watchdog_metrics_new(struct watchdog_metrics **ret_metrics);
/* Closes what is open; NULL is fine. */
void watchdog_metrics_free(struct watchdog_metrics *metrics);
/* Listens. address as net_address_parse reads it; plain HTTP. */
must_check result watchdog_metrics_serve(struct watchdog_metrics *metrics, struct event_base *base,
                                         const char *address);

/* The state before an event and after it, and what was decided. */
void watchdog_metrics_step(struct watchdog_metrics *metrics, enum watchdog_state before,
                           enum watchdog_state now, unsigned actions);
void watchdog_metrics_ended(struct watchdog_metrics *metrics, enum watchdog_end end);
/* A request goes out to the enclave, and its reply has come. */
void watchdog_metrics_asked(struct watchdog_metrics *metrics);
void watchdog_metrics_answered(struct watchdog_metrics *metrics, enum watchdog_state state);
void watchdog_metrics_status(struct watchdog_metrics *metrics, const struct watchdog_status *status);
/* Keys or credentials could not be fetched: a code of result.h. */
void watchdog_metrics_fetch_failed(struct watchdog_metrics *metrics, int code);
/* 0: not known. */
void watchdog_metrics_expiry(struct watchdog_metrics *metrics, uint64_t expires_ms);
/* code as of watchdog_cli_failure: "E22", or "" for none. */
void watchdog_metrics_nitro_cli(struct watchdog_metrics *metrics, const char *code);

#endif
