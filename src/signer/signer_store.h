/* signer_store.h - where slashing protection is recorded: a file, Web3Signer's PostgreSQL, or DynamoDB. Its
 * part of the command line, of the policy, and what the courier has to be told to get in. */
#ifndef SIGNER_SIGNER_STORE_H
#define SIGNER_SIGNER_STORE_H

#include "base/result.h"
#include "base/secret.h"
#include "policy/policy.h"
#include "process/process_supervisor.h"

struct signer_store_options {
    const char *path;                                 /* SQLite; NULL: not given, so for all */
    const char *url, *username, *password;            /* PostgreSQL */
    const char *password_file;                        /* instead of password */
    const char *table, *region, *key_file, *identity; /* DynamoDB */
    const char *credentials_file;                     /* DynamoDB */
    const char *mode;                                 /* single or fleet */
};

/* E_INPUT names the option that is missing, or is one too many. enabled: there is to be protection. */
must_check result signer_store_check(const struct signer_store_options *o, bool enabled);
/* What the database's URL has in it beside its beginning: E_INPUT names the option. The secure heap must be
 * open. */
must_check result signer_store_check_url(const struct signer_store_options *o);
/* Sets store, identity, mode and region. */
must_check result signer_store_policy(struct policy *policy, const struct signer_store_options *o);

/* The store is across a network: there is a courier. */
bool signer_store_is_remote(const struct signer_store_options *o);

/* PostgreSQL's, from the command line or the file; of length 0 when neither was given. The secure heap must
 * be open. */
must_check result signer_store_password(struct secret *ret_password, const struct signer_store_options *o);

/* Our end of the courier's channel, and the watch on the credentials; -1: not open. */
struct signer_store_access {
    const struct signer_store_options *options;
    int courier, watch;
};
/* Reads what the courier must know and sends it; *ret_end is the courier's end, the caller's. From then on
 * signer_store_refresh is to be called when access->watch is readable. The secure heap must be open. */
must_check result signer_store_open(struct signer_store_access *ret_access, int *ret_end,
                                    const struct signer_store_options *o);
/* Sends fresh credentials, if there are any. What is wrong with the file is logged: the old ones stay. */
must_check result signer_store_refresh(void *access);
void signer_store_access_cleanup(struct signer_store_access *access);

#endif
