/* watchdog_nitro.c - see watchdog_nitro.h.
 *
 * Each step is a command; what it printed decides about the next. nitro-cli itself is believed only where
 * there is no better witness: an enclave that serves on the control port lives, whatever describe-enclaves
 * fails with. A run-enclave is never killed before its time: what it has begun would be left behind. */
#include "watchdog_nitro.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "base/log.h"
#include "nitro/nitro_eif.h"
#include "watchdog_command.h"

enum {
    DESCRIBE_SECONDS = 60,
    TERMINATE_SECONDS = 60,
    RUN_SECONDS = 900, /* nitro-cli gives up before: after 180 s, or more for large images and memories */
    EIF_MAX = 1 << 30
};

enum step {
    IDLE,     /* there is no enclave of ours */
    LOOKING,  /* describe-enclaves before a start */
    CLEARING, /* terminate-enclave of one that cannot be adopted */
    STARTING, /* run-enclave */
    UP,       /* it runs, no command does */
    WATCHING, /* describe-enclaves while it runs */
    ENDING,   /* terminate-enclave */
    CHECKING  /* describe-enclaves after that failed */
};

struct watchdog_nitro {
    struct watchdog_nitro_config config;
    watchdog_on_nitro on_news;
    void *context;
    enum step step;
    bool end_wanted;
    char id[WATCHDOG_CLI_ID_MAX + 1]; /* of the enclave that runs, or is being cleared away */
    struct watchdog_command command;
    struct watchdog_cli_command words;
    bool late; /* the command was killed because its time was over */
    int lock;  /* held while STARTING; else -1 */
    struct event *deadline, *describe, *later;
    enum watchdog_nitro_news news; /* to be told by later */
    char text[512];
};
typedef struct watchdog_nitro watchdog_nitro;
DEFINE_AUTO_POINTER(watchdog_nitro, watchdog_nitro_close)

static void set_timer(struct event *timer, uint32_t seconds)
{
    const struct timeval delay = {.tv_sec = seconds};
    (void)event_add(timer, &delay);
}

/* From the loop, so that nobody is called back from inside a call. */
static void tell(struct watchdog_nitro *n, enum watchdog_nitro_news news, const char *text)
{
    n->news = news;
    (void)snprintf(n->text, sizeof n->text, "%s", text);
    set_timer(n->later, 0);
}

static void on_later(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct watchdog_nitro *n = context;
    n->on_news(n->context, n->news, n->text);
}

static void gone(struct watchdog_nitro *n, enum watchdog_nitro_news news, const char *text)
{
    n->step = IDLE;
    n->end_wanted = false;
    n->id[0] = 0;
    (void)event_del(n->describe);
    tell(n, news, text);
}

static void unlock(struct watchdog_nitro *n)
{
    if (n->lock >= 0)
        (void)close(n->lock);
    n->lock = -1;
}

/* The command in words, for the step. One that cannot be executed leaves things as they are: the caller says
 * what that means. */
static must_check result begin(struct watchdog_nitro *n, enum step step, uint32_t seconds)
{
    TRY(watchdog_command_start(&n->command, n->words.words));
    n->step = step;
    n->late = false;
    set_timer(n->deadline, seconds);
    return RESULT_OK;
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct watchdog_nitro *n = context;
    n->late = true;
    watchdog_command_kill(&n->command);
}

static must_check result describe(struct watchdog_nitro *n, enum step step)
{
    watchdog_cli_describe(&n->words, &n->config.enclave);
    return begin(n, step, DESCRIBE_SECONDS);
}

static must_check result terminate(struct watchdog_nitro *n, enum step step)
{
    watchdog_cli_terminate(&n->words, &n->config.enclave, n->id);
    return begin(n, step, TERMINATE_SECONDS);
}

/* The last line of what it printed on standard error, cut: for codes that we do not know. */
static void last_line(char out[static 160], const struct buffer *errors)
{
    const char *text = errors->data ? (const char *)errors->data : "", *line = text;
    for (const char *at = text; *at; at++)
        if (*at == '\n' && at[1] && at[1] != '\n')
            line = at + 1;
    (void)snprintf(out, 160, "%.*s", (int)strcspn(line, "\n"), line);
}

