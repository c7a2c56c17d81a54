/* aws_cloudformation.c - see aws_cloudformation.h. A stack that is not there is told from other mistakes by
 * its message only: the type is ValidationError for all of them. */
#include "aws/aws_cloudformation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION "2010-05-15"

void aws_stack_cleanup(struct aws_stack *stack)
{
    free(stack->outputs);
    *stack = (struct aws_stack){.num_outputs = 0};
}

static must_check result copy_text(char *out, size_t out_capacity, const char *text, const char *name)
{
    ENSURE(strlen(text) < out_capacity, E_INPUT, "%s: must be below %zu characters", name, out_capacity);
    (void)snprintf(out, out_capacity, "%s", text);
    return RESULT_OK;
}

const char *aws_stack_output(const struct aws_stack *stack, const char *name)
{
    for (size_t i = 0; i < stack->num_outputs; i++)
        if (strcmp(stack->outputs[i].name, name) == 0)
            return stack->outputs[i].value;
    return NULL;
}

result aws_stack_add_output(struct aws_stack *stack, const char *name, const char *value)
{
    struct aws_stack_output output;
    TRY(copy_text(output.name, sizeof output.name, name, "OutputKey"));
    TRY(copy_text(output.value, sizeof output.value, value, output.name));
    ENSURE(!aws_stack_output(stack, name), E_INPUT, "%s: is there twice", output.name);
    ENSURE(stack->num_outputs < AWS_STACK_OUTPUTS_MAX, E_TOO_LARGE, "outputs: more than %d",
           AWS_STACK_OUTPUTS_MAX);
    struct aws_stack_output *longer =
        realloc(stack->outputs, (stack->num_outputs + 1) * sizeof *stack->outputs);
    ENSURE(longer, E_MEMORY, "out of memory for outputs");
    stack->outputs = longer;
    stack->outputs[stack->num_outputs++] = output;
    return RESULT_OK;
}

static must_check result take_outputs(struct aws_stack *stack, const struct aws_xml_element *description)
{
    struct aws_xml_element list, member;
    if (!aws_xml_has(description, "Outputs"))
        return RESULT_OK;
    TRY(aws_xml_list(&list, description, "Outputs"));
    for (uint32_t at = 0; aws_xml_next_member(&member, &at, &list);) {
        const char *name, *value;
        TRY(aws_xml_text(&name, &member, "OutputKey"));
        TRY(aws_xml_text(&value, &member, "OutputValue"));
        TRY(aws_stack_add_output(stack, name, value));
    }
    return RESULT_OK;
}

static must_check result parse(struct aws_stack *ret_stack, const struct aws_xml_element *answer)
{
    AUTO(aws_stack) stack = {.num_outputs = 0};
    struct aws_xml_element list, member, another;
    uint32_t at = 0;
    TRY(aws_xml_list(&list, answer, "Stacks"));
    bool one = aws_xml_next_member(&member, &at, &list) && !aws_xml_next_member(&another, &at, &list);
    ENSURE(one, E_INPUT, "Stacks: must have one member");
    TRY(aws_xml_copy_text(stack.id, sizeof stack.id, &member, "StackId"));
    TRY(aws_xml_copy_text(stack.status, sizeof stack.status, &member, "StackStatus"));
    TRY(take_outputs(&stack, &member));
    *ret_stack = stack;
    stack = (struct aws_stack){.num_outputs = 0};
    return RESULT_OK;
}

result aws_cloudformation_stack(struct aws_client *client, struct aws_stack *ret_stack,
                                const struct aws_credentials *credentials, const char *name)
{
    static const char action[] = "DescribeStacks";
    AUTO(buffer) form = {0};
    AUTO_POINTER(aws_xml) document = NULL;
    struct aws_xml_element answer;
    TRY(aws_query_begin(&form, action, VERSION));
    TRY(aws_query_add(&form, "StackName", name));
    result r = aws_query_call(client, &document, &answer, credentials, action, &form);
    if (r.code == E_INPUT && strstr(error_text(), "does not exist"))
        return (result){E_NOT_FOUND};
    TRY(r);
    return aws_error_in_answer(parse(ret_stack, &answer), action);
}
