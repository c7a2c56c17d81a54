/* sandbox_probe.h - what a filter says to every system call, asked without making one.
 *
 * A child first loads a filter of its own that answers every call whose sixth argument is a certain number
 * with an error that no system call has; then it enters the sandbox. Of two filters the kernel takes the
 * stricter answer, and of two errors that of the later filter. So a call with that number is never made, not
 * even one that is allowed: what comes back says what the sandbox thinks of it.
 */
#ifndef SANDBOX_PROBE_H
#define SANDBOX_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

enum sandbox_outcome {
    SANDBOX_UNKNOWN, /* the child could not be asked */
    SANDBOX_ALLOWED,
    SANDBOX_REFUSED, /* EPERM */
    SANDBOX_ABSENT,  /* ENOSYS */
    SANDBOX_KILLED   /* SIGSYS, the whole process */
};

#define SANDBOX_OWN_PID UINT64_C(0x6f776e20706964) /* as a value: of the child that asks */

struct sandbox_question {
    long system_call;
    unsigned argument; /* which one has the value; the others are 0 */
    uint64_t value;
    enum sandbox_outcome outcome;
};

/* Fills in each outcome. enter runs in children. */
void sandbox_probe(struct sandbox_question *questions, size_t num_questions, result (*enter)(void));

#endif
