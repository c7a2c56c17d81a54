/* aws_endpoint.h - where an endpoint is, for programs that resolve names by themselves before a sandbox
 * closes the way to do so. Target aws. */
#ifndef AWS_AWS_ENDPOINT_H
#define AWS_AWS_ENDPOINT_H

#include "net/net_address.h"

/* Of https://HOST or https://HOST:PORT, as aws_client_open takes it. E_INPUT. */
must_check result aws_endpoint_address(struct net_address *ret_address, const char *endpoint);

/* The same, connected to once, with the numeric address that answered. E_NOT_FOUND, E_TIMEOUT, E_IO. */
must_check result aws_endpoint_resolve(struct net_address *ret_address, const char *endpoint, int timeout_ms);

#endif
