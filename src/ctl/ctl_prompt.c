/* ctl_prompt.c - the terminal without echo.
 *
 * Signals that would end or stop the program are held back but while it waits, so that between the change of
 * the terminal and its return none gets through: whatever happens, the operator's shell echoes again.
 * Rejected: getpass(3), whose buffer is not ours to lock. */
#include "ctl_prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file_io.h"

enum { ATTEMPTS = 3, QUESTION_MAX = 160 };

static const int held[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
}

/* What was before: for the way back. */
struct quiet {
    int fd;
    struct termios terminal;
    sigset_t mask;
    struct sigaction actions[ARRAY_LENGTH(held)];
};

static must_check result quiet_begin(struct quiet *q, int fd)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked;
    *q = (struct quiet){.fd = fd};
    ENSURE(tcgetattr(fd, &q->terminal) == 0, E_IO, "the terminal: %s", strerror(errno));
    struct termios without = q->terminal;
    without.c_lflag &= ~(tcflag_t)ECHO;
    without.c_lflag |= ICANON | ISIG | ECHONL;
    caught = 0;
    (void)sigemptyset(&blocked);
    for (size_t i = 0; i < ARRAY_LENGTH(held); i++)
        (void)sigaddset(&blocked, held[i]);
    ENSURE(sigprocmask(SIG_BLOCK, &blocked, &q->mask) == 0, E_INTERNAL, "signals cannot be held back");
    for (size_t i = 0; i < ARRAY_LENGTH(held); i++)
        (void)sigaction(held[i], &action, &q->actions[i]);
    /* Setting it from the background stops us by SIGTTOU before anything is asked. */
    if (tcsetattr(fd, TCSAFLUSH, &without) == 0)
        return RESULT_OK;
    int error = errno;
    for (size_t i = 0; i < ARRAY_LENGTH(held); i++)
        (void)sigaction(held[i], &q->actions[i], NULL);
    (void)sigprocmask(SIG_SETMASK, &q->mask, NULL);
    FAIL(E_IO, "the terminal: %s", strerror(error));
}

/* A signal that came meanwhile is then taken as it would have been. */
static void quiet_end(struct quiet *q)
{
    int number = caught;
    (void)tcsetattr(q->fd, TCSAFLUSH, &q->terminal);
    for (size_t i = 0; i < ARRAY_LENGTH(held); i++)
        (void)sigaction(held[i], &q->actions[i], NULL);
    if (number)
        (void)raise(number);
    (void)sigprocmask(SIG_SETMASK, &q->mask, NULL);
}

/* A line, without its end. *ret_interrupted: a signal came instead. */
static must_check result read_line(struct secret *line, bool *ret_interrupted, const struct quiet *q)
{
    size_t length = 0;
    *ret_interrupted = false;
    for (;;) {
        struct pollfd poll = {.fd = q->fd, .events = POLLIN};
        int ready = ppoll(&poll, 1, NULL, &q->mask);
        if (caught) {
            *ret_interrupted = true;
            return RESULT_OK;
        }
        ENSURE(ready == 1 || errno == EINTR, E_IO, "the terminal: %s", strerror(errno));
        if (ready != 1)
            continue;
        ENSURE(length < CTL_SECRET_MAX, E_TOO_LARGE, "more than %d characters", CTL_SECRET_MAX);
        ssize_t got = read(q->fd, line->data + length, 1);
        ENSURE(got == 1, E_IO, "the terminal was closed");
        if (line->data[length] == '\n')
            break;
        length++;
    }
    secret_truncate(line, length);
    return RESULT_OK;
}

static must_check result say(int fd, const char *text)
{
    return file_write_full(fd, text, strlen(text));
}

static must_check result ask(struct secret *ret_line, int fd, const char *question)
{
    for (;;) {
        struct quiet quiet;
        bool interrupted = false;
        AUTO(secret) line = {0};
        TRY(secret_new(&line, CTL_SECRET_MAX));
        TRY(quiet_begin(&quiet, fd));
        result r = say(fd, question);
        if (!r.code)
            r = read_line(&line, &interrupted, &quiet);
        quiet_end(&quiet); /* of most signals it does not return */
        TRY(r);
        if (interrupted)
            continue;
        *ret_line = line;
        line = (struct secret){0};
        return RESULT_OK;
    }
}

