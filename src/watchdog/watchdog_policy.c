/* watchdog_policy.c - the table.
 *
 * A row is (state, event) -> (next state, actions, timer). What stands in no row is ignored.
 * The rules it follows: one request at a time on the control port; whatever breaks, the
 * enclave is ended and a new one started, because half-alive enclaves must not exist; a
 * refused init is no reason to end it (KMS may have been away), it is sent again. */
#include "watchdog_policy.h"

/* An enclave whose control port is not there after so many attempts, five minutes or so, hangs. */
enum { SECOND_MS = 1000, CONNECT_ATTEMPTS = 300 };

struct row {
    enum watchdog_state state;
    enum watchdog_event event;
    enum watchdog_state next;
    unsigned actions;
    enum watchdog_timer timer;
};

#define END_CHILD WATCHDOG_DO_CLOSE | WATCHDOG_DO_ANNOUNCE_DOWN | WATCHDOG_DO_TERMINATE, WATCHDOG_TIMER_KILL
#define CHILD_IS_GONE WATCHDOG_DO_CLOSE | WATCHDOG_DO_ANNOUNCE_DOWN, WATCHDOG_TIMER_RESTART
#define START_AND_CONNECT WATCHDOG_DO_START_CHILD | WATCHDOG_DO_CONNECT, WATCHDOG_TIMER_NONE

