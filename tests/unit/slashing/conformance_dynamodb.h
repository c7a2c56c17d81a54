/* conformance_dynamodb.h - how DynamoDB is reached; place is the beginning of the tables' names. */
#ifndef CONFORMANCE_DYNAMODB_H
#define CONFORMANCE_DYNAMODB_H

#include "slashing/slashing_seal.h"
#include "store_conformance.h"

struct conformance_dynamodb_options {
    const char *via, *ca_file, *access_key, *secret_key, *account; /* account NULL: any */
    uint32_t connections, attempt_timeout_ms, deadline_ms;         /* 0: the store's defaults */
};

extern struct conformance_target conformance_dynamodb;
/* The same as a courier has it: the seals are its caller's. */
extern struct conformance_target conformance_dynamodb_raw;
void conformance_dynamodb_configure(const struct conformance_dynamodb_options *options);
/* The store itself, without the seals around it; of the table that was begun last. */
struct slashing_store *conformance_dynamodb_open_raw(void);

/* Gives a store what it has already, as a courier does when credentials are refreshed. */
void conformance_dynamodb_authorise(struct slashing_store *store);

/* What its records are sealed with. */
const struct slashing_seal *conformance_dynamodb_seal(void);

/* Checks of this store alone (conformance_dynamodb_checks.c); the number of failures. */
int conformance_dynamodb_checks(const char *pattern);

#endif
