/* watchdog_health.h - what a status reply says of the signer. */
#ifndef WATCHDOG_WATCHDOG_HEALTH_H
#define WATCHDOG_WATCHDOG_HEALTH_H

#include "base/buffer.h"

enum watchdog_health {
    WATCHDOG_HEALTH_SERVES,
    WATCHDOG_HEALTH_FAILED, /* for good: another took over, or its store was put back or damaged */
    WATCHDOG_HEALTH_USELESS /* it has no keys, or lost them */
};

/* E_INPUT when the body is not of the form (PROTOCOL.control section 2). */
must_check result watchdog_health_read(enum watchdog_health *ret_health, const char *body);

/* Whether a signer that ran before us is one under this policy: E_MISMATCH. */
must_check result watchdog_health_check_policy(const char *body, const struct buffer *policy_text);

#endif