static const struct row rows[] = {
    {WATCHDOG_DOWN, WATCHDOG_START, WATCHDOG_CONNECTING, START_AND_CONNECT},
    {WATCHDOG_DOWN, WATCHDOG_TIMER, WATCHDOG_CONNECTING, START_AND_CONNECT},
    {WATCHDOG_DOWN, WATCHDOG_STOP, WATCHDOG_DOWN, WATCHDOG_DO_EXIT, WATCHDOG_TIMER_NONE},

    {WATCHDOG_CONNECTING, WATCHDOG_CONNECTED, WATCHDOG_INIT, WATCHDOG_DO_SEND_INIT,
     WATCHDOG_TIMER_INIT_REPLY},
    {WATCHDOG_CONNECTING, WATCHDOG_CONNECT_FAILED, WATCHDOG_CONNECTING, 0, WATCHDOG_TIMER_CONNECT},
    {WATCHDOG_CONNECTING, WATCHDOG_TIMER, WATCHDOG_CONNECTING, WATCHDOG_DO_CONNECT, WATCHDOG_TIMER_NONE},
    /* Taken in place of CONNECT_FAILED when it has failed too often. */
    {WATCHDOG_CONNECTING, WATCHDOG_LOST, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_CONNECTING, WATCHDOG_CHILD_ENDED, WATCHDOG_DOWN, CHILD_IS_GONE},
    {WATCHDOG_CONNECTING, WATCHDOG_STOP, WATCHDOG_STOPPING, END_CHILD},

    {WATCHDOG_INIT, WATCHDOG_REPLY_OK, WATCHDOG_SERVE, WATCHDOG_DO_ANNOUNCE, WATCHDOG_TIMER_STATUS},
    {WATCHDOG_INIT, WATCHDOG_REPLY_BAD, WATCHDOG_INIT_WAIT, 0, WATCHDOG_TIMER_INIT},
    {WATCHDOG_INIT, WATCHDOG_TIMER, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_INIT, WATCHDOG_LOST, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_INIT, WATCHDOG_CHILD_ENDED, WATCHDOG_DOWN, CHILD_IS_GONE},
    {WATCHDOG_INIT, WATCHDOG_STOP, WATCHDOG_STOPPING, END_CHILD},

    {WATCHDOG_INIT_WAIT, WATCHDOG_TIMER, WATCHDOG_INIT, WATCHDOG_DO_SEND_INIT, WATCHDOG_TIMER_INIT_REPLY},
    /* Expired credentials are a likely reason for the refusal: do not wait any longer. */
    {WATCHDOG_INIT_WAIT, WATCHDOG_CREDENTIALS, WATCHDOG_INIT, WATCHDOG_DO_SEND_INIT,
     WATCHDOG_TIMER_INIT_REPLY},
    {WATCHDOG_INIT_WAIT, WATCHDOG_LOST, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_INIT_WAIT, WATCHDOG_CHILD_ENDED, WATCHDOG_DOWN, CHILD_IS_GONE},
    {WATCHDOG_INIT_WAIT, WATCHDOG_STOP, WATCHDOG_STOPPING, END_CHILD},

    /* It serves on through our restart, if it serves, and as we would have it do; else it is none of ours. */
    {WATCHDOG_CONNECTING, WATCHDOG_CONNECTED_ADOPTED, WATCHDOG_ADOPT, WATCHDOG_DO_SEND_STATUS,
     WATCHDOG_TIMER_REPLY},
    {WATCHDOG_ADOPT, WATCHDOG_REPLY_OK, WATCHDOG_SERVE, WATCHDOG_DO_ANNOUNCE, WATCHDOG_TIMER_STATUS},
    {WATCHDOG_ADOPT, WATCHDOG_REPLY_BAD, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_ADOPT, WATCHDOG_TIMER, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_ADOPT, WATCHDOG_LOST, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_ADOPT, WATCHDOG_CHILD_ENDED, WATCHDOG_DOWN, CHILD_IS_GONE},
    {WATCHDOG_ADOPT, WATCHDOG_STOP, WATCHDOG_STOPPING, END_CHILD},

    {WATCHDOG_SERVE, WATCHDOG_TIMER, WATCHDOG_STATUS, WATCHDOG_DO_SEND_STATUS, WATCHDOG_TIMER_REPLY},
    {WATCHDOG_SERVE, WATCHDOG_CREDENTIALS, WATCHDOG_UPDATE, WATCHDOG_DO_SEND_CREDENTIALS,
     WATCHDOG_TIMER_REPLY},
    {WATCHDOG_SERVE, WATCHDOG_LOST, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_SERVE, WATCHDOG_CHILD_ENDED, WATCHDOG_DOWN, CHILD_IS_GONE},
    {WATCHDOG_SERVE, WATCHDOG_STOP, WATCHDOG_STOPPING, END_CHILD},

    {WATCHDOG_STATUS, WATCHDOG_REPLY_OK, WATCHDOG_SERVE, 0, WATCHDOG_TIMER_STATUS},
    {WATCHDOG_STATUS, WATCHDOG_REPLY_BAD, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_STATUS, WATCHDOG_TIMER, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_STATUS, WATCHDOG_LOST, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_STATUS, WATCHDOG_CHILD_ENDED, WATCHDOG_DOWN, CHILD_IS_GONE},
    {WATCHDOG_STATUS, WATCHDOG_STOP, WATCHDOG_STOPPING, END_CHILD},

    {WATCHDOG_UPDATE, WATCHDOG_REPLY_OK, WATCHDOG_SERVE, 0, WATCHDOG_TIMER_STATUS},
    /* The signer serves on with the keys it has; refused credentials hurt only the next reload. */
    {WATCHDOG_UPDATE, WATCHDOG_REPLY_BAD, WATCHDOG_SERVE, 0, WATCHDOG_TIMER_STATUS},
    {WATCHDOG_UPDATE, WATCHDOG_TIMER, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_UPDATE, WATCHDOG_LOST, WATCHDOG_ENDING, END_CHILD},
    {WATCHDOG_UPDATE, WATCHDOG_CHILD_ENDED, WATCHDOG_DOWN, CHILD_IS_GONE},
    {WATCHDOG_UPDATE, WATCHDOG_STOP, WATCHDOG_STOPPING, END_CHILD},

    {WATCHDOG_ENDING, WATCHDOG_CHILD_ENDED, WATCHDOG_DOWN, 0, WATCHDOG_TIMER_RESTART},
    {WATCHDOG_ENDING, WATCHDOG_TIMER, WATCHDOG_ENDING, WATCHDOG_DO_KILL, WATCHDOG_TIMER_KILL},
    {WATCHDOG_ENDING, WATCHDOG_STOP, WATCHDOG_STOPPING, 0, WATCHDOG_TIMER_KEEP},

    {WATCHDOG_STOPPING, WATCHDOG_CHILD_ENDED, WATCHDOG_DOWN, WATCHDOG_DO_EXIT, WATCHDOG_TIMER_NONE},
    {WATCHDOG_STOPPING, WATCHDOG_TIMER, WATCHDOG_STOPPING, WATCHDOG_DO_KILL, WATCHDOG_TIMER_KILL},
};

