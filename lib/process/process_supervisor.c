/* process_supervisor.c - one poll loop over two descriptors: signals, and the keeper's channel.
 *
 * There is no half-alive signer: whichever child ends, or channel closes, ends the loop with an
 * error, and the program ends the rest. Only a loader's end, good or bad, costs its load and
 * nothing else: the keeper sees its socket close. Rejected: restarting a child here. The keeper's
 * memory of what was loaded cannot be rebuilt by a supervisor that holds no secrets. */
#include "process/process_supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STOP_PATIENCE_MS = 3000, EXPLAIN_PATIENCE_MS = 1000, TOLD_PATIENCE_MS = 100 };

result process_command_add(struct process_command *command, const char *format, ...)
{
    ENSURE(command->num_words < PROCESS_SUPERVISOR_ARGUMENTS_MAX, E_TOO_LARGE,
           "too many arguments for a child");
    size_t room = sizeof command->text - command->length;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(command->text + command->length, room, format, arguments);
    va_end(arguments);
    ENSURE(length >= 0 && (size_t)length < room, E_TOO_LARGE, "the arguments of a child are too long");
    command->words[command->num_words++] = command->length;
    command->length += (size_t)length + 1;
    return RESULT_OK;
}

/* name NULL: the program's, and it is to stay. */
static must_check result start(struct process_group *group, struct process_command *command, const int *fds,
                               size_t num_fds, const char *name)
{
    char *argv[PROCESS_SUPERVISOR_ARGUMENTS_MAX + 1] = {NULL};
    for (size_t i = 0; i < command->num_words; i++)
        argv[i] = command->text + command->words[i];
    char path[PROCESS_PATH_MAX];
    TRY(process_sibling_path(path, argv[0]));
    pid_t pid;
    TRY(process_start_confined(&pid, path, argv, fds, num_fds, &command->confinement));
    return process_group_add(group, pid, name ? name : argv[0], name != NULL);
}

/* Descriptors that only the children use; the supervisor closes its copies when they have been started. */
struct wires {
    int keeper[2], front[2], courier[2];
};

static void wires_cleanup(struct wires *w)
{
    int *all[] = {&w->keeper[0], &w->keeper[1], &w->front[0], &w->front[1], &w->courier[0], &w->courier[1]};
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        fd_auto_close(all[i]);
}

result process_supervisor_start(struct process_supervisor *ret_supervisor, struct process_family *family)
{
    struct process_supervisor *s = ret_supervisor;
    *s = (struct process_supervisor){.signals = -1,
                                     .keeper = -1,
                                     .watched = -1,
                                     .loader = family->loader,
                                     .manager = family->manager,
                                     .proxies = family->proxies,
                                     .fetcher = family->fetcher};
    AUTO(wires) w = {.keeper = {-1, -1}, .front = {-1, -1}, .courier = {-1, -1}};
    TRY(process_signals_open(&s->signals));
    TRY(process_socketpair(w.keeper));
    TRY(process_socketpair(w.front));
    bool has_courier = family->courier.num_words != 0;
    if (has_courier)
        TRY(process_socketpair(w.courier));

    const int keeper_fds[] = {w.keeper[1], w.front[0], w.courier[0]};
    TRY(start(&s->children, &family->keeper, keeper_fds, has_courier ? 3 : 2, NULL));
    const int front_fds[] = {w.front[1], family->https, family->metrics};
    TRY(start(&s->children, &family->front, front_fds, family->metrics >= 0 ? 3 : 2, NULL));
    const int courier_fds[] = {w.courier[1], family->courier_outside};
    if (has_courier)
        TRY(start(&s->children, &family->courier, courier_fds, 2, NULL));
    s->keeper = fd_take(&w.keeper[0]);
    return RESULT_OK;
}

static const char loader_name[] = "loader", fetcher_name[] = "fetcher";

/* Starts the loader too. The fetcher's greeting waits in their channel before either is there to read or
 * write. */
static must_check result start_with_fetcher(struct process_supervisor *s, int keeper)
{
    int pair[2];
    TRY(process_socketpair(pair));
    AUTO_FD of_loader = pair[0];
    AUTO_FD of_fetcher = pair[1];
    process_group_end_brief(&s->children, fetcher_name);
    TRY(s->greet_fetcher(s->greet_context, of_loader));
    TRY(start(&s->children, &s->fetcher, &of_fetcher, 1, fetcher_name));
    const int loader_fds[] = {keeper, of_loader};
    return start(&s->children, &s->loader, loader_fds, ARRAY_LENGTH(loader_fds), loader_name);
}

/* There is one load at a time, and one proxy key: who is left of that name is stuck. */
static must_check result start_loader(struct process_supervisor *s, struct process_command *command,
                                      const char *name, struct ipc_message *m, int descriptor)
{
    TRY(ipc_take_empty(m));
    ENSURE(command->num_words > 0, E_PEER, "the keeper asked for a loader that there is not");
    ENSURE(descriptor >= 0, E_PEER, "the keeper asked for a loader and passed no socket");
    process_group_end_brief(&s->children, name);
    if (command == &s->loader && s->fetcher.num_words > 0)
        return start_with_fetcher(s, descriptor);
    return start(&s->children, command, &descriptor, 1, name);
}

