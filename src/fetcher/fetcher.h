/* fetcher.h - what the fetcher's threads share. */
#ifndef FETCHER_FETCHER_H
#define FETCHER_FETCHER_H

#include "aws/aws_credentials.h"
#include "base/buffer.h"
#include "fetcher_hosts.h"
#include "ipc/ipc_fetch.h"

/* The command line: what "all secrets" are (IPC_FETCH_AWS_ALL). */
struct fetcher_settings {
    const char *region, *endpoint; /* NULL: the environment's region; AWS's endpoint there */
    const char *name_prefixes, *tag_keys, *tag_values;
    bool environment; /* with its credentials, not those of the supervisor's options */
};

/* Who we are to AWS: of length 0 when nothing says so. */
struct fetcher_access {
    struct aws_credentials environment, specified;
    const char *environment_region; /* NULL: none */
};
void fetcher_access_cleanup(struct fetcher_access *access);

/* The two messages of the supervisor with which the channel begins. E_PEER when it closes before. */
must_check result fetcher_access_receive(struct fetcher_access *ret_access, int channel);
/* If the supervisor had none from the environment: those of the shared credentials file. Logs what is wrong
 * with it. */
void fetcher_access_complete(struct fetcher_access *access);

/* Read-only once the threads run, but for hosts. */
struct fetcher {
    int loader;
    const struct fetcher_settings *settings;
    struct fetcher_access access;
    struct fetcher_hosts hosts;
    struct buffer authorities;     /* PEM: the machine's */
    struct buffer aws_authorities; /* or AWS_CA_BUNDLE's */
};

/* Closes the file system and everything but the network; for threads made later too. */
must_check result fetcher_sandbox_enter(void);

#endif
