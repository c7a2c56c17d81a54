/* aws_cloudformation.h - the outputs of a stack: DescribeStacks. Target aws_management. */
#ifndef AWS_AWS_CLOUDFORMATION_H
#define AWS_AWS_CLOUDFORMATION_H

#include "aws/aws_query.h"

enum {
    AWS_STACK_NAME_MAX = 128,
    AWS_STACK_ID_MAX = 1024,
    AWS_STACK_OUTPUTS_MAX = 200,
    AWS_STACK_OUTPUT_NAME_MAX = 255,
    AWS_STACK_OUTPUT_VALUE_MAX = 1024
};

struct aws_stack_output {
    char name[AWS_STACK_OUTPUT_NAME_MAX + 1], value[AWS_STACK_OUTPUT_VALUE_MAX + 1];
};

struct aws_stack {
    char id[AWS_STACK_ID_MAX + 1]; /* arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/UUID */
    char status[64];               /* CREATE_COMPLETE */
    struct aws_stack_output *outputs;
    size_t num_outputs;
};
void aws_stack_cleanup(struct aws_stack *stack);

/* E_NOT_FOUND when there is no stack of that name in this region and account; E_PEER for an answer that is
 * not of the expected form; else as aws_client_call. */
must_check result aws_cloudformation_stack(struct aws_client *client, struct aws_stack *ret_stack,
                                           const struct aws_credentials *credentials, const char *name);

/* NULL when there is none of that name; valid as long as the stack. */
const char *aws_stack_output(const struct aws_stack *stack, const char *name);
/* Adds one; E_INPUT when it is there already, or too long. */
must_check result aws_stack_add_output(struct aws_stack *stack, const char *name, const char *value);

#endif
