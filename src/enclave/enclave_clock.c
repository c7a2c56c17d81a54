/* enclave_clock.c - readings, the decision on them as a pure function, and the system calls that carry it
 * out.
 *
 * The kernel's own clock is right at the start where KVM's clock is there, and drifts seconds a week: hence
 * once a minute. The NSM is asked only where there is no PTP clock, or where that one says something
 * surprising, since a document takes the hypervisor milliseconds. Rejected: a time told by the parent, which
 * is not to be believed; and refusing to start without a source, which would tie the image to one hypervisor.
 */
#include "enclave_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)
/* 2026-01-01 and 2100-01-01. */
#define FLOOR (INT64_C(1767225600) * SECOND)
#define CEILING (INT64_C(4102444800) * SECOND)
#define DAY (INT64_C(86400) * SECOND)

#define PTP_TOLERANCE (1 * MILLISECOND)
#define NSM_TOLERANCE (2 * SECOND) /* whole seconds, cut, and the way to the hypervisor */
#define AGREEMENT (5 * SECOND)
#define SLEW_MAX (500 * MILLISECOND)

enum { PERIOD_SECONDS = 60 };

static int64_t absolute(int64_t value)
{
    return value < 0 ? -value : value;
}

static bool is_plausible(int64_t time_ns)
{
    return time_ns >= FLOOR && time_ns <= CEILING;
}

static bool contradict(const struct enclave_clock_reading *r)
{
    return is_plausible(r->ptp_ns) && is_plausible(r->nsm_ns) && absolute(r->ptp_ns - r->nsm_ns) > AGREEMENT;
}

/* Whether there is something better than the system's clock; its tolerance too. */
static bool choose_source(struct enclave_clock_verdict *v, int64_t *ret_tolerance,
                          const struct enclave_clock_reading *r)
{
    v->source = "none";
    if (r->has_ptp && r->has_nsm && contradict(r))
        v->complaint = "the PTP clock and the NSM differ; the NSM is believed";
    else if (r->has_ptp && !is_plausible(r->ptp_ns))
        v->complaint = "the PTP clock is not believed";
    else if (r->has_ptp) {
        v->source = "ptp";
        v->offset_ns = r->ptp_ns - r->system_ns;
        *ret_tolerance = PTP_TOLERANCE;
        return true;
    }
    if (r->has_nsm && is_plausible(r->nsm_ns)) {
        v->source = "nsm";
        v->offset_ns = r->nsm_ns - r->system_ns;
        *ret_tolerance = NSM_TOLERANCE;
        return true;
    }
    if (r->has_nsm && !v->complaint)
        v->complaint = "the NSM's time is not believed";
    return false;
}

struct enclave_clock_verdict enclave_clock_decide(const struct enclave_clock_reading *reading)
{
    struct enclave_clock_verdict v = {.action = ENCLAVE_CLOCK_KEEP};
    int64_t tolerance;
    if (!choose_source(&v, &tolerance, reading)) {
        if (v.complaint)
            v.action = ENCLAVE_CLOCK_REFUSE;
        else if (!is_plausible(reading->system_ns))
            v.complaint = "the clock shows a time before this program was made, and there is no better one";
        return v;
    }
    int64_t distance = absolute(v.offset_ns);
    if (distance <= tolerance)
        return v;
    if (reading->booting)
        v.action = ENCLAVE_CLOCK_STEP;
    else if (distance > DAY) {
        v.action = ENCLAVE_CLOCK_REFUSE;
        v.complaint = "the clock is off by more than a day";
    } else if (v.offset_ns > SLEW_MAX)
        v.action = ENCLAVE_CLOCK_STEP;
    else
        v.action = ENCLAVE_CLOCK_SLEW;
    if (!reading->booting && v.offset_ns < -SLEW_MAX && !v.complaint)
        v.complaint = "the clock is ahead; it is slowed down, not set back";
    return v;
}

/* ---- the machine ---- */

static bool read_clock(int64_t *ret_ns, clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0 || t.tv_sec < 0 || t.tv_sec > CEILING / SECOND * 2)
        return false;
    *ret_ns = (int64_t)t.tv_sec * SECOND + t.tv_nsec;
    return true;
}

/* linux/posix-timers: a descriptor's clock. */
static clockid_t clock_of(int fd)
{
    return (clockid_t)((~(unsigned)fd << 3) | 3U);
}

static bool read_nsm(int64_t *ret_ns, const struct nsm *nsm)
{
    uint64_t ms;
    if (nsm->fd <= 0 || nsm_time(nsm, &ms).code || ms > (uint64_t)(CEILING / MILLISECOND) * 2)
        return false;
    *ret_ns = (int64_t)ms * MILLISECOND;
    return true;
}

