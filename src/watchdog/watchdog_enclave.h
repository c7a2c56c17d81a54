/* watchdog_enclave.h - the enclave as a child process: the command behind "--". */
#ifndef WATCHDOG_WATCHDOG_ENCLAVE_H
#define WATCHDOG_WATCHDOG_ENCLAVE_H

#include <sys/types.h>

#include "base/result.h"

struct watchdog_enclave {
    char *const *command; /* ends with NULL; command[0] is a path, or the name of a sibling executable */
    pid_t pid;            /* 0: not running */
};

must_check result watchdog_enclave_start(struct watchdog_enclave *enclave);
/* After SIGCHLD: true, once, when the enclave has ended; the reason is in error_text(). */
bool watchdog_enclave_ended(struct watchdog_enclave *enclave);
/* SIGTERM or SIGKILL, if it runs. */
void watchdog_enclave_signal(const struct watchdog_enclave *enclave, int number);

#endif