static must_check result stop_loader(struct process_supervisor *s, struct ipc_message *m, int descriptor)
{
    TRY(ipc_take_empty(m));
    ENSURE(descriptor < 0, E_PEER, "the keeper stops a loader and passes a socket");
    process_group_end_brief(&s->children, loader_name);
    process_group_end_brief(&s->children, fetcher_name);
    return RESULT_OK;
}

static must_check result handle_message(struct process_supervisor *s, struct ipc_message *m, int *descriptor,
                                        process_supervisor_on_state on_state, void *context)
{
    if (m->type == IPC_LOADER_START)
        return start_loader(s, &s->loader, loader_name, m, *descriptor);
    if (m->type == IPC_MANAGER_START)
        return start_loader(s, &s->manager, loader_name, m, *descriptor);
    if (m->type == IPC_PROXY_START)
        return start_loader(s, &s->proxies, "maker of a proxy key", m, *descriptor);
    if (m->type == IPC_LOADER_STOP)
        return stop_loader(s, m, *descriptor);
    ENSURE(m->type == IPC_STATE && *descriptor < 0, E_PEER, "unexpected message %#x from the keeper",
           (unsigned)m->type);
    struct ipc_state state;
    TRY(ipc_take_state(&state, m));
    return on_state(context, &state);
}

static must_check result receive_message(struct process_supervisor *s, process_supervisor_on_state on_state,
                                         void *context)
{
    uint8_t packet[IPC_PACKET_MAX];
    size_t length;
    AUTO_FD descriptor = -1;
    struct ipc_message message;
    TRY(ipc_receive(s->keeper, packet, &length, &descriptor));
    TRY(ipc_open(&message, packet, length));
    return handle_message(s, &message, &descriptor, on_state, context);
}

/* Whether we are told to end a moment after a child has ended: whoever ends a whole control group, as systemd
 * does unless a unit says otherwise, tells each process, and a child may be the quicker one. */
static bool is_told_to_end(const struct process_supervisor *s)
{
    struct pollfd wait = {.fd = s->signals, .events = POLLIN};
    int number = SIGCHLD;
    while (number == SIGCHLD && poll(&wait, 1, TOLD_PATIENCE_MS) == 1) {
        if (process_signals_next(s->signals, &number).code)
            return false;
    }
    return number != SIGCHLD;
}

/* *ret_stop when it is time to end; how the children end is then no news. */
static must_check result receive_signal(struct process_supervisor *s, bool *ret_stop)
{
    int number;
    TRY(process_signals_next(s->signals, &number));
    *ret_stop = number != SIGCHLD;
    if (*ret_stop)
        return RESULT_OK;
    result r = process_group_reap(&s->children);
    *ret_stop = r.code == E_PEER && is_told_to_end(s);
    return *ret_stop ? RESULT_OK : r;
}

/* A channel closes a moment before its process counts as ended; who ended, and how, is the better sentence. A
 * signal that was pending for another reason (a loader that is done) does not explain it. */
static must_check result explain(struct process_supervisor *s, result failed, bool *ret_stop)
{
    struct pollfd wait = {.fd = s->signals, .events = POLLIN};
    while (failed.code == E_PEER && !*ret_stop && poll(&wait, 1, EXPLAIN_PATIENCE_MS) == 1)
        TRY(receive_signal(s, ret_stop));
    return failed.code && !*ret_stop ? error_prefix(failed, "the keeper's channel") : RESULT_OK;
}

result process_supervisor_run(struct process_supervisor *s, process_supervisor_on_state on_state,
                              void *context)
{
    for (bool stop = false; !stop;) {
        struct pollfd watched[] = {{.fd = s->signals, .events = POLLIN},
                                   {.fd = s->keeper, .events = POLLIN},
                                   {.fd = s->watched, .events = POLLIN}};
        int ready = poll(watched, ARRAY_LENGTH(watched), -1);
        if (ready < 0 && errno == EINTR)
            continue;
        ENSURE(ready > 0, E_IO, "poll: %s", strerror(errno));
        /* Signals first: "the keeper ended with status 1" says more than "the keeper's channel closed". */
        if (watched[0].revents)
            TRY(receive_signal(s, &stop));
        else if (watched[1].revents)
            TRY(explain(s, receive_message(s, on_state, context), &stop));
        else if (watched[2].revents)
            TRY(s->on_watched(s->watched_context));
    }
    return RESULT_OK;
}

void process_supervisor_cleanup(struct process_supervisor *s)
{
    process_group_stop(&s->children, STOP_PATIENCE_MS);
    fd_auto_close(&s->keeper);
    fd_auto_close(&s->signals);
}
