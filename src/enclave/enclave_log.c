/* enclave_log.c - lines from a pipe to a connection that comes and goes.
 *
 * The pipe does not block its writers, and a line fits it whole or not at all. It is read only while there is
 * room here, so that a host that does not read fills first this buffer, then the pipe, and then costs lines.
 * Only whole lines are sent from the buffer, so after a broken connection the next one begins with a whole
 * line: the one that was on its way may arrive twice. Rejected: children that connect themselves, which would
 * need sockets and would lose all lines with the first connection; and a thread, beside which no child could
 * be forked safely. */
#include "enclave_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

enum { RETRY_SECONDS = 1, FLUSH_MS = 1000, MILLISECOND = 1000000, TURNS_MAX = 16 };

static void watch(struct enclave_log *log, int fd, uint32_t what)
{
    struct epoll_event event = {.events = what};
    if (epoll_ctl(log->events, EPOLL_CTL_MOD, fd, &event) != 0)
        (void)epoll_ctl(log->events, EPOLL_CTL_ADD, fd, &event);
}

static void retry_later(struct enclave_log *log)
{
    const struct itimerspec once = {.it_value.tv_sec = RETRY_SECONDS};
    (void)timerfd_settime(log->timer, 0, &once, NULL);
}

/* The line that was on its way begins anew. */
static void disconnect(struct enclave_log *log)
{
    fd_auto_close(&log->connection); /* leaves the epoll set by that */
    log->connected = false;
    while (log->sent > 0 && log->lines[log->sent - 1] != '\n')
        log->sent--;
    retry_later(log);
}

static void begin_connect(struct enclave_log *log)
{
    struct sockaddr_storage storage;
    socklen_t length;
    if (net_socket_address(&storage, &length, &log->address).code)
        return;
    log->connection = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    log->connected =
        log->connection >= 0 && connect(log->connection, (const struct sockaddr *)&storage, length) == 0;
    if (log->connection < 0 || (!log->connected && errno != EINPROGRESS))
        disconnect(log);
    else
        watch(log, log->connection, EPOLLOUT);
}

/* The host has nothing to say: what can be read is the end. */
static bool has_ended(struct enclave_log *log)
{
    struct pollfd state = {.fd = log->connection, .events = POLLIN};
    return poll(&state, 1, 0) != 0;
}

