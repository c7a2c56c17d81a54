/* ctl_status.c - status: what the signer says of itself, at its control port or by way of a stack's Lambda
 * function. */
#include <stdio.h>
#include <stdlib.h>

#include "ctl_control.h"
#include "ctl_lambda.h"

static must_check result status_of_control(struct ctl_call *call, const char *control)
{
    struct net_address address;
    TRY(ctl_address(&address, call, control, "control"));
    AUTO(ctl_reply) reply = {0};
    TRY(ctl_control_ask(&reply, &address, "{\"operation\":\"status\"}"));
    char *text = json_dumps(reply.body.value, JSON_INDENT(2) | JSON_SORT_KEYS);
    ENSURE(text, E_MEMORY, "no memory for the reply");
    (void)puts(text);
    free(text);
    return RESULT_OK;
}

static must_check result status_of_stack(struct ctl_call *call, const struct ctl_aws_options *o)
{
    AUTO(ctl_aws) aws = {.json = false};
    TRY(ctl_aws_open(&aws, call, o));
    return ctl_lambda_status(&aws, call);
}

result ctl_status(struct ctl_call *call)
{
    const char *control = NULL;
    struct ctl_aws_options o = {0};
    const struct option table[] = {
        {"control", OPTION_TEXT, &control, "the control port, such as vsock:16:5000", 0, 0},
        CTL_AWS_ROWS(o),
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    call->is_usage_error = !control == !o.stack;
    ENSURE(!call->is_usage_error, E_INPUT, "one of --control and --stack: required");
    return control ? status_of_control(call, control) : status_of_stack(call, &o);
}