/* Makes the sentence of a command that failed. */
static enum watchdog_cli_cure explain(struct watchdog_nitro *n, char out[static 512],
                                      const struct watchdog_ended *ended)
{
    struct watchdog_cli_failure failure;
    char line[160];
    const char *operation = n->words.words[1];
    watchdog_cli_failure(&failure, &ended->errors);
    n->config.on_failure(n->context, failure.code);
    last_line(line, &ended->errors);
    if (n->late)
        (void)snprintf(out, 512, "nitro-cli %s: no end in its time; killed", operation);
    else if (failure.code[0])
        (void)snprintf(out, 512, "nitro-cli %s: %s: %s", operation, failure.code, failure.sentence);
    else
        (void)snprintf(out, 512, "nitro-cli %s: status %d, \"%s\"; %s", operation, ended->status, line,
                       failure.sentence);
    return n->late ? WATCHDOG_CLI_RETRY : failure.cure;
}

/* A failure of the way to an enclave. */
static void give_up(struct watchdog_nitro *n, const struct watchdog_ended *ended)
{
    char text[512];
    enum watchdog_cli_cure cure = explain(n, text, ended);
    gone(n, cure == WATCHDOG_CLI_OPERATOR && !n->end_wanted ? WATCHDOG_NITRO_HOPELESS : WATCHDOG_NITRO_GONE,
         text);
}