static void finish_connect(struct enclave_log *log)
{
    struct pollfd state = {.fd = log->connection, .events = POLLOUT};
    int error = 0;
    socklen_t length = sizeof error;
    if (poll(&state, 1, 0) == 0)
        return;
    if (getsockopt(log->connection, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0)
        disconnect(log);
    else
        log->connected = true;
}

/* How much of the buffer is whole lines; all of it if there is no end of a line in a full buffer. */
static size_t whole_lines(const struct enclave_log *log)
{
    size_t end = log->length;
    while (end > log->sent && log->lines[end - 1] != '\n')
        end--;
    return end > log->sent || log->length < ENCLAVE_LOG_LEN ? end : log->length;
}

/* Whether there was something to read. */
static bool fill(struct enclave_log *log)
{
    if (log->sent > 0) {
        memmove(log->lines, log->lines + log->sent, log->length - log->sent);
        log->length -= log->sent;
        log->sent = 0;
    }
    if (log->pipe < 0 || log->length == ENCLAVE_LOG_LEN)
        return false;
    ssize_t length = read(log->pipe, log->lines + log->length, ENCLAVE_LOG_LEN - log->length);
    if (length == 0)
        fd_auto_close(&log->pipe); /* nobody is left who writes */
    log->length += length > 0 ? (size_t)length : 0;
    return length > 0;
}

/* Whether all whole lines are gone. */
static bool drain(struct enclave_log *log)
{
    size_t end = whole_lines(log);
    while (log->connected && log->sent < end) {
        ssize_t length = send(log->connection, log->lines + log->sent, end - log->sent, MSG_NOSIGNAL);
        if (length > 0)
            log->sent += (size_t)length;
        else if (length < 0 && errno == EAGAIN)
            return false;
        else if (errno != EINTR)
            disconnect(log);
    }
    return log->connected;
}

static void move_lines(struct enclave_log *log)
{
    if (log->connection >= 0 && !log->connected)
        finish_connect(log);
    if (log->connected && has_ended(log))
        disconnect(log);
    /* A child may write as fast as the host reads: then the loop's other work has its turn, too. */
    for (int turn = 0; turn < TURNS_MAX && drain(log) && fill(log); turn++)
        continue;
    if (!log->connected)
        (void)fill(log);
}

void enclave_log_serve(struct enclave_log *log)
{
    uint64_t times;
    if (read(log->timer, &times, sizeof times) == sizeof times && log->connection < 0)
        begin_connect(log);
    move_lines(log);
    bool behind = log->connected && log->sent < whole_lines(log);
    watch(log, log->pipe, behind || log->length == ENCLAVE_LOG_LEN ? 0 : EPOLLIN);
    if (log->connection >= 0)
        watch(log, log->connection, behind || !log->connected ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static must_check result take_standard_streams(struct enclave_log *log)
{
    int pair[2];
    ENSURE(pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0, E_IO, "--log: pipe: %s", strerror(errno));
    log->pipe = pair[0];
    AUTO_FD writer = pair[1];
    log->console = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    ENSURE(log->console >= 0 && dup2(writer, STDOUT_FILENO) >= 0 && dup2(writer, STDERR_FILENO) >= 0, E_IO,
           "--log: standard error cannot be replaced: %s", strerror(errno));
    return RESULT_OK;
}

result enclave_log_open(struct enclave_log *ret_log, const char *where)
{
    struct enclave_log *log = ret_log;
    log->pipe = log->console = log->connection = log->timer = log->events = -1;
    log->connected = false;
    log->length = log->sent = 0;
    result r = net_address_parse(&log->address, where);
    if (r.code)
        return error_prefix(r, "--log");
    ENSURE(log->address.family != NET_TCP, E_INPUT, "--log: must be unix: or vsock:");
    log->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    log->events = epoll_create1(EPOLL_CLOEXEC);
    ENSURE(log->timer >= 0 && log->events >= 0, E_IO, "--log: %s", strerror(errno));
    TRY(take_standard_streams(log));
    watch(log, log->timer, EPOLLIN);
    begin_connect(log);
    enclave_log_serve(log);
    return RESULT_OK;
}

/* Until the host has taken everything, or the moment is over. */
static void flush(struct enclave_log *log, uint64_t deadline_ns)
{
    for (;;) {
        enclave_log_serve(log);
        uint64_t now_ns = clock_monotonic_ns();
        bool empty = log->connected && log->sent == log->length;
        if (empty || now_ns >= deadline_ns)
            return;
        struct pollfd wait = {.fd = log->events, .events = POLLIN};
        (void)poll(&wait, 1, (int)((deadline_ns - now_ns) / MILLISECOND) + 1);
    }
}

/* What was sent is on its way when the host ends the connection, too: before that the machine must not stop.
 */
static void wait_for_end(struct enclave_log *log, uint64_t deadline_ns)
{
    if (!log->connected || shutdown(log->connection, SHUT_WR) != 0)
        return;
    uint64_t now_ns = clock_monotonic_ns();
    struct pollfd wait = {.fd = log->connection, .events = POLLIN};
    if (now_ns < deadline_ns)
        (void)poll(&wait, 1, (int)((deadline_ns - now_ns) / MILLISECOND) + 1);
}

void enclave_log_leave(struct enclave_log *log)
{
    if (log->console < 0)
        return;
    (void)dup2(log->console, STDOUT_FILENO);
    (void)dup2(log->console, STDERR_FILENO);
    fd_auto_close(&log->console);
}

void enclave_log_close(struct enclave_log *log)
{
    if (log->events < 0)
        return;
    enclave_log_leave(log);
    uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)FLUSH_MS * MILLISECOND;
    if (log->connection < 0)
        begin_connect(log);
    flush(log, deadline_ns);
    wait_for_end(log, deadline_ns);
    int *all[] = {&log->pipe, &log->connection, &log->timer, &log->events};
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        fd_auto_close(all[i]);
}
