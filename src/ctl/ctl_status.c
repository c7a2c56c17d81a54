/* ctl_status.c - status: what the signer says of itself, at its control port or by way of a stack's Lambda
 * function. */
#include <stdio.h>
#include <string.h>

#include "ctl_control.h"
#include "ctl_lambda.h"
#include "ctl_report.h"
#include "ctl_verbs.h"

/* As the signer's own /healthcheck does. */
static must_check result judge(struct ctl_call *call, const struct json_view *body)
{
    const char *state;
    uint64_t failed;
    bool store_ok;
    TRY(json_get_text(&state, NULL, body, "state"));
    TRY(json_get_u64(&failed, body, "failed"));
    TRY(json_get_bool(&store_ok, body, "store_ok"));
    call->exit_status = CTL_EXIT_UNHEALTHY;
    ENSURE(strcmp(state, "serve") == 0, E_STATE, "the signer does not serve: its state is %.40s", state);
    ENSURE(failed == 0, E_STATE, "%llu keys could not be loaded", (unsigned long long)failed);
    ENSURE(store_ok, E_STATE, "the store does not answer");
    call->exit_status = 0;
    return RESULT_OK;
}

static must_check result status_of_control(struct ctl_call *call, const char *control)
{
    struct net_address address;
    TRY(ctl_address(&address, call, control, "control"));
    AUTO(ctl_reply) reply = {0};
    TRY(ctl_control_ask(&reply, &address, "{\"operation\":\"status\"}"));
    TRY(ctl_print_json(reply.body.value));
    return judge(call, &reply.body);
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
