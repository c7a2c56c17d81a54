/* aws_lambda.h - invoking a function and waiting for its answer. For a client whose protocol is
 * AWS_PROTOCOL_REST. Target aws_management. */
#ifndef AWS_AWS_LAMBDA_H
#define AWS_AWS_LAMBDA_H

#include "aws/aws_client.h"

enum { AWS_LAMBDA_RESPONSE_MAX = 6 * 1024 * 1024 + 4096 /* for aws_client_config.response_max */ };
#define AWS_LAMBDA_CONTENT_TYPE "application/json"

/* Invoke with payload, a JSON text; answer is replaced by what the function returned, JSON too. When the
 * function failed: E_PEER, with the type and the message it gave; else as aws_client_call. */
must_check result aws_lambda_invoke(struct aws_client *client, struct buffer *answer,
                                    const struct aws_credentials *credentials, const char *function,
                                    const char *payload);

#endif