static must_check result take_lock(struct watchdog_nitro *n)
{
    if (!n->config.start_lock)
        return RESULT_OK;
    AUTO_FD fd = open(n->config.start_lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
    ENSURE(fd >= 0, E_IO, "--start-lock: %s: %s", n->config.start_lock, strerror(errno));
    ENSURE(flock(fd, LOCK_EX | LOCK_NB) == 0, E_STATE,
           "another enclave is being started on this machine; nitro-cli can start one at a time");
    n->lock = fd_take(&fd);
    return RESULT_OK;
}

static void run(struct watchdog_nitro *n)
{
    watchdog_cli_run(&n->words, &n->config.enclave);
    result r = take_lock(n);
    if (!r.code)
        r = begin(n, STARTING, RUN_SECONDS);
    if (!r.code)
        return;
    unlock(n);
    gone(n, WATCHDOG_NITRO_GONE, error_text());
}

static must_check result measure(char ret_pcr0[static WATCHDOG_CLI_PCR0_LEN + 1], const char *path)
{
    AUTO(buffer) file = {0};
    struct nitro_eif eif;
    struct nitro_eif_measurements measurements;
    TRY(file_read(&file, path, EIF_MAX));
    TRY(nitro_eif_read(&eif, file.data, file.length));
    TRY(nitro_eif_measure(&measurements, &eif));
    hex_encode(ret_pcr0, measurements.pcr0, sizeof measurements.pcr0);
    return RESULT_OK;
}

/* A debug enclave's PCR0 is told as zeros by some versions. */
static must_check result check_image(const struct watchdog_nitro *n, const struct watchdog_cli_described *d)
{
    char pcr0[WATCHDOG_CLI_PCR0_LEN + 1];
    bool zeros = strspn(d->pcr0, "0") == strlen(d->pcr0);
    if (d->debug_mode && zeros)
        return RESULT_OK;
    TRY(measure(pcr0, n->config.enclave.eif));
    ENSURE(strcmp(pcr0, d->pcr0) == 0, E_MISMATCH, "it is of another image");
    return RESULT_OK;
}

static must_check result check_adoption(const struct watchdog_nitro *n,
                                        const struct watchdog_cli_described *d)
{
    ENSURE(d->running, E_STATE, "it is not running");
    ENSURE(d->cid == n->config.enclave.cid, E_MISMATCH, "it has another CID");
    ENSURE(d->debug_mode == n->config.enclave.debug_mode, E_MISMATCH, "it is %sin debug mode",
           d->debug_mode ? "" : "not ");
    return check_image(n, d);
}

static void is_up(struct watchdog_nitro *n, const char *id, enum watchdog_nitro_news news)
{
    (void)snprintf(n->id, sizeof n->id, "%s", id);
    n->step = UP;
    set_timer(n->describe, n->config.describe_interval);
    tell(n, news, id);
}

/* One of our name that an earlier watchdog left ends with this one, as if it had been adopted: an operator who stops the service
 * wants nothing to sign on. */
static void end_what_was_found(struct watchdog_nitro *n, const char *id)
{
    if (!id) {
        gone(n, WATCHDOG_NITRO_GONE, "no enclave was started");
        return;
    }
    (void)snprintf(n->id, sizeof n->id, "%s", id);
    n->step = UP;
    watchdog_nitro_end(n);
}

static void looked(struct watchdog_nitro *n, const struct watchdog_ended *ended)
{
    struct watchdog_cli_described d;
    bool found;
    if (ended->status != 0) {
        give_up(n, ended);
        return;
    }
    if (watchdog_cli_read_describe(&d, &found, &ended->out, n->config.enclave.name, NULL).code) {
        gone(n, WATCHDOG_NITRO_GONE, error_text());
        return;
    }
    if (n->end_wanted) {
        end_what_was_found(n, found ? d.id : NULL);
        return;
    }
    if (!found) {
        run(n);
        return;
    }
    result r = check_adoption(n, &d);
    if (!r.code) {
        is_up(n, d.id, WATCHDOG_NITRO_ADOPTED);
        return;
    }
    log_warn("an enclave of this name runs and is ended: %s", error_text());
    (void)snprintf(n->id, sizeof n->id, "%s", d.id);
    if (terminate(n, CLEARING).code)
        gone(n, WATCHDOG_NITRO_GONE, error_text());
}

static void cleared(struct watchdog_nitro *n, const struct watchdog_ended *ended)
{
    bool terminated = false;
    if (ended->status != 0)
        give_up(n, ended);
    else if (watchdog_cli_read_terminate(&terminated, &ended->out, n->id).code)
        gone(n, WATCHDOG_NITRO_GONE, error_text());
    else if (!terminated)
        gone(n, WATCHDOG_NITRO_GONE, "nitro-cli terminate-enclave: the enclave was not terminated");
    else
        run(n);
}

static void started(struct watchdog_nitro *n, const struct watchdog_ended *ended)
{
    struct watchdog_cli_described d;
    if (ended->status != 0) {
        give_up(n, ended);
        return;
    }
    if (watchdog_cli_read_run(&d, &ended->out).code) {
        gone(n, WATCHDOG_NITRO_GONE, error_text());
        return;
    }
    log_info("nitro-cli run-enclave: %s has CID %u", d.id, d.cid);
    is_up(n, d.id, WATCHDOG_NITRO_STARTED);
}

/* Only an answer that it is not there counts. */
static void watched(struct watchdog_nitro *n, const struct watchdog_ended *ended)
{
    struct watchdog_cli_described d;
    char text[512];
    bool found = true;
    n->step = UP;
    set_timer(n->describe, n->config.describe_interval);
    if (ended->status != 0) {
        (void)explain(n, text, ended);
        log_warn("%s", text);
    } else if (watchdog_cli_read_describe(&d, &found, &ended->out, NULL, n->id).code) {
        log_warn("%s", error_text());
    } else if (!found || !d.running) {
        gone(n, WATCHDOG_NITRO_GONE, "nitro-cli describe-enclaves: the enclave does not run any more");
    }
}

/* Called again by the owner when nothing follows. */
static void still_up(struct watchdog_nitro *n, const char *text)
{
    log_error("%s", text);
    n->step = UP;
}

static void ended_it(struct watchdog_nitro *n, const struct watchdog_ended *ended)
{
    char text[512];
    bool terminated = false;
    if (ended->status == 0 && !watchdog_cli_read_terminate(&terminated, &ended->out, n->id).code &&
        terminated) {
        gone(n, WATCHDOG_NITRO_GONE, "the enclave was terminated");
        return;
    }
    if (ended->status != 0) {
        (void)explain(n, text, ended);
        log_warn("%s", text);
    }
    if (describe(n, CHECKING).code)
        still_up(n, error_text());
}

static void checked(struct watchdog_nitro *n, const struct watchdog_ended *ended)
{
    struct watchdog_cli_described d;
    char text[512];
    bool found = true;
    if (ended->status != 0) {
        (void)explain(n, text, ended);
        still_up(n, text);
    } else if (watchdog_cli_read_describe(&d, &found, &ended->out, NULL, n->id).code) {
        still_up(n, error_text());
    } else if (found) {
        still_up(n, "nitro-cli terminate-enclave: the enclave still runs");
    } else {
        gone(n, WATCHDOG_NITRO_GONE, "the enclave had ended already");
    }
}

static void take(struct watchdog_nitro *n, const struct watchdog_ended *ended)
{
    switch (n->step) {
    case IDLE:
    case UP:
        return;
    case LOOKING:
        looked(n, ended);
        return;
    case CLEARING:
        cleared(n, ended);
        return;
    case STARTING:
        unlock(n);
        started(n, ended);
        return;
    case WATCHING:
        watched(n, ended);
        return;
    case ENDING:
        ended_it(n, ended);
        return;
    case CHECKING:
        checked(n, ended);
        return;
    }
}

/* An end that was asked for while a command ran. What was being cleared away is ended, and nothing follows it. */
static bool give_way(struct watchdog_nitro *n, const struct watchdog_ended *ended)
{
    if (!n->end_wanted || n->step == ENDING || n->step == CHECKING)
        return false;
    if (n->step == CLEARING) {
        ended_it(n, ended);
        return true;
    }
    take(n, ended);
    if (n->step == UP)
        watchdog_nitro_end(n);
    return true;
}

void watchdog_nitro_child(struct watchdog_nitro *n)
{
    AUTO(watchdog_ended) ended = {0};
    if (!watchdog_command_ended(&ended, &n->command))
        return;
    (void)event_del(n->deadline);
    if (!give_way(n, &ended))
        take(n, &ended);
}

void watchdog_nitro_start(struct watchdog_nitro *n)
{
    n->end_wanted = false;
    result r = n->step == IDLE ? describe(n, LOOKING) : error_set(E_STATE, "there is an enclave already");
    if (r.code)
        gone(n, WATCHDOG_NITRO_GONE, error_text());
}

void watchdog_nitro_end(struct watchdog_nitro *n)
{
    n->end_wanted = true;
    if (n->step == IDLE && !event_pending(n->later, EV_TIMEOUT, NULL))
        gone(n, WATCHDOG_NITRO_GONE, "there is no enclave");
    if (n->step != UP)
        return;
    (void)event_del(n->later); /* that it runs is no news any more */
    (void)event_del(n->describe);
    if (terminate(n, ENDING).code)
        still_up(n, error_text());
}

bool watchdog_nitro_runs(const struct watchdog_nitro *n)
{
    return n->step == UP || n->step == WATCHING;
}

static void on_describe(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    struct watchdog_nitro *n = context;
    if (n->step != UP)
        return;
    if (describe(n, WATCHING).code) {
        log_warn("%s", error_text());
        set_timer(n->describe, n->config.describe_interval);
    }
}

result watchdog_nitro_open(struct watchdog_nitro **ret_nitro, const struct watchdog_nitro_config *config,
                           struct event_base *base, watchdog_on_nitro on_news, void *context)
{
    AUTO_POINTER(watchdog_nitro) n = calloc(1, sizeof *n);
    ENSURE(n, E_MEMORY, "out of memory for an enclave");
    n->config = *config;
    n->on_news = on_news;
    n->context = context;
    n->lock = -1;
    n->command = WATCHDOG_COMMAND_NONE;
    n->deadline = evtimer_new(base, on_deadline, n);
    n->describe = evtimer_new(base, on_describe, n);
    n->later = evtimer_new(base, on_later, n);
    ENSURE(n->deadline && n->describe && n->later, E_MEMORY, "no memory for events");
    *ret_nitro = TAKE(n);
    return RESULT_OK;
}

void watchdog_nitro_close(struct watchdog_nitro *n)
{
    if (!n)
        return;
    watchdog_command_cleanup(&n->command);
    unlock(n);
    struct event *const events[] = {n->deadline, n->describe, n->later};
    for (size_t i = 0; i < ARRAY_LENGTH(events); i++) {
        if (events[i])
            event_free(events[i]);
    }
    free(n);
}
