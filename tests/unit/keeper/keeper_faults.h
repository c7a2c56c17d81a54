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

/* For cmocka: a rig whose keepers are such programs. Stand-alone with a file, the same with a key manager, in
 * an enclave (keeper_cloud.h), with a courier and a sealed store or a plain one (keeper_courier.h). */
int faults_setup(void **state);
int faults_setup_managed(void **state);
int faults_setup_enclave(void **state);
int faults_setup_sealed(void **state);
int faults_setup_plain(void **state);
int faults_teardown(void **state);
int faults_teardown_enclave(void **state);
int faults_teardown_courier(void **state);

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
/* Waits until what was asked for has happened. */
void faults_await(enum fault fault);
/* None fails any more. True when what was asked for has happened. */
bool faults_stop(enum fault fault);

#endif