static void take_reading(struct enclave_clock_reading *ret_reading, const struct enclave_clock *clock,
                         bool booting)
{
    struct enclave_clock_reading r = {.booting = booting};
    r.has_ptp = clock->ptp > 0 && read_clock(&r.ptp_ns, clock_of(clock->ptp));
    (void)read_clock(&r.system_ns, CLOCK_REALTIME);
    if (booting || !r.has_ptp || absolute(r.ptp_ns - r.system_ns) > SLEW_MAX) {
        r.has_nsm = read_nsm(&r.nsm_ns, &clock->nsm);
        (void)read_clock(&r.system_ns,
                         CLOCK_REALTIME); /* the NSM took its time, and its date is from the end of that */
        r.has_ptp = r.has_ptp && read_clock(&r.ptp_ns, clock_of(clock->ptp));
    }
    *ret_reading = r;
}

static must_check result step(int64_t offset_ns)
{
    int64_t now_ns = 0;
    ENSURE(read_clock(&now_ns, CLOCK_REALTIME), E_IO, "clock_gettime: %s", strerror(errno));
    int64_t then_ns = now_ns + offset_ns;
    const struct timespec t = {.tv_sec = then_ns / SECOND, .tv_nsec = then_ns % SECOND};
    ENSURE(clock_settime(CLOCK_REALTIME, &t) == 0, E_IO, "clock_settime: %s", strerror(errno));
    return RESULT_OK;
}

static must_check result slew(int64_t offset_ns)
{
    struct timex t = {.modes = ADJ_OFFSET_SINGLESHOT, .offset = offset_ns / 1000};
    ENSURE(adjtimex(&t) >= 0, E_IO, "adjtimex: %s", strerror(errno));
    return RESULT_OK;
}

static must_check result carry_out(const struct enclave_clock_verdict *v)
{
    switch (v->action) {
    case ENCLAVE_CLOCK_KEEP:
    case ENCLAVE_CLOCK_REFUSE:
        return RESULT_OK;
    case ENCLAVE_CLOCK_SLEW:
        return slew(v->offset_ns);
    case ENCLAVE_CLOCK_STEP:
        return step(v->offset_ns);
    }
    FAIL(E_INTERNAL, "no such action");
}

static uint64_t milliseconds(int64_t ns)
{
    return (uint64_t)(absolute(ns) / MILLISECOND);
}

static void discipline(struct enclave_clock *clock, bool booting)
{
    struct enclave_clock_reading reading;
    take_reading(&reading, clock, booting);
    struct enclave_clock_verdict v = enclave_clock_decide(&reading);
    const struct log_field fields[] = {{"source", v.source, 0},
                                       {"direction", v.offset_ns < 0 ? "ahead" : "behind", 0},
                                       {"by_ms", NULL, milliseconds(v.offset_ns)}};
    if (v.complaint && !clock->complained)
        log_event(LOG_LEVEL_WARN, fields, ARRAY_LENGTH(fields), "clock: %s", v.complaint);
    clock->complained = v.complaint != NULL;
    if (carry_out(&v).code)
        log_warn("clock: %s", error_text());
    if (booting || v.action == ENCLAVE_CLOCK_STEP)
        log_event(LOG_LEVEL_INFO, fields, ARRAY_LENGTH(fields), "clock: %s",
                  v.action == ENCLAVE_CLOCK_STEP ? "set" : "as the kernel has it");
}

result enclave_clock_open(struct enclave_clock *ret_clock, struct nsm *nsm)
{
    struct enclave_clock *clock = ret_clock;
    *clock = (struct enclave_clock){.ptp = -1, .timer = -1, .nsm = *nsm};
    *nsm = (struct nsm){.fd = -1};
    clock->ptp = open("/dev/ptp0", O_RDONLY | O_CLOEXEC);
    discipline(clock, true);
    clock->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    const struct itimerspec period = {.it_interval.tv_sec = PERIOD_SECONDS,
                                      .it_value.tv_sec = PERIOD_SECONDS};
    ENSURE(clock->timer >= 0 && timerfd_settime(clock->timer, 0, &period, NULL) == 0, E_IO,
           "clock: timer: %s", strerror(errno));
    return RESULT_OK;
}

void enclave_clock_tick(struct enclave_clock *clock)
{
    uint64_t times;
    if (read(clock->timer, &times, sizeof times) == sizeof times)
        discipline(clock, false);
}

void enclave_clock_cleanup(struct enclave_clock *clock)
{
    if (clock->ptp > 0)
        (void)close(clock->ptp);
    if (clock->timer > 0)
        (void)close(clock->timer);
    nsm_cleanup(&clock->nsm);
    *clock = (struct enclave_clock){.ptp = -1, .timer = -1, .nsm = {.fd = -1}};
}
