/* process.h - starting children with an exact set of descriptors, and keeping a small group of
 * them, for the two supervisors (nitro-signer, nitro-signer-enclave) and the watchdog.
 */
#ifndef PROCESS_PROCESS_H
#define PROCESS_PROCESS_H

#include <sys/types.h>

#include "base/result.h"

enum {
    PROCESS_PATH_MAX = 4096,
    PROCESS_GROUP_MAX = 8,
    PROCESS_DESCRIPTORS_MAX = 8,
    PROCESS_THREADS_MAX = 256
};

/* Where a sibling executable is: beside the running one (/proc/self/exe). */
must_check result process_sibling_path(char out[static PROCESS_PATH_MAX], const char *name);

/* fork + exec. child_fds[i] becomes descriptor 3 + i of the child; 0, 1, 2 are inherited; every other
 * descriptor is closed; the signal mask is cleared and every handler is the default; the child is killed
 * (SIGKILL) when the parent dies. NOTIFY_SOCKET is taken from its environment: a child must not announce
 * readiness in its parent's name. argv ends with NULL. E_IO names the path when it cannot be executed. */
must_check result process_start(pid_t *ret_pid, const char *path, char *const argv[], const int *child_fds,
                                size_t num_child_fds);

/* What a child is left with. The zero value leaves it the parent's. */
struct process_confinement {
    uid_t user; /* and group of the same number, no further groups, no capability, none to be gained: only
                   root can; 0: the parent's */
    unsigned descriptors;    /* RLIMIT_NOFILE; 0: the parent's */
    int out_of_memory_score; /* with a user. oom_score_adj: who dies first when memory ends, the higher the
                                earlier */
};

/* As process_start, confined: with a user also no core dumps, PROCESS_THREADS_MAX threads of that user, and
 * no limit to locked memory, which a parent that is root lifts here because secrets need it. */
must_check result process_start_confined(pid_t *ret_pid, const char *path, char *const argv[],
                                         const int *child_fds, size_t num_child_fds,
                                         const struct process_confinement *confinement);

/* A pair of connected SOCK_SEQPACKET sockets, close-on-exec. */
must_check result process_socketpair(int ret_pair[static 2]);

/* Blocks SIGTERM, SIGINT and SIGCHLD and returns a descriptor that becomes readable when one is pending. */
must_check result process_signals_open(int *ret_fd);
/* The next pending signal number. */
must_check result process_signals_next(int fd, int *ret_signal);

/* Children that live and die together. The zero state is empty. */
struct process_group {
    struct {
        pid_t pid;        /* 0: this place is free */
        const char *name; /* kept, not copied; for messages */
        bool brief;       /* ends by itself, and how is the concern of those it works for */
    } members[PROCESS_GROUP_MAX];
};

/* Adds a started child. E_TOO_LARGE when the group is full; the child is then killed. */
must_check result process_group_add(struct process_group *group, pid_t pid, const char *name, bool brief);

/* Collects every child that has ended, without waiting. A brief one is forgotten, however it ended; the end
 * of any other is E_PEER and the sentence says who ended and how; of several, one that was killed by a
 * signal, for which it waits a moment then, and else the first. Processes that are no members (orphans handed
 * to PID 1) are reaped silently. */
must_check result process_group_reap(struct process_group *group);

/* SIGKILL to the brief ones of that name that are still there; returns when they have been reaped. */
void process_group_end_brief(struct process_group *group, const char *name);

/* SIGTERM to all, then SIGKILL to those still there after patience_ms; returns when all have been reaped. */
void process_group_stop(struct process_group *group, int patience_ms);

#endif
