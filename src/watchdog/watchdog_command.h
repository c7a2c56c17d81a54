/* watchdog_command.h - a short-lived command whose output is wanted, without waiting for it. */
#ifndef WATCHDOG_WATCHDOG_COMMAND_H
#define WATCHDOG_WATCHDOG_COMMAND_H

#include <sys/types.h>

#include "base/buffer.h"

/* The zero state, but for the descriptors: none runs. */
struct watchdog_command {
    pid_t pid;       /* 0: none runs */
    int out, errors; /* -1 when closed */
};
#define WATCHDOG_COMMAND_NONE ((struct watchdog_command){.out = -1, .errors = -1})

/* words[0] is a path, or looked for in PATH. Standard input is empty. It gets nothing of the environment that
 * is between the service manager and us, nor credentials. */
must_check result watchdog_command_start(struct watchdog_command *command, char *const words[]);

struct watchdog_ended {
    int status; /* of exit; -1: ended by a signal */
    struct buffer out, errors;
};
void watchdog_ended_cleanup(struct watchdog_ended *ended);

/* After SIGCHLD: true, once, when it has ended. Of each output at most 1 MiB is read. */
bool watchdog_command_ended(struct watchdog_ended *ret_ended, struct watchdog_command *command);
void watchdog_command_kill(const struct watchdog_command *command);
/* Kills and reaps what still runs. */
void watchdog_command_cleanup(struct watchdog_command *command);

#endif
