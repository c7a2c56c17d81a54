/* fetcher_aws.h - requests to AWS Secrets Manager. */
#ifndef FETCHER_FETCHER_AWS_H
#define FETCHER_FETCHER_AWS_H

#include "aws/aws_client.h"
#include "fetcher.h"

/* One thread's client, kept for the next request to the same endpoint. The zero state has none. */
struct fetcher_aws {
    struct aws_client *client;
    char endpoint[320], region[64];
    struct net_address address;
};
void fetcher_aws_cleanup(struct fetcher_aws *aws);

/* IPC_FETCH_AWS: answers itself. E_PEER when the loader has gone. */
must_check result fetcher_aws_fetch(struct fetcher *fetcher, struct fetcher_aws *aws,
                                    const struct ipc_fetch *fetch);

/* IPC_FETCH_AWS_ALL: an answer for each secret, in the order of AWS's list. */
must_check result fetcher_aws_fetch_all(struct fetcher *fetcher, const struct ipc_fetch *fetch);

#endif
