/* process_supervisor.h - the family of one signer: keeper, front, perhaps courier, and a loader
 * whenever the keeper asks for one (PROTOCOL.ipc section 1, the supervisor's channel). Shared by
 * nitro-signer and nitro-signer-enclave. Target process_supervisor.
 */
#ifndef PROCESS_PROCESS_SUPERVISOR_H
#define PROCESS_PROCESS_SUPERVISOR_H

#include "ipc/ipc.h"
#include "process/process.h"

enum { PROCESS_SUPERVISOR_ARGUMENTS_MAX = 32, PROCESS_SUPERVISOR_ARGUMENTS_LEN = 16384 };

/* A command line that owns its words. The first is the program's name, found beside the running executable.
 */
struct process_command {
    char text[PROCESS_SUPERVISOR_ARGUMENTS_LEN]; /* the words, each with its NUL */
    size_t length;
    size_t words[PROCESS_SUPERVISOR_ARGUMENTS_MAX]; /* where each begins */
    size_t num_words;
    struct process_confinement confinement;
};

/* Appends a word made as by printf. E_TOO_LARGE when it or their number is over the limit. */
must_check result process_command_add(struct process_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct process_family {
    struct process_command keeper, front, loader;
    struct process_command courier; /* num_words 0: there is none */
    struct process_command manager; /* the loader of key manager requests; num_words 0: there is none */
    struct process_command proxies; /* the one that makes proxy keys; the same */
    struct process_command
        fetcher;         /* starts and ends with the loader of all keys; num_words 0: there is none */
    int https;           /* the front's bound socket */
    int metrics;         /* its second one, or -1 */
    int courier_outside; /* the courier's second descriptor: its listening socket, or our channel; or -1 */
};

struct process_supervisor {
    struct process_group children;
    int signals; /* -1 when closed */
    int keeper;  /* our end of the keeper's channel; -1 when closed */
    /* Set by the owner if there is something else to wait for; a failed result ends process_supervisor_run.
     */
    int watched; /* -1: nothing */
    result (*on_watched)(void *context);
    void *watched_context;
    /* Set by the owner if there is a fetcher: says on its channel, which the loader then gets, what only it
     * is to know. */
    result (*greet_fetcher)(void *context, int channel);
    void *greet_context;
    struct process_command loader, manager, proxies, fetcher;
};

/* Starts the children. The caller keeps family's sockets and may close them afterwards. On failure those
 * already started are ended by process_supervisor_cleanup. */
must_check result process_supervisor_start(struct process_supervisor *ret_supervisor,
                                           struct process_family *family);

/* Called for each STATE of the keeper; a failed result ends process_supervisor_run with it. */
typedef result (*process_supervisor_on_state)(void *context, const struct ipc_state *state);

/* Serves the keeper's channel and watches the children until SIGTERM or SIGINT (RESULT_OK) or until something
 * ends that should not (E_PEER). The children still run afterwards. */
must_check result process_supervisor_run(struct process_supervisor *supervisor,
                                         process_supervisor_on_state on_state, void *context);

/* Ends every child and closes the channel. */
void process_supervisor_cleanup(struct process_supervisor *supervisor);

#endif
