/* watchdog_enclave.c - start, notice the end, signal.
 *
 * On one machine the command is nitro-signer-enclave itself. On an instance it is a wrapper
 * of nitro-cli that stays as long as its enclave does, so this file does not change. */
#include "watchdog_enclave.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "process/process.h"

result watchdog_enclave_start(struct watchdog_enclave *enclave)
{
    char sibling[PROCESS_PATH_MAX];
    const char *path = enclave->command[0];
    if (!strchr(path, '/')) {
        TRY(process_sibling_path(sibling, path));
        path = sibling;
    }
    return process_start(&enclave->pid, path, enclave->command, NULL, 0);
}

bool watchdog_enclave_ended(struct watchdog_enclave *enclave)
{
    int status;
    if (enclave->pid == 0 || waitpid(enclave->pid, &status, WNOHANG) != enclave->pid)
        return false;
    enclave->pid = 0;
    result described = WIFSIGNALED(status)
                           ? error_set(E_PEER, "the enclave was ended by signal %d", WTERMSIG(status))
                           : error_set(E_PEER, "the enclave ended with status %d", WEXITSTATUS(status));
    return described.code != 0;
}

void watchdog_enclave_signal(const struct watchdog_enclave *enclave, int number)
{
    if (enclave->pid > 0)
        (void)kill(enclave->pid, number);
}
