/* enclave_clock.h - the enclave's clock, held to the hypervisor's.
 *
 * Two sources cannot be forged by the parent: /dev/ptp0 (KVM's hypercall), exact, and the date of an NSM
 * document, to a second. Slashing protection does not rely on time (docs/slashing.md); certificates, AWS's
 * signatures and the far-future bound do.
 */
#ifndef ENCLAVE_ENCLAVE_CLOCK_H
#define ENCLAVE_ENCLAVE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "nitro/nitro_nsm.h"

/* Nanoseconds since 1970 UTC. */
struct enclave_clock_reading {
    bool has_ptp, has_nsm;
    bool booting; /* nothing has looked at the clock yet: it may be set to whatever is right */
    int64_t system_ns, ptp_ns, nsm_ns;
};

enum enclave_clock_action {
    ENCLAVE_CLOCK_KEEP, /* right, or nobody knows better */
    ENCLAVE_CLOCK_SLEW, /* let it run a little faster or slower until it is right */
    ENCLAVE_CLOCK_STEP, /* set it */
    ENCLAVE_CLOCK_REFUSE
};

struct enclave_clock_verdict {
    enum enclave_clock_action action;
    int64_t offset_ns;     /* to be added to the system's clock */
    const char *source;    /* "ptp", "nsm" or "none" */
    const char *complaint; /* NULL: none */
};

/* What to do. A source before the floor, which is before this program was made, or after the year 2100 is not
 * believed, and neither is a PTP clock that the NSM contradicts. Once booted the clock is never set back, and
 * not forward by more than a day. */
struct enclave_clock_verdict enclave_clock_decide(const struct enclave_clock_reading *reading);

struct enclave_clock {
    int ptp, timer;  /* 0 or less: none */
    struct nsm nsm;  /* closed: none */
    bool complained; /* once is enough until it is right again */
};

/* Opens /dev/ptp0 if it is there, takes *nsm over, sets the clock and arms a timer of a minute, whose
 * descriptor is clock->timer. Problems are logged, not returned: an enclave without a better clock goes on
 * with its kernel's. */
must_check result enclave_clock_open(struct enclave_clock *ret_clock, struct nsm *nsm);

/* The timer has run out. */
void enclave_clock_tick(struct enclave_clock *clock);

void enclave_clock_cleanup(struct enclave_clock *clock);

#endif
