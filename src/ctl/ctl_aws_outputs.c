/* ctl_aws_outputs.c - a stack's outputs: of the file that cdk deploy wrote, or of CloudFormation. */
#include <string.h>

#include "base/file_io.h"
#include "ctl_aws_private.h"
#include "json/json.h"

enum { FILE_MAX = 1 << 20, FILE_VALUES_MAX = 65536 };

result ctl_aws_outputs_parse(struct aws_stack *ret_stack, const struct buffer *text, const char *name)
{
    AUTO(aws_stack) stack = {.num_outputs = 0};
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, outputs;
    const char *key;
    json_t *value;
    TRY(json_read(&document, (const char *)text->data, text->length, FILE_MAX, FILE_VALUES_MAX));
    TRY(json_view_root(&root, document));
    ENSURE(json_has(&root, name), E_NOT_FOUND, "there is no stack of that name");
    TRY(json_get_object(&outputs, &root, name));
    json_object_foreach((json_t *)json_object_get(document, name), key, value) if (json_is_string(value))
        TRY(aws_stack_add_output(&stack, key, json_string_value(value)));
    *ret_stack = stack;
    stack = (struct aws_stack){.num_outputs = 0};
    return RESULT_OK;
}

static must_check result read_file(struct aws_stack *ret_stack, const struct ctl_aws *aws)
{
    AUTO(buffer) text = {0};
    TRY(file_read(&text, aws->outputs, FILE_MAX));
    result r = ctl_aws_outputs_parse(ret_stack, &text, aws->stack_name);
    return r.code ? error_prefix(r, "--outputs: stack %s", aws->stack_name) : r;
}

static must_check result ask(struct aws_stack *ret_stack, const struct ctl_aws *aws)
{
    AUTO_POINTER(aws_client) client = NULL;
    TRY(ctl_aws_client(&client, aws, &ctl_aws_cloudformation));
    result r = aws_cloudformation_stack(client, ret_stack, &aws->credentials, aws->stack_name);
    return r.code ? error_prefix(r, "stack %s in %s", aws->stack_name, aws->region) : r;
}

static must_check result find_stack(struct ctl_aws *aws, struct ctl_call *call)
{
    if (aws->has_stack)
        return RESULT_OK;
    TRY(ctl_require(call, aws->stack_name, "stack"));
    TRY(aws->outputs ? read_file(&aws->stack, aws) : ask(&aws->stack, aws));
    aws->has_stack = true;
    return RESULT_OK;
}

result ctl_aws_output(const char **ret_value, struct ctl_aws *aws, struct ctl_call *call, const char *name)
{
    TRY(find_stack(aws, call));
    const char *value = aws_stack_output(&aws->stack, name);
    ENSURE(value, E_NOT_FOUND, "stack %s: there is no output %s", aws->stack_name, name);
    *ret_value = value;
    return RESULT_OK;
}

result ctl_aws_stack_uuid(const char **ret_uuid, struct ctl_aws *aws, struct ctl_call *call)
{
    TRY(find_stack(aws, call));
    const char *uuid = aws_stack_output(&aws->stack, "Web3SignerUUID"), *slash = strrchr(aws->stack.id, '/');
    uuid = uuid ? uuid : slash ? slash + 1 : NULL;
    ENSURE(uuid, E_NOT_FOUND, "stack %s: there is no output Web3SignerUUID", aws->stack_name);
    *ret_uuid = uuid;
    return RESULT_OK;
}
