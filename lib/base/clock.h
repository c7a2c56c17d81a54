/* clock.h - time, in one unit per function name. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970 UTC; may step. */
uint64_t clock_realtime_ms(void);
/* Nanoseconds that never go back; for durations and deadlines. */
uint64_t clock_monotonic_ns(void);

#endif
