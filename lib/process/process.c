/* process.c - children with exactly the descriptors they are meant to have.
 *
 * The child tells through a close-on-exec pipe why exec failed, so a missing executable is an
 * error of process_start and not a puzzling death later. Descriptors are first moved above
 * every target number, so that no dup2 can overwrite one that is still needed. Rejected:
 * posix_spawn, which can neither close a range of descriptors nor set the parent-death
 * signal in the C library we build against. */
#include "process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file_io.h"

/* The first descriptor number that a child finds beyond stdin, stdout and stderr. */
enum { FIRST_CHILD_FD = 3 };

enum { CAUSE_PATIENCE_MS = 100 };

result process_sibling_path(char out[static PROCESS_PATH_MAX], const char *name)
{
    char self[PROCESS_PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    ENSURE(length > 0, E_IO, "/proc/self/exe: %s", strerror(errno));
    self[length] = 0;
    char *slash = strrchr(self, '/');
    ENSURE(slash, E_IO, "/proc/self/exe does not name a path");
    *slash = 0;
    int written = snprintf(out, PROCESS_PATH_MAX, "%s/%s", self, name);
    ENSURE(written > 0 && written < PROCESS_PATH_MAX, E_TOO_LARGE, "the path of %s is too long", name);
    return RESULT_OK;
}

static void reset_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); /* fails for SIGKILL and SIGSTOP, which have no handler anyway */
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A kernel without the file has no killer to give advice to, or no /proc. */
static bool set_out_of_memory_score(int score)
{
    char text[16];
    int length = snprintf(text, sizeof text, "%d", score);
    AUTO_FD fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    return (fd < 0 && errno == ENOENT) || (fd >= 0 && write(fd, text, (size_t)length) == length);
}

/* Most may be more than a parent in a container may give: then it is what there is. */
static bool limit(__rlimit_resource_t resource, rlim_t most)
{
    struct rlimit value = {most, most}, had;
    if (setrlimit(resource, &value) == 0)
        return true;
    if (errno != EPERM || getrlimit(resource, &had) != 0 || most < had.rlim_max)
        return false;
    had.rlim_cur = had.rlim_max;
    return setrlimit(resource, &had) == 0;
}

/* So that not even a program with file capabilities, if there were one, could bring any back. */
static bool drop_capabilities(void)
{
    for (unsigned long number = 0; prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++) {
        if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0)
            return false;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/* What only root may do comes first; the change of user takes the remaining capabilities away. */
static bool confine(const struct process_confinement *c)
{
    if (c->user == 0)
        return c->descriptors == 0 || limit(RLIMIT_NOFILE, c->descriptors);
    return set_out_of_memory_score(c->out_of_memory_score) && limit(RLIMIT_CORE, 0) &&
           limit(RLIMIT_MEMLOCK, RLIM_INFINITY) && limit(RLIMIT_NPROC, PROCESS_THREADS_MAX) &&
           (c->descriptors == 0 || limit(RLIMIT_NOFILE, c->descriptors)) && drop_capabilities() &&
           setgroups(0, NULL) == 0 && setresgid(c->user, c->user, c->user) == 0 &&
           setresuid(c->user, c->user, c->user) == 0;
}

/* Puts child_fds at 3, 4, ... and the report pipe right behind them; closes the rest. */
static bool arrange_descriptors(const int *child_fds, size_t num_child_fds, int *report)
{
    int first_free = FIRST_CHILD_FD + (int)num_child_fds + 1;
    int moved[PROCESS_DESCRIPTORS_MAX];
    for (size_t i = 0; i < num_child_fds; i++) {
        moved[i] = fcntl(child_fds[i], F_DUPFD, first_free);
        if (moved[i] < 0)
            return false;
    }
    int moved_report = fcntl(*report, F_DUPFD, first_free);
    if (moved_report < 0)
        return false;
    for (size_t i = 0; i < num_child_fds; i++) {
        if (dup2(moved[i], FIRST_CHILD_FD + (int)i) < 0)
            return false;
    }
    *report = dup3(moved_report, first_free - 1, O_CLOEXEC);
    return *report >= 0 && close_range((unsigned)first_free, ~0U, 0) == 0;
}

/* What the new process needs between fork and exec. */
struct plan {
    const char *path;
    char *const *argv;
    const int *fds;
    size_t num_fds;
    const struct process_confinement *confinement;
    pid_t parent;
};

static _Noreturn void run_child(const struct plan *plan, int report)
{
    /* A change of user clears the parent-death signal, so the user comes first. The parent may have died
     * before the signal was asked for: then the child has another parent already. */
    bool ready = confine(plan->confinement) && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
                 getppid() == plan->parent && arrange_descriptors(plan->fds, plan->num_fds, &report);
    if (ready) {
        reset_signals();
        (void)unsetenv("NOTIFY_SOCKET");
        (void)execv(plan->path, plan->argv);
    }
    int failure = errno;
    _exit(write(report, &failure, sizeof failure) == sizeof failure ? 127 : 126);
}

result process_start(pid_t *ret_pid, const char *path, char *const argv[], const int *child_fds,
                     size_t num_child_fds)
{
    const struct process_confinement none = {0};
    return process_start_confined(ret_pid, path, argv, child_fds, num_child_fds, &none);
}

result process_start_confined(pid_t *ret_pid, const char *path, char *const argv[], const int *child_fds,
                              size_t num_child_fds, const struct process_confinement *confinement)
{
    ENSURE(num_child_fds <= PROCESS_DESCRIPTORS_MAX, E_INTERNAL, "%s: too many descriptors", path);
    int report[2];
    ENSURE(pipe2(report, O_CLOEXEC) == 0, E_IO, "pipe: %s", strerror(errno));
    AUTO_FD report_in = report[0];
    AUTO_FD report_out = report[1];

    struct plan plan = {path, argv, child_fds, num_child_fds, confinement, getpid()};
    pid_t pid = fork();
    ENSURE(pid >= 0, E_IO, "fork: %s", strerror(errno));
    if (pid == 0)
        run_child(&plan, report_out);

    (void)close(fd_take(&report_out));
    int failure = 0;
    size_t length = 0;
    TRY(file_read_up_to(report_in, &failure, &length, sizeof failure));
    if (length != 0) {
        (void)waitpid(pid, NULL, 0);
        FAIL(E_IO, "%s: %s", path, strerror(failure));
    }
    *ret_pid = pid;
    return RESULT_OK;
}

result process_socketpair(int ret_pair[static 2])
{
    ENSURE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_pair) == 0, E_IO, "socketpair: %s",
           strerror(errno));
    return RESULT_OK;
}

