/* process_limits.h - what every process of ours gives up before it does anything else. */
#ifndef BASE_PROCESS_LIMITS_H
#define BASE_PROCESS_LIMITS_H

#include "base/result.h"

/* No core dumps, no ptrace by others (PR_SET_DUMPABLE 0), no gaining of privileges; SIGPIPE is
 * ignored, so that a closed peer is an error of the write and not the end of the process. */
must_check result process_harden(void);

#endif
