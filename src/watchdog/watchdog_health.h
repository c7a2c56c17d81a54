/* watchdog_health.h - what a status reply says of the signer. */
#ifndef WATCHDOG_WATCHDOG_HEALTH_H
#define WATCHDOG_WATCHDOG_HEALTH_H

#include "base/buffer.h"

enum watchdog_health {
    WATCHDOG_HEALTH_SERVES,
    WATCHDOG_HEALTH_FAILED, /* for good: another took over, or its store was put back or damaged */
    WATCHDOG_HEALTH_USELESS /* it has no keys, or lost them */
};

enum { WATCHDOG_FAILED_KEYS_MAX = 16, WATCHDOG_FAILED_KEY_LEN = 48 };

/* A status reply. What an enclave leaves out is zero, but for its state. */
struct watchdog_status {
    enum watchdog_health health;
    uint64_t keys, failed;
    uint32_t num_failed_keys; /* the public keys of some of the failed ones */
    uint8_t failed_keys[WATCHDOG_FAILED_KEYS_MAX][WATCHDOG_FAILED_KEY_LEN];
};

/* E_INPUT when the body is not of the form (PROTOCOL.control section 2). */
must_check result watchdog_status_read(struct watchdog_status *ret_status, const char *body);
/* Which keys failed, in words for the log. */
must_check result watchdog_status_failures(struct buffer *out, const struct watchdog_status *status);

/* Whether a signer that ran before us is one under this policy: E_MISMATCH. */
must_check result watchdog_health_check_policy(const char *body, const struct buffer *policy_text);

#endif
