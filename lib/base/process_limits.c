/* process_limits.c - see process_limits.h. */
#include "base/process_limits.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

result process_harden(void)
{
    struct rlimit none = {0, 0};
    ENSURE(setrlimit(RLIMIT_CORE, &none) == 0, E_IO, "RLIMIT_CORE: %s", strerror(errno));
    ENSURE(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, E_IO, "PR_SET_DUMPABLE: %s", strerror(errno));
    ENSURE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, E_IO, "PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
    ENSURE(signal(SIGPIPE, SIG_IGN) != SIG_ERR, E_IO, "SIGPIPE: %s", strerror(errno));
    return RESULT_OK;
}
