/* watchdog_policy.h - what the watchdog does when: a pure table, event in, actions out. No clock, no
 * descriptor, no sleep: main.c reports events and carries out actions. */
#ifndef WATCHDOG_WATCHDOG_POLICY_H
#define WATCHDOG_WATCHDOG_POLICY_H

#include <stdint.h>

#include "base/result.h"

enum watchdog_state {
    WATCHDOG_DOWN,       /* no enclave runs; perhaps waiting to start it again */
    WATCHDOG_CONNECTING, /* it was started; its control port does not answer yet */
    WATCHDOG_INIT,       /* init was sent */
    WATCHDOG_INIT_WAIT,  /* init was refused and will be sent again */
    WATCHDOG_ADOPT,      /* an enclave ran already: status was asked */
    WATCHDOG_SERVE,      /* all is well */
    WATCHDOG_STATUS,     /* status was asked */
    WATCHDOG_UPDATE,     /* fresh credentials were sent */
    WATCHDOG_ENDING,     /* the enclave was told to end; a new one follows */
    WATCHDOG_STOPPING,   /* the enclave was told to end; so do we */
    WATCHDOG_STATE_COUNT
};

enum watchdog_event {
    WATCHDOG_START,
    WATCHDOG_CONNECTED,
    WATCHDOG_CONNECTED_ADOPTED, /* in place of CONNECTED, to an enclave that ran before us */
    WATCHDOG_CONNECT_FAILED,
    WATCHDOG_REPLY_OK,
    WATCHDOG_REPLY_BAD,
    WATCHDOG_LOST,        /* the control connection broke */
    WATCHDOG_CHILD_ENDED, /* or could not be started */
    WATCHDOG_TIMER,
    WATCHDOG_CREDENTIALS, /* there are fresh ones */
    WATCHDOG_STABLE,      /* it has served for long enough to forget earlier failures */
    WATCHDOG_STOP,
    WATCHDOG_EVENT_COUNT
};

/* Actions, in the order in which they are carried out. Any timer replaces the one before. */
enum {
    WATCHDOG_DO_CLOSE = 1 << 0, /* the control connection */
    WATCHDOG_DO_TERMINATE = 1 << 1,
    WATCHDOG_DO_KILL = 1 << 2,
    WATCHDOG_DO_START_CHILD = 1 << 3,
    WATCHDOG_DO_CONNECT = 1 << 4, /* answers with CONNECTED or CONNECT_FAILED */
    WATCHDOG_DO_SEND_INIT = 1 << 5,
    WATCHDOG_DO_SEND_STATUS = 1 << 6,
    WATCHDOG_DO_SEND_CREDENTIALS = 1 << 7,
    WATCHDOG_DO_ANNOUNCE = 1 << 8, /* tell the service manager that the signer serves */
    WATCHDOG_DO_ANNOUNCE_DOWN = 1 << 9,
    WATCHDOG_DO_EXIT = 1 << 10
};

enum watchdog_timer {
    WATCHDOG_TIMER_NONE,    /* none runs */
    WATCHDOG_TIMER_KEEP,    /* the one that runs goes on */
    WATCHDOG_TIMER_RESTART, /* back-offs: doubled with each failure in a row */
    WATCHDOG_TIMER_CONNECT,
    WATCHDOG_TIMER_INIT,
    WATCHDOG_TIMER_INIT_REPLY, /* deadlines */
    WATCHDOG_TIMER_REPLY,
    WATCHDOG_TIMER_KILL,
    WATCHDOG_TIMER_STATUS, /* the interval between two status requests, an option */
    WATCHDOG_TIMER_COUNT
};

/* The zero state is the start: DOWN, nothing pending. */
struct watchdog {
    enum watchdog_state state;
    bool credentials_pending; /* they changed while another request was under way */
    unsigned failures[WATCHDOG_TIMER_COUNT];
};

struct watchdog_step {
    unsigned actions;
    enum watchdog_timer timer;
    uint32_t delay_ms; /* of the timer; 0 for STATUS, KEEP and NONE */
};

/* Takes one event. An event that means nothing in a state (a late reply, a timer that raced) changes nothing.
 */
struct watchdog_step watchdog_take(struct watchdog *watchdog, enum watchdog_event event);

const char *watchdog_state_name(enum watchdog_state state);

#endif
