/* interchange_store.h - which store the command line means, and opening it. */
#ifndef INTERCHANGE_INTERCHANGE_STORE_H
#define INTERCHANGE_INTERCHANGE_STORE_H

#include "slashing/slashing_seal.h"

/* A DynamoDB table; account, key_file and identity may be NULL. Its endpoint and authorities:
 * AWS_ENDPOINT_URL_DYNAMODB and AWS_CA_BUNDLE. */
struct interchange_table {
    const char *name, *account, *region, *credentials_file, *key_file, *identity;
};

/* Exactly one of the three. */
struct interchange_place {
    const char *path; /* SQLite's file */
    int database_fd;  /* a pipe with the address of a PostgreSQL database: three texts, each with its NUL: the
                         URL, the  user or nothing, the password or nothing; both go before those of the URL */
    struct interchange_table table;
};

struct interchange_store {
    struct slashing_store *store;
    struct slashing_seal seal; /* that it is opened with, if it has an identity */
};

/* May_create: a file that is absent is made. A database or a table must be there always. On failure too
 * ret_store (zero before) is to be cleaned up. */
must_check result interchange_store_open(struct interchange_store *ret_store,
                                         const struct interchange_place *place, bool may_create);
void interchange_store_cleanup(struct interchange_store *store);

#endif