result process_signals_open(int *ret_fd)
{
    sigset_t wanted;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGTERM);
    (void)sigaddset(&wanted, SIGINT);
    (void)sigaddset(&wanted, SIGCHLD);
    ENSURE(sigprocmask(SIG_BLOCK, &wanted, NULL) == 0, E_IO, "sigprocmask: %s", strerror(errno));
    int fd = signalfd(-1, &wanted, SFD_CLOEXEC);
    ENSURE(fd >= 0, E_IO, "signalfd: %s", strerror(errno));
    *ret_fd = fd;
    return RESULT_OK;
}

result process_signals_next(int fd, int *ret_signal)
{
    struct signalfd_siginfo information;
    TRY(file_read_full(fd, &information, sizeof information));
    *ret_signal = (int)information.ssi_signo;
    return RESULT_OK;
}

result process_group_add(struct process_group *group, pid_t pid, const char *name, bool brief)
{
    for (size_t i = 0; i < PROCESS_GROUP_MAX; i++) {
        if (group->members[i].pid == 0) {
            group->members[i].pid = pid;
            group->members[i].name = name;
            group->members[i].brief = brief;
            return RESULT_OK;
        }
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    FAIL(E_TOO_LARGE, "%s: too many children", name);
}

/* Index of the member with that number, or PROCESS_GROUP_MAX. */
static size_t find(const struct process_group *group, pid_t pid)
{
    size_t i = 0;
    while (i < PROCESS_GROUP_MAX && group->members[i].pid != pid)
        i++;
    return i;
}

static must_check result name_the_end(const char *name, int status)
{
    ENSURE(!WIFSIGNALED(status), E_PEER, "%s was ended by signal %d", name, WTERMSIG(status));
    FAIL(E_PEER, "%s ended with status %d", name, WEXITSTATUS(status));
}

/* Those that have ended so far. A killed one explains the others' ends, and else the first. */
static void reap_ended(struct process_group *group, result *worst, bool *explained)
{
    int status;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
        size_t i = find(group, pid);
        if (i == PROCESS_GROUP_MAX)
            continue;
        group->members[i].pid = 0;
        if (group->members[i].brief || *explained || (worst->code && !WIFSIGNALED(status)))
            continue;
        *worst = name_the_end(group->members[i].name, status);
        *explained = WIFSIGNALED(status);
    }
}

static bool another_ends(const struct process_group *group, int patience_ms)
{
    struct pollfd waits[PROCESS_GROUP_MAX];
    nfds_t num = 0;
    for (size_t i = 0; i < PROCESS_GROUP_MAX; i++) {
        int fd = group->members[i].pid ? pidfd_open(group->members[i].pid, 0) : -1;
        if (fd >= 0)
            waits[num++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    bool ended = num > 0 && poll(waits, num, patience_ms) > 0;
    for (nfds_t i = 0; i < num; i++)
        (void)close(waits[i].fd);
    return ended;
}

/* When one is killed, its peers end a moment later of their own will, and may be done with that first: its
 * memory takes a while to go. */
result process_group_reap(struct process_group *group)
{
    result worst = RESULT_OK;
    bool explained = false;
    do
        reap_ended(group, &worst, &explained);
    while (worst.code && !explained && another_ends(group, CAUSE_PATIENCE_MS));
    return worst;
}

static void signal_all(const struct process_group *group, int number)
{
    for (size_t i = 0; i < PROCESS_GROUP_MAX; i++) {
        if (group->members[i].pid)
            (void)kill(group->members[i].pid, number);
    }
}

static void reap_member(pid_t *pid, int patience_ms)
{
    AUTO_FD pidfd = pidfd_open(*pid, 0);
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    if (pidfd < 0 || poll(&wait, 1, patience_ms) == 0)
        (void)kill(*pid, SIGKILL);
    (void)waitpid(*pid, NULL, 0);
    *pid = 0;
}

void process_group_end_brief(struct process_group *group, const char *name)
{
    for (size_t i = 0; i < PROCESS_GROUP_MAX; i++) {
        if (group->members[i].pid && group->members[i].brief && strcmp(group->members[i].name, name) == 0)
            reap_member(&group->members[i].pid, 0);
    }
}

void process_group_stop(struct process_group *group, int patience_ms)
{
    signal_all(group, SIGTERM);
    for (size_t i = 0; i < PROCESS_GROUP_MAX; i++) {
        if (group->members[i].pid)
            reap_member(&group->members[i].pid, patience_ms);
    }
}
