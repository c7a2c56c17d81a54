/* aws_client_private.h - the inside of a client; for aws_client.c and aws_calls.c. */
#ifndef AWS_AWS_CLIENT_PRIVATE_H
#define AWS_AWS_CLIENT_PRIVATE_H

#include "aws/aws_exchange.h"

struct aws_client {
    struct aws_endpoint endpoint;
    struct aws_client_config config; /* its pointers are not valid any more, but via */
    struct net_address via;
    struct buffer ca_pem;
    CURLM *multi; /* keeps the connections */
    struct aws_exchange *exchanges;
    size_t num_exchanges; /* opened so far, at most config.connections */
};

#endif
