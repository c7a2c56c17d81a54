/* ctl_lambda.h - asking a stack's Lambda function. */
#ifndef CTL_CTL_LAMBDA_H
#define CTL_CTL_LAMBDA_H

#include "ctl_aws.h"
#include "json/json.h"

/* Invokes the function with {"operation": operation}; *ret_document is an array with its answer as the only
 * element (an answer may be a bare text). once: never sent again, whatever becomes of the connection. */
must_check result ctl_lambda_ask(json_t **ret_document, struct ctl_aws *aws, struct ctl_call *call,
                                 const char *operation, bool once);

/* status --stack: what the function's two questions to the signer come to. */
must_check result ctl_lambda_status(struct ctl_aws *aws, struct ctl_call *call);

#endif
