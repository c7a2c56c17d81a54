/* interchange_store.h - which store the command line means, and opening it. */
#ifndef INTERCHANGE_INTERCHANGE_STORE_H
#define INTERCHANGE_INTERCHANGE_STORE_H

#include "slashing/slashing_store.h"

/* Exactly one of the two. */
struct interchange_place {
    const char *path; /* SQLite's file */
    int database_fd;  /* a pipe with the address of a PostgreSQL database: three texts, each with its NUL: the
                         URL, the  user or nothing, the password or nothing; both go before those of the URL */
};

/* May_create: a file that is absent is made. The database must be there always. */
must_check result interchange_store_open(struct slashing_store **ret_store,
                                         const struct interchange_place *place, bool may_create);

#endif
