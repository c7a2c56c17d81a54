/* lambda_event.h - the event of an invocation: {"operation":"..."}. */
#ifndef LAMBDA_EVENT_H
#define LAMBDA_EVENT_H

#include "base/buffer.h"

enum { LAMBDA_EVENT_MAX = 16384 };

/* The system's that we replace, under its names. */
enum lambda_operation {
    LAMBDA_SET_TLS_KEY,
    LAMBDA_GET_TLS_KEY,
    LAMBDA_DECRYPT_TLS_KEY,
    LAMBDA_WEB3SIGNER_STATUS,
    LAMBDA_WEB3SIGNER_PUBLIC_KEYS
};

/* "set_tls_key" */
const char *lambda_operation_name(enum lambda_operation operation);

/* E_INPUT names the member, E_TOO_LARGE over LAMBDA_EVENT_MAX. Members beside operation are not looked at, as
 * ever. Nothing is echoed. */
must_check result lambda_event_parse(enum lambda_operation *ret_operation, const struct buffer *event);

#endif
