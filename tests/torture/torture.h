/* torture.h - faults in turn: a scenario is run once to count the calls that can fail (functions.def), and
 * then once for each call with that one failing, or from that one on. Each run is a process of its own.
 *
 * What is held of every run: no crash, no report of a sanitizer, no hang, no descriptor left open, a refusal
 * that says why; and what else the scenario requires. Its files are afterwards as if the power had failed:
 * what no fsync has made durable is gone.
 *
 * A place is a call in the code, told by the stack of its callers (18 of them). NS_TORTURE=places fails the
 * first call of each place, and every read, write and sync, since what a disk or a peer has had by then is
 * another thing each time; NS_TORTURE=all every call; without it one_place_in says how many.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include "base/result.h"

enum { TORTURE_PATH_MAX = 256, TORTURE_MEMORY = 1 << 16 };

struct torture_scenario {
    const char *name;
    /* In every run, in an empty folder: makes what it needs, then torture_begin, the work, torture_end. */
    void (*act)(const char *folder);
    /* After every run, in the parent, nothing failing; may be NULL. */
    void (*check)(const char *folder);
    /* Once, before all; may be NULL. Threads must not be left; processes end with this one. */
    void (*prepare)(void);
    /* Without NS_TORTURE one place in so many is enough, reads, writes and syncs apart; 0: every one. */
    unsigned one_place_in;
    bool all_threads; /* calls of every thread fail, but of those that pause */
    /* A library's function below which memory is there, and reads and writes alone fail: it does not bear it.
     */
    const char *spared;
};

/* An exit status: 0, or 1 when any run was not as it must be. */
int torture_main(const struct torture_scenario *scenario);

/* Between these two calls of this thread fail, and of those that it has made if the scenario says so. The
 * first also remembers which descriptors are open, and forgets the sentence of the latest error; the second
 * compares. */
void torture_begin(void);
void torture_end(void);
/* Of this thread nothing fails in between; may be nested. */
void torture_pause(void);
void torture_go_on(void);

/* What the scenario came to: it succeeds when nothing fails, and otherwise may refuse with a sentence. */
void torture_outcome(result outcome);
/* From here on nothing fails, in no thread. */
void torture_lift(void);
/* After that, or in check: the same has to succeed now. When OpenSSL itself could not have what it asked for
 * it is not held to that. */
void torture_recovered(result outcome);
/* For check: does it in a process of its own, so that the next run is as new as this one was. */
void torture_apart(void (*work)(const char *folder), const char *folder);
/* Whether OpenSSL itself could not have what it asked for. */
bool torture_is_in_openssl(void);
/* Says what is wrong; the run has failed. Anywhere. */
void torture_require(bool condition, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For what has to work before calls fail: ends the program when it does not. */
void torture_must(result outcome);

/* OpenSSL's own beginnings, which do not bear failures: for prepare. */
void torture_warm_openssl(void);

/* TORTURE_MEMORY bytes that check sees as act left them; zero when a run begins. */
void *torture_memory(void);
/* Whether this run is the first, where nothing fails. */
bool torture_is_counting(void);

#endif