/* First delay and longest; equal for what does not back off. */
static const struct {
    uint32_t first_ms, last_ms;
} delays[WATCHDOG_TIMER_COUNT] = {
    [WATCHDOG_TIMER_RESTART] = {100, 30 * SECOND_MS},
    [WATCHDOG_TIMER_CONNECT] = {20, SECOND_MS},
    [WATCHDOG_TIMER_INIT] = {500, 60 * SECOND_MS},
    [WATCHDOG_TIMER_INIT_REPLY] = {600 * SECOND_MS,
                                   600 * SECOND_MS}, /* thousands of keystores take minutes */
    [WATCHDOG_TIMER_REPLY] = {10 * SECOND_MS, 10 * SECOND_MS},
    [WATCHDOG_TIMER_KILL] = {5 * SECOND_MS, 5 * SECOND_MS},
};

static uint32_t delay(const struct watchdog *w, enum watchdog_timer timer)
{
    uint32_t ms = delays[timer].first_ms;
    for (unsigned i = 1; i < w->failures[timer] && ms < delays[timer].last_ms; i++)
        ms *= 2;
    return ms < delays[timer].last_ms ? ms : delays[timer].last_ms;
}

static const struct row *find(enum watchdog_state state, enum watchdog_event event)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (rows[i].state == state && rows[i].event == event)
            return &rows[i];
    }
    return NULL;
}

/* Failures in a row. A new enclave connects and inits afresh; restarts are forgotten only by one that serves
 * on (WATCHDOG_STABLE): one that comes up well and dies of its first request would be started ten times a
 * second.
 */
static void count(struct watchdog *w, const struct row *row)
{
    if (row->actions & WATCHDOG_DO_START_CHILD)
        w->failures[WATCHDOG_TIMER_CONNECT] = w->failures[WATCHDOG_TIMER_INIT] = 0;
    if (w->failures[row->timer] < CONNECT_ATTEMPTS)
        w->failures[row->timer]++;
}

static struct watchdog_step apply(struct watchdog *w, const struct row *row)
{
    w->state = row->next;
    count(w, row);
    return (struct watchdog_step){row->actions, row->timer, delay(w, row->timer)};
}

static void forgive(struct watchdog *w)
{
    if (w->state == WATCHDOG_SERVE || w->state == WATCHDOG_STATUS || w->state == WATCHDOG_UPDATE)
        w->failures[WATCHDOG_TIMER_RESTART] = 0;
}

struct watchdog_step watchdog_take(struct watchdog *w, enum watchdog_event event)
{
    /* init and credentials carry the newest credentials when they are built, so only a change under way
     * counts. */
    bool under_way = w->state == WATCHDOG_INIT || w->state == WATCHDOG_ADOPT || w->state == WATCHDOG_STATUS ||
                     w->state == WATCHDOG_UPDATE;
    if (event == WATCHDOG_CREDENTIALS && under_way)
        w->credentials_pending = true;

    if (event == WATCHDOG_CONNECT_FAILED && w->failures[WATCHDOG_TIMER_CONNECT] >= CONNECT_ATTEMPTS)
        event = WATCHDOG_LOST;

    if (event == WATCHDOG_STABLE)
        forgive(w);

    const struct row *row = find(w->state, event);
    if (!row)
        return (struct watchdog_step){0, WATCHDOG_TIMER_KEEP, 0};
    struct watchdog_step step = apply(w, row);
    if (step.actions & (WATCHDOG_DO_SEND_INIT | WATCHDOG_DO_SEND_CREDENTIALS))
        w->credentials_pending = false;

    /* Changed while the old ones were being used: the reason of the refusal, perhaps, so there is no wait. */
    if ((w->state == WATCHDOG_SERVE || w->state == WATCHDOG_INIT_WAIT) && w->credentials_pending) {
        struct watchdog_step next = watchdog_take(w, WATCHDOG_CREDENTIALS);
        next.actions |= step.actions;
        return next;
    }
    return step;
}

const char *watchdog_state_name(enum watchdog_state state)
{
    static const char *const names[] = {"down",  "connecting", "init",   "init_wait", "adopt",
                                        "serve", "status",     "update", "ending",    "stopping"};
    return names[state];
}