/* Where neither standard input nor standard error is a terminal a script runs, whoever started it. */
static int open_terminal(void)
{
    if (isatty(STDIN_FILENO) != 1 && isatty(STDERR_FILENO) != 1)
        return -1;
    return open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

bool ctl_has_terminal(void)
{
    AUTO_FD fd = open_terminal();
    return fd >= 0;
}

static bool same(const struct secret *a, const struct secret *b)
{
    return a->length == b->length && secret_equal(a->data, b->data, a->length);
}

static must_check result ask_twice(struct secret *ret_secret, int fd, const char *name)
{
    char question[QUESTION_MAX], again[QUESTION_MAX];
    (void)snprintf(question, sizeof question, "New %s: ", name);
    (void)snprintf(again, sizeof again, "New %s again: ", name);
    for (int i = 0; i < ATTEMPTS; i++) {
        AUTO(secret) first = {0};
        AUTO(secret) second = {0};
        TRY(ask(&first, fd, question));
        TRY(ask(&second, fd, again));
        if (same(&first, &second)) {
            *ret_secret = first;
            first = (struct secret){0};
            return RESULT_OK;
        }
        TRY(say(fd, "The two are not the same.\n"));
    }
    FAIL(E_INPUT, "the %s was not typed twice the same", name);
}

static must_check result ask_terminal(struct secret *ret_secret, struct ctl_call *call, const char *name,
                                      bool is_new)
{
    char question[QUESTION_MAX];
    AUTO_FD fd = open_terminal();
    call->is_usage_error = fd < 0;
    ENSURE(fd >= 0, E_INPUT, "--%s-fd or --%s-file: required where nobody can be asked", name, name);
    if (is_new)
        return ask_twice(ret_secret, fd, name);
    (void)snprintf(question, sizeof question, "%c%s: ", name[0] - 'a' + 'A', name + 1);
    return ask(ret_secret, fd, question);
}

static must_check result read_descriptor(struct secret *ret_secret, int fd)
{
    AUTO(secret) text = {0};
    size_t length = 0;
    TRY(secret_new(&text, CTL_SECRET_MAX));
    TRY(file_read_up_to(fd, text.data, &length, CTL_SECRET_MAX));
    secret_truncate(&text, length);
    *ret_secret = text;
    text = (struct secret){0};
    return RESULT_OK;
}

static must_check result get(struct secret *ret_secret, struct ctl_call *call,
                             const struct ctl_secret_source *source, const char *name, bool is_new)
{
    if (source->fd != CTL_NO_FD) {
        result r = read_descriptor(ret_secret, (int)source->fd);
        return r.code ? error_prefix(r, "--%s-fd", name) : r;
    }
    if (source->file) {
        result r = secret_read_file(ret_secret, source->file, CTL_SECRET_MAX);
        return r.code ? error_prefix(r, "--%s-file", name) : r;
    }
    return ask_terminal(ret_secret, call, name, is_new);
}

result ctl_secret_get(struct secret *ret_secret, struct ctl_call *call,
                      const struct ctl_secret_source *source, const char *name, bool is_new)
{
    AUTO(secret) text = {0};
    call->is_usage_error = source->fd != CTL_NO_FD && source->file;
    ENSURE(!call->is_usage_error, E_INPUT, "--%s-file: not together with --%s-fd", name, name);
    TRY(get(&text, call, source, name, is_new));
    size_t length = text.length;
    while (length > 0 && (text.data[length - 1] == '\n' || text.data[length - 1] == '\r'))
        length--;
    secret_truncate(&text, length);
    ENSURE(length > 0, E_INPUT, "the %s is empty", name);
    *ret_secret = text;
    text = (struct secret){0};
    return RESULT_OK;
}

result ctl_show_mnemonic(const struct secret *mnemonic)
{
    AUTO_FD fd = open_terminal();
    ENSURE(fd >= 0, E_STATE, "there is no terminal");
    TRY(say(
        fd,
        "Write these words down, in their order. They are shown once, and nothing else keeps them:\n\n    "));
    TRY(file_write_full(fd, mnemonic->data, mnemonic->length));
    AUTO(secret) nothing = {0};
    TRY(ask(&nothing, fd, "\n\nEnter takes them away. "));
    TRY(say(fd, "\033[2J\033[3J\033[H"));
    for (int i = 0; i < ATTEMPTS; i++) {
        AUTO(secret) typed = {0};
        TRY(ask(&typed, fd, "The words, to be sure: "));
        if (same(&typed, mnemonic))
            return RESULT_OK;
        TRY(say(fd, "These are not the words.\n"));
    }
    FAIL(E_STATE, "the mnemonic was not typed as it was shown: no key was made");
}
