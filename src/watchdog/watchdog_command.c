/* watchdog_command.c - see watchdog_command.h.
 *
 * Output goes to files in memory: the command cannot be held up by a pipe that nobody reads, and a daemon
 * that it leaves behind (nitro-cli's, one an enclave) may keep them open as long as it likes. Rejected:
 * process_start, whose children die with us: an enclave must survive a watchdog that is killed. */
#include "watchdog_command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 1 << 20, ENVIRONMENT_MAX = 256 };

static bool is_ours(const char *variable)
{
    static const char *const prefixes[] = {"NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_", "AWS_"};
    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static void make_environment(char *out[static ENVIRONMENT_MAX + 1])
{
    size_t num = 0;
    for (char **at = environ; at && *at && num < ENVIRONMENT_MAX; at++)
        if (!is_ours(*at))
            out[num++] = *at;
    out[num] = NULL;
}

static int set_up(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int out, int errors)
{
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int code = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    code = code ? code : posix_spawn_file_actions_adddup2(actions, out, 1);
    code = code ? code : posix_spawn_file_actions_adddup2(actions, errors, 2);
    code = code ? code : posix_spawn_file_actions_addclosefrom_np(actions, 3);
    code = code ? code : posix_spawnattr_setsigmask(attributes, &none);
    code = code ? code : posix_spawnattr_setsigdefault(attributes, &all);
    return code ? code : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static must_check result spawn(pid_t *ret_pid, char *const words[], int out, int errors)
{
    char *environment[ENVIRONMENT_MAX + 1];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    make_environment(environment);
    ENSURE(posix_spawn_file_actions_init(&actions) == 0, E_MEMORY, "out of memory for a command");
    int code = posix_spawnattr_init(&attributes);
    if (!code) {
        code = set_up(&actions, &attributes, out, errors);
        code = code ? code : posix_spawnp(ret_pid, words[0], &actions, &attributes, words, environment);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    ENSURE(code == 0, E_IO, "%s: %s", words[0], strerror(code));
    return RESULT_OK;
}

result watchdog_command_start(struct watchdog_command *command, char *const words[])
{
    AUTO_FD out = memfd_create("output", MFD_CLOEXEC);
    AUTO_FD errors = memfd_create("errors", MFD_CLOEXEC);
    ENSURE(out >= 0 && errors >= 0, E_IO, "memfd_create: %s", strerror(errno));
    TRY(spawn(&command->pid, words, out, errors));
    command->out = fd_take(&out);
    command->errors = fd_take(&errors);
    return RESULT_OK;
}

void watchdog_ended_cleanup(struct watchdog_ended *ended)
{
    buffer_cleanup(&ended->out);
    buffer_cleanup(&ended->errors);
}

/* What cannot be read is as if it had not been written. */
static void read_all(struct buffer *out, int fd)
{
    char part[4096];
    ssize_t length;
    off_t at = 0;
    while (at < OUTPUT_MAX && (length = pread(fd, part, sizeof part, at)) > 0) {
        if (buffer_append(out, part, (size_t)length).code)
            return;
        at += length;
    }
}

static void close_files(struct watchdog_command *command)
{
    if (command->out >= 0)
        (void)close(command->out);
    if (command->errors >= 0)
        (void)close(command->errors);
    *command = WATCHDOG_COMMAND_NONE;
}

bool watchdog_command_ended(struct watchdog_ended *ret_ended, struct watchdog_command *command)
{
    int status;
    if (command->pid == 0 || waitpid(command->pid, &status, WNOHANG) != command->pid)
        return false;
    *ret_ended = (struct watchdog_ended){.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1};
    read_all(&ret_ended->out, command->out);
    read_all(&ret_ended->errors, command->errors);
    close_files(command);
    return true;
}

void watchdog_command_kill(const struct watchdog_command *command)
{
    if (command->pid > 0)
        (void)kill(command->pid, SIGKILL);
}

void watchdog_command_cleanup(struct watchdog_command *command)
{
    watchdog_command_kill(command);
    if (command->pid > 0)
        (void)waitpid(command->pid, NULL, 0);
    close_files(command);
}
