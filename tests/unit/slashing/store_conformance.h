/* store_conformance.h - what every store must do, whatever it is made of. One set of checks; the stores are
 * targets (conformance_NAME.c). */
#ifndef STORE_CONFORMANCE_H
#define STORE_CONFORMANCE_H

#include "slashing/slashing_store.h"

struct conformance_target {
    const char *name;
    bool has_identity;     /* only enrolled validators are known */
    bool several_handles;  /* may be open more than once */
    bool ordered;          /* a scan is in ascending order of key */
    bool repeats_in_batch; /* two advances of one key in a batch are applied in order; else E_INPUT */
    size_t many;           /* validators of the checks that are about numbers; 0: 10,000 */
    /* Replaces the store by an empty one, locked to no network, that these validators are enrolled in. Stores
     * without an identity know no enrolment. */
    void (*begin)(struct conformance_target *target, const uint8_t (*pubkeys)[48], size_t num_pubkeys);
    /* Opens what begin made: closed and opened again, it holds the same. */
    struct slashing_store *(*open)(struct conformance_target *target);
    const char *place; /* the target's own: path, table, connection string */
};

extern struct conformance_target conformance_sqlite;     /* place: the path of the file */
extern struct conformance_target conformance_postgresql; /* place: its URL, with user and password */

/* Runs all checks whose names match the pattern (cmocka's: * and ?; NULL: all); the number of failures. */
int store_conformance_run(struct conformance_target *target, const char *pattern);

/* What is particular to PostgreSQL; on its target only. */
int postgresql_checks_run(struct conformance_target *target);

/* The tests of eth-clients/slashing-protection-interchange-tests on the target (interchange_cases.c). */
void interchange_cases_run(struct conformance_target *target);

#endif
