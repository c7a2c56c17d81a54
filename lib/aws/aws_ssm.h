/* aws_ssm.h - AWS Systems Manager as an operator uses it: a fixed command on tagged instances, what became of
 * it, and parameters. Target aws_management. */
#ifndef AWS_AWS_SSM_H
#define AWS_AWS_SSM_H

#include "aws/aws_client.h"

enum {
    AWS_SSM_COMMAND_ID_MAX = 36,
    AWS_SSM_INSTANCE_ID_MAX = 32,
    AWS_SSM_DETAILS_MAX = 100,
    AWS_SSM_LINES_MAX = 16,
    AWS_SSM_VALUE_MAX = 4096,
    AWS_SSM_RESPONSE_MAX = 256 * 1024 /* for aws_client_config.response_max */
};

/* Of a command, and of its invocation on one instance. */
enum aws_ssm_status {
    AWS_SSM_PENDING,
    AWS_SSM_IN_PROGRESS,
    AWS_SSM_DELAYED,
    AWS_SSM_CANCELLING,
    AWS_SSM_SUCCESS, /* this one and those that follow are final */
    AWS_SSM_CANCELLED,
    AWS_SSM_TIMED_OUT,
    AWS_SSM_FAILED
};
bool aws_ssm_is_final(enum aws_ssm_status status);
/* As AWS writes it: "TimedOut". */
const char *aws_ssm_status_name(enum aws_ssm_status status);

/* A shell script for every instance with a tag. Nothing is owned. The lines are the program's own text, never
 * made of anybody's input. */
struct aws_ssm_command {
    const char *tag, *value; /* "aws:autoscaling:groupName" and the group */
    const char *const *lines;
    size_t num_lines;
    const char *comment;
    unsigned delivery_seconds;  /* from 30: when an instance has not taken it by then, it is TimedOut */
    unsigned execution_seconds; /* the script's own time */
};

/* SendCommand of AWS-RunShellScript. Failures as of aws_client_call. A request that was lost on its way back
 * is sent again: the script may run twice. */
must_check result aws_ssm_send(struct aws_client *client,
                               char ret_command_id[static AWS_SSM_COMMAND_ID_MAX + 1],
                               const struct aws_credentials *credentials,
                               const struct aws_ssm_command *command);

struct aws_ssm_progress {
    enum aws_ssm_status status;
    char details[AWS_SSM_DETAILS_MAX + 1]; /* StatusDetails, such as NoInstancesInTag */
    uint64_t targets, completed, errors, undelivered;
};

/* ListCommands: how far a command is on all its instances. E_NOT_FOUND when there is no such command, or not
 * yet. */
must_check result aws_ssm_progress(struct aws_client *client, struct aws_ssm_progress *ret_progress,
                                   const struct aws_credentials *credentials, const char *command_id);

struct aws_ssm_invocation {
    enum aws_ssm_status status;
    char details[AWS_SSM_DETAILS_MAX + 1];
    int response_code;                  /* the script's exit status; -1: it has none yet */
    struct buffer output, error_output; /* what the script wrote; cut by AWS */
};
void aws_ssm_invocation_cleanup(struct aws_ssm_invocation *invocation);

/* GetCommandInvocation. E_NOT_FOUND while the instance has not been given the command (right after
 * aws_ssm_send), or never will be. */
must_check result aws_ssm_invocation(struct aws_client *client, struct aws_ssm_invocation *ret_invocation,
                                     const struct aws_credentials *credentials, const char *command_id,
                                     const char *instance_id);

/* GetParameter; the value replaces what is in value. E_NOT_FOUND. */
must_check result aws_ssm_parameter(struct aws_client *client, struct buffer *value,
                                    const struct aws_credentials *credentials, const char *name);
/* PutParameter of a String that is there or not. */
must_check result aws_ssm_set_parameter(struct aws_client *client, const struct aws_credentials *credentials,
                                        const char *name, const char *value);

#endif
