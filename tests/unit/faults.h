/* faults.h - the calls that a unit test's code makes of other modules and libraries fail in turn.
 *
 * A list NAME.def has a line for each function that may fail: FAULT(function, what it then gives).
 * ns_test(... FAULTS NAME.def) has the linker lead those functions here, and the test's source includes the
 * list, which defines what stands before them. Then a loop runs the work once for each call in it, with that
 * one failing, and a last time with none; and once more for each call with that one and all after it failing:
 *
 *     for (struct faults f = {0}; faults_again(&f);) {
 *         faults_begin(&f);
 *         result r = work(out);
 *         faults_end(&f);
 *         assert_fault(&f, r);     a refusal with a sentence when a call failed, success when none did
 *         ... what else must hold, such as that nothing was written to out ...
 *     }
 *
 * Unlike tests/torture this is one process, and functions of our own count: TRY of a call that no lack of
 * memory makes fail, a buffer that has room, is reached too. Only calls between files are seen.
 */
#ifndef UNIT_FAULTS_H
#define UNIT_FAULTS_H

#include "base/result.h"

struct faults {
    unsigned at;          /* the number of the call that fails in this run */
    unsigned num_calls;   /* in this run, so far */
    bool rest;            /* those after it, too */
    bool begun;           /* a run was made */
    const char *function; /* the first that was made to fail in this run, or NULL */
};

/* Whether there is a call left that has not failed; the next run is for that. */
bool faults_again(struct faults *f);
/* From begin to end, in every thread, calls are counted and fail. */
void faults_begin(struct faults *f);
void faults_end(struct faults *f);
/* For what stands in for a peer in the middle of the work: between the two, calls work and are not counted.
 */
struct faults *faults_pause(void);
void faults_go_on(struct faults *f);
/* Fails the test unless the work refused, with a sentence, when a call failed, and did not when none did. */
void assert_fault(const struct faults *f, result r);

/* For the macro alone. */
bool faults_now(const char *function);
/* A failure as our functions give it; for lists. */
long faults_refusal(void);

/* All that the functions in lists take and give fits registers and words of the stack: numbers and pointers,
 * at most ten, and a result, which is one number. So each is called as if it took ten words; the ABIs of
 * x86-64 and of 64-bit ARM let the callee leave some alone. */
#define FAULT(function, failure)                                                                             \
    long __real_##function(long, long, long, long, long, long, long, long, long, long);                      \
    long __wrap_##function(long, long, long, long, long, long, long, long, long, long);                      \
    long __wrap_##function(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j)   \
    {                                                                                                        \
        return faults_now(#function) ? (long)(failure) : __real_##function(a, b, c, d, e, f, g, h, i, j);    \
    }

#endif
