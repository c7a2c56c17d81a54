/* keeper_faults.h - a keeper of its own making, whose calls of keeper_faults.def can be made to fail: the
 * test says so in memory that both share, while the keeper waits for a message. The program is the product's
 * own sources and libraries, linked with --wrap. */
#ifndef KEEPER_FAULTS_H
#define KEEPER_FAULTS_H

#include "keeper_rig.h"

enum fault {
#define FAULT(function, failure, error_number) FAULT_##function,
#define RESULT_FAULT(function, error) FAULT_##function,
#include "keeper_faults.def"
#undef FAULT
#undef RESULT_FAULT
    FAULT_END
};

#define FAULTS_VARIABLE "NS_KEEPER_FAULTS" /* the path of the shared file */

struct fault_plan {
    _Atomic int in;    /* the call of that number from now on; 0: none */
    _Atomic int times; /* how many calls from there on */
    _Atomic bool bent; /* it does nothing, and returns this instead of its failure */
    _Atomic long gives;
    _Atomic unsigned delay_ms; /* it does not fail, but takes so long */
    _Atomic unsigned num_happened;
};

struct fault_plans {
    struct fault_plan of[FAULT_END];
};

/* For cmocka, after a set-up that made a rig: its keepers are such programs. */
void faults_open(struct rig *rig);
void faults_close(void);

/* The number-th call from now fails, once. */
void faults_fail(enum fault fault, int number);
/* Every call from now on fails, until faults_stop. */
void faults_fail_all(enum fault fault);
/* The number-th call from now does nothing and returns that. */
void faults_bend(enum fault fault, int number, long gives);
/* Every call from now on does nothing and returns that, until faults_stop. */
void faults_bend_all(enum fault fault, long gives);
/* The next call takes so much longer. */
void faults_delay(enum fault fault, unsigned delay_ms);
/* None fails any more. True when what was asked for has happened. */
bool faults_stop(enum fault fault);

#endif
