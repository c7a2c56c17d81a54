/* fuzz_aws_query.c - what CloudFormation and Auto Scaling answer, in XML. What a call takes out of an answer
 * is within its limits, and each text ends. */
#include "aws/aws_autoscaling.h"
#include "aws/aws_cloudformation.h"
#include "aws_answers.h"
#include "fuzz.h"

static void try_stack(const struct aws_credentials *c)
{
    AUTO(aws_stack) stack = {0};
    if (!fuzz_accepted(aws_cloudformation_stack(NULL, &stack, c, "s")))
        return;
    PROMISE(*stack.id && memchr(stack.status, 0, sizeof stack.status));
    PROMISE(stack.num_outputs <= AWS_STACK_OUTPUTS_MAX);
    for (size_t i = 0; i < stack.num_outputs; i++)
        PROMISE(aws_stack_output(&stack, stack.outputs[i].name) &&
                aws_stack_add_output(&stack, stack.outputs[i].name, "v").code == E_INPUT);
}

static void try_group(const struct aws_credentials *c)
{
    struct aws_autoscaling_group group = {0};
    struct aws_refresh refresh;
    char id[AWS_AUTOSCALING_ID_MAX + 1] = "";
    if (fuzz_accepted(aws_autoscaling_group(NULL, &group, c, "g"))) {
        PROMISE(group.num_instances <= AWS_AUTOSCALING_INSTANCES_MAX);
        for (size_t i = 0; i < group.num_instances; i++)
            PROMISE(*group.instances[i].id &&
                    memchr(group.instances[i].zone, 0, sizeof group.instances[i].zone));
    }
    if (fuzz_accepted(aws_autoscaling_refresh(NULL, id, c, "g", 90, 60)))
        PROMISE(*id);
    if (fuzz_accepted(aws_autoscaling_refresh_status(NULL, &refresh, c, "g", "r")))
        PROMISE(*aws_refresh_status_name(refresh.status) && memchr(refresh.reason, 0, sizeof refresh.reason));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const struct aws_credentials *credentials = aws_answers_credentials();
    fuzz_forget_reason();
    aws_answers_begin(data + 1, size - 1, aws_query_error_read);
    if (data[0] % 2)
        try_stack(credentials);
    else
        try_group(credentials);
    return 0;
}
